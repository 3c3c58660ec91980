/*
 * The folding of charset.h. ASCII is folded here; libunistring sees only islands: what is not
 * ASCII, with the character in front of it, which a combining mark may join. No ASCII character
 * joins one before it, so an island ends where ASCII begins again.
 */
#include "base/ascii.h"
#include "base/utf8.h"
#include "mail/charset.h"

#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void charset_folder_init(struct charset_folder *f)
{
    *f = (struct charset_folder){0};
    buf_init(&f->held, SIZE_MAX / 2);
}

void charset_folder_done(struct charset_folder *f)
{
    buf_done(&f->held);
}

/* Returns how many came out. */
static size_t fold_ascii(char *to, struct str in, bool *space)
{
    size_t n = 0;

    for (size_t i = 0; i < in.n; i++) {
        bool is = is_space(in.p[i]);

        if (!is || !*space)
            to[n++] = is ? ' ' : ascii_lower(in.p[i]);
        *space = is;
    }
    return n;
}

size_t charset_fold_ascii(char *to, struct str in)
{
    bool space = false;

    return utf8_is_ascii(in) ? fold_ascii(to, in, &space) : SIZE_MAX;
}

static void add_ascii(struct charset_folder *f, struct buf *out, struct str in)
{
    char *to = in.n ? buf_room(out, in.n) : NULL;

    if (to)
        buf_grown(out, fold_ascii(to, in, &f->space));
}

static void add_casefolded(struct buf *out, struct str in)
{
    uint8_t made[256];
    size_t n = sizeof(made);
    uint8_t *folded = u8_casefold((const uint8_t *)in.p, in.n, NULL, UNINORM_NFC, made, &n);

    if (!folded)
        abort(); /* of memory: the text is UTF-8 */
    buf_add(out, (struct str){(const char *)folded, n});
    if (folded != made)
        free(folded);
}

static void add_island(struct charset_folder *f, struct buf *out, struct str in)
{
    struct buf valid;

    if (!in.n)
        return;
    buf_init(&valid, SIZE_MAX / 2);
    if (!utf8_valid(in)) {
        charset_to_utf8(&valid, STR(""), in);
        in = buf_str(&valid);
    }
    add_casefolded(out, in);
    buf_done(&valid);
    f->space = false;
}

static size_t run_of_8bit(struct str s)
{
    size_t n = 0;

    while (n < s.n && ascii_is_8bit(s.p[n]))
        n++;
    return n;
}

/* How long the island in front of `s` is, 0 where that cannot be told yet. One that is too long
 * is cut before a character. */
static size_t island_of(struct str s, bool end)
{
    size_t first = s.n && !ascii_is_8bit(s.p[0]);
    size_t n = first + run_of_8bit(str_skip(s, first));

    if (n <= CHARSET_ISLAND_BYTES)
        return n < s.n || end ? n : 0;
    n = CHARSET_ISLAND_BYTES;
    while (n > CHARSET_ISLAND_BYTES - 4 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    return n;
}

/* A run of ASCII and the island behind it. Returns what it took, 0 where more is needed. */
static size_t fold_some(struct charset_folder *f, struct buf *out, struct str in, bool end)
{
    size_t ascii = utf8_ascii_run(in), island;

    if (ascii && (ascii < in.n || !end) && !is_space(in.p[ascii - 1]))
        ascii--;
    island = island_of(str_skip(in, ascii), end);
    add_ascii(f, out, str_first(in, ascii));
    add_island(f, out, str_first(str_skip(in, ascii), island));
    return ascii + island;
}

/* Returns what must wait. */
static struct str fold_all(struct charset_folder *f, struct buf *out, struct str in, bool end)
{
    size_t n;

    while (in.n && (n = fold_some(f, out, in, end)))
        in = str_skip(in, n);
    return in;
}

void charset_folder_feed(struct charset_folder *f, struct buf *out, struct str in)
{
    if (!buf_str(&f->held).n) {
        buf_add(&f->held, fold_all(f, out, in, false));
        return;
    }
    buf_add(&f->held, in);
    in = fold_all(f, out, buf_str(&f->held), false);
    buf_drop(&f->held, buf_str(&f->held).n - in.n);
}

void charset_folder_end(struct charset_folder *f, struct buf *out)
{
    fold_all(f, out, buf_str(&f->held), true);
    buf_clear(&f->held);
    f->space = false;
}

void charset_fold(struct buf *out, struct str in)
{
    struct charset_folder f;

    charset_folder_init(&f);
    fold_all(&f, out, in, true);
    charset_folder_done(&f);
}
