/*
 * Properties: how the bytes are cut changes nothing; what is handed out are octets of the input
 * in their order; a command never holds more than it may.
 */
#include "imapd/frame.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 200000, LOG_MAX = 1 << 22 };

/* What is done with a literal is told by its number, so that it is the same however it is cut.
 */
static void decide(struct frame *f, unsigned n)
{
    if (n % 3 == 0 && f->fits)
        frame_take(f);
    else if (n % 3 == 1)
        frame_stream(f);
    else
        frame_refuse(f);
}

static void play(struct str in, size_t step, bool stranger, struct buf *log)
{
    unsigned literals = 0;
    struct frame f;

    frame_init(&f);
    f.stranger = stranger;
    while (in.n) {
        struct str part = str_first(in, step);
        enum frame_event event;

        frame_feed(&f, part);
        in = str_skip(in, part.n);
        while ((event = frame_next(&f)) != FRAME_MORE) {
            buf_addf(log, "%d:%zu:", event, f.text.n);
            buf_add(log, f.text);
            assert(f.text.n <= FRAME_COMMAND_BYTES + FRAME_LINE_BYTES);
            if (event == FRAME_LITERAL)
                decide(&f, literals++);
            if (event == FRAME_TOO_LONG)
                break;
        }
    }
    frame_done(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size < INPUT_MAX ? size : INPUT_MAX};
    struct buf whole, cut;

    buf_init(&whole, LOG_MAX);
    buf_init(&cut, LOG_MAX);
    for (int stranger = 0; stranger < 2; stranger++) {
        buf_clear(&whole);
        buf_clear(&cut);
        play(in, INPUT_MAX, stranger, &whole);
        play(in, 1, stranger, &cut);
        assert(str_eq(buf_str(&whole), buf_str(&cut)));
    }
    buf_done(&whole);
    buf_done(&cut);
    return 0;
}
