/*
 * inside - what the files of intake share. Nobody else includes it.
 */
#ifndef POSTA_INTAKE_INSIDE_H
#define POSTA_INTAKE_INSIDE_H

#include "base/arena.h"
#include "intake/decide.h"
#include "intake/head.h"
#include "intake/intake.h"
#include "net/auth_link.h"
#include "net/handover.h"
#include "spool/spool.h"

/* The configuration as sessions see it: each keeps the one it began with. */
struct settings {
    unsigned refs;
    char *hostname;
    struct smtp_server_config smtp;
    struct config_limits limits;
    bool any_sender; /* lab.any_sender */
};

struct counts {
    uint64_t sessions, letters, recipients, bytes;
    uint64_t letters_refused, recipients_refused, logins, logins_failed;
};

struct intake {
    struct program *program;
    const struct intake_spec *spec;
    struct settings *settings;
    struct spool *spool;
    struct users *users;
    struct auth_link *auth; /* NULL while nobody may log in */
    struct handover *queue;
    struct jobs *sync;
    struct list entrances;
    struct arena scratch; /* for one call */
    struct arena lasting; /* for the process */
    void *names;          /* of spec->names */
    struct counts counts;
    unsigned open; /* sessions */
    bool draining;
};

/* What a listening socket tells its sessions. */
struct door {
    struct intake *intake;
    bool tls_first;
};

struct incoming;

enum { NAMING_BYTES = 255 };

/* What DNS is asked about one client (naming.c). */
struct naming {
    struct intake_lookup *client, *sender; /* under way */
    char name[NAMING_BYTES + 1];           /* of the client, "" */
    char domain[NAMING_BYTES + 1];         /* of the sender     */
    uint32_t left_ms;                      /* of INTAKE_NAMES_MS */
    uint64_t asked_ms;
    bool waits; /* MAIL does, for both */
    bool no_mail;
    struct smtp_reply reply; /* to MAIL, if nothing speaks against it */
};

/* One session. */
struct guest {
    struct intake *in;
    struct conn *conn;
    struct settings *settings;
    struct smtp_server *smtp;
    struct incoming *letter;        /* between DATA and the answer to its end          */
    struct auth_exchange *exchange; /* an AUTH that authd is asked about               */
    struct timer *delay;            /* holds a failed login's answer back              */
    struct smtp_reply delayed;
    struct naming naming;
    char mechanism[SMTP_MECHANISM_BYTES + 1];
    bool waiting;  /* for a job, the queue, authd or the delay        */
    bool begun;    /* the greeting has left the house                 */
    bool progress; /* something was done since the deadline was set    */
    bool relay;    /* the client's network may send elsewhere         */
};

extern const struct conn_protocol guest_protocol;
void *guest_make(void *arg, struct conn *c); /* arg: struct door */
/* The answer was given: go on. */
void guest_ready(struct guest *g);
/* Says r, which is the last word, unless that was said already. */
void guest_end(struct guest *g, struct smtp_reply r);
struct str guest_tls(const struct guest *g); /* "TLS1_3", "" */

/* login.c: an AUTH step, on the way to an answer. */
void login_step(struct guest *g, const struct smtp_request *req);
void login_done(struct guest *g); /* forgets an exchange that is under way; frees the timer */

/* naming.c: the client's name, and whether its sender takes mail. */
void naming_begin(struct guest *g);
/* True when the answer to MAIL comes later; `good` is what it is then, unless DNS says no. */
bool naming_wait(struct guest *g, const struct smtp_mail *m, struct smtp_reply good);
void naming_done(struct guest *g); /* forgets what is under way */

/* incoming.c: one letter. */
void incoming_begin(struct guest *g, const struct smtp_request *req);
void incoming_add(struct guest *g, struct str body);
bool incoming_too_slow(const struct guest *g);
/* True when the answer comes later. */
bool incoming_commit(struct guest *g, const struct smtp_request *req);
/* The work of the job pool. */
void incoming_commit_batch(void *arg, struct job **batch, unsigned n);
void incoming_drop(struct guest *g); /* accepts that there is none */

struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s);

#endif
