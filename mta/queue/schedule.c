#include "mta/queue/schedule.h"

enum { TRIES_NEEDED_MAX = 1000 };

static uint64_t plain_wait_ms(const struct schedule *s, unsigned backoff)
{
    uint64_t wait = s->first_ms ? s->first_ms : 1;

    for (unsigned i = 1; i < backoff && wait < s->most_ms; i++)
        wait *= 2;
    return wait < s->most_ms ? wait : s->most_ms > s->first_ms ? s->most_ms : s->first_ms;
}

uint64_t schedule_wait_ms(const struct schedule *s, unsigned backoff, uint32_t random)
{
    uint64_t wait = plain_wait_ms(s, backoff), quarter = wait / 4;

    return wait - quarter + (quarter ? random % (2 * quarter + 1) : 0);
}

unsigned schedule_tries_needed(const struct schedule *s)
{
    uint64_t passed = 0;
    unsigned tries = 1; /* the one at once */

    while (tries < TRIES_NEEDED_MAX) {
        passed += plain_wait_ms(s, tries);
        if (passed == 0 || passed > s->life_ms)
            break;
        tries++;
    }
    return tries / 2 > 0 ? tries / 2 : 1;
}

bool schedule_is_over(const struct schedule *s, unsigned tries, uint64_t arrived_ms,
                      uint64_t now_ms)
{
    return now_ms > arrived_ms && now_ms - arrived_ms >= s->life_ms &&
           tries >= schedule_tries_needed(s);
}
