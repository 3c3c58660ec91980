#include "mta/queue/delivery.h"

#include "base/defer.h"
#include "mta/queue/outcome.h"
#include "mta/queue/tell.h"
#include "net/handover.h"
#include "sys/log.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    WORDS_BYTES = 64,
    ATTEMPTS_A_CONNECTION = 2, /* one under way, the next one waiting for its end */
};

/* One hand-over of one letter. */
struct attempt {
    struct list link;
    struct delivery *delivery;
    struct queue_letter *letter;
    struct handover_job job;
    int file; /* for a peer that does not share the spool */
    uint64_t at;
    char words[WORDS_BYTES];
    uint32_t numbers[DELIVERY_RCPTS];
    struct smtp_transaction tx;
    struct smtp_client_rcpt rcpts[];
};

struct delivery {
    struct service *service;
    struct handover *mda;
    struct list attempts;
    unsigned n, max;
    struct timer *pause;
    bool paused, away;
};

static void *must_alloc(void *p)
{
    if (!p)
        abort();
    return p;
}

/* ---- mda is away ---- */

static void on_pause_over(void *arg)
{
    struct delivery *d = arg;

    d->paused = false;
    service_run(d->service);
}

static void mda_is_away(struct delivery *d, const struct err *err)
{
    if (!d->away)
        log_event(LOG_WARN, NULL, "away", "mda does not take letters (%s): they wait",
                  err->code ? err->text : "it went in the middle");
    d->away = true;
    if (d->paused)
        return;
    d->paused = true;
    timer_start(d->pause, DELIVERY_PAUSE_MS);
}

static void mda_is_there(struct delivery *d)
{
    if (d->away)
        log_event(LOG_INFO, NULL, "back", "mda takes letters again");
    d->away = false;
}

void delivery_hope(struct delivery *d)
{
    timer_stop(d->pause);
    d->paused = false;
}

/* ---- a hand-over ---- */

/* Of XSPOOL's words mda is told what the bytes are, not where they came from. */
static void pass_words(struct attempt *t, struct str flags)
{
    struct str word;
    size_t n = 0;

    while (flags.n) {
        if (scan_byte(&flags, ' ') || !scan_until(&flags, ' ', &word))
            continue;
        bool pass = str_eq(word, STR("8bit")) || str_eq(word, STR("raw")) ||
                    str_starts(word, STR("wire="));
        if (!pass || n + word.n + 1 > sizeof(t->words))
            continue;
        if (n)
            t->words[n++] = ' ';
        memcpy(t->words + n, word.p, word.n);
        n += word.n;
        if (scan_word(&word, STR("wire=")))
            scan_u64(&word, UINT64_MAX, &t->tx.wire_size);
    }
    t->tx.flags = (struct str){t->words, n};
}

/* For an LMTP server that knows nothing of the spool. What it reads was written a moment ago.
 */
static ssize_t read_letter(struct handover_job *job, bool restart, char *to, size_t room)
{
    struct attempt *t = LIST_OF(job, struct attempt, job);
    uint64_t size;

    if (t->file < 0)
        t->file = spool_read(t->delivery->service->spool, &t->letter->env.id, &size, NULL);
    t->at = restart ? 0 : t->at;
    ssize_t n = t->file < 0 ? -1 : pread(t->file, to, room, (off_t)t->at);
    t->at += n > 0 ? (uint64_t)n : 0;
    return n;
}

/* In vain, and no try: it is due again. What somebody deleted meanwhile ends here. */
static void unanswered(struct outcome *o, uint32_t rcpt)
{
    if (o->letter->deleted)
        outcome_failed(o, rcpt, SMTP_REPLY(451, "4.3.0", "The delivery agent was away"));
    else
        queue_put_back(o->service->queue, o->letter, rcpt);
}

/* A letter that takes mda down with it each time is not tried at this pace for ever. */
static bool counts_as_try(struct attempt *t)
{
    bool handed = false;

    for (size_t i = 0; i < t->tx.nrcpts; i++)
        handed |= t->rcpts[i].phase == SMTP_PHASE_HANDED;
    if (handed && ++t->letter->broken <= DELIVERY_BROKEN_MAX)
        return false;
    t->letter->broken = 0;
    return handed;
}

static void attempt_end(struct attempt *t)
{
    struct queue_letter *l = t->letter;
    bool counts = counts_as_try(t);
    struct outcome o;

    outcome_begin(&o, t->delivery->service, l);
    for (size_t i = 0; i < t->tx.nrcpts; i++) {
        const struct smtp_client_rcpt *r = &t->rcpts[i];

        if (r->phase != SMTP_PHASE_ANSWERED && !counts)
            unanswered(&o, t->numbers[i]);
        else if (r->phase != SMTP_PHASE_ANSWERED)
            outcome_later(
                &o, t->numbers[i],
                SMTP_REPLY(451, "4.3.0", "The delivery agent ended while it had the letter"));
        else if (smtp_reply_class(r->reply) == 2)
            outcome_done(&o, t->numbers[i], r->reply);
        else if (smtp_reply_class(r->reply) == 5)
            outcome_failed(&o, t->numbers[i], r->reply);
        else
            outcome_later(&o, t->numbers[i], r->reply);
    }
    outcome_end(&o);
}

static void attempt_free(struct attempt *t)
{
    t->delivery->n--;
    list_remove(&t->link);
    close_fd(&t->file);
    free(t);
}

static void attempt_done(struct handover_job *job)
{
    struct attempt *t = LIST_OF(job, struct attempt, job);
    struct delivery *d = t->delivery;

    if (job->err.code)
        mda_is_away(d, &job->err);
    else
        mda_is_there(d);
    attempt_end(t);
    attempt_free(t);
    service_run(d->service);
    service_drained(d->service);
}

static void hand_over(struct delivery *d, struct queue_letter *l, const uint32_t *rcpts,
                      size_t n)
{
    struct attempt *t = must_alloc(calloc(1, sizeof(*t) + n * sizeof(struct smtp_client_rcpt)));

    t->delivery = d;
    t->letter = l;
    t->file = -1;
    memcpy(t->numbers, rcpts, n * sizeof(*rcpts));
    for (size_t i = 0; i < n; i++) {
        const struct queue_rcpt *r = &l->rcpts[rcpts[i]];

        t->rcpts[i].rcpt = (struct smtp_rcpt){
            .forward_path = r->address, .orcpt = r->orcpt, .notify = r->notify};
    }
    t->tx = (struct smtp_transaction){.mail = l->env.mail,
                                      .rcpts = t->rcpts,
                                      .nrcpts = n,
                                      .xspool = true,
                                      .id = l->env.id,
                                      .size = l->env.size};
    pass_words(t, l->env.flags);
    t->job = (struct handover_job){.tx = &t->tx, .done = attempt_done, .read = read_letter};
    list_append(&d->attempts, &t->link);
    d->n++;
    handover_submit(d->mda, &t->job);
}

static void no_road(struct delivery *d, struct queue_letter *l, const uint32_t *rcpts, size_t n)
{
    struct outcome o;

    outcome_begin(&o, d->service, l);
    for (size_t i = 0; i < n; i++)
        outcome_later(
            &o, rcpts[i],
            (struct smtp_reply){0, STR("4.4.0"), STR("there is no road to other servers yet")});
    outcome_end(&o);
}

void delivery_run(struct delivery *d)
{
    uint32_t rcpts[DELIVERY_RCPTS];
    struct queue_letter *l;
    size_t n;

    while (!d->paused && !d->service->draining && d->n < d->max &&
           (l = queue_take(d->service->queue, rcpts, DELIVERY_RCPTS, &n))) {
        if (l->rcpts[rcpts[0]].local)
            hand_over(d, l, rcpts, n);
        else
            no_road(d, l, rcpts, n);
    }
}

bool delivery_idle(const struct delivery *d)
{
    return d->n == 0;
}

struct journal_settle *delivery_delete(struct service *s, struct queue_letter *l)
{
    struct journal_settle *j = journal_settle_new(l);

    l->deleted = true;
    for (uint32_t i = 0; i < l->nrcpts; i++) {
        if (l->rcpts[i].state >= QUEUE_DONE || l->rcpts[i].state == QUEUE_TRYING)
            continue;
        tell_failed(s, l, i, "deleted", STR("by hand"), NULL);
        journal_settle_add(j, l->rcpts[i].number)->ended = true;
        queue_end(s->queue, l, i, QUEUE_FAILED);
    }
    j->last = l->nopen == 0 && l->nreports == 0;
    if (j->last)
        outcome_forget(s, l);
    return j;
}

/* ---- life ---- */

struct delivery *delivery_new(struct service *s)
{
    const struct config *c = s->program->config;
    struct delivery *d = must_alloc(calloc(1, sizeof(*d)));
    DEFER(free_mem) char *path = NULL;

    if (asprintf(&path, "%s/mda.sock", c->run_dir) < 0)
        abort();
    d->service = s;
    d->max = ATTEMPTS_A_CONNECTION * c->limits.delivery_connections;
    list_init(&d->attempts);
    d->pause = timer_new(s->loop, on_pause_over, d);
    d->mda = handover_new(s->loop, path, true, s->settings->smtp.hostname,
                          c->limits.delivery_connections,
                          (uint64_t)c->limits.delivery_seconds * 1000);
    return d;
}

void delivery_free(struct delivery *d)
{
    if (!d)
        return;
    handover_free(d->mda);
    LIST_EACH(&d->attempts, at)
    attempt_free(LIST_OF(at, struct attempt, link));
    timer_free(d->pause);
    free(d);
}
