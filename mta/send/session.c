/*
 * session - one LMTP connection to posta-mta-send: the queue's.
 *
 *   MAIL ── RCPT*, 250 "noted" ── XSPOOL ─▶ delivery ─▶ a result each (smtp/result.h)
 *
 * One transaction is one destination: recipients of one domain. While its delivery is under way
 * the session waits. When the queue goes away meanwhile, a delivery whose letter has been said
 * whole goes on to its end; any other is given up. One that comes back and hands the same
 * letter over takes up what is still under way.
 */
#include "mta/send/delivery.h"
#include "net/conn.h"
#include "sys/log.h"

#include <stdlib.h>
#include <unistd.h>

enum { REFUSAL_BYTES = 100, NAME_BYTES = 32 };

struct session {
    struct send *send;
    struct send_terms *terms;
    struct conn *conn;
    struct smtp_server *smtp;
    bool trusted;
    char refusal[REFUSAL_BYTES];
    struct arena arena; /* of the transaction */
    struct smtp_rcpt rcpts[DELIVERY_RCPTS];
    size_t n;
    struct delivery *delivery;
    unsigned number;
};

static void begin(struct session *s)
{
    arena_reset(&s->arena);
    s->n = 0;
    if (s->trusted)
        smtp_answer(s->smtp, SMTP_REPLY(250, "2.1.0", "Ok"));
    else
        smtp_answer(s->smtp, (struct smtp_reply){550, STR("5.7.1"), str_c(s->refusal)});
}

static struct str domain_of(struct str address)
{
    size_t at = address.n;

    while (at && address.p[at - 1] != '@')
        at--;
    return at ? str_skip(address, at) : STR("");
}

static void rcpt(struct session *s, const struct smtp_request *req)
{
    struct str domain = domain_of(req->rcpt.forward_path);

    if (domain.n == 0) {
        smtp_answer(s->smtp, SMTP_REPLY(550, "5.1.3", "An address without a domain"));
    } else if (s->n == DELIVERY_RCPTS) {
        smtp_answer(s->smtp, SMTP_REPLY(452, "4.5.3", "Too many recipients"));
    } else if (s->n && !str_eq_nocase(domain, domain_of(s->rcpts[0].forward_path))) {
        smtp_answer(s->smtp, SMTP_REPLY(451, "4.5.3", "One transaction is one destination"));
    } else {
        s->rcpts[s->n++] =
            (struct smtp_rcpt){arena_dup(&s->arena, req->rcpt.forward_path),
                               arena_dup(&s->arena, req->rcpt.orcpt), req->rcpt.notify};
        smtp_answer(s->smtp, SMTP_REPLY(250, "2.1.5", "noted"));
    }
}

/* ---- the delivery ---- */

static void answer(struct session *s, const struct result *results)
{
    struct smtp_reply *replies = ARENA_ARRAY(&s->arena, struct smtp_reply, s->n);

    for (size_t i = 0; i < s->n; i++)
        replies[i] = result_print(&results[i], &s->arena);
    smtp_answer_each(s->smtp, replies, s->n);
}

/* The peer may have gone: the session is held until now. */
static void delivered(void *arg, struct delivery *d)
{
    struct session *s = arg;
    struct conn *c = s->conn;

    answer(s, delivery_results(d));
    s->delivery = NULL;
    delivery_free(d);
    conn_wake(c);
    conn_release(c);
}

/* Another session has it now: whoever this one belonged to has gone. */
static void taken_over(void *arg)
{
    struct session *s = arg;

    s->delivery = NULL;
    conn_abort(s->conn);
    conn_release(s->conn);
}

static void refuse_all(struct session *s, struct smtp_reply r)
{
    struct smtp_reply *replies = ARENA_ARRAY(&s->arena, struct smtp_reply, s->n);
    struct result all = {.reply = r};

    for (size_t i = 0; i < s->n; i++)
        replies[i] = result_print(&all, &s->arena);
    smtp_answer_each(s->smtp, replies, s->n);
}

/* True when the answer will come later. */
static bool deliver(struct session *s, const struct smtp_request *req)
{
    struct delivery_order o = {
        .id = req->xspool.id,
        .size = req->xspool.size,
        .flags = req->xspool.flags,
        .mail = req->mail,
        .rcpts = s->rcpts,
        .n = s->n,
        .done = delivered,
        .gone = taken_over,
        .arg = s,
    };
    bool differs;

    s->delivery = delivery_adopt(s->send, &o, &differs);
    if (differs) {
        refuse_all(s, SMTP_REPLY(451, "4.3.0", "an earlier delivery of this letter goes on"));
        return false;
    }
    if (!s->delivery)
        s->delivery = delivery_new(s->send, &o);
    conn_hold(s->conn);
    return true;
}

/* Its end was not said: nobody can have taken the letter, and the queue tries again. */
static void give_up(struct session *s)
{
    if (!s->delivery || delivery_is_handed(s->delivery))
        return;
    delivery_free(s->delivery);
    s->delivery = NULL;
    conn_release(s->conn);
}

/* ---- what conn asks ---- */

void *send_session_make(void *arg, struct conn *c)
{
    struct send *send = arg;
    struct session *s = calloc(1, sizeof(*s));
    uid_t uid = (uid_t)-1;
    pid_t pid;

    if (!s)
        abort();
    s->send = send;
    s->conn = c;
    s->terms = send_terms_hold(send->terms);
    arena_init(&s->arena);
    s->trusted = conn_peer_cred(c, &uid, &pid) && (uid == send->queue_uid || uid == geteuid());
    if (!s->trusted) {
        snprintf(s->refusal, sizeof(s->refusal), "uid %u may not send from here",
                 (unsigned)uid);
        log_event(LOG_WARN, NULL, "stranger", "uid %u on send.sock may not send",
                  (unsigned)uid);
    }
    s->smtp = smtp_server_new(s->trusted ? &s->terms->trusted : &s->terms->stranger, false);
    send->sessions++;
    s->number = ++send->sessions_ever;
    if (!s->trusted)
        conn_deadline(c, s->terms->command_ms);
    return s;
}

static void session_free(void *p)
{
    struct session *s = p;
    struct send *send = s->send;

    delivery_free(s->delivery);
    arena_done(&s->arena);
    smtp_server_free(s->smtp);
    send_terms_release(s->terms);
    free(s);
    send->sessions--;
    send_drained(send);
}

static void session_feed(void *p, struct str in)
{
    smtp_server_feed(((struct session *)p)->smtp, in);
}

static void write_down(const struct session *s, char direction, struct str lines)
{
    char name[NAME_BYTES];

    if (!*log_dialogues())
        return;
    snprintf(name, sizeof(name), "send-queue-%u", s->number);
    log_dialogue(name, direction, lines);
}

static enum turn session_turn(void *p, struct conn *c)
{
    struct session *s = p;
    const struct smtp_request *req;

    (void)c;
    if (s->delivery)
        return TURN_BUSY;
    if (s->send->draining && smtp_server_idle(s->smtp))
        smtp_server_end(s->smtp, SMTP_REPLY(421, "4.3.2", "posta-mta-send is going down"));
    for (;;) {
        enum smtp_want want = smtp_server_next(s->smtp, &req);

        write_down(s, '<', smtp_server_heard(s->smtp));
        switch (want) {
        case SMTP_WANT_INPUT:
            return TURN_READ;
        case SMTP_WANT_MAIL:
            begin(s);
            break;
        case SMTP_WANT_RCPT:
            rcpt(s, req);
            break;
        case SMTP_WANT_VRFY:
            smtp_answer(s->smtp, SMTP_REPLY(252, "2.5.2", "Try RCPT"));
            break;
        case SMTP_WANT_LETTER:
            smtp_answer(s->smtp, SMTP_REPLY(554, "5.5.1", "Letters come by XSPOOL alone"));
            break;
        case SMTP_WANT_ABORT:
            smtp_answer_abort(s->smtp);
            break;
        case SMTP_WANT_XSPOOL:
            if (deliver(s, req))
                return TURN_BUSY;
            break;
        case SMTP_WANT_BODY: /* without a letter none of these comes; the others are not offered
                              */
        case SMTP_WANT_COMMIT:
        case SMTP_WANT_STARTTLS:
        case SMTP_WANT_AUTH:
        case SMTP_WANT_CLOSE:
            return TURN_CLOSE;
        }
    }
}

static struct str session_output(const void *p)
{
    return smtp_server_output(((const struct session *)p)->smtp);
}

static void session_sent(void *p, size_t n)
{
    struct session *s = p;

    write_down(s, '>', str_first(smtp_server_output(s->smtp), n));
    smtp_server_sent(s->smtp, n);
}

static void session_expired(void *p, struct conn *c)
{
    struct session *s = p;

    (void)c;
    smtp_server_end(s->smtp, SMTP_REPLY(421, "4.4.2", "This took too long"));
}

static void session_closed(void *p, struct conn *c)
{
    (void)c;
    give_up(p);
}

/* What no server has been told the end of is not begun anew by us: the queue does, when we are
 * back. */
void send_session_farewell(void *arg, struct conn *c, void *session)
{
    struct session *s = session;

    (void)arg;
    if (s->delivery && !delivery_is_handed(s->delivery)) {
        give_up(s);
        conn_abort(c);
        return;
    }
    conn_wake(c);
}

const struct conn_protocol send_protocol = {
    .feed = session_feed,
    .turn = session_turn,
    .output = session_output,
    .sent = session_sent,
    .expired = session_expired,
    .closed = session_closed,
    .free = session_free,
};
