/*
 * intake - letters coming in from strangers and from users: all that
 * posta-msa and posta-mta-receive share. A program says what it offers and what it
 * thinks of senders and recipients; the rest is here.
 *
 *   conn ─▶ guest (one session) ─▶ incoming (one letter) ─▶ spool/in/ID ─▶ queue.sock
 *               │                                          a job: fsync    XSPOOL
 *               └─▶ authd, users snapshot
 *
 * 250 is said only after the queue has said it: then letter, directory entry and envelope
 * are durable.
 */
#ifndef POSTA_INTAKE_H
#define POSTA_INTAKE_H

#include "net/program.h"
#include "smtp/server.h"
#include "users/users.h"

enum {
    INTAKE_SYNC_THREADS = 4,       /* letters on their way to the disk at once      */
    INTAKE_SYNC_BATCH = 4,         /* letters that one thread takes at once         */
    INTAKE_QUEUE_SECONDS = 540,    /* for the queue's answer: below RFC 5321 4.5.3.2.6 */
    INTAKE_QUEUE_CONNECTIONS = 16, /* to queue.sock                                 */
    INTAKE_NAMES_MS = 2000,        /* that a session waits in all for DNS           */
};

struct intake_sender {
    struct str user;         /* who logged in, "" */
    struct str reverse_path; /* "" for <>         */
    bool own;                /* the user may send as that (users_may_send_as, lab.any_sender) */
};

struct intake_recipient {
    struct str user;
    enum users_kind kind;
    bool relay; /* the client's network may send elsewhere */
};

/* For mending the head of a letter. */
struct intake_head {
    struct str text; /* with the empty line at its end, where there was one */
    const struct id *id;
    struct str hostname;
    int64_t now_s;
};

struct intake_door {
    const char *socket; /* as in program_socket, up to one with NULL   */
    bool tls_first;     /* TLS from the first byte                     */
};

/* A question about a stranger, asked of DNS by who has it; see mta/receive/names.h. */
struct intake_lookup;
struct intake_names {
    void *(*open)(struct program *p); /* under its configuration; NULL: nobody is asked */
    void (*close)(void *names);       /* accepts NULL; questions may be under way       */
    /* The name of an address, "" where it has none that leads back to it. NULL: it is not asked
     * for, and `done` never comes; else it comes later, on the loop, within `ms`. */
    struct intake_lookup *(*client)(void *names, const char *address, uint32_t ms,
                                    void (*done)(void *arg, struct str name), void *arg);
    /* Does a domain say that it takes no mail? The same. */
    struct intake_lookup *(*sender)(void *names, const char *address, struct str domain,
                                    uint32_t ms, void (*done)(void *arg, bool no_mail),
                                    void *arg);
    void (*cancel)(struct intake_lookup *q); /* accepts NULL */
};

struct intake_spec {
    const char *via; /* in XSPOOL's flags */
    const struct intake_door *doors;
    /* What sessions offer; hostname and limits are set already. */
    void (*offer)(const struct config *c, struct smtp_server_config *out);
    /* May this address send elsewhere without a login? NULL: none may. */
    bool (*relays)(const struct config *c, const char *peer);
    struct smtp_reply (*sender)(const struct intake_sender *s);
    struct smtp_reply (*recipient)(const struct intake_recipient *r);
    void (*mend)(struct buf *out, const struct intake_head *h); /* NULL: nothing is mended */
    const struct intake_names *names;                           /* NULL: nobody is asked   */
};

/* The callbacks of program_spec; `start` also takes what makes this program itself. */
int intake_start(struct program *p, const struct intake_spec *spec, struct err *err);
int intake_serve(struct program *p, const char *name, int fd, struct err *err);
int intake_reload(struct program *p, const struct config *old, struct err *err);
void intake_drain(struct program *p);
void intake_stop(struct program *p);
void intake_status(struct program *p, struct buf *json);

#endif
