#include "mail/charset.h"

#include "base/ascii.h"
#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <iconv.h>
#include <stdatomic.h>

struct charset {
    const char *label; /* small letters and digits alone: how labels are compared */
    const char *iconv; /* what the C library calls it                             */
    unsigned unit;     /* octets passed over where they mean nothing               */
};

static const struct charset charsets[] = {
    {"iso88591",    "CP1252",        1},
    {"latin1",      "CP1252",        1},
    {"l1",          "CP1252",        1},
    {"cp819",       "CP1252",        1},
    {"windows1252", "CP1252",        1},
    {"cp1252",      "CP1252",        1},
    {"xcp1252",     "CP1252",        1},
    {"ansi",        "CP1252",        1},
    {"iso88592",    "ISO-8859-2",    1},
    {"latin2",      "ISO-8859-2",    1},
    {"iso88593",    "ISO-8859-3",    1},
    {"iso88594",    "ISO-8859-4",    1},
    {"iso88595",    "ISO-8859-5",    1},
    {"iso88596",    "ISO-8859-6",    1},
    {"iso88597",    "ISO-8859-7",    1},
    {"iso88598",    "ISO-8859-8",    1},
    {"iso88598i",   "ISO-8859-8",    1},
    {"iso88599",    "CP1254",        1},
    {"latin5",      "CP1254",        1},
    {"iso885910",   "ISO-8859-10",   1},
    {"iso885911",   "CP874",         1},
    {"iso885913",   "ISO-8859-13",   1},
    {"iso885914",   "ISO-8859-14",   1},
    {"iso885915",   "ISO-8859-15",   1},
    {"latin9",      "ISO-8859-15",   1},
    {"iso885916",   "ISO-8859-16",   1},
    {"windows1250", "CP1250",        1},
    {"cp1250",      "CP1250",        1},
    {"windows1251", "CP1251",        1},
    {"cp1251",      "CP1251",        1},
    {"windows1253", "CP1253",        1},
    {"cp1253",      "CP1253",        1},
    {"windows1254", "CP1254",        1},
    {"cp1254",      "CP1254",        1},
    {"windows1255", "CP1255",        1},
    {"cp1255",      "CP1255",        1},
    {"windows1256", "CP1256",        1},
    {"cp1256",      "CP1256",        1},
    {"windows1257", "CP1257",        1},
    {"cp1257",      "CP1257",        1},
    {"windows1258", "CP1258",        1},
    {"cp1258",      "CP1258",        1},
    {"windows874",  "CP874",         1},
    {"cp874",       "CP874",         1},
    {"tis620",      "CP874",         1},
    {"koi8r",       "KOI8-R",        1},
    {"koi8",        "KOI8-R",        1},
    {"koi8u",       "KOI8-U",        1},
    {"koi8ru",      "KOI8-U",        1},
    {"ibm850",      "IBM850",        1},
    {"cp850",       "IBM850",        1},
    {"ibm852",      "IBM852",        1},
    {"cp852",       "IBM852",        1},
    {"ibm866",      "IBM866",        1},
    {"cp866",       "IBM866",        1},
    {"macintosh",   "MACINTOSH",     1},
    {"xmacroman",   "MACINTOSH",     1},
    {"viscii",      "VISCII",        1},
    {"gb2312",      "GB18030",       1},
    {"xgbk",        "GB18030",       1},
    {"gbk",         "GB18030",       1},
    {"cp936",       "GB18030",       1},
    {"gb18030",     "GB18030",       1},
    {"euccn",       "GB18030",       1},
    {"iso2022cn",   "ISO-2022-CN",   1},
    {"big5",        "BIG5-HKSCS",    1},
    {"big5hkscs",   "BIG5-HKSCS",    1},
    {"cp950",       "BIG5-HKSCS",    1},
    {"shiftjis",    "CP932",         1},
    {"sjis",        "CP932",         1},
    {"xsjis",       "CP932",         1},
    {"windows31j",  "CP932",         1},
    {"cp932",       "CP932",         1},
    {"eucjp",       "EUC-JP-MS",     1},
    {"iso2022jp",   "ISO-2022-JP",   1},
    {"iso2022jp2",  "ISO-2022-JP-2", 1},
    {"euckr",       "UHC",           1},
    {"ksc56011987", "UHC",           1},
    {"ksc5601",     "UHC",           1},
    {"cp949",       "UHC",           1},
    {"windows949",  "UHC",           1},
    {"iso2022kr",   "ISO-2022-KR",   1},
    {"utf16",       "UTF-16",        2},
    {"utf16be",     "UTF-16BE",      2},
    {"utf16le",     "UTF-16LE",      2},
    {"utf32",       "UTF-32",        4},
    {"utf32be",     "UTF-32BE",      4},
    {"utf32le",     "UTF-32LE",      4},
};

enum {
    CHARSETS = sizeof(charsets) / sizeof(charsets[0]),
    CONVERT_BYTES = 4096, /* converted at once */
};

/* A converter is made of tables that were looked for on disk; the last one given back of each
 * charset waits here for the next who needs it. */
static _Atomic(void *) idle[CHARSETS];

/* ---- which there are ---- */

static bool is_utf8(struct str label)
{
    static const struct str labels[] = {
        STR_LIT(""),        STR_LIT("utf8"),          STR_LIT("ascii"),
        STR_LIT("usascii"), STR_LIT("unicode11utf8"), STR_LIT("ansix341968"),
        STR_LIT("646"),     STR_LIT("iso646us")};

    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
        if (str_eq(label, labels[i]))
            return true;
    return false;
}

/* "ISO_8859-1:1987" and "iso8859_1" are one: punctuation, case and a year after a colon do not
 * count. A name that is too long is none. */
static struct str label_of(struct str name, char label[CHARSET_NAME_BYTES])
{
    size_t n = 0;

    name = str_first(str_trim(name), str_find(str_trim(name), ':'));
    if (name.n > CHARSET_NAME_BYTES)
        return STR("?");
    for (size_t i = 0; i < name.n; i++)
        if (ascii_is_alnum(name.p[i]))
            label[n++] = ascii_lower(name.p[i]);
    return name.n && !n ? STR("?") : (struct str){label, n};
}

static const struct charset *find(struct str label)
{
    for (size_t i = 0; i < CHARSETS; i++)
        if (str_eq(label, str_c(charsets[i].label)))
            return &charsets[i];
    return NULL;
}

/* NULL where the system does not have it. */
static void *take_converter(const struct charset *c)
{
    void *converter = atomic_exchange(&idle[c - charsets], NULL);

    if (!converter)
        converter = iconv_open("UTF-8", c->iconv);
    return converter == (iconv_t)-1 ? NULL : converter; /* NOLINT(performance-no-int-to-ptr) */
}

static void give_back(const struct charset *c, void *converter)
{
    iconv(converter, NULL, NULL, NULL, NULL);
    converter = atomic_exchange(&idle[c - charsets], converter);
    if (converter)
        iconv_close(converter);
}

bool charset_known(struct str name)
{
    struct charset_reader r;
    bool known;

    charset_reader_init(&r, name);
    known = !r.unknown;
    charset_reader_done(&r);
    return known;
}

/* ---- reading ---- */

void charset_reader_init(struct charset_reader *r, struct str name)
{
    char bytes[CHARSET_NAME_BYTES];
    struct str label = label_of(name, bytes);

    *r = (struct charset_reader){0};
    if (is_utf8(label))
        return;
    r->charset = find(label);
    if (r->charset)
        r->converter = take_converter(r->charset);
    r->unknown = !r->converter;
}

void charset_reader_done(struct charset_reader *r)
{
    if (r->converter)
        give_back(r->charset, r->converter);
    *r = (struct charset_reader){0};
}

static void replace(struct buf *out)
{
    utf8_add(out, UTF8_REPLACEMENT);
}

/* Octets that a sequence has which begins so; 1 also where none does. */
static size_t sequence_bytes(char first)
{
    unsigned char c = (unsigned char)first;

    return c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;
}

/* Copies UTF-8 with what is none replaced, octet by octet; without `end` it stops before a
 * sequence that may go on. Returns what it looked at. */
static size_t copy_utf8(struct buf *out, struct str in, bool end)
{
    struct str s = in;
    uint32_t point;

    while (s.n) {
        struct str at = s;
        size_t run = utf8_ascii_run(s);

        buf_add(out, str_first(s, run));
        at = s = str_skip(s, run);
        if (!s.n || (!end && s.n < sequence_bytes(s.p[0])))
            break;
        if (scan_utf8(&s, &point)) {
            buf_add(out, str_first(at, at.n - s.n));
        } else {
            replace(out);
            s = str_skip(s, 1);
        }
    }
    return in.n - s.n;
}

static size_t copy_unknown(struct buf *out, struct str in)
{
    for (struct str s = in; s.n; s = str_skip(s, 1)) {
        size_t run = utf8_ascii_run(s);

        buf_add(out, str_first(s, run));
        s = str_skip(s, run);
        if (!s.n)
            break;
        replace(out);
    }
    return in.n;
}

/* What means nothing: one U+FFFD for it. */
static size_t pass_over(const struct charset_reader *r, struct buf *out, size_t left)
{
    replace(out);
    return left < r->charset->unit ? left : r->charset->unit;
}

static size_t convert(const struct charset_reader *r, struct buf *out, struct str in)
{
    char *from = (char *)(uintptr_t)in.p; /* iconv() only reads it */
    size_t left = in.n;

    while (left && !buf_failed(out)) {
        char made[CONVERT_BYTES], *to = made;
        size_t room = sizeof(made), before = left;
        size_t done = iconv(r->converter, &from, &left, &to, &room);
        int why = done == (size_t)-1 ? errno : 0;

        buf_add(out, (struct str){made, (size_t)(to - made)});
        if (why == EINVAL && left < CHARSET_HELD_BYTES)
            break;
        if (why && (why != E2BIG || (left == before && to == made))) {
            size_t n = pass_over(r, out, left);

            from += n;
            left -= n;
        }
    }
    return in.n - left;
}

static size_t read_some(const struct charset_reader *r, struct buf *out, struct str in)
{
    if (r->converter)
        return convert(r, out, in);
    return r->unknown ? copy_unknown(out, in) : copy_utf8(out, in, false);
}

/* What was held back is tried again with each octet that follows. */
static void read_held(struct charset_reader *r, struct buf *out, struct str *in)
{
    while (r->n && in->n && !buf_failed(out)) {
        assert(r->n < CHARSET_HELD_BYTES);
        r->held[r->n++] = in->p[0];
        *in = str_skip(*in, 1);
        size_t n = read_some(r, out, (struct str){r->held, r->n});
        r->n -= (unsigned)n;
        memmove(r->held, r->held + n, r->n);
    }
}

void charset_reader_feed(struct charset_reader *r, struct buf *out, struct str in)
{
    read_held(r, out, &in);
    if (!in.n || buf_failed(out))
        return;
    in = str_skip(in, read_some(r, out, in));
    if (buf_failed(out))
        return;
    assert(in.n < CHARSET_HELD_BYTES);
    r->n = (unsigned)in.n;
    memcpy(r->held, in.p, in.n);
}

void charset_reader_end(struct charset_reader *r, struct buf *out)
{
    char made[CHARSET_NAME_BYTES], *to = made;
    size_t room = sizeof(made);

    if (r->converter) { /* some hold a character back which a mark may still change */
        iconv(r->converter, NULL, NULL, &to, &room);
        buf_add(out, (struct str){made, (size_t)(to - made)});
        if (r->n)
            replace(out);
    } else {
        copy_utf8(out, (struct str){r->held, r->n}, true);
    }
    r->n = 0;
}

void charset_to_utf8(struct buf *out, struct str charset, struct str in)
{
    struct charset_reader r;

    charset_reader_init(&r, charset);
    charset_reader_feed(&r, out, in);
    charset_reader_end(&r, out);
    charset_reader_done(&r);
}
