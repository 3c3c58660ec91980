/*
 * head - the head of a letter that is still coming in: held back until it is
 * whole, so that it can be judged and, for a submission, mended.
 */
#ifndef POSTA_INTAKE_HEAD_H
#define POSTA_INTAKE_HEAD_H

#include "base/buf.h"
#include "smtp/reply.h"

struct head {
    struct buf text; /* with the empty line that ends it  */
    bool whole;      /* that line has come                */
    bool line_start; /* text ends in a line end, or is empty */
};

void head_init(struct head *h, uint64_t bytes_max);
void head_done(struct head *h);

/* Takes from *in what belongs to the head. A head over bytes_max is told by
 * buf_failed(&h->text). */
void head_take(struct head *h, struct str *in);

/* code 0, or why the letter is refused: a head too large (M03), too many hops (RFC 5321 6.3).
 */
struct smtp_reply head_judge(const struct head *h, uint32_t hops_max);

#endif
