/* The fields of MIME: Content-Type (RFC 2045 5.1), Content-Disposition (RFC 2183) and their
 * parameters, the pieces of RFC 2231 joined. Broken ones give what a person would read in them:
 * a value with spaces goes on to the semicolon, a missing semicolon or quote is supplied. */
#include "base/ascii.h"
#include "mail/structure_impl.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str field_text(struct arena *a, struct str raw)
{
    struct str in = str_trim(raw);
    char *to = arena_alloc(a, in.n + 1);
    size_t n = 0;

    while (in.n) {
        size_t line = str_find(in, '\n'), keep = line;

        if (line < in.n && keep && in.p[keep - 1] == '\r')
            keep--;
        memcpy(to + n, in.p, keep);
        n += keep;
        in = str_skip(in, line < in.n ? line + 1 : line);
    }
    return str_trim((struct str){to, n});
}

/* Behind the quoted string or the comment that begins at s.p[at]; the end of `s` where it is
 * not closed. */
static size_t skip_closed(struct str s, size_t at)
{
    bool quoted = s.p[at] == '"';
    unsigned depth = 0;

    for (; at < s.n; at++) {
        char c = s.p[at];

        if (c == '\\')
            at++;
        else if (quoted ? c == '"' : c == '(')
            depth++;
        else if (!quoted && c == ')')
            depth--;
        if (quoted ? depth == 2 : depth == 0)
            return at + 1;
    }
    return s.n;
}

/* A structured field's text: each comment (RFC 822 3.4.3) is a space. At once, so that no
 * comment is looked at twice. */
static struct str structured_text(struct arena *a, struct str raw)
{
    struct str in = field_text(a, raw);
    char *to;
    size_t n = 0;

    if (str_find(in, '(') == in.n)
        return in;
    to = arena_alloc(a, in.n);
    for (size_t i = 0; i < in.n;) {
        size_t next = in.p[i] == '"' || in.p[i] == '(' ? skip_closed(in, i) : i + 1;

        if (in.p[i] == '(') {
            to[n++] = ' ';
        } else {
            memcpy(to + n, in.p + i, next - i);
            n += next - i;
        }
        i = next;
    }
    return str_trim((struct str){to, n});
}

static void skip_space(struct str *in)
{
    while (in->n && is_space(in->p[0]))
        *in = str_skip(*in, 1);
}

/* token = 1*<any CHAR except SPACE, CTLs, or tspecials>        RFC 2045 5.1; 8-bit is let pass
 */
static bool is_token(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static bool scan_token(struct str *in, struct str *out)
{
    size_t n = 0;

    while (n < in->n && is_token(in->p[n]))
        n++;
    if (n == 0)
        return false;
    *out = str_first(*in, n);
    *in = str_skip(*in, n);
    return true;
}

/* quoted-string, or what follows its first quote where the second is missing; without the
 * backslashes of its quoted-pairs. */
static struct str take_quoted(struct arena *a, struct str *in)
{
    size_t end = 1;

    while (end < in->n && in->p[end] != '"')
        end += in->p[end] == '\\' && end + 1 < in->n ? 2 : 1;
    struct str inside = str_skip(str_first(*in, end), 1);
    *in = str_skip(*in, end < in->n ? end + 1 : end);
    if (str_find(inside, '\\') == inside.n)
        return inside;

    char *to = arena_alloc(a, inside.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < inside.n; i++) {
        if (inside.p[i] == '\\' && i + 1 < inside.n)
            i++;
        to[n++] = inside.p[i];
    }
    return (struct str){to, n};
}

/* Does a parameter begin here? */
static bool at_param(struct str in)
{
    struct str name;

    if (!scan_token(&in, &name))
        return false;
    skip_space(&in);
    return scan_byte(&in, '=');
}

/* The text before the next semicolon, as it stands. */
static struct str take_to_semicolon(struct str *in)
{
    struct str text = str_first(*in, str_find(*in, ';'));

    *in = str_skip(*in, text.n);
    return str_trim(text);
}

/* value = token / quoted-string */
static struct str take_value(struct arena *a, struct str *in)
{
    struct str value;

    skip_space(in);
    if (in->n && in->p[0] == '"')
        return take_quoted(a, in);

    struct str s = *in;
    if (scan_token(&s, &value)) {
        skip_space(&s);
        if (s.n == 0 || s.p[0] == ';' || at_param(s)) {
            *in = s;
            return value;
        }
    }
    return take_to_semicolon(in);
}

/* ---- RFC 2231 ---- */

struct piece {
    struct str name, value; /* the name as written */
    struct str base;        /* without the marks of RFC 2231 */
    uint32_t section;
    bool sectioned; /* name*N or name*N* */
    bool extended;  /* ends with * */
    bool used;
};

/* regular-parameter-name = attribute [section]        RFC 2231 7; section numbers have no
 * leading zeros */
static void read_name(struct piece *p)
{
    size_t star = str_find(p->name, '*');
    struct str s = str_skip(p->name, star), digits;

    p->base = str_first(p->name, star);
    if (!scan_byte(&s, '*'))
        return;
    digits = s;
    p->sectioned = scan_u32(&s, STRUCTURE_PARAMS, &p->section) &&
                   (digits.p[0] != '0' || digits.n - s.n == 1);
    p->extended = p->sectioned && scan_byte(&s, '*');
    if (s.n)
        p->sectioned = p->extended = false;
}

/* parameter = attribute "=" value: all of them, at most `max`. What is none is passed over. */
static unsigned read_pieces(struct arena *a, struct str in, struct piece *pieces, unsigned max)
{
    unsigned n = 0;

    while (n < max) {
        struct piece *p = &pieces[n];

        for (skip_space(&in); scan_byte(&in, ';'); skip_space(&in))
            ;
        if (in.n == 0)
            break;
        *p = (struct piece){.section = 0};
        if (!at_param(in)) {
            take_to_semicolon(&in);
            continue;
        }
        scan_token(&in, &p->name);
        skip_space(&in);
        scan_byte(&in, '=');
        p->value = take_value(a, &in);
        read_name(p);
        n++;
    }
    return n;
}

static struct piece *find_section(struct piece *pieces, unsigned n, struct str base,
                                  uint32_t section)
{
    for (unsigned i = 0; i < n; i++)
        if (pieces[i].sectioned && !pieces[i].used && pieces[i].section == section &&
            str_eq_nocase(pieces[i].base, base))
            return &pieces[i];
    return NULL;
}

/* attribute-char = <any (US-ASCII) CHAR except SPACE, CTLs, "*", "'", "%", or tspecials> */
static bool is_attribute_char(char c)
{
    return is_token(c) && !ascii_is_8bit(c) && c != '*' && c != '\'' && c != '%';
}

static size_t put_escaped(char *to, struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (is_attribute_char(s.p[i])) {
            to[n++] = s.p[i];
        } else {
            to[n++] = '%';
            to[n++] = "0123456789ABCDEF"[(unsigned char)s.p[i] >> 4];
            to[n++] = "0123456789ABCDEF"[(unsigned char)s.p[i] & 15];
        }
    }
    return n;
}

/* The first piece becomes the whole, those that continue it are used up. RFC 2231 4.1 lets
 * plain and encoded ones be mixed: the plain are encoded then, and the whole is one encoded
 * value. */
static void join(struct arena *a, struct piece *pieces, unsigned n, struct piece *first)
{
    struct piece *run[STRUCTURE_PARAMS];
    unsigned count = 0;
    size_t room = 2;
    bool extended = false;

    for (struct piece *p = first; p; p = find_section(pieces, n, first->base, count)) {
        run[count++] = p;
        p->used = true;
        room += 3 * p->value.n;
        extended = extended || p->extended;
    }
    char *to = arena_alloc(a, room);
    size_t at = 0;
    if (extended && !first->extended) { /* no charset, no language: 4.1 (5) */
        to[at++] = '\'';
        to[at++] = '\'';
    }
    for (unsigned i = 0; i < count; i++) {
        if (extended && !run[i]->extended) {
            at += put_escaped(to + at, run[i]->value);
        } else {
            memcpy(to + at, run[i]->value.p, run[i]->value.n);
            at += run[i]->value.n;
        }
    }
    first->name = extended ? arena_printf(a, "%.*s*", STR_ARGS(first->base)) : first->base;
    first->value = (struct str){to, at};
    first->used = false;
}

/* RFC 2231 6: an IMAP server decodes continuations. What was joined stands where its first
 * piece was; pieces without a beginning stay as they are. */
static struct part_params take_params(struct arena *a, struct str in)
{
    struct piece pieces[STRUCTURE_PARAMS];
    unsigned n = read_pieces(a, in, pieces, STRUCTURE_PARAMS);
    struct part_params out = {.n = 0};

    for (unsigned i = 0; i < n; i++)
        if (pieces[i].sectioned && pieces[i].section == 0 && !pieces[i].used)
            join(a, pieces, n, &pieces[i]);
    if (n)
        out.p = ARENA_ARRAY(a, struct part_param, n);
    for (unsigned i = 0; i < n; i++)
        if (!pieces[i].used)
            out.p[out.n++] = (struct part_param){pieces[i].name, pieces[i].value};
    return out;
}

struct str param_value(const struct part_params *params, struct str name)
{
    for (unsigned i = 0; i < params->n; i++)
        if (str_eq_nocase(params->p[i].name, name))
            return params->p[i].value;
    return (struct str){NULL, 0};
}

/* ---- fields ---- */

/* content = type "/" subtype *(";" parameter)        RFC 2045 5.1 */
bool content_type_parse(struct arena *a, struct str raw, struct part *p)
{
    struct str in = structured_text(a, raw), type, subtype;

    skip_space(&in);
    if (!scan_token(&in, &type))
        return false;
    skip_space(&in);
    if (!scan_byte(&in, '/'))
        return false;
    skip_space(&in);
    if (!scan_token(&in, &subtype))
        return false;
    p->type = type;
    p->subtype = subtype;
    skip_space(&in);
    if (!at_param(in)) /* RFC 2045 has a semicolon here */
        take_to_semicolon(&in);
    p->params = take_params(a, in);
    return true;
}

/* disposition = disposition-type *(";" disposition-parm)        RFC 2183 2
 * Parameters without a type keep their names and have an empty one. */
void disposition_parse(struct arena *a, struct str raw, struct part *p)
{
    struct str in = structured_text(a, raw), type = STR("");

    skip_space(&in);
    bool any = scan_token(&in, &type);
    skip_space(&in);
    if (!at_param(in))
        take_to_semicolon(&in);
    p->disposition_params = take_params(a, in);
    if (any || p->disposition_params.n)
        p->disposition = type;
}

/* Language-List = Language-Tag [CFWS] *("," [CFWS] Language-Tag [CFWS])        RFC 3282 2 */
void languages_parse(struct arena *a, struct str raw, struct part *p)
{
    struct str in = structured_text(a, raw), found[STRUCTURE_LANGUAGES], rest;
    unsigned n = 0;

    while (in.n && n < STRUCTURE_LANGUAGES) {
        skip_space(&in);
        if (scan_token(&in, &found[n]))
            n++;
        if (scan_until(&in, ',', &rest) || in.n)
            scan_byte(&in, ',');
    }
    if (n == 0)
        return;
    p->languages = ARENA_ARRAY(a, struct str, n);
    memcpy(p->languages, found, n * sizeof(found[0]));
    p->nlanguages = n;
}

void transfer_encoding_parse(struct arena *a, struct str raw, struct part *p)
{
    struct str in = structured_text(a, raw), word;

    skip_space(&in);
    if (!scan_token(&in, &word))
        return;
    skip_space(&in);
    if (in.n == 0)
        p->transfer_encoding = word;
}
