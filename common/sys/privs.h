/*
 * privs - giving up rights for good.
 *
 * The supervisor starts each process as its own user (posta-msa, posta-mail …), in the group
 * posta and no other. From then on the process cannot get rights back: not by its ids, not by a
 * set-user-id program.
 */
#ifndef POSTA_SYS_PRIVS_H
#define POSTA_SYS_PRIVS_H

#include "base/err.h"

#include <sys/types.h>

/* Becomes that user, sees that there is no way back, and forbids new rights (no_new_privs).
 * Safe between fork() and exec(). For who is not root it is E_DENIED, unless it is that user.
 */
int privs_drop(uid_t uid, gid_t gid, struct err *err);

#endif
