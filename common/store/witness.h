/*
 * witness - the staged links in mail/.deliver that are waiting for their letter
 * to leave the spool. For several threads.
 */
#ifndef POSTA_STORE_WITNESS_H
#define POSTA_STORE_WITNESS_H

#include "base/err.h"
#include "base/id.h"
#include "spool/spool.h"

enum { WITNESS_NAME_BYTES = ID_LETTERS + 1 + 20 + 5 + 1 }; /* ID.NUMBER.done and a NUL */

/* "ID.NUMBER", or "ID.NUMBER.done". */
void witness_name(char to[WITNESS_NAME_BYTES], const struct id *id, int64_t user, bool done);

struct witnesses;

/* Lists `dir` (mail/.deliver, borrowed). */
struct witnesses *witnesses_new(int dir, struct err *err);
void witnesses_free(struct witnesses *w);

void witnesses_add(struct witnesses *w, const struct id *id, int64_t user);
unsigned witnesses_count(struct witnesses *w);
/* Unlinks what is no longer needed among the next `max`; how many. */
unsigned witnesses_sweep(struct witnesses *w, struct spool *s, unsigned max);

#endif
