/*
 * maildir - the directories of a mailbox (Maildir++), made where they are
 * missing: by mda at the first delivery, by imapd and pop3d at the first
 * login, by `posta user add`.
 */
#ifndef POSTA_STORE_MAILDIR_H
#define POSTA_STORE_MAILDIR_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Makes `path` below the directory `at`, all that leads to it, cur/ new/ tmp/, posta-user and
 * posta-folder, as far as they are missing; durable after 0. May be called by several at once
 * and after a crash in the middle. A posta-folder that index.db remembers is left to who opens
 * INBOX by it. */
int maildir_make(int at, const char *path, struct err *err);

/* cur/ new/ tmp/ and posta-folder in the folder `dir` of the Maildir `user`, which has a
 * UIDVALIDITY for it; the same promise. `user` is `dir` for INBOX. */
int maildir_make_folder(int user, int dir, struct err *err);

/* Whether maildir_make() still has something to do. */
bool maildir_whole(int at, const char *path);

/* The lock of who changes posta-user or the folders; `dir` is the Maildir. A descriptor to be
 * closed. E_BUSY where another one has it and `wait` is not set. A transaction of index.db is
 * begun before, never inside. */
int maildir_lock(int dir, bool wait, struct err *err);

/* The next UIDVALIDITY of this user, durable in posta-user of the Maildir `dir`: at least the
 * time, so that one who was deleted and comes again has new ones. Takes the lock. */
int maildir_uidvalidity(int dir, uint32_t *out, struct err *err);

#endif
