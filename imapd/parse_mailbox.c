/* Commands about a mailbox as a whole. */
#include "imapd/parse_impl.h"

/* delete = "DELETE" SP mailbox, and others like it */
bool parse_mailbox(struct str *in, struct arena *a, struct command *out, const char **why)
{
    struct str s = *in, text;

    *why = "the name of a mailbox is missing or not written as it should be";
    if (scan_byte(in, ' ') && scan_mailbox_name(in, a, &out->mailbox))
        return true;
    if (scan_byte(&s, ' ') && scan_astring(&s, a, &text))
        *why = "that is no name of a mailbox: it is not modified UTF-7";
    return false;
}

/* select-params = SP "(" select-param *(SP select-param) ")"
 * select-param  = condstore-param        RFC 4466 3, RFC 7162 7 */
bool parse_select(struct str *in, struct arena *a, struct command *out, const char **why)
{
    if (!parse_mailbox(in, a, out, why))
        return false;
    *why = "behind the name only (CONDSTORE) may stand";
    if (!scan_word(in, STR(" (")))
        return true;
    out->select.condstore = scan_word_nocase(in, STR("CONDSTORE"));
    return out->select.condstore && scan_byte(in, ')');
}

/* use-attr = "\All" / "\Archive" / "\Drafts" / "\Flagged" / "\Junk" / "\Sent" / "\Trash" /
 *            use-attr-ext        RFC 6154 6
 * USE_NONE: one that we do not offer. */
static bool scan_use(struct str *in, enum special_use *out)
{
    static const struct {
        struct str name;
        enum special_use use;
    } known[] = {
        {STR_LIT("Archive"), USE_ARCHIVE},
        {STR_LIT("Drafts"),  USE_DRAFTS },
        {STR_LIT("Flagged"), USE_FLAGGED},
        {STR_LIT("Junk"),    USE_JUNK   },
        {STR_LIT("Sent"),    USE_SENT   },
        {STR_LIT("Trash"),   USE_TRASH  },
    };
    struct str word;

    if (!scan_byte(in, '\\') || !scan_atom(in, &word))
        return false;
    *out = USE_NONE;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (str_eq_nocase(word, known[i].name))
            *out = known[i].use;
    return true;
}

/* "USE" SP "(" [use-attr *(SP use-attr)] ")"        RFC 6154 6
 * A mailbox has one use here: of several it gets none, and is not made (RFC 6154 3). */
static bool scan_uses(struct str *in, struct command *out)
{
    enum special_use use;

    if (!scan_word_nocase(in, STR("USE")) || !scan_word(in, STR(" (")))
        return false;
    if (scan_byte(in, ')'))
        return true;
    do {
        if (!scan_use(in, &use))
            return false;
        out->create.use = out->create.has_use && use != out->create.use ? USE_NONE : use;
        out->create.has_use = true;
    } while (scan_byte(in, ' '));
    return scan_byte(in, ')');
}

/* create = "CREATE" SP mailbox [SP "(" create-param *(SP create-param) ")"]        RFC 4466 3
 * "Server implementations ... MUST" take a name with the separator at its end (RFC 3501 6.3.3):
 * it declares that there will be some below it. */
bool parse_create(struct str *in, struct arena *a, struct command *out, const char **why)
{
    if (!parse_mailbox(in, a, out, why))
        return false;
    *why = "behind the name only (USE (\\Sent)) may stand";
    if (out->mailbox.n > 1 && out->mailbox.p[out->mailbox.n - 1] == '/')
        out->mailbox.n--;
    if (!scan_word(in, STR(" (")))
        return true;
    return scan_uses(in, out) && scan_byte(in, ')');
}

/* rename = "RENAME" SP mailbox SP mailbox */
bool parse_rename(struct str *in, struct arena *a, struct command *out, const char **why)
{
    return parse_mailbox(in, a, out, why) && scan_byte(in, ' ') &&
           scan_mailbox_name(in, a, &out->mailbox_to);
}

/* status-att = "MESSAGES" / "RECENT" / "UIDNEXT" / "UIDVALIDITY" / "UNSEEN" /
 *              "HIGHESTMODSEQ" (RFC 7162) / "SIZE" (RFC 8438) / "DELETED" (RFC 9208) */
static bool scan_status_item(struct str *in, unsigned *items)
{
    static const struct {
        struct str name;
        enum status_item item;
    } known[] = {
        {STR_LIT("MESSAGES"),      STATUS_MESSAGES     },
        {STR_LIT("RECENT"),        STATUS_RECENT       },
        {STR_LIT("UIDNEXT"),       STATUS_UIDNEXT      },
        {STR_LIT("UIDVALIDITY"),   STATUS_UIDVALIDITY  },
        {STR_LIT("UNSEEN"),        STATUS_UNSEEN       },
        {STR_LIT("HIGHESTMODSEQ"), STATUS_HIGHESTMODSEQ},
        {STR_LIT("SIZE"),          STATUS_SIZE         },
        {STR_LIT("DELETED"),       STATUS_DELETED      },
    };
    struct str word;

    if (!scan_atom(in, &word))
        return false;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (str_eq_nocase(word, known[i].name)) {
            *items |= known[i].item;
            return true;
        }
    return false;
}

/* "(" status-att *(SP status-att) ")" */
bool scan_status_items(struct str *in, unsigned *items)
{
    struct str s = *in;
    unsigned found = 0;

    if (!scan_byte(&s, '('))
        return false;
    do {
        if (!scan_status_item(&s, &found))
            return false;
    } while (scan_byte(&s, ' '));
    if (!scan_byte(&s, ')'))
        return false;
    *in = s;
    *items = found;
    return true;
}

/* status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")" */
bool parse_status(struct str *in, struct arena *a, struct command *out, const char **why)
{
    if (!parse_mailbox(in, a, out, why))
        return false;
    *why = "STATUS takes a mailbox and items in parentheses that this server knows";
    return scan_byte(in, ' ') && scan_status_items(in, &out->status.items);
}

/* getquota = "GETQUOTA" SP astring        RFC 2087 6 */
bool parse_quota(struct str *in, struct arena *a, struct command *out, const char **why)
{
    *why = "the name of a quota root is missing";
    return scan_byte(in, ' ') && scan_astring(in, a, &out->quota.root);
}

/* setquota          = "SETQUOTA" SP astring SP setquota_list
 * setquota_list     = "(" 0#setquota_resource ")"
 * setquota_resource = atom SP number        RFC 2087 6 */
bool parse_setquota(struct str *in, struct arena *a, struct command *out, const char **why)
{
    struct str name;
    uint64_t limit;

    if (!parse_quota(in, a, out, why))
        return false;
    *why = "SETQUOTA takes a quota root and limits in parentheses";
    if (!scan_word(in, STR(" (")))
        return false;
    if (scan_byte(in, ')'))
        return true;
    do {
        if (!scan_atom(in, &name) || !scan_byte(in, ' ') || !scan_number64(in, &limit))
            return false;
    } while (scan_byte(in, ' '));
    return scan_byte(in, ')');
}
