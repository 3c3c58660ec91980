/*
 * utf8 - code points in octets (RFC 3629): the shortest form only, no
 * surrogates, nothing above U+10FFFF.
 */
#ifndef POSTA_UTF8_H
#define POSTA_UTF8_H

#include "base/buf.h"

enum { UTF8_REPLACEMENT = 0xfffd };

/* One code point, as the scan_* functions do. */
bool scan_utf8(struct str *in, uint32_t *point);

bool utf8_valid(struct str s);
bool utf8_is_ascii(struct str s);    /* no octet above 0x7f */
size_t utf8_ascii_run(struct str s); /* how many at the front are such */

/* What is no code point becomes U+FFFD. */
void utf8_add(struct buf *out, uint32_t point);

#endif
