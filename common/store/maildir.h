/*
 * maildir - the directories of a mailbox (Maildir++), made where they are
 * missing: by mda at the first delivery, by imapd and pop3d at the first
 * login, by `posta user add`.
 */
#ifndef POSTA_STORE_MAILDIR_H
#define POSTA_STORE_MAILDIR_H

#include "base/err.h"

#include <stdbool.h>

/* Makes `path` below the directory `at`, all that leads to it, cur/ new/ tmp/, posta-user and
 * posta-folder, as far as they are missing; durable after 0. May be called by several at once
 * and after a crash in the middle. */
int maildir_make(int at, const char *path, struct err *err);

/* Whether maildir_make() still has something to do. */
bool maildir_whole(int at, const char *path);

#endif
