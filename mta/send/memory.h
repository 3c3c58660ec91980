/*
 * memory - who has a letter already: so that a queue that was killed between our answer and its
 * commit, and hands the letter over again, hears of it and nobody gets it twice.
 *
 * Only what was taken (2xx) is remembered: the queue never asks for such a recipient again
 * unless it has forgotten. Ids are never used again, so that nothing in here grows wrong; the
 * oldest goes when there are too many.
 */
#ifndef POSTA_SEND_MEMORY_H
#define POSTA_SEND_MEMORY_H

#include "base/id.h"
#include "smtp/result.h"

enum { MEMORY_RECIPIENTS = 10000, MEMORY_TEXT_BYTES = 200 };

struct memory;

struct memory *memory_new(void);
void memory_free(struct memory *m); /* accepts NULL */

void memory_add(struct memory *m, const struct id *id, struct str address,
                const struct result *r);
/* Valid until the next memory_add(); NULL: it is not known. */
const struct result *memory_find(const struct memory *m, const struct id *id,
                                 struct str address);

#endif
