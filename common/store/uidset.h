/*
 * uidset - a set of UIDs as sorted ranges: a mailbox of a million letters
 * without gaps is one range.
 *
 * It is also what a session knows of its mailbox: the n-th of the set is the letter with
 * sequence number n. UIDs go from 1 to 0xffffffff. Finding one, its rank or the n-th halves the
 * ranges; two sets are joined in one pass over both.
 */
#ifndef POSTA_STORE_UIDSET_H
#define POSTA_STORE_UIDSET_H

#include "base/buf.h"

struct uidrange {
    uint32_t first, last; /* both in it                              */
    uint32_t before;      /* how many of the set lie before `first`   */
};

struct uidset {
    struct uidrange *ranges; /* do not touch or overlap */
    uint32_t n, room;
};

void uidset_init(struct uidset *s);
void uidset_done(struct uidset *s);
void uidset_clear(struct uidset *s); /* keeps no memory */
void uidset_copy(struct uidset *to, const struct uidset *from);

void uidset_add(struct uidset *s, uint32_t first,
                uint32_t last); /* cheap at the end, O(n) elsewhere */
void uidset_remove(struct uidset *s, uint32_t first, uint32_t last);
void uidset_unite(struct uidset *s, const struct uidset *with);
void uidset_subtract(struct uidset *s, const struct uidset *gone);
void uidset_intersect(struct uidset *s, const struct uidset *with);

uint32_t uidset_count(const struct uidset *s);
bool uidset_has(const struct uidset *s, uint32_t uid);
uint32_t uidset_nth(const struct uidset *s, uint32_t n); /* from 1; 0 where there are fewer */
uint32_t uidset_rank(const struct uidset *s,
                     uint32_t uid); /* from 1; 0 where it is not in the set  */
uint32_t uidset_upto(const struct uidset *s, uint32_t uid); /* how many are <= uid */
/* The n-th and `count - 1` more behind it, added to *out. */
void uidset_slice(const struct uidset *s, uint32_t n, uint32_t count, struct uidset *out);
uint32_t uidset_last(const struct uidset *s); /* 0 when empty                          */

/* "1:3,7": RFC 3501 sequence-set; nothing for an empty set. */
void uidset_print(struct buf *out, const struct uidset *s);

/* UIDs one after another, upwards. */
struct uidset_walk {
    const struct uidset *set;
    uint32_t range, uid;
};
struct uidset_walk uidset_walk(const struct uidset *s);
bool uidset_walk_next(struct uidset_walk *w, uint32_t *uid);

#endif
