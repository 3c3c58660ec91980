/*
 * backoff - when a process that died is started again: at once the first time, then after 250
 * ms, 500 ms … up to half a minute. Life makes good: each BACKOFF_FORGIVE_MS that a process
 * served takes one death away. Pure.
 */
#ifndef POSTA_CTL_BACKOFF_H
#define POSTA_CTL_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

enum { BACKOFF_FIRST_MS = 250, BACKOFF_MAX_MS = 30000, BACKOFF_FORGIVE_MS = 2000 };

struct backoff {
    unsigned deaths; /* in a row */
};

/* It died after it had served for `served_ms` (0: it never did). How long to wait. */
uint64_t backoff_died(struct backoff *b, uint64_t served_ms);

#endif
