/*
 * Properties: what was parsed, printed and parsed again is the same moment; comments, folding
 * and white space around a date change nothing; a refused date leaves the result alone.
 */
#include "mail/date.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size < 4096 ? size : 4096};
    int64_t first = INT64_MIN, again = INT64_MIN, padded = INT64_MIN;
    struct buf b;

    bool good = date_parse(in, &first);
    if (!good && first != INT64_MIN)
        abort();
    buf_init(&b, 8192);
    buf_add(&b, STR("(a (b\\)) c)\n "));
    buf_add(&b, in);
    bool also = date_parse(buf_str(&b), &padded);
    if (also != good || padded != first)
        abort();
    if (good &&
        first >= INT64_C(-30610224000)) { /* from the year 1000 on: four digits are a year */
        buf_clear(&b);
        date_print(&b, first);
        struct date d = date_of(first);
        if (d.year < DATE_YEAR_MAX && (!date_parse(buf_str(&b), &again) || again != first))
            abort();
        if (d.year < DATE_YEAR_MAX && date_unix(&d) != first)
            abort();
    }
    buf_done(&b);
    return 0;
}
