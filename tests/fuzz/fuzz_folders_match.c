/*
 * The first line is a LIST pattern, the second a name. Property: the answer is that of a table
 * of all pairs of what is left of both.
 */
#include "store/folders.h"

#include "base/ascii.h"

#include <stdlib.h>

enum { SIDE_BYTES = 512 };

static bool same(char a, char b, bool folded)
{
    return a == b || (folded && ascii_lower(a) == ascii_lower(b));
}

/* match[j]: pattern from i on, name from j on; rows are made from the last to the first. */
static bool by_table(struct str pattern, struct str name)
{
    static bool match[2][SIDE_BYTES + 1];
    bool *now = match[0], *below = match[1];
    size_t folded =
        str_starts_nocase(name, STR("INBOX")) && (name.n == 5 || name.p[5] == '/') ? 5 : 0;

    for (size_t j = 0; j <= name.n; j++)
        below[j] = j == name.n;
    for (size_t i = pattern.n; i-- > 0;) {
        char p = pattern.p[i];

        for (size_t j = name.n + 1; j-- > 0;) {
            bool more = j < name.n;

            if (p == '*' || p == '%')
                now[j] = below[j] || (more && (p == '*' || name.p[j] != '/') && now[j + 1]);
            else
                now[j] = more && same(p, name.p[j], j < folded) && below[j + 1];
        }
        bool *swap = now;
        now = below;
        below = swap;
    }
    return below[0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    struct str pattern = str_first(in, str_find(in, '\n'));
    struct str name = str_skip(in, pattern.n < in.n ? pattern.n + 1 : in.n);

    name = str_first(name, str_find(name, '\n'));
    pattern = str_first(pattern, SIDE_BYTES - 2);
    name = str_first(name, SIDE_BYTES - 2);
    if (folders_match(pattern, name) != by_table(pattern, name))
        abort();
    return 0;
}
