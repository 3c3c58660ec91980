#include "mta/queue/outcome.h"

#include "mta/queue/report.h"
#include "mta/queue/tell.h"
#include "mta/queue/words.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <stdlib.h>

/* A recipient that ends; its words wait until we know who hears of it. */
struct notice {
    uint32_t rcpt;
    enum dsn_action what;
    const char *event;
    char *words; /* for the log, as words.h has them */
    int code;
    char *text, *host, *ip; /* whole */
    char status[12];        /* "5.1.1" */
    bool said;
};

/* A report on its way into the journal, with the recipients it is about. */
struct report {
    struct service *service;
    struct queue_letter *letter;
    enum dsn_action what;
    struct notices about; /* DSN_FAILED, DSN_DELIVERED; */
    uint32_t *late;       /* DSN_DELAYED                */
    size_t nlate;
};

static void *must_alloc(void *p)
{
    if (!p)
        abort();
    return p;
}

static char *copy(struct str s)
{
    return must_alloc(strndup(s.n ? s.p : "", s.n));
}

static char *words_of(const struct result *r)
{
    struct buf b;
    char *words;

    buf_init(&b, WORDS_BYTES);
    words_print(&b, r);
    words = copy(buf_str(&b));
    buf_done(&b);
    return words;
}

void outcome_begin(struct outcome *o, struct service *s, struct queue_letter *l)
{
    *o = (struct outcome){.service = s, .letter = l};
}

static struct journal_change *remember(struct outcome *o, uint32_t rcpt)
{
    if (!o->settle)
        o->settle = journal_settle_new(o->letter);
    return journal_settle_add(o->settle, o->letter->rcpts[rcpt].number);
}

static void add_notice(struct notices *all, uint32_t rcpt, enum dsn_action what,
                       const char *event, const struct result *r)
{
    if (all->n == all->room) {
        all->room = all->room ? all->room * 2 : 1;
        all->all = must_alloc(realloc(all->all, all->room * sizeof(struct notice)));
    }
    struct notice *n = &all->all[all->n++];
    *n = (struct notice){
        .rcpt = rcpt,
        .what = what,
        .event = event,
        .words = words_of(r),
        .code = r->said ? r->reply.code : 0,
        .text = copy(r->reply.text),
        .host = copy(r->host),
        .ip = copy(r->ip),
        .said = r->said,
    };
    snprintf(n->status, sizeof(n->status), "%.*s", STR_ARGS(str_first(r->reply.enhanced, 11)));
}

static void free_notices(struct notices *all)
{
    for (size_t i = 0; i < all->n; i++) {
        free(all->all[i].words);
        free(all->all[i].text);
        free(all->all[i].host);
        free(all->all[i].ip);
    }
    free(all->all);
    *all = (struct notices){0};
}

/* ---- what became of one ---- */

void outcome_done(struct outcome *o, uint32_t rcpt, const struct result *r)
{
    const struct queue_rcpt *q = &o->letter->rcpts[rcpt];
    enum dsn_action what = q->local ? DSN_DELIVERED : DSN_RELAYED;
    char *words = words_of(r);

    tell_delivered(o->service, o->letter, rcpt, str_c(words));
    free(words);
    if (!r->dsn && bounce_wanted(o->letter, q->notify, what)) {
        add_notice(&o->done, rcpt, what, "delivered", r);
        return;
    }
    remember(o, rcpt)->ended = true;
    queue_end(o->service->queue, o->letter, rcpt, QUEUE_DONE);
}

static void fail(struct outcome *o, uint32_t rcpt, const char *event, const struct result *r)
{
    char *words;

    if (bounce_wanted(o->letter, o->letter->rcpts[rcpt].notify, DSN_FAILED)) {
        add_notice(&o->failed, rcpt, DSN_FAILED, event, r);
        return;
    }
    words = words_of(r);
    tell_failed(o->service, o->letter, rcpt, event, str_c(words), NULL);
    free(words);
    remember(o, rcpt)->ended = true;
    queue_end(o->service->queue, o->letter, rcpt, QUEUE_FAILED);
}

void outcome_failed(struct outcome *o, uint32_t rcpt, const struct result *r)
{
    fail(o, rcpt, o->letter->deleted ? "deleted" : "bounced", r);
}

/* All that queue.db knows of a recipient that waits. */
static void remember_wait(struct journal_change *c, const struct queue_rcpt *q,
                          uint64_t next_wall_ms)
{
    c->tries = q->tries;
    c->backoff = q->backoff;
    c->next_wall_ms = next_wall_ms;
    c->reply = copy(str_c(q->reply ? q->reply : ""));
    c->told = q->told;
}

/* How often its turn has come: each time after a wait on the steady clock. */
static unsigned turns_of(const struct queue_rcpt *q)
{
    return q->tries > q->backoff ? q->tries : q->backoff;
}

static void put_off(struct outcome *o, uint32_t rcpt, const struct result *r, bool tried)
{
    struct service *s = o->service;
    struct queue_rcpt *q = &o->letter->rcpts[rcpt];
    uint64_t now_ms = clock_wall_ms(), arrived_ms = o->letter->env.arrived_ms;
    char *words;
    uint32_t random;

    if (o->letter->deleted ||
        schedule_is_over(&s->schedule, turns_of(q) + 1U, arrived_ms, now_ms)) {
        fail(o, rcpt, o->letter->deleted ? "deleted" : "expired", r);
        return;
    }
    random_bytes(&random, sizeof(random));
    uint64_t wait = schedule_wait_within(
        &s->schedule, schedule_wait_ms(&s->schedule, q->backoff + 1U, random), arrived_ms,
        now_ms);
    words = words_of(r);
    (tried ? queue_defer : queue_pass)(s->queue, o->letter, rcpt, loop_now_ms(s->loop) + wait,
                                       str_c(words));
    if (tried)
        tell_deferred(s, o->letter, rcpt, wait, str_c(words));
    else
        tell_passed(o->letter, rcpt, wait, str_c(words));
    free(words);
    remember_wait(remember(o, rcpt), q, now_ms + wait);
}

void outcome_later(struct outcome *o, uint32_t rcpt, const struct result *r)
{
    put_off(o, rcpt, r, true);
}

void outcome_passed(struct outcome *o, uint32_t rcpt, const struct result *r)
{
    put_off(o, rcpt, r, false);
}

/* ---- the end of a letter ---- */

void outcome_forget(struct service *s, struct queue_letter *l)
{
    tell_ended(s, l);
    queue_remove(s->queue, l);
}

static void settled(struct journal_op *op)
{
    journal_settle_free(LIST_OF(op, struct journal_settle, op));
}

/* Nobody is left and no report is under way: queue.db drops the letter with this settle. */
static bool is_over(const struct queue_letter *l)
{
    return l->nopen == 0 && l->nreports == 0;
}

static void submit(struct service *s, struct queue_letter *l, struct journal_settle *j)
{
    j->op.done = settled;
    j->last = is_over(l);
    if (j->last)
        outcome_forget(s, l);
    service_settle(s, j, false);
}

/* ---- reports ---- */

static void report_late(struct service *s, struct queue_letter *l);
static void reported(struct journal_op *op);

static void end_notices(struct service *s, struct queue_letter *l, const struct notices *all,
                        const struct id *report)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct notice *n = &all->all[i];

        if (n->what == DSN_FAILED)
            tell_failed(s, l, n->rcpt, n->event, str_c(n->words), report);
        else
            tell_reported(l, n->rcpt, n->what == DSN_RELAYED ? "relayed" : "delivered", report);
        queue_end(s->queue, l, n->rcpt, n->what == DSN_FAILED ? QUEUE_FAILED : QUEUE_DONE);
    }
}

static void remember_end(struct journal_settle *j, const struct queue_letter *l,
                         const struct notices *all)
{
    for (size_t i = 0; i < all->n; i++)
        journal_settle_add(j, l->rcpts[all->all[i].rcpt].number)->ended = true;
}

/* There is no report now, so its recipients have not failed yet. */
static void try_again(struct service *s, struct queue_letter *l, const struct notices *all)
{
    uint32_t random;

    random_bytes(&random, sizeof(random));
    uint64_t wait = schedule_wait_ms(&s->schedule, 1, random);
    for (size_t i = 0; i < all->n; i++)
        queue_defer(s->queue, l, all->all[i].rcpt, loop_now_ms(s->loop) + wait,
                    str_c(all->all[i].words));
}

/* It is with the queue, as every letter. */
static void report_written(struct report *r, struct journal_settle *j)
{
    end_notices(r->service, r->letter, &r->about, &j->report->env.id);
    for (size_t i = 0; i < r->nlate; i++)
        tell_reported(r->letter, r->late[i], "delayed", &j->report->env.id);
    service_take(r->service, j->report);
    j->report = NULL;
}

static void report_failed(struct report *r, const struct journal_settle *j)
{
    struct queue_letter *l = r->letter;

    log_event(LOG_ERROR, &l->env.id, "disk", "the %s cannot be written: %s",
              r->what == DSN_FAILED ? "bounce" : "report", j->op.err.text);
    for (size_t i = 0; i < r->nlate; i++)
        l->rcpts[r->late[i]].told = false;
    if (r->what == DSN_FAILED) {
        try_again(r->service, l, &r->about);
    } else if (r->what != DSN_DELAYED) {
        struct journal_settle *ended = journal_settle_new(l);

        remember_end(ended, l, &r->about);
        end_notices(r->service, l, &r->about, NULL);
        ended->op.done = settled;
        service_settle(r->service, ended, false);
    }
}

static void reported(struct journal_op *op)
{
    struct journal_settle *j = LIST_OF(op, struct journal_settle, op);
    struct report *r = op->arg;
    struct service *s = r->service;
    struct queue_letter *l = r->letter;

    l->nreports--;
    if (op->result == 0)
        report_written(r, j);
    else
        report_failed(r, j);
    if (op->result == 0 && j->last)
        outcome_forget(s, l);
    else if (is_over(l))
        submit(s, l, journal_settle_new(l));
    else if (op->result == 0)
        report_late(s, l);
    journal_settle_free(j);
    free_notices(&r->about);
    free(r->late);
    free(r);
    service_run(s);
}

static void submit_report(struct service *s, struct queue_letter *l, enum dsn_action what,
                          struct journal_settle *j, const struct report *about)
{
    struct report *r = must_alloc(malloc(sizeof(*r)));

    *r = *about;
    r->service = s;
    r->letter = l;
    r->what = what;
    j->op.done = reported;
    j->op.arg = r;
    j->last = l->nopen == about->about.n && l->nreports == 0;
    l->nreports++;
    service_settle(s, j, false);
}

static struct dsn_rcpt dsn_of(const struct queue_rcpt *q, const struct notice *n)
{
    return (struct dsn_rcpt){
        .original = q->orcpt,
        .final = q->address,
        .action = n->what,
        .status = str_c(n->status),
        .code = n->code,
        .diagnostic = str_c(n->text),
        .remote = str_c(n->host),
        .ip = str_c(n->ip),
        .said = n->said,
        .last_try_s = (int64_t)(clock_wall_ms() / 1000),
    };
}

/* These end, and the sender hears of it; where there is nobody to hear they just end. */
static void report_ended(struct outcome *o, struct notices *all, enum dsn_action what)
{
    struct queue_letter *l = o->letter;
    struct journal_settle *j;
    int made;

    if (all->n == 0)
        return;
    j = journal_settle_new(l);
    made = report_new(o->service, l, what, &j->bounce, &j->report);
    if (made <= 0)
        journal_settle_free(j);
    if (made < 0 && what == DSN_FAILED) {
        try_again(o->service, l, all);
        free_notices(all);
        return;
    }
    if (made <= 0) {
        if (!o->settle)
            o->settle = journal_settle_new(l);
        remember_end(o->settle, l, all);
        end_notices(o->service, l, all, NULL);
        free_notices(all);
        return;
    }
    for (size_t i = 0; i < all->n; i++) {
        struct dsn_rcpt r = dsn_of(&l->rcpts[all->all[i].rcpt], &all->all[i]);

        bounce_add(j->bounce, &r);
    }
    remember_end(j, l, all);
    submit_report(o->service, l, what, j, &(struct report){.about = *all});
    *all = (struct notices){0};
}

/* ---- delays ---- */

static bool is_late(const struct service *s, const struct queue_letter *l, uint32_t rcpt,
                    uint64_t now_ms)
{
    const struct queue_rcpt *q = &l->rcpts[rcpt];

    return q->state == QUEUE_LATER && !q->told &&
           schedule_is_late(&s->schedule, turns_of(q), l->env.arrived_ms, now_ms) &&
           bounce_wanted(l, q->notify, DSN_DELAYED);
}

static void add_late(struct service *s, struct journal_settle *j, struct queue_letter *l,
                     uint32_t rcpt, uint64_t now_ms)
{
    struct queue_rcpt *q = &l->rcpts[rcpt];
    struct result said = words_parse(str_c(q->reply ? q->reply : ""));
    uint64_t steady_ms = loop_now_ms(s->loop);
    struct dsn_rcpt r = {
        .original = q->orcpt,
        .final = q->address,
        .action = DSN_DELAYED,
        .status = said.reply.enhanced,
        .code = said.said ? said.reply.code : 0,
        .diagnostic = said.reply.text,
        .remote = said.host,
        .ip = said.ip,
        .said = said.said,
        .last_try_s = (int64_t)(now_ms / 1000),
        .retry_until_s = (int64_t)((l->env.arrived_ms + s->schedule.life_ms) / 1000),
    };

    q->told = true;
    bounce_add(j->bounce, &r);
    remember_wait(journal_settle_add(j, q->number), q,
                  now_ms + (q->next_ms > steady_ms ? q->next_ms - steady_ms : 0));
}

/* One report of up to REPORT_RCPTS of them; false when there is none, or nobody to hear. */
static bool report_some_late(struct service *s, struct queue_letter *l, uint64_t now_ms)
{
    struct journal_settle *j = NULL;
    struct report r = {.late = NULL};

    for (uint32_t i = 0; i < l->nrcpts && r.nlate < REPORT_RCPTS; i++) {
        if (!is_late(s, l, i, now_ms))
            continue;
        if (!j) {
            j = journal_settle_new(l);
            if (report_new(s, l, DSN_DELAYED, &j->bounce, &j->report) <= 0) {
                journal_settle_free(j);
                return false;
            }
            r.late = must_alloc(calloc(REPORT_RCPTS, sizeof(*r.late)));
        }
        add_late(s, j, l, i, now_ms);
        r.late[r.nlate++] = i;
    }
    if (j)
        submit_report(s, l, DSN_DELAYED, j, &r);
    return j != NULL;
}

static void report_late(struct service *s, struct queue_letter *l)
{
    uint64_t now_ms = clock_wall_ms();
    uint64_t patience = s->schedule.late_ms + OUTCOME_GATHER_MS;
    bool more_come = l->ntrying || l->ndue; /* soon: their words are fresher then */

    if (s->schedule.late_ms == 0 || l->nopen == 0 ||
        (more_come && now_ms < l->env.arrived_ms + patience))
        return;
    while (report_some_late(s, l, now_ms))
        ;
}

void outcome_end(struct outcome *o)
{
    bool over;

    report_ended(o, &o->failed, DSN_FAILED);
    report_ended(o, &o->done, DSN_DELIVERED);
    over = o->settle && is_over(o->letter);
    if (o->settle) /* before the marks of who is late: it knows nothing of them */
        submit(o->service, o->letter, o->settle);
    if (!over)
        report_late(o->service, o->letter);
}
