/*
 * mutf7 - modified UTF-7, the spelling of mailbox names (RFC 3501 5.1.3).
 *
 * ASCII stands for itself, '&' is "&-", all else is UTF-16 in base64 between '&' and '-', with
 * ',' for '/'. A name has one spelling only; the others are refused, so that no two texts mean
 * one mailbox.
 */
#ifndef POSTA_MUTF7_H
#define POSTA_MUTF7_H

#include "base/buf.h"

/* `also` is one more ASCII character that does not stand for itself, '\0' for none. False where
 * `utf8` is not UTF-8; what was appended until then stays. */
bool mutf7_encode(struct buf *out, struct str utf8, char also);

/* False, and nothing appended, where mutf7_encode() would not lead back to `text`. */
bool mutf7_decode(struct buf *out, struct str text, char also);

#endif
