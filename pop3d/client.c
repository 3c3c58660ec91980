/*
 *   POP3_WANT_LOGIN --> authd --> user --> maildrop_open (pool) --> pop3_answer_maildrop
 *                         |
 *                         +-- wrong: a delay that grows with the address's failures -->
 * pop3_answer_refused POP3_WANT_LETTER --> in memory, or letters_read (pool) -->
 * pop3_answer_letter POP3_WANT_COMMIT --> popbox_remove (pool) --> pop3_answer_commit
 */
#include "pop3d/client.h"

#include "pop3d/letters.h"
#include "store/popbox.h"
#include "sys/log.h"

#include <assert.h>
#include <unistd.h>

enum {
    DELAY_FIRST_MS = 250,
    MAILDROP_THREADS = 4,
    LETTER_THREADS = 2,
    LETTER_BATCH = 8,
    PATH_BYTES = 4096
};

enum task { TASK_OPEN, TASK_READ, TASK_REMOVE };

struct client {
    struct clients *all;
    struct conn *conn;
    struct pop3_config config;
    uint64_t number; /* in transcripts */
    struct pop3_session *session;
    const struct pop3_request *req;
    struct arena arena; /* of the login */
    struct str user;
    struct auth_exchange *exchange;
    struct timer *delay;
    bool waiting; /* for authd or the delay; jobs are conn's to wait for */
    /* the job under way */
    struct job job;
    enum task task;
    const char *maildir;
    uint32_t letter;
    bool start;
    int result;
    struct err err;

    struct popbox *box;
    struct letters letters;
    uint64_t octets; /* of the maildrop */
    uint32_t retrieved, deleted;
    uint64_t sent;
};

/* ---- on the pools ---- */

static int maildrop_open(struct client *cl)
{
    int r = popbox_open(cl->maildir, &cl->box, &cl->err);

    if (r < 0)
        return r;
    cl->octets = 0;
    for (uint32_t i = 0, n = popbox_count(cl->box); i < n; i++)
        cl->octets += popbox_size(cl->box, i);
    letters_init(&cl->letters, cl->box);
    return 0;
}

static void work(void *arg, struct job **batch, unsigned n)
{
    (void)arg;
    for (unsigned i = 0; i < n; i++) {
        struct client *cl = JOB_OF(batch[i], struct client, job);

        switch (cl->task) {
        case TASK_OPEN:
            cl->result = maildrop_open(cl);
            break;
        case TASK_READ:
            cl->result = letters_read(&cl->letters, cl->letter, cl->start, &cl->err);
            break;
        case TASK_REMOVE:
            cl->result = popbox_remove(cl->box, cl->req->marked, &cl->err);
            break;
        }
    }
}

/* ---- logging in ---- */

static void refuse(struct client *cl, enum pop3_refusal why)
{
    cl->waiting = false;
    pop3_answer_refused(cl->session, why);
    conn_wake(cl->conn);
}

static void delay_over(void *arg)
{
    refuse(arg, POP3_BAD);
}

/* Doubles with each failure above the limit of the last minute. */
static uint64_t delay_ms(const struct client *cl, unsigned failures)
{
    const struct config_limits *limits = &cl->all->limits;
    uint64_t ms = DELAY_FIRST_MS;

    if (failures <= limits->auth_failures_per_minute)
        return 0;
    for (unsigned i = limits->auth_failures_per_minute + 1;
         i < failures && ms < limits->auth_delay_ms_max; i++)
        ms *= 2;
    return ms < limits->auth_delay_ms_max ? ms : limits->auth_delay_ms_max;
}

static void wrong_password(struct client *cl)
{
    unsigned failures = shared_failure(cl->all->shared, conn_peer_address(cl->conn),
                                       loop_now_ms(cl->all->loop));
    uint64_t ms = delay_ms(cl, failures);

    if (ms == 0) {
        refuse(cl, POP3_BAD);
        return;
    }
    if (!cl->delay)
        cl->delay = timer_new(cl->all->loop, delay_over, cl);
    timer_start(cl->delay, ms);
}

static void maildrop_opened(struct job *j)
{
    struct client *cl = JOB_OF(j, struct client, job);

    if (cl->result == 0) {
        cl->all->logins++;
        pop3_answer_maildrop(cl->session, popbox_count(cl->box), cl->octets);
        return;
    }
    if (cl->result != E_BUSY)
        log_event(LOG_ERROR, NULL, "maildrop", "user=%.*s %s", STR_ARGS(cl->user),
                  cl->err.text);
    pop3_answer_refused(cl->session, cl->result == E_BUSY ? POP3_IN_USE : POP3_TEMP);
}

static void submit(struct client *cl, struct jobs *pool, enum task task,
                   void (*done)(struct job *j))
{
    cl->task = task;
    conn_job(cl->conn, pool, &cl->job, done);
}

static void password_right(struct client *cl, struct str user)
{
    struct clients *cs = cl->all;
    struct user who;

    arena_reset(&cl->arena);
    cl->user = arena_dup(&cl->arena, user);
    users_refresh(cs->users, loop_now_ms(cs->loop));
    switch (users_find(cs->users, cl->user, &cl->arena, &who)) {
    case USERS_MAILBOX:
        break;
    case USERS_BROKEN:
        refuse(cl, POP3_TEMP);
        return;
    case USERS_ALIAS:
    case USERS_UNKNOWN:
    case USERS_ELSEWHERE:
    case USERS_LOOP:
        refuse(cl, POP3_BAD); /* a password without a mailbox */
        return;
    }
    if (!who.enabled) {
        refuse(cl, POP3_DISABLED);
        return;
    }
    cl->waiting = false;
    cl->maildir = arena_printf(&cl->arena, "%s/%.*s", cs->state_dir, STR_ARGS(who.maildir)).p;
    submit(cl, cs->maildrops, TASK_OPEN, maildrop_opened);
}

static void authd_answered(void *arg, const struct auth_answer *a)
{
    struct client *cl = arg;

    if (a->status != AUTH_CONTINUE)
        cl->exchange = NULL;
    switch (a->status) {
    case AUTH_CONTINUE:
        cl->waiting = false;
        pop3_answer_challenge(cl->session, a->text);
        conn_wake(cl->conn);
        break;
    case AUTH_OK:
        password_right(cl, a->text);
        break;
    case AUTH_BAD:
        wrong_password(cl);
        break;
    case AUTH_DISABLED:
        refuse(cl, POP3_DISABLED);
        break;
    case AUTH_TEMP:
        refuse(cl, POP3_TEMP);
        break;
    }
}

static void ask_authd(struct client *cl)
{
    const struct tls_info *tls = conn_tls(cl->conn);

    cl->waiting = true;
    if (!cl->req->auth.first) {
        auth_exchange_continue(cl->exchange, cl->req->auth.response);
        return;
    }
    cl->exchange = auth_exchange_begin(
        cl->all->auth,
        &(struct auth_begin){
            .service = STR("pop"), /* RFC 5034 4 */
            .mechanism = cl->req->auth.mechanism,
            .peer = str_c(conn_peer_address(cl->conn)),
            .binding_name = tls ? str_c(tls->binding_name) : STR(""),
            .binding = tls ? (struct str){(const char *)tls->binding, tls->binding_n}
                 : STR(""),
            .tls = tls != NULL,
            .has_response = cl->req->auth.has_response,
            .response = cl->req->auth.response
    },
        authd_answered, cl);
}

/* ---- the maildrop ---- */

static void tell_entries(struct client *cl)
{
    uint32_t i = cl->req->first, end = i + cl->req->count;
    bool uidl = cl->req->uidl; /* the last answer may change *req */

    for (; i < end; i++)
        if (uidl)
            pop3_answer_entry(cl->session, 0, popbox_uidl(cl->box, i));
        else
            pop3_answer_entry(cl->session, popbox_size(cl->box, i), STR(""));
}

static void give_piece(struct client *cl, struct str piece, bool last)
{
    cl->sent += piece.n;
    cl->retrieved += last && !cl->req->top;
    pop3_answer_letter(cl->session, piece, last);
    letters_rest(&cl->letters);
}

static void letter_read(struct job *j)
{
    struct client *cl = JOB_OF(j, struct client, job);
    bool last;

    if (cl->result == 0) {
        struct str piece = letters_piece(&cl->letters, &last);

        give_piece(cl, piece, last);
        return;
    }
    if (cl->result != E_NOT_FOUND)
        log_event(LOG_ERROR, NULL, "letter", "user=%.*s %s", STR_ARGS(cl->user), cl->err.text);
    pop3_answer_no_letter(cl->session, cl->result == E_NOT_FOUND);
}

/* True when it was in memory. */
static bool tell_letter(struct client *cl)
{
    struct str text;

    cl->letter = cl->req->first;
    cl->start = cl->req->start;
    if (cl->start && letters_have(&cl->letters, cl->letter, &text)) {
        give_piece(cl, text, true);
        return true;
    }
    submit(cl, cl->all->letters, TASK_READ, letter_read);
    return false;
}

static void removed(struct job *j)
{
    struct client *cl = JOB_OF(j, struct client, job);

    if (cl->result == 0) {
        cl->deleted = pop3_marked(cl->session);
    } else {
        log_event(LOG_ERROR, NULL, "maildrop", "user=%.*s %s", STR_ARGS(cl->user),
                  cl->err.text);
    }
    pop3_answer_commit(cl->session, cl->result == 0);
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
    cl->session = pop3_new(&cl->config, tls);
    arena_init(&cl->arena);
    cs->n++;
    conn_deadline(
        c, (uint64_t)(tls ? cs->limits.handshake_seconds : cs->limits.command_seconds) * 1000);
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
    pop3_feed(((struct client *)session)->session, in);
}

/* The autologout timer runs from the last command (RFC 1939 3). */
static void start_waiting(struct client *cl, struct conn *c)
{
    const struct config_limits *limits = &cl->all->limits;
    bool in = pop3_logged_in(cl->session);

    conn_deadline(c,
                  (uint64_t)(in ? limits->idle_pop3_seconds : limits->command_seconds) * 1000);
}

/* With log.transcript: what was said, in both directions. */
static void write_down(const struct client *cl, char direction, struct str lines)
{
    struct str line;
    char name[32];

    if (!cl->config.transcript)
        return;
    snprintf(name, sizeof(name), "pop3d-%llu", (unsigned long long)cl->number);
    while (scan_until(&lines, '\n', &line)) {
        scan_byte(&lines, '\n');
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        log_transcript(name, direction, line);
    }
}

static enum turn client_turn(void *session, struct conn *c)
{
    struct client *cl = session;
    bool did = pop3_output(cl->session).n > 0;

    if (cl->waiting)
        return TURN_BUSY;
    for (;; did = true) {
        enum pop3_want want = pop3_next(cl->session, &cl->req);

        write_down(cl, '<', pop3_heard(cl->session));
        switch (want) {
        case POP3_WANT_INPUT:
            if (cl->all->draining && pop3_idle(cl->session)) {
                pop3_end(cl->session, "[SYS/TEMP] the server is going down");
                break;
            }
            if (did || pop3_output(cl->session).n)
                start_waiting(cl, c);
            pop3_rest(cl->session);
            return TURN_READ;
        case POP3_WANT_FLUSH:
            start_waiting(cl, c);
            return TURN_READ;
        case POP3_WANT_STLS:
            conn_deadline(c, (uint64_t)cl->all->limits.handshake_seconds * 1000);
            return TURN_STARTTLS;
        case POP3_WANT_LOGIN:
            if (!cl->req->auth.cancelled) {
                ask_authd(cl);
                return TURN_BUSY;
            }
            auth_exchange_cancel(cl->exchange);
            cl->exchange = NULL;
            break;
        case POP3_WANT_ENTRIES:
            tell_entries(cl);
            break;
        case POP3_WANT_LETTER:
            if (!tell_letter(cl))
                return TURN_BUSY;
            break;
        case POP3_WANT_LETTER_END:
            letters_end(&cl->letters);
            break;
        case POP3_WANT_COMMIT:
            submit(cl, cl->all->maildrops, TASK_REMOVE, removed);
            return TURN_BUSY;
        case POP3_WANT_CLOSE:
            return TURN_CLOSE;
        }
    }
}

static struct str client_output(const void *session)
{
    return pop3_output(((const struct client *)session)->session);
}

static void client_sent(void *session, size_t n)
{
    struct client *cl = session;

    write_down(cl, '>', str_first(pop3_output(cl->session), n));
    pop3_sent(cl->session, n);
}

static void client_tls_started(void *session, struct conn *c)
{
    struct client *cl = session;

    pop3_tls_started(cl->session);
    start_waiting(cl, c);
}

/* In silence, and the maildrop stays as it is (RFC 1939 3). */
static void client_expired(void *session, struct conn *c)
{
    struct client *cl = session;

    (void)c;
    auth_exchange_cancel(cl->exchange);
    cl->exchange = NULL;
    if (cl->delay)
        timer_stop(cl->delay);
    cl->waiting = false;
    pop3_end(cl->session, NULL);
}

static void log_end(const struct client *cl)
{
    log_event(LOG_INFO, NULL, "session",
              "user=%.*s peer=%s tls=%s retrieved=%u deleted=%u bytes=%llu", STR_ARGS(cl->user),
              conn_peer_address(cl->conn),
              conn_tls(cl->conn) ? conn_tls(cl->conn)->version : "-", cl->retrieved,
              cl->deleted, (unsigned long long)cl->sent);
}

static void client_free(void *session)
{
    struct client *cl = session;
    struct clients *cs = cl->all;

    auth_exchange_cancel(cl->exchange);
    timer_free(cl->delay);
    if (cl->box) {
        log_end(cl);
        cs->retrieved += cl->retrieved;
        cs->deleted += cl->deleted;
        letters_done(&cl->letters);
        popbox_close(cl->box);
    }
    pop3_free(cl->session);
    arena_done(&cl->arena);
    free(cl);
    if (--cs->n == 0 && cs->draining && cs->empty)
        cs->empty(cs->arg);
}

static const struct conn_protocol protocol = {
    .feed = client_feed,
    .turn = client_turn,
    .output = client_output,
    .sent = client_sent,
    .tls_started = client_tls_started,
    .expired = client_expired,
    .free = client_free,
};

const struct conn_protocol *client_protocol(void)
{
    return &protocol;
}

void clients_start(struct clients *cs)
{
    cs->maildrops = jobs_new(cs->loop, &(struct jobs_options){.name = "maildrops",
                                                              .threads = MAILDROP_THREADS,
                                                              .batch_max = 1,
                                                              .work = work});
    cs->letters = jobs_new(cs->loop, &(struct jobs_options){.name = "letters",
                                                            .threads = LETTER_THREADS,
                                                            .batch_max = LETTER_BATCH,
                                                            .work = work});
}

/* The pools first: what they finish still finds its session. */
void clients_stop(struct clients *cs)
{
    cs->empty = NULL;
    jobs_free(cs->maildrops);
    jobs_free(cs->letters);
    conn_free_all(cs->loop);
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
        conn_each(cs->loop, &protocol, wake, NULL);
}
