/*
 * boxnames - the file names of a large mailbox in little memory: our own take
 * about 30 octets each instead of 70, others stand as they are.
 *
 * A name is known by where it lies. Names are ordered as letters are: by time, then by
 * the unique part.
 */
#ifndef POSTA_STORE_BOXNAMES_H
#define POSTA_STORE_BOXNAMES_H

#include "store/name.h"

enum { BOXNAMES_WORDS = 255 }; /* different hosts, different flags: kept once each */

struct boxnames_words {
    char *words[BOXNAMES_WORDS];
    unsigned n;
};

struct boxnames {
    char *p;
    size_t n, room;
    struct boxnames_words hosts, infos;
};

void boxnames_init(struct boxnames *b);
void boxnames_done(struct boxnames *b);

/* `parsed` is name_parse() of `name`. */
uint32_t boxnames_add(struct boxnames *b, struct str name, const struct name *parsed);

/* In `to`, with a NUL behind it. */
struct str boxnames_get(const struct boxnames *b, uint32_t at, char to[NAME_BYTES + 1]);
struct str boxnames_unique(const struct boxnames *b, uint32_t at, char to[NAME_BYTES + 1]);

/* By time and unique part; 0 where both are the same letter's. */
int boxnames_compare(const struct boxnames *a, uint32_t x, const struct boxnames *b,
                     uint32_t y);

#endif
