/*
 * What stands behind SEARCH. Properties: a tree that was made is well formed and within its
 * limits, its strings are UTF-8, and each set in it is named once; the same text in parentheses
 * makes the same number of keys but one more, and negated twice two more.
 */
#include "base/utf8.h"
#include "imapd/parse.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 4096 };

struct counts {
    unsigned keys, sets, texts;
};

static unsigned kids_of(const struct search_key *k)
{
    unsigned n = 0;

    for (const struct search_key *kid = k->kids; kid; kid = kid->next)
        n++;
    return n;
}

static void count(const struct search_key *k, unsigned depth, struct counts *out)
{
    unsigned kids = kids_of(k);

    assert(depth <= SEARCH_DEPTH + 2); /* the top, and what stands for one word */
    assert(k->op == SEARCH_AND ? kids >= 1
                               : kids == (k->op == SEARCH_OR) * 2u + (k->op == SEARCH_NOT));
    assert(k->text.n <= 4 * SEARCH_TEXT_BYTES && k->field.n <= SEARCH_TEXT_BYTES);
    assert(k->op == SEARCH_KEYWORD || utf8_valid(k->text));
    assert(!k->uids.n && (k->op != SEARCH_FLAGS || k->mask));
    out->keys++;
    out->sets += k->op == SEARCH_UIDS;
    out->texts += k->op == SEARCH_BODY || k->op == SEARCH_TEXT;
    for (const struct search_key *kid = k->kids; kid; kid = kid->next)
        count(kid, depth + 1, out);
}

static bool parse(struct arena *a, const char *front, struct str keys, const char *end,
                  struct counts *out)
{
    struct command c;
    const char *why = NULL;
    unsigned sets = 0;
    struct buf text;

    buf_init(&text, INPUT_MAX + 64);
    buf_add(&text, str_c(front));
    buf_add(&text, keys);
    buf_add(&text, str_c(end));
    struct str whole = arena_dup(a, buf_str(&text));
    buf_done(&text);
    *out = (struct counts){0};
    if (!parse_command(whole, a, &c, &why)) {
        assert(why && *why);
        return false;
    }
    assert(c.verb == VERB_SEARCH && c.search.tree->op == SEARCH_AND);
    count(c.search.tree, 0, out);
    for (const struct search_set *set = c.search.sets; set; set = set->next, sets++)
        assert(set->key->op == SEARCH_UIDS && set->set.n && set->set.n <= COMMAND_SET_RANGES);
    assert(sets == out->sets && out->keys <= SEARCH_KEYS && out->texts <= SEARCH_TEXT_KEYS);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str keys = {(const char *)data, size < INPUT_MAX ? size : INPUT_MAX};
    struct counts plain, other;
    struct arena a;

    arena_init(&a);
    bool good = parse(&a, "a SEARCH ", keys, "", &plain);
    if (good && !str_starts_nocase(keys, STR("CHARSET ")) &&
        !str_starts_nocase(keys, STR("RETURN ("))) {
        if (parse(&a, "a SEARCH (", keys, ")", &other))
            assert(other.keys == plain.keys + 1 && other.sets == plain.sets);
        if (parse(&a, "a UID SEARCH NOT NOT (", keys, ")", &other))
            assert(other.keys == plain.keys + 3 && other.texts == plain.texts);
    }
    parse(&a, "a SEARCH RETURN (", keys, ") ALL", &other);
    parse(&a, "a SEARCH CHARSET iso-2022-jp ", keys, "", &other);
    arena_done(&a);
    return 0;
}
