/*
 * users_edit - changes domains, users, aliases and quotas in users.db, and shows them to the
 * running system. For `posta` alone.
 *
 *   users_edit_open ─ changes, each durable by itself or many between begin and commit ─
 * users_publish ─ users_edit_close
 *
 * Nothing is seen outside before users_publish(): it writes a copy beside pub/users.db, syncs
 * it, renames it over the old one and syncs pub/. Readers notice within a second. A crash
 * leaves the old snapshot or the new one; the next publish brings what was committed and not
 * shown.
 *
 * Errors speak to a person, and say what to do. E_SYNTAX, E_EXISTS, E_NOT_FOUND, E_DENIED,
 * E_LOOP, E_LIMIT, or the database's.
 */
#ifndef POSTA_USERS_EDIT_H
#define POSTA_USERS_EDIT_H

#include "users/users.h"

struct users_edit;

/* Makes users.db where it is missing; state_dir and pub/ are there. */
int users_edit_open(const char *state_dir, struct users_edit **out, struct err *err);
void users_edit_close(struct users_edit *e); /* accepts NULL; what is not committed is undone */
int users_publish(struct users_edit *e, struct err *err);

/* For many changes at once: one flush for all. */
int users_edit_begin(struct users_edit *e, struct err *err);
int users_edit_commit(struct users_edit *e, struct err *err);
void users_edit_rollback(struct users_edit *e);

int users_domain_add(struct users_edit *e, struct str name, struct err *err);
int users_domain_del(struct users_edit *e, struct str name,
                     struct err *err); /* E_DENIED: not empty */
int users_domain_list(struct users_edit *e,
                      void (*fn)(void *arg, struct str name, uint64_t users), void *arg,
                      struct err *err);

/* The domain must be ours. *out (may be NULL) lives as long as `a`. */
int users_user_add(struct users_edit *e, struct str address, struct arena *a, struct user *out,
                   struct err *err);
int users_user_del(struct users_edit *e, struct str address, struct err *err);
int users_user_get(struct users_edit *e, struct str address, struct arena *a, struct user *out,
                   struct err *err);
int users_user_enable(struct users_edit *e, struct str address, bool enabled, struct err *err);
int users_user_list(struct users_edit *e, void (*fn)(void *arg, const struct user *user),
                    void *arg, struct err *err);
/* 0: none. */
int users_quota_set(struct users_edit *e, struct str address, uint64_t bytes, uint64_t letters,
                    struct err *err);

/* One target more; several calls make a list. A circle is refused. */
int users_alias_add(struct users_edit *e, struct str address, struct str target,
                    struct err *err);
/* An empty target: all of them. */
int users_alias_del(struct users_edit *e, struct str address, struct str target,
                    struct err *err);
int users_alias_list(struct users_edit *e,
                     void (*fn)(void *arg, struct str address, struct str target), void *arg,
                     struct err *err);

#endif
