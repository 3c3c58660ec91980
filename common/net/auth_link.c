/*
 *   IDLE --auth_exchange_begin--> OPEN --closed, silent--> WAITING --back-off--> OPEN
 *
 * The connection is made when the first exchange needs it. When it breaks, all that was under
 * way on it is answered AUTH_TEMP; what begins during the back-off is too, at once, so that
 * nobody waits for an authd that is not there.
 */
#include "net/auth_link.h"

#include "base/map.h"
#include "net/conn.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <assert.h>

enum {
    BACK_OFF_FIRST_MS = 50,
    BACK_OFF_MAX_MS = 2000,
    SILENCE_MS = 30000, /* something is awaited and nothing comes: authd hangs */
    PATH_BYTES = 108,
    IN_BYTES = 262144,
    OUT_BYTES = 64 << 20,
};

/* The session of one connection; outlived by the link, or outliving it. */
struct link_session {
    struct auth_link *link; /* NULL: the link is gone */
    struct conn *conn;
    struct buf in, out, scratch;
    bool broken;
};

struct auth_link {
    struct loop *loop;
    char path[PATH_BYTES];
    struct link_session *session; /* NULL: not connected */
    struct timer *again, *fail;
    uint64_t back_off_ms;
    bool waiting;         /* for the back-off to pass */
    struct map exchanges; /* by the octets of their numbers */
    struct list failing;  /* to be answered AUTH_TEMP from the loop */
    uint32_t next;
    unsigned n, awaited; /* open; and of them, waiting for authd */
};

struct auth_exchange {
    struct list link; /* in `failing` */
    struct auth_link *all;
    uint32_t number;
    bool awaits; /* an answer of authd                          */
    bool lost;   /* authd that knew of it has gone: it will fail */
    void (*answer)(void *arg, const struct auth_answer *a);
    void *arg;
};

static struct str key(const struct auth_exchange *x)
{
    return (struct str){(const char *)&x->number, sizeof(x->number)};
}

static void set_awaits(struct auth_exchange *x, bool awaits)
{
    struct auth_link *l = x->all;

    if (x->awaits == awaits)
        return;
    x->awaits = awaits;
    l->awaited += awaits ? 1 : -1U;
    if (l->session && (!awaits || l->awaited == 1))
        conn_deadline(l->session->conn, l->awaited ? SILENCE_MS : 0);
}

static void forget(struct auth_exchange *x)
{
    set_awaits(x, false);
    list_remove(&x->link);
    map_remove(&x->all->exchanges, key(x));
    x->all->n--;
    free(x);
}

static void give(struct auth_exchange *x, const struct auth_answer *a)
{
    void (*answer)(void *arg, const struct auth_answer *a) = x->answer;
    void *arg = x->arg;

    if (a->status == AUTH_CONTINUE)
        set_awaits(x, false);
    else
        forget(x);
    answer(arg, a);
}

/* Never from inside the caller's call: from the timer, or from the connection's end. */
static void fail_soon(struct auth_exchange *x)
{
    set_awaits(x, false);
    list_remove(&x->link);
    list_append(&x->all->failing, &x->link);
    timer_start(x->all->fail, 0);
}

static void fail_all(void *arg)
{
    struct auth_link *l = arg;
    struct auth_answer a = {.status = AUTH_TEMP,
                            .text = STR("the accounts cannot be asked now")};

    while (!list_empty(&l->failing)) {
        struct auth_exchange *x = LIST_OF(l->failing.next, struct auth_exchange, link);

        a.exchange = x->number;
        give(x, &a);
    }
}

/* ---- the connection ---- */

static void session_feed(void *session, struct str in)
{
    buf_add(&((struct link_session *)session)->in, in);
}

static bool take_line(struct link_session *s, struct str line)
{
    struct auth_answer a;

    if (!auth_parse_answer(line, &s->scratch, &a))
        return false;
    struct auth_exchange *x = map_get(
        &s->link->exchanges, (struct str){(const char *)&a.exchange, sizeof(a.exchange)});
    s->link->back_off_ms = BACK_OFF_FIRST_MS;
    if (x && x->awaits)
        give(x, &a);
    return true; /* else it was cancelled while the answer was on its way */
}

/* The link and this connection part: what is awaited fails, what waits for its own client fails
 * when it goes on, and the next dial comes a little later. */
static void part(struct link_session *s)
{
    struct auth_link *l = s->link;
    struct auth_exchange *x;

    s->link = NULL;
    l->session = NULL;
    for (size_t at = 0; (x = map_next(&l->exchanges, &at));) {
        x->lost = true;
        if (x->awaits)
            fail_soon(x);
    }
    l->waiting = true;
    timer_start(l->again, l->back_off_ms);
    l->back_off_ms =
        l->back_off_ms * 2 < BACK_OFF_MAX_MS ? l->back_off_ms * 2 : BACK_OFF_MAX_MS;
}

static enum turn session_turn(void *session, struct conn *c)
{
    struct link_session *s = session;

    (void)c;
    while (s->link && !s->broken) {
        struct str in = buf_str(&s->in);
        size_t n = str_find(in, '\n');

        if (n == in.n) {
            s->broken = buf_failed(&s->in) || buf_failed(&s->out) || n >= AUTH_LINE_BYTES;
            break;
        }
        if (!take_line(s, str_first(in, n))) {
            log_event(LOG_ERROR, NULL, "auth-link", "authd said what is no answer");
            s->broken = true;
        }
        buf_drop(&s->in, n + 1);
    }
    buf_release(&s->in);
    if (s->link && s->broken)
        part(s);
    return s->link ? TURN_READ : TURN_CLOSE;
}

static struct str session_output(const void *session)
{
    return buf_str(&((const struct link_session *)session)->out);
}

/* What was sent may have been a password. */
static void session_sent(void *session, size_t n)
{
    struct link_session *s = session;

    explicit_bzero(s->out.p + s->out.from, n);
    buf_drop(&s->out, n);
    buf_release(&s->out);
}

static void session_closed(void *session, struct conn *c)
{
    struct link_session *s = session;

    if (!s->link)
        return;
    log_event(LOG_WARN, NULL, "auth-link", "authd has gone: %s",
              conn_error(c) ? strerror(-conn_error(c)) : "it closed the connection");
    part(s);
}

/* Silence. */
static void session_expired(void *session, struct conn *c)
{
    struct link_session *s = session;

    if (!s->link)
        return;
    log_event(LOG_ERROR, NULL, "auth-link", "authd does not answer");
    part(s);
    conn_abort(c);
}

static void session_free(void *session)
{
    struct link_session *s = session;

    if (s->link && s->link->session == s)
        s->link->session = NULL;
    buf_done(&s->in);
    buf_done(&s->out);
    if (s->scratch.p)
        explicit_bzero(s->scratch.p, s->scratch.cap);
    buf_done(&s->scratch);
    free(s);
}

static const struct conn_protocol protocol = {
    .feed = session_feed,
    .turn = session_turn,
    .output = session_output,
    .sent = session_sent,
    .expired = session_expired,
    .closed = session_closed,
    .free = session_free,
};

static void *make(void *arg, struct conn *c)
{
    struct link_session *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->link = arg;
    s->conn = c;
    buf_init(&s->in, IN_BYTES);
    buf_init(&s->out, OUT_BYTES);
    buf_init(&s->scratch, AUTH_LINE_BYTES);
    s->link->session = s;
    return s;
}

static void dial(struct auth_link *l)
{
    conn_dial_unix(l->loop, l->path, &(struct conn_options){.protocol = &protocol}, make, l);
}

/* ---- the link ---- */

static void try_again(void *arg)
{
    ((struct auth_link *)arg)->waiting = false; /* the next exchange dials */
}

struct auth_link *auth_link_new(struct loop *loop, const char *run_dir)
{
    struct auth_link *l = calloc(1, sizeof(*l));
    uint8_t secret[MAP_SECRET_BYTES];

    if (!l)
        abort();
    l->loop = loop;
    l->back_off_ms = BACK_OFF_FIRST_MS;
    l->again = timer_new(loop, try_again, l);
    l->fail = timer_new(loop, fail_all, l);
    list_init(&l->failing);
    random_bytes(secret, sizeof(secret));
    map_init(&l->exchanges, secret);
    /* a path that is too long for a socket connects to nothing, and says so */
    snprintf(l->path, sizeof(l->path), "%s/auth.sock", run_dir);
    return l;
}

void auth_link_free(struct auth_link *l)
{
    struct auth_exchange *x;

    if (!l)
        return;
    for (size_t at = 0; (x = map_next(&l->exchanges, &at));)
        forget(x);
    if (l->session) {
        struct conn *c = l->session->conn;

        l->session->link = NULL;
        l->session = NULL;
        conn_abort(c);
    }
    map_done(&l->exchanges);
    timer_free(l->again);
    timer_free(l->fail);
    free(l);
}

struct auth_exchange *
auth_exchange_begin(struct auth_link *l, const struct auth_begin *b,
                    void (*answer)(void *arg, const struct auth_answer *a), void *arg)
{
    struct auth_exchange *x = calloc(1, sizeof(*x));

    if (!x)
        abort();
    *x = (struct auth_exchange){.all = l, .answer = answer, .arg = arg};
    list_init(&x->link);
    do
        x->number = ++l->next;
    while (map_get(&l->exchanges, key(x)));
    map_put(&l->exchanges, key(x), x);
    l->n++;
    if (!l->session && !l->waiting)
        dial(l);
    if (!l->session || l->n > AUTH_LINK_EXCHANGES) {
        x->lost = true;
        fail_soon(x);
        return x;
    }
    auth_print_begin(&l->session->out, x->number, b);
    set_awaits(x, true);
    conn_wake(l->session->conn);
    return x;
}

void auth_exchange_continue(struct auth_exchange *x, struct str response)
{
    struct auth_link *l = x->all;

    assert(!x->awaits);
    if (x->lost || !l->session) {
        fail_soon(x);
        return;
    }
    auth_print_continue(&l->session->out, x->number, response);
    set_awaits(x, true);
    conn_wake(l->session->conn);
}

void auth_exchange_cancel(struct auth_exchange *x)
{
    if (!x)
        return;
    if (x->all->session && !x->lost) {
        auth_print_cancel(&x->all->session->out, x->number);
        conn_wake(x->all->session->conn);
    }
    forget(x);
}
