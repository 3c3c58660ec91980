#include "ctl/backoff.h"

uint64_t backoff_died(struct backoff *b, uint64_t served_ms)
{
    uint64_t wait = BACKOFF_FIRST_MS;

    if (served_ms >= BACKOFF_STEADY_MS)
        b->deaths = 0;
    else if (served_ms && b->deaths > BACKOFF_SERVED_DEATHS)
        b->deaths = BACKOFF_SERVED_DEATHS;
    b->deaths++;
    if (b->deaths == 1)
        return 0;
    for (unsigned i = 2; i < b->deaths && wait < BACKOFF_MAX_MS; i++)
        wait *= 2;
    return wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS;
}
