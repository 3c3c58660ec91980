/*
 * SEARCH FROM, SUBJECT, SENTSINCE …: one field of a head.
 *
 * A hundred thousand letters are looked at for one search, so a value that is short and plain
 * (no encoded word, no octet above 0x7f), as most are, is folded on the stack.
 */
#include "base/ascii.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/encoding.h"
#include "store/search_impl.h"

enum { SHORT_BYTES = 1024 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A line with its end. */
static struct str take_line(struct str *in)
{
    struct str line = str_first(*in, str_find(*in, '\n') + 1);

    *in = str_skip(*in, line.n);
    return line;
}

static bool is_named(struct str line, struct str name, size_t *value_at)
{
    size_t n = name.n;

    if (line.n <= n || ascii_lower(line.p[0]) != ascii_lower(name.p[0]) ||
        !str_eq_nocase(str_first(line, n), name))
        return false;
    while (n < line.n && is_blank(line.p[n])) /* obs: RFC 5322 4.5 */
        n++;
    *value_at = n + 1;
    return n < line.n && line.p[n] == ':';
}

/* The next field of that name in a head; its value with its folding. */
static bool next_value(struct str *in, struct str name, struct str *value)
{
    while (in->n) {
        struct str start = *in;
        size_t at;

        if (!is_named(take_line(in), name, &at))
            continue;
        while (in->n && is_blank(in->p[0]))
            take_line(in);
        *value = str_skip(str_first(start, start.n - in->n), at);
        return true;
    }
    return false;
}

static struct str without_ends(struct str s)
{
    while (s.n && (is_blank(s.p[0]) || s.p[0] == '\r' || s.p[0] == '\n'))
        s = str_skip(s, 1);
    while (s.n && (is_blank(s.p[s.n - 1]) || s.p[s.n - 1] == '\r' || s.p[s.n - 1] == '\n'))
        s.n--;
    return s;
}

static bool contains(struct str s, struct str what)
{
    return what.n <= s.n && memmem(s.p, s.n, what.p, what.n);
}

static bool value_has(struct search *s, struct str value, struct str text)
{
    char plain[SHORT_BYTES];
    size_t n = SIZE_MAX;

    if (value.n <= sizeof(plain) && !contains(value, STR("=?")))
        n = charset_fold_ascii(plain, value);
    if (n != SIZE_MAX)
        return contains((struct str){plain, n}, text);
    buf_clear(&s->value);
    buf_clear(&s->folded);
    encoded_words_decode(&s->value, value);
    charset_fold(&s->folded, buf_str(&s->value));
    return contains(buf_str(&s->folded), text);
}

bool search_head_has(struct search *s, struct str head, struct str name, struct str text)
{
    struct str value;

    if (!name.n)
        return false;
    while (next_value(&head, name, &value)) {
        value = without_ends(value);
        if (!text.n || value_has(s, value, text))
            return true;
    }
    return false;
}

bool search_head_day(struct str head, int64_t *day)
{
    struct str value;

    return next_value(&head, STR("Date"), &value) && date_parse_day(value, day);
}
