/*
 * passwords - changes of passwords, through posta-authd alone: the one that runs, or, when the
 * system is down, one that is started for the change and ended after it.
 *
 * A hash costs 20 ms: many changes are sent ahead (PASSWORDS_AHEAD), so that authd hashes on
 * all its threads.
 */
#ifndef POSTA_CTL_PASSWORDS_H
#define POSTA_CTL_PASSWORDS_H

#include "base/err.h"
#include "base/str.h"
#include "sys/config.h"

enum { PASSWORDS_AHEAD = 64, PASSWORDS_SECONDS = 60, PASSWORD_BYTES = 1024 };

struct passwords;

/* `answered` is called once for each change, in any order, with the number that it was given:
 * why is NULL when it is done. */
int passwords_open(const struct config *c, const char *config_path,
                   void (*answered)(void *arg, uint32_t number, const char *why), void *arg,
                   struct passwords **out, struct err *err);
int passwords_set(struct passwords *p, uint32_t number, struct str user, struct str password,
                  struct err *err);
int passwords_remove(struct passwords *p, uint32_t number, struct str user, struct err *err);
int passwords_wait(struct passwords *p, struct err *err); /* until all are answered */
void passwords_close(struct passwords *p);                /* accepts NULL */

#endif
