/* Properties: any head gives an ENVELOPE that RFC 3501 9 allows; what is behind the head
 * changes nothing, and neither do its line ends; printing needs no more than an arena of its
 * own. */
#include "mail/envelope.h"
#include "mail/header.h"
#include "tests/fuzz/imap_text.h"

enum { OUT_BYTES_MAX = 64 << 20 };

static struct str print(struct buf *out, struct str head)
{
    struct arena a;

    arena_init(&a);
    buf_init(out, OUT_BYTES_MAX);
    envelope_print(out, head, &a);
    arena_done(&a);
    must(!buf_failed(out));
    return buf_str(out);
}

static void same_with_crlf(struct str head, struct str want)
{
    struct buf copy, out;

    buf_init(&copy, OUT_BYTES_MAX);
    for (size_t i = 0; i < head.n; i++) {
        if (head.p[i] == '\n')
            buf_add_byte(&copy, '\r');
        buf_add_byte(&copy, head.p[i]);
    }
    must(str_eq(print(&out, buf_str(&copy)), want));
    buf_done(&out);
    buf_done(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str letter = {(const char *)data, size};
    struct str head = str_first(letter, header_end(letter)), text;
    struct buf out, again;

    text = print(&out, head);
    take_envelope(&text);
    must(text.n == 0);
    must(str_eq(print(&again, letter), buf_str(&out)));
    buf_done(&again);
    if (str_find(head, '\r') == head.n)
        same_with_crlf(head, buf_str(&out));
    buf_done(&out);
    return 0;
}
