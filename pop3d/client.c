/*
 *   POP3_WANT_LOGIN  --> access/login --> maildrop_open (pool) --> pop3_answer_maildrop
 *   POP3_WANT_LETTER --> in memory, or letters_read (pool) --> pop3_answer_letter
 *   POP3_WANT_COMMIT --> popbox_remove (pool) --> pop3_answer_commit
 */
#include "pop3d/client.h"

#include "pop3d/letters.h"
#include "store/change.h"
#include "store/lines.h"
#include "store/popbox.h"
#include "sys/log.h"

#include <assert.h>
#include <unistd.h>

enum { MAILDROP_THREADS = 4, LETTER_THREADS = 2, LETTER_BATCH = 8, PATH_BYTES = 4096 };
enum { STRANGER_READ_BYTES = 4096 }; /* at once, before the login: thousands may be here */

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
    struct access_login login;
    /* the job under way */
    struct job job;
    enum task task;
    const char *maildir;
    struct str below; /* state_dir */
    uint32_t letter;
    bool start;
    int result;
    struct err err;

    struct popbox *box;
    struct letters letters;
    uint64_t octets;          /* of the maildrop */
    struct lines_count lines; /* of the letter that is sent */
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

static void maildrop_opened(struct job *j)
{
    struct client *cl = JOB_OF(j, struct client, job);

    if (cl->result == 0) {
        cl->all->logins++;
        conn_read_at_most(cl->conn, 0);
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

static void open_maildrop(struct client *cl, const struct user *who)
{
    arena_reset(&cl->arena);
    cl->user = arena_dup(&cl->arena, who->address);
    cl->below = arena_dup(&cl->arena, who->maildir);
    cl->maildir =
        arena_printf(&cl->arena, "%s/%.*s", cl->all->state_dir, STR_ARGS(who->maildir)).p;
    submit(cl, cl->all->maildrops, TASK_OPEN, maildrop_opened);
}

static void login_answered(void *arg, const struct login_answer *a)
{
    struct client *cl = arg;

    switch (a->outcome) {
    case LOGIN_CHALLENGE:
        pop3_answer_challenge(cl->session, a->challenge);
        break;
    case LOGIN_IN:
        open_maildrop(cl, a->user);
        break;
    case LOGIN_BAD:
        pop3_answer_refused(cl->session, POP3_BAD);
        break;
    case LOGIN_DISABLED:
        pop3_answer_refused(cl->session, POP3_DISABLED);
        break;
    case LOGIN_TEMP:
        pop3_answer_refused(cl->session, POP3_TEMP);
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

/* Told once a session (X32): it is sent as it is. */
static void check_letter(struct client *cl)
{
    if (!popbox_found_damaged(cl->box, cl->letter, &cl->lines))
        return;
    struct str uidl = popbox_uidl(cl->box, cl->letter);
    cl->all->damaged++;
    log_event(LOG_ERROR, NULL, "damaged",
              "user=%.*s %s uidl=%.*s: the file has %llu octets and is not what its name says; "
              "it is sent as it is",
              STR_ARGS(cl->user), cl->maildir, STR_ARGS(uidl),
              (unsigned long long)cl->lines.octets);
}

static void give_piece(struct client *cl, struct str piece, bool last)
{
    if (!cl->req->top)
        lines_add(&cl->lines, piece);
    if (last && !cl->req->top)
        check_letter(cl);
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
    if (cl->start)
        cl->lines = (struct lines_count){0};
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
        changes_tell(cl->all->changes,
                     &(struct change){.maildir = cl->below, .folder = STR("INBOX")},
                     loop_now_ms(cl->all->access.loop));
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
    access_login_init(&cl->login, &cs->access, c, login_answered, cl);
    cs->n++;
    conn_read_at_most(c, STRANGER_READ_BYTES);
    conn_deadline(c, (uint64_t)(tls ? cs->access.limits.handshake_seconds
                                    : cs->access.limits.command_seconds) *
                         1000);
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
    const struct config_limits *limits = &cl->all->access.limits;
    bool in = pop3_logged_in(cl->session);

    conn_deadline(c,
                  (uint64_t)(in ? limits->idle_pop3_seconds : limits->command_seconds) * 1000);
}

/* With log.transcript: what was said, in both directions. */
static void write_down(const struct client *cl, char direction, struct str lines)
{
    char name[32];

    if (!*log_dialogues())
        return;
    snprintf(name, sizeof(name), "pop3d-%llu", (unsigned long long)cl->number);
    log_dialogue(name, direction, lines);
}

static enum turn client_turn(void *session, struct conn *c)
{
    struct client *cl = session;
    bool did = pop3_output(cl->session).n > 0;

    if (cl->login.waiting)
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
            conn_deadline(c, (uint64_t)cl->all->access.limits.handshake_seconds * 1000);
            return TURN_STARTTLS;
        case POP3_WANT_LOGIN:
            if (log_in(cl))
                return TURN_BUSY;
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
    access_login_cancel(&cl->login);
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

    access_login_done(&cl->login);
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
    cs->maildrops = jobs_new(
        cs->access.loop,
        &(struct jobs_options){
            .name = "maildrops", .threads = MAILDROP_THREADS, .batch_max = 1, .work = work});
    cs->letters = jobs_new(cs->access.loop, &(struct jobs_options){.name = "letters",
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
    conn_free_all(cs->access.loop);
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
