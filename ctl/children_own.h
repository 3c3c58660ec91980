/*
 * children_own - what children.c (life and death) and links.c (what is said over the control
 * links) share.
 */
#ifndef POSTA_CTL_CHILDREN_OWN_H
#define POSTA_CTL_CHILDREN_OWN_H

#include "ctl/backoff.h"
#include "ctl/children.h"
#include "ctl/spawn.h"

enum child_state { WAITING, STARTING, SERVING, ENDING };

struct child {
    struct list link;
    struct children *all;
    const struct service *service;
    unsigned index;  /* among those of its service     */
    unsigned worker; /* its place in the shared table  */
    enum child_state state;
    bool ever_served, retired; /* retired: asked for no more */
    pid_t pid;                 /* 0: there is no process     */
    int control;
    struct watch *watch;
    struct timer *again, *kill;
    struct backoff backoff;
    unsigned restarts;
    uint64_t served_ms; /* steady: when it said ready       */
    uint64_t since_ms;  /* wall: for people                 */
    uint64_t asked_ms;  /* steady: the question not answered; 0 for none */
    bool reloading;
    struct buf counters; /* its last answer */
};

struct children {
    struct loop *loop;
    const struct launch *launch;
    struct shared *shared;
    void (*changed)(void *arg);
    void *arg;
    struct list all;
    struct timer *watchdog;
    bool stopping;
    unsigned layer, drain_ms;

    void (*reload_done)(void *arg, const char *refusals);
    void *reload_arg;
    struct timer *reload_limit;
    struct buf refusals;

    void (*ask_done)(void *arg);
    void *ask_arg;
    struct timer *ask_limit;
};

#define CHILD_OF(l) LIST_OF(l, struct child, link)

/* links.c */
void links_init(struct children *all);
void links_done(struct children *all);
void link_readable(void *child); /* its control socket has something to say */
void link_died(struct child *c); /* it will answer nothing more             */
/* Configuration and keys as memfds of its own, the first s->n; the caller closes them. */
int link_add_papers(struct spawn *s, const struct child *c, struct err *err);
void link_add_sockets(struct spawn *s, const struct child *c, bool fresh_only);

#endif
