/*
 * The folding of charset.h. ASCII is folded here; libunistring sees only islands: what is not
 * ASCII, with the character in front of it, which a combining mark may join. No ASCII character
 * joins one before it, so an island ends where ASCII begins again. Islands of the letters that
 * most languages are written with need no library either: those stand in a table.
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

/* Letters that are folded by adding to them, that are in NFC and that nothing here joins. */
static const struct {
    uint32_t first, last, add;
} simple[] = {
    {0x41,   0x5a,   0x20}, /* what stands in front of an island */
    {0x21,   0x7e,   0   },
    {0xc0,   0xd6,   0x20}, /* Latin-1 */
    {0xd8,   0xde,   0x20},
    {0xe0,   0xff,   0   },
    {0xa0,   0xb4,   0   },
    {0xb6,   0xbf,   0   },
    {0x391,  0x3a1,  0x20}, /* Greek */
    {0x3a3,  0x3a9,  0x20},
    {0x3b1,  0x3c1,  0   },
    {0x3c3,  0x3ce,  0   },
    {0x430,  0x45f,  0   }, /* Cyrillic */
    {0x410,  0x42f,  0x20},
    {0x400,  0x40f,  0x50},
    {0x5d0,  0x5ea,  0   }, /* Hebrew */
    {0x620,  0x64a,  0   }, /* Arabic */
    {0x2010, 0x2027, 0   }, /* dashes and quotes */
    {0x3000, 0x3029, 0   }, /* CJK: punctuation, Kana, Han, Hangul */
    {0x3041, 0x3096, 0   },
    {0x30a1, 0x30fe, 0   },
    {0x4e00, 0x9fff, 0   },
    {0xac00, 0xd7a3, 0   },
    {0xff01, 0xff20, 0   },
};

static bool fold_simple(uint32_t *point)
{
    for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++) {
        if (*point >= simple[i].first && *point <= simple[i].last) {
            *point += simple[i].add;
            return true;
        }
    }
    return false;
}

/* False, and nothing is added, where a character is not in the table. A folded letter has as
 * many octets as it had. */
static bool add_simple(struct buf *out, struct str in)
{
    char *to = buf_room(out, in.n);
    uint32_t point;
    size_t n = 0;

    while (to && in.n) {
        if (!scan_utf8(&in, &point) || !fold_simple(&point))
            return false;
        if (point >= 0x800) {
            to[n++] = (char)(0xe0 | point >> 12);
            to[n++] = (char)(0x80 | (point >> 6 & 0x3f));
        } else if (point >= 0x80) {
            to[n++] = (char)(0xc0 | point >> 6);
        }
        to[n++] = (char)(point < 0x80 ? point : 0x80 | (point & 0x3f));
    }
    if (to)
        buf_grown(out, n);
    return true;
}

static void add_island(struct charset_folder *f, struct buf *out, struct str in)
{
    struct buf valid;

    if (!in.n)
        return;
    f->space = false;
    if (add_simple(out, in))
        return;
    buf_init(&valid, SIZE_MAX / 2);
    if (!utf8_valid(in)) {
        charset_to_utf8(&valid, STR(""), in);
        in = buf_str(&valid);
    }
    add_casefolded(out, in);
    buf_done(&valid);
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
