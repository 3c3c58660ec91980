#include "mta/queue/intake.h"

#include "mail/date.h"
#include "mail/header.h"
#include "mail/trace.h"
#include "mta/queue/recipients.h"
#include "mta/queue/report.h"
#include "mta/queue/tell.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

enum { TOP_BYTES = 4096 };

struct intake {
    struct service *service;
    struct conn *conn;
    struct settings *settings;
    struct smtp_server *smtp;
    uid_t uid;
    unsigned number; /* of the session, in transcripts */
    bool trusted;
    bool waiting; /* for a job or the journal */
    bool ending;
    struct recipients recipients;
    bool partial;          /* somebody was refused */
    struct smtp_mail mail; /* of the transaction; strings are the session's, until it is over */
    struct letter *letter; /* by DATA */
    struct id id;
    struct service_job writing;
    struct err err;
    int written;
    struct journal_take take;
};

static void *must_alloc(void *p)
{
    if (!p)
        abort();
    return p;
}

/* ---- life ---- */

static bool is_trusted(const struct service *s, uid_t uid)
{
    for (size_t i = 0; i < s->ntrusted; i++)
        if (s->trusted[i] == uid)
            return true;
    return false;
}

static void *intake_make(void *arg, struct conn *c)
{
    struct intake *in = must_alloc(calloc(1, sizeof(*in)));
    pid_t pid;

    in->service = arg;
    in->conn = c;
    in->settings = in->service->settings;
    in->uid = (uid_t)-1;
    in->trusted = conn_peer_cred(c, &in->uid, &pid) && is_trusted(in->service, in->uid);
    in->smtp = smtp_server_new(&in->settings->smtp, false);
    recipients_init(&in->recipients, QUEUE_EXPANDED_RECIPIENTS);
    in->service->sessions++;
    in->number = ++in->service->sessions_ever;
    conn_deadline(c, (uint64_t)in->service->program->config->limits.command_seconds * 1000);
    return in;
}

static void intake_free(void *p)
{
    struct intake *in = p;
    struct service *s = in->service;

    letter_free(in->letter);
    smtp_server_free(in->smtp);
    recipients_done(&in->recipients);
    free(in);
    s->sessions--;
    service_drained(s);
}

/* ---- MAIL and RCPT ---- */

static struct smtp_reply welcome_mail(struct service *s)
{
    const struct config_limits *limits = &s->program->config->limits;
    struct err err;

    if (queue_count(s->queue) >= limits->queue_letters)
        return SMTP_REPLY(452, "4.3.1", "The queue is full, try again later");
    if (spool_room(s->spool, limits->free_bytes, limits->free_inodes, loop_now_ms(s->loop),
                   &err) < 0)
        return SMTP_REPLY(452, "4.3.1", "Insufficient system storage");
    return SMTP_REPLY(250, "2.1.0", "Ok");
}

static void begin_mail(struct intake *in, const struct smtp_mail *mail)
{
    recipients_reset(&in->recipients);
    in->partial = false;
    users_refresh(in->service->users, loop_now_ms(in->service->loop));
    in->mail = *mail;
    if (!in->trusted) /* RFC 4954 5: a name that anybody could write is none */
        in->mail.auth = STR("");
    smtp_answer(in->smtp, welcome_mail(in->service));
}

static void add_recipient(struct intake *in, const struct smtp_rcpt *rcpt)
{
    struct smtp_reply r = recipients_add(&in->recipients, in->service->users, rcpt);

    in->partial |= smtp_reply_class(r) != 2;
    smtp_answer(in->smtp, r);
}

/* ---- the letter is in spool/in: take it ---- */

static struct smtp_reply take_refusal(struct arena *a, const struct err *err)
{
    struct smtp_reply r =
        SMTP_REPLY(451, "4.3.0", "The letter cannot be kept now, try again later");

    if (err->code == E_NO_SPACE)
        return SMTP_REPLY(452, "4.3.1", "Insufficient system storage");
    if (err->code == E_NOT_FOUND || err->code == E_DENIED || err->code == E_EXISTS)
        r = (struct smtp_reply){554, STR("5.3.0"), arena_printf(a, "%s", err->text)};
    return r;
}

static void taken(struct journal_op *op)
{
    struct journal_take *t = LIST_OF(op, struct journal_take, op);
    struct intake *in = LIST_OF(t, struct intake, take);
    struct conn *c = in->conn;
    struct arena a;

    arena_init(&a);
    in->waiting = false;
    if (op->result < 0) {
        log_event(LOG_WARN, &t->letter->env.id, "refused", "%s", op->err.text);
        smtp_answer(in->smtp, take_refusal(&a, &op->err));
        queue_letter_free(t->letter);
        queue_letter_free(t->report);
    } else {
        struct str text = arena_printf(&a, "Ok: queued as %s", t->letter->env.id.text);

        smtp_answer(in->smtp, (struct smtp_reply){250, STR("2.0.0"), text});
        service_take(in->service, t->letter);
        if (t->report)
            service_take(in->service, t->report);
    }
    bounce_free(t->bounce);
    t->letter = t->report = NULL;
    t->bounce = NULL;
    arena_done(&a);
    conn_wake(c);
    conn_release(c); /* may free the session */
}

/* Who asked for it is told that an alias was expanded: with the letter's own commit. */
static void report_expanded(struct intake *in)
{
    struct journal_take *t = &in->take;

    if (in->recipients.nexpanded == 0 ||
        !bounce_wanted(t->letter, SMTP_NOTIFY_SUCCESS, DSN_EXPANDED) ||
        report_new(in->service, t->letter, DSN_EXPANDED, &t->bounce, &t->report) <= 0)
        return;
    for (size_t i = 0; i < in->recipients.nexpanded; i++) {
        const struct smtp_rcpt *asked = &in->recipients.expanded[i];
        struct dsn_rcpt r = {
            .original = asked->orcpt, .final = asked->forward_path, .action = DSN_EXPANDED};

        bounce_add(t->bounce, &r);
    }
}

static void take(struct intake *in, const struct id *id, uint64_t size, struct str flags,
                 uid_t uid)
{
    struct queue_envelope e = {
        .id = *id,
        .arrived_ms = clock_wall_ms(),
        .size = size,
        .mail = in->mail,
        .flags = flags,
    };

    assert(in->recipients.n > 0);
    in->take.op = (struct journal_op){.kind = JOURNAL_TAKE, .done = taken};
    in->take.letter = queue_letter_new(&e, in->recipients.to, in->recipients.n);
    in->take.uid = uid;
    report_expanded(in);
    in->waiting = true;
    conn_hold(in->conn);
    journal_submit(in->service->journal, &in->take.op, true);
}

/* The writer's client hears one reply for all its recipients. Where one is refused here it
 * comes again with all, so that none may have the letter by then. */
static void take_spooled(struct intake *in, const struct smtp_request *req)
{
    struct arena a;

    if (in->trusted && in->partial) {
        smtp_answer(in->smtp,
                    SMTP_REPLY(451, "4.3.0", "A letter is taken for all or for none"));
        return;
    }
    if (in->trusted && !queue_find(in->service->queue, &req->xspool.id)) {
        take(in, &req->xspool.id, req->xspool.size, req->xspool.flags, in->uid);
        return;
    }
    arena_init(&a);
    if (in->trusted)
        smtp_answer(in->smtp,
                    SMTP_REPLY(554, "5.3.0", "A letter of that name is here already"));
    else
        smtp_answer(in->smtp, (struct smtp_reply){550, STR("5.7.1"),
                                                  arena_printf(&a, "XSPOOL is not for uid %lld",
                                                               (long long)(int)in->uid)});
    arena_done(&a);
}

/* ---- DATA: the queue writes the letter itself ---- */

/* Received, and what a letter must have and mail(1) leaves out (RFC 6409 8). */
static void add_top(struct intake *in)
{
    struct str head = letter_text(in->letter);
    struct str rcpt = in->recipients.n == 1 ? in->recipients.to[0].address : STR("");
    struct header_field f;
    struct buf top;
    int64_t now_s = (int64_t)(clock_wall_ms() / 1000);
    struct trace_received t = {
        .helo = smtp_server_helo(in->smtp),
        .by = in->settings->smtp.hostname,
        .with =
            trace_protocol(false, smtp_server_esmtp(in->smtp), in->mail.smtputf8, false, false),
        .id = in->id,
        .rcpt = rcpt,
        .now_s = now_s,
    };

    buf_init(&top, TOP_BYTES);
    trace_received_print(&top, &t);
    if (!header_find(head, STR("Date"), &f)) {
        buf_add(&top, STR("Date: "));
        date_print(&top, now_s);
        buf_add_byte(&top, '\n');
    }
    if (!header_find(head, STR("Message-ID"), &f))
        trace_message_id_print(&top, &in->id, in->settings->smtp.hostname);
    letter_set_top(in->letter, buf_str(&top));
    buf_done(&top);
}

static void begin_letter(struct intake *in)
{
    clock_new_id(&in->id);
    in->letter = letter_new(in->service->spool, &in->id);
    smtp_answer(in->smtp, SMTP_REPLY(354, "", "End data with <CR><LF>.<CR><LF>"));
}

static void add_body(struct intake *in, struct str body)
{
    if (letter_in_memory(in->letter) &&
        letter_text(in->letter).n + body.n > LETTER_MEMORY_BYTES)
        add_top(in); /* the head is whole by now, or has no end */
    letter_add(in->letter, body);
    smtp_answer_body(in->smtp);
}

static void drop_letter(struct intake *in)
{
    letter_free(in->letter);
    in->letter = NULL;
}

static void write_letter(struct service_job *j)
{
    struct intake *in = LIST_OF(j, struct intake, writing);

    in->written = letter_commit(in->letter, STR(""), &in->err);
}

static void written(struct job *job)
{
    struct intake *in = JOB_OF(job, struct intake, writing.job);
    struct arena a;

    in->waiting = false;
    if (in->written == 0) {
        uint64_t size = letter_size(in->letter);

        letter_handed_over(in->letter);
        take(in, &in->id, size, STR("via=sendmail"), geteuid());
    } else {
        log_event(LOG_WARN, &in->id, "refused", "%s", in->err.text);
        arena_init(&a);
        smtp_answer(in->smtp, take_refusal(&a, &in->err));
        arena_done(&a);
    }
    drop_letter(in);
}

static void commit_letter(struct intake *in)
{
    if (letter_in_memory(in->letter))
        add_top(in);
    in->waiting = true;
    in->writing.work = write_letter;
    conn_job(in->conn, in->service->writers, &in->writing.job, written);
}

/* ---- the session ---- */

/* With log.transcript: what was said, in both directions. */
static void write_down(const struct intake *in, char direction, struct str lines)
{
    char name[32];

    if (!*log_dialogues())
        return;
    snprintf(name, sizeof(name), "queue-%u", in->number);
    log_dialogue(name, direction, lines);
}

static void answer(struct intake *in, enum smtp_want want, const struct smtp_request *req)
{
    switch (want) {
    case SMTP_WANT_MAIL:
        begin_mail(in, &req->mail);
        break;
    case SMTP_WANT_RCPT:
        add_recipient(in, &req->rcpt);
        break;
    case SMTP_WANT_VRFY:
        smtp_answer(in->smtp, SMTP_REPLY(252, "2.1.5", "Send a letter and see"));
        break;
    case SMTP_WANT_LETTER:
        begin_letter(in);
        break;
    case SMTP_WANT_BODY:
        add_body(in, req->body);
        break;
    case SMTP_WANT_COMMIT:
        commit_letter(in);
        break;
    case SMTP_WANT_ABORT:
        drop_letter(in);
        smtp_answer_abort(in->smtp);
        break;
    case SMTP_WANT_XSPOOL:
        take_spooled(in, req);
        break;
    case SMTP_WANT_AUTH: /* neither is offered */
    case SMTP_WANT_STARTTLS:
    case SMTP_WANT_INPUT:
    case SMTP_WANT_CLOSE:
        abort();
    }
}

static enum turn intake_turn(void *p, struct conn *c)
{
    struct intake *in = p;
    const struct smtp_request *req;

    (void)c;
    while (!in->waiting) {
        enum smtp_want want = smtp_server_next(in->smtp, &req);

        write_down(in, '<', smtp_server_heard(in->smtp));
        if (want == SMTP_WANT_CLOSE)
            return TURN_CLOSE;
        if (want != SMTP_WANT_INPUT) {
            answer(in, want, req);
            continue;
        }
        if (in->service->draining && !in->ending && smtp_server_idle(in->smtp)) {
            in->ending = true;
            smtp_server_end(in->smtp, SMTP_REPLY(421, "4.3.2", "posta stops"));
            continue;
        }
        return TURN_READ;
    }
    return TURN_BUSY;
}

static void intake_feed(void *p, struct str in)
{
    struct intake *i = p;
    const struct config_limits *limits = &i->service->program->config->limits;
    uint32_t seconds =
        smtp_server_in_data(i->smtp) ? limits->data_seconds : limits->command_seconds;

    smtp_server_feed(i->smtp, in);
    conn_deadline(i->conn, (uint64_t)seconds * 1000);
}

static struct str intake_output(const void *p)
{
    return smtp_server_output(((const struct intake *)p)->smtp);
}

static void intake_sent(void *p, size_t n)
{
    struct intake *in = p;

    write_down(in, '>', str_first(smtp_server_output(in->smtp), n));
    smtp_server_sent(in->smtp, n);
}

/* Our boxes keep idle connections for the next letter; a stranger's is not kept for ever. */
static void intake_expired(void *p, struct conn *c)
{
    struct intake *in = p;

    if (in->waiting) /* the disk is slow, not the peer */
        conn_deadline(c, (uint64_t)in->service->program->config->limits.command_seconds * 1000);
    else
        smtp_server_end(in->smtp, SMTP_REPLY(421, "4.4.2", "Too long without a command"));
}

static const struct conn_protocol intake_protocol = {
    .feed = intake_feed,
    .turn = intake_turn,
    .output = intake_output,
    .sent = intake_sent,
    .expired = intake_expired,
    .free = intake_free,
};

void intake_options(struct service *s, struct listen_options *o)
{
    *o = (struct listen_options){
        .conn = {.protocol = &intake_protocol},
        .make = intake_make,
        .arg = s,
        .busy = STR("421 4.3.2 Too many connections\r\n"),
        .connections_max = s->program->config->limits.connections,
    };
}

static void wake(void *arg, struct conn *c, void *session)
{
    (void)arg, (void)session;
    conn_wake(c);
}

void intake_drain(struct service *s)
{
    conn_each(s->loop, &intake_protocol, wake, NULL);
}
