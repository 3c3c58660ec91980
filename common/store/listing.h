/*
 * listing - the letters of one folder as they stand in new/ and cur/: in the
 * order of time, each once, in little memory.
 *
 * Reading changes nothing. new/ is read before cur/, so that a letter which
 * another program moves meanwhile is seen at least once; what is seen twice is
 * looked at again.
 */
#ifndef POSTA_STORE_LISTING_H
#define POSTA_STORE_LISTING_H

#include "base/err.h"
#include "store/boxnames.h"

enum {
    LISTING_COPIES = 256
}; /* letters with one unique part; more of them are nobody's mail */

enum listing_flag {
    LETTER_CUR = 1,      /* in cur/, else in new/       */
    LETTER_CRLF = 2,     /* the file has CRLF line ends */
    LETTER_GONE = 4,     /* not to be found any more    */
    LETTER_UNSIZED = 8,  /* vsize is not known yet      */
    LETTER_DAMAGED = 16, /* told to be so              */
};

/* One of a million: every octet counts. */
struct letter {
    uint32_t name; /* in listing.names */
    uint32_t vsize_low;
    uint16_t vsize_high; /* 48 bits: 256 TiB */
    uint8_t flags;
    uint8_t copy; /* of the same unique part, 0 for the first of them */
};

struct listing {
    struct boxnames names;
    struct letter *letters;
    uint32_t n, room;
};

/* Fills *out, also where it fails: listing_done() in any case. */
int listing_read(struct listing *out, int new_fd, int cur_fd, struct err *err);
void listing_done(struct listing *l);

void letter_set_vsize(struct letter *l, uint64_t vsize);
uint64_t letter_vsize(const struct letter *l);

/* Takes the names over that the letters have in `now`; those that are not there are marked as
 * gone. */
void listing_follow(struct listing *l, const struct listing *now);

#endif
