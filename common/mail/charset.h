/*
 * charset - text of any charset as UTF-8 (iconv inside), and text folded so
 * that equal means "the same to a person who searches".
 *
 * Never fails on bytes: what is not valid becomes U+FFFD. Pure; a converter may be kept
 * by a thread between calls.
 */
#ifndef POSTA_MAIL_CHARSET_H
#define POSTA_MAIL_CHARSET_H

#include "base/buf.h"

enum { CHARSET_NAME_BYTES = 64 };

/* Is there such a charset? UTF-7 is not one (I13: text in it hides what it says). "" and
 * "us-ascii" are, and read as UTF-8. */
bool charset_known(struct str name);

/* All of `in`; of an unknown charset octets above 0x7f become U+FFFD each. */
void charset_to_utf8(struct buf *out, struct str charset, struct str in);

/* Folded for comparing (RFC 3501 6.4.4 wants case aside for ASCII; here it is for all of
 * Unicode, with canonical composition: like RFC 5051 without its titlecase map). `in` is UTF-8;
 * what is not becomes U+FFFD. White space runs, with the CRLF of folding, become one space. */
void charset_fold(struct buf *out, struct str in);

#endif
