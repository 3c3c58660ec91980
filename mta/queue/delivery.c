#include "mta/queue/delivery.h"

#include "base/defer.h"
#include "mta/queue/outcome.h"
#include "mta/queue/tell.h"
#include "net/handover.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    WORDS_BYTES = 64,
    ATTEMPTS_A_CONNECTION = 2, /* one under way, the next one waiting for its end */
    PASS_MAX = 100,            /* letters put off in one turn of the loop         */
};

/* One hand-over of one letter. */
struct attempt {
    struct list link;
    struct road *road;
    struct trip *trip; /* NULL for what is here */
    struct queue_letter *letter;
    struct handover_job job;
    int file; /* for a peer that does not share the spool */
    uint64_t at;
    char words[WORDS_BYTES];
    uint32_t numbers[DELIVERY_RCPTS];
    struct smtp_transaction tx;
    struct smtp_client_rcpt rcpts[];
};

/* To mda, or to send. */
struct road {
    struct delivery *delivery;
    enum queue_road which;
    const char *name; /* of the process at its end */
    struct handover *to;
    unsigned n, max;
    struct timer *pause;
    bool paused, away;
};

struct delivery {
    struct service *service;
    struct road roads[QUEUE_ROADS];
    struct list attempts;
    struct trip *spare;
    struct timer *more; /* letters are to be put off: in the next turn of the loop */
};

static void *must_alloc(void *p)
{
    if (!p)
        abort();
    return p;
}

/* ---- somebody is away ---- */

static void on_pause_over(void *arg)
{
    struct road *w = arg;

    w->paused = false;
    service_run(w->delivery->service);
}

static void is_away(struct road *w, const struct err *err)
{
    if (!w->away)
        log_event(LOG_WARN, NULL, "away", "%s does not take letters (%s): they wait", w->name,
                  err->code ? err->text : "it went in the middle");
    w->away = true;
    if (w->paused)
        return;
    w->paused = true;
    timer_start(w->pause, DELIVERY_PAUSE_MS);
}

static void is_there(struct road *w)
{
    if (w->away)
        log_event(LOG_INFO, NULL, "back", "%s takes letters again", w->name);
    w->away = false;
}

void delivery_hope(struct delivery *d)
{
    for (int i = 0; i < QUEUE_ROADS; i++) {
        timer_stop(d->roads[i].pause);
        d->roads[i].paused = false;
    }
    destinations_hope(queue_destinations(d->service->queue));
}

void delivery_ahead(const void *delivery, const struct queue_rcpt *r, struct listing_ahead *out)
{
    const struct delivery *d = delivery;
    const struct road *w = &d->roads[r->local ? QUEUE_LOCAL : QUEUE_FAR];
    const struct domain *to =
        r->local ? NULL
                 : destinations_find(queue_destinations(d->service->queue), queue_domain(r));

    *out = (struct listing_ahead){w->away, r->local ? "posta-mda" : "posta-mta-send",
                                  to ? domain_trips(to) : 0};
}

/* ---- a hand-over ---- */

/* Of XSPOOL's words the next process is told what the bytes are, not where they came from. */
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
        t->file =
            spool_read(t->road->delivery->service->spool, &t->letter->env.id, &size, NULL);
    t->at = restart ? 0 : t->at;
    ssize_t n = t->file < 0 ? -1 : pread(t->file, to, room, (off_t)t->at);
    t->at += n > 0 ? (uint64_t)n : 0;
    return n;
}

/* Words of our own. */
static struct result ours(struct smtp_reply r)
{
    return (struct result){.reply = r, .host = STR_LIT(""), .ip = STR_LIT(""), .said = true};
}

/* In vain, and no try: it is due again. What somebody deleted meanwhile ends here. */
static void unanswered(struct outcome *o, uint32_t rcpt)
{
    struct result gone = ours(SMTP_REPLY(451, "4.3.0", "The delivery agent was away"));

    if (o->letter->deleted)
        outcome_failed(o, rcpt, &gone);
    else
        queue_put_back(o->service->queue, o->letter, rcpt);
}

static void answered(struct outcome *o, uint32_t rcpt, const struct result *r)
{
    if (smtp_reply_class(r->reply) == 2)
        outcome_done(o, rcpt, r);
    else if (smtp_reply_class(r->reply) == 5)
        outcome_failed(o, rcpt, r);
    else
        outcome_later(o, rcpt, r);
}

/* "Too many recipients": 452, or 552 from of old; of the transaction, not of the mailbox. */
static bool is_one_too_many(struct smtp_reply r)
{
    return str_eq(r.enhanced, STR("4.5.3")) || str_eq(r.enhanced, STR("5.5.3")) ||
           (r.code == 452 && (r.enhanced.n == 0 || str_eq(r.enhanced, STR("4.0.0"))));
}

static bool took_somebody(const struct attempt *t)
{
    for (size_t i = 0; i < t->tx.nrcpts; i++)
        if (t->rcpts[i].phase == SMTP_PHASE_ANSWERED &&
            smtp_reply_class(t->rcpts[i].reply) == 2)
            return true;
    return false;
}

/* What the result for one recipient says of the destination as a whole. */
static enum destination_end end_by(const struct result *r)
{
    if (r->reply.code == 421)
        return DESTINATION_BUSY;
    if (smtp_reply_class(r->reply) == 2 || r->said)
        return DESTINATION_ANSWERED;
    /* ours: about the network and the routing, or about TLS and logging in (RFC 3463 3.5, 3.8)
     */
    if (str_starts(r->reply.enhanced, STR("4.4.")) ||
        str_starts(r->reply.enhanced, STR("4.7.")))
        return DESTINATION_SILENT;
    return DESTINATION_UNTRIED;
}

/* Of several recipients the best counts: who answers one is there. */
static void learn(struct attempt *t, enum destination_end *how, struct result *of,
                  const struct result *r)
{
    enum destination_end now = end_by(r);

    if (t->trip && now <= *how) {
        *how = now;
        *of = *r;
    }
}

static void end_trip(struct attempt *t, enum destination_end how, const struct result *of)
{
    struct service *s = t->road->delivery->service;
    char words[DESTINATION_WORDS_BYTES];
    uint32_t random = 0;

    if (!t->trip)
        return;
    if (how == DESTINATION_BUSY || how == DESTINATION_SILENT)
        random_bytes(&random, sizeof(random));
    int n = snprintf(words, sizeof(words), "%.*s%s%.*s%s%.*s", STR_ARGS(of->host),
                     of->ip.n ? "[" : "", STR_ARGS(of->ip), of->ip.n ? "]: " : "",
                     STR_ARGS(of->reply.text));
    struct str text = {words, (size_t)n < sizeof(words) ? (size_t)n : sizeof(words) - 1};
    trip_end(queue_destinations(s->queue), t->trip, how, of->mxset, text, random,
             loop_now_ms(s->loop));
    free(t->trip);
    t->trip = NULL;
}

/* A letter that takes that process down with it each time is not tried at this pace for ever.
 */
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
    const struct result ended =
        ours(SMTP_REPLY(451, "4.3.0", "The delivery agent ended while it had the letter"));
    bool counts = counts_as_try(t), took = took_somebody(t);
    enum destination_end how = DESTINATION_UNTRIED;
    struct result of = ended;
    struct outcome o;
    struct arena a;

    arena_init(&a);
    outcome_begin(&o, t->road->delivery->service, t->letter);
    for (size_t i = 0; i < t->tx.nrcpts; i++) {
        const struct smtp_client_rcpt *r = &t->rcpts[i];
        bool has_answer = r->phase == SMTP_PHASE_ANSWERED;
        struct result said = ours(r->reply);

        if (has_answer && t->road->which == QUEUE_FAR)
            said = result_parse(r->reply, &a);
        if (has_answer)
            learn(t, &how, &of, &said);
        /* the rest has the next transaction at once (RFC 5321 4.5.3.1.10) */
        if (has_answer && took && is_one_too_many(r->reply) && !t->letter->deleted)
            queue_put_back(o.service->queue, o.letter, t->numbers[i]);
        else if (has_answer)
            answered(&o, t->numbers[i], &said);
        else if (counts)
            outcome_later(&o, t->numbers[i], &ended);
        else
            unanswered(&o, t->numbers[i]);
    }
    outcome_end(&o);
    end_trip(t, how, &of);
    arena_done(&a);
}

static void attempt_free(struct attempt *t)
{
    t->road->n--;
    free(t->trip);
    list_remove(&t->link);
    close_fd(&t->file);
    free(t);
}

static void attempt_done(struct handover_job *job)
{
    struct attempt *t = LIST_OF(job, struct attempt, job);
    struct delivery *d = t->road->delivery;

    if (job->err.code)
        is_away(t->road, &job->err);
    else
        is_there(t->road);
    attempt_end(t);
    attempt_free(t);
    service_run(d->service);
    service_drained(d->service);
}

static void hand_over(struct road *w, struct queue_letter *l, struct trip *trip,
                      const uint32_t *rcpts, size_t n)
{
    struct attempt *t = must_alloc(calloc(1, sizeof(*t) + n * sizeof(struct smtp_client_rcpt)));

    t->road = w;
    t->trip = trip;
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
    list_append(&w->delivery->attempts, &t->link);
    w->n++;
    handover_submit(w->to, &t->job);
}

static void run_road(struct road *w)
{
    struct delivery *d = w->delivery;
    struct queue *q = d->service->queue;
    uint64_t now_ms = loop_now_ms(d->service->loop);
    uint32_t rcpts[DELIVERY_RCPTS];
    struct queue_letter *l;
    size_t n;

    while (!w->paused && !d->service->draining && w->n < w->max) {
        if (!d->spare)
            d->spare = must_alloc(malloc(sizeof(*d->spare)));
        l = queue_take(q, w->which, now_ms, d->spare, rcpts, DELIVERY_RCPTS, &n);
        if (!l)
            return;
        hand_over(w, l, w->which == QUEUE_FAR ? d->spare : NULL, rcpts, n);
        if (w->which == QUEUE_FAR)
            d->spare = NULL;
    }
}

/* Nobody is called where nobody answered a moment ago: these wait on, each by its own schedule.
 */
static void put_off(struct delivery *d)
{
    struct service *s = d->service;
    uint64_t now_ms = loop_now_ms(s->loop);
    char words[DESTINATION_WORDS_BYTES + 64];
    uint32_t rcpts[DELIVERY_RCPTS];
    struct queue_letter *l;
    struct domain *to;
    size_t n;

    for (int i = 0; i < PASS_MAX && !s->draining; i++) {
        struct outcome o;

        l = queue_take_dead(s->queue, now_ms, &to, rcpts, DELIVERY_RCPTS, &n);
        if (!l)
            return;
        snprintf(words, sizeof(words), "not tried now, since the last try failed: %.*s",
                 STR_ARGS(domain_words(to)));
        struct result r = ours((struct smtp_reply){451, STR("4.4.1"), str_c(words)});
        r.said = false;
        outcome_begin(&o, s, l);
        for (size_t k = 0; k < n; k++)
            outcome_passed(&o, rcpts[k], &r);
        outcome_end(&o);
    }
    if (!s->draining)
        timer_start(d->more, 1);
}

static void on_more(void *arg)
{
    service_run(((struct delivery *)arg)->service);
}

void delivery_run(struct delivery *d)
{
    put_off(d); /* first: it finds out who may be called again */
    for (int i = 0; i < QUEUE_ROADS; i++)
        run_road(&d->roads[i]);
}

bool delivery_idle(const struct delivery *d)
{
    return d->roads[QUEUE_LOCAL].n == 0 && d->roads[QUEUE_FAR].n == 0;
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

static void open_road(struct delivery *d, enum queue_road which, const char *name)
{
    struct service *s = d->service;
    struct road *w = &d->roads[which];
    DEFER(free_mem) char *path = NULL;

    if (asprintf(&path, "%s/%s.sock", s->program->config->run_dir, name) < 0)
        abort();
    w->delivery = d;
    w->which = which;
    w->name = name;
    w->pause = timer_new(s->loop, on_pause_over, w);
    w->to = handover_new(s->loop, path, true, s->settings->smtp.hostname, 1, 0);
}

static void set_limits(struct delivery *d)
{
    const struct config_limits *c = &d->service->program->config->limits;
    struct road *here = &d->roads[QUEUE_LOCAL], *far = &d->roads[QUEUE_FAR];

    here->max = ATTEMPTS_A_CONNECTION * c->delivery_connections;
    handover_set_limits(here->to, c->delivery_connections,
                        (uint64_t)c->delivery_seconds * 1000);
    far->max = c->send_connections;
    handover_set_limits(far->to, c->send_connections,
                        (uint64_t)c->send_seconds * 1000 + DELIVERY_SEND_SPARE_MS);
    destinations_limit(queue_destinations(d->service->queue), c->send_connections,
                       c->send_connections_per_destination, &d->service->schedule);
}

struct delivery *delivery_new(struct service *s)
{
    struct delivery *d = must_alloc(calloc(1, sizeof(*d)));

    d->service = s;
    d->more = timer_new(s->loop, on_more, d);
    list_init(&d->attempts);
    open_road(d, QUEUE_LOCAL, "mda");
    open_road(d, QUEUE_FAR, "send");
    set_limits(d);
    return d;
}

/* Where there is more room now, somebody's turn has come. */
void delivery_reload(struct delivery *d)
{
    set_limits(d);
    service_run(d->service);
}

void delivery_free(struct delivery *d)
{
    if (!d)
        return;
    for (int i = 0; i < QUEUE_ROADS; i++)
        handover_free(d->roads[i].to);
    LIST_EACH(&d->attempts, at)
    attempt_free(LIST_OF(at, struct attempt, link));
    for (int i = 0; i < QUEUE_ROADS; i++)
        timer_free(d->roads[i].pause);
    timer_free(d->more);
    free(d->spare);
    free(d);
}
