/*
 * One letter on its way from DATA to the queue:
 *
 *   begin ─▶ HEAD ──head whole──▶ BODY ──lone dot──▶ a job: in/ID durable ─▶ XSPOOL ─▶ 250
 *             │ held back, judged,  │ added to the        │                    │
 *             ▼ mended              ▼ spool's letter      ▼                    ▼ broken
 *           refused: nothing more is kept, told at the end   drop: 4xx       leave: 451
 *
 * Until XSPOOL is sent the file is ours, and any way out unlinks it (letter_free). From then on
 * it is the queue's: where no answer comes the client is told 451 and the file is left alone.
 * The client hears 250 after the queue said it, so a crash at any moment leaves either a letter
 * nobody was promised, swept by the queue when old and unlocked, or one that the queue has.
 */
#include "base/xtext.h"
#include "intake/inside.h"
#include "mail/trace.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "wire/dot.h"

#include <errno.h>
#include <stdlib.h>

enum { LOGGED_RECIPIENTS = 3, FLAGS_BYTES = 2000 };

struct incoming {
    struct guest *guest;
    struct id id;
    struct letter *letter; /* NULL once refused */
    struct head head;
    bool in_body;
    struct smtp_reply refusal; /* code 0: none */
    bool eight_bit;
    uint64_t bytes, began_ms;
    int64_t added_wire; /* what we put in, less what we took out, with CRLF */

    struct job job;
    int committed;
    struct err err;

    struct handover_job handover;
    struct smtp_transaction tx; /* for the queue */
    bool sent;                  /* it may have XSPOOL by now */
    struct arena arena;
};

/* ---- coming in ----------------------------------------------------------- */

static void print_trace(struct buf *out, const struct guest *g, const struct smtp_request *req)
{
    const struct tls_info *tls = conn_tls(g->conn);
    bool auth = smtp_server_user(g->smtp).n > 0;
    struct trace_received t = {
        .helo = smtp_server_helo(g->smtp),
        .rdns = str_c(g->naming.name),
        .ip = str_c(conn_peer_address(g->conn)),
        .user = smtp_server_user(g->smtp),
        .by = g->settings->smtp.hostname,
        .with = trace_protocol(false, smtp_server_esmtp(g->smtp), req->mail.smtputf8,
                               tls != NULL, auth),
        .id = g->letter->id,
        .tls_version = tls ? str_c(tls->version) : STR(""),
        .tls_cipher = tls ? str_c(tls->cipher) : STR(""),
        .tls_bits = tls ? tls->bits : 0,
        .rcpt = STR(""),
        .now_s = (int64_t)(clock_wall_ms() / 1000),
    };
    size_t n;
    const struct smtp_rcpt *rcpts = smtp_server_recipients(g->smtp, &n);

    if (n == 1)
        t.rcpt = rcpts[0].forward_path;
    trace_received_print(out, &t);
}

void incoming_begin(struct guest *g, const struct smtp_request *req)
{
    struct incoming *l = calloc(1, sizeof(*l));
    struct buf top;

    if (!l)
        abort();
    g->letter = l;
    l->guest = g;
    l->began_ms = loop_now_ms(conn_loop(g->conn));
    clock_new_id(&l->id);
    arena_init(&l->arena);
    head_init(&l->head, g->settings->limits.header_bytes);
    l->letter = letter_new(g->in->spool, &l->id);
    buf_init(&top, SMTP_BODY_CHUNK_BYTES);
    print_trace(&top, g, req);
    letter_set_top(l->letter, buf_str(&top));
    l->added_wire = (int64_t)wire_size(buf_str(&top));
    buf_done(&top);
}

static void refuse(struct incoming *l, struct smtp_reply r)
{
    l->refusal = r;
    letter_free(l->letter);
    l->letter = NULL;
    head_done(&l->head);
}

static void add(struct incoming *l, struct str bytes)
{
    unsigned char all = 0;

    for (size_t i = 0; i < bytes.n; i++)
        all |= (unsigned char)bytes.p[i];
    l->eight_bit = l->eight_bit || (all & 0x80);
    letter_add(l->letter, bytes);
}

/* The head is whole: it is judged, mended and let go. */
static void pass_head(struct incoming *l)
{
    const struct guest *g = l->guest;
    struct smtp_reply why = head_judge(&l->head, g->settings->limits.hops);
    struct str text = buf_str(&l->head.text);

    if (why.code) {
        refuse(l, why);
        return;
    }
    l->in_body = true;
    if (g->in->spec->mend) {
        const struct intake_head h = {text, &l->id, g->settings->smtp.hostname,
                                      (int64_t)(clock_wall_ms() / 1000)};
        struct buf mended;

        buf_init(&mended, text.n + SMTP_BODY_CHUNK_BYTES);
        g->in->spec->mend(&mended, &h);
        add(l, buf_str(&mended));
        l->added_wire += (int64_t)wire_size(buf_str(&mended)) - (int64_t)wire_size(text);
        buf_done(&mended);
    } else {
        add(l, text);
    }
    head_done(&l->head);
}

void incoming_add(struct guest *g, struct str body)
{
    struct incoming *l = g->letter;

    l->bytes += body.n;
    g->in->counts.bytes += body.n;
    if (!l->letter)
        return;
    if (!l->in_body) {
        head_take(&l->head, &body);
        if (l->head.whole || buf_failed(&l->head.text))
            pass_head(l);
    }
    if (l->letter && body.n)
        add(l, body);
}

bool incoming_too_slow(const struct guest *g)
{
    const struct config_limits *limits = &g->settings->limits;
    uint64_t ms = loop_now_ms(conn_loop(g->conn)) - g->letter->began_ms;

    return decide_too_slow(g->letter->bytes, ms, limits->data_seconds * UINT64_C(1000),
                           limits->data_bytes_per_second);
}

void incoming_drop(struct guest *g)
{
    struct incoming *l = g->letter;

    if (!l)
        return;
    g->letter = NULL;
    if (l->sent) /* and never answered: the program ends */
        letter_handed_over(l->letter);
    letter_free(l->letter);
    head_done(&l->head);
    arena_done(&l->arena);
    free(l);
}

/* ---- the answer ---------------------------------------------------------- */

static void log_letter(const struct incoming *l, enum log_level level, const char *event,
                       struct smtp_reply r)
{
    struct guest *g = l->guest;
    struct str user = smtp_server_user(g->smtp), tls = guest_tls(g);
    struct buf to;
    size_t n;
    const struct smtp_rcpt *rcpts = smtp_server_recipients(g->smtp, &n);

    if (!log_on(level))
        return;
    buf_init(&to, LOG_LINE_BYTES);
    for (size_t i = 0; i < n && i < LOGGED_RECIPIENTS; i++)
        buf_addf(&to, "%s<%.*s>", i ? "," : "", STR_ARGS(rcpts[i].forward_path));
    log_event(level, &l->id, event,
              "from=<%.*s> to=%.*s%s nrcpt=%zu size=%llu peer=%s helo=%.*s tls=%.*s user=%.*s: "
              "%d %.*s %.*s",
              STR_ARGS(l->tx.mail.reverse_path), STR_ARGS(buf_str(&to)),
              n > LOGGED_RECIPIENTS ? ",..." : "", n, (unsigned long long)l->bytes,
              conn_peer_address(g->conn), STR_ARGS(smtp_server_helo(g->smtp)), STR_ARGS(tls),
              STR_ARGS(user), r.code, STR_ARGS(r.enhanced), STR_ARGS(r.text));
    buf_done(&to);
}

/* Says r for the letter and is done with it. */
static void answer(struct guest *g, struct smtp_reply r)
{
    bool good = smtp_reply_class(r) == 2;

    log_letter(g->letter, good ? LOG_INFO : LOG_WARN, good ? "accepted" : "refused", r);
    if (good) {
        g->in->counts.letters++;
        g->in->counts.recipients += g->letter->tx.nrcpts;
    } else {
        g->in->counts.letters_refused++;
    }
    smtp_answer(g->smtp, r);
    incoming_drop(g);
}

/* ---- to the queue -------------------------------------------------------- */

static void add_flag(struct buf *out, const char *key, struct str value)
{
    if (value.n == 0)
        return;
    buf_addf(out, "%s%s=", out->n ? " " : "", key);
    xtext_add(out, value);
}

/* "via=receive peer=192.0.2.1 helo=…": docs/architecture.md, Seams. */
static struct str print_flags(struct incoming *l)
{
    struct guest *g = l->guest;
    struct buf flags;
    struct str s;

    buf_init(&flags, FLAGS_BYTES);
    add_flag(&flags, "via", str_c(g->in->spec->via));
    add_flag(&flags, "peer", str_c(conn_peer_address(g->conn)));
    add_flag(&flags, "helo", smtp_server_helo(g->smtp));
    add_flag(&flags, "user", smtp_server_user(g->smtp));
    add_flag(&flags, "tls", guest_tls(g));
    if (g->relay)
        buf_add(&flags, STR(" relay"));
    buf_addf(&flags, " wire=%llu%s", (unsigned long long)l->tx.wire_size,
             l->eight_bit ? " 8bit" : "");
    s = arena_dup(&l->arena, buf_str(&flags));
    buf_done(&flags);
    return s;
}

/* What the queue is told lives with the letter: the session may end before the answer comes. */
static void fill_transaction(struct incoming *l, const struct smtp_mail *mail)
{
    struct guest *g = l->guest;
    const struct smtp_rcpt *rcpts = smtp_server_recipients(g->smtp, &l->tx.nrcpts);

    l->tx.rcpts = ARENA_ARRAY(&l->arena, struct smtp_client_rcpt, l->tx.nrcpts);
    for (size_t i = 0; i < l->tx.nrcpts; i++) {
        l->tx.rcpts[i].rcpt = rcpts[i];
        l->tx.rcpts[i].rcpt.forward_path = arena_dup(&l->arena, rcpts[i].forward_path);
        l->tx.rcpts[i].rcpt.orcpt = arena_dup(&l->arena, rcpts[i].orcpt);
    }
    l->tx.mail.reverse_path = arena_dup(&l->arena, mail->reverse_path);
    l->tx.mail.envid = arena_dup(&l->arena, mail->envid);
    l->tx.mail.ret = mail->ret;
    /* AUTH= of strangers says nothing (RFC 4954 5): who submitted is who logged in here */
    l->tx.mail.auth = arena_dup(&l->arena, smtp_server_user(g->smtp));
    l->tx.mail.body = l->eight_bit ? SMTP_BODY_8BITMIME : SMTP_BODY_7BIT;
    l->tx.mail.smtputf8 = mail->smtputf8;
    l->tx.xspool = true;
    l->tx.id = l->id;
    l->tx.wire_size = (uint64_t)((int64_t)smtp_server_wire_size(g->smtp) + l->added_wire);
}

static void queue_answered(struct handover_job *job)
{
    struct incoming *l = JOB_OF(job, struct incoming, handover);
    struct guest *g = l->guest;
    struct conn *c = g->conn;
    struct smtp_reply r;

    l->sent = false;
    if (job->err.code)
        log_event(LOG_ERROR, &l->id, "queue-failed", "%s", job->err.text);
    if (decide_handover(l->tx.rcpts, l->tx.nrcpts, &r) == DECIDE_LEAVE)
        letter_handed_over(l->letter);
    if (smtp_reply_class(r) == 2)
        r.text = arena_printf(&l->arena, "Ok: queued as %s", l->id.text);
    answer(g, r);
    guest_ready(g);
    conn_release(c);
}

static void hand_over(struct guest *g)
{
    struct incoming *l = g->letter;

    l->tx.size = letter_size(l->letter);
    l->tx.flags = print_flags(l);
    l->handover = (struct handover_job){.tx = &l->tx, .done = queue_answered};
    l->sent = true;
    conn_hold(g->conn);
    handover_submit(g->in->queue, &l->handover);
}

/* ---- to the disk --------------------------------------------------------- */

void incoming_commit_batch(void *arg, struct job **batch, unsigned n)
{
    (void)arg;
    for (unsigned i = 0; i < n && n > 1; i++)
        letter_prepare(JOB_OF(batch[i], struct incoming, job)->letter);
    for (unsigned i = 0; i < n; i++) {
        struct incoming *l = JOB_OF(batch[i], struct incoming, job);

        l->committed = letter_commit(l->letter, STR(""), &l->err);
    }
}

static void committed(struct job *j)
{
    struct incoming *l = JOB_OF(j, struct incoming, job);
    struct guest *g = l->guest;

    if (l->committed < 0) {
        bool full = l->committed == E_NO_SPACE || l->committed == -ENOSPC;

        log_event(LOG_ERROR, &l->id, "spool-failed", "%s", l->err.text);
        answer(g, full ? SMTP_REPLY(452, "4.3.1", "no room for the letter; try again later")
                       : SMTP_REPLY(451, "4.3.0",
                                    "the letter could not be kept; try again later"));
        g->waiting = false;
    } else if (!conn_alive(g->conn)) {
        /* nobody waits for the 250 any more: the client will come again */
        log_event(LOG_INFO, &l->id, "lost", "the client left before the letter was queued");
        incoming_drop(g);
    } else {
        hand_over(g);
    }
}

bool incoming_commit(struct guest *g, const struct smtp_request *req)
{
    struct incoming *l = g->letter;

    if (l->letter && !l->in_body) /* a letter that is all head */
        pass_head(l);
    fill_transaction(l, &req->mail);
    if (l->refusal.code) {
        answer(g, l->refusal);
        return false;
    }
    conn_deadline(g->conn, 0);
    conn_job(g->conn, g->in->sync, &l->job, committed);
    return true;
}
