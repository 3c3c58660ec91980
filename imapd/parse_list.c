/* LIST and LSUB (RFC 3501 6.3.8, RFC 5258, 5819, 6154). */
#include "imapd/parse_impl.h"

/* "SUBSCRIBED" / "REMOTE" / "RECURSIVEMATCH" / "SPECIAL-USE" */
static bool scan_select_option(struct str *in, unsigned *select)
{
    struct str word;

    if (!scan_atom(in, &word))
        return false;
    if (str_eq_nocase(word, STR("SUBSCRIBED")))
        *select |= LIST_SELECT_SUBSCRIBED;
    else if (str_eq_nocase(word, STR("REMOTE")))
        *select |= LIST_SELECT_REMOTE;
    else if (str_eq_nocase(word, STR("RECURSIVEMATCH")))
        *select |= LIST_SELECT_RECURSIVEMATCH;
    else if (str_eq_nocase(word, STR("SPECIAL-USE")))
        *select |= LIST_SELECT_SPECIAL_USE;
    else
        return false;
    return true;
}

/* list-select-opts = "(" [options] ")" ; RECURSIVEMATCH only beside SUBSCRIBED
 * RFC 5258 6 */
static bool scan_select_options(struct str *in, struct command *out)
{
    unsigned *select = &out->list.select;

    out->list.extended = true;
    if (scan_byte(in, ')'))
        return true;
    do {
        if (!scan_select_option(in, select))
            return false;
    } while (scan_byte(in, ' '));
    if ((*select & LIST_SELECT_RECURSIVEMATCH) && !(*select & LIST_SELECT_SUBSCRIBED))
        return false;
    return scan_byte(in, ')');
}

/* return-option = "SUBSCRIBED" / "CHILDREN" / "SPECIAL-USE" / status-option
 * status-option = "STATUS" SP "(" status-att *(SP status-att) ")"        RFC 5819 4 */
static bool scan_return_option(struct str *in, struct command *out)
{
    struct str word;

    if (!scan_atom(in, &word))
        return false;
    if (str_eq_nocase(word, STR("SUBSCRIBED"))) {
        out->list.returns |= LIST_SUBSCRIBED;
    } else if (str_eq_nocase(word, STR("CHILDREN"))) {
        out->list.returns |= LIST_CHILDREN;
    } else if (str_eq_nocase(word, STR("SPECIAL-USE"))) {
        out->list.returns |= LIST_SPECIAL_USE;
    } else if (str_eq_nocase(word, STR("STATUS"))) {
        out->list.returns |= LIST_STATUS;
        return scan_byte(in, ' ') && scan_status_items(in, &out->list.status);
    } else {
        return false;
    }
    return true;
}

/* list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"        RFC 5258 6
 */
static bool scan_return_options(struct str *in, struct command *out)
{
    out->list.extended = true;
    if (!scan_word_nocase(in, STR("RETURN")) || !scan_word(in, STR(" (")))
        return false;
    if (scan_byte(in, ')'))
        return true;
    do {
        if (!scan_return_option(in, out))
            return false;
    } while (scan_byte(in, ' '));
    return scan_byte(in, ')');
}

/* The pattern behind its reference, which is a name that is only written once (RFC 3501 6.3.8).
 */
static bool scan_pattern(struct str *in, struct arena *a, struct str reference,
                         struct command *out)
{
    struct str pattern;
    char *p;

    if (out->list.n == COMMAND_PATTERNS || !scan_list_mailbox(in, a, &pattern))
        return false;
    p = arena_alloc(a, reference.n + pattern.n + 1);
    if (reference.n)
        memcpy(p, reference.p, reference.n);
    if (pattern.n)
        memcpy(p + reference.n, pattern.p, pattern.n);
    out->list.patterns[out->list.n++] = (struct str){p, reference.n + pattern.n};
    out->list.empty = pattern.n == 0;
    return true;
}

/* patterns = "(" list-mailbox *(SP list-mailbox) ")"        RFC 5258 6 */
static bool scan_patterns(struct str *in, struct arena *a, struct str reference,
                          struct command *out)
{
    out->list.extended = true;
    do {
        if (!scan_pattern(in, a, reference, out))
            return false;
    } while (scan_byte(in, ' '));
    return scan_byte(in, ')');
}

/* lsub = "LSUB" SP mailbox SP list-mailbox */
bool parse_lsub(struct str *in, struct arena *a, struct command *out, const char **why)
{
    struct str reference;

    *why = "LSUB takes a reference and a pattern";
    out->list.patterns = ARENA_ARRAY(a, struct str, 1);
    return scan_byte(in, ' ') && scan_mailbox_name(in, a, &reference) && scan_byte(in, ' ') &&
           scan_pattern(in, a, reference, out);
}

/* list        = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]
 * mbox-or-pat = list-mailbox / patterns        RFC 5258 6 */
bool parse_list(struct str *in, struct arena *a, struct command *out, const char **why)
{
    struct str reference;

    *why = "LIST takes a reference, a pattern, and options that this server knows";
    out->list.patterns = ARENA_ARRAY(a, struct str, COMMAND_PATTERNS);
    if (scan_word(in, STR(" (")) && !scan_select_options(in, out))
        return false;
    if (!scan_byte(in, ' ') || !scan_mailbox_name(in, a, &reference) || !scan_byte(in, ' '))
        return false;
    if (scan_byte(in, '(') ? !scan_patterns(in, a, reference, out)
                           : !scan_pattern(in, a, reference, out))
        return false;
    if (scan_byte(in, ' ') && !scan_return_options(in, out))
        return false;
    out->list.empty = out->list.empty && !out->list.extended;
    return true;
}
