/*
 * Properties: how the network cuts the bytes does not matter, one long feed and many short ones
 * end in the same words; each answer is made of whole lines; no letter is kept but what a whole
 * APPEND brought.
 */
#include "../imap_world.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 32768, LOG_MAX = 64 << 20 };

static struct buf play(struct str in, size_t step, struct imap_world *w, bool logged_in)
{
    struct buf log;

    world_init(w);
    w->more = 2;
    w->fails_after = 2;
    buf_init(&log, LOG_MAX);
    struct imap_session *s = imap_new(&w->config, false);
    enum imap_want want = world_turn(w, s, &log);
    if (logged_in) {
        imap_feed(s, STR("x LOGIN alice@example.test secret\r\nx SELECT INBOX\r\n"));
        want = world_turn(w, s, &log);
    }
    while (in.n && want != IMAP_WANT_CLOSE) {
        struct str part = str_first(in, step);

        imap_feed(s, part);
        in = str_skip(in, part.n);
        want = world_turn(w, s, &log);
    }
    imap_free(s);
    return log;
}

static void check_lines(struct str log)
{
    for (size_t i = 0; i < log.n; i++)
        if (log.p[i] == '\n' || log.p[i] == '\r')
            assert(log.p[i] == '\n' ? i > 0 && log.p[i - 1] == '\r'
                                    : i + 1 < log.n && log.p[i + 1] == '\n');
    assert(log.n == 0 || log.p[log.n - 1] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size < INPUT_MAX ? size : INPUT_MAX};

    for (int logged_in = 0; logged_in < 2; logged_in++) {
        struct imap_world one, other;
        struct buf whole = play(in, INPUT_MAX, &one, logged_in);
        struct buf cut = play(in, 1, &other, logged_in);

        assert(str_eq(buf_str(&whole), buf_str(&cut)));
        assert(one.letters == other.letters);
        assert(str_eq(buf_str(&one.letter), buf_str(&other.letter)));
        check_lines(buf_str(&whole));
        world_done(&one);
        world_done(&other);
        buf_done(&whole);
        buf_done(&cut);
    }
    return 0;
}
