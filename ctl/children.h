/*
 * children - the processes under the supervisor: started with what they need, watched, started
 * again when they die.
 *
 *   WAITING ──spawn──▶ STARTING ──"ready"──▶ SERVING ──SIGTERM──▶ ENDING ──▶ gone
 *      ▲                  │ dies                │ dies, or frozen (SIGKILL)
 *      └──── back-off ────┴─────────────────────┘
 *
 * What they are given (configuration, keys, sockets) is the launch; its owner changes it and
 * then calls children_reload().
 */
#ifndef POSTA_CTL_CHILDREN_H
#define POSTA_CTL_CHILDREN_H

#include "base/buf.h"
#include "base/list.h"
#include "ctl/sockets.h"
#include "net/loop.h"
#include "net/shared.h"

enum {
    CHILD_ASK_MS = 5000,     /* each process is asked how it is                   */
    CHILD_FROZEN_MS = 25000, /* no answer: it is ended and started again           */
    CHILD_ANSWER_MS = 2000,  /* how long `posta status` waits for counters         */
    CHILD_RELOAD_MS = 10000, /* how long a reload waits for its answers            */
    CHILD_HOPELESS = 6,      /* deaths in a row without ever having served         */
    CHILD_KILL_MS = 1500,    /* more than limits.drain_seconds, then SIGKILL       */
    CHILD_INNER_MS = 1000,   /* what the inner layers get, whose clients have gone  */
    CHILD_MESSAGE_BYTES = 65536,
};

struct launch {
    struct buf config, tls_chain, tls_key;
    struct sockets sockets;
    int shared_fd;
    int life_fd; /* every process holds this locked file as its standard input (pidfile.h) */
    bool root;
    gid_t group;
};

struct children;

struct children *children_new(struct loop *l, const struct launch *launch,
                              void (*changed)(void *arg), void *arg, struct err *err);
void children_free(struct children *all); /* when none is left */

/* Starts what `config` asks for and is not there, ends what it asks for no more. */
void children_want(struct children *all, const struct config *config);
void children_reap(struct children *all); /* at SIGCHLD */

bool children_serving(const struct children *all);         /* all of them            */
const char *children_hopeless(const struct children *all); /* one that cannot start  */
bool children_gone(const struct children *all);

/* Ends all, from the outside in; `changed` tells of each that has gone. */
void children_stop(struct children *all, unsigned drain_seconds);
void children_kill(struct children *all);

/* Hands the launch's present contents to all, and the fresh sockets. `done` gets "" or who
 * refused and why. */
void children_reload(struct children *all, void (*done)(void *arg, const char *refusals),
                     void *arg);

/* Asks all for their counters; `done` when they are in, or are late. One question at a time;
 * false while one is asked. */
bool children_ask(struct children *all, void (*done)(void *arg), void *arg);
/* One JSON object a line; returns how many. */
unsigned children_status(const struct children *all, struct buf *out);

#endif
