/*
 * system_users - the users that the processes run as, and their group: made by `posta init` as
 * root, by useradd(8).
 */
#ifndef POSTA_CTL_SYSTEM_USERS_H
#define POSTA_CTL_SYSTEM_USERS_H

#include "base/err.h"

/* Makes those that are missing and tells each to `did`. */
int system_users_make(const char *state_dir, void (*did)(const char *what), struct err *err);

#endif
