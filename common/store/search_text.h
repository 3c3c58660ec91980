/*
 * search_text - the text of a letter, decoded and folded, looked through for several strings at
 * once: for SEARCH BODY and TEXT.
 *
 * The text is what a person reads: text parts at any depth, in their charset, and the head of
 * each letter that lies inside; the fields of its own head for those strings that ask for it.
 * Nothing matches across the end of a part or a field. Read in pieces: memory does not grow
 * with the letter.
 */
#ifndef POSTA_STORE_SEARCH_TEXT_H
#define POSTA_STORE_SEARCH_TEXT_H

#include "base/err.h"
#include "mail/structure.h"

enum {
    SEARCH_TEXTS = 64, /* strings, a bit each */
    SEARCH_PIECE_BYTES = 32768,
};

struct search_text;

struct search_text *search_text_new(void);
void search_text_free(struct search_text *t); /* accepts NULL */

/* `folded` must stay. Returns its bit. At most SEARCH_TEXTS. */
uint64_t search_text_add(struct search_text *t, struct str folded, bool in_head);

/* Looks for the strings whose bits are `wanted` in the letter of this tree; asks enough() each
 * time that another has been found and ends early where that is so. *found is written on
 * success; adds what was read to *octets. */
struct search_reading {
    int fd;
    const struct part *top;
    uint64_t wanted;
    bool (*enough)(void *arg, uint64_t found);
    void *arg;
};
int search_text_read(struct search_text *t, const struct search_reading *r, uint64_t *found,
                     uint64_t *octets, struct err *err);

/* `n` octets at `at`, fewer where the file ends before. */
int search_read_at(struct buf *out, int fd, uint64_t at, uint64_t n, struct err *err);

#endif
