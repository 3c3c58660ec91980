/*
 * net_session - a toy protocol for the tests of net/: a line is a command.
 *
 *   echo TEXT  answers TEXT        big N      answers N bytes
 *   wait TEXT  busy until wake()   job TEXT   a job on the pool answers TEXT
 *   starttls   answers "go"        quit       answers "bye" and closes
 *
 * And its other end: a plain socket that is read and written without blocking
 * while the loop turns.
 */
#ifndef TESTS_NET_SESSION_H
#define TESTS_NET_SESSION_H

#include "base/buf.h"
#include "net/conn.h"
#include "net/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { TOY_OUTPUT_BYTES = 1 << 16, TOY_TEXT_BYTES = 64 };

struct toy {
    struct conn *c;
    struct jobs *pool;
    struct job job;
    struct buf in, out;
    size_t owed; /* of big N, not yet in out */
    char waiting[TOY_TEXT_BYTES];
    bool busy, starttls, quit, in_job;
};

/* What the sessions of a test did, all together. */
struct toys {
    struct jobs *pool;
    struct toy *last;
    uint64_t deadline_ms;
    size_t fed, fed_max; /* bytes, in all and at once */
    unsigned made, freed, closed, expired, tls, turns;
    int error;
    bool rearm; /* `expired` sets a new deadline instead of closing */
    char greeting[TOY_TEXT_BYTES];
};

static struct toys toys;

static void toy_feed(void *session, struct str in)
{
    toys.fed += in.n;
    toys.fed_max = in.n > toys.fed_max ? in.n : toys.fed_max;
    buf_add(&((struct toy *)session)->in, in);
}

static void toy_job_done(struct job *j)
{
    struct toy *t = JOB_OF(j, struct toy, job);

    t->in_job = false;
    buf_addf(&t->out, "%s\n", t->waiting);
}

static void toy_command(struct toy *t, struct str line)
{
    struct str s = line;
    uint64_t n;

    if (scan_word(&s, STR("echo "))) {
        buf_addf(&t->out, "%.*s\n", STR_ARGS(s));
    } else if (scan_word(&s, STR("wait ")) || scan_word(&s, STR("job "))) {
        snprintf(t->waiting, sizeof(t->waiting), "%.*s", STR_ARGS(s));
        t->busy = line.p[0] == 'w';
        t->in_job = line.p[0] == 'j';
        if (t->in_job)
            conn_job(t->c, toys.pool, &t->job, toy_job_done);
    } else if (scan_word(&s, STR("big ")) && scan_u64(&s, UINT64_MAX, &n)) {
        t->owed = n;
    } else if (str_eq(s, STR("starttls"))) {
        buf_add(&t->out, STR("go\n"));
        t->starttls = true;
    } else if (str_eq(s, STR("quit"))) {
        buf_add(&t->out, STR("bye\n"));
        t->quit = true;
    } else {
        buf_add(&t->out, STR("what?\n"));
    }
}

static void toy_pay(struct toy *t)
{
    while (t->owed && t->out.n < TOY_OUTPUT_BYTES / 2) {
        size_t n = t->owed < 1000 ? t->owed : 1000;

        memset(buf_room(&t->out, n), 'x', n);
        buf_grown(&t->out, n);
        t->owed -= n;
    }
}

static enum turn toy_turn(void *session, struct conn *c)
{
    struct toy *t = session;

    (void)c;
    toys.turns++;
    for (;;) {
        struct str in = buf_str(&t->in);
        size_t n = str_find(in, '\n');

        toy_pay(t);
        if (t->quit && !t->owed)
            return TURN_CLOSE;
        if (t->busy || t->in_job)
            return TURN_BUSY;
        if (t->starttls)
            return TURN_STARTTLS;
        if (t->owed || n == in.n)
            return TURN_READ;
        toy_command(t, str_first(in, n));
        buf_drop(&t->in, n + 1);
    }
}

static struct str toy_output(const void *session)
{
    return buf_str(&((const struct toy *)session)->out);
}

static void toy_sent(void *session, size_t n)
{
    buf_drop(&((struct toy *)session)->out, n);
}

static void toy_tls_started(void *session, struct conn *c)
{
    struct toy *t = session;

    assert_non_null(conn_tls(c));
    t->starttls = false;
    buf_clear(&t->in);
    toys.tls++;
}

static void toy_expired(void *session, struct conn *c)
{
    struct toy *t = session;

    toys.expired++;
    assert_false(t->in_job);
    if (toys.rearm && toys.expired < 3) {
        conn_deadline(c, 1);
        return;
    }
    buf_add(&t->out, STR("late\n"));
    t->quit = true;
}

static void toy_closed(void *session, struct conn *c)
{
    (void)session;
    toys.closed++;
    toys.error = conn_error(c);
    assert_false(conn_alive(c));
}

static void toy_free(void *session)
{
    struct toy *t = session;

    toys.freed++;
    if (toys.last == t)
        toys.last = NULL;
    buf_done(&t->in);
    buf_done(&t->out);
    free(t);
}

__attribute__((unused)) static const struct conn_protocol toy_protocol = {
    .feed = toy_feed,
    .turn = toy_turn,
    .output = toy_output,
    .sent = toy_sent,
    .tls_started = toy_tls_started,
    .expired = toy_expired,
    .closed = toy_closed,
    .free = toy_free,
};

static inline void *toy_make(void *arg, struct conn *c)
{
    struct toy *t = calloc(1, sizeof(*t));

    (void)arg;
    assert_non_null(t);
    t->c = c;
    buf_init(&t->in, 1 << 22);
    buf_init(&t->out, 1 << 22);
    buf_add(&t->out, str_c(toys.greeting));
    if (toys.deadline_ms)
        conn_deadline(c, toys.deadline_ms);
    toys.made++;
    toys.last = t;
    return t;
}

/* What `wait` waits for has come. */
static inline void toy_wake(void)
{
    toys.last->busy = false;
    buf_addf(&toys.last->out, "%s\n", toys.last->waiting);
    conn_wake(toys.last->c);
}

/* ---- the other end ---- */

static inline void put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
}

/* The next bytes that come are these. */
static inline void want(struct loop *l, int fd, const char *text)
{
    char got[4096];
    size_t n = 0;

    while (n < strlen(text)) {
        ssize_t r = recv(fd, got + n, strlen(text) - n, MSG_DONTWAIT);

        assert_true(r > 0 || (r < 0 && errno == EAGAIN));
        if (r > 0)
            n += (size_t)r;
        else
            loop_turn(l);
    }
    got[n] = '\0';
    assert_string_equal(got, text);
}

/* Reads `n` bytes and throws them away. */
static inline void want_bytes(struct loop *l, int fd, size_t n)
{
    char got[65536];

    while (n) {
        ssize_t r = recv(fd, got, n < sizeof(got) ? n : sizeof(got), MSG_DONTWAIT);

        assert_true(r > 0 || (r < 0 && errno == EAGAIN));
        if (r > 0)
            n -= (size_t)r;
        else
            loop_turn(l);
    }
}

/* The peer closed, in order or not. */
static inline void want_end(struct loop *l, int fd)
{
    char c;
    ssize_t r;

    while ((r = recv(fd, &c, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
        loop_turn(l);
    assert_true(r <= 0);
}

static inline void want_freed(struct loop *l)
{
    while (toys.freed < toys.made)
        loop_turn(l);
}

#endif
