/*
 * memory - which passwords have lately been right, so that their 20 ms of hashing are not paid
 * again.
 *
 * It holds no password and no hash: a set of HMACs under a key that lives as long as the
 * process, over user, stored hash, service and password. A changed password has another stored
 * hash, so it is forgotten at once; a wrong one is never in here and always pays in full.
 * Bounded; what was not used longest goes first.
 */
#ifndef POSTA_AUTHD_MEMORY_H
#define POSTA_AUTHD_MEMORY_H

#include "base/str.h"

enum { MEMORY_ENTRIES = 65536, MEMORY_MARK_BYTES = 32 };

struct memory;

struct memory_mark {
    unsigned char octets[MEMORY_MARK_BYTES];
};

/* `key` is random. */
struct memory *memory_new(const unsigned char key[MEMORY_MARK_BYTES], unsigned entries_max);
void memory_free(struct memory *m);

void memory_mark(const struct memory *m, struct str user, struct str hash, struct str service,
                 struct str password, struct memory_mark *out);
bool memory_has(struct memory *m, const struct memory_mark *mark);
void memory_add(struct memory *m, const struct memory_mark *mark);
unsigned memory_count(const struct memory *m);

#endif
