/*
 * search - which letters of a mailbox match (RFC 3501 6.4.4, 7162 3.1.5, 5032 WITHIN left out).
 *
 * A tree of keys, evaluated cheap ones first: what names say, then the kept header fields, then
 * the decoded text of the letter, which is read once however many keys want it. Strings are
 * UTF-8 and folded by charset_fold() when the tree is prepared. An index for text may answer
 * search_candidates() later; its hits are verified all the same.
 */
#ifndef POSTA_STORE_SEARCH_H
#define POSTA_STORE_SEARCH_H

#include "store/mailbox.h"

enum {
    SEARCH_DEPTH = 64, /* of NOT, OR and parentheses (I12)     */
    SEARCH_KEYS = 10000,
    SEARCH_TEXT_BYTES = 4096, /* of one string                        */
};

enum search_op {
    SEARCH_ALL,
    SEARCH_AND,     /* kids */
    SEARCH_OR,      /* two kids */
    SEARCH_NOT,     /* one kid */
    SEARCH_UIDS,    /* uids: also what a sequence set was resolved to */
    SEARCH_FLAGS,   /* (flags & mask) == mask: NAME_SEEN …           */
    SEARCH_KEYWORD, /* text: the word */
    SEARCH_RECENT,  /* uid >= number */
    SEARCH_BEFORE,  /* internal date, day number since 1970 in the server's zone (UTC) */
    SEARCH_ON,
    SEARCH_SINCE,
    SEARCH_SENTBEFORE, /* Date: field, its own zone disregarded */
    SEARCH_SENTON,
    SEARCH_SENTSINCE,
    SEARCH_LARGER, /* wire octets */
    SEARCH_SMALLER,
    SEARCH_HEADER, /* field, text; empty text: there is one */
    SEARCH_BODY,
    SEARCH_TEXT,
    SEARCH_MODSEQ, /* modseq >= number */
};

struct search_key {
    enum search_op op;
    struct search_key *kids, *next; /* the first of its own; its neighbour */
    uint32_t mask;
    uint64_t number; /* day, octets, mod-sequence, UID */
    struct str field, text;
    struct uidset uids; /* owned by who built the tree, freed by search_done() */
};

struct search;

/* The tree must stay; it is put in order. `recent_from`: see mailbox_state. */
struct search *search_new(struct search_key *tree, struct arena *a);
void search_done(struct search *s);

/* Goes on over the letters of `among` for at most `budget` rows; adds the UIDs that match to
 * *hits and keeps the highest mod-sequence among them. Between begin and end of the mailbox. 1:
 * not yet at the end, 0: all looked at. */
int search_run(struct search *s, struct mailbox *b, const struct uidset *among, unsigned budget,
               struct uidset *hits, uint64_t *highest_modseq, struct err *err);

#endif
