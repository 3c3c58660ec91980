/*
 * The input is what a server says: pieces between zero octets, each said after the client has
 * been heard out. The first octet chooses the kind of session.
 *
 * Properties: how the network cuts a piece does not matter; memory stays within the limits; a
 * recipient is answered with a reply that is a reply; nothing the client says holds a bare CR
 * or LF or a NUL; what it says on its own ends in CRLF.
 */
#include "smtp/client.h"

#include "wire/line.h"

#include <stdlib.h>

enum { RCPTS = 3, STEPS_MAX = 200 };

struct world {
    struct smtp_client *c;
    struct smtp_transaction tx;
    struct smtp_client_rcpt rcpts[RCPTS];
    int begun;
    bool xspool;
    struct buf log;
};

static void check_reply(struct smtp_reply r)
{
    if (r.code < 200 || r.code > 599 || memchr(r.text.p, '\n', r.text.n) ||
        memchr(r.text.p, '\0', r.text.n) ||
        (r.enhanced.n && r.enhanced.p[0] - '0' != r.code / 100))
        abort();
}

static void note_results(struct world *w)
{
    for (size_t i = 0; i < RCPTS; i++) {
        const struct smtp_client_rcpt *r = &w->rcpts[i];

        buf_addf(&w->log, "[%d", (int)r->phase);
        if (r->phase == SMTP_PHASE_ANSWERED) {
            check_reply(r->reply);
            buf_addf(&w->log, " %d %.*s %.*s", r->reply.code, STR_ARGS(r->reply.enhanced),
                     STR_ARGS(r->reply.text));
        }
        buf_addf(&w->log, "]\n");
    }
}

static void begin(struct world *w)
{
    static const struct str paths[RCPTS] = {STR_LIT("a@d"), STR_LIT("\"b c\"@d"),
                                            STR_LIT("c\n@d")};

    w->tx = (struct smtp_transaction){.mail.reverse_path = STR("s@d"),
                                      .rcpts = w->rcpts,
                                      .nrcpts = RCPTS,
                                      .xspool = w->xspool,
                                      .size = 100,
                                      .wire_size = 110,
                                      .flags = STR("via=msa")};
    memset(w->tx.id.text, '0', ID_LETTERS);
    for (size_t i = 0; i < RCPTS; i++)
        w->rcpts[i] = (struct smtp_client_rcpt){
            .rcpt = {paths[i], STR("rfc822;x+y@d"), 1U << i}
        };
    w->begun++;
    smtp_client_begin(w->c, &w->tx);
}

static void log_in(struct smtp_client *c)
{
    struct str challenge, m = smtp_client_mechanisms(c);

    if (smtp_client_challenge(c, &challenge))
        smtp_client_auth_answer(c, str_first(challenge, 100));
    else
        smtp_client_auth_begin(c, str_first(m, str_find(m, ' ')), true, STR("user"));
}

/* True while the session wants bytes. */
static bool turn(struct world *w)
{
    for (;;) {
        enum smtp_client_want want = smtp_client_next(w->c);

        buf_addf(&w->log, "want %d\n", (int)want);
        switch (want) {
        case SMTP_CLIENT_INPUT:
            return true;
        case SMTP_CLIENT_STARTTLS:
            if (smtp_client_output(w->c).n)
                return true;
            smtp_client_tls_started(w->c);
            break;
        case SMTP_CLIENT_LOGIN:
            log_in(w->c);
            break;
        case SMTP_CLIENT_READY:
            if (w->begun < 3)
                begin(w);
            else
                smtp_client_quit(w->c);
            break;
        case SMTP_CLIENT_BODY:
            smtp_client_body(w->c, STR(".a\n\r.b\n"), false);
            smtp_client_body(w->c, STR("\n.\nc"), true);
            break;
        case SMTP_CLIENT_DONE:
            note_results(w);
            break;
        case SMTP_CLIENT_CLOSE:
            if (smtp_client_error(w->c).code)
                check_reply(smtp_client_error(w->c));
            return false;
        }
    }
}

/* Takes what the client says: lines with CRLF, and nothing else. */
static void hear(struct world *w)
{
    struct str out = smtp_client_output(w->c), line;

    if (out.n > SMTP_OUTPUT_BYTES)
        abort();
    buf_add(&w->log, out);
    for (struct str rest = out; rest.n;)
        if (line_take(&rest, SMTP_COMMAND_BYTES, NULL, &line) != LINE_OK)
            abort();
    smtp_client_sent(w->c, out.n);
}

static void play(unsigned kind, struct str in, size_t step, struct buf *log)
{
    static const bool yes = true;
    struct smtp_client_config config = {.lmtp = kind & 1,
                                        .login = kind & 64,
                                        .transcript = kind & 32 ? &yes : NULL,
                                        .hostname = STR("me"),
                                        .starttls = kind & 2,
                                        .starttls_needed = (kind & 6) == 6};
    struct world w = {.c = smtp_client_new(&config), .xspool = kind & 8};

    buf_init(&w.log, 16 << 20);
    if (kind & 16)
        begin(&w);
    for (int i = 0; i < STEPS_MAX && turn(&w); i++) {
        struct str piece = str_first(in, str_find(in, '\0'));

        hear(&w);
        if (in.n == 0)
            break;
        in = str_skip(in, piece.n < in.n ? piece.n + 1 : piece.n);
        for (; piece.n; piece = str_skip(piece, str_first(piece, step).n))
            smtp_client_feed(w.c, str_first(piece, step));
    }
    if (w.begun)
        note_results(&w);
    buf_addf(&w.log, "%d %.*s", smtp_client_error(w.c).code,
             STR_ARGS(smtp_client_error(w.c).text));
    smtp_client_free(w.c);
    *log = w.log;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole, bytes;
    struct str in;

    if (size == 0)
        return 0;
    in = str_first((struct str){(const char *)data + 1, size - 1}, 60000);
    play(data[0], in, SIZE_MAX, &whole);
    play(data[0], in, 1, &bytes);
    if (!str_eq(buf_str(&whole), buf_str(&bytes)))
        abort();
    buf_done(&whole);
    buf_done(&bytes);
    return 0;
}
