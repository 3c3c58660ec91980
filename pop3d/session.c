/*
 * POP3 session (RFC 1939 sections 3 to 7).
 *
 *            greeting
 *               |
 *         AUTHORIZATION --- QUIT -------------------------> CLOSED
 *          |    ^   |  USER PASS, AUTH                        ^
 *     STLS |    |   |  [want_login, pop3_answer_maildrop]     |
 *          +----+   v                                         |
 *               TRANSACTION -- QUIT --> UPDATE ---------------+
 *                    |       [cmd_quit]   [pop3_answer_commit]
 *                    |  LIST, UIDL: entries, some at a time     [list_on, pop3_answer_entry]
 *                    |  RETR, TOP: one entry, then the letter   [pop3_answer_letter]
 *
 * Any state goes to CLOSED on bytes that are no line (bare CR or LF, NUL), on a line without
 * end, and at a limit.
 */
#include "pop3d/session.h"

#include "base/ascii.h"
#include "base/base64.h"
#include "wire/dot.h"
#include "wire/line.h"

#include <assert.h>

enum { MECHANISM_BYTES = 20, OUTPUT_MAX_BYTES = 262144, SECRET_BYTES = POP3_AUTH_LINE_BYTES };

enum state {
    AUTHORIZATION = 1 << 0,
    TRANSACTION = 1 << 1,
    UPDATE = 1 << 2,
    CLOSED = 1 << 3,
};

/* What the entries are for that have been asked for. */
enum purpose { FOR_LIST, FOR_UIDL, FOR_ONE_LIST, FOR_ONE_UIDL, FOR_LETTER, FOR_DELE };

struct pop3_session {
    const struct pop3_config *config;
    enum state state;
    enum pop3_want want; /* POP3_WANT_INPUT: nothing is asked */
    struct pop3_request req;
    struct buf in, out;
    size_t scanned;     /* of `in`, without a line end */
    uint32_t discarded; /* of an overlong line         */
    bool discarded_cr;
    bool tls;

    struct buf user, secret; /* secret: the octets of req.auth.response */
    char mechanism[MECHANISM_BYTES];
    bool in_exchange; /* the next line is a response */
    uint32_t failures, bad, commands;

    uint32_t count, marked_count;
    uint64_t octets, marked_octets;
    bool *marked; /* NULL: none is */

    enum purpose purpose;
    bool listing;
    uint32_t list_at; /* the first letter that has not been asked for */
    uint32_t entry;   /* how many of those asked for have been told   */

    bool reading; /* a letter is under way */
    uint64_t letter_octets;
    struct dot_encoder encoder;
    struct {
        bool on, in_body, blank;
        uint32_t lines;
    } top;
};

/* One row says all there is to know about a command. */
struct command {
    struct str name;
    unsigned states; /* where it is allowed */
    enum { NONE, MAYBE, ONE, TEXT } arg;
    void (*run)(struct pop3_session *s, struct str arg);
};

static void ok(struct pop3_session *s, const char *text)
{
    buf_addf(&s->out, "+OK %s\r\n", text);
}

static void no(struct pop3_session *s, const char *text)
{
    buf_addf(&s->out, "-ERR %s\r\n", text);
}

static void no_and_close(struct pop3_session *s, const char *text)
{
    no(s, text);
    s->state = CLOSED;
}

/* Refuses what is no proper command; some are mistakes, many are somebody trying. */
static void bad_command(struct pop3_session *s, const char *text)
{
    if (++s->bad >= s->config->bad_commands)
        no_and_close(s, "too many bad commands");
    else
        no(s, text);
}

static void wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_clear(b);
}

static bool may_log_in(const struct pop3_session *s)
{
    return s->tls || s->config->clear_auth;
}

static bool is_marked(const struct pop3_session *s, uint32_t i)
{
    return s->marked && s->marked[i];
}

/* msg-number = 1*DIGIT, of a letter that is there and not marked; else a reply. */
static bool find(struct pop3_session *s, struct str arg, uint32_t *i)
{
    uint32_t n;

    if (!scan_u32(&arg, s->count, &n) || arg.n || n == 0 || is_marked(s, n - 1)) {
        no(s, "no such message");
        return false;
    }
    *i = n - 1;
    return true;
}

static void want_entries(struct pop3_session *s, enum purpose purpose, uint32_t first,
                         uint32_t count)
{
    s->purpose = purpose;
    s->req.first = first;
    s->req.count = count;
    s->req.uidl = purpose == FOR_UIDL || purpose == FOR_ONE_UIDL;
    s->entry = 0;
    s->want = POP3_WANT_ENTRIES;
}

/* RFC 2449 5, 6 */
static void cmd_capa(struct pop3_session *s, struct str arg)
{
    (void)arg;
    ok(s, "capabilities follow");
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
        bad_command(s, "TLS is there already");
    } else if (!s->config->stls) {
        bad_command(s, "TLS is not available");
    } else {
        ok(s, "begin TLS");
        s->want = POP3_WANT_STLS;
    }
}

static void cmd_user(struct pop3_session *s, struct str arg)
{
    if (!may_log_in(s)) {
        bad_command(s, "send STLS first: no password may travel in clear");
        return;
    }
    buf_clear(&s->user);
    buf_add(&s->user, arg);
    ok(s, "send PASS");
}

static void want_login(struct pop3_session *s, bool first, bool has_response)
{
    s->req.auth.mechanism = str_c(s->mechanism);
    s->req.auth.first = first;
    s->req.auth.cancelled = false;
    s->req.auth.has_response = has_response;
    s->req.auth.response = buf_str(&s->secret);
    s->want = POP3_WANT_LOGIN;
}

/* PASS is SASL's PLAIN in other words: message = [authzid] NUL authcid NUL passwd (RFC 4616 2).
 */
static void cmd_pass(struct pop3_session *s, struct str arg)
{
    if (buf_str(&s->user).n == 0) {
        bad_command(s, "send USER first");
        return;
    }
    buf_add_byte(&s->secret, '\0');
    buf_add(&s->secret, buf_str(&s->user));
    buf_add_byte(&s->secret, '\0');
    buf_add(&s->secret, arg);
    buf_clear(&s->user);
    memcpy(s->mechanism, "PLAIN", sizeof("PLAIN"));
    want_login(s, true, true);
}

/* auth-command = "AUTH" SP sasl-mech [SP initial-response]      RFC 5034 4 */
static void cmd_auth(struct pop3_session *s, struct str arg)
{
    struct str mechanism, response = arg;

    if (!may_log_in(s)) {
        bad_command(s, "send STLS first: no password may travel in clear");
        return;
    }
    scan_until(&response, ' ', &mechanism);
    bool has_response = scan_byte(&response, ' ');
    if (!str_eq_nocase(mechanism, STR("PLAIN"))) {
        bad_command(s, "unknown mechanism");
        return;
    }
    if (has_response && !str_eq(response, STR("=")) &&
        (response.n == 0 || !base64_decode(&s->secret, response))) {
        bad_command(s, "that is not base64");
        return;
    }
    memcpy(s->mechanism, "PLAIN", sizeof("PLAIN"));
    want_login(s, true, has_response);
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
            want_entries(s, one, i, 1);
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
        want_entries(s, FOR_LETTER, i, 1);
}

/* TOP SP msg-number SP lines */
static void cmd_top(struct pop3_session *s, struct str arg)
{
    struct str number;
    uint32_t i, lines;

    if (!scan_until(&arg, ' ', &number) || !scan_byte(&arg, ' ') ||
        !scan_u32(&arg, UINT32_MAX, &lines) || arg.n) {
        bad_command(s, "send TOP, a message, and a number of lines");
        return;
    }
    if (!find(s, number, &i))
        return;
    s->top.on = s->top.blank = true;
    s->top.in_body = false;
    s->top.lines = lines;
    want_entries(s, FOR_LETTER, i, 1);
}

static void cmd_dele(struct pop3_session *s, struct str arg)
{
    uint32_t i;

    if (find(s, arg, &i))
        want_entries(s, FOR_DELE, i, 1);
}

static void cmd_noop(struct pop3_session *s, struct str arg)
{
    (void)arg;
    ok(s, "done");
}

static void cmd_rset(struct pop3_session *s, struct str arg)
{
    (void)arg;
    free(s->marked);
    s->marked = NULL;
    s->marked_count = 0;
    s->marked_octets = 0;
    ok(s, "no message is marked");
}

static void cmd_quit(struct pop3_session *s, struct str arg)
{
    (void)arg;
    if (s->state == TRANSACTION && s->marked_count) {
        s->state = UPDATE;
        s->req.marked = s->marked;
        s->want = POP3_WANT_COMMIT;
    } else {
        ok(s, "bye");
        s->state = CLOSED;
    }
}

/* A browser that was led here: what follows are lines of a stranger's choice. */
static void cmd_http(struct pop3_session *s, struct str arg)
{
    (void)arg;
    no_and_close(s, "this is POP3");
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

static bool arguments_fit(const struct command *c, struct str arg)
{
    if (arg.n == 0)
        return c->arg == NONE || c->arg == MAYBE;
    return c->arg == TEXT || (c->arg != NONE && str_find(arg, ' ') == arg.n);
}

/* command = keyword *(SP param) CRLF        RFC 2449 3 */
static void run_command(struct pop3_session *s, struct str line)
{
    struct str name;
    const struct command *c = scan_until(&line, ' ', &name) ? find_command(name) : NULL;

    scan_byte(&line, ' ');
    if (s->state == AUTHORIZATION && ++s->commands > s->config->junk_commands)
        no_and_close(s, "too many commands");
    else if (!c)
        bad_command(s, "unknown command");
    else if (!(c->states & s->state))
        bad_command(s, s->state == AUTHORIZATION ? "log in first" : "you are logged in");
    else if (!arguments_fit(c, line))
        bad_command(s, "wrong number of arguments");
    else
        c->run(s, line);
}

/* client-response = base64 / cancel        RFC 5034 4 */
static void run_response(struct pop3_session *s, struct str line)
{
    bool cancel = str_eq(line, STR("*"));

    s->in_exchange = false;
    if (!cancel && base64_decode(&s->secret, line)) {
        want_login(s, false, true);
        return;
    }
    want_login(s, false, false);
    s->req.auth.cancelled = true;
    bad_command(s, cancel ? "cancelled" : "that is not base64");
}

/* Swallows an overlong line byte by byte, so that cutting it anywhere changes nothing. */
static void discard(struct pop3_session *s)
{
    struct str in = buf_str(&s->in);
    size_t i = 0;

    while (i < in.n && s->discarded <= POP3_DISCARD_BYTES) {
        bool end = s->discarded_cr && in.p[i] == '\n';

        s->discarded_cr = in.p[i++] == '\r';
        s->discarded++;
        if (end) {
            s->discarded = 0;
            break;
        }
    }
    buf_drop(&s->in, i);
    if (s->discarded > POP3_DISCARD_BYTES)
        no_and_close(s, "line too long");
    else if (s->discarded == 0)
        bad_command(s, "line too long");
}

/* Begins to swallow: what has come belongs to the line, with a CR at its end that may be half
 * of CRLF. */
static void discard_begin(struct pop3_session *s)
{
    s->scanned = 0;
    s->discarded_cr = false;
    if (s->in_exchange) {
        s->in_exchange = false;
        no_and_close(s, "line too long");
    } else {
        discard(s);
    }
}

/* Takes one line from the input and runs it; false where there is none yet. */
static bool run_line(struct pop3_session *s)
{
    struct str in = buf_str(&s->in), line;
    size_t max = s->in_exchange ? POP3_AUTH_LINE_BYTES : POP3_LINE_BYTES;

    if (s->discarded) {
        discard(s);
        return s->discarded == 0 || s->state == CLOSED;
    }
    switch (line_take(&in, max, &s->scanned, &line)) {
    case LINE_MORE:
        return false;
    case LINE_TOO_LONG:
        discard_begin(s);
        return s->discarded == 0 || s->state == CLOSED;
    case LINE_BAD:
        no_and_close(s, "lines end in CRLF, and hold no CR, LF or NUL");
        return true;
    case LINE_OK:
        break;
    }
    if (s->in_exchange)
        run_response(s, line);
    else
        run_command(s, line);
    if (s->state == AUTHORIZATION) /* it may hold a password */
        explicit_bzero(s->in.p + s->in.from, line.n);
    buf_drop(&s->in, line.n + 2);
    if (s->want == POP3_WANT_STLS && buf_str(&s->in).n) {
        s->want = POP3_WANT_INPUT;
        no_and_close(s, "nothing may follow STLS before TLS has begun");
    }
    return true;
}

/* Asks for the next entries of a listing, or ends it. */
static void list_on(struct pop3_session *s)
{
    uint32_t left = s->count - s->list_at;

    if (left) {
        want_entries(s, s->purpose, s->list_at, left < POP3_ENTRIES ? left : POP3_ENTRIES);
        s->list_at += s->req.count;
    } else {
        s->listing = false;
        buf_add(&s->out, STR(".\r\n"));
    }
}

struct pop3_session *pop3_new(const struct pop3_config *config, bool tls)
{
    struct pop3_session *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->config = config;
    s->state = AUTHORIZATION;
    s->want = POP3_WANT_INPUT;
    s->tls = tls;
    buf_init(&s->in, POP3_INPUT_BYTES);
    buf_init(&s->out, OUTPUT_MAX_BYTES);
    buf_init(&s->user, POP3_LINE_BYTES);
    buf_init(&s->secret, SECRET_BYTES);
    ok(s, "posta ready");
    return s;
}

void pop3_free(struct pop3_session *s)
{
    if (!s)
        return;
    wipe(&s->in);
    wipe(&s->secret);
    buf_done(&s->in);
    buf_done(&s->out);
    buf_done(&s->user);
    buf_done(&s->secret);
    free(s->marked);
    free(s);
}

void pop3_feed(struct pop3_session *s, struct str in)
{
    if (s->state != CLOSED)
        buf_add(&s->in, in);
}

enum pop3_want pop3_next(struct pop3_session *s, const struct pop3_request **req)
{
    *req = &s->req;
    while (s->state != CLOSED) {
        enum pop3_want want = s->want;

        if (want == POP3_WANT_LETTER_END || (want == POP3_WANT_LOGIN && s->req.auth.cancelled))
            s->want = POP3_WANT_INPUT; /* told once, not answered */
        if (want != POP3_WANT_INPUT)
            return want;
        if (buf_failed(&s->in) || buf_failed(&s->out))
            s->state = CLOSED;
        else if (buf_str(&s->out).n >= POP3_OUTPUT_BYTES)
            return POP3_WANT_FLUSH;
        else if (s->reading)
            s->want = POP3_WANT_LETTER;
        else if (s->listing)
            list_on(s);
        else if (!run_line(s))
            return POP3_WANT_INPUT;
    }
    return POP3_WANT_CLOSE;
}

/* The question is answered. */
static void answered(struct pop3_session *s, enum pop3_want question)
{
    assert(s->want == question);
    (void)question;
    s->want = POP3_WANT_INPUT;
}

/* What the client said in clear is forgotten (RFC 2595 4). There is no second greeting. */
void pop3_tls_started(struct pop3_session *s)
{
    answered(s, POP3_WANT_STLS);
    s->tls = true;
    buf_clear(&s->in);
    buf_clear(&s->user);
    s->scanned = 0;
}

void pop3_answer_challenge(struct pop3_session *s, struct str challenge)
{
    answered(s, POP3_WANT_LOGIN);
    wipe(&s->secret);
    s->in_exchange = true;
    buf_add(&s->out, STR("+ "));
    base64_add(&s->out, challenge);
    buf_add(&s->out, STR("\r\n"));
}

void pop3_answer_maildrop(struct pop3_session *s, uint32_t count, uint64_t octets)
{
    answered(s, POP3_WANT_LOGIN);
    wipe(&s->secret);
    s->state = TRANSACTION;
    s->bad = 0;
    s->count = count;
    s->octets = octets;
    buf_addf(&s->out, "+OK maildrop has %u messages (%llu octets)\r\n", count,
             (unsigned long long)octets);
}

void pop3_answer_refused(struct pop3_session *s, enum pop3_refusal why)
{
    static const char *const words[] = {
        [POP3_BAD] = "[AUTH] name or password is wrong",
        [POP3_DISABLED] = "[AUTH] the account is switched off",
        [POP3_TEMP] = "[SYS/TEMP] the maildrop cannot be opened now, try again later",
        [POP3_IN_USE] = "[IN-USE] another session has the maildrop",
    };

    answered(s, POP3_WANT_LOGIN);
    wipe(&s->secret);
    no(s, words[why]);
    if (why == POP3_BAD && ++s->failures >= s->config->auth_failures)
        s->state = CLOSED;
}

static void print_entry(struct pop3_session *s, uint32_t i, uint64_t octets, struct str uidl)
{
    if (s->req.uidl)
        buf_addf(&s->out, "%u %.*s\r\n", i + 1, STR_ARGS(uidl));
    else
        buf_addf(&s->out, "%u %llu\r\n", i + 1, (unsigned long long)octets);
}

static void mark(struct pop3_session *s, uint32_t i, uint64_t octets)
{
    if (!s->marked)
        s->marked = calloc(s->count, sizeof(*s->marked));
    if (!s->marked)
        abort();
    s->marked[i] = true;
    s->marked_count++;
    s->marked_octets += octets;
    ok(s, "marked");
}

void pop3_answer_entry(struct pop3_session *s, uint64_t octets, struct str uidl)
{
    uint32_t i = s->req.first + s->entry++;

    assert(s->want == POP3_WANT_ENTRIES);
    if (s->entry == s->req.count)
        answered(s, POP3_WANT_ENTRIES);
    switch (s->purpose) {
    case FOR_LIST:
    case FOR_UIDL:
        if (!is_marked(s, i))
            print_entry(s, i, octets, uidl);
        break;
    case FOR_ONE_LIST:
    case FOR_ONE_UIDL:
        buf_add(&s->out, STR("+OK "));
        print_entry(s, i, octets, uidl);
        break;
    case FOR_DELE:
        mark(s, i, octets);
        break;
    case FOR_LETTER:
        s->letter_octets = octets;
        s->reading = true;
        s->req.start = true;
        break;
    }
}

/*
 * How much of `piece` belongs to the header, the blank line and top.lines lines of the body
 * (RFC 1939 7); *enough when nothing behind it does.
 */
static size_t top_part(struct pop3_session *s, struct str piece, bool *enough)
{
    size_t at = 0;

    while (at < piece.n && !(s->top.in_body && s->top.lines == 0)) {
        struct str rest = str_skip(piece, at);
        size_t n = str_find(rest, '\n');

        if (s->top.blank && n > 0 && !(n == 1 && rest.p[0] == '\r'))
            s->top.blank = false;
        at += n;
        if (at == piece.n)
            break;
        at++;
        if (s->top.in_body)
            s->top.lines--;
        else if (s->top.blank)
            s->top.in_body = true;
        s->top.blank = true;
    }
    *enough = s->top.in_body && s->top.lines == 0;
    return at;
}

void pop3_answer_letter(struct pop3_session *s, struct str piece, bool last)
{
    bool enough = false;

    assert(piece.n <= POP3_PIECE_BYTES);
    answered(s, POP3_WANT_LETTER);
    if (s->req.start) {
        buf_addf(&s->out, "+OK %llu octets\r\n", (unsigned long long)s->letter_octets);
        dot_encoder_init(&s->encoder);
        s->req.start = false;
    }
    if (s->top.on)
        piece = str_first(piece, top_part(s, piece, &enough));
    dot_encode(&s->encoder, piece, &s->out);
    if (!last && !enough)
        return;
    dot_encode_end(&s->encoder, &s->out);
    s->reading = false;
    if (!last)
        s->want = POP3_WANT_LETTER_END;
}

void pop3_answer_no_letter(struct pop3_session *s, bool gone)
{
    answered(s, POP3_WANT_LETTER);
    s->reading = false;
    if (!s->req.start)
        s->state = CLOSED; /* half a letter is out: without the final dot the client knows */
    else
        no(s, gone ? "the message has gone" : "[SYS/TEMP] the message cannot be read now");
}

void pop3_answer_commit(struct pop3_session *s, bool good)
{
    answered(s, POP3_WANT_COMMIT);
    s->state = CLOSED;
    if (good)
        ok(s, "bye");
    else
        no(s, "[SYS/TEMP] some marked messages were not removed");
}

void pop3_end(struct pop3_session *s, const char *words)
{
    if (words && s->state != CLOSED && !s->reading && !s->listing)
        no(s, words);
    s->state = CLOSED;
}

bool pop3_idle(const struct pop3_session *s)
{
    return s->want == POP3_WANT_INPUT && !s->reading && !s->listing && !s->in_exchange &&
           buf_str(&s->in).n == 0 && s->discarded == 0;
}

bool pop3_logged_in(const struct pop3_session *s)
{
    return s->state == TRANSACTION || s->state == UPDATE;
}

uint32_t pop3_marked(const struct pop3_session *s)
{
    return s->marked_count;
}

struct str pop3_output(const struct pop3_session *s)
{
    return buf_str(&s->out);
}

void pop3_sent(struct pop3_session *s, size_t n)
{
    buf_drop(&s->out, n);
}

void pop3_rest(struct pop3_session *s)
{
    buf_release(&s->in);
    buf_release(&s->out);
    buf_release(&s->user);
    buf_release(&s->secret);
}
