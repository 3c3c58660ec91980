#include "mail/header.h"

#include "base/ascii.h"

/* A line with its end. False at the end of the text. */
static bool take_raw_line(struct str *in, struct str *line)
{
    size_t n = str_find(*in, '\n');

    if (in->n == 0)
        return false;
    *line = str_first(*in, n + 1);
    *in = str_skip(*in, line->n);
    return true;
}

static bool is_empty_line(struct str line)
{
    return str_eq(line, STR("\n")) || str_eq(line, STR("\r\n"));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

size_t header_end(struct str letter)
{
    struct str in = letter, line;

    while (take_raw_line(&in, &line))
        if (is_empty_line(line))
            break;
    return letter.n - in.n;
}

/* field = field-name ":" unstructured; obs: white space before the colon
 * field-name = 1*ftext; ftext = %d33-57 / %d59-126        RFC 5322 3.6.8, 4.5 */
static bool scan_field_name(struct str line, struct str *name)
{
    size_t n = 0;

    while (n < line.n && ascii_is_print(line.p[n]) && line.p[n] != ' ' && line.p[n] != ':')
        n++;
    *name = str_first(line, n);
    while (n < line.n && is_blank(line.p[n]))
        n++;
    return name->n && n < line.n && line.p[n] == ':';
}

static struct str without_line_end(struct str s)
{
    if (s.n && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

bool header_next(struct str *in, struct header_field *field)
{
    struct str line, start;

    for (;;) {
        start = *in;
        if (!take_raw_line(in, &line) || is_empty_line(line)) {
            *in = start;
            return false;
        }
        while (in->n && is_blank(in->p[0]))
            take_raw_line(in, &line);
        field->all = str_first(start, start.n - in->n);
        if (scan_field_name(field->all, &field->name))
            break;
    }
    field->value = without_line_end(str_skip(field->all, str_find(field->all, ':') + 1));
    return true;
}

bool header_find(struct str letter, struct str name, struct header_field *field)
{
    struct str in = str_first(letter, HEADER_BYTES);
    struct header_field f;

    while (header_next(&in, &f)) {
        if (str_eq_nocase(f.name, name)) {
            *field = f;
            return true;
        }
    }
    return false;
}

size_t header_count(struct str letter, struct str name)
{
    struct str in = str_first(letter, HEADER_BYTES);
    struct header_field f;
    size_t n = 0;

    while (header_next(&in, &f))
        n += str_eq_nocase(f.name, name);
    return n;
}

bool header_has(struct str letter, struct str name, struct str value)
{
    struct str in = str_first(letter, HEADER_BYTES);
    struct header_field f;

    while (header_next(&in, &f))
        if (str_eq_nocase(f.name, name) && str_eq_nocase(str_trim(f.value), value))
            return true;
    return false;
}

/* Unfolding is the removal of each line end in front of white space (RFC 5322 2.2.3). */
struct str header_unfold(struct arena *a, struct str value)
{
    char *to = arena_alloc(a, value.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != '\n' &&
            !(value.p[i] == '\r' && i + 1 < value.n && value.p[i + 1] == '\n'))
            to[n++] = value.p[i];
    return str_trim((struct str){to, n});
}
