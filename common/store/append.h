/*
 * append - a letter that a client puts into a folder (RFC 3501 6.3.11): pieces into tmp/, then
 * flushed, renamed into cur/ with its UID, cur/ flushed. Nothing stays behind when it is given
 * up or cut off (I20): a sweep of tmp/ ends what a crash left.
 *
 * CRLF becomes LF; a bare LF stays one line end; NUL is refused (E_SYNTAX), a bare CR kept.
 */
#ifndef POSTA_STORE_APPEND_H
#define POSTA_STORE_APPEND_H

#include "store/mailbox.h"

struct append;

/* Looks whether the folder is there (E_NOT_FOUND) and its user has room for `octets` more
 * (E_NO_SPACE; 0 of both quotas: no limit). */
int append_open(struct mailboxes *all, struct str maildir, struct str folder, uint64_t octets,
                uint64_t quota_octets, uint64_t quota_letters, struct append **out,
                struct err *err);
int append_add(struct append *a, struct str piece,
               struct err *err); /* wire octets, cut anywhere */
/* `keywords` are words; internaldate INT64_MIN: now. *uid and *uidvalidity as in RFC 4315.
 * Durable after 0. E_NOT_FOUND: the folder has gone meanwhile; E_LIMIT: no letter is left for a
 * keyword, or no UID. */
int append_commit(struct append *a, uint32_t flags, const struct str *keywords,
                  unsigned nkeywords, int64_t internaldate, uint32_t *uid,
                  uint32_t *uidvalidity, struct err *err);
void append_free(struct append *a); /* gives up what was not committed; accepts NULL */

#endif
