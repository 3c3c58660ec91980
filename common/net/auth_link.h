/*
 * auth_link - one connection of a process to authd, shared by its sessions.
 *
 * Dials again with back-off when authd has gone; exchanges that were under way
 * are answered AUTH_TEMP (454 4.7.0, X22). Not more than AUTH_LINK_EXCHANGES at once.
 */
#ifndef POSTA_NET_AUTH_LINK_H
#define POSTA_NET_AUTH_LINK_H

#include "net/loop.h"
#include "users/auth.h"

enum { AUTH_LINK_EXCHANGES = 4096 };

struct auth_link;
struct auth_exchange;

struct auth_link *auth_link_new(struct loop *l, const char *run_dir);
void auth_link_free(struct auth_link *l);

/* `answer` is called on the loop, once for each step, never from inside these calls. The
 * exchange is over after anything but AUTH_CONTINUE, or by auth_exchange_cancel(); then the
 * pointer is void. */
struct auth_exchange *
auth_exchange_begin(struct auth_link *l, const struct auth_begin *b,
                    void (*answer)(void *arg, const struct auth_answer *a), void *arg);
void auth_exchange_continue(struct auth_exchange *x, struct str response);
void auth_exchange_cancel(struct auth_exchange *x); /* accepts NULL */

#endif
