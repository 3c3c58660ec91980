/*
 * Properties: what decodes encodes to the same octets; any UTF-8 encodes to printable ASCII
 * that decodes to it.
 */
#include "base/mutf7.h"
#include "base/utf8.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 4096 };

static void check(struct str in, char also)
{
    struct buf there, back;

    buf_init(&there, (size_t)8 * INPUT_MAX);
    buf_init(&back, (size_t)8 * INPUT_MAX);
    if (mutf7_decode(&there, in, also)) {
        assert(utf8_valid(buf_str(&there)));
        assert(mutf7_encode(&back, buf_str(&there), also));
        assert(str_eq(buf_str(&back), in));
    }
    buf_clear(&there);
    buf_clear(&back);
    if (mutf7_encode(&there, in, also)) {
        for (size_t i = 0; i < buf_str(&there).n; i++)
            assert(buf_str(&there).p[i] >= 0x20 && buf_str(&there).p[i] < 0x7f);
        assert(mutf7_decode(&back, buf_str(&there), also));
        assert(str_eq(buf_str(&back), in));
    }
    buf_done(&there);
    buf_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size < INPUT_MAX ? size : INPUT_MAX};

    check(in, '\0');
    check(in, '.');
    return 0;
}
