/*
 * One session: what smtp/server.h asks is answered from the users' snapshot, from the spool, by
 * authd and by the queue.
 */
#include "intake/inside.h"
#include "sys/log.h"

#include <stdlib.h>

void *guest_make(void *arg, struct conn *c)
{
    const struct door *door = arg;
    struct intake *in = door->intake;
    struct guest *g = calloc(1, sizeof(*g));

    if (!g)
        abort();
    g->in = in;
    g->conn = c;
    g->settings = settings_ref(in->settings);
    g->progress = true;
    g->relay = in->spec->relays && in->spec->relays(in->program->config, conn_peer_address(c));
    g->smtp = smtp_server_new(&g->settings->smtp, door->tls_first);
    if (door->tls_first)
        conn_deadline(c, g->settings->limits.handshake_seconds * UINT64_C(1000));
    naming_begin(g);
    in->open++;
    in->counts.sessions++;
    log_event(LOG_DEBUG, NULL, "connected", "%s port %d", conn_peer_address(c),
              conn_peer_port(c));
    return g;
}

static void guest_free(void *session)
{
    struct guest *g = session;
    struct intake *in = g->in;

    login_done(g);
    naming_done(g);
    incoming_drop(g);
    smtp_server_free(g->smtp);
    settings_unref(g->settings);
    free(g);
    in->open--;
    if (in->draining && in->open == 0)
        program_drained(in->program);
}

void guest_ready(struct guest *g)
{
    g->waiting = false;
    g->progress = true;
    conn_wake(g->conn);
}

void guest_end(struct guest *g, struct smtp_reply r)
{
    login_done(g);
    naming_done(g);
    smtp_server_end(g->smtp, r);
}

struct str guest_tls(const struct guest *g)
{
    const struct tls_info *tls = conn_tls(g->conn);

    return tls ? str_c(tls->version) : STR("");
}

/* ---- the transcript ------------------------------------------------------ */

static void log_lines(const struct guest *g, char direction, struct str text)
{
    char name[32];

    snprintf(name, sizeof(name), "%p", (const void *)g);
    log_dialogue(name, direction, text);
}

/* ---- answers ------------------------------------------------------------- */

static void log_refused(struct guest *g, const char *what, struct str address,
                        struct smtp_reply r)
{
    log_event(LOG_INFO, NULL, what, "<%.*s> from peer=%s helo=%.*s user=%.*s: %d %.*s %.*s",
              STR_ARGS(address), conn_peer_address(g->conn),
              STR_ARGS(smtp_server_helo(g->smtp)), STR_ARGS(smtp_server_user(g->smtp)), r.code,
              STR_ARGS(r.enhanced), STR_ARGS(r.text));
}

/* The disk's floor (X04): 452 before the letter comes. */
static struct smtp_reply judge_room(struct guest *g, uint64_t size)
{
    const struct config_limits *limits = &g->settings->limits;
    struct err err;
    int r = spool_room(g->in->spool, limits->free_bytes + size, limits->free_inodes,
                       loop_now_ms(conn_loop(g->conn)), &err);

    if (r == 0)
        return (struct smtp_reply){0};
    log_event(LOG_ERROR, NULL, "no-room", "%s", err.text);
    return r == E_NO_SPACE ? SMTP_REPLY(452, "4.3.1", "no room for letters; try again later")
                           : SMTP_REPLY(451, "4.3.0", "the spool is away; try again later");
}

static void answer_mail(struct guest *g, const struct smtp_mail *m)
{
    struct intake_sender s = {smtp_server_user(g->smtp), m->reverse_path, false};
    struct smtp_reply r = judge_room(g, m->size);

    users_refresh(g->in->users, loop_now_ms(conn_loop(g->conn)));
    if (r.code == 0) {
        s.own = s.user.n && (g->settings->any_sender ||
                             users_may_send_as(g->in->users, s.user, s.reverse_path));
        r = g->in->spec->sender(&s);
    }
    if (smtp_reply_class(r) == 2 && naming_wait(g, m, r)) {
        g->waiting = true;
        return;
    }
    if (smtp_reply_class(r) != 2)
        log_refused(g, "sender-refused", m->reverse_path, r);
    smtp_answer(g->smtp, r);
}

static void answer_rcpt(struct guest *g, const struct smtp_rcpt *rcpt)
{
    struct intake_recipient who = {.user = smtp_server_user(g->smtp), .relay = g->relay};
    struct user user;
    struct smtp_reply r;

    arena_reset(&g->in->scratch);
    who.kind = users_find(g->in->users, rcpt->forward_path, &g->in->scratch, &user);
    r = g->in->spec->recipient(&who);
    if (smtp_reply_class(r) != 2) {
        g->in->counts.recipients_refused++;
        log_refused(g, "recipient-refused", rcpt->forward_path, r);
    }
    smtp_answer(g->smtp, r);
}

static void answer_body(struct guest *g, struct str body)
{
    incoming_add(g, body);
    smtp_answer_body(g->smtp);
    if (incoming_too_slow(g)) {
        log_event(LOG_INFO, NULL, "too-slow", "peer=%s sends a letter too slowly",
                  conn_peer_address(g->conn));
        guest_end(g, SMTP_REPLY(421, "4.4.2", "too slow"));
    }
}

static void answer_abort(struct guest *g)
{
    log_event(LOG_WARN, NULL, "letter-refused",
              "peer=%s helo=%.*s: too large, or bytes that no letter may have",
              conn_peer_address(g->conn), STR_ARGS(smtp_server_helo(g->smtp)));
    g->in->counts.letters_refused++;
    incoming_drop(g);
    smtp_answer_abort(g->smtp);
}

/* One thing that the session asked. */
static void answer(struct guest *g, enum smtp_want want, const struct smtp_request *req)
{
    switch (want) {
    case SMTP_WANT_AUTH:
        login_step(g, req);
        break;
    case SMTP_WANT_MAIL:
        answer_mail(g, &req->mail);
        break;
    case SMTP_WANT_RCPT:
        answer_rcpt(g, &req->rcpt);
        break;
    case SMTP_WANT_VRFY:
        smtp_answer(g->smtp, SMTP_REPLY(252, "2.0.0", "send a letter and see"));
        break;
    case SMTP_WANT_LETTER:
        incoming_begin(g, req);
        smtp_answer(g->smtp, SMTP_REPLY(354, "", "End data with <CR><LF>.<CR><LF>"));
        break;
    case SMTP_WANT_BODY:
        answer_body(g, req->body);
        break;
    case SMTP_WANT_COMMIT:
        g->waiting = incoming_commit(g, req);
        break;
    case SMTP_WANT_ABORT:
        answer_abort(g);
        break;
    case SMTP_WANT_XSPOOL: /* not offered */
    case SMTP_WANT_STARTTLS:
    case SMTP_WANT_INPUT:
    case SMTP_WANT_CLOSE:
        break;
    }
}

/* ---- for conn ------------------------------------------------------------ */

/* The whole command has its time, not each byte of it (C11). */
static void set_deadline(struct guest *g)
{
    const struct config_limits *limits = &g->settings->limits;
    uint64_t seconds =
        smtp_server_in_data(g->smtp) ? limits->data_seconds : limits->command_seconds;

    if (g->progress || smtp_server_output(g->smtp).n)
        conn_deadline(g->conn, seconds * 1000);
    g->progress = false;
}

static enum turn guest_turn(void *session, struct conn *c)
{
    struct guest *g = session;
    const struct smtp_request *req;

    g->begun = true;
    while (!g->waiting) {
        enum smtp_want want = smtp_server_next(g->smtp, &req);

        if (*log_dialogues())
            log_lines(g, '<', smtp_server_heard(g->smtp));
        if (want == SMTP_WANT_CLOSE)
            return TURN_CLOSE;
        if (want == SMTP_WANT_STARTTLS) {
            conn_deadline(c, g->settings->limits.handshake_seconds * UINT64_C(1000));
            return TURN_STARTTLS;
        }
        if (want == SMTP_WANT_INPUT && g->in->draining && smtp_server_idle(g->smtp)) {
            guest_end(g, SMTP_REPLY(421, "4.3.2", "going down; come again"));
        } else if (want == SMTP_WANT_INPUT) {
            set_deadline(g);
            return TURN_READ;
        } else {
            g->progress = true;
            answer(g, want, req);
        }
    }
    return TURN_BUSY;
}

static void guest_feed(void *session, struct str in)
{
    struct guest *g = session;

    if (!g->begun &&
        !smtp_server_tls(g->smtp)) { /* nobody who speaks SMTP begins before 220 (C12) */
        log_event(LOG_INFO, NULL, "early-talker", "peer=%s spoke before it was greeted",
                  conn_peer_address(g->conn));
        guest_end(g, SMTP_REPLY(521, "5.5.1", "wait for the greeting"));
        return;
    }
    smtp_server_feed(g->smtp, in);
}

static struct str guest_output(const void *session)
{
    const struct guest *g = session;

    return smtp_server_output(g->smtp);
}

static void guest_sent(void *session, size_t n)
{
    struct guest *g = session;

    if (*log_dialogues())
        log_lines(g, '>', str_first(smtp_server_output(g->smtp), n));
    smtp_server_sent(g->smtp, n);
}

static void guest_tls_started(void *session, struct conn *c)
{
    struct guest *g = session;

    (void)c;
    smtp_server_tls_started(g->smtp);
    g->progress = true;
}

static void guest_expired(void *session, struct conn *c)
{
    struct guest *g = session;

    log_event(LOG_INFO, NULL, "timed-out", "peer=%s helo=%.*s%s", conn_peer_address(c),
              STR_ARGS(smtp_server_helo(g->smtp)),
              g->letter && g->waiting ? ": the queue gave no answer" : "");
    guest_end(g, SMTP_REPLY(421, "4.4.2", "too slow; goodbye"));
    g->waiting = false;
}

static void guest_closed(void *session, struct conn *c)
{
    struct guest *g = session;

    log_event(g->letter ? LOG_INFO : LOG_DEBUG, NULL, "lost", "peer=%s helo=%.*s%s: %s",
              conn_peer_address(c), STR_ARGS(smtp_server_helo(g->smtp)),
              g->letter ? " in a letter" : "",
              conn_error(c) ? strerrordesc_np(-conn_error(c)) : "hung up");
    naming_done(g);
    login_done(g);
}

const struct conn_protocol guest_protocol = {
    .feed = guest_feed,
    .turn = guest_turn,
    .output = guest_output,
    .sent = guest_sent,
    .tls_started = guest_tls_started,
    .expired = guest_expired,
    .closed = guest_closed,
    .free = guest_free,
};
