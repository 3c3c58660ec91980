/* The tree is put in order once: strings folded, cheap keys in front of their neighbours. */
#include "mail/charset.h"
#include "store/search_impl.h"

#include <assert.h>
#include <stdlib.h>

enum { VALUE_BYTES = 1 << 24 }; /* more than any field becomes */

static struct str folded(struct search *s, struct str text)
{
    buf_clear(&s->folded);
    charset_fold(&s->folded, text);
    return arena_dup(s->arena, buf_str(&s->folded));
}

static void want(struct search *s, enum search_level level, unsigned what)
{
    s->has_level[level] = true;
    for (unsigned i = level; i < LEVELS; i++)
        s->want[i] |= what;
}

static enum search_level prepare_header(struct search *s, struct search_key *k)
{
    bool kept = message_header_keeps(k->field);

    k->text = folded(s, k->text);
    s->has_header = true;
    want(s, kept ? LEVEL_HEADER : LEVEL_FILE, kept ? WANT_HEADER : 0);
    return kept ? LEVEL_HEADER : LEVEL_FILE;
}

static enum search_level prepare_text(struct search *s, struct search_key *k)
{
    if (!s->text)
        s->text = search_text_new();
    k->text = folded(s, k->text);
    k->bit = search_text_add(s->text, k->text, k->op == SEARCH_TEXT);
    want(s, LEVEL_FILE, WANT_PARTS);
    return LEVEL_FILE;
}

static enum search_level prepare_leaf(struct search *s, struct search_key *k)
{
    switch (k->op) {
    case SEARCH_ALL:
    case SEARCH_AND:
    case SEARCH_OR:
    case SEARCH_NOT:
        return LEVEL_NONE;
    case SEARCH_LARGER:
    case SEARCH_SMALLER:
        want(s, LEVEL_ROW, WANT_SIZE);
        return LEVEL_ROW;
    case SEARCH_BEFORE:
    case SEARCH_ON:
    case SEARCH_SINCE:
        want(s, LEVEL_ROW, WANT_INTERNALDATE);
        return LEVEL_ROW;
    case SEARCH_SENTBEFORE:
    case SEARCH_SENTON:
    case SEARCH_SENTSINCE:
        k->field = STR("Date");
        return prepare_header(s, k);
    case SEARCH_HEADER:
        return prepare_header(s, k);
    case SEARCH_BODY:
    case SEARCH_TEXT:
        return prepare_text(s, k);
    case SEARCH_KEYWORD:
        s->has_keywords = true;
        break;
    case SEARCH_UIDS:
    case SEARCH_FLAGS:
    case SEARCH_RECENT:
    case SEARCH_MODSEQ:
        break;
    }
    want(s, LEVEL_ROW, 0);
    return LEVEL_ROW;
}

/* Kids by level; those of one level stay in their order. */
static struct search_key *in_order(struct search_key *kids)
{
    struct search_key *first[LEVELS] = {NULL}, **end[LEVELS], *all = NULL, **at = &all;

    for (int i = 0; i < LEVELS; i++)
        end[i] = &first[i];
    for (struct search_key *k = kids, *next; k; k = next) {
        next = k->next;
        k->next = NULL;
        *end[k->level] = k;
        end[k->level] = &k->next;
    }
    for (int i = 0; i < LEVELS; i++) {
        if (!first[i])
            continue;
        *at = first[i];
        at = end[i];
    }
    return all;
}

/* As deep as the tree: SEARCH_DEPTH. */
static void prepare(struct search *s, struct search_key *k)
{
    s->keys++;
    k->level = prepare_leaf(s, k);
    for (struct search_key *kid = k->kids; kid; kid = kid->next) {
        prepare(s, kid);
        if (kid->level > k->level)
            k->level = kid->level;
    }
    k->kids = in_order(k->kids);
}

struct search *search_new(struct search_key *tree, struct arena *a)
{
    struct search *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->tree = tree;
    s->arena = a;
    arena_init(&s->scratch);
    buf_init(&s->head, VALUE_BYTES);
    buf_init(&s->value, VALUE_BYTES);
    buf_init(&s->folded, VALUE_BYTES);
    for (int i = 0; i < LEVELS; i++)
        uidset_init(&s->waiting[i]);
    prepare(s, tree);
    return s;
}

static void free_sets(struct search_key *k)
{
    uidset_done(&k->uids);
    for (struct search_key *kid = k->kids; kid; kid = kid->next)
        free_sets(kid);
}

void search_done(struct search *s)
{
    if (!s)
        return;
    free_sets(s->tree);
    for (int i = 0; i < LEVELS; i++)
        uidset_done(&s->waiting[i]);
    search_text_free(s->text);
    arena_done(&s->scratch);
    buf_done(&s->head);
    buf_done(&s->value);
    buf_done(&s->folded);
    free(s);
}

static void set_keywords(struct search_key *k, const struct str *keywords)
{
    for (struct search_key *kid = k->kids; kid; kid = kid->next)
        set_keywords(kid, keywords);
    if (k->op != SEARCH_KEYWORD)
        return;
    k->mask = 0;
    for (unsigned i = 0; i < FOLDER_KEYWORDS; i++)
        if (keywords[i].n && str_eq_nocase(keywords[i], k->text))
            k->mask = UINT32_C(1) << i;
}

void search_set_keywords(struct search *s, const struct str keywords[FOLDER_KEYWORDS])
{
    if (s->has_keywords)
        set_keywords(s->tree, keywords);
}
