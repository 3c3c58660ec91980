/* However the answers are cut, the steps are the same. */
#include "mta/send/steps.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(void *arg, const struct step *s)
{
    struct buf *out = arg;

    buf_addf(out, "%s %d ", s->name, s->code);
    buf_add(out, s->heard);
    buf_add_byte(out, '\n');
}

static void play(struct buf *out, struct str heard, size_t piece)
{
    struct steps s;

    steps_init(&s, note, out, 0);
    steps_said(&s, STR("EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\n"), 0);
    for (; heard.n; heard = str_skip(heard, str_first(heard, piece).n))
        steps_heard(&s, str_first(heard, piece), 1);
    steps_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    struct buf whole, cut;

    buf_init(&whole, 1 << 20);
    buf_init(&cut, 1 << 20);
    play(&whole, in, 4096);
    play(&cut, in, 1);
    if (!str_eq(buf_str(&whole), buf_str(&cut)))
        abort();
    buf_done(&whole);
    buf_done(&cut);
    return 0;
}
