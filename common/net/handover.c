/*
 *   job  ──submit──▶ waiting ──READY──▶ on a link ──DONE──▶ done
 *                     ▲ │                   │
 *                     │ │ nobody listens,   │ broken
 *                     │ │ patience over     │
 *                     │ └──▶ done           ├──▶ done (not handed, or handed without answer)
 *                     │  (not handed)       │
 *                     └─────────────────────┘ not handed, first time
 *
 *   link ──▶ dialing ──greeted──▶ busy ⇄ idle ──quiet for long, or broken──▶ gone
 */
#include "net/handover.h"

#include "base/arena.h"
#include "net/conn.h"
#include "net/io.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { CHUNK_BYTES = 32768 };

struct handover {
    struct loop *loop;
    struct arena words;
    const char *path;
    bool lmtp;
    struct str hostname;
    unsigned connections_max;
    uint64_t deadline_ms;
    struct list waiting; /* jobs  */
    struct list links;   /* idle ones first, the one used last at the front */
    unsigned nwaiting, nlinks, nready, active;
    bool down; /* the last connect failed */
    uint64_t down_since_ms, back_off_ms;
    struct timer *again; /* the back-off passes */
    bool backing_off;
    struct soon
        soon; /* the dispatch: after a link that has just become free has helped itself */
};

/* One connection, its session. */
struct link {
    struct list link;
    struct handover *h; /* NULL: the pool is gone or this link is over */
    struct conn *conn;
    struct smtp_client *client;
    struct handover_job *job;
    bool ready; /* was greeted                                      */
    bool used;  /* a transaction began here: it may have grown stale */
    bool idle;
    bool leaving; /* QUIT was said */
    char *chunk;  /* while a body is sent */
};

/* ---- jobs ---- */

static void put_in_front(struct handover *h, struct handover_job *job)
{
    list_append(h->waiting.next, &job->link); /* before the first */
    h->nwaiting++;
}

static struct handover_job *take_first(struct handover *h)
{
    struct handover_job *job = LIST_OF(h->waiting.next, struct handover_job, link);

    list_remove(&job->link);
    h->nwaiting--;
    return job;
}

static void not_handed(struct handover_job *job)
{
    for (size_t i = 0; i < job->tx->nrcpts; i++)
        if (job->tx->rcpts[i].phase == SMTP_PHASE_HANDED)
            job->tx->rcpts[i].phase = SMTP_PHASE_START;
}

static bool was_handed(const struct handover_job *job)
{
    for (size_t i = 0; i < job->tx->nrcpts; i++)
        if (job->tx->rcpts[i].phase == SMTP_PHASE_HANDED)
            return true;
    return false;
}

static void begin(struct link *k)
{
    struct handover_job *job = take_first(k->h);

    k->job = job;
    k->h->active++;
    job->tries += !k->used;
    k->used = true;
    job->begun = false;
    job->err.code = 0;
    job->err.text[0] = '\0';
    conn_deadline(k->conn, k->h->deadline_ms);
    smtp_client_begin(k->client, job->tx);
}

static void done(struct link *k)
{
    struct handover_job *job = k->job;

    assert(job);
    k->job = NULL;
    k->h->active--;
    free(k->chunk);
    k->chunk = NULL;
    job->done(job);
}

/* ---- the end of a link ---- */

static void why(const struct link *k, int error, struct err *err)
{
    struct smtp_reply r = smtp_client_error(k->client);

    if (r.code)
        err_set(err, E_UNAVAILABLE, "%.80s: %d %.*s %.*s", k->h->path, r.code,
                STR_ARGS(r.enhanced), STR_ARGS(r.text));
    else
        err_set(err, E_UNAVAILABLE, "%.80s: %s", k->h->path,
                error ? strerrordesc_np(-error) : "the connection ended");
}

static void lose_patience(struct handover *h, const struct err *err)
{
    uint64_t now = loop_now_ms(h->loop);
    struct list over;

    list_init(&over);
    LIST_EACH(&h->waiting, at)
    {
        struct handover_job *job = LIST_OF(at, struct handover_job, link);
        uint64_t since = job->since_ms > h->down_since_ms ? job->since_ms : h->down_since_ms;

        if (now - since < HANDOVER_PATIENCE_MS)
            continue;
        list_remove(at);
        h->nwaiting--;
        list_append(&over, at);
    }
    while (!list_empty(&over)) {
        struct handover_job *job = LIST_OF(over.next, struct handover_job, link);

        list_remove(&job->link);
        job->err = *err;
        job->done(job);
    }
}

/* Nobody greeted us: the next knock comes a little later. */
static void connect_failed(struct handover *h, const struct err *err)
{
    if (!h->down)
        h->down_since_ms = loop_now_ms(h->loop);
    h->down = true;
    if (!h->backing_off) {
        h->backing_off = true;
        timer_start(h->again, h->back_off_ms);
        h->back_off_ms *= 2;
        if (h->back_off_ms > HANDOVER_BACK_OFF_MAX_MS)
            h->back_off_ms = HANDOVER_BACK_OFF_MAX_MS;
    }
    if (h->nready == 0)
        lose_patience(h, err);
}

/* A line whose last byte has not left cannot have been obeyed. */
static void job_broken(struct link *k, const struct err *err)
{
    struct handover *h = k->h;
    struct handover_job *job = k->job;

    if (smtp_client_output(k->client).n)
        not_handed(job);
    if (job->err.code == 0)
        job->err = *err;
    else
        job->tries = HANDOVER_TRIES; /* the letter could not be read */
    if (was_handed(job) || job->tries >= HANDOVER_TRIES) {
        done(k);
        return;
    }
    k->job = NULL;
    h->active--;
    put_in_front(h, job);
}

/* Once, whatever ends it. */
static void link_over(struct link *k, int error)
{
    struct handover *h = k->h;
    struct err err;

    if (!h)
        return;
    why(k, error, &err);
    list_remove(&k->link);
    h->nlinks--;
    h->nready -= k->ready;
    if (k->job)
        job_broken(k, &err);
    k->h = NULL;
    if (!k->ready)
        connect_failed(h, &err);
    soon_run(h->loop, &h->soon);
}

/* ---- the session ---- */

static void link_feed(void *session, struct str in)
{
    smtp_client_feed(((struct link *)session)->client, in);
}

static struct str link_output(const void *session)
{
    return smtp_client_output(((const struct link *)session)->client);
}

static void link_sent(void *session, size_t n)
{
    smtp_client_sent(((struct link *)session)->client, n);
}

static void greeted(struct link *k)
{
    struct handover *h = k->h;

    if (k->ready)
        return;
    k->ready = true;
    h->nready++;
    h->down = false;
    h->back_off_ms = HANDOVER_BACK_OFF_FIRST_MS;
}

static void go_idle(struct link *k)
{
    k->idle = true;
    list_remove(&k->link);
    list_append(k->h->links.next, &k->link); /* to the front: the others grow old */
    conn_deadline(k->conn, HANDOVER_IDLE_MS);
}

/* False: the letter cannot be sent, and what was said of it must not end in a dot. */
static bool send_body(struct link *k)
{
    struct handover_job *job = k->job;
    ssize_t n;

    assert(job);
    if (!job->read) {
        err_set(&job->err, E_UNAVAILABLE, "%.80s does not offer XSPOOL", k->h->path);
        return false;
    }
    if (!k->chunk && !(k->chunk = malloc(CHUNK_BYTES)))
        abort();
    n = job->read(job, !job->begun, k->chunk, CHUNK_BYTES);
    job->begun = true;
    if (n < 0) {
        err_set(&job->err, (int)n, "the letter cannot be read");
        return false;
    }
    smtp_client_body(k->client, (struct str){k->chunk, (size_t)n}, n == 0);
    conn_deadline(k->conn, k->h->deadline_ms);
    return true;
}

static enum turn link_turn(void *session, struct conn *c)
{
    struct link *k = session;

    if (k->leaving)
        return smtp_client_next(k->client) == SMTP_CLIENT_INPUT ? TURN_READ : TURN_CLOSE;
    while (k->h) {
        switch (smtp_client_next(k->client)) {
        case SMTP_CLIENT_INPUT:
            return TURN_READ;
        case SMTP_CLIENT_READY:
            greeted(k);
            if (!k->idle && list_empty(&k->h->waiting))
                go_idle(k);
            if (k->idle)
                return TURN_READ;
            begin(k);
            break;
        case SMTP_CLIENT_BODY:
            if (send_body(k))
                break;
            link_over(k, 0);
            conn_abort(c);
            return TURN_CLOSE;
        case SMTP_CLIENT_DONE:
            done(k);
            break;
        case SMTP_CLIENT_STARTTLS: /* neither was asked for */
        case SMTP_CLIENT_LOGIN:
        case SMTP_CLIENT_CLOSE:
            link_over(k, 0);
            return TURN_CLOSE;
        }
    }
    return TURN_CLOSE;
}

static void link_closed(void *session, struct conn *c)
{
    link_over(session, conn_error(c));
}

static void link_expired(void *session, struct conn *c)
{
    struct link *k = session;

    if (k->h && k->idle) {
        struct handover *h = k->h;

        list_remove(&k->link); /* no job comes here any more */
        h->nlinks--;
        h->nready--;
        k->h = NULL;
        k->leaving = true;
        smtp_client_quit(k->client);
        return;
    }
    link_over(k, -ETIMEDOUT);
    conn_abort(c);
}

static void link_free(void *session)
{
    struct link *k = session;

    link_over(k, 0);
    smtp_client_free(k->client);
    free(k->chunk);
    free(k);
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

static void *link_make(void *arg, struct conn *c)
{
    struct handover *h = arg;
    struct smtp_client_config config = {.lmtp = h->lmtp, .hostname = h->hostname};
    struct link *k = calloc(1, sizeof(*k));

    if (!k)
        abort();
    k->h = h;
    k->conn = c;
    k->client = smtp_client_new(&config);
    list_append(&h->links, &k->link);
    h->nlinks++;
    conn_deadline(c, h->deadline_ms);
    return k;
}

/* ---- the pool ---- */

static void dial(struct handover *h)
{
    struct conn_options o = {.protocol = &link_protocol};

    conn_dial_unix(h->loop, h->path, &o, link_make, h);
}

static struct link *idle_link(const struct handover *h)
{
    struct link *k = LIST_OF(h->links.next, struct link, link);

    return list_empty(&h->links) || !k->idle ? NULL : k;
}

static void dispatch(struct soon *s)
{
    struct handover *h = LIST_OF(s, struct handover, soon);
    struct link *k;

    while (h->nwaiting && (k = idle_link(h))) {
        k->idle = false;
        list_remove(&k->link);
        list_append(&h->links, &k->link);
        begin(k);
        conn_wake(k->conn);
    }
    while (!h->backing_off && h->nlinks < h->connections_max &&
           h->nlinks - h->nready < h->nwaiting)
        dial(h);
}

static void back_off_over(void *arg)
{
    struct handover *h = arg;

    h->backing_off = false;
    soon_run(h->loop, &h->soon);
}

struct handover *handover_new(struct loop *l, const char *path, bool lmtp, struct str hostname,
                              unsigned connections_max, uint64_t deadline_ms)
{
    struct handover *h = calloc(1, sizeof(*h));

    if (!h)
        abort();
    h->loop = l;
    arena_init(&h->words);
    h->path = arena_dup(&h->words, str_c(path)).p;
    h->hostname = arena_dup(&h->words, hostname);
    h->lmtp = lmtp;
    h->connections_max = connections_max ? connections_max : 1;
    h->deadline_ms = deadline_ms;
    h->back_off_ms = HANDOVER_BACK_OFF_FIRST_MS;
    h->again = timer_new(l, back_off_over, h);
    list_init(&h->waiting);
    list_init(&h->links);
    soon_init(&h->soon, dispatch);
    return h;
}

void handover_set_limits(struct handover *h, unsigned connections_max, uint64_t deadline_ms)
{
    h->connections_max = connections_max ? connections_max : 1;
    h->deadline_ms = deadline_ms;
}

void handover_free(struct handover *h)
{
    if (!h)
        return;
    while (!list_empty(&h->links)) {
        struct link *k = LIST_OF(h->links.next, struct link, link);

        list_remove(&k->link);
        k->h = NULL;
        conn_abort(k->conn);
    }
    soon_cancel(&h->soon);
    timer_free(h->again);
    arena_done(&h->words);
    free(h);
}

void handover_submit(struct handover *h, struct handover_job *job)
{
    job->since_ms = loop_now_ms(h->loop);
    job->tries = 0;
    for (size_t i = 0; i < job->tx->nrcpts; i++)
        job->tx->rcpts[i].phase = SMTP_PHASE_START;
    list_append(&h->waiting, &job->link);
    h->nwaiting++;
    soon_run(h->loop, &h->soon);
}

unsigned handover_waiting(const struct handover *h)
{
    return h->nwaiting;
}

unsigned handover_active(const struct handover *h)
{
    return h->active;
}

bool handover_up(const struct handover *h)
{
    return !h->down;
}
