/* FETCH (RFC 3501 6.4.5, RFC 4466 3, RFC 7162 3.1.4). */
#include "base/ascii.h"
#include "imapd/parse_impl.h"

/* The name of an item ends before a section: '[' may be part of an atom. */
static bool scan_item_name(struct str *in, struct str *out)
{
    size_t n = 0;

    while (n < in->n && (ascii_is_alnum(in->p[n]) || in->p[n] == '.'))
        n++;
    if (n == 0)
        return false;
    *out = str_first(*in, n);
    *in = str_skip(*in, n);
    return true;
}

/* Names that stand alone; those from FETCH_SECTION on send text. */
static enum fetch_what item_of(struct str name)
{
    static const struct {
        struct str name;
        enum fetch_what what;
    } known[] = {
        {STR_LIT("UID"),           FETCH_UID          },
        {STR_LIT("FLAGS"),         FETCH_FLAGS        },
        {STR_LIT("INTERNALDATE"),  FETCH_INTERNALDATE },
        {STR_LIT("RFC822.SIZE"),   FETCH_SIZE         },
        {STR_LIT("ENVELOPE"),      FETCH_ENVELOPE     },
        {STR_LIT("BODY"),          FETCH_BODY         },
        {STR_LIT("BODYSTRUCTURE"), FETCH_BODYSTRUCTURE},
        {STR_LIT("MODSEQ"),        FETCH_MODSEQ       },
        {STR_LIT("RFC822"),        FETCH_RFC822       },
        {STR_LIT("RFC822.HEADER"), FETCH_RFC822_HEADER},
        {STR_LIT("RFC822.TEXT"),   FETCH_RFC822_TEXT  },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (str_eq_nocase(known[i].name, name))
            return known[i].what;
    return 0;
}

/* ["<" number "." nz-number ">"] */
static bool scan_partial(struct str *in, struct fetch_item *item)
{
    if (!scan_byte(in, '<'))
        return true;
    item->partial = true;
    return scan_number64(in, &item->from) && scan_byte(in, '.') &&
           scan_number64(in, &item->octets) && item->octets > 0 && scan_byte(in, '>');
}

/* fetch-att = … / "BODY" section ["<" number "." nz-number ">"] /
 *             "BODY.PEEK" section ["<" number "." nz-number ">"] */
static bool scan_fetch_item(struct str *in, struct arena *a, struct command *out)
{
    struct fetch_item item = {.what = FETCH_SECTION};
    struct str name;

    if (!scan_item_name(in, &name))
        return false;
    item.peek = str_eq_nocase(name, STR("BODY.PEEK"));
    if (item.peek || (str_eq_nocase(name, STR("BODY")) && in->n && in->p[0] == '[')) {
        if (!scan_section(in, a, &item.section) || !scan_partial(in, &item))
            return false;
    } else {
        item.what = item_of(name);
        item.peek = item.what == FETCH_RFC822_HEADER;
        if (item.what < FETCH_SECTION) {
            out->fetch.what |= item.what;
            return item.what != 0;
        }
    }
    if (out->fetch.n == COMMAND_FETCH_ITEMS)
        return false;
    if (!out->fetch.items)
        out->fetch.items = ARENA_ARRAY(a, struct fetch_item, COMMAND_FETCH_ITEMS);
    out->fetch.items[out->fetch.n++] = item;
    return true;
}

/* "ALL" / "FULL" / "FAST" */
static bool scan_macro(struct str *in, unsigned *what)
{
    enum { FAST = FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE };
    struct str s = *in, name;

    if (!scan_item_name(&s, &name))
        return false;
    if (str_eq_nocase(name, STR("FAST")))
        *what = FAST;
    else if (str_eq_nocase(name, STR("ALL")))
        *what = FAST | FETCH_ENVELOPE;
    else if (str_eq_nocase(name, STR("FULL")))
        *what = FAST | FETCH_ENVELOPE | FETCH_BODY;
    else
        return false;
    *in = s;
    return true;
}

/* fetch-att / "(" fetch-att *(SP fetch-att) ")" */
static bool scan_fetch_items(struct str *in, struct arena *a, struct command *out)
{
    if (!scan_byte(in, '('))
        return scan_fetch_item(in, a, out);
    do {
        if (!scan_fetch_item(in, a, out))
            return false;
    } while (scan_byte(in, ' '));
    return scan_byte(in, ')');
}

/* fetch-modifiers    = SP "(" fetch-modifier *(SP fetch-modifier) ")"
 * chgsince-fetch-mod = "CHANGEDSINCE" SP mod-sequence-value        RFC 7162 7 */
static bool scan_modifiers(struct str *in, struct command *out)
{
    if (!scan_byte(in, ' '))
        return true;
    out->fetch.has_since = true;
    return scan_byte(in, '(') && scan_word_nocase(in, STR("CHANGEDSINCE ")) &&
           scan_number64(in, &out->fetch.since) && scan_byte(in, ')');
}

/* fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att /
 *         "(" fetch-att *(SP fetch-att) ")") [fetch-modifiers]        RFC 4466 3 */
bool parse_fetch(struct str *in, struct arena *a, struct command *out, const char **why)
{
    *why = "FETCH takes numbers and one item or items in parentheses";
    if (!scan_byte(in, ' ') || !scan_sequence_set(in, a, &out->set) || !scan_byte(in, ' '))
        return false;
    if (!scan_macro(in, &out->fetch.what) && !scan_fetch_items(in, a, out))
        return false;
    if (!scan_modifiers(in, out))
        return false;
    if (out->uid)
        out->fetch.what |= FETCH_UID; /* RFC 3501 6.4.8 */
    if (out->fetch.has_since)
        out->fetch.what |= FETCH_MODSEQ; /* RFC 7162 3.1.4.1 */
    return true;
}
