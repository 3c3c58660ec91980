/* Which part of a letter BODY[…] means (RFC 3501 6.4.5, 9). */
#include "imapd/scan.h"

/* header-list = "(" header-fld-name *(SP header-fld-name) ")" */
static bool scan_header_list(struct str *in, struct arena *a, struct section *out)
{
    struct str s = *in;

    if (!scan_byte(&s, '('))
        return false;
    out->fields = ARENA_ARRAY(a, struct str, COMMAND_HEADER_FIELDS);
    out->nfields = 0;
    do {
        if (out->nfields == COMMAND_HEADER_FIELDS ||
            !scan_astring(&s, a, &out->fields[out->nfields++]))
            return false;
    } while (scan_byte(&s, ' '));
    if (!scan_byte(&s, ')'))
        return false;
    *in = s;
    return true;
}

/* section-text    = section-msgtext / "MIME"
 * section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT" */
static bool scan_section_text(struct str *in, struct arena *a, struct section *out)
{
    struct str word;

    if (!scan_atom(in, &word))
        return false;
    if (str_eq_nocase(word, STR("HEADER")))
        out->text = SECTION_HEADER;
    else if (str_eq_nocase(word, STR("TEXT")))
        out->text = SECTION_TEXT;
    else if (str_eq_nocase(word, STR("MIME")))
        out->text = SECTION_MIME;
    else if (str_eq_nocase(word, STR("HEADER.FIELDS")))
        out->text = SECTION_FIELDS;
    else if (str_eq_nocase(word, STR("HEADER.FIELDS.NOT")))
        out->text = SECTION_FIELDS_NOT;
    else
        return false;
    if (out->text == SECTION_MIME)
        return out->nnumbers > 0;
    if (out->text == SECTION_FIELDS || out->text == SECTION_FIELDS_NOT)
        return scan_byte(in, ' ') && scan_header_list(in, a, out);
    return true;
}

/* section-spec = section-msgtext / (section-part ["." section-text])
 * section-part = nz-number *("." nz-number) */
static bool scan_section_spec(struct str *in, struct arena *a, struct section *out)
{
    uint32_t number;

    if (!scan_nz_number(in, &number))
        return scan_section_text(in, a, out);
    out->numbers = ARENA_ARRAY(a, uint32_t, COMMAND_SECTION_NUMBERS);
    out->numbers[out->nnumbers++] = number;
    while (scan_byte(in, '.')) {
        if (!scan_nz_number(in, &number))
            return scan_section_text(in, a, out);
        if (out->nnumbers == COMMAND_SECTION_NUMBERS)
            return false;
        out->numbers[out->nnumbers++] = number;
    }
    return true;
}

/* section = "[" [section-spec] "]" */
bool scan_section(struct str *in, struct arena *a, struct section *out)
{
    struct str s = *in;
    struct section section = {.text = SECTION_ALL};

    if (!scan_byte(&s, '['))
        return false;
    if (!scan_byte(&s, ']') && (!scan_section_spec(&s, a, &section) || !scan_byte(&s, ']')))
        return false;
    *in = s;
    *out = section;
    return true;
}
