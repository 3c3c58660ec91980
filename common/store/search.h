/*
 * search - which letters of a mailbox match (RFC 3501 6.4.4, 7162 3.1.5; RFC 5032 WITHIN left
 * out).
 *
 * A tree of keys, evaluated cheap ones first: what names say, then the kept header fields, then
 * the decoded text of the letter, which is read once however many keys want it; a letter that
 * the cheap keys decide does not pay for others. Strings are UTF-8 and folded by charset_fold()
 * when the tree is prepared. An index for text may answer search_candidates() later; its hits
 * are verified all the same.
 */
#ifndef POSTA_STORE_SEARCH_H
#define POSTA_STORE_SEARCH_H

#include "store/mailbox.h"

enum {
    SEARCH_DEPTH = 64, /* of NOT, OR and parentheses (I12)     */
    SEARCH_KEYS = 10000,
    SEARCH_TEXT_KEYS = 64,    /* of them BODY and TEXT                */
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
    SEARCH_SENTBEFORE, /* Date: field, its own zone disregarded; without one: no match */
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
    uint64_t number; /* day (below 1970 as int64_t), octets, mod-sequence, UID */
    struct str field, text;
    struct uidset uids; /* freed by search_done() */

    /* search_new()'s */
    uint64_t bit;   /* of a text */
    unsigned level; /* what must be known of a letter to decide it */
};

struct search;

/* The tree and `a` must stay as long as the search, which may live in many transactions; the
 * tree is put in order. search_done() ends it and frees the sets of the tree. */
struct search *search_new(struct search_key *tree, struct arena *a);
void search_done(struct search *s); /* accepts NULL */

/* Goes on over the letters of `among`, which must stay the same, for about `budget` rows (a
 * letter that is read counts for several); adds the UIDs that match to *hits and keeps the
 * highest mod-sequence among them. Between begin and end of the mailbox. 1: not yet at the end,
 * 0: all looked at. */
int search_run(struct search *s, struct mailbox *b, const struct uidset *among, unsigned budget,
               struct uidset *hits, uint64_t *highest_modseq, struct err *err);

#endif
