/*
 * search_impl - what the files of search.h share: one letter against the tree, with as much
 * known of it as has been asked for so far. For search*.c and their tests.
 *
 * Answers have three values (Kleene's): a key that wants more than is known says "unknown",
 * NOT leaves that so, and OR and AND are decided by a kid that is known where one suffices.
 */
#ifndef POSTA_STORE_SEARCH_IMPL_H
#define POSTA_STORE_SEARCH_IMPL_H

#include "store/search.h"
#include "store/search_text.h"

enum search_level {
    LEVEL_NONE,   /* nothing: ALL                                       */
    LEVEL_ROW,    /* what names and the index say                       */
    LEVEL_HEADER, /* the kept fields                                    */
    LEVEL_FILE,   /* fields that are not kept; then the text            */
    LEVELS
};

enum search_verdict { VERDICT_NO, VERDICT_YES, VERDICT_UNKNOWN };

struct search {
    struct search_key *tree;
    struct arena *arena; /* folded strings */
    unsigned keys;
    bool has_keywords, has_header;
    unsigned want[LEVELS]; /* for mailbox_scan(), of the keys at this level and below */
    bool has_level[LEVELS];

    struct uidset waiting[LEVELS]; /* for a look at this level */
    uint32_t at;                   /* letters up to here are decided or wait */

    struct search_text *text; /* NULL: no key wants any */
    struct arena scratch;     /* one letter's tree */
    struct buf head, value, folded;
};

/* What is known of a letter. */
struct search_letter {
    const struct message *m;
    enum search_level level;
    bool has_head, has_text; /* the file's head has been read; its text to the end */
    struct str head;
    uint64_t found; /* bits of texts */
};

enum search_verdict search_eval(struct search *s, const struct search_key *k,
                                const struct search_letter *l);

/* Is there a field of that name in `head` whose value has `text` (folded) in it? */
bool search_head_has(struct search *s, struct str head, struct str name, struct str text);
/* The day of its Date field; false where it says none. */
bool search_head_day(struct str head, int64_t *day);

/* A letter at LEVEL_FILE: the descriptor is read and stays open. 1, 0 (VERDICT_NO too where it
 * ends too early), or negative. */
int search_file(struct search *s, const struct message *m, int fd, uint64_t *octets,
                struct err *err);

/* The keywords' masks, of the letters that stand for them in this folder now. */
void search_set_keywords(struct search *s, const struct str keywords[FOLDER_KEYWORDS]);

#endif
