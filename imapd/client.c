/*
 *   IMAP_WANT_LOGIN --> access/login --> folders_make_usual (pool) --> imap_answer_login
 *   IMAP_WANT_WORK  --> work_step (pool) --> imap_answer_work, again while it says WORK_MORE
 *   IDLE            --> notify_join; changed --> imap_notice --> IMAP_WANT_WORK
 */
#include "imapd/client_impl.h"
#include "imapd/frame.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- on the pool ---- */

static void run_tasks(void *arg, struct job **batch, unsigned n)
{
    (void)arg;
    for (unsigned i = 0; i < n; i++) {
        struct task *t = JOB_OF(batch[i], struct task, job);

        t->run(t);
    }
}

/* A user can be served without the usual folders. */
static void make_usual(struct task *t)
{
    struct client *cl = LIST_OF(t, struct client, task);
    struct err err;

    if (folders_make_usual(cl->all->mailboxes, str_c(cl->maildir), &err) < 0)
        log_event(LOG_WARN, NULL, "mailbox", "user=%s %s", cl->user, err.text);
}

/* Step after step while nobody else waits for a thread, until there is enough to send, and not
 * for long: the loop must see now and then whether the client is still there. Each way over the
 * loop and back costs two turns in the kernel's queue. */
static void take_steps(struct task *t)
{
    struct client *cl = LIST_OF(t, struct client, task);
    const struct work_request *r = &cl->req->work;
    uint64_t end = clock_steady_ms() + CLIENT_STEPS_MS;

    do
        cl->state = work_step(cl->work, r, &cl->out, &cl->result);
    while (cl->state == WORK_MORE && r->command->verb != VERB_APPEND &&
           cl->out.n < WORK_OUT_BYTES && clock_steady_ms() < end &&
           !jobs_queued(cl->all->pool));
}

static void submit(struct client *cl, void (*run)(struct task *t), void (*done)(struct job *j))
{
    cl->task.run = run;
    conn_job(cl->conn, cl->all->pool, &cl->task.job, done);
}

/* ---- logging in ---- */

static void is_in(struct job *j)
{
    struct client *cl = LIST_OF(j, struct client, task.job);

    cl->all->logins++;
    conn_read_at_most(cl->conn, 0);
    rest_later(cl);
    imap_answer_login(cl->session);
}

static void let_in(struct client *cl, const struct user *who)
{
    struct work_user user = {.maildir = who->maildir,
                             .address = who->address,
                             .quota_octets = who->quota_bytes,
                             .quota_letters = who->quota_letters};
    size_t room = who->address.n + who->maildir.n + 2;

    cl->user = malloc(room);
    if (!cl->user)
        abort();
    snprintf(cl->user, room, "%.*s", STR_ARGS(who->address));
    cl->maildir = cl->user + who->address.n + 1;
    snprintf(cl->maildir, who->maildir.n + 1, "%.*s", STR_ARGS(who->maildir));
    cl->work = work_new(cl->all->mailboxes, &user);
    submit(cl, make_usual, is_in);
}

static void login_answered(void *arg, const struct login_answer *a)
{
    struct client *cl = arg;

    switch (a->outcome) {
    case LOGIN_CHALLENGE:
        imap_answer_challenge(cl->session, a->challenge);
        break;
    case LOGIN_IN:
        let_in(cl, a->user);
        break;
    case LOGIN_BAD:
        imap_answer_refused(cl->session, IMAP_BAD);
        break;
    case LOGIN_DISABLED:
        imap_answer_refused(cl->session, IMAP_DISABLED);
        break;
    case LOGIN_TEMP:
        imap_answer_refused(cl->session, IMAP_TEMP);
        break;
    }
}

static bool log_in(struct client *cl)
{
    return access_login_step(&cl->login, &(struct login_step){
                                             .mechanism = cl->req->auth.mechanism,
                                             .response = cl->req->auth.response,
                                             .has_response = cl->req->auth.has_response,
                                             .first = cl->req->auth.first,
                                             .cancelled = cl->req->auth.cancelled,
                                         });
}

/* ---- commands ---- */

static void stepped(struct job *j)
{
    struct client *cl = LIST_OF(j, struct client, task.job);
    enum verb verb = cl->req->work.command->verb;

    rest_later(cl);
    cl->under_way = cl->state == WORK_MORE;
    if (buf_failed(&cl->out)) {
        log_event(LOG_ERROR, NULL, "session", "user=%s: an answer of more than %d octets",
                  cl->user, WORK_STEP_BYTES);
        conn_abort(cl->conn);
        return;
    }
    if (!cl->under_way && verb != VERB_SYNC) {
        cl->commands++;
        cl->all->commands++;
    }
    imap_answer_work(cl->session, &cl->out, cl->state, &cl->result);
}

/* ---- waiting for the client ---- */

/* Before the login the time for a command, then the autologout timer (RFC 3501 5.4). */
static void start_waiting(struct client *cl)
{
    const struct config_limits *limits = &cl->all->access.limits;

    conn_deadline(cl->conn, (uint64_t)(imap_logged_in(cl->session) ? limits->idle_imap_seconds
                                                                   : limits->command_seconds) *
                                1000);
}

static void changed(struct notify_reader *r, uint64_t modseq)
{
    struct client *cl = LIST_OF(r, struct client, reader);

    cl->news = true;
    if (modseq == 0)
        cl->news_modseq = UINT64_MAX;
    else if (modseq > cl->news_modseq)
        cl->news_modseq = modseq;
    conn_wake(cl->conn);
}

/* Called before the session looks for the first time in IDLE, so that nothing falls between.
 * The deadline is the client's, who says DONE now and then (RFC 2177 3). */
static void follow_idle(struct client *cl)
{
    bool idling = imap_idling(cl->session);
    struct clients *cs = cl->all;

    if (idling == cl->idling)
        return;
    cl->idling = idling;
    cs->idling += idling ? 1 : -1U;
    cl->news = false;
    cl->news_modseq = 0;
    start_waiting(cl);
    if (!idling)
        notify_leave(cs->notify, &cl->reader);
    else if (work_folder(cl->work).n)
        notify_join(cs->notify, &cl->reader, work_maildir(cl->work), work_folder(cl->work));
}

/* A client may say DONE, SELECT and IDLE in one breath: it waits for another mailbox then. One
 * that sends a letter says something with each piece of it. */
static void step(struct client *cl)
{
    rest_never(cl);
    follow_idle(cl);
    if (!cl->idling)
        start_waiting(cl);
    notify_looks(cl->all->notify, &cl->reader);
    cl->under_way = true;
    submit(cl, take_steps, stepped);
}

/* Anything to do before the client says more? */
static bool has_more(struct client *cl)
{
    if (cl->all->draining && (imap_idle(cl->session) || imap_idling(cl->session))) {
        imap_end(cl->session, "The server is going down");
        return true;
    }
    follow_idle(cl);
    if (!cl->idling || !cl->news)
        return false;
    bool new = cl->news_modseq > work_modseq(cl->work);
    cl->news = false;
    cl->news_modseq = 0;
    if (new)
        imap_notice(cl->session);
    return new;
}

/* ---- the connection ---- */

static void *make(struct clients *cs, struct conn *c, bool tls)
{
    struct client *cl = calloc(1, sizeof(*cl));

    if (!cl)
        abort();
    cl->all = cs;
    cl->conn = c;
    cl->config = cs->session;
    cl->number = ++cs->connections;
    cl->session = imap_new(&cl->config, tls);
    cl->reader.changed = changed;
    buf_init(&cl->out, WORK_STEP_BYTES);
    list_init(&cl->awake);
    access_login_init(&cl->login, &cs->access, c, login_answered, cl);
    cs->n++;
    conn_read_at_most(c, FRAME_STRANGER_BYTES);
    const struct config_limits *limits = &cs->access.limits;
    conn_deadline(c,
                  (uint64_t)(tls ? limits->handshake_seconds : limits->command_seconds) * 1000);
    return cl;
}

void *client_make(void *arg, struct conn *c)
{
    return make(arg, c, false);
}

void *client_make_tls(void *arg, struct conn *c)
{
    return make(arg, c, true);
}

static void client_feed(void *session, struct str in)
{
    struct client *cl = session;

    cl->in += in.n;
    imap_feed(cl->session, in);
    if (cl->idling) /* perhaps DONE, and IDLE again right behind it */
        start_waiting(cl);
}

/* With log.transcript: what was said, in both directions. */
static void write_down(const struct client *cl, char direction, struct str lines)
{
    char name[32];

    if (!*log_dialogues())
        return;
    snprintf(name, sizeof(name), "imapd-%llu", (unsigned long long)cl->number);
    log_dialogue(name, direction, lines);
}

static enum turn client_turn(void *session, struct conn *c)
{
    struct client *cl = session;
    bool did = imap_output(cl->session).n > 0;

    if (cl->login.waiting)
        return TURN_BUSY;
    for (;; did = true) {
        enum imap_want want = imap_next(cl->session, &cl->req);

        write_down(cl, '<', imap_heard(cl->session));
        switch (want) {
        case IMAP_WANT_INPUT:
            if (has_more(cl))
                break;
            if (!cl->idling && (did || imap_output(cl->session).n))
                start_waiting(cl);
            return TURN_READ;
        case IMAP_WANT_FLUSH:
            start_waiting(cl);
            return TURN_READ;
        case IMAP_WANT_STARTTLS:
            conn_deadline(c, (uint64_t)cl->all->access.limits.handshake_seconds * 1000);
            return TURN_STARTTLS;
        case IMAP_WANT_LOGIN:
            if (log_in(cl))
                return TURN_BUSY;
            break;
        case IMAP_WANT_WORK:
            step(cl);
            return TURN_BUSY;
        case IMAP_WANT_CLOSE:
            return TURN_CLOSE;
        }
    }
}

static struct str client_output(const void *session)
{
    return imap_output(((const struct client *)session)->session);
}

static void client_sent(void *session, size_t n)
{
    struct client *cl = session;

    write_down(cl, '>', str_first(imap_output(cl->session), n));
    cl->sent += n;
    imap_sent(cl->session, n);
}

static void client_tls_started(void *session, struct conn *c)
{
    struct client *cl = session;

    (void)c;
    imap_tls_started(cl->session);
    start_waiting(cl);
}

static void client_expired(void *session, struct conn *c)
{
    struct client *cl = session;

    (void)c;
    access_login_cancel(&cl->login);
    imap_end(cl->session, imap_logged_in(cl->session) ? "Autologout: nothing was said for long"
                                                      : "Too slow");
}

static void log_end(const struct client *cl)
{
    log_event(LOG_INFO, NULL, "session", "user=%s peer=%s tls=%s commands=%u in=%llu out=%llu",
              cl->user, conn_peer_address(cl->conn),
              conn_tls(cl->conn) ? conn_tls(cl->conn)->version : "-", cl->commands,
              (unsigned long long)cl->in, (unsigned long long)cl->sent);
}

static void client_free(void *session)
{
    struct client *cl = session;
    struct clients *cs = cl->all;

    access_login_done(&cl->login);
    notify_leave(cs->notify, &cl->reader);
    cs->idling -= cl->idling;
    if (cl->user)
        log_end(cl);
    rest_never(cl);
    imap_free(cl->session);
    rest_close(cl);
    buf_done(&cl->out);
    free(cl->user);
    free(cl);
    if (--cs->n == 0 && cs->draining && cs->empty)
        cs->empty(cs->arg);
}

const struct conn_protocol client_protocol = {
    .feed = client_feed,
    .turn = client_turn,
    .output = client_output,
    .sent = client_sent,
    .tls_started = client_tls_started,
    .expired = client_expired,
    .free = client_free,
};

void clients_start(struct clients *cs)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = (cores > 0 ? (unsigned)cores : 1) + CLIENT_MORE_THREADS;

    cs->pool =
        jobs_new(cs->access.loop, &(struct jobs_options){.name = "mailboxes",
                                                         .threads = threads < CLIENT_THREADS_MAX
                                                                        ? threads
                                                                        : CLIENT_THREADS_MAX,
                                                         .batch_max = 1,
                                                         .prompt = true,
                                                         .work = run_tasks});
    rest_start(cs);
}

/* The pool first: what it finishes still finds its session. */
void clients_stop(struct clients *cs)
{
    cs->empty = NULL;
    jobs_free(cs->pool);
    cs->pool = NULL;
    conn_free_all(cs->access.loop);
    rest_stop(cs);
}

static void wake(void *arg, struct conn *c, void *session)
{
    (void)arg;
    (void)session;
    conn_wake(c);
}

void clients_drain(struct clients *cs)
{
    cs->draining = true;
    if (cs->n == 0)
        cs->empty(cs->arg);
    else
        conn_each(cs->access.loop, &client_protocol, wake, NULL);
}
