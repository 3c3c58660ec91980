/*
 * flags - the words behind XSPOOL's id and size: "via=msa 8bit wire=1234", values in xtext (RFC
 * 3461 4). They tell what the box before knows of the letter (docs/architecture.md).
 */
#ifndef POSTA_QUEUE_FLAGS_H
#define POSTA_QUEUE_FLAGS_H

#include "base/arena.h"

/* The decoded value of "key=value", "" for the word "key" alone; false where neither is there.
 */
bool flags_find(struct str flags, const char *key, struct arena *a, struct str *value);

#endif
