/*
 * loop - the event loop of a program, its timers and signals (libuv inside).
 *
 * One loop a process, one thread drives it. Everything here is called from
 * that thread unless it says otherwise. Programs never see libuv.
 */
#ifndef POSTA_NET_LOOP_H
#define POSTA_NET_LOOP_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct timer;

struct loop *loop_new(void);
void loop_free(struct loop *l); /* after everything on it has been freed */
void loop_run(struct loop *l);  /* until loop_stop() */
void loop_stop(struct loop *l);

/* Milliseconds of a clock that only goes forward; read once a turn of the loop. */
uint64_t loop_now_ms(const struct loop *l);

void loop_on_signal(struct loop *l, int signal, void (*fn)(void *arg), void *arg);

/* Called when `fd` (not owned) is readable: for control sockets and datagrams. */
struct watch;
struct watch *watch_new(struct loop *l, int fd, void (*fn)(void *arg), void *arg);
void watch_free(struct watch *w);

/* A timer calls `fn` once, `ms` after timer_start(); starting again moves it. */
struct timer *timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
void timer_start(struct timer *t, uint64_t ms);
void timer_stop(struct timer *t);
void timer_free(struct timer *t); /* accepts NULL */

/* From any thread: `fn` runs soon on the loop's; several calls may become one. */
struct wakeup;
struct wakeup *wakeup_new(struct loop *l, void (*fn)(void *arg), void *arg);
void wakeup_send(struct wakeup *w);
void wakeup_free(struct wakeup *w);

#endif
