/*
 * Property: how the network cuts the bytes does not matter: the lines and the
 * verdict are the same for one long feed and for single bytes.
 */
#include "base/buf.h"
#include "wire/line.h"

#include <stdlib.h>

enum { LINE_BYTES = 64 };

/* The lines, each with '\n' behind it, and the verdict that stopped it. */
static void cut(struct str all, size_t step, struct buf *log)
{
    enum line_result r = LINE_MORE;
    size_t fed = 0, scanned = 0;
    struct str in = {all.p, 0};

    while (r == LINE_MORE || r == LINE_OK) {
        struct str line;

        r = line_take(&in, LINE_BYTES, &scanned, &line);
        if (r == LINE_OK) {
            buf_add(log, line);
            buf_add_byte(log, '\n');
        } else if (r == LINE_MORE) {
            size_t more = all.n - fed < step ? all.n - fed : step;

            if (more == 0)
                break;
            in.n += more;
            fed += more;
        }
    }
    buf_addf(log, "%d", (int)r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size < 8192 ? size : 8192};
    struct buf whole, bytes;

    buf_init(&whole, 1 << 20);
    buf_init(&bytes, 1 << 20);
    cut(in, in.n ? in.n : 1, &whole);
    cut(in, 1, &bytes);
    if (!str_eq(buf_str(&whole), buf_str(&bytes)))
        abort();
    buf_done(&whole);
    buf_done(&bytes);
    return 0;
}
