/*
 * Properties: fields lie in the head, in order, and do not overlap; finding and counting agree
 * with a walk; what is behind the head changes nothing; unfolding leaves no line end before
 * white space; each prefix of a head has the same fields, but for its last.
 */
#include "base/buf.h"
#include "mail/header.h"

#include <stdlib.h>

static size_t walk(struct str text, struct str *last)
{
    struct str in = text;
    const char *at = text.p;
    struct header_field f;
    size_t n = 0;

    while (header_next(&in, &f)) {
        if (f.all.p < at || f.all.p + f.all.n != in.p || f.name.p != f.all.p || f.name.n == 0 ||
            f.value.p < f.name.p + f.name.n + 1 || f.value.p + f.value.n > in.p)
            abort();
        at = in.p;
        *last = f.all;
        n++;
    }
    if ((size_t)(in.p - text.p) > header_end(text))
        abort();
    return n;
}

static void unfolded(struct str value)
{
    struct arena a;

    arena_init(&a);
    struct str one = header_unfold(&a, value);
    if (one.n > value.n || memchr(one.p, '\n', one.n))
        abort();
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size < 512 ? size : 512}, last = STR(""), other;
    struct header_field f;
    size_t end = header_end(text), n = walk(text, &last);

    if (walk(str_first(text, end), &other) != n)
        abort();
    for (size_t cut = 0; cut < end; cut++)
        if (walk(str_first(text, cut), &other) > n)
            abort();
    for (struct str in = text; header_next(&in, &f);) {
        struct header_field found;

        if (!header_find(text, f.name, &found) || header_count(text, f.name) == 0 ||
            !header_has(text, f.name, str_trim(f.value)))
            abort();
        unfolded(f.value);
    }
    return 0;
}
