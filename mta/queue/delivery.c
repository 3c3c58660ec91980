#include "mta/queue/delivery.h"

#include "base/ascii.h"
#include "base/defer.h"
#include "base/map.h"
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
    DOMAIN_BYTES = 255,
};

/* A domain that letters are on their way to, while they are. */
struct destination {
    unsigned n;
    char name[DOMAIN_BYTES + 1]; /* lower case */
};

/* One hand-over of one letter. */
struct attempt {
    struct list link;
    struct road *road;
    struct destination *destination; /* NULL for what is here */
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
    struct map destinations; /* by name */
    unsigned destination_max;
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
}

/* ---- destinations ---- */

static struct str lower_name(char to[DOMAIN_BYTES + 1], struct str domain)
{
    domain = str_first(domain, DOMAIN_BYTES);
    for (size_t i = 0; i < domain.n; i++)
        to[i] = ascii_lower(domain.p[i]);
    to[domain.n] = '\0';
    return (struct str){to, domain.n};
}

/* There may be one more delivery to it. */
static bool may_go(void *arg, struct str domain)
{
    const struct delivery *d = arg;
    char name[DOMAIN_BYTES + 1];
    const struct destination *at = map_get(&d->destinations, lower_name(name, domain));

    return !at || at->n < d->destination_max;
}

void delivery_ahead(const void *delivery, const struct queue_rcpt *r, struct listing_ahead *out)
{
    const struct delivery *d = delivery;
    const struct road *w = &d->roads[r->local ? QUEUE_LOCAL : QUEUE_FAR];
    char name[DOMAIN_BYTES + 1];
    const struct destination *at =
        r->local ? NULL : map_get(&d->destinations, lower_name(name, queue_domain(r)));

    *out = (struct listing_ahead){w->away, r->local ? "posta-mda" : "posta-mta-send",
                                  at ? at->n : 0};
}

static struct destination *destination_hold(struct delivery *d, struct str domain)
{
    char name[DOMAIN_BYTES + 1];
    struct str key = lower_name(name, domain);
    struct destination *at = map_get(&d->destinations, key);

    if (!at) {
        at = must_alloc(calloc(1, sizeof(*at)));
        key = lower_name(at->name, domain);
        map_put(&d->destinations, key, at);
    }
    at->n++;
    return at;
}

static void destination_release(struct delivery *d, struct destination *at)
{
    if (!at || --at->n > 0)
        return;
    map_remove(&d->destinations, str_c(at->name));
    free(at);
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
    bool counts = counts_as_try(t);
    struct outcome o;
    struct arena a;

    arena_init(&a);
    outcome_begin(&o, t->road->delivery->service, t->letter);
    for (size_t i = 0; i < t->tx.nrcpts; i++) {
        const struct smtp_client_rcpt *r = &t->rcpts[i];
        struct result said = ours(r->reply);

        if (r->phase == SMTP_PHASE_ANSWERED && t->road->which == QUEUE_FAR)
            said = result_parse(r->reply, &a);
        if (r->phase == SMTP_PHASE_ANSWERED)
            answered(&o, t->numbers[i], &said);
        else if (counts)
            outcome_later(&o, t->numbers[i], &ended);
        else
            unanswered(&o, t->numbers[i]);
    }
    outcome_end(&o);
    arena_done(&a);
}

static void attempt_free(struct attempt *t)
{
    t->road->n--;
    destination_release(t->road->delivery, t->destination);
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

static void hand_over(struct road *w, struct queue_letter *l, const uint32_t *rcpts, size_t n)
{
    struct attempt *t = must_alloc(calloc(1, sizeof(*t) + n * sizeof(struct smtp_client_rcpt)));

    t->road = w;
    if (w->which == QUEUE_FAR)
        t->destination = destination_hold(w->delivery, queue_domain(&l->rcpts[rcpts[0]]));
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
    uint32_t rcpts[DELIVERY_RCPTS];
    struct queue_letter *l;
    size_t n;

    while (!w->paused && !d->service->draining && w->n < w->max &&
           (l = queue_take(d->service->queue, w->which, w->which == QUEUE_FAR ? may_go : NULL,
                           d, rcpts, DELIVERY_RCPTS, &n)))
        hand_over(w, l, rcpts, n);
}

void delivery_run(struct delivery *d)
{
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

static void open_road(struct delivery *d, enum queue_road which, const char *name,
                      unsigned connections, uint64_t deadline_ms)
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
    w->to =
        handover_new(s->loop, path, true, s->settings->smtp.hostname, connections, deadline_ms);
}

static uint64_t send_deadline_ms(const struct config *c)
{
    return (uint64_t)c->limits.send_seconds * 1000 + DELIVERY_SEND_SPARE_MS;
}

struct delivery *delivery_new(struct service *s)
{
    const struct config *c = s->program->config;
    struct delivery *d = must_alloc(calloc(1, sizeof(*d)));
    uint8_t secret[MAP_SECRET_BYTES];

    random_bytes(secret, sizeof(secret));
    map_init(&d->destinations, secret);
    d->service = s;
    list_init(&d->attempts);
    open_road(d, QUEUE_LOCAL, "mda", c->limits.delivery_connections,
              (uint64_t)c->limits.delivery_seconds * 1000);
    open_road(d, QUEUE_FAR, "send", c->limits.send_connections, send_deadline_ms(c));
    d->roads[QUEUE_LOCAL].max = ATTEMPTS_A_CONNECTION * c->limits.delivery_connections;
    d->roads[QUEUE_FAR].max = c->limits.send_connections;
    d->destination_max = c->limits.send_connections_per_destination;
    return d;
}

void delivery_reload(struct delivery *d)
{
    const struct config *c = d->service->program->config;

    handover_set_deadline(d->roads[QUEUE_FAR].to, send_deadline_ms(c));
    d->destination_max = c->limits.send_connections_per_destination;
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
    map_done(&d->destinations);
    free(d);
}
