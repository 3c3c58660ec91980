/*
 * Property: what is read and printed again reads the same, and prints the same.
 */
#include "ctl/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct buf once, twice;
    struct json *j;

    arena_init(&a);
    buf_init(&once, size * 16 + 64);
    buf_init(&twice, size * 16 + 64);
    j = json_parse(&a, (struct str){(const char *)data, size});
    if (j) {
        json_print(&once, j);
        j = json_parse(&a, buf_str(&once));
        if (!j)
            abort();
        json_print(&twice, j);
        if (!str_eq(buf_str(&once), buf_str(&twice)))
            abort();
    }
    buf_done(&once);
    buf_done(&twice);
    arena_done(&a);
    return 0;
}
