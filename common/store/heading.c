#include "store/heading.h"

/* field-name *WSP ":"      RFC 5322 2.2, and 4.5.3 for the blanks */
static bool scan_field_name(struct str *in, struct str name)
{
    struct str s = *in;

    if (!scan_word_nocase(&s, name))
        return false;
    while (scan_byte(&s, ' ') || scan_byte(&s, '\t'))
        ;
    if (!scan_byte(&s, ':'))
        return false;
    *in = s;
    return true;
}

/* One field with the lines that continue it; false where its end is not in `s`. */
static bool whole_field(struct str s, size_t *n)
{
    size_t at = 0;

    do {
        at += str_find(str_skip(s, at), '\n');
        if (at >= s.n)
            return false;
        at++;
    } while (at < s.n && (s.p[at] == ' ' || s.p[at] == '\t'));
    *n = at;
    return at < s.n;
}

static bool ends_header(struct str s)
{
    return s.p[0] == '\n' || str_starts(s, STR("\r\n"));
}

static bool delivered_to(struct str field, struct str address)
{
    if (!scan_field_name(&field, STR("Delivered-To")))
        return false;
    while (field.n && (field.p[field.n - 1] == '\n' || field.p[field.n - 1] == '\r'))
        field.n--;
    return str_eq_nocase(str_trim(field), address);
}

size_t heading_clean(char *text, size_t n, struct str address, bool *loop)
{
    struct str rest = {text, n};
    size_t kept = 0, length;

    *loop = false;
    while (rest.n && !ends_header(rest) && whole_field(rest, &length)) {
        struct str field = str_first(rest, length), name = field;

        rest = str_skip(rest, length);
        if (scan_field_name(&name, STR("Return-Path")))
            continue;
        if (delivered_to(field, address))
            *loop = true;
        if (text + kept != field.p)
            memmove(text + kept, field.p, length);
        kept += length;
    }
    if (text + kept != rest.p && rest.n)
        memmove(text + kept, rest.p, rest.n);
    return kept + rest.n;
}
