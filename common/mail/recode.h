/*
 * recode - a letter for a server that takes no octets above 0x7f (RFC 6152 3): the leaf parts
 * that have such are encoded, text mostly in quoted-printable, all else in base64; multiparts
 * and message/rfc822 never are, but their heads say 7bit (RFC 2045 6.4, RFC 2046 5.2.1). All
 * other octets stay as they are.
 *
 * Heads are not touched beyond that: raw octets in them have no encoding that each reader
 * understands, and pass as they stand. A letter without MIME gets the fields that tell what it
 * has become.
 *
 * Parts that lines of text cannot hold (a bare CR, NUL, a line above 998 octets) are encoded
 * for every server.
 */
#ifndef POSTA_MAIL_RECODE_H
#define POSTA_MAIL_RECODE_H

#include "base/arena.h"
#include "base/buf.h"

enum { RECODE_PIECE_BYTES = 65536, RECODE_LINE_BYTES = 998 }; /* RFC 5321 4.5.3.1.6 */

struct recode_out {
    void (*write)(void *arg, struct str piece);
    void *arg;
};

/* Has it octets above 0x7f behind its head? */
bool recode_is_8bit(struct str letter);

/* False where it cannot be done: a part that may not be encoded, or of an unknown encoding, or
 * one that is nested too deep to be understood. What was written then is worth nothing. */
bool recode_7bit(struct str letter, const struct recode_out *out);

#endif
