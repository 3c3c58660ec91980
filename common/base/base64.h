/*
 * base64 - octets as letters (RFC 4648 4), strictly: no white space, the pad
 * only at the end and only as needed, no stray bits in the last letter.
 */
#ifndef POSTA_BASE64_H
#define POSTA_BASE64_H

#include "base/buf.h"

void base64_add(struct buf *out, struct str octets);

/* Appends the octets that all of `text` stands for; false and nothing appended where it is not
 * base64. Fails also where `out` would pass its limit. */
bool base64_decode(struct buf *out, struct str text);

#endif
