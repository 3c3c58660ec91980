/*
 * id - the name of a letter, from its first byte to its last log line.
 *
 * 48 bits of milliseconds since 1970 and 64 random bits, printed in 23 letters
 * of a base 32 whose order is the order of time. Never used again.
 */
#ifndef POSTA_ID_H
#define POSTA_ID_H

#include "base/str.h"

enum { ID_TIME_LETTERS = 10, ID_RANDOM_LETTERS = 13, ID_LETTERS = 23 };

struct id {
    char text[ID_LETTERS + 1]; /* with a NUL */
};

void id_make(struct id *id, uint64_t now_ms, const uint8_t random[8]);

/* The whole of `s` must be an id, in lower case. Nothing else ever becomes a
 * file name. */
bool id_parse(struct str s, struct id *out);

/* When it was made. */
uint64_t id_ms(const struct id *id);

static inline struct str id_str(const struct id *id)
{
    return (struct str){id->text, ID_LETTERS};
}

#endif
