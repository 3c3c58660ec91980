/*
 * schedule - when a letter that could not be delivered is tried again, and when it is given up.
 *
 * The wait doubles from `first` up to `most`, and each is spread by a quarter to both sides, so
 * that what failed together does not come back together. Waits are counted on the steady clock.
 *
 * A letter is given up only when both clocks say so: its age on the calendar has passed `life`,
 * and it has been tried at least half as often as it would have been in that time. A calendar
 * that jumps by ten years so costs nobody a letter. When its sender is told that it is late is
 * asked of both clocks in the same way.
 */
#ifndef POSTA_QUEUE_SCHEDULE_H
#define POSTA_QUEUE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
    uint64_t first_ms, most_ms, life_ms;
    uint64_t late_ms; /* 0: nobody is told of a delay */
};

/* Before the next try, when `backoff` tries have failed since the last sign of hope (1 or
 * more). */
uint64_t schedule_wait_ms(const struct schedule *s, unsigned backoff, uint32_t random);

/* How many tries a letter must have had before its age may end it; at least 1. */
unsigned schedule_tries_needed(const struct schedule *s);
bool schedule_is_over(const struct schedule *s, unsigned tries, uint64_t arrived_ms,
                      uint64_t now_ms);
bool schedule_is_late(const struct schedule *s, unsigned tries, uint64_t arrived_ms,
                      uint64_t now_ms);

/* `wait_ms`, but no longer than until the letter is late, or until its life is over: who is to
 * be told hears in time. */
uint64_t schedule_wait_within(const struct schedule *s, uint64_t wait_ms, uint64_t arrived_ms,
                              uint64_t now_ms);

#endif
