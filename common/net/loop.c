#include "net/conn.h"
#include "net/io.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>

enum { HEAP_FIRST_SLOTS = 64, CIPHER_BYTES_MAX = 4 * CONN_READ_BYTES };

struct signal_handler {
    uv_signal_t uv;
    struct list link;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare; /* before the loop sleeps: what timers put off  */
    uv_check_t check;     /* after it woke: what readiness put off        */
    uv_idle_t idle;       /* runs while something is put off: no sleeping */
    uv_timer_t clock;     /* the earliest of the heap                     */
    struct list soon;
    struct list signals;
    struct list conns;
    struct timer **heap;
    size_t timers, room;
    uint64_t clock_at;
    uint64_t callbacks; /* how many there were */
    char *read_block, *plain_block;
    struct buf cipher;
    struct conn *cipher_user;
};

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

static void must_0(int r)
{
    if (r != 0)
        abort();
}

/* ---- put off to the end of the turn ---- */

void soon_init(struct soon *s, void (*fn)(struct soon *s))
{
    list_init(&s->link);
    s->fn = fn;
}

void soon_run(struct loop *l, struct soon *s)
{
    if (list_empty(&s->link))
        list_append(&l->soon, &s->link);
}

void soon_cancel(struct soon *s)
{
    list_remove(&s->link);
}

/* One round: what is put off meanwhile waits for the next phase, so that
 * sockets and timers have their turn between. */
static void run_soon(struct loop *l)
{
    struct list round;

    list_init(&round);
    if (!list_empty(&l->soon)) {
        list_append(&l->soon, &round);
        list_remove(&l->soon);
    }
    while (!list_empty(&round)) {
        struct soon *s = LIST_OF(round.next, struct soon, link);

        list_remove(&s->link);
        l->callbacks++;
        s->fn(s);
    }
}

static void on_check(uv_check_t *h)
{
    run_soon(h->data);
}

static void on_idle(uv_idle_t *h)
{
    (void)h;
}

static void on_prepare(uv_prepare_t *h)
{
    struct loop *l = h->data;

    run_soon(l);
    if (list_empty(&l->soon))
        uv_idle_stop(&l->idle);
    else
        uv_idle_start(&l->idle, on_idle);
}

/* ---- timers: a binary heap, the earliest key at the front ---- */

static void heap_put(struct loop *l, size_t i, struct timer *t)
{
    l->heap[i] = t;
    t->slot = i + 1;
}

static void heap_up(struct loop *l, size_t i)
{
    struct timer *t = l->heap[i];

    for (; i > 0 && l->heap[(i - 1) / 2]->key > t->key; i = (i - 1) / 2)
        heap_put(l, i, l->heap[(i - 1) / 2]);
    heap_put(l, i, t);
}

static void heap_down(struct loop *l, size_t i)
{
    struct timer *t = l->heap[i];
    size_t child;

    while ((child = 2 * i + 1) < l->timers) {
        if (child + 1 < l->timers && l->heap[child + 1]->key < l->heap[child]->key)
            child++;
        if (l->heap[child]->key >= t->key)
            break;
        heap_put(l, i, l->heap[child]);
        i = child;
    }
    heap_put(l, i, t);
}

static void heap_add(struct loop *l, struct timer *t)
{
    if (l->timers == l->room) {
        l->room = l->room ? 2 * l->room : HEAP_FIRST_SLOTS;
        l->heap = must(realloc(l->heap, l->room * sizeof(struct timer *)));
    }
    heap_put(l, l->timers++, t);
    heap_up(l, t->slot - 1);
}

static void heap_remove(struct timer *t)
{
    struct loop *l = t->loop;
    size_t i = t->slot - 1;
    struct timer *last = l->heap[--l->timers];

    t->slot = 0;
    if (last == t)
        return;
    heap_put(l, i, last);
    heap_up(l, i);
    heap_down(l, last->slot - 1);
}

static void on_clock(uv_timer_t *h);

static void set_clock(struct loop *l)
{
    uint64_t at = l->timers ? l->heap[0]->key : 0;
    uint64_t now = uv_now(&l->uv);

    if (at == l->clock_at)
        return;
    l->clock_at = at;
    if (at)
        uv_timer_start(&l->clock, on_clock, at > now ? at - now : 0, 0);
    else
        uv_timer_stop(&l->clock);
}

static void on_clock(uv_timer_t *h)
{
    struct loop *l = h->data;
    uint64_t now = uv_now(&l->uv);

    while (l->timers && l->heap[0]->key <= now) {
        struct timer *t = l->heap[0];

        if (t->at > now) { /* it was moved meanwhile */
            t->key = t->at;
            heap_down(l, 0);
            continue;
        }
        heap_remove(t);
        if (!t->at)
            continue;
        t->at = 0;
        l->callbacks++;
        t->fn(t->arg);
    }
    l->clock_at = 0;
    set_clock(l);
}

void timer_init(struct timer *t, struct loop *l, void (*fn)(void *arg), void *arg)
{
    *t = (struct timer){.loop = l, .fn = fn, .arg = arg};
}

void timer_start(struct timer *t, uint64_t ms)
{
    t->at = uv_now(&t->loop->uv) + (ms ? ms : 1);
    if (t->slot && t->key <= t->at)
        return;
    if (t->slot) {
        t->key = t->at;
        heap_up(t->loop, t->slot - 1);
    } else {
        t->key = t->at;
        heap_add(t->loop, t);
    }
    set_clock(t->loop);
}

void timer_stop(struct timer *t)
{
    t->at = 0;
}

void timer_done(struct timer *t)
{
    t->at = 0;
    if (t->slot)
        heap_remove(t);
}

struct timer *timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
    struct timer *t = must(malloc(sizeof(*t)));

    timer_init(t, l, fn, arg);
    return t;
}

void timer_free(struct timer *t)
{
    if (!t)
        return;
    timer_done(t);
    free(t);
}

/* ---- readiness ---- */

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct io *io = h->data;
    unsigned wanted = io->wants;

    ((struct loop *)h->loop->data)->callbacks++;
    if (status < 0)
        io->wants = 0; /* libuv has stopped polling */
    io->ready(io, status < 0 ? wanted | IO_ERROR : (unsigned)events & wanted);
}

int io_open(struct io *io, struct loop *l, int fd,
            void (*ready)(struct io *io, unsigned events))
{
    int r = uv_poll_init(&l->uv, &io->poll, fd);

    if (r < 0)
        return r;
    io->poll.data = io;
    io->ready = ready;
    io->wants = 0;
    io->open = true;
    return 0;
}

void io_want(struct io *io, unsigned events)
{
    if (!io->open || io->wants == events)
        return;
    io->wants = events;
    if (events)
        must_0(uv_poll_start(&io->poll, (int)events, on_poll));
    else
        uv_poll_stop(&io->poll);
}

static void on_io_closed(uv_handle_t *h)
{
    struct io *io = h->data;

    io->closed(io);
}

void io_close(struct io *io, void (*closed)(struct io *io))
{
    assert(io->open);
    io->open = false;
    io->wants = 0;
    io->closed = closed;
    uv_close((uv_handle_t *)&io->poll, on_io_closed);
}

struct watch {
    struct io io;
    void (*fn)(void *arg);
    void *arg;
};

static void watch_ready(struct io *io, unsigned events)
{
    struct watch *w = (struct watch *)(void *)io;

    (void)events;
    w->fn(w->arg);
}

struct watch *watch_new(struct loop *l, int fd, void (*fn)(void *arg), void *arg)
{
    struct watch *w = must(calloc(1, sizeof(*w)));

    w->fn = fn;
    w->arg = arg;
    must_0(io_open(&w->io, l, fd, watch_ready));
    io_want(&w->io, IO_READ);
    return w;
}

static void watch_closed(struct io *io)
{
    free((struct watch *)(void *)io);
}

void watch_free(struct watch *w)
{
    if (w)
        io_close(&w->io, watch_closed);
}

/* ---- from other threads, and signals ---- */

struct wakeup {
    uv_async_t uv;
    void (*fn)(void *arg);
    void *arg;
};

static void on_wakeup(uv_async_t *h)
{
    struct wakeup *w = h->data;

    ((struct loop *)h->loop->data)->callbacks++;
    w->fn(w->arg);
}

struct wakeup *wakeup_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
    struct wakeup *w = must(calloc(1, sizeof(*w)));

    w->fn = fn;
    w->arg = arg;
    must_0(uv_async_init(&l->uv, &w->uv, on_wakeup));
    w->uv.data = w;
    return w;
}

void wakeup_send(struct wakeup *w)
{
    uv_async_send(&w->uv);
}

static void on_wakeup_closed(uv_handle_t *h)
{
    free(h->data);
}

void wakeup_free(struct wakeup *w)
{
    if (w)
        uv_close((uv_handle_t *)&w->uv, on_wakeup_closed);
}

static void on_signal(uv_signal_t *h, int signal)
{
    struct signal_handler *s = h->data;

    (void)signal;
    ((struct loop *)h->loop->data)->callbacks++;
    s->fn(s->arg);
}

void loop_on_signal(struct loop *l, int signal, void (*fn)(void *arg), void *arg)
{
    struct signal_handler *s = must(calloc(1, sizeof(*s)));

    s->fn = fn;
    s->arg = arg;
    must_0(uv_signal_init(&l->uv, &s->uv));
    s->uv.data = s;
    must_0(uv_signal_start(&s->uv, on_signal, signal));
    list_append(&l->signals, &s->link);
}

/* ---- the loop ---- */

struct loop *loop_new(void)
{
    struct loop *l = must(calloc(1, sizeof(*l)));

    must_0(uv_loop_init(&l->uv));
    l->uv.data = l;
    uv_prepare_init(&l->uv, &l->prepare);
    uv_check_init(&l->uv, &l->check);
    uv_idle_init(&l->uv, &l->idle);
    uv_timer_init(&l->uv, &l->clock);
    l->prepare.data = l->check.data = l->clock.data = l;
    uv_prepare_start(&l->prepare, on_prepare);
    uv_check_start(&l->check, on_check);
    list_init(&l->soon);
    list_init(&l->signals);
    list_init(&l->conns);
    buf_init(&l->cipher, CIPHER_BYTES_MAX);
    return l;
}

static void on_signal_closed(uv_handle_t *h)
{
    free(h->data);
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    conn_free_all(l);
    LIST_EACH(&l->signals, at)
    {
        struct signal_handler *s = LIST_OF(at, struct signal_handler, link);

        uv_close((uv_handle_t *)&s->uv, on_signal_closed);
    }
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_close((uv_handle_t *)&l->clock, NULL);
    uv_run(&l->uv, UV_RUN_NOWAIT); /* the close callbacks */
    must_0(uv_loop_close(&l->uv)); /* else something on it was not freed */
    free(l->heap);
    free(l->read_block);
    free(l->plain_block);
    buf_done(&l->cipher);
    free(l);
}

void loop_run(struct loop *l)
{
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

/* Unlike UV_RUN_ONCE it never sleeps after it did something. */
void loop_turn(struct loop *l)
{
    struct pollfd p = {.fd = uv_backend_fd(&l->uv), .events = POLLIN};
    uint64_t before = l->callbacks;

    uv_run(&l->uv, UV_RUN_NOWAIT);
    if (l->callbacks != before)
        return;
    poll(&p, 1, uv_backend_timeout(&l->uv));
    uv_run(&l->uv, UV_RUN_NOWAIT);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

uint64_t loop_now_ms(const struct loop *l)
{
    return uv_now(&l->uv);
}

char *loop_read_block(struct loop *l)
{
    if (!l->read_block)
        l->read_block = must(malloc(CONN_READ_BYTES));
    return l->read_block;
}

char *loop_plain_block(struct loop *l)
{
    if (!l->plain_block)
        l->plain_block = must(malloc(CONN_READ_BYTES));
    return l->plain_block;
}

struct buf *loop_cipher(struct loop *l)
{
    return &l->cipher;
}

struct conn **loop_cipher_user(struct loop *l)
{
    return &l->cipher_user;
}

struct list *loop_conns(struct loop *l)
{
    return &l->conns;
}
