/*
 * service - the queue as one program: what its parts share.
 *
 *   queue.sock ─▶ intake ─▶ journal ─▶ queue ─▶ delivery ─▶ mda.sock
 *   queue.ctl  ─▶ control ──────┘  ▲       │       │
 *                                  └───────┴───────┘ tell: log, journeys
 */
#ifndef POSTA_QUEUE_SERVICE_H
#define POSTA_QUEUE_SERVICE_H

#include "mta/queue/journal.h"
#include "mta/queue/queue.h"
#include "mta/queue/schedule.h"
#include "mta/queue/trace.h"
#include "net/jobs.h"
#include "net/program.h"
#include "smtp/server.h"
#include "users/users.h"

enum {
    QUEUE_LAZY_MS = 50, /* the end of a delivery is committed at the latest after it  */
    QUEUE_SWEEP_MS = 60 * 60 * 1000, /* between two looks for litter in spool/in */
    QUEUE_TRUSTED_UIDS = 8,
    QUEUE_EXPANDED_RECIPIENTS = 10000, /* of one letter, when all aliases have been followed */
};

/* What sessions point at; an older one stays until the end, for the sessions that began with
 * it. */
struct settings {
    struct settings *older;
    char *hostname;
    struct smtp_server_config smtp;
};

struct delivery;

/* Work on the pool of `writers`. */
struct service_job {
    struct job job;
    void (*work)(struct service_job *j);
};

struct service {
    struct program *program;
    struct loop *loop;
    struct settings *settings;
    struct spool *spool;
    struct users *users;
    struct queue *queue;
    struct journal *journal;
    struct trace *trace; /* NULL: the queue works without */
    struct schedule schedule;
    struct delivery *delivery;
    struct jobs *writers; /* of letters that come by DATA, readers for SHOW */
    struct wakeup *journal_done, *trace_done;
    struct timer *retry, *flush, *sweep;
    bool flush_armed, draining, stopped;
    uid_t trusted[QUEUE_TRUSTED_UIDS]; /* may hand over by name, and say who submitted */
    size_t ntrusted;
    unsigned sessions_ever; /* on queue.sock */
    unsigned sessions;      /* on queue.sock and queue.ctl */
    uint64_t taken, delivered, deferred, failed;
};

/* A letter has been committed: it is in the queue and its turn may come at once. */
void service_take(struct service *s, struct queue_letter *l);
/* A settle; lazy ones go with the next commit or within QUEUE_LAZY_MS. */
void service_settle(struct service *s, struct journal_settle *j, bool urgent);
/* Somebody may be due: now, and a timer for the next one. */
void service_run(struct service *s);
/* Members of a JSON object, without braces. */
void service_status(struct service *s, struct buf *out);
/* A session has ended, a delivery has ended: is this the end of the program? */
void service_drained(struct service *s);

#endif
