/*
 * session - one LMTP connection of posta-mda.
 *
 *   MAIL ── RCPT* ──┬── XSPOOL ─────────────────────▶ job ── a reply each
 *                   └── DATA ── body in memory, ──▶ job ── a reply each
 *                               then in a file
 *
 * The job opens the letter, delivers and comes back; meanwhile the session waits and reads no
 * further. When the peer goes away under a job, the job ends all the same: the queue will ask
 * again and hear that it has been done.
 */
#include "base/defer.h"
#include "mda/recipients.h"
#include "store/dir.h"
#include "store/heading.h"
#include "store/lines.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <unistd.h>

struct session {
    struct mda *mda;
    struct mda_terms *terms;
    struct smtp_server *smtp;
    struct arena arena; /* of the transaction */
    struct recipients to;
    struct str reverse_path;
    uint64_t octets_told; /* SIZE= */
    struct id id;
    bool spooled; /* by XSPOOL: the id is the queue's */
    uint64_t size;
    struct buf body;  /* by DATA */
    int file;         /* by DATA, when `body` was not enough */
    bool in_place;    /* the file becomes the letter of the first delivery     */
    uint64_t file_at; /* where the letter begins in it                         */
    uint64_t lf;      /* line ends in it                                       */
    bool body_failed;
    struct err body_err;
    int source; /* by XSPOOL, on the worker */
    struct job job;
    bool working;
    unsigned events,
        events_seen; /* whether something has happened since the deadline was set */
    bool trusted;
    unsigned number; /* in transcripts */
};

/* ---- a transaction ---- */

static void drop_body(struct session *s)
{
    buf_clear(&s->body);
    buf_release(&s->body);
    close_fd(&s->file);
    s->file = -1;
    s->body_failed = s->in_place = false;
    s->size = s->file_at = s->lf = 0;
}

static void begin(struct session *s, const struct smtp_request *req)
{
    drop_body(s);
    arena_reset(&s->arena);
    recipients_init(&s->to, &s->arena);
    s->to.perhaps_again = s->trusted;
    s->reverse_path = arena_dup(&s->arena, req->mail.reverse_path);
    s->octets_told = req->mail.size;
    users_refresh(s->mda->users, loop_now_ms(s->mda->program->loop));
    smtp_answer(s->smtp, SMTP_REPLY(250, "2.1.0", "Ok"));
}

static void rcpt(struct session *s, const struct smtp_request *req)
{
    struct smtp_reply r =
        recipients_add(&s->to, s->mda, req->rcpt.forward_path, s->octets_told);

    if (r.code != 250)
        s->mda->refused += smtp_reply_class(r) == 5;
    smtp_answer(s->smtp, r);
}

static void body_begins(struct session *s)
{
    drop_body(s);
    clock_new_id(&s->id);
    s->spooled = false;
    smtp_answer(s->smtp, SMTP_REPLY(354, "", "End with <CRLF>.<CRLF>"));
}

static int write_file(struct session *s, struct str bytes)
{
    s->lf += lines_lf(bytes);
    return dir_write(s->file, bytes, &s->body_err);
}

/* Its whole heading is here and may be cleaned now: then what follows need not be read again.
 */
static bool clean_heading(struct session *s, const struct delivery *first)
{
    struct str text = buf_str(&s->body);
    bool loop;

    if (!memmem(text.p, text.n, "\n\n", 2))
        return false;
    size_t n = heading_clean(s->body.p + s->body.from, text.n, first->delivered_to, &loop);
    s->size -= text.n - n;
    s->body.n = n;
    return !loop; /* the usual way says so */
}

/* The letter has become long. It is written as the first delivery wants it; the others copy. */
static int begin_file(struct session *s)
{
    struct delivery *first = s->to.deliveries[0];
    char top[DELIVER_TOP_BYTES];
    int r;

    s->file = deliver_temporary(s->mda->deliver, &s->in_place, &s->body_err);
    if (s->file < 0)
        return s->file;
    first->reverse_path = s->reverse_path;
    s->in_place = s->in_place && clean_heading(s, first);
    if (s->in_place) {
        struct str t = deliver_top(first, top);

        s->file_at = t.n;
        r = write_file(s, t);
        if (r < 0)
            return r;
    }
    r = write_file(s, buf_str(&s->body));
    buf_clear(&s->body);
    buf_release(&s->body);
    return r;
}

/* What failed is told at the end; until then bytes are swallowed. */
static void keep_body(struct session *s, struct str bytes)
{
    if (s->body_failed)
        return;
    if (s->file < 0 && s->size + bytes.n <= MDA_MEMORY_BYTES) {
        s->size += bytes.n;
        buf_add(&s->body, bytes);
        return;
    }
    if (s->file < 0 && begin_file(s) < 0)
        s->body_failed = true;
    s->size += bytes.n;
    if (!s->body_failed)
        s->body_failed = write_file(s, bytes) < 0;
}

/* ---- the job ---- */

static void fail_all(struct session *s, int code, const struct err *why)
{
    for (unsigned i = 0; i < s->to.ndeliveries; i++) {
        s->to.deliveries[i]->result = code;
        s->to.deliveries[i]->err = *why;
    }
}

static void fill_in(struct session *s)
{
    for (unsigned i = 0; i < s->to.ndeliveries; i++) {
        struct delivery *d = s->to.deliveries[i];

        d->id = s->id;
        d->staged = s->spooled;
        d->source = s->spooled ? s->source : s->file;
        d->source_at = s->file_at;
        d->in_place = s->in_place && i == 0;
        d->lf = s->lf;
        d->text = buf_str(&s->body);
        d->size = s->size;
        d->reverse_path = s->reverse_path;
        d->now_ms = clock_wall_ms();
    }
}

/* On a worker. false: the letter cannot be had, and the deliveries say so. */
static bool open_letter(struct session *s)
{
    struct err err = {0};
    uint64_t size;

    s->source = -1;
    if (!s->spooled && s->body_failed)
        fail_all(s, s->body_err.code, &s->body_err);
    if (!s->spooled)
        return !s->body_failed;
    s->source = spool_read(s->mda->spool, &s->id, &size, &err);
    if (s->source >= 0 && size == s->size)
        return true;
    if (s->source >= 0)
        err_set(&err, E_CORRUPT, "the spool file has %llu octets, not %llu",
                (unsigned long long)size, (unsigned long long)s->size);
    fail_all(s, err.code, &err);
    return false;
}

void mda_session_work(void *arg, struct job **batch, unsigned n)
{
    struct mda *m = arg;
    DEFER(free_mem) struct delivery **all = NULL;
    size_t total = 0, at = 0;

    for (unsigned i = 0; i < n; i++)
        total += JOB_OF(batch[i], struct session, job)->to.ndeliveries;
    all = calloc(total ? total : 1, sizeof(struct delivery *));
    if (!all)
        abort();
    for (unsigned i = 0; i < n; i++) {
        struct session *s = JOB_OF(batch[i], struct session, job);

        if (!open_letter(s))
            continue;
        fill_in(s);
        memcpy(all + at, s->to.deliveries, s->to.ndeliveries * sizeof(*all));
        at += s->to.ndeliveries;
    }
    deliver_batch(m->deliver, all, (unsigned)at);
    for (unsigned i = 0; i < n; i++)
        close_fd(&JOB_OF(batch[i], struct session, job)->source);
}

static void report(struct session *s, const struct delivery *d)
{
    struct mda *m = s->mda;

    if (d->result != 0) {
        m->deferred++;
        log_event(d->result == E_LOOP ? LOG_WARN : LOG_ERROR, &s->id, "undelivered",
                  "to %.*s: %s", STR_ARGS(d->user.address), d->err.text);
        return;
    }
    m->delivered++;
    if (d->again) {
        log_event(LOG_INFO, &s->id, "delivered", "to %.*s before", STR_ARGS(d->user.address));
        return;
    }
    log_event(LOG_INFO, &s->id, "delivered", "to %.*s size=%llu file=%s",
              STR_ARGS(d->user.address), (unsigned long long)d->stored, d->name);
    changes_tell(m->changes,
                 &(struct change){.maildir = d->user.maildir, .folder = STR("INBOX")},
                 loop_now_ms(m->program->loop));
}

/* On the loop, also when the peer has gone. */
static void delivered(struct job *j)
{
    struct session *s = JOB_OF(j, struct session, job);
    struct smtp_reply *replies = ARENA_ARRAY(&s->arena, struct smtp_reply, s->to.n);

    s->working = false;
    for (unsigned i = 0; i < s->to.ndeliveries; i++)
        report(s, s->to.deliveries[i]);
    for (unsigned i = 0; i < s->to.n; i++)
        replies[i] = recipients_result(&s->to, i);
    drop_body(s);
    if (s->spooled)
        mda_sweep_soon(s->mda);
    smtp_answer_each(s->smtp, replies, s->to.n);
}

static void deliver_now(struct session *s, struct conn *c)
{
    s->working = true;
    conn_deadline(c, 0);
    conn_job(c, s->mda->jobs, &s->job, delivered);
}

static void deliver_spooled(struct session *s, const struct smtp_request *req, struct conn *c)
{
    s->id = req->xspool.id;
    s->size = req->xspool.size;
    s->spooled = true;
    deliver_now(s, c);
}

/* ---- what conn asks ---- */

void *mda_session_make(void *arg, struct conn *c)
{
    struct mda *m = arg;
    struct session *s = calloc(1, sizeof(*s));
    uid_t uid;
    pid_t pid;

    if (!s)
        abort();
    s->mda = m;
    s->terms = mda_terms_hold(m->terms);
    s->file = s->source = -1;
    arena_init(&s->arena);
    recipients_init(&s->to, &s->arena);
    buf_init(&s->body, MDA_MEMORY_BYTES);
    if (m->spool && conn_peer_cred(c, &uid, &pid)) {
        s->trusted = uid == m->queue_uid || uid == geteuid();
        if (!s->trusted)
            log_event(LOG_INFO, NULL, "stranger",
                      "uid %u on mda.sock may not hand over by name", (unsigned)uid);
    }
    s->smtp = smtp_server_new(s->trusted ? &s->terms->spool : &s->terms->other, false);
    m->sessions++;
    s->number = ++m->sessions_ever;
    return s;
}

static void session_free(void *p)
{
    struct session *s = p;
    struct mda *m = s->mda;

    drop_body(s);
    buf_done(&s->body);
    arena_done(&s->arena);
    smtp_server_free(s->smtp);
    mda_terms_release(s->terms);
    free(s);
    if (--m->sessions == 0 && m->draining)
        program_drained(m->program);
}

static void session_feed(void *p, struct str in)
{
    smtp_server_feed(((struct session *)p)->smtp, in);
}

/* With log.transcript: what was said, in both directions. */
static void write_down(const struct session *s, char direction, struct str lines)
{
    char name[32];

    if (!*log_dialogues())
        return;
    snprintf(name, sizeof(name), "mda-%u", s->number);
    log_dialogue(name, direction, lines);
}

/* The queue keeps its connections; all others have a time for each command, and for each part
 * of a letter. */
static enum turn read_on(struct session *s, struct conn *c)
{
    bool in_data = smtp_server_in_data(s->smtp);

    if (!s->trusted && (in_data || s->events != s->events_seen || s->events == 0))
        conn_deadline(c, in_data ? s->terms->data_ms : s->terms->command_ms);
    s->events_seen = s->events;
    return TURN_READ;
}

static enum turn session_turn(void *p, struct conn *c)
{
    struct session *s = p;
    const struct smtp_request *req;

    if (s->mda->draining && smtp_server_idle(s->smtp))
        smtp_server_end(s->smtp, SMTP_REPLY(421, "4.3.2", "posta-mda is going down"));
    for (;; s->events++) {
        enum smtp_want want = smtp_server_next(s->smtp, &req);

        write_down(s, '<', smtp_server_heard(s->smtp));
        switch (want) {
        case SMTP_WANT_INPUT:
            return read_on(s, c);
        case SMTP_WANT_MAIL:
            begin(s, req);
            break;
        case SMTP_WANT_RCPT:
            rcpt(s, req);
            break;
        case SMTP_WANT_VRFY:
            smtp_answer(s->smtp, SMTP_REPLY(252, "2.5.2", "Try RCPT"));
            break;
        case SMTP_WANT_LETTER:
            body_begins(s);
            break;
        case SMTP_WANT_BODY:
            keep_body(s, req->body);
            smtp_answer_body(s->smtp);
            break;
        case SMTP_WANT_ABORT:
            drop_body(s);
            smtp_answer_abort(s->smtp);
            break;
        case SMTP_WANT_COMMIT:
            deliver_now(s, c);
            return TURN_BUSY;
        case SMTP_WANT_XSPOOL:
            deliver_spooled(s, req, c);
            return TURN_BUSY;
        case SMTP_WANT_STARTTLS: /* neither is offered */
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

void mda_session_farewell(void *arg, struct conn *c, void *session)
{
    (void)arg;
    (void)session;
    conn_wake(c); /* its turn says goodbye where it is idle */
}

const struct conn_protocol mda_protocol = {
    .feed = session_feed,
    .turn = session_turn,
    .output = session_output,
    .sent = session_sent,
    .expired = session_expired,
    .free = session_free,
};
