/*
 * lines - those who wait for one way out, a line for each sender: who sends ten thousand
 * letters waits behind them alone. Pure.
 *
 *   way ─┬─▶ line of alice: ○ ○ ○ ○ ○ …     the lines have turns, one after the other
 *        └─▶ line of carol: ○
 *
 * A way is a list head that its owner keeps; a line is there while somebody stands in it.
 */
#ifndef POSTA_QUEUE_LINES_H
#define POSTA_QUEUE_LINES_H

#include "base/list.h"
#include "base/map.h"

struct line;

/* Of all ways. */
struct lines {
    struct map all; /* by way and sender */
};

/* Who waits: a member of what the owner keeps. */
struct waiter {
    struct list link;
    struct line *line; /* NULL: stands in none */
};

void lines_init(struct lines *s, const uint8_t secret[MAP_SECRET_BYTES]);
void lines_done(struct lines *s); /* those who still stand in one are forgotten */

/* At the end of the sender's line, or in front of it. Not when in a line already. */
void lines_join(struct lines *s, struct list *way, struct str sender, struct waiter *w,
                bool front);
void lines_leave(struct lines *s, struct waiter *w); /* does nothing when in none */
/* The first of the line whose turn it is; that line's next turn comes after the others'. NULL
 * when nobody waits. */
struct waiter *lines_next(struct list *way);
/* Who stands behind; NULL: nobody. */
struct waiter *lines_behind(const struct waiter *w);

#endif
