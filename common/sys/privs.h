/*
 * privs - giving up rights for good.
 *
 * The supervisor starts each process as its own user (posta-msa, posta-mail …), all in the
 * group posta. From then on the process cannot get rights back: not by its ids, not by a
 * set-user-id program.
 */
#ifndef POSTA_SYS_PRIVS_H
#define POSTA_SYS_PRIVS_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

#define PRIVS_GROUP "posta"

enum { PRIVS_UMASK = 027, PRIVS_GROUPS = 64 };

struct privs_user {
    uid_t uid;
    gid_t gid;
    gid_t groups[PRIVS_GROUPS]; /* all of them, gid too */
    int ngroups;
};

/* Reads the system's tables: call it before fork(). E_NOT_FOUND says how to make the user. */
int privs_find(const char *name, struct privs_user *out, struct err *err);
int privs_find_group(const char *name, gid_t *out, struct err *err);

/* Becomes that user, with umask PRIVS_UMASK, and tries that there is no way back. Safe between
 * fork() and exec(). Only root may; for anybody else it is E_DENIED unless it is who it wants
 * to be. */
int privs_drop(const struct privs_user *user, struct err *err);
/* No program started from here on gains rights (set-user-id, file capabilities). */
int privs_no_new(struct err *err);

#endif
