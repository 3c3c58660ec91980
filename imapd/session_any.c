/* What a server says about itself: CAPABILITY, ID, NAMESPACE, ENABLE; NOOP, LOGOUT. */
#include "imapd/session_impl.h"

enum { STRANGER = STATE_STRANGER, USER = STATE_USER | STATE_SELECTED, ANY = STRANGER | USER };

/* One row an extension: in which states it is told. */
static const struct {
    const char *name;
    unsigned states;
    enum { ALWAYS, WHEN_TLS_CAN_BEGIN, WHEN_LOGIN_MAY, WHEN_LOGIN_MAY_NOT } when;
} capabilities[] = {
    {"IMAP4rev1",          ANY,      ALWAYS            },
    {"LITERAL+",           ANY,      ALWAYS            }, /* RFC 7888 */
    {"SASL-IR",            STRANGER, ALWAYS            }, /* RFC 4959 */
    {"ID",                 ANY,      ALWAYS            }, /* RFC 2971 */
    {"ENABLE",             ANY,      ALWAYS            }, /* RFC 5161 */
    {"STARTTLS",           STRANGER, WHEN_TLS_CAN_BEGIN},
    {"LOGINDISABLED",      STRANGER, WHEN_LOGIN_MAY_NOT},
    {"AUTH=PLAIN",         STRANGER, WHEN_LOGIN_MAY    },
    {"IDLE",               USER,     ALWAYS            }, /* RFC 2177 */
    {"NAMESPACE",          USER,     ALWAYS            }, /* RFC 2342 */
    {"CHILDREN",           USER,     ALWAYS            }, /* RFC 3348 */
    {"UNSELECT",           USER,     ALWAYS            }, /* RFC 3691 */
    {"UIDPLUS",            USER,     ALWAYS            }, /* RFC 4315 */
    {"MOVE",               USER,     ALWAYS            }, /* RFC 6851 */
    {"ESEARCH",            USER,     ALWAYS            }, /* RFC 4731 */
    {"CONDSTORE",          USER,     ALWAYS            }, /* RFC 7162 */
    {"LIST-EXTENDED",      USER,     ALWAYS            }, /* RFC 5258 */
    {"LIST-STATUS",        USER,     ALWAYS            }, /* RFC 5819 */
    {"SPECIAL-USE",        USER,     ALWAYS            }, /* RFC 6154 */
    {"CREATE-SPECIAL-USE", USER,     ALWAYS            },
    {"STATUS=SIZE",        USER,     ALWAYS            }, /* RFC 8438 */
    {"QUOTA",              USER,     ALWAYS            }, /* RFC 2087 */
};

static bool is_told(const struct imap_session *s, size_t i)
{
    bool may = s->tls || s->config->clear_auth;

    if (!(capabilities[i].states & s->state))
        return false;
    switch (capabilities[i].when) {
    case ALWAYS:
        return true;
    case WHEN_TLS_CAN_BEGIN:
        return s->config->starttls && !s->tls;
    case WHEN_LOGIN_MAY:
        return may;
    case WHEN_LOGIN_MAY_NOT:
        return !may;
    }
    return false;
}

/* capability-data = "CAPABILITY" *(SP capability) SP "IMAP4rev1" *(SP capability) */
void session_print_capabilities(struct imap_session *s)
{
    buf_add(&s->out, STR("CAPABILITY"));
    for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
        if (is_told(s, i))
            buf_addf(&s->out, " %s", capabilities[i].name);
}

/* RFC 3501 6.1.1 */
void cmd_capability(struct imap_session *s)
{
    buf_add(&s->out, STR("* "));
    session_print_capabilities(s);
    buf_add(&s->out, STR("\r\n"));
    session_ok(s, "that is what there is");
}

/* RFC 3501 6.1.2: a chance to tell what has changed. */
void cmd_noop(struct imap_session *s)
{
    if (s->state == STATE_SELECTED)
        session_want_work(s);
    else
        session_ok(s, "done");
}

/* RFC 3501 6.1.3 */
void cmd_logout(struct imap_session *s)
{
    buf_add(&s->out, STR("* BYE until next time\r\n"));
    session_ok(s, "logged out");
    s->mode = CLOSED;
}

/* RFC 2971 3.2 */
void cmd_id(struct imap_session *s)
{
    buf_addf(&s->out, "* ID (\"name\" \"posta\" \"version\" \"%s\")\r\n", s->config->version);
    session_ok(s, "pleased to meet you");
}

/* RFC 5161 3.1; what is not known is passed over. */
void cmd_enable(struct imap_session *s)
{
    bool condstore = s->command.enable.condstore;

    s->condstore |= condstore;
    buf_addf(&s->out, "* ENABLED%s\r\n", condstore ? " CONDSTORE" : "");
    session_ok(s, "enabled");
}

/* RFC 2342 5: one's own mailboxes have no prefix, there are no others. */
void cmd_namespace(struct imap_session *s)
{
    buf_add(&s->out, STR("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
    session_ok(s, "done");
}

/* RFC 2087 4.1 */
void cmd_setquota(struct imap_session *s)
{
    session_no(s, "[NOPERM] limits are set by who runs the server");
}

/* RFC 3501 6.4.4 */
void cmd_search(struct imap_session *s)
{
    if (s->command.bad_charset)
        session_no(s, "[BADCHARSET (US-ASCII UTF-8)] that charset is not known");
    else
        session_want_work(s);
}
