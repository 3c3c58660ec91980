/*
 * io - what conn, listen and handover see of the loop's inside: readiness of
 * a descriptor, timers by value, work put off to the end of the turn, and the
 * blocks that all connections of a loop share. Not for programs.
 *
 * A descriptor's interest changes only where it must: libuv pays two system
 * calls for each change.
 */
#ifndef POSTA_NET_IO_H
#define POSTA_NET_IO_H

#include "base/buf.h"
#include "base/list.h"
#include "net/loop.h"

#include <uv.h>

enum { IO_READ = UV_READABLE, IO_WRITE = UV_WRITABLE, IO_ERROR = 1 << 8 };

struct conn;

struct io {
    uv_poll_t poll;
    unsigned wants; /* IO_READ or IO_WRITE or none: what is polled for now */
    bool open;
    void (*ready)(struct io *io, unsigned events); /* IO_ERROR beside what was wanted */
    void (*closed)(struct io *io);
};

/* Polls `fd`, which stays the caller's: closed after io_close(), never before. */
int io_open(struct io *io, struct loop *l, int fd,
            void (*ready)(struct io *io, unsigned events));
void io_want(struct io *io, unsigned events);
/* Quiet at once; `closed` is called later, when the memory may go. */
void io_close(struct io *io, void (*closed)(struct io *io));

/* A timer by value. Moving it forward costs one store: it stays where it is in
 * the heap and looks again when that moment comes. */
struct timer {
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
    uint64_t at;  /* 0: not running        */
    uint64_t key; /* its place in the heap */
    size_t slot;  /* index + 1; 0: not in  */
};

void timer_init(struct timer *t, struct loop *l, void (*fn)(void *arg), void *arg);
void timer_done(struct timer *t);

static inline bool timer_running(const struct timer *t)
{
    return t->at != 0;
}

/* Runs `fn` in this turn of the loop, after the callbacks that are under way,
 * or in the next: no callback is ever entered from inside another one. */
struct soon {
    struct list link;
    void (*fn)(struct soon *s);
};

void soon_init(struct soon *s, void (*fn)(struct soon *s));
void soon_run(struct loop *l, struct soon *s); /* asked for twice is once */
void soon_cancel(struct soon *s);

/* Blocks of CONN_READ_BYTES, for the length of one callback; and a buffer that
 * is empty outside of callbacks. */
char *loop_read_block(struct loop *l);
char *loop_plain_block(struct loop *l);
struct buf *loop_cipher(struct loop *l);
struct conn **loop_cipher_user(struct loop *l); /* whose bytes are in it */
struct list *loop_conns(struct loop *l);

/* One turn, which sleeps until there is something to do: for tests. */
void loop_turn(struct loop *l);

#endif
