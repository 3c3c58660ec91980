/*
 * json - text as a JSON string (RFC 8259 7), for answers that programs read.
 */
#ifndef POSTA_JSON_H
#define POSTA_JSON_H

#include "base/buf.h"

/* With its quotes. Control characters are escaped; what is no UTF-8 becomes U+FFFD. */
void json_add_string(struct buf *out, struct str s);

/* "name": "value", */
void json_add_member(struct buf *out, const char *name, struct str value);

#endif
