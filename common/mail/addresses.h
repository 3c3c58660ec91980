/*
 * addresses - the address lists of a letter's head as the address structures of ENVELOPE (RFC
 * 3501 7.4.2).
 *
 * What people see, not what SMTP may use (that is mail/address.h): anything that looks like an
 * address is told, with the words "MISSING_MAILBOX" and "MISSING_DOMAIN" in the place of what
 * it lacks, because NIL there means a group. Linear time.
 */
#ifndef POSTA_MAIL_ADDRESSES_H
#define POSTA_MAIL_ADDRESSES_H

#include "base/arena.h"
#include "base/buf.h"

/* Appends "(name route mailbox host)" for each address of the field's value, at most `max` (the
 * marks of groups count). How many there were. */
unsigned addresses_print(struct buf *out, struct str field, unsigned max,
                         struct arena *scratch);

#endif
