#include "mta/queue/delivery.h"

#include "base/defer.h"
#include "mta/queue/flags.h"
#include "mta/queue/outcome.h"
#include "mta/queue/tell.h"
#include "smtp/client.h"
#include "sys/log.h"

#include <stdlib.h>
#include <unistd.h>

/*
 * A link is a connection to mda, kept for the next letter:
 *
 *   (dial) ─▶ BUSY with a hand-over ─ answered ─▶ IDLE ─ the next ─▶ BUSY
 *               │                                  │
 *               └── gone before the answer ────────┴─▶ (free); what it had goes back into the
 * queue
 */

enum { WORDS_BYTES = 64 };

struct handover {
    struct queue_letter *letter;
    int file; /* for a peer that does not share the spool */
    uint64_t at;
    char words[WORDS_BYTES];
    uint32_t numbers[DELIVERY_RCPTS];
    struct smtp_transaction tx;
    struct smtp_client_rcpt rcpts[];
};

struct link {
    struct list link; /* in `idle` or alone */
    struct delivery *delivery;
    struct conn *conn;
    struct smtp_client *smtp;
    struct handover *handover; /* under way */
    bool greeted;              /* mda has answered once */
};

struct delivery {
    struct service *service;
    struct list idle;
    unsigned nlinks, nbusy;
    struct timer *pause;
    uint64_t pause_ms; /* the next one */
    bool paused, stopping, away;
    char *path;
    struct smtp_client_config client;
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

static void mda_is_away(struct delivery *d, int error)
{
    if (!d->away)
        log_event(LOG_WARN, NULL, "away", "mda does not answer on %s (%s); letters wait",
                  d->path, error ? strerrordesc_np(-error) : "closed");
    d->away = true;
    if (d->paused)
        return;
    d->paused = true;
    timer_start(d->pause, d->pause_ms);
    d->pause_ms =
        d->pause_ms * 2 < DELIVERY_PAUSE_MS_MAX ? d->pause_ms * 2 : DELIVERY_PAUSE_MS_MAX;
}

static void mda_is_there(struct delivery *d)
{
    if (d->away)
        log_event(LOG_INFO, NULL, "back", "mda answers again");
    d->away = false;
    d->pause_ms = DELIVERY_PAUSE_MS;
}

void delivery_hope(struct delivery *d)
{
    timer_stop(d->pause);
    d->paused = false;
    d->pause_ms = DELIVERY_PAUSE_MS;
}

/* ---- a hand-over ---- */

/* Of XSPOOL's words mda is told what the bytes are, not where they came from. */
static void pass_words(struct handover *h, struct str flags)
{
    struct str word;
    size_t n = 0;

    while (flags.n) {
        if (scan_byte(&flags, ' ') || !scan_until(&flags, ' ', &word))
            continue;
        bool pass = str_eq(word, STR("8bit")) || str_eq(word, STR("raw")) ||
                    str_starts(word, STR("wire="));
        if (!pass || n + word.n + 1 > sizeof(h->words))
            continue;
        if (n)
            h->words[n++] = ' ';
        memcpy(h->words + n, word.p, word.n);
        n += word.n;
        if (scan_word(&word, STR("wire=")))
            scan_u64(&word, UINT64_MAX, &h->tx.wire_size);
    }
    h->tx.flags = (struct str){h->words, n};
}

static struct handover *handover_new(struct queue_letter *l, const uint32_t *rcpts, size_t n)
{
    struct handover *h =
        must_alloc(calloc(1, sizeof(*h) + n * sizeof(struct smtp_client_rcpt)));

    h->letter = l;
    h->file = -1;
    memcpy(h->numbers, rcpts, n * sizeof(*rcpts));
    for (size_t i = 0; i < n; i++) {
        const struct queue_rcpt *r = &l->rcpts[rcpts[i]];

        h->rcpts[i].rcpt = (struct smtp_rcpt){
            .forward_path = r->address, .orcpt = r->orcpt, .notify = r->notify};
    }
    h->tx = (struct smtp_transaction){.mail = l->env.mail,
                                      .rcpts = h->rcpts,
                                      .nrcpts = n,
                                      .xspool = true,
                                      .id = l->env.id,
                                      .size = l->env.size};
    pass_words(h, l->env.flags);
    return h;
}

static void handover_free(struct handover *h)
{
    close_fd(&h->file);
    free(h);
}

/* A letter that takes mda down with it each time is not tried at this pace for ever. */
static void unanswered(struct outcome *o, uint32_t rcpt, bool counts)
{
    if (counts)
        outcome_later(
            o, rcpt,
            SMTP_REPLY(451, "4.3.0", "The delivery agent ended while it had the letter"));
    else
        queue_put_back(o->service->queue, o->letter, rcpt);
}

static void handover_end(struct delivery *d, struct handover *h)
{
    struct queue_letter *l = h->letter;
    bool counts = false, any = false;
    struct outcome o;

    outcome_begin(&o, d->service, l);
    for (size_t i = 0; i < h->tx.nrcpts; i++)
        any |= h->rcpts[i].phase == SMTP_PHASE_HANDED;
    if (any && ++l->broken > DELIVERY_BROKEN_MAX)
        counts = true;
    if (!any || counts)
        l->broken = 0;
    for (size_t i = 0; i < h->tx.nrcpts; i++) {
        struct smtp_reply r = h->rcpts[i].reply;

        if (h->rcpts[i].phase != SMTP_PHASE_ANSWERED)
            unanswered(&o, h->numbers[i], counts);
        else if (smtp_reply_class(r) == 2)
            outcome_done(&o, h->numbers[i], r);
        else if (smtp_reply_class(r) == 5)
            outcome_failed(&o, h->numbers[i], r);
        else
            outcome_later(&o, h->numbers[i], r);
    }
    handover_free(h);
    d->nbusy--;
    outcome_end(&o);
}

/* ---- links ---- */

static void *link_make(void *arg, struct conn *c)
{
    struct delivery *d = arg;
    struct link *k = must_alloc(calloc(1, sizeof(*k)));

    list_init(&k->link);
    k->delivery = d;
    k->conn = c;
    k->smtp = smtp_client_new(&d->client);
    d->nlinks++;
    list_append(&d->idle, &k->link);
    return k;
}

/* What the link had was not answered: back into the queue. */
static void link_gone(struct link *k)
{
    struct delivery *d = k->delivery;
    struct handover *h = k->handover;

    list_remove(&k->link);
    k->handover = NULL;
    if (!h)
        return;
    if (d->stopping) {
        handover_free(h);
        d->nbusy--;
        return;
    }
    if (!k->greeted)
        mda_is_away(d, conn_error(k->conn));
    handover_end(d, h);
    service_run(d->service);
}

static void link_free(void *p)
{
    struct link *k = p;
    struct service *s = k->delivery->service;

    link_gone(k);
    smtp_client_free(k->smtp);
    k->delivery->nlinks--;
    free(k);
    service_drained(s);
}

static void link_closed(void *p, struct conn *c)
{
    (void)c;
    link_gone(p);
}

/* For an LMTP server that knows nothing of the spool. Reads what was just written: from memory.
 */
static bool send_body(struct link *k)
{
    static char block[SMTP_BODY_CHUNK_BYTES];
    struct handover *h = k->handover;
    uint64_t size;

    if (h->file < 0)
        h->file = spool_read(k->delivery->service->spool, &h->letter->env.id, &size, NULL);
    ssize_t n = h->file < 0 ? -1 : pread(h->file, block, sizeof(block), (off_t)h->at);
    if (n < 0)
        return false; /* closing in the middle is the one way to take a letter back */
    h->at += (uint64_t)n;
    smtp_client_body(k->smtp, (struct str){block, (size_t)n},
                     h->at >= h->letter->env.size || n == 0);
    return true;
}

static void link_done(struct link *k)
{
    struct delivery *d = k->delivery;
    struct handover *h = k->handover;

    k->greeted = true;
    k->handover = NULL;
    mda_is_there(d);
    conn_deadline(k->conn, 0);
    list_append(&d->idle, &k->link);
    handover_end(d, h);
    service_run(d->service);
    service_drained(d->service);
}

static enum turn link_turn(void *p, struct conn *c)
{
    struct link *k = p;

    (void)c;
    for (;;) {
        switch (smtp_client_next(k->smtp)) {
        case SMTP_CLIENT_INPUT:
        case SMTP_CLIENT_READY:
            return TURN_READ;
        case SMTP_CLIENT_BODY:
            if (!send_body(k))
                return TURN_CLOSE;
            if (smtp_client_output(k->smtp).n >= SMTP_BODY_CHUNK_BYTES)
                return TURN_READ;
            break;
        case SMTP_CLIENT_DONE:
            link_done(k);
            break;
        case SMTP_CLIENT_STARTTLS: /* not asked for */
        case SMTP_CLIENT_CLOSE:
            return TURN_CLOSE;
        }
    }
}

static void link_feed(void *p, struct str in)
{
    smtp_client_feed(((struct link *)p)->smtp, in);
}

static struct str link_output(const void *p)
{
    return smtp_client_output(((const struct link *)p)->smtp);
}

static void link_sent(void *p, size_t n)
{
    smtp_client_sent(((struct link *)p)->smtp, n);
}

/* limits.delivery_seconds without an answer: mda hangs. It knows the letter again when it comes
 * twice. */
static void link_expired(void *p, struct conn *c)
{
    struct link *k = p;

    log_event(LOG_WARN, k->handover ? &k->handover->letter->env.id : NULL, "away",
              "mda did not answer in time");
    conn_abort(c);
}

static const struct conn_protocol link_protocol = {
    .feed = link_feed,
    .turn = link_turn,
    .output = link_output,
    .sent = link_sent,
    .expired = link_expired,
    .closed = link_closed,
    .free = link_free,
};

/* ---- handing over ---- */

static bool has_link(const struct delivery *d)
{
    return !list_empty(&d->idle) ||
           d->nlinks < d->service->program->config->limits.delivery_connections;
}

static struct link *take_link(struct delivery *d)
{
    struct conn_options o = {.protocol = &link_protocol};

    if (list_empty(&d->idle)) /* link_make() puts it there */
        conn_dial_unix(d->service->loop, d->path, &o, link_make, d);
    struct link *k = LIST_OF(d->idle.prev, struct link, link); /* the one used last is warm */
    list_remove(&k->link);
    return k;
}

static void hand_over(struct delivery *d, struct queue_letter *l, const uint32_t *rcpts,
                      size_t n)
{
    struct link *k = take_link(d);

    k->handover = handover_new(l, rcpts, n);
    d->nbusy++;
    conn_deadline(k->conn,
                  (uint64_t)d->service->program->config->limits.delivery_seconds * 1000);
    smtp_client_begin(k->smtp, &k->handover->tx);
    conn_wake(k->conn);
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

    while (!d->paused && !d->service->draining && has_link(d) &&
           (l = queue_take(d->service->queue, rcpts, DELIVERY_RCPTS, &n))) {
        if (l->rcpts[rcpts[0]].local)
            hand_over(d, l, rcpts, n);
        else
            no_road(d, l, rcpts, n);
    }
}

bool delivery_idle(const struct delivery *d)
{
    return d->nbusy == 0;
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
    struct delivery *d = must_alloc(calloc(1, sizeof(*d)));

    d->service = s;
    d->pause_ms = DELIVERY_PAUSE_MS;
    list_init(&d->idle);
    d->pause = timer_new(s->loop, on_pause_over, d);
    if (asprintf(&d->path, "%s/mda.sock", s->program->config->run_dir) < 0)
        abort();
    d->client =
        (struct smtp_client_config){.lmtp = true, .hostname = s->settings->smtp.hostname};
    return d;
}

void delivery_stop(struct delivery *d)
{
    if (d)
        d->stopping = true;
}

void delivery_free(struct delivery *d)
{
    if (!d)
        return;
    timer_free(d->pause);
    free(d->path);
    free(d);
}
