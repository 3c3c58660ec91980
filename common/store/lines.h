/*
 * lines - counts line ends, fast: what a letter of LF lines takes on the wire.
 */
#ifndef POSTA_STORE_LINES_H
#define POSTA_STORE_LINES_H

#include "base/str.h"

struct lines_count {
    uint64_t octets;
    uint64_t lf;      /* all of them                         */
    uint64_t bare_lf; /* those without a CR in front         */
    bool crlf;        /* the first line ended in CRLF        */
    char last;        /* of what was counted so far          */
};

uint64_t lines_lf(struct str s);

/* Goes on where the last call stopped; starts with a zeroed *c. */
void lines_add(struct lines_count *c, struct str s);

/* Octets with every line end as CRLF: a CRLF file keeps its own. */
uint64_t lines_wire_octets(const struct lines_count *c);

/* Could this be what W= says of the letter? Others add nothing for an LF behind a CR, also
 * where the first line ends in LF. */
bool lines_may_be(const struct lines_count *c, uint64_t vsize);

#endif
