#include "wire/line.h"

#include "wire/plain.h"

/* line = *<any octet except CR, LF, NUL> CRLF
 *
 * Only the first `max` octets are looked at, so that what is behind them cannot change the
 * answer: it is the same however the bytes were cut. */
enum line_result line_take(struct str *in, size_t max, size_t *scanned, struct str *line)
{
    struct str window = str_first(*in, max);
    size_t from = scanned ? *scanned : 0;
    size_t at = from + plain_run(str_skip(window, from));

    if (scanned)
        *scanned = at;
    if (at == window.n || (at + 1 == window.n && window.p[at] == '\r'))
        return window.n == max ? LINE_TOO_LONG : LINE_MORE;
    if (window.p[at] != '\r' || window.p[at + 1] != '\n')
        return LINE_BAD;
    if (scanned)
        *scanned = 0;
    *line = str_first(window, at);
    *in = str_skip(*in, at + 2);
    return LINE_OK;
}
