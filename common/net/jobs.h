/*
 * jobs - work that may block, each kind on its own small pool of threads.
 *
 * A job is part of the caller's own struct. From jobs_submit() until `done` is
 * called on the loop, it and what it points at belong to the pool.
 *
 * A worker takes up to batch_max waiting jobs at once: `work` gets them as an
 * array and so can share one flush among them (batch_max 1: one by one). All
 * `done`s of finished batches run in one turn of the loop.
 */
#ifndef POSTA_NET_JOBS_H
#define POSTA_NET_JOBS_H

#include "base/list.h"
#include "net/loop.h"

struct conn;

struct job {
    struct list link;
    void (*done)(struct job *j); /* on the loop             */
    struct conn *conn;           /* conn_job()'s own        */
    void (*then)(struct job *j); /* conn_job()'s own        */
};

struct jobs_options {
    const char *name; /* of its threads, at most 15 letters               */
    unsigned threads;
    unsigned batch_max;
    int nice;    /* added to the threads' niceness                    */
    bool prompt; /* somebody waits for each job; otherwise workers are SCHED_BATCH */
    void (*work)(void *arg, struct job **batch, unsigned n); /* on a worker     */
    void *arg;
};

struct jobs;

struct jobs *jobs_new(struct loop *l, const struct jobs_options *o);
void jobs_submit(struct jobs *j, struct job *job, void (*done)(struct job *job));
unsigned jobs_waiting(const struct jobs *j); /* submitted and not yet done */
/* For a worker that could do more of what it is at: does another job wait for one? */
bool jobs_queued(struct jobs *j);
/* Finishes what is under way, with its `done`; waiting jobs get none. Accepts NULL. */
void jobs_free(struct jobs *j);

/* LIST_OF for an embedded job. */
#define JOB_OF(j, type, field) ((type *)(void *)((char *)(j)-offsetof(type, field)))

#endif
