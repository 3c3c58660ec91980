/*
 * smtp_script - a server for a client session, as lines of a dialogue: "S: " is what it says,
 * in one piece for lines that follow each other, "C: " what it must have heard before. Lines
 * are joined by CRLF; "\\" at the end of an S line leaves its CRLF out.
 */
#ifndef POSTA_TEST_SMTP_SCRIPT_H
#define POSTA_TEST_SMTP_SCRIPT_H

#include "base/buf.h"
#include "smtp/client.h"

enum { SCRIPT_RCPTS = 8, SCRIPT_TRANSACTIONS = 3 };

struct script {
    const char *lines;
    const char *want; /* how it ends: see script_results() */
    struct smtp_client_config config;
    const char *rcpts;      /* letters, one a recipient: "ab" is a@d and b@d */
    int transactions;       /* 1 where it says 0                             */
    struct smtp_mail mail;  /* "s@d" where it says nothing                   */
    struct str body, flags; /* "" sends "hi\n"                               */
    bool xspool, long_login;
    uint64_t wire_size;
};

/* The block of lines that begin with `who`, joined; *at moves behind it. */
static inline void script_block(const char **at, char who, struct buf *out)
{
    while ((*at)[0] == who && (*at)[1] == ':') {
        const char *line = *at + 3, *end = strchr(line, '\n');
        size_t n = end ? (size_t)(end - line) : strlen(line);
        bool cut = n && line[n - 1] == '\\';

        buf_add(out, (struct str){line, cut ? n - 1 : n});
        if (!cut)
            buf_add(out, STR("\r\n"));
        *at = end ? end + 1 : line + n;
    }
}

struct script_run {
    const struct script *script;
    struct smtp_client *c;
    struct smtp_transaction tx;
    struct smtp_client_rcpt rcpts[SCRIPT_RCPTS];
    char addresses[SCRIPT_RCPTS][4];
    int begun;
    struct buf log;
};

/* "a 250 2.1.5 text; b handed; c start; " */
static inline void script_results(struct script_run *r)
{
    static const char *const phases[] = {"start", "handed"};

    for (size_t i = 0; i < r->tx.nrcpts; i++) {
        const struct smtp_client_rcpt *p = &r->rcpts[i];

        if (p->phase != SMTP_PHASE_ANSWERED)
            buf_addf(&r->log, "%c %s; ", r->addresses[i][0], phases[p->phase]);
        else
            buf_addf(&r->log, "%c %d %.*s|%.*s; ", r->addresses[i][0], p->reply.code,
                     STR_ARGS(p->reply.enhanced), STR_ARGS(p->reply.text));
    }
}

static inline void script_prepare(struct script_run *r)
{
    const struct script *s = r->script;
    static const uint8_t zeros[8];
    size_t n = strlen(s->rcpts);

    r->tx = (struct smtp_transaction){.mail = s->mail,
                                      .rcpts = r->rcpts,
                                      .nrcpts = n,
                                      .xspool = s->xspool,
                                      .size = 5,
                                      .flags = s->flags,
                                      .wire_size = s->wire_size};
    if (r->tx.mail.reverse_path.n == 0)
        r->tx.mail.reverse_path = STR("s@d");
    id_make(&r->tx.id, 1795384217000, zeros);
    for (size_t i = 0; i < n; i++) {
        memcpy(r->addresses[i], "x@d", 4);
        r->addresses[i][0] = s->rcpts[i];
        r->rcpts[i] = (struct smtp_client_rcpt){
            .rcpt.forward_path = {r->addresses[i], 3}
        };
    }
}

static inline void script_begin(struct script_run *r)
{
    script_prepare(r);
    r->begun++;
    smtp_client_begin(r->c, &r->tx);
}

/* The first mechanism with "user" as its first response (a long one where `long_login`), "more"
 * as each further one. A server that offers none that begins with P or L is not talked to. */
static inline void script_login(struct script_run *r)
{
    static char many[400];
    struct str m = smtp_client_mechanisms(r->c), challenge;

    memset(many, 'u', sizeof(many));
    if (smtp_client_challenge(r->c, &challenge)) {
        buf_addf(&r->log, "asked %.*s; ", STR_ARGS(challenge));
        smtp_client_auth_answer(r->c, STR("more"));
        return;
    }
    m = str_first(m, str_find(m, ' '));
    if (str_starts(m, STR("P")))
        smtp_client_auth_begin(r->c, m, true,
                               r->script->long_login ? (struct str){many, sizeof(many)}
                                                     : STR("user"));
    else if (str_starts(m, STR("L")))
        smtp_client_auth_begin(r->c, m, false, STR(""));
    else if (str_starts(m, STR("E")))
        smtp_client_auth_begin(r->c, m, true, STR(""));
    else
        smtp_client_auth_cancel(r->c, "no mechanism");
}

/* What the program does until the session wants bytes (true) or has ended. */
static inline bool script_turn(struct script_run *r)
{
    const struct script *s = r->script;

    for (;;) {
        switch (smtp_client_next(r->c)) {
        case SMTP_CLIENT_INPUT:
            return true;
        case SMTP_CLIENT_STARTTLS:
            if (smtp_client_output(r->c).n)
                return true;
            buf_addf(&r->log, "tls; ");
            smtp_client_tls_started(r->c);
            break;
        case SMTP_CLIENT_LOGIN:
            script_login(r);
            break;
        case SMTP_CLIENT_READY:
            if (r->begun < (s->transactions ? s->transactions : 1))
                script_begin(r);
            else
                smtp_client_quit(r->c);
            break;
        case SMTP_CLIENT_BODY:
            smtp_client_body(r->c, s->body.n ? s->body : STR("hi\n"), true);
            break;
        case SMTP_CLIENT_DONE:
            script_results(r);
            buf_addf(&r->log, "done; ");
            r->tx.nrcpts = 0;
            break;
        case SMTP_CLIENT_CLOSE:
            script_results(r);
            buf_addf(&r->log, "closed %d %.*s", smtp_client_error(r->c).code,
                     STR_ARGS(smtp_client_error(r->c).enhanced));
            return false;
        }
    }
}

/* Plays all of it, in pieces of `step` bytes. What the client said that was not expected goes
 * into the log, as does the end. */
static inline void script_play(struct script_run *r, const struct script *s, size_t step,
                               bool early)
{
    const char *at = s->lines;
    struct buf heard, said;

    *r = (struct script_run){.script = s, .c = smtp_client_new(&s->config)};
    buf_init(&r->log, 1 << 20);
    buf_init(&heard, 1 << 20);
    buf_init(&said, 1 << 20);
    script_prepare(r);
    if (early)
        script_begin(r);
    while (script_turn(r)) {
        struct str out = smtp_client_output(r->c);

        buf_clear(&heard);
        buf_clear(&said);
        script_block(&at, 'C', &heard);
        if (!str_eq(out, buf_str(&heard)))
            buf_addf(&r->log, "[said %.*s] ", STR_ARGS(out));
        smtp_client_sent(r->c, out.n);
        script_block(&at, 'S', &said);
        if (said.n == 0) {
            script_results(r);
            buf_addf(&r->log, "gone");
            break;
        }
        for (struct str in = buf_str(&said); in.n; in = str_skip(in, str_first(in, step).n))
            smtp_client_feed(r->c, str_first(in, step));
    }
    if (*at)
        buf_addf(&r->log, " [left %s]", at);
    buf_done(&heard);
    buf_done(&said);
}

static inline void script_done(struct script_run *r)
{
    smtp_client_free(r->c);
    buf_done(&r->log);
}

#endif
