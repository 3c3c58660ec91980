#include "mail/envelope.h"

#include "base/ascii.h"
#include "mail/addresses.h"
#include "mail/header.h"

#include <string.h>

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE        RFC 3501 9: no 8-bit, CR, LF, NUL in it */
static bool fits_quotes(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (ascii_is_8bit(s.p[i]) || s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
            return false;
    return true;
}

static void add_quoted(struct buf *out, struct str s)
{
    buf_add_byte(out, '"');
    while (s.n) {
        size_t n = 0;

        while (n < s.n && s.p[n] != '"' && s.p[n] != '\\')
            n++;
        buf_add(out, str_first(s, n));
        s = str_skip(s, n);
        if (s.n) {
            buf_add_byte(out, '\\');
            buf_add_byte(out, s.p[0]);
            s = str_skip(s, 1);
        }
    }
    buf_add_byte(out, '"');
}

/* literal = "{" number "}" CRLF *CHAR8; CHAR8 = %x01-ff        RFC 3501 9 */
static void add_literal(struct buf *out, struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] != '\0';
    buf_addf(out, "{%zu}\r\n", n);
    while (s.n) {
        struct str run = str_first(s, str_find(s, '\0'));

        buf_add(out, run);
        s = str_skip(s, run.n < s.n ? run.n + 1 : run.n);
    }
}

void imap_string(struct buf *out, struct str s)
{
    if (fits_quotes(s))
        add_quoted(out, s);
    else
        add_literal(out, s);
}

void imap_nstring(struct buf *out, struct str s)
{
    if (s.p)
        imap_string(out, s);
    else
        buf_add(out, STR("NIL"));
}

/* In the order of RFC 3501 7.4.2. */
enum { DATE, SUBJECT, FROM, SENDER, REPLY_TO, TO, CC, BCC, IN_REPLY_TO, MESSAGE_ID, FIELDS };

static const struct {
    struct str name;
    bool addresses;
} fields[FIELDS] = {
    {STR_LIT("Date"),        false},
    {STR_LIT("Subject"),     false},
    {STR_LIT("From"),        true },
    {STR_LIT("Sender"),      true },
    {STR_LIT("Reply-To"),    true },
    {STR_LIT("To"),          true },
    {STR_LIT("Cc"),          true },
    {STR_LIT("Bcc"),         true },
    {STR_LIT("In-Reply-To"), false},
    {STR_LIT("Message-ID"),  false},
};

struct value {
    struct str text;
    struct value *next;
};

/* The first value of each field, but all address lists: they are one (RFC 5322 4.5.3). */
static void gather(struct str head, struct value *found[FIELDS], struct arena *a)
{
    struct value **tail[FIELDS];
    struct header_field f;

    for (unsigned i = 0; i < FIELDS; i++)
        tail[i] = &found[i];
    while (header_next(&head, &f)) {
        for (unsigned i = 0; i < FIELDS; i++) {
            if (!str_eq_nocase(f.name, fields[i].name))
                continue;
            if (fields[i].addresses || !found[i]) {
                *tail[i] = ARENA_NEW(a, struct value);
                (*tail[i])->text = f.value;
                tail[i] = &(*tail[i])->next;
            }
            break;
        }
    }
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Unfolded; white space with a line end in it is one space. */
static struct str one_line(struct str value, struct arena *a)
{
    struct str in = str_trim(value);
    char *to;
    size_t n = 0;

    if (str_find(in, '\n') == in.n)
        return in;
    to = arena_alloc(a, in.n);
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] != '\n') {
            to[n++] = in.p[i];
            continue;
        }
        while (n && is_space(to[n - 1]))
            n--;
        while (i + 1 < in.n && is_space(in.p[i + 1]))
            i++;
        to[n++] = ' ';
    }
    return str_trim((struct str){to, n});
}

static void print_text(struct buf *out, const struct value *v, struct arena *a)
{
    imap_nstring(out, v ? one_line(v->text, a) : (struct str){NULL, 0});
}

/* All lists of one field. NIL, and false, where no address is in them. */
static bool print_addresses(struct buf *out, const struct value *v, struct arena *a)
{
    size_t before = out->n;
    unsigned n = 0;

    buf_add_byte(out, '(');
    for (; v && n < ENVELOPE_ADDRESSES; v = v->next)
        n += addresses_print(out, v->text, ENVELOPE_ADDRESSES - n, a);
    if (n == 0)
        out->n = before;
    buf_add(out, n ? STR(")") : STR("NIL"));
    return n > 0;
}

void envelope_print(struct buf *out, struct str head, struct arena *scratch)
{
    struct value *found[FIELDS] = {NULL};
    struct str from = STR("NIL");

    gather(str_first(head, HEADER_BYTES), found, scratch);
    for (unsigned i = 0; i < FIELDS; i++) {
        buf_add_byte(out, i == 0 ? '(' : ' ');
        size_t before = out->n;

        if (!fields[i].addresses) {
            print_text(out, found[i], scratch);
        } else if (!print_addresses(out, found[i], scratch) && (i == SENDER || i == REPLY_TO)) {
            out->n = before; /* absent or empty: the same as From */
            buf_add(out, from);
        }
        if (i == FROM)
            from = arena_dup(scratch, str_skip(buf_str(out), before));
    }
    buf_add_byte(out, ')');
}
