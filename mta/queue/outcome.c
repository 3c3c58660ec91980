#include "mta/queue/outcome.h"

#include "mta/queue/recipients.h"
#include "mta/queue/tell.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <stdlib.h>

enum { REPLY_BYTES = 600, WORDS_BYTES = 1200 }; /* kept of what was said; with the host */

/* A recipient that ends without delivery; its words wait until we know who hears of it. */
struct failure {
    uint32_t rcpt;
    int code;
    const char *event;
    char *words;     /* the whole reply ...                */
    struct str text; /* ... and of it what the server said */
    char *remote;    /* who said it; NULL: we did          */
    char status[12]; /* "5.1.1"                            */
};

/* A bounce on its way into the journal, with the recipients it is about. */
struct report {
    struct service *service;
    struct queue_letter *letter;
    struct failure *failures;
    size_t nfailures;
};

static void *must_alloc(void *p)
{
    if (!p)
        abort();
    return p;
}

/* Where the text of the reply lies in the words. */
struct span {
    size_t at, n;
};

/* "550 5.1.1 No such user (mx.b.test[192.0.2.7])"; "(at …" where the words are not its own */
static struct span words_of(struct buf *out, const struct result *from)
{
    struct smtp_reply r = from->reply;

    if (r.code)
        buf_addf(out, "%d ", r.code);
    if (r.enhanced.n)
        buf_addf(out, "%.*s ", STR_ARGS(str_first(r.enhanced, 11)));
    struct span text = {.at = out->n};
    for (size_t i = 0; i < r.text.n && out->n < REPLY_BYTES - 1; i++) {
        char c = r.text.p[i];

        if ((unsigned char)c < ' ')
            c = ' ';
        buf_add_byte(out, c);
    }
    text.n = out->n - text.at;
    if (from->host.n)
        buf_addf(out, " (%s%.*s%s%.*s%s)", from->said ? "" : "at ", STR_ARGS(from->host),
                 from->ip.n ? "[" : "", STR_ARGS(from->ip), from->ip.n ? "]" : "");
    return text;
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

void outcome_done(struct outcome *o, uint32_t rcpt, const struct result *r)
{
    struct buf words;

    buf_init(&words, WORDS_BYTES);
    words_of(&words, r);
    tell_delivered(o->service, o->letter, rcpt, buf_str(&words));
    buf_done(&words);
    remember(o, rcpt)->ended = true;
    queue_end(o->service->queue, o->letter, rcpt, QUEUE_DONE);
}

static void add_failure(struct outcome *o, uint32_t rcpt, const char *event,
                        const struct result *r)
{
    struct buf words;
    struct span text;

    if (o->nfailures == o->room) {
        o->room = o->room ? o->room * 2 : 1;
        o->failures = must_alloc(realloc(o->failures, o->room * sizeof(struct failure)));
    }
    struct failure *f = &o->failures[o->nfailures++];
    buf_init(&words, WORDS_BYTES);
    *f = (struct failure){.rcpt = rcpt, .code = r->said ? r->reply.code : 0, .event = event};
    text = words_of(&words, r);
    f->words = must_alloc(strdup(buf_c(&words)));
    f->text = (struct str){f->words + text.at, text.n};
    if (r->said && r->host.n)
        f->remote = must_alloc(strndup(r->host.p, r->host.n));
    buf_done(&words);
    snprintf(f->status, sizeof(f->status), "%.*s", STR_ARGS(str_first(r->reply.enhanced, 11)));
}

void outcome_failed(struct outcome *o, uint32_t rcpt, const struct result *r)
{
    add_failure(o, rcpt, o->letter->deleted ? "deleted" : "bounced", r);
}

/* How often its turn has come: each time after a wait on the steady clock. */
static unsigned turns_of(const struct queue_rcpt *q)
{
    return (q->tries > q->backoff ? q->tries : q->backoff) + 1U;
}

static void put_off(struct outcome *o, uint32_t rcpt, const struct result *r, bool tried)
{
    struct service *s = o->service;
    struct queue_rcpt *q = &o->letter->rcpts[rcpt];
    uint64_t now_ms = clock_wall_ms();
    struct journal_change *c;
    struct buf words;
    uint32_t random;

    if (o->letter->deleted ||
        schedule_is_over(&s->schedule, turns_of(q), o->letter->env.arrived_ms, now_ms)) {
        add_failure(o, rcpt, o->letter->deleted ? "deleted" : "expired", r);
        return;
    }
    random_bytes(&random, sizeof(random));
    uint64_t wait = schedule_wait_ms(&s->schedule, q->backoff + 1U, random);
    buf_init(&words, WORDS_BYTES);
    words_of(&words, r);
    (tried ? queue_defer : queue_pass)(s->queue, o->letter, rcpt, loop_now_ms(s->loop) + wait,
                                       buf_str(&words));
    tell_deferred(s, o->letter, rcpt, wait, buf_str(&words));
    c = remember(o, rcpt);
    c->tries = q->tries;
    c->backoff = q->backoff;
    c->next_wall_ms = now_ms + wait;
    c->reply = must_alloc(strdup(buf_c(&words)));
    buf_done(&words);
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

/* Nobody is left and no bounce is under way: queue.db drops the letter with this settle. */
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

/* ---- bounces ---- */

static void free_failures(struct failure *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(f[i].words), free(f[i].remote);
    free(f);
}

static void end_failures(struct service *s, struct queue_letter *l, const struct failure *f,
                         size_t n, const struct id *report)
{
    for (size_t i = 0; i < n; i++) {
        tell_failed(s, l, f[i].rcpt, f[i].event, str_c(f[i].words), report);
        queue_end(s->queue, l, f[i].rcpt, QUEUE_FAILED);
    }
}

/* The bounce cannot be written now, so its recipients have not failed yet. */
static void try_again(struct service *s, struct queue_letter *l, const struct failure *f,
                      size_t n)
{
    uint32_t random;

    random_bytes(&random, sizeof(random));
    uint64_t wait = schedule_wait_ms(&s->schedule, 1, random);
    for (size_t i = 0; i < n; i++)
        queue_defer(s->queue, l, f[i].rcpt, loop_now_ms(s->loop) + wait, str_c(f[i].words));
}

/* What else the settle was to say has happened all the same. The failures stand at its end. */
static void settle_the_rest(struct service *s, struct queue_letter *l, struct journal_settle *j,
                            size_t nfailures)
{
    struct journal_settle *rest;

    if (j->nchanges == nfailures)
        return;
    rest = journal_settle_new(l);
    for (size_t i = 0; i < j->nchanges - nfailures; i++) {
        *journal_settle_add(rest, j->changes[i].rcpt) = j->changes[i];
        j->changes[i].reply = NULL;
    }
    submit(s, l, rest);
}

static void reported(struct journal_op *op)
{
    struct journal_settle *j = LIST_OF(op, struct journal_settle, op);
    struct report *r = op->arg;
    struct service *s = r->service;
    struct queue_letter *l = r->letter;

    l->nreports--;
    if (op->result == 0) {
        end_failures(s, l, r->failures, r->nfailures, &j->report->env.id);
        service_take(s, j->report);
        j->report = NULL;
    } else {
        log_event(LOG_ERROR, &l->env.id, "disk", "the bounce cannot be written: %s",
                  op->err.text);
        try_again(s, l, r->failures, r->nfailures);
        settle_the_rest(s, l, j, r->nfailures);
    }
    if (op->result == 0 && j->last)
        outcome_forget(s, l);
    else if (is_over(l))
        submit(s, l, journal_settle_new(l));
    journal_settle_free(j);
    free_failures(r->failures, r->nfailures);
    free(r);
    service_run(s);
}

/* Whom a report goes to, where letters reach them; the postmaster where they reach nobody. */
static enum bounce_to find_readers(struct service *s, struct recipients *to,
                                   enum bounce_to whom, struct str sender)
{
    struct smtp_rcpt rcpt = {.forward_path = sender};

    users_refresh(s->users, loop_now_ms(s->loop));
    if (whom == BOUNCE_SENDER && smtp_reply_class(recipients_add(to, s->users, &rcpt)) == 2 &&
        to->n)
        return whom;
    rcpt.forward_path = STR("postmaster");
    if (smtp_reply_class(recipients_add(to, s->users, &rcpt)) == 2 && to->n)
        return BOUNCE_POSTMASTER;
    return BOUNCE_NOBODY;
}

static struct queue_letter *make_report(const struct queue_letter *about, const struct id *id,
                                        const struct recipients *to, enum bounce_to whom)
{
    char flags[64];
    int n = snprintf(flags, sizeof(flags), "via=queue parent=%s", about->env.id.text);
    struct queue_envelope e = {
        .id = *id,
        .parent = about->env.id,
        .arrived_ms = clock_wall_ms(),
        .mail = {.body = about->env.mail.body, .smtputf8 = about->env.mail.smtputf8},
        .flags = {flags,                        (size_t)n                           },
        .notice = whom == BOUNCE_POSTMASTER,
    };

    return queue_letter_new(&e, to->to, to->n);
}

static struct bounce *print_later(const struct outcome *o, const struct id *id, struct str to)
{
    uint64_t now_ms = clock_wall_ms();
    const struct queue_letter *l = o->letter;
    struct bounce *b = bounce_new(l, id, o->service->settings->smtp.hostname, to, now_ms);

    for (size_t i = 0; i < o->nfailures; i++) {
        const struct failure *f = &o->failures[i];

        if (bounce_to_whom(l, f->rcpt) != BOUNCE_NOBODY)
            bounce_add(b, &l->rcpts[f->rcpt], f->code, str_c(f->status), f->text,
                       str_c(f->remote), now_ms);
    }
    return b;
}

static enum bounce_to who_hears(const struct outcome *o)
{
    enum bounce_to whom = BOUNCE_NOBODY;

    for (size_t i = 0; i < o->nfailures && whom == BOUNCE_NOBODY; i++)
        whom = bounce_to_whom(o->letter, o->failures[i].rcpt);
    return whom;
}

/* True when a report goes into the journal with the settle. */
static bool report(struct outcome *o)
{
    struct service *s = o->service;
    struct queue_letter *l = o->letter;
    enum bounce_to whom = who_hears(o);
    struct recipients to;
    struct id id;

    if (whom == BOUNCE_NOBODY)
        return false;
    recipients_init(&to, QUEUE_EXPANDED_RECIPIENTS);
    whom = find_readers(s, &to, whom, l->env.mail.reverse_path);
    if (whom == BOUNCE_NOBODY) {
        recipients_done(&to);
        return false;
    }
    struct report *r = must_alloc(calloc(1, sizeof(*r)));
    *r = (struct report){s, l, o->failures, o->nfailures};
    clock_new_id(&id);
    o->settle->bounce = print_later(
        o, &id, whom == BOUNCE_SENDER ? l->env.mail.reverse_path : to.to[0].address);
    o->settle->report = make_report(l, &id, &to, whom);
    o->settle->op.done = reported;
    o->settle->op.arg = r;
    o->settle->last = l->nopen == o->nfailures && l->nreports == 0;
    l->nreports++;
    recipients_done(&to);
    service_settle(s, o->settle, false);
    return true;
}

void outcome_end(struct outcome *o)
{
    for (size_t i = 0; i < o->nfailures; i++)
        remember(o, o->failures[i].rcpt)->ended = true;
    if (!o->settle || (o->nfailures && report(o)))
        return;
    end_failures(o->service, o->letter, o->failures, o->nfailures, NULL);
    free_failures(o->failures, o->nfailures);
    submit(o->service, o->letter, o->settle);
}
