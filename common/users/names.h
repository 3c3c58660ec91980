/*
 * names - how users are named, in the tables and on disk. For users.c and users_edit.c.
 */
#ifndef POSTA_USERS_NAMES_H
#define POSTA_USERS_NAMES_H

#include "db/db.h"
#include "users/users.h"

#define USERS_DB       "users.db"
#define USERS_SNAPSHOT "pub/users.db"

enum { USERS_LOCAL_BYTES = 64 }; /* RFC 5321 4.5.3.1.1 */

extern const struct db_schema users_schema;

/* What rows are found by: lower case, without detail. A quoted local part keeps its quotes, and
 * is nobody's. */
struct users_key {
    struct str local, domain; /* domain is "" for a bare "postmaster" */
};
struct users_key users_key(struct arena *a, struct str address);

/* May a new user or alias be called so? Of RFC 5322's atoms (3.2.3) those that no shell, no
 * router of old
 * ("%", "!", "/"), no detail ("+") and no option parser takes for its own. */
bool users_local_good(struct str local);

/* The path below state_dir, and the only place where one is made from a name: bytes outside
 * [a-z0-9._=@-] and a leading dot become %xx (A21, A22). */
struct str users_maildir(struct arena *a, struct str local, struct str domain);

/* The row that s stands on, selected by these columns; strings live as long as `a`. */
#define USERS_COLUMNS "id, quota_bytes, quota_letters, enabled, local, domain"
void users_take_row(struct db_stmt *s, struct arena *a, struct user *out);

#endif
