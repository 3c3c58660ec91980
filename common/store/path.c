#include "store/path.h"

#include "base/ascii.h"

static const char base64_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* One character of UTF-8 (RFC 3629 4): shortest form, no surrogates. */
static bool scan_utf8(struct str *in, uint32_t *out)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    unsigned char first = in->n ? (unsigned char)in->p[0] : 0xff;
    unsigned more = first < 0x80 ? 0 : (first >> 5) == 6 ? 1 : (first >> 4) == 14 ? 2 : 3;
    uint32_t c = more == 0 ? first : first & (0x3fu >> more);

    if (first > 0xf4 || (first >= 0x80 && first < 0xc2) || in->n <= more)
        return false;
    for (unsigned i = 1; i <= more; i++) {
        unsigned char next = (unsigned char)in->p[i];

        if ((next & 0xc0) != 0x80)
            return false;
        c = c << 6 | (next & 0x3f);
    }
    if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return false;
    *in = str_skip(*in, more + 1);
    *out = c;
    return true;
}

static void print_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_add_byte(out, (char)c);
    } else if (c < 0x800) {
        buf_add_byte(out, (char)(0xc0 | c >> 6));
    } else if (c < 0x10000) {
        buf_add_byte(out, (char)(0xe0 | c >> 12));
        buf_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
    } else {
        buf_add_byte(out, (char)(0xf0 | c >> 18));
        buf_add_byte(out, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    if (c >= 0x80)
        buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
}

static bool stands_for_itself(uint32_t c)
{
    return c >= 0x20 && c < 0x7f && c != '&' && c != '.';
}

/* UTF-16 between '&' and '-', six bits a letter. */
struct utf7 {
    struct buf *out;
    uint32_t bits;
    unsigned n;
    bool shifted;
};

static void utf7_unit(struct utf7 *u, uint32_t unit)
{
    if (!u->shifted)
        buf_add_byte(u->out, '&');
    u->shifted = true;
    u->bits = u->bits << 16 | unit;
    for (u->n += 16; u->n >= 6; u->n -= 6)
        buf_add_byte(u->out, base64_letters[u->bits >> (u->n - 6) & 63]);
    u->bits &= (1u << u->n) - 1;
}

static void utf7_end(struct utf7 *u)
{
    if (!u->shifted)
        return;
    if (u->n)
        buf_add_byte(u->out, base64_letters[u->bits << (6 - u->n) & 63]);
    buf_add_byte(u->out, '-');
    *u = (struct utf7){.out = u->out};
}

static void utf7_add(struct utf7 *u, uint32_t c)
{
    if (stands_for_itself(c)) {
        utf7_end(u);
        buf_add_byte(u->out, (char)c);
    } else if (c == '&') {
        utf7_end(u);
        buf_add(u->out, STR("&-"));
    } else if (c < 0x10000) {
        utf7_unit(u, c);
    } else {
        utf7_unit(u, 0xd800 | (c - 0x10000) >> 10);
        utf7_unit(u, 0xdc00 | (c & 0x3ff));
    }
}

/* One part of a name, without '/'. */
static bool part_to_utf7(struct buf *out, struct str part)
{
    struct utf7 u = {.out = out};
    uint32_t c;

    if (part.n == 0)
        return false;
    while (part.n) {
        if (!scan_utf8(&part, &c) || c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 ||
            c == 0x2029)
            return false;
        utf7_add(&u, c);
    }
    utf7_end(&u);
    return true;
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
        if (!part_to_utf7(out, part) || buf_str(out).n - before > PATH_COMPONENT_BYTES)
            return false;
        if (slash == rest.n)
            return !buf_failed(out);
        rest = str_skip(rest, slash + 1);
    }
}

static bool scan_base64(struct str *in, uint32_t *out)
{
    const char *at = in->n && in->p[0] ? strchr(base64_letters, in->p[0]) : NULL;

    if (!at)
        return false;
    *in = str_skip(*in, 1);
    *out = (uint32_t)(at - base64_letters);
    return true;
}

/* The letters between '&' and '-': UTF-16, of which what is left over is not checked here. */
static bool scan_shifted(struct str *in, struct buf *out)
{
    uint32_t bits = 0, high = 0, six;
    unsigned n = 0;

    while (scan_base64(in, &six)) {
        bits = bits << 6 | six;
        n += 6;
        if (n < 16)
            continue;
        n -= 16;
        uint32_t unit = bits >> n & 0xffff;
        bits &= (1u << n) - 1;
        if (unit >= 0xdc00 && unit <= 0xdfff) {
            if (!high)
                return false;
            print_utf8(out, 0x10000 + ((high & 0x3ff) << 10 | (unit & 0x3ff)));
            high = 0;
        } else if (high) {
            return false;
        } else if (unit >= 0xd800 && unit <= 0xdbff) {
            high = unit;
        } else {
            print_utf8(out, unit);
        }
    }
    return !high && scan_byte(in, '-');
}

static bool decode(struct buf *out, struct str s)
{
    while (s.n) {
        char c = s.p[0];

        s = str_skip(s, 1);
        if (c == '.') {
            buf_add_byte(out, '/');
        } else if (c != '&') {
            buf_add_byte(out, c);
        } else if (scan_byte(&s, '-')) {
            buf_add_byte(out, '&');
        } else if (!scan_shifted(&s, out)) {
            return false;
        }
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
           decode(&name, str_skip(path, 1)) && path_of_folder(&again, buf_str(&name)) &&
           str_eq(buf_str(&again), path);
    if (good)
        buf_add(out, buf_str(&name));
    buf_done(&name);
    buf_done(&again);
    return good && !buf_failed(out);
}
