/*
 * backoff - when a process that died is started again. One that had served steadily: at once,
 * however often it happens. One that had served but shortly: after half a second at the most,
 * so that what kills each new process at its first work costs little and still gets letters
 * through in between. One that never came to serve: at once the first time, then after 250 ms,
 * 500 ms … up to half a minute, until it serves. Pure.
 */
#ifndef POSTA_CTL_BACKOFF_H
#define POSTA_CTL_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BACKOFF_FIRST_MS = 250,
    BACKOFF_MAX_MS = 30000,
    BACKOFF_STEADY_MS = 250,
    BACKOFF_SERVED_DEATHS = 2, /* as many stay counted against one that served shortly */
    BACKOFF_SERVED_MAX_MS = 500,
};

struct backoff {
    unsigned deaths; /* in a row */
};

/* It died after it had served for `served_ms` (0: it never did, else at least 1). How long to
 * wait. */
uint64_t backoff_died(struct backoff *b, uint64_t served_ms);

#endif
