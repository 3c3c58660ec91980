/*
 * Properties: whatever the text, parsing ends with a command or with words for the client; what
 * a command points at lies in the text or in the arena, which the sanitizers see; no limit is
 * passed; a tag that is understood is one.
 */
#include "imapd/parse.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 65536 };

static unsigned touch(struct str s)
{
    unsigned sum = 0;

    for (size_t i = 0; i < s.n; i++)
        sum += (unsigned char)s.p[i];
    return sum;
}

static unsigned touch_all(const struct str *all, unsigned n, unsigned most)
{
    unsigned sum = 0;

    assert(n <= most);
    for (unsigned i = 0; i < n; i++)
        sum += touch(all[i]);
    return sum;
}

static unsigned touch_items(const struct command *c)
{
    unsigned sum = 0;

    assert(c->fetch.n <= COMMAND_FETCH_ITEMS);
    for (unsigned i = 0; i < c->fetch.n; i++) {
        const struct section *s = &c->fetch.items[i].section;

        assert(c->fetch.items[i].what >= FETCH_SECTION);
        assert(s->nnumbers <= COMMAND_SECTION_NUMBERS);
        for (unsigned k = 0; k < s->nnumbers; k++)
            assert(s->numbers[k] > 0);
        sum += touch_all(s->fields, s->nfields, COMMAND_HEADER_FIELDS);
    }
    return sum;
}

static unsigned check(const struct command *c)
{
    unsigned sum = touch(c->mailbox) + touch(c->mailbox_to);

    assert(c->tag.n > 0 && c->tag.n <= COMMAND_TAG_BYTES);
    assert(parse_states(c->verb));
    assert(c->set.n <= COMMAND_SET_RANGES);
    if (c->verb == VERB_LOGIN)
        sum += touch(c->login.user) + touch(c->login.password);
    if (c->verb == VERB_FETCH)
        sum += touch_items(c);
    if (c->verb == VERB_STORE)
        sum += touch_all(c->store.flags.keywords, c->store.flags.n, COMMAND_KEYWORDS);
    if (c->verb == VERB_APPEND)
        sum += touch_all(c->append.flags.keywords, c->append.flags.n, COMMAND_KEYWORDS);
    if (c->verb == VERB_LIST || c->verb == VERB_LSUB)
        sum += touch_all(c->list.patterns, c->list.n, COMMAND_PATTERNS);
    if (c->verb == VERB_ID)
        sum += touch_all(c->id.names, c->id.n, COMMAND_ID_FIELDS);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size < INPUT_MAX ? size : INPUT_MAX};
    struct command c, begun;
    const char *why = NULL;
    struct arena a;
    volatile unsigned sum = 0;

    arena_init(&a);
    parse_begin(in, &begun);
    if (parse_command(in, &a, &c, &why))
        sum = check(&c);
    else
        assert(why);
    assert(c.verb == begun.verb && str_eq(c.tag, begun.tag));
    if (parse_append(in, &a, &c, &why))
        sum = check(&c);
    (void)sum;
    arena_done(&a);
    return 0;
}
