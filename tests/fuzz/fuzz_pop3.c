/*
 * Properties: how the network cuts the bytes and how the disk cuts the letters does not matter:
 * one long feed with whole letters and many short ones end in the same words; each answer is
 * made of whole lines; nothing is removed but by a QUIT that says so.
 */
#include "../pop3_world.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 32768, LOG_MAX = 64 << 20 };

static struct buf play(struct str in, size_t step, size_t piece, struct pop3_world *w)
{
    struct buf log;

    world_init(w);
    w->piece_bytes = piece;
    world_letter(w, STR("Subject: one\n\nfirst\n"));
    world_letter(w, STR("Subject: two\r\n\r\n.\r\n..x\r\nno end"));
    world_letter(w, STR("\n\n\n.\n\r.\r\0\n"));
    buf_init(&log, LOG_MAX);
    struct pop3_session *s = pop3_new(&w->config, false);
    enum pop3_want want = world_turn(w, s, &log);
    while (in.n && want != POP3_WANT_CLOSE) {
        struct str part = str_first(in, step);

        pop3_feed(s, part);
        in = str_skip(in, part.n);
        want = world_turn(w, s, &log);
    }
    pop3_free(s);
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
    struct pop3_world one, other;
    struct buf whole = play(in, INPUT_MAX, POP3_PIECE_BYTES, &one);
    struct buf cut = play(in, 1, 1, &other);

    assert(str_eq(buf_str(&whole), buf_str(&cut)));
    assert(memcmp(one.removed, other.removed, sizeof(one.removed)) == 0);
    check_lines(buf_str(&whole));
    buf_done(&whole);
    buf_done(&cut);
    return 0;
}
