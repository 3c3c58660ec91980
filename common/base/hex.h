/*
 * hex - octets as pairs of hexadecimal digits (RFC 4648 8): lower case is
 * written, both are read.
 */
#ifndef POSTA_HEX_H
#define POSTA_HEX_H

#include "base/buf.h"

void hex_add(struct buf *out, struct str octets);

/* Appends the octets that all of `text` stands for; false and nothing appended where it is not
 * hex, or where `out` would pass its limit. */
bool hex_decode(struct buf *out, struct str text);

/* 0 to 15, or -1. */
int hex_value(char digit);

#endif
