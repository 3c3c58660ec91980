#include "imapd/scan.h"

#include "base/ascii.h"
#include "base/mutf7.h"

/* What of the text fits a class of characters. */
static bool scan_run(struct str *in, bool (*fits)(char c), struct str *out)
{
    size_t n = 0;

    while (n < in->n && fits(in->p[n]))
        n++;
    if (n == 0)
        return false;
    *out = str_first(*in, n);
    *in = str_skip(*in, n);
    return true;
}

/* ATOM-CHAR = <any CHAR except atom-specials>
 * atom-specials = "(" / ")" / "{" / SP / CTL / list-wildcards / quoted-specials / resp-specials
 */
static bool is_atom_char(char c)
{
    return ascii_is_print(c) && !memchr("(){ %*\"\\]", c, 9);
}

/* ASTRING-CHAR = ATOM-CHAR / resp-specials */
static bool is_astring_char(char c)
{
    return is_atom_char(c) || c == ']';
}

/* list-char = ATOM-CHAR / list-wildcards / resp-specials */
static bool is_list_char(char c)
{
    return is_astring_char(c) || c == '*' || c == '%';
}

/* tag = 1*<any ASTRING-CHAR except "+"> */
static bool is_tag_char(char c)
{
    return is_astring_char(c) && c != '+';
}

/* TEXT-CHAR = <any CHAR except CR and LF>; CHAR has seven bits and is not NUL */
static bool is_text_char(char c)
{
    return c != '\0' && c != '\r' && c != '\n' && !ascii_is_8bit(c);
}

bool scan_tag(struct str *in, struct str *out)
{
    struct str s = *in, tag;

    if (!scan_run(&s, is_tag_char, &tag) || tag.n > COMMAND_TAG_BYTES)
        return false;
    *in = s;
    *out = tag;
    return true;
}

/* atom = 1*ATOM-CHAR */
bool scan_atom(struct str *in, struct str *out)
{
    return scan_run(in, is_atom_char, out);
}

/* QUOTED-CHAR *QUOTED-CHAR without the escapes. */
static struct str unquote(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        p[n++] = s.p[i];
    }
    return (struct str){p, n};
}

/* quoted      = DQUOTE *QUOTED-CHAR DQUOTE
 * QUOTED-CHAR = <any TEXT-CHAR except quoted-specials> / "\" quoted-specials */
bool scan_quoted(struct str *in, struct arena *a, struct str *out)
{
    bool escaped = false;
    size_t n = 1;

    if (in->n == 0 || in->p[0] != '"')
        return false;
    for (; n < in->n && in->p[n] != '"'; n++) {
        if (!is_text_char(in->p[n]))
            return false;
        if (in->p[n] != '\\')
            continue;
        escaped = true;
        if (++n == in->n || (in->p[n] != '"' && in->p[n] != '\\'))
            return false;
    }
    if (n >= in->n)
        return false;
    struct str inside = {in->p + 1, n - 1};
    *out = escaped ? unquote(a, inside) : inside;
    *in = str_skip(*in, n + 1);
    return true;
}

/* literal = "{" number ["+"] "}" CRLF *CHAR8        RFC 7888 8 */
bool scan_literal(struct str *in, struct str *out)
{
    struct str s = *in;
    uint32_t n;

    if (!scan_byte(&s, '{') || !scan_number(&s, &n))
        return false;
    scan_byte(&s, '+');
    if (!scan_word(&s, STR("}\r\n")) || n > s.n || memchr(s.p, '\0', n))
        return false;
    *out = str_first(s, n);
    *in = str_skip(s, n);
    return true;
}

/* string = quoted / literal */
bool scan_string(struct str *in, struct arena *a, struct str *out)
{
    return scan_quoted(in, a, out) || scan_literal(in, out);
}

/* astring = 1*ASTRING-CHAR / string */
bool scan_astring(struct str *in, struct arena *a, struct str *out)
{
    return scan_run(in, is_astring_char, out) || scan_string(in, a, out);
}

/* nstring = string / nil */
bool scan_nstring(struct str *in, struct arena *a, struct str *out, bool *nil)
{
    struct str s = *in, word;

    if (scan_string(in, a, out)) {
        *nil = false;
        return true;
    }
    if (!scan_atom(&s, &word) || !str_eq_nocase(word, STR("NIL")))
        return false;
    *in = s;
    *out = STR("");
    *nil = true;
    return true;
}

/* number = 1*DIGIT ; 0 <= n < 4,294,967,296 */
bool scan_number(struct str *in, uint32_t *out)
{
    return scan_u32(in, UINT32_MAX, out);
}

/* nz-number = digit-nz *DIGIT ; 0 < n < 4,294,967,296 */
bool scan_nz_number(struct str *in, uint32_t *out)
{
    return in->n && in->p[0] != '0' && scan_number(in, out);
}

/* number64 = 1*DIGIT ; 0 <= n <= 9,223,372,036,854,775,807        RFC 8438 4 */
bool scan_number64(struct str *in, uint64_t *out)
{
    return scan_u64(in, SCAN_NUMBER64_MAX, out);
}

/* flag = "\Answered" / "\Flagged" / "\Deleted" / "\Seen" / "\Draft" / flag-keyword /
 *        flag-extension        ; Does not include "\Recent"
 * There are no extensions whose meaning we know, so none can be kept. */
bool scan_flag(struct str *in, uint32_t *flag, struct str *keyword)
{
    static const struct {
        struct str name;
        uint32_t flag;
    } known[] = {
        {STR_LIT("Answered"), NAME_REPLIED},
        {STR_LIT("Flagged"),  NAME_FLAGGED},
        {STR_LIT("Deleted"),  NAME_TRASHED},
        {STR_LIT("Seen"),     NAME_SEEN   },
        {STR_LIT("Draft"),    NAME_DRAFT  },
    };
    struct str s = *in, word;
    bool backslash = scan_byte(&s, '\\');

    if (!scan_atom(&s, &word) || (!backslash && word.n > COMMAND_KEYWORD_BYTES))
        return false;
    *flag = 0;
    *keyword = backslash ? STR("") : word;
    for (size_t i = 0; backslash && i < sizeof(known) / sizeof(known[0]); i++)
        if (str_eq_nocase(word, known[i].name))
            *flag = known[i].flag;
    if (backslash && *flag == 0)
        return false;
    *in = s;
    return true;
}

/* flag *(SP flag) */
static bool scan_flag_words(struct str *in, struct arena *a, struct command_flags *out)
{
    struct str s = *in, keyword;
    struct command_flags f = {.keywords = ARENA_ARRAY(a, struct str, COMMAND_KEYWORDS)};
    uint32_t flag;

    do {
        if (!scan_flag(&s, &flag, &keyword))
            return false;
        f.flags |= flag;
        if (keyword.n && f.n == COMMAND_KEYWORDS)
            return false;
        if (keyword.n)
            f.keywords[f.n++] = keyword;
    } while (scan_byte(&s, ' '));
    *in = s;
    *out = f;
    return true;
}

/* flag-list = "(" [flag *(SP flag)] ")" */
bool scan_flag_list(struct str *in, struct arena *a, struct command_flags *out)
{
    struct str s = *in;
    struct command_flags f = {.flags = 0};

    if (!scan_byte(&s, '('))
        return false;
    if (!scan_byte(&s, ')') && (!scan_flag_words(&s, a, &f) || !scan_byte(&s, ')')))
        return false;
    *in = s;
    *out = f;
    return true;
}

/* flag-list / (flag *(SP flag)) */
bool scan_flags(struct str *in, struct arena *a, struct command_flags *out)
{
    return scan_flag_list(in, a, out) || scan_flag_words(in, a, out);
}

/* seq-number = nz-number / "*" */
static bool scan_seq_number(struct str *in, uint32_t *out)
{
    if (!scan_byte(in, '*'))
        return scan_nz_number(in, out);
    *out = 0;
    return true;
}

/* seq-range = seq-number ":" seq-number ; 4:2 is 2:4
 * Of a range with '*' the order is known only later. */
static bool scan_seq_range(struct str *in, struct seqrange *out)
{
    struct str s = *in;
    struct seqrange r;

    if (!scan_seq_number(&s, &r.first))
        return false;
    r.last = r.first;
    if (scan_byte(&s, ':') && !scan_seq_number(&s, &r.last))
        return false;
    if (r.first && r.last && r.first > r.last)
        r = (struct seqrange){r.last, r.first};
    *in = s;
    *out = r;
    return true;
}

/* Puts `next` into the range before it where they touch. */
static bool join(struct seqrange *r, struct seqrange next)
{
    if (!r->first || !r->last || !next.first || !next.last)
        return false;
    if ((r->last < UINT32_MAX && next.first > r->last + 1) ||
        (next.last < UINT32_MAX && r->first > next.last + 1))
        return false;
    r->first = next.first < r->first ? next.first : r->first;
    r->last = next.last > r->last ? next.last : r->last;
    return true;
}

/* At most as many ranges as there are commas, and one. */
static unsigned ranges_of(struct str s)
{
    unsigned n = 1;

    for (size_t i = 0; i < s.n && n < COMMAND_SET_RANGES; i++) {
        if (s.p[i] == ',')
            n++;
        else if (!ascii_is_digit(s.p[i]) && s.p[i] != ':' && s.p[i] != '*')
            break;
    }
    return n;
}

/* sequence-set = (seq-number / seq-range) *("," sequence-set) */
bool scan_sequence_set(struct str *in, struct arena *a, struct seqset *out)
{
    struct str s = *in;
    struct seqrange r;
    unsigned n = 0, room = ranges_of(s);

    if (!scan_seq_range(&s, &r))
        return false;
    struct seqrange *ranges = ARENA_ARRAY(a, struct seqrange, room);
    ranges[n++] = r;
    while (scan_byte(&s, ',')) {
        if (!scan_seq_range(&s, &r))
            return false;
        if (!join(&ranges[n - 1], r)) {
            if (n == room)
                return false;
            ranges[n++] = r;
        }
        while (n > 1 && join(&ranges[n - 2], ranges[n - 1]))
            n--;
    }
    *in = s;
    *out = (struct seqset){.ranges = ranges, .n = n};
    return true;
}

/* "inbox" and "inbox/x" as they are called. */
static struct str fold_inbox(struct arena *a, struct str name)
{
    static const struct str inbox = STR_LIT("INBOX");
    char *p;

    if (str_eq_nocase(name, inbox))
        return inbox;
    if (!str_starts_nocase(name, inbox) || name.p[inbox.n] != '/')
        return name;
    p = arena_alloc(a, name.n + 1);
    memcpy(p, name.p, name.n);
    memcpy(p, inbox.p, inbox.n);
    return (struct str){p, name.n};
}

/* From modified UTF-7 (RFC 3501 5.1.3); most names are only ASCII. */
static bool decode_name(struct arena *a, struct str text, struct str *out)
{
    bool plain = true;
    struct buf name;

    for (size_t i = 0; i < text.n; i++)
        plain = plain && ascii_is_print(text.p[i]) && text.p[i] != '&';
    if (plain) {
        *out = text;
        return true;
    }
    buf_init(&name, text.n);
    plain = mutf7_decode(&name, text, '\0');
    if (plain)
        *out = arena_dup(a, buf_str(&name));
    buf_done(&name);
    return plain;
}

/* mailbox = "INBOX" / astring ; INBOX is case-insensitive */
bool scan_mailbox_name(struct str *in, struct arena *a, struct str *out)
{
    struct str s = *in, text, name;

    if (!scan_astring(&s, a, &text) || !decode_name(a, text, &name))
        return false;
    *in = s;
    *out = fold_inbox(a, name);
    return true;
}

/* list-mailbox = 1*list-char / string */
bool scan_list_mailbox(struct str *in, struct arena *a, struct str *out)
{
    struct str s = *in, text, name;

    if (!scan_run(&s, is_list_char, &text) && !scan_string(&s, a, &text))
        return false;
    if (!decode_name(a, text, &name))
        return false;
    *in = s;
    *out = name;
    return true;
}
