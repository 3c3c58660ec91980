/*
 * Properties: what was parsed and printed parses to the same text again, for
 * posta-folder and posta-user; a heading that was cleaned has nothing left to clean, and is
 * never longer.
 */
#include "store/folder.h"
#include "store/heading.h"

#include <stdlib.h>

enum { TEXT_BYTES = 8192 };

static void same(struct str a, struct str b)
{
    if (!str_eq(a, b))
        abort();
}

static void check_folder(struct str in, struct arena *a)
{
    struct folder f, again;
    struct buf once, twice;

    if (folder_parse(in, a, &f, NULL) < 0)
        return;
    buf_init(&once, 4 * TEXT_BYTES);
    buf_init(&twice, 4 * TEXT_BYTES);
    folder_print(&once, &f);
    if (folder_parse(buf_str(&once), a, &again, NULL) < 0)
        abort();
    folder_print(&twice, &again);
    same(buf_str(&once), buf_str(&twice));
    buf_done(&once);
    buf_done(&twice);
}

static void check_user(struct str in, struct arena *a)
{
    struct folder_user u, again;
    struct buf once, twice;

    if (folder_user_parse(in, a, &u, NULL) < 0)
        return;
    buf_init(&once, 4 * TEXT_BYTES);
    buf_init(&twice, 4 * TEXT_BYTES);
    folder_user_print(&once, &u);
    if (folder_user_parse(buf_str(&once), a, &again, NULL) < 0)
        abort();
    folder_user_print(&twice, &again);
    same(buf_str(&once), buf_str(&twice));
    buf_done(&once);
    buf_done(&twice);
}

static void check_heading(struct str in)
{
    char text[TEXT_BYTES], again[TEXT_BYTES];
    bool loop, loop_again;

    if (in.n)
        memcpy(text, in.p, in.n);
    size_t n = heading_clean(text, in.n, STR("a@b"), &loop);
    if (n > in.n)
        abort();
    memcpy(again, text, n);
    if (heading_clean(again, n, STR("a@b"), &loop_again) != n || memcmp(again, text, n) != 0 ||
        loop != loop_again)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size < TEXT_BYTES ? size : TEXT_BYTES};
    struct arena a;

    arena_init(&a);
    check_folder(in, &a);
    check_user(in, &a);
    check_heading(in);
    arena_done(&a);
    return 0;
}
