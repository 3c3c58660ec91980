/*
 * accounts - auth.db: what is kept of passwords. Of no use to anybody but authd.
 *
 * Changes are durable when they return 0 and are seen by every later accounts_find(), on any
 * connection. A connection is used by one thread at a time; who writes has one of its own, so
 * that a slow disk never keeps people from logging in.
 */
#ifndef POSTA_AUTHD_ACCOUNTS_H
#define POSTA_AUTHD_ACCOUNTS_H

#include "base/buf.h"
#include "base/err.h"
#include "sasl/password.h"

enum { ACCOUNT_SCRAM_BYTES = 256 };

struct accounts;

struct account {
    char hash[PASSWORD_HASH_BYTES]; /* crypt(5) */
    bool enabled;
};

/* "auth.db" in `dir`, made when missing. */
int accounts_open(const char *dir, struct accounts **out, struct err *err);
void accounts_close(struct accounts *a); /* accepts NULL */

/* `user` in canonical form. E_NOT_FOUND where there is none. */
int accounts_find(struct accounts *a, struct str user, struct account *out, struct err *err);
/* The verifier of SCRAM-SHA-256, appended. */
int accounts_scram(struct accounts *a, struct str user, struct buf *out, struct err *err);
int accounts_count(struct accounts *a, uint64_t *out, struct err *err);

/* Several changes may share a flush: accounts_begin(), changes, accounts_commit(). */
int accounts_begin(struct accounts *a, struct err *err);
int accounts_commit(struct accounts *a, struct err *err);
void accounts_rollback(struct accounts *a);
int accounts_set(struct accounts *a, struct str user, struct str hash, struct str scram,
                 uint64_t now_ms, struct err *err);
/* Removing one who is not there is done. */
int accounts_remove(struct accounts *a, struct str user, struct err *err);

#endif
