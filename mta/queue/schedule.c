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

/* Half of the tries that fit into `span_ms`; at least 1. */
static unsigned tries_of(const struct schedule *s, uint64_t span_ms)
{
    uint64_t passed = 0;
    unsigned tries = 1; /* the one at once */

    while (tries < TRIES_NEEDED_MAX) {
        passed += plain_wait_ms(s, tries);
        if (passed == 0 || passed > span_ms)
            break;
        tries++;
    }
    return tries / 2 > 0 ? tries / 2 : 1;
}

static bool has_passed(const struct schedule *s, uint64_t span_ms, unsigned tries,
                       uint64_t arrived_ms, uint64_t now_ms)
{
    return now_ms > arrived_ms && now_ms - arrived_ms >= span_ms &&
           tries >= tries_of(s, span_ms);
}

unsigned schedule_tries_needed(const struct schedule *s)
{
    return tries_of(s, s->life_ms);
}

bool schedule_is_over(const struct schedule *s, unsigned tries, uint64_t arrived_ms,
                      uint64_t now_ms)
{
    return has_passed(s, s->life_ms, tries, arrived_ms, now_ms);
}

bool schedule_is_late(const struct schedule *s, unsigned tries, uint64_t arrived_ms,
                      uint64_t now_ms)
{
    return s->late_ms && has_passed(s, s->late_ms, tries, arrived_ms, now_ms);
}

/* Up to a moment `span_ms` behind arrival, where that lies ahead. */
static uint64_t up_to(uint64_t wait_ms, uint64_t span_ms, uint64_t arrived_ms, uint64_t now_ms)
{
    uint64_t age = now_ms > arrived_ms ? now_ms - arrived_ms : 0;

    return age < span_ms && wait_ms > span_ms - age ? span_ms - age : wait_ms;
}

uint64_t schedule_wait_within(const struct schedule *s, uint64_t wait_ms, uint64_t arrived_ms,
                              uint64_t now_ms)
{
    uint64_t wait = up_to(wait_ms, s->life_ms, arrived_ms, now_ms);

    return s->late_ms ? up_to(wait, s->late_ms, arrived_ms, now_ms) : wait;
}
