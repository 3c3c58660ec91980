/* What is found in any line is found again in it alone, and stands in that line. */
#include "smtp/codes.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(struct str line, struct str part)
{
    if (part.n && (part.p < line.p || part.p + part.n > line.p + line.n))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str line = {(const char *)data, size};
    struct codes c, again;

    if (!codes_find(line, &c))
        return 0;
    check_part(line, c.status);
    check_part(line, c.word);
    if (c.code && (c.code < 200 || c.code > 559))
        abort();
    if (c.status.n && (!codes_find(c.status, &again) || !str_eq(again.status, c.status)))
        abort();
    if (c.word.n && !code_of_word(c.word, c.pop3))
        abort();
    return 0;
}
