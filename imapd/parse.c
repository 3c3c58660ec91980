/* Which commands there are (RFC 3501 6 and the extensions named beside them). */
#include "imapd/parse_impl.h"

enum {
    ANY = STATE_STRANGER | STATE_USER | STATE_SELECTED,
    STRANGER = STATE_STRANGER,
    USER = STATE_USER | STATE_SELECTED,
    SELECTED = STATE_SELECTED,
};

static bool parse_nothing(struct str *in, struct arena *a, struct command *out,
                          const char **why)
{
    (void)in;
    (void)a;
    (void)out;
    *why = "nothing may stand behind this command";
    return true;
}

/* One row says all there is to know about a command but how its arguments are written. */
struct row {
    struct str name;
    enum verb verb;
    unsigned states;
    enum { PLAIN, WITH_UID } uid; /* also behind "UID " */
    bool (*parse)(struct str *in, struct arena *a, struct command *out, const char **why);
};

static const struct row rows[] = {
    {STR_LIT("CAPABILITY"),   VERB_CAPABILITY,   ANY,      PLAIN,    parse_nothing         },
    {STR_LIT("NOOP"),         VERB_NOOP,         ANY,      PLAIN,    parse_nothing         },
    {STR_LIT("LOGOUT"),       VERB_LOGOUT,       ANY,      PLAIN,    parse_nothing         },
    {STR_LIT("ID"),           VERB_ID,           ANY,      PLAIN,    parse_id              }, /* RFC 2971 */
    {STR_LIT("STARTTLS"),     VERB_STARTTLS,     STRANGER, PLAIN,    parse_nothing         },
    {STR_LIT("AUTHENTICATE"), VERB_AUTHENTICATE, STRANGER, PLAIN,    parse_authenticate    },
    {STR_LIT("LOGIN"),        VERB_LOGIN,        STRANGER, PLAIN,    parse_login           },
    {STR_LIT("ENABLE"),       VERB_ENABLE,       USER,     PLAIN,    parse_enable          }, /* RFC 5161 */
    {STR_LIT("SELECT"),       VERB_SELECT,       USER,     PLAIN,    parse_select          },
    {STR_LIT("EXAMINE"),      VERB_EXAMINE,      USER,     PLAIN,    parse_select          },
    {STR_LIT("CREATE"),       VERB_CREATE,       USER,     PLAIN,    parse_create          },
    {STR_LIT("DELETE"),       VERB_DELETE,       USER,     PLAIN,    parse_mailbox         },
    {STR_LIT("RENAME"),       VERB_RENAME,       USER,     PLAIN,    parse_rename          },
    {STR_LIT("SUBSCRIBE"),    VERB_SUBSCRIBE,    USER,     PLAIN,    parse_mailbox         },
    {STR_LIT("UNSUBSCRIBE"),  VERB_UNSUBSCRIBE,  USER,     PLAIN,    parse_mailbox         },
    {STR_LIT("LIST"),         VERB_LIST,         USER,     PLAIN,    parse_list            },
    {STR_LIT("LSUB"),         VERB_LSUB,         USER,     PLAIN,    parse_lsub            },
    {STR_LIT("NAMESPACE"),    VERB_NAMESPACE,    USER,     PLAIN,    parse_nothing         }, /* RFC 2342 */
    {STR_LIT("STATUS"),       VERB_STATUS,       USER,     PLAIN,    parse_status          },
    {STR_LIT("APPEND"),       VERB_APPEND,       USER,     PLAIN,    parse_append_arguments},
    {STR_LIT("IDLE"),         VERB_IDLE,         USER,     PLAIN,    parse_nothing         }, /* RFC 2177 */
    {STR_LIT("GETQUOTA"),     VERB_GETQUOTA,     USER,     PLAIN,    parse_quota           }, /* RFC 2087 */
    {STR_LIT("GETQUOTAROOT"), VERB_GETQUOTAROOT, USER,     PLAIN,    parse_mailbox         },
    {STR_LIT("SETQUOTA"),     VERB_SETQUOTA,     USER,     PLAIN,    parse_setquota        },
    {STR_LIT("CHECK"),        VERB_CHECK,        SELECTED, PLAIN,    parse_nothing         },
    {STR_LIT("CLOSE"),        VERB_CLOSE,        SELECTED, PLAIN,    parse_nothing         },
    {STR_LIT("UNSELECT"),     VERB_UNSELECT,     SELECTED, PLAIN,    parse_nothing         }, /* RFC 3691 */
    {STR_LIT("EXPUNGE"),      VERB_EXPUNGE,      SELECTED, WITH_UID, parse_expunge         }, /* RFC 4315 */
    {STR_LIT("SEARCH"),       VERB_SEARCH,       SELECTED, WITH_UID, parse_search          }, /* also RFC 4731 */
    {STR_LIT("FETCH"),        VERB_FETCH,        SELECTED, WITH_UID, parse_fetch           },
    {STR_LIT("STORE"),        VERB_STORE,        SELECTED, WITH_UID, parse_store           },
    {STR_LIT("COPY"),         VERB_COPY,         SELECTED, WITH_UID, parse_copy            },
    {STR_LIT("MOVE"),         VERB_MOVE,         SELECTED, WITH_UID, parse_copy            }, /* RFC 6851 */
};

static const struct row *find_row(struct str name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (str_eq_nocase(rows[i].name, name))
            return &rows[i];
    return NULL;
}

unsigned parse_states(enum verb verb)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].verb == verb)
            return rows[i].states;
    return 0;
}

/* command = tag SP (command-any / command-auth / command-nonauth / command-select) CRLF
 * uid     = "UID" SP (copy / expunge / fetch / move / search / store) */
static const struct row *scan_begin(struct str *in, struct command *out, const char **why)
{
    struct str name, tag;
    const struct row *row;

    *why = "a command begins with a tag, letters and digits, and a space";
    /* a word by itself is no tag; it may be a password in the wrong place, and is not repeated
     */
    if (!scan_tag(in, &tag) || !scan_byte(in, ' '))
        return NULL;
    out->tag = tag;
    *why = "unknown command";
    if (!scan_atom(in, &name))
        return NULL;
    if (str_eq_nocase(name, STR("UID"))) {
        *why = "UID stands before COPY, EXPUNGE, FETCH, MOVE, SEARCH and STORE";
        if (!scan_byte(in, ' ') || !scan_atom(in, &name))
            return NULL;
        out->uid = true;
    }
    row = find_row(name);
    if (!row || (out->uid && row->uid != WITH_UID))
        return NULL;
    out->verb = row->verb;
    return row;
}

static bool parse_all(struct str in, struct arena *a, struct command *out, const char **why)
{
    const struct row *row = scan_begin(&in, out, why);

    if (!row)
        return false;
    return row->parse(&in, a, out, why) && in.n == 0;
}

bool parse_command(struct str text, struct arena *a, struct command *out, const char **why)
{
    *out = (struct command){.verb = VERB_NONE};
    return parse_all(text, a, out, why) && out->verb != VERB_APPEND;
}

bool parse_append(struct str text, struct arena *a, struct command *out, const char **why)
{
    *out = (struct command){.verb = VERB_NONE};
    return parse_all(text, a, out, why) && out->verb == VERB_APPEND;
}

/* "APPEND" SP literal, so far */
bool parse_append_name(struct str text)
{
    struct command c = {.verb = VERB_NONE};
    const char *why;

    return scan_begin(&text, &c, &why) && c.verb == VERB_APPEND &&
           scan_word(&text, STR(" {")) && str_find(text, '}') + 1 == text.n;
}

void parse_begin(struct str text, struct command *out)
{
    const char *why;

    *out = (struct command){.verb = VERB_NONE};
    scan_begin(&text, out, &why);
}
