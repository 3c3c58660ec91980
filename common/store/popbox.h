/*
 * popbox - an INBOX as POP3 sees it: a list that does not change during the
 * session, sizes in wire octets, unique names that never change (UIDL), and a
 * removal that is as durable as SMTP's 250.
 *
 * Sizes come from W= in the name, else from index.db, else from reading the letter once (and
 * are kept in index.db, a cache that may be deleted at any time). Letters that other programs
 * rename meanwhile are found again by the part of their name that never changes.
 *
 * A million letters take less than 64 MiB (P09). A popbox is used by one thread at a time.
 */
#ifndef POSTA_STORE_POPBOX_H
#define POSTA_STORE_POPBOX_H

#include "base/err.h"
#include "base/str.h"
#include "store/lines.h"

struct popbox;

/* All block. `maildir` is absolute; made when missing. One popbox a mailbox at a time, over all
 * processes (P08): E_BUSY. */
int popbox_open(const char *maildir, struct popbox **out, struct err *err);
void popbox_close(struct popbox *b);

uint32_t popbox_count(const struct popbox *b);
uint64_t popbox_size(const struct popbox *b, uint32_t i); /* wire octets: CRLF counted as two */
struct str
popbox_uidl(struct popbox *b,
            uint32_t i); /* 1 to 70 of 0x21 to 0x7e (RFC 1939 7); valid until the next call */
/* An fd on the letter (LF line ends unless *crlf), yours to close; E_NOT_FOUND when it has gone
 * meanwhile. */
int popbox_read(struct popbox *b, uint32_t i, bool *crlf, struct err *err);
/* All of the letter was read: true the first time it is not what its name says (X32). */
bool popbox_found_damaged(struct popbox *b, uint32_t i, const struct lines_count *read);
/* Removes those marked; durable when it returns 0. Letters that have already gone count as
 * removed. */
int popbox_remove(struct popbox *b, const bool *marked, struct err *err);

#endif
