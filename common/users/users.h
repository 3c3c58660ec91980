/*
 * users - domains, users and aliases, read from the snapshot pub/users.db.
 *
 * The snapshot never changes once it is there; a new one is renamed over it.
 * users_refresh() notices that by one stat() at most once a second, or at once after
 * users_changed(). Reads are inline, a few microseconds, from prepared statements.
 *
 * Addresses compare without case in both parts and without the detail behind the first '+'. An
 * address is a mailbox or an alias, never both. Users have ASCII names only: a local part with
 * other bytes is unknown.
 *
 * One thread at a time.
 */
#ifndef POSTA_USERS_H
#define POSTA_USERS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
    USERS_ALIAS_DEPTH = 10,     /* aliases of aliases                       */
    USERS_ALIAS_TARGETS = 1000, /* most addresses one address may become    */
};

struct users;

struct users *users_open(const char *state_dir, struct err *err);
void users_close(struct users *u);
void users_refresh(struct users *u,
                   uint64_t now_ms); /* one that cannot be read: the old one stays */
void users_changed(struct users *u); /* the next refresh looks, whatever the time */

enum users_kind {
    USERS_MAILBOX,   /* a user here                                         */
    USERS_ALIAS,     /* an alias here: users_expand() says what it becomes  */
    USERS_UNKNOWN,   /* the domain is ours, nobody of that name: 550 5.1.1  */
    USERS_ELSEWHERE, /* the domain is not ours                              */
    USERS_LOOP,      /* aliases go round in a circle, too deep or too wide: 554 5.4.6 */
    USERS_BROKEN,    /* the snapshot cannot be read: 451 4.3.0              */
};

struct user {
    int64_t id;         /* never used again                              */
    struct str address; /* canonical: lower case, no detail              */
    struct str local, domain;
    struct str maildir;                  /* below state_dir: "mail/example.test/alice"    */
    uint64_t quota_bytes, quota_letters; /* 0: none                          */
    bool enabled;
};

/* What `address` is. "postmaster" without a domain, and postmaster@ each of our domains, is
 * always known: where no user or alias has it, it is the first user of the domain (by id), else
 * of the system. */
enum users_kind users_find(struct users *u, struct str address, struct arena *a,
                           struct user *out);

struct users_target {
    struct str address; /* canonical for ours; as written for others            */
    bool local;
};

/* All that `address` becomes, each once: mailboxes here and addresses elsewhere. A mailbox
 * becomes itself. USERS_MAILBOX on success, otherwise why not. A target here that nobody has
 * any more is told as a mailbox: whoever delivers refuses it, and the sender hears. */
enum users_kind users_expand(struct users *u, struct str address, struct arena *a,
                             struct users_target **out, size_t *n);

bool users_is_local_domain(struct users *u, struct str domain);
/* May `user` (an address) send as `address`? Its own with any detail, and aliases that lead to
 * it alone. */
bool users_may_send_as(struct users *u, struct str user, struct str address);

#endif
