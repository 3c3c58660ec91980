/* Of a letter nothing is shown, whatever stands in it; and no dialogue breaks the reader. */
#include "ctl/watch_gist.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void play(const char *process, struct str in, struct arena *a)
{
    struct str line, out;
    struct gist g;

    gist_init(&g, str_c(process));
    for (; in.n; scan_byte(&in, '\n'))
        if (scan_until(&in, '\n', &line))
            gist_line(&g, line.n && (line.p[0] & 1), line, a, &out);
}

/* All of `in` is a letter that POP3 brings. */
static void bring(struct str in, struct arena *a)
{
    struct str line, out;
    struct gist g;

    gist_init(&g, STR("pop3d"));
    if (!gist_line(&g, true, STR("RETR 1"), a, &out) ||
        !gist_line(&g, false, STR("+OK"), a, &out))
        abort();
    for (; in.n; scan_byte(&in, '\n')) {
        if (!scan_until(&in, '\n', &line))
            continue;
        if (str_eq(line, STR(".")))
            break;
        if (gist_line(&g, false, line, a, &out))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    struct arena a;

    arena_init(&a);
    play("imapd", in, &a);
    play("pop3d", in, &a);
    play("msa", in, &a);
    bring(in, &a);
    arena_done(&a);
    return 0;
}
