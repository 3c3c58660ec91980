/*
 * Properties: a set that is read is printed and read again as the same; a number is in what is
 * read when it is in the text; without room for more ranges than are allowed.
 */
#include "imapd/scan.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 65536, PRINT_MAX = 1 << 20 };

static void print_number(struct buf *out, uint32_t n)
{
    if (n)
        buf_addf(out, "%u", n);
    else
        buf_add_byte(out, '*');
}

static void print_set(struct buf *out, const struct seqset *set)
{
    for (unsigned i = 0; i < set->n; i++) {
        if (i)
            buf_add_byte(out, ',');
        print_number(out, set->ranges[i].first);
        buf_add_byte(out, ':');
        print_number(out, set->ranges[i].last);
    }
}

static bool has(const struct seqset *set, uint32_t n)
{
    for (unsigned i = 0; i < set->n; i++)
        if (set->ranges[i].first <= n && n <= set->ranges[i].last)
            return true;
    return false;
}

/* Numbers without range and without '*' in their neighbourhood. */
static void check_numbers(struct str text, const struct seqset *set)
{
    struct str part;

    while (scan_until(&text, ',', &part)) {
        uint32_t n;

        if (scan_nz_number(&part, &n) && part.n == 0)
            assert(has(set, n));
        scan_byte(&text, ',');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size < INPUT_MAX ? size : INPUT_MAX}, whole = in;
    struct seqset set, again;
    struct arena a;
    struct buf out;

    arena_init(&a);
    buf_init(&out, PRINT_MAX);
    if (scan_sequence_set(&in, &a, &set)) {
        assert(set.n > 0 && set.n <= COMMAND_SET_RANGES);
        check_numbers(str_first(whole, whole.n - in.n), &set);
        print_set(&out, &set);
        struct str text = buf_str(&out);
        assert(scan_sequence_set(&text, &a, &again) && text.n == 0);
        assert(again.n == set.n);
        assert(memcmp(again.ranges, set.ranges, sizeof(set.ranges[0]) * set.n) == 0);
    } else {
        assert(in.p == whole.p && in.n == whole.n);
    }
    buf_done(&out);
    arena_done(&a);
    return 0;
}
