#include "store/path.h"

#include "base/mutf7.h"
#include "base/utf8.h"

/* What may stand in a name: no control characters, no line ends of Unicode. */
static bool is_showable(struct str name)
{
    uint32_t c;

    while (scan_utf8(&name, &c))
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
            return false;
    return name.n == 0;
}

/* One part of a name, without '/'. */
static bool print_part(struct buf *out, struct str part)
{
    return part.n && is_showable(part) && mutf7_encode(out, part, '.');
}

bool path_of_folder(struct buf *out, struct str folder)
{
    if (str_eq_nocase(folder, STR("INBOX"))) {
        buf_add(out, STR("."));
        return !buf_failed(out);
    }

    size_t before = buf_str(out).n;
    struct str rest = folder;

    if (folder.n >
        (size_t)2 * PATH_COMPONENT_BYTES) /* UTF-7 may be the shorter one, but not by half */
        return false;
    for (;;) {
        size_t slash = str_find(rest, '/');
        struct str part = str_first(rest, slash);

        /* INBOX/x and inbox/x are one folder */
        if (rest.p == folder.p && str_eq_nocase(part, STR("INBOX")))
            part = STR("INBOX");
        buf_add_byte(out, '.');
        if (!print_part(out, part) || buf_str(out).n - before > PATH_COMPONENT_BYTES)
            return false;
        if (slash == rest.n)
            return !buf_failed(out);
        rest = str_skip(rest, slash + 1);
    }
}

/* Parts with a '.' before each. */
static bool decode(struct buf *out, struct str path)
{
    while (scan_byte(&path, '.')) {
        struct str part = str_first(path, str_find(path, '.'));

        if (buf_str(out).n)
            buf_add_byte(out, '/');
        if (!mutf7_decode(out, part, '.'))
            return false;
        path = str_skip(path, part.n);
    }
    return !buf_failed(out);
}

/* What does not come out the same again had another spelling (RFC 3501 5.1.3 allows one only):
 * such a directory is not ours. */
bool path_to_folder(struct buf *out, struct str path)
{
    struct buf name, again;
    bool good;

    if (str_eq(path, STR("."))) {
        buf_add(out, STR("INBOX"));
        return !buf_failed(out);
    }
    buf_init(&name, (size_t)4 * PATH_COMPONENT_BYTES);
    buf_init(&again, (size_t)4 * PATH_COMPONENT_BYTES);
    good = path.n > 1 && path.n <= PATH_COMPONENT_BYTES && path.p[0] == '.' &&
           decode(&name, path) && path_of_folder(&again, buf_str(&name)) &&
           str_eq(buf_str(&again), path);
    if (good)
        buf_add(out, buf_str(&name));
    buf_done(&name);
    buf_done(&again);
    return good && !buf_failed(out);
}
