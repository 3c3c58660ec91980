/*
 * Properties: a name that was parsed and printed parses to the same and prints
 * the same; its unique part and UIDL outlast that; a mailbox in little memory gives names back
 * as they were, in an order that does not depend on who asks. The folder that a path leads to
 * leads back to that path.
 */
#include "store/boxnames.h"
#include "store/path.h"

#include <stdlib.h>

static void same(struct str a, struct str b)
{
    if (!str_eq(a, b))
        abort();
}

static void check_print(struct str in, const struct name *n)
{
    struct buf once, twice;
    struct name again;

    buf_init(&once, 2048);
    buf_init(&twice, 2048);
    name_print(&once, n);
    if (buf_str(&once).n <= NAME_BYTES) {
        if (!name_parse(buf_str(&once), &again))
            abort();
        same(n->unique, again.unique);
        if (n->size != again.size || n->vsize != again.vsize || n->uid != again.uid ||
            n->uidvalidity != again.uidvalidity || n->flags != again.flags ||
            n->keywords != again.keywords)
            abort();
        name_print(&twice, &again);
        same(buf_str(&once), buf_str(&twice));
    } else if (buf_str(&once).n > in.n + 2) {
        abort();
    }
    buf_done(&once);
    buf_done(&twice);
}

static void check_uidl(const struct name *n)
{
    struct buf out;

    buf_init(&out, 2048);
    name_uidl(&out, n->unique);
    struct str s = buf_str(&out);
    if (s.n == 0 || s.n > NAME_UIDL_BYTES)
        abort();
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
            abort();
    buf_done(&out);
}

/* The name and one that differs from it in its first octet. */
static void check_box(struct str in, const struct name *n)
{
    struct boxnames b;
    struct name m;
    char other[NAME_BYTES], got[NAME_BYTES + 1];
    struct str o = {other, in.n};

    memcpy(other, in.p, in.n);
    other[0] = other[0] == '1' ? '2' : '1';
    boxnames_init(&b);
    uint32_t x = boxnames_add(&b, in, n);
    same(boxnames_get(&b, x, got), in);
    same(boxnames_unique(&b, x, got), n->unique);
    if (name_parse(o, &m)) {
        uint32_t y = boxnames_add(&b, o, &m);
        int d = boxnames_compare(&b, x, &b, y), e = boxnames_compare(&b, y, &b, x);

        if ((d < 0) != (e > 0) || (d == 0) != str_eq(n->unique, m.unique))
            abort();
    }
    boxnames_done(&b);
}

static void check_path(struct str in)
{
    struct buf folder, path;

    buf_init(&folder, 4096);
    buf_init(&path, 4096);
    if (path_to_folder(&folder, in)) {
        if (!path_of_folder(&path, buf_str(&folder)))
            abort();
        same(buf_str(&path), in);
    }
    buf_clear(&folder);
    buf_clear(&path);
    if (path_of_folder(&path, in)) {
        struct str p = buf_str(&path);

        if (p.n == 0 || p.n > PATH_COMPONENT_BYTES || p.p[0] != '.' || str_eq(p, STR("..")) ||
            str_find(p, '/') < p.n || str_find(p, '\0') < p.n || !path_to_folder(&folder, p))
            abort();
    }
    buf_done(&folder);
    buf_done(&path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size < 1024 ? size : 1024};
    struct name n;

    check_path(in);
    if (!name_parse(in, &n))
        return 0;
    check_print(in, &n);
    check_uidl(&n);
    check_box(in, &n);
    return 0;
}
