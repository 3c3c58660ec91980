/*
 * xtext - octets as one word of printable ASCII (RFC 3461 4): "+" and two upper
 * case hex digits stand for what may not be written.
 */
#ifndef POSTA_XTEXT_H
#define POSTA_XTEXT_H

#include "base/buf.h"

void xtext_add(struct buf *out, struct str octets);

/* Appends the octets that all of `text` stands for; false and nothing appended where it is not
 * xtext, or where `out` would pass its limit. Octets may be anything, CR, LF and NUL too:
 * whoever may not have them says so. */
bool xtext_decode(struct buf *out, struct str text);

#endif
