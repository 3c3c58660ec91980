/*
 * map - from strings to pointers, in a table that strangers cannot make slow:
 * keys are hashed with SipHash-2-4 under a secret of the process.
 *
 * Keys are borrowed: their bytes live as long as the entry, in most cases inside
 * the value. The map frees neither.
 */
#ifndef POSTA_MAP_H
#define POSTA_MAP_H

#include "base/str.h"

enum { MAP_SECRET_BYTES = 16 };

struct map_slot;

struct map {
    struct map_slot *slots; /* a power of two of them, or none */
    size_t room, used, n;   /* used counts removed entries too; n does not */
    uint8_t secret[MAP_SECRET_BYTES];
};

/* `secret` comes from the system's random source. */
void map_init(struct map *m, const uint8_t secret[MAP_SECRET_BYTES]);
void map_done(struct map *m);

void *map_get(const struct map *m, struct str key); /* NULL where there is none */

/* Returns the value that was there before, or NULL; `value` is not NULL. */
void *map_put(struct map *m, struct str key, void *value);
void *map_remove(struct map *m, struct str key);

/* For each entry once, in no order: `for (size_t at = 0; (v = map_next(&m, &at));)`. The body
 * may remove entries, not put new ones. */
void *map_next(const struct map *m, size_t *at);

/* The hash itself (Aumasson, Bernstein: SipHash, 2012). */
uint64_t siphash(const uint8_t secret[MAP_SECRET_BYTES], struct str s);

#endif
