/*
 * The commands of SMTP, LMTP and ours: one row each, one function each.
 *
 * A function either answers at once (smtp_say, smtp_refuse) or asks the program
 * (smtp_ask), whose answer server.c turns into the reply.
 */
#include "base/ascii.h"
#include "mail/address.h"
#include "smtp/session.h"

/* Where a command exists. */
enum {
    OF_RECEIVE = 1 << SMTP_RECEIVE,
    OF_SUBMIT = 1 << SMTP_SUBMIT,
    OF_QUEUE = 1 << SMTP_QUEUE,
    OF_LMTP = 1 << SMTP_LMTP,
    OF_SMTP = OF_RECEIVE | OF_SUBMIT | OF_QUEUE,
    OF_ALL = OF_SMTP | OF_LMTP,
};

/* When it is allowed; 503 otherwise. */
enum {
    AFTER_HELO = 1 << 0,
    AFTER_MAIL = 1 << 1, /* in a transaction          */
    AFTER_RCPT = 1 << 2, /* with a recipient accepted */
    NO_MAIL = 1 << 3,    /* outside a transaction     */
    NO_USER = 1 << 4,    /* nobody has logged in      */
    JUNK = 1 << 5,       /* brings no letter nearer: counted, RFC 5321 7.8 */
};

struct row {
    struct str name;
    unsigned kinds, when;
    enum { NONE, MAYBE, ONE } argument;
    void (*run)(struct smtp_server *s, struct str arg);
};

static bool offers_auth(const struct smtp_server *s)
{
    return s->config->auth_mechanisms.n > 0;
}

static unsigned offers(const struct smtp_server *s)
{
    bool ours = s->config->kind == SMTP_QUEUE || s->config->kind == SMTP_LMTP;

    /* between our boxes AUTH= says who submitted, without an AUTH command */
    return (offers_auth(s) || ours ? SMTP_OFFERS_AUTH : 0) |
           (s->config->dsn ? SMTP_OFFERS_DSN : 0);
}

static bool greet(struct smtp_server *s, struct str name, bool esmtp)
{
    struct str host;

    if (!scan_helo(&name, &host) || name.n) {
        smtp_refuse(s, SMTP_REPLY(501, "5.5.4", "say your host's name or [address]"));
        return false;
    }
    smtp_transaction_end(s); /* RFC 5321 4.1.4 */
    buf_clear(&s->helo);
    buf_add(&s->helo, host);
    s->esmtp = esmtp;
    return true;
}

static void cmd_helo(struct smtp_server *s, struct str arg)
{
    if (greet(s, arg, false))
        smtp_say(s, (struct smtp_reply){250, STR(""), s->config->hostname});
}

/* ehlo-ok-rsp = "250-" Domain *( "250-" ehlo-line ) "250 " ehlo-line   RFC 5321 4.1.1.1 */
static void cmd_ehlo(struct smtp_server *s, struct str arg)
{
    const struct smtp_server_config *c = s->config;

    if (!greet(s, arg, true))
        return;
    buf_addf(&s->out, "250-%.*s\r\n250-PIPELINING\r\n250-8BITMIME\r\n", STR_ARGS(c->hostname));
    buf_addf(&s->out, "250-SIZE %llu\r\n", (unsigned long long)c->size_max);
    if (c->starttls && !s->tls)
        buf_add(&s->out, STR("250-STARTTLS\r\n"));
    if (offers_auth(s) && (s->tls || !c->auth_needs_tls))
        buf_addf(&s->out, "250-AUTH %.*s\r\n", STR_ARGS(c->auth_mechanisms));
    if (c->dsn)
        buf_add(&s->out, STR("250-DSN\r\n"));
    if (c->xspool)
        buf_add(&s->out, STR("250-XSPOOL\r\n"));
    buf_add(&s->out, STR("250 ENHANCEDSTATUSCODES\r\n"));
}

static void cmd_mail(struct smtp_server *s, struct str arg)
{
    const struct smtp_server_config *c = s->config;
    struct smtp_reply why;

    if (c->mail_needs_tls && !s->tls)
        smtp_refuse(s, SMTP_REPLY(530, "5.7.0", "say STARTTLS first"));
    else if (c->mail_needs_auth && s->user.n == 0)
        smtp_refuse(s, SMTP_REPLY(530, "5.7.0", "log in with AUTH first"));
    else if (!smtp_parse_mail(&s->transaction, arg, offers(s), &s->req.mail, &why))
        smtp_refuse(s, why);
    else if (c->size_max && s->req.mail.size > c->size_max)
        smtp_refuse(s, SMTP_REPLY(552, "5.3.4", "the letter is too large"));
    else
        smtp_ask(s, SMTP_WANT_MAIL);
    if (s->want != SMTP_WANT_MAIL)
        smtp_mail_refused(s);
}

static void cmd_rcpt(struct smtp_server *s, struct str arg)
{
    struct smtp_reply why;

    if (!smtp_parse_rcpt(&s->command, arg, offers(s), &s->req.rcpt, &why))
        smtp_refuse(s, why);
    else if (s->nrcpts >= s->config->recipients_max)
        smtp_say(s, SMTP_REPLY(452, "4.5.3", "too many recipients; send the rest again"));
    else
        smtp_ask(s, SMTP_WANT_RCPT);
}

/* RFC 2920 3.1: DATA ends a pipelined group. Bytes behind it came before the 354: who sent them
 * does not speak SMTP, or lets someone else speak through him. */
static void cmd_data(struct smtp_server *s, struct str arg)
{
    (void)arg;
    if (s->in.n)
        smtp_bye(s, SMTP_REPLY(554, "5.5.0", "wait for 354 before the letter"));
    else
        smtp_ask(s, SMTP_WANT_LETTER);
}

static void cmd_xspool(struct smtp_server *s, struct str arg)
{
    struct smtp_xspool x;

    if (!s->config->xspool) {
        smtp_refuse(s, SMTP_REPLY(502, "5.5.1", "not here"));
    } else if (!smtp_parse_xspool(arg, &x)) {
        smtp_refuse(s, SMTP_REPLY(501, "5.5.4", "syntax: XSPOOL id size [flags]"));
    } else if (s->config->size_max && x.size > s->config->size_max) {
        struct smtp_reply why = SMTP_REPLY(552, "5.3.4", "the letter is too large");

        /* it stands for a letter's answer, which LMTP gives for each recipient (RFC 2033 4.2)
         */
        for (size_t n = s->config->kind == SMTP_LMTP ? s->nrcpts : 1; n > 1; n--)
            smtp_say(s, why);
        smtp_refuse(s, why);
        smtp_transaction_end(s);
    } else {
        s->req.xspool.id = x.id;
        s->req.xspool.size = x.size;
        s->req.xspool.flags = x.flags;
        smtp_ask(s, SMTP_WANT_XSPOOL);
    }
}

static void cmd_rset(struct smtp_server *s, struct str arg)
{
    (void)arg;
    smtp_transaction_end(s);
    smtp_say(s, SMTP_REPLY(250, "2.0.0", "forgotten"));
}

static void cmd_noop(struct smtp_server *s, struct str arg)
{
    (void)arg;
    smtp_say(s, SMTP_REPLY(250, "2.0.0", "yes"));
}

static void cmd_vrfy(struct smtp_server *s, struct str arg)
{
    for (size_t i = 0; i < arg.n; i++)
        if (ascii_is_8bit(arg.p[i])) {
            smtp_refuse(s, SMTP_REPLY(553, "5.6.7", "address beyond ASCII needs SMTPUTF8"));
            return;
        }
    s->req.text = arg;
    smtp_ask(s, SMTP_WANT_VRFY);
}

static void cmd_help(struct smtp_server *s, struct str arg)
{
    (void)arg;
    smtp_say(s, SMTP_REPLY(214, "2.0.0", "RFC 5321 says it all; see posta(1)"));
}

static void cmd_quit(struct smtp_server *s, struct str arg)
{
    (void)arg;
    smtp_bye(s, SMTP_REPLY(221, "2.0.0", "goodbye"));
}

/* RFC 3207 4 */
static void cmd_starttls(struct smtp_server *s, struct str arg)
{
    (void)arg;
    if (!s->config->starttls) {
        smtp_refuse(s, SMTP_REPLY(502, "5.5.1", "not here"));
    } else if (s->tls) {
        smtp_refuse(s, SMTP_REPLY(503, "5.5.1", "TLS is there already"));
    } else if (s->in.n) {
        /* what is in the buffer came in clear and may be anybody's (CVE-2011-0411) */
        smtp_bye(s, SMTP_REPLY(501, "5.5.2", "nothing may follow STARTTLS in clear"));
    } else {
        smtp_say(s, SMTP_REPLY(220, "2.0.0", "begin TLS"));
        smtp_ask(s, SMTP_WANT_STARTTLS);
    }
}

/* The mechanism in upper case, kept for the exchange, if it is among ours. */
static bool find_mechanism(struct smtp_server *s, struct str name)
{
    struct str list = s->config->auth_mechanisms, one;

    while (scan_until(&list, ' ', &one)) {
        scan_byte(&list, ' ');
        if (!str_eq_nocase(one, name) || one.n > sizeof(s->mechanism))
            continue;
        for (size_t i = 0; i < one.n; i++)
            s->mechanism[i] = ascii_upper(one.p[i]);
        s->req.auth.mechanism = (struct str){s->mechanism, one.n};
        return true;
    }
    return false;
}

/* AUTH mechanism [initial-response]        RFC 4954 4 */
static void cmd_auth(struct smtp_server *s, struct str arg)
{
    struct str name;

    if (!offers_auth(s)) {
        smtp_refuse(s, SMTP_REPLY(503, "5.5.1", "no logins here"));
    } else if (s->config->auth_needs_tls && !s->tls) {
        smtp_refuse(s, SMTP_REPLY(538, "5.7.11", "say STARTTLS first"));
    } else if (!scan_until(&arg, ' ', &name) || !find_mechanism(s, name)) {
        smtp_refuse(s, SMTP_REPLY(504, "5.5.4", "mechanism not known here"));
    } else {
        s->exchange = true;
        s->req.auth.has_response = scan_byte(&arg, ' ');
        smtp_auth_step(s, arg, true);
    }
}

/* Known and refused (RFC 5321 4.2.4). */
static void cmd_refused(struct smtp_server *s, struct str arg)
{
    (void)arg;
    smtp_refuse(s, SMTP_REPLY(502, "5.5.1", "not done here"));
}

/* RFC 3030 is not announced. Whoever says BDAT all the same sends octets behind it that must
 * not be read as commands. */
static void cmd_bdat(struct smtp_server *s, struct str arg)
{
    (void)arg;
    smtp_bye(s, SMTP_REPLY(502, "5.5.1", "CHUNKING is not offered"));
}

/* HTTP: a browser was talked into speaking to us, and what follows is its user's secrets. */
static void cmd_http(struct smtp_server *s, struct str arg)
{
    (void)arg;
    smtp_bye(s, SMTP_REPLY(421, "4.7.0", "this is not a web server"));
}

static void cmd_proxy(struct smtp_server *s, struct str arg)
{
    (void)arg;
    smtp_bye(s, SMTP_REPLY(521, "5.5.1", "nobody speaks for others here"));
}

static const struct row rows[] = {
    {STR_LIT("EHLO"),     OF_SMTP, JUNK,                                  ONE,   cmd_ehlo    },
    {STR_LIT("HELO"),     OF_SMTP, JUNK,                                  ONE,   cmd_helo    },
    {STR_LIT("LHLO"),     OF_LMTP, JUNK,                                  ONE,   cmd_ehlo    },
    {STR_LIT("MAIL"),     OF_ALL,  AFTER_HELO | NO_MAIL,                  ONE,   cmd_mail    },
    {STR_LIT("RCPT"),     OF_ALL,  AFTER_MAIL,                            ONE,   cmd_rcpt    },
    {STR_LIT("DATA"),     OF_ALL,  AFTER_MAIL | AFTER_RCPT,               NONE,  cmd_data    },
    {STR_LIT("XSPOOL"),   OF_ALL,  AFTER_MAIL | AFTER_RCPT,               ONE,   cmd_xspool  },
    {STR_LIT("BDAT"),     OF_ALL,  0,                                     MAYBE, cmd_bdat    },
    {STR_LIT("RSET"),     OF_ALL,  JUNK,                                  NONE,  cmd_rset    },
    {STR_LIT("NOOP"),     OF_ALL,  JUNK,                                  MAYBE, cmd_noop    },
    {STR_LIT("VRFY"),     OF_ALL,  JUNK,                                  ONE,   cmd_vrfy    },
    {STR_LIT("EXPN"),     OF_ALL,  JUNK,                                  MAYBE, cmd_refused },
    {STR_LIT("HELP"),     OF_ALL,  JUNK,                                  MAYBE, cmd_help    },
    {STR_LIT("QUIT"),     OF_ALL,  0,                                     NONE,  cmd_quit    },
    {STR_LIT("STARTTLS"), OF_ALL,  AFTER_HELO | NO_MAIL | NO_USER,        NONE,  cmd_starttls},
    {STR_LIT("AUTH"),     OF_ALL,  AFTER_HELO | NO_MAIL | NO_USER | JUNK, ONE,   cmd_auth    },
    {STR_LIT("SEND"),     OF_ALL,  0,                                     MAYBE, cmd_refused },
    {STR_LIT("SOML"),     OF_ALL,  0,                                     MAYBE, cmd_refused },
    {STR_LIT("SAML"),     OF_ALL,  0,                                     MAYBE, cmd_refused },
    {STR_LIT("TURN"),     OF_ALL,  0,                                     MAYBE, cmd_refused },
    {STR_LIT("XCLIENT"),  OF_ALL,  0,                                     MAYBE, cmd_refused },
    {STR_LIT("XFORWARD"), OF_ALL,  0,                                     MAYBE, cmd_refused },
    {STR_LIT("PROXY"),    OF_ALL,  0,                                     MAYBE, cmd_proxy   },
    {STR_LIT("GET"),      OF_ALL,  0,                                     MAYBE, cmd_http    },
    {STR_LIT("HEAD"),     OF_ALL,  0,                                     MAYBE, cmd_http    },
    {STR_LIT("POST"),     OF_ALL,  0,                                     MAYBE, cmd_http    },
    {STR_LIT("PUT"),      OF_ALL,  0,                                     MAYBE, cmd_http    },
    {STR_LIT("OPTIONS"),  OF_ALL,  0,                                     MAYBE, cmd_http    },
    {STR_LIT("CONNECT"),  OF_ALL,  0,                                     MAYBE, cmd_http    },
};

static const struct row *find_row(enum smtp_kind kind, struct str name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if ((rows[i].kinds & 1u << kind) && str_eq_nocase(rows[i].name, name))
            return &rows[i];
    return NULL;
}

/* What of `when` does not hold, as a reply; code 0 where all is well. */
static struct smtp_reply out_of_order(const struct smtp_server *s, unsigned when)
{
    if ((when & AFTER_HELO) && s->helo.n == 0)
        return s->config->kind == SMTP_LMTP ? SMTP_REPLY(503, "5.5.1", "say LHLO first")
                                            : SMTP_REPLY(503, "5.5.1", "say EHLO first");
    if ((when & AFTER_MAIL) && !s->mail)
        return SMTP_REPLY(503, "5.5.1", "say MAIL first");
    if ((when & AFTER_RCPT) && s->nrcpts == 0)
        return SMTP_REPLY(503, "5.5.1", "no recipient was accepted");
    if ((when & NO_MAIL) && s->mail)
        return SMTP_REPLY(503, "5.5.1", "not inside a mail transaction");
    if ((when & NO_USER) && s->user.n)
        return SMTP_REPLY(503, "5.5.1", "you have logged in already");
    return (struct smtp_reply){0};
}

/* command = keyword [ SP argument ]        RFC 5321 4.1.1 */
void smtp_command_run(struct smtp_server *s, struct str line)
{
    struct str name = STR("");
    const struct row *row;
    struct smtp_reply why;

    scan_until(&line, ' ', &name);
    line = str_trim(line);
    row = find_row(s->config->kind, name);
    if (!row) {
        smtp_refuse(s, SMTP_REPLY(500, "5.5.1", "command not known"));
        return;
    }
    if ((row->when & JUNK) && ++s->junk > s->junk_max) {
        smtp_bye(s, SMTP_REPLY(421, "4.7.0", "too many commands without a letter"));
        return;
    }
    why = out_of_order(s, row->when);
    if (why.code && (row->when & AFTER_MAIL) && s->forgiven > 0) {
        s->forgiven--;
        smtp_say(s, why);
    } else if (why.code)
        smtp_refuse(s, why);
    else if (line.n ? row->argument == NONE : row->argument == ONE)
        smtp_refuse(s, SMTP_REPLY(501, "5.5.4", "wrong number of arguments"));
    else
        row->run(s, line);
}
