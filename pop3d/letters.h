/*
 * letters - reads a maildrop's letters in pieces, on a thread that may block, and small ones
 * ahead of time.
 *
 * Clients fetch letters in order. From the second one in a row on, one trip to the pool reads
 * several small letters, and the next RETRs are answered from memory. A long letter comes in
 * pieces of LETTERS_BYTES. Used by one thread at a time; a letter's bytes never change while it
 * is there.
 */
#ifndef POSTA_POP3D_LETTERS_H
#define POSTA_POP3D_LETTERS_H

#include "store/popbox.h"

enum {
    LETTERS_BYTES = 65536, /* a piece of a long letter, or small letters, in memory */
    LETTERS_AHEAD = 32,    /* small letters                                         */
};

struct letters {
    struct popbox *box; /* not owned */
    char *block;
    size_t used;
    struct {
        uint32_t letter;
        size_t at, n;
    } small[LETTERS_AHEAD];
    unsigned nsmall;
    uint32_t next; /* the letter that comes next if it goes on in order */
    /* a long one */
    int fd;
    uint64_t offset;
    size_t piece_n;
    bool last;
};

void letters_init(struct letters *l, struct popbox *box);
void letters_done(struct letters *l);

/* On the loop: is letter `i` in memory, whole? */
bool letters_have(struct letters *l, uint32_t i, struct str *text);

/* On the pool: letter `i` from its start, or its next piece. Then letters_piece(). */
int letters_read(struct letters *l, uint32_t i, bool start, struct err *err);
struct str letters_piece(const struct letters *l, bool *last);

/* No more of a long letter is wanted. */
void letters_end(struct letters *l);

/* After an answer: gives the memory back when nothing in it comes next. */
void letters_rest(struct letters *l);

#endif
