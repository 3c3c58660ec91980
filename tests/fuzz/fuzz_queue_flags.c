/*
 * The words of XSPOOL and the hops of a journey: what is found is what a slow reader finds by
 * cutting at each space, nothing outside the input is read, and a journey never breaks the line
 * it is printed on.
 */
#include "base/xtext.h"
#include "mta/queue/flags.h"
#include "mta/queue/trace.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first good word for `key`, by looking at every start. */
static bool slow_find(struct str s, struct str key, struct buf *value)
{
    for (size_t from = 0; from < s.n; from++) {
        size_t to = from;

        if (s.p[from] == ' ' || (from && s.p[from - 1] != ' '))
            continue;
        while (to < s.n && s.p[to] != ' ')
            to++;
        struct str word = {s.p + from, to - from};
        if (!str_starts(word, key))
            continue;
        word = str_skip(word, key.n);
        if (!word.n)
            return true;
        if (word.p[0] == '=')
            return xtext_decode(value, str_skip(word, 1));
    }
    return false;
}

static void check_flags(struct str in)
{
    static const char *const keys[] = {"via", "wire", "8bit", "v"};
    struct arena a;
    struct str got;
    struct buf want;

    arena_init(&a);
    buf_init(&want, 1 << 20);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        buf_clear(&want);
        bool found = flags_find(in, keys[i], &a, &got);

        if (slow_find(in, str_c(keys[i]), &want) != found)
            abort();
        if (found && !str_eq(got, buf_str(&want)))
            abort();
    }
    buf_done(&want);
    arena_done(&a);
}

static void check_journey(struct str in)
{
    static const struct id id = {"01m82kw2150000000000001"};
    struct buf text, out;
    size_t lines = 0;

    buf_init(&text, 1 << 20);
    buf_init(&out, 16 << 20);
    trace_print_hops(&out, &id, in); /* as it may stand in a broken file */
    buf_clear(&out);
    trace_add_hop(&text, 7, "queue", in);
    trace_print_hops(&out, &id, buf_str(&text));
    struct str s = buf_str(&out);
    for (size_t i = 0; i < s.n; i++)
        lines += s.p[i] == '\n';
    if (!buf_failed(&text) && !buf_failed(&out) && lines != 1)
        abort();
    buf_done(&text);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};

    check_flags(in);
    check_journey(in);
    return 0;
}
