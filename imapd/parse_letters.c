/* STORE, COPY, MOVE, EXPUNGE, APPEND. */
#include "imapd/parse_impl.h"

/* SP sequence-set */
static bool scan_set(struct str *in, struct arena *a, struct command *out)
{
    return scan_byte(in, ' ') && scan_sequence_set(in, a, &out->set);
}

/* store-modifier = "UNCHANGEDSINCE" SP mod-sequence-valzer        RFC 7162 7 */
static bool scan_unchangedsince(struct str *in, struct command *out)
{
    if (!scan_word(in, STR(" (")))
        return true;
    out->store.has_unchangedsince = true;
    return scan_word_nocase(in, STR("UNCHANGEDSINCE ")) &&
           scan_number64(in, &out->store.unchangedsince) && scan_byte(in, ')');
}

/* store           = "STORE" SP sequence-set [store-modifiers] SP store-att-flags
 * store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag))) */
bool parse_store(struct str *in, struct arena *a, struct command *out, const char **why)
{
    *why = "STORE takes numbers, FLAGS, +FLAGS or -FLAGS, and flags that may be set";
    if (!scan_set(in, a, out) || !scan_unchangedsince(in, out) || !scan_byte(in, ' '))
        return false;
    out->store.how = STORE_SET;
    if (scan_byte(in, '+'))
        out->store.how = STORE_ADD;
    else if (scan_byte(in, '-'))
        out->store.how = STORE_REMOVE;
    if (!scan_word_nocase(in, STR("FLAGS")))
        return false;
    out->store.silent = scan_word_nocase(in, STR(".SILENT"));
    return scan_byte(in, ' ') && scan_flags(in, a, &out->store.flags);
}

/* copy = "COPY" SP sequence-set SP mailbox; move is the same (RFC 6851 4.1) */
bool parse_copy(struct str *in, struct arena *a, struct command *out, const char **why)
{
    *why = "numbers of letters are missing or not written as they should be";
    return scan_set(in, a, out) && parse_mailbox(in, a, out, why);
}

/* "EXPUNGE" / "UID" SP "EXPUNGE" SP sequence-set        RFC 4315 4 */
bool parse_expunge(struct str *in, struct arena *a, struct command *out, const char **why)
{
    *why = "EXPUNGE stands alone, UID EXPUNGE takes UIDs";
    return !out->uid || scan_set(in, a, out);
}

/* append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal
 * The text ends with the literal's "{n}" or "{n+}". */
bool parse_append_arguments(struct str *in, struct arena *a, struct command *out,
                            const char **why)
{
    if (!parse_mailbox(in, a, out, why))
        return false;
    *why = "APPEND takes a mailbox, perhaps flags and a date, and a literal";
    if (!scan_byte(in, ' '))
        return false;
    if (in->n && in->p[0] == '(' &&
        (!scan_flag_list(in, a, &out->append.flags) || !scan_byte(in, ' ')))
        return false;
    out->append.has_date = scan_date_time(in, &out->append.internaldate);
    if (out->append.has_date && !scan_byte(in, ' '))
        return false;
    if (scan_word(in, STR("~{")))
        *why = "literal8 is not offered: BINARY is no capability of this server";
    if (!scan_byte(in, '{'))
        return false;
    if (!scan_u64(in, UINT64_MAX, &out->append.octets))
        return false;
    scan_byte(in, '+');
    return scan_byte(in, '}');
}
