/*
 * clock - what time it is. Retries count on the steady clock; the calendar one is for names,
 * headers and people.
 */
#ifndef POSTA_SYS_CLOCK_H
#define POSTA_SYS_CLOCK_H

#include "base/id.h"

uint64_t clock_wall_ms(void);   /* since 1970, UTC */
uint64_t clock_steady_ms(void); /* since some moment; only forward, also while suspended */

/* A new id from the wall clock and getrandom(). Ends the process where there is no randomness
 * (X37). */
void clock_new_id(struct id *out);
void random_bytes(void *to, size_t n);

#endif
