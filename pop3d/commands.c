/* The commands of POP3, a row and a function each. */
#include "pop3d/session_impl.h"

#include "base/base64.h"

/* One row says all there is to know about a command. */
struct command {
    struct str name;
    unsigned states; /* where it is allowed */
    enum { NONE, MAYBE, ONE, TEXT } arg;
    void (*run)(struct pop3_session *s, struct str arg);
};

static bool may_log_in(const struct pop3_session *s)
{
    return s->tls || s->config->clear_auth;
}

/* msg-number = 1*DIGIT, of a letter that is there and not marked; else a reply. */
static bool find(struct pop3_session *s, struct str arg, uint32_t *i)
{
    uint32_t n;

    if (!scan_u32(&arg, s->count, &n) || arg.n || n == 0 || session_is_marked(s, n - 1)) {
        session_no(s, "no such message");
        return false;
    }
    *i = n - 1;
    return true;
}

/* RFC 2449 5, 6 */
static void cmd_capa(struct pop3_session *s, struct str arg)
{
    (void)arg;
    session_ok(s, "capabilities follow");
    buf_add(&s->out, STR("TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n"));
    if (may_log_in(s))
        buf_add(&s->out, STR("USER\r\nSASL PLAIN\r\n"));
    if (s->config->stls && !s->tls && s->state == AUTHORIZATION)
        buf_add(&s->out, STR("STLS\r\n"));
    buf_add(&s->out, STR("IMPLEMENTATION posta\r\n.\r\n"));
}

/* RFC 2595 4. Nothing may stand behind it: it would be run as if it had come through TLS. */
static void cmd_stls(struct pop3_session *s, struct str arg)
{
    (void)arg;
    if (s->tls) {
        session_bad_command(s, "TLS is there already");
    } else if (!s->config->stls) {
        session_bad_command(s, "TLS is not available");
    } else {
        session_ok(s, "begin TLS");
        s->want = POP3_WANT_STLS;
    }
}

static void cmd_user(struct pop3_session *s, struct str arg)
{
    if (!may_log_in(s)) {
        session_bad_command(s, "send STLS first: no password may travel in clear");
        return;
    }
    buf_clear(&s->user);
    buf_add(&s->user, arg);
    session_ok(s, "send PASS");
}

/* PASS is SASL's PLAIN in other words: message = [authzid] NUL authcid NUL passwd (RFC 4616 2).
 */
static void cmd_pass(struct pop3_session *s, struct str arg)
{
    if (buf_str(&s->user).n == 0) {
        session_bad_command(s, "send USER first");
        return;
    }
    buf_add_byte(&s->secret, '\0');
    buf_add(&s->secret, buf_str(&s->user));
    buf_add_byte(&s->secret, '\0');
    buf_add(&s->secret, arg);
    buf_clear(&s->user);
    memcpy(s->mechanism, "PLAIN", sizeof("PLAIN"));
    session_want_login(s, true, true);
}

/* auth-command = "AUTH" SP sasl-mech [SP initial-response]      RFC 5034 4 */
static void cmd_auth(struct pop3_session *s, struct str arg)
{
    struct str mechanism = STR(""), response = arg;

    if (!may_log_in(s)) {
        session_bad_command(s, "send STLS first: no password may travel in clear");
        return;
    }
    scan_until(&response, ' ', &mechanism);
    bool has_response = scan_byte(&response, ' ');
    if (!str_eq_nocase(mechanism, STR("PLAIN"))) {
        session_bad_command(s, "unknown mechanism");
        return;
    }
    if (has_response && !str_eq(response, STR("=")) &&
        (response.n == 0 || !base64_decode(&s->secret, response))) {
        session_bad_command(s, "that is not base64");
        return;
    }
    memcpy(s->mechanism, "PLAIN", sizeof("PLAIN"));
    session_want_login(s, true, has_response);
}

static void cmd_stat(struct pop3_session *s, struct str arg)
{
    (void)arg;
    buf_addf(&s->out, "+OK %u %llu\r\n", s->count - s->marked_count,
             (unsigned long long)(s->octets - s->marked_octets));
}

static void list(struct pop3_session *s, struct str arg, enum purpose all, enum purpose one)
{
    uint32_t i;

    if (arg.n) {
        if (find(s, arg, &i))
            session_want_entries(s, one, i, 1);
        return;
    }
    buf_addf(&s->out, "+OK %u messages\r\n", s->count - s->marked_count);
    s->purpose = all;
    s->listing = true;
    s->list_at = 0;
}

static void cmd_list(struct pop3_session *s, struct str arg)
{
    list(s, arg, FOR_LIST, FOR_ONE_LIST);
}

static void cmd_uidl(struct pop3_session *s, struct str arg)
{
    list(s, arg, FOR_UIDL, FOR_ONE_UIDL);
}

static void cmd_retr(struct pop3_session *s, struct str arg)
{
    uint32_t i;

    s->top.on = false;
    if (find(s, arg, &i))
        session_want_entries(s, FOR_LETTER, i, 1);
}

/* TOP SP msg-number SP lines */
static void cmd_top(struct pop3_session *s, struct str arg)
{
    struct str number;
    uint32_t i, lines;

    if (!scan_until(&arg, ' ', &number) || !scan_byte(&arg, ' ') ||
        !scan_u32(&arg, UINT32_MAX, &lines) || arg.n) {
        session_bad_command(s, "send TOP, a message, and a number of lines");
        return;
    }
    if (!find(s, number, &i))
        return;
    s->top.on = s->top.blank = true;
    s->top.in_body = false;
    s->top.lines = lines;
    session_want_entries(s, FOR_LETTER, i, 1);
}

static void cmd_dele(struct pop3_session *s, struct str arg)
{
    uint32_t i;

    if (find(s, arg, &i))
        session_want_entries(s, FOR_DELE, i, 1);
}

static void cmd_noop(struct pop3_session *s, struct str arg)
{
    (void)arg;
    session_ok(s, "done");
}

static void cmd_rset(struct pop3_session *s, struct str arg)
{
    (void)arg;
    free(s->marked);
    s->marked = NULL;
    s->marked_count = 0;
    s->marked_octets = 0;
    session_ok(s, "no message is marked");
}

static void cmd_quit(struct pop3_session *s, struct str arg)
{
    (void)arg;
    if (s->state == TRANSACTION && s->marked_count) {
        s->state = UPDATE;
        s->req.marked = s->marked;
        s->want = POP3_WANT_COMMIT;
    } else {
        session_ok(s, "bye");
        s->state = CLOSED;
    }
}

/* A browser that was led here: what follows are lines of a stranger's choice. */
static void cmd_http(struct pop3_session *s, struct str arg)
{
    (void)arg;
    session_no_and_close(s, "this is POP3");
}

static const struct command commands[] = {
  /* name              allowed in                   argument handler */
    {STR_LIT("CAPA"),    AUTHORIZATION | TRANSACTION, NONE,  cmd_capa},
    {STR_LIT("STLS"),    AUTHORIZATION,               NONE,  cmd_stls},
    {STR_LIT("USER"),    AUTHORIZATION,               ONE,   cmd_user},
    {STR_LIT("PASS"),    AUTHORIZATION,               TEXT,  cmd_pass},
    {STR_LIT("AUTH"),    AUTHORIZATION,               TEXT,  cmd_auth},
    {STR_LIT("STAT"),    TRANSACTION,                 NONE,  cmd_stat},
    {STR_LIT("LIST"),    TRANSACTION,                 MAYBE, cmd_list},
    {STR_LIT("UIDL"),    TRANSACTION,                 MAYBE, cmd_uidl},
    {STR_LIT("RETR"),    TRANSACTION,                 ONE,   cmd_retr},
    {STR_LIT("TOP"),     TRANSACTION,                 TEXT,  cmd_top },
    {STR_LIT("DELE"),    TRANSACTION,                 ONE,   cmd_dele},
    {STR_LIT("NOOP"),    TRANSACTION,                 NONE,  cmd_noop},
    {STR_LIT("RSET"),    TRANSACTION,                 NONE,  cmd_rset},
    {STR_LIT("QUIT"),    AUTHORIZATION | TRANSACTION, NONE,  cmd_quit},
    {STR_LIT("GET"),     AUTHORIZATION,               TEXT,  cmd_http},
    {STR_LIT("POST"),    AUTHORIZATION,               TEXT,  cmd_http},
    {STR_LIT("CONNECT"), AUTHORIZATION,               TEXT,  cmd_http},
};

static const struct command *find_command(struct str name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (str_eq_nocase(commands[i].name, name))
            return &commands[i];
    return NULL;
}

bool session_is_command(struct str line)
{
    struct str name;

    return scan_until(&line, ' ', &name) && find_command(name);
}

static bool arguments_fit(const struct command *c, struct str arg)
{
    if (arg.n == 0)
        return c->arg == NONE || c->arg == MAYBE;
    return c->arg == TEXT || (c->arg != NONE && str_find(arg, ' ') == arg.n);
}

/* command = keyword *(SP param) CRLF        RFC 2449 3 */
void session_run_command(struct pop3_session *s, struct str line)
{
    struct str name;
    const struct command *c = scan_until(&line, ' ', &name) ? find_command(name) : NULL;

    scan_byte(&line, ' ');
    if (s->state == AUTHORIZATION && ++s->commands > s->config->junk_commands)
        session_no_and_close(s, "too many commands");
    else if (!c)
        session_bad_command(s, "unknown command");
    else if (!(c->states & s->state))
        session_bad_command(s,
                            s->state == AUTHORIZATION ? "log in first" : "you are logged in");
    else if (!arguments_fit(c, line))
        session_bad_command(s, "wrong number of arguments");
    else
        c->run(s, line);
}
