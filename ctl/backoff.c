#include "ctl/backoff.h"

uint64_t backoff_died(struct backoff *b, uint64_t served_ms)
{
    uint64_t forgiven = served_ms / BACKOFF_FORGIVE_MS;
    uint64_t wait = BACKOFF_FIRST_MS;

    b->deaths = forgiven >= b->deaths ? 1 : b->deaths - (unsigned)forgiven + 1;
    if (b->deaths == 1)
        return 0;
    for (unsigned i = 2; i < b->deaths && wait < BACKOFF_MAX_MS; i++)
        wait *= 2;
    return wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS;
}
