#include "mta/send/remote.h"

#include "mta/send/probe.h"
#include "net/conn.h"
#include "sasl/client.h"
#include "sys/log.h"

#include <errno.h>
#include <stdlib.h>

enum { CHUNK_BYTES = SMTP_BODY_CHUNK_BYTES, NAME_BYTES = 32 };

struct remote {
    struct list link; /* send->idle */
    struct send *send;
    struct send_terms *terms;
    const struct route *route; /* of terms */
    struct host host;
    bool clear;
    struct conn *conn;
    struct smtp_client *client;
    struct sasl_client *login;
    struct delivery *delivery; /* NULL: idle, or over */
    unsigned letters, number;
    bool connected, handshaking, ready, idle, leaving, over;
    enum smtp_client_step step; /* that the deadline is for */
    uint64_t progress, heard;

    struct job job; /* opening, or reading */
    bool opening;
    struct source_wish wish;
    struct source *source; /* held while a job works with it */
    struct err err;
    uint64_t at;
    ssize_t n;
    char *chunk;
};

/* Who listens to each step, or NULL. */
static struct probe *probe_of(const struct remote *r)
{
    return r->delivery ? delivery_probe(r->delivery) : NULL;
}

/* ---- the end ---- */

static void leave_idle(struct remote *r)
{
    if (!r->idle)
        return;
    r->idle = false;
    list_remove(&r->link);
    r->send->nidle--;
}

/* Once, whatever ends it. */
static void end(struct remote *r, enum remote_lost how, struct smtp_reply why, bool said)
{
    struct delivery *d = r->delivery;

    leave_idle(r);
    r->over = true;
    r->delivery = NULL;
    if (d)
        delivery_lost(d, r, how, why, said);
}

static void end_by_words(struct remote *r)
{
    struct smtp_reply why = smtp_client_error(r->client);

    if (why.code == 0)
        why = SMTP_REPLY(451, "4.4.2", "the connection ended");
    end(r, REMOTE_REFUSED, why, smtp_client_error_said(r->client));
}

static void say_good_bye(struct remote *r)
{
    leave_idle(r);
    r->leaving = true;
    smtp_client_quit(r->client);
    conn_deadline(r->conn, SEND_QUIT_MS);
    conn_wake(r->conn);
}

void remote_drop(struct remote *r)
{
    r->delivery = NULL;
    r->over = true;
    conn_abort(r->conn);
}

void remote_leave(struct remote *r)
{
    r->letters = SEND_LETTERS;
}

void remote_farewell(struct send *s)
{
    while (!list_empty(&s->idle))
        say_good_bye(LIST_OF(s->idle.next, struct remote, link));
}

/* ---- login ---- */

static void log_in(struct remote *r)
{
    struct str challenge, mechanism, response;
    bool has_response = true;

    if (smtp_client_challenge(r->client, &challenge)) {
        if (sasl_client_answer(r->login, challenge, &response) == SASL_CLIENT_SEND)
            smtp_client_auth_answer(r->client, response);
        else
            smtp_client_auth_cancel(r->client, "that server cannot prove that it knows us");
        return;
    }
    sasl_client_free(r->login);
    r->login = sasl_client_open(&(struct sasl_login){
        .service = r->route->lmtp ? STR("lmtp") : STR("smtp"),
        .host = str_c(r->host.name),
        .mechanisms = smtp_client_mechanisms(r->client),
        .user = r->route->user,
        .password = r->route->password,
        .clear_allowed = conn_tls(r->conn) || r->route->tls == ROUTE_NEVER,
    });
    if (sasl_client_begin(r->login, &mechanism, &has_response, &response) == SASL_CLIENT_SEND)
        smtp_client_auth_begin(r->client, mechanism, has_response, response);
    else
        smtp_client_auth_cancel(r->client,
                                "that server offers no way to log in that may be used here");
}

/* ---- deadlines ---- */

static uint64_t ms_for(const struct send_terms *t, enum smtp_client_step step)
{
    switch (step) {
    case SMTP_STEP_BODY:
        return t->data_ms;
    case SMTP_STEP_RESULT:
        return t->end_ms;
    case SMTP_STEP_GREETING:
    case SMTP_STEP_COMMAND:
    case SMTP_STEP_DATA:
        break;
    }
    return t->command_ms;
}

/* Anew only when something whole has come or another step has begun (O07). */
static void set_deadline(struct remote *r)
{
    uint64_t progress, ms;
    enum smtp_client_step step = smtp_client_step(r->client, &progress);

    if (r->connected && step == r->step && progress == r->progress)
        return;
    if (probe_of(r))
        probe_connected(probe_of(r));
    r->connected = true;
    r->step = step;
    r->progress = progress;
    ms = ms_for(r->terms, step);
    conn_deadline(r->conn, probe_of(r) && ms > PROBE_STEP_MS ? PROBE_STEP_MS : ms);
}

static struct smtp_reply too_slow(const struct remote *r)
{
    if (!r->connected)
        return SMTP_REPLY(451, "4.4.1", "no connection in time");
    if (r->handshaking)
        return SMTP_REPLY(451, "4.7.5", "the TLS handshake took too long");
    if (r->step == SMTP_STEP_GREETING)
        return SMTP_REPLY(451, "4.4.2", "no greeting in time");
    if (r->step == SMTP_STEP_BODY)
        return SMTP_REPLY(451, "4.4.2", "that server stopped to take the letter");
    return SMTP_REPLY(451, "4.4.2", "no answer in time");
}

/* ---- jobs ---- */

static void work_on(struct remote *r)
{
    if (r->opening)
        r->source = source_open(&r->wish, &r->err);
    else
        r->n = source_read(r->source, r->at, r->chunk, CHUNK_BYTES);
}

void remote_work(void *arg, struct job **batch, unsigned n)
{
    (void)arg;
    for (unsigned i = 0; i < n; i++)
        work_on(JOB_OF(batch[i], struct remote, job));
}

static void opened(struct job *j)
{
    struct remote *r = JOB_OF(j, struct remote, job);
    struct source *s = r->source;

    r->source = NULL;
    r->opening = false;
    if (r->delivery)
        delivery_opened(r->delivery, s, &r->err);
    else
        source_release(s);
}

static void open_first(struct remote *r, const struct source_wish *w)
{
    r->wish = *w;
    r->opening = true;
    r->err.code = 0;
    conn_deadline(r->conn, 0);
    r->connected = false; /* the next step's deadline begins anew */
    conn_job(r->conn, r->send->jobs, &r->job, opened);
}

static void give_body(struct remote *r)
{
    if (r->n > 0)
        r->at += (uint64_t)r->n;
    if (r->n >= 0) {
        smtp_client_body(r->client, (struct str){r->chunk, (size_t)r->n}, r->n == 0);
        return;
    }
    /* what was said of it must not end in a dot */
    end(r, REMOTE_LOST, SMTP_REPLY(451, "4.3.0", "the letter cannot be read"), false);
    conn_abort(r->conn);
}

static void was_read(struct job *j)
{
    struct remote *r = JOB_OF(j, struct remote, job);

    source_release(r->source);
    r->source = NULL;
    if (!r->over)
        give_body(r);
}

/* True when the piece was at hand. */
static bool send_body(struct remote *r)
{
    struct source *s = delivery_source(r->delivery);

    if (!r->chunk && !(r->chunk = malloc(CHUNK_BYTES)))
        abort();
    if (s->fd < 0) {
        r->n = source_read(s, r->at, r->chunk, CHUNK_BYTES);
        give_body(r);
        return true;
    }
    r->source = source_hold(s);
    conn_job(r->conn, r->send->jobs, &r->job, was_read);
    return false;
}

/* ---- what conn asks ---- */

static void write_down(const struct remote *r, char direction, struct str lines)
{
    char name[NAME_BYTES];

    if (probe_of(r))
        probe_talk(probe_of(r), direction, lines);
    if (!*log_dialogues() || lines.n == 0)
        return;
    snprintf(name, sizeof(name), "send-%u", r->number);
    log_dialogue(name, direction, lines);
}

static void remote_feed(void *session, struct str in)
{
    struct remote *r = session;

    write_down(r, '<', in);
    smtp_client_feed(r->client, in);
}

static struct str remote_output(const void *session)
{
    return smtp_client_output(((const struct remote *)session)->client);
}

static void remote_sent(void *session, size_t n)
{
    struct remote *r = session;

    write_down(r, '>', smtp_client_said(r->client));
    smtp_client_sent(r->client, n);
}

static void go_idle(struct remote *r)
{
    struct send *s = r->send;

    if (s->draining || r->terms != s->terms || r->letters >= SEND_LETTERS) {
        say_good_bye(r);
        return;
    }
    r->idle = true;
    list_append(s->idle.next, &r->link); /* to the front */
    if (++s->nidle > SEND_IDLE_CONNECTIONS)
        say_good_bye(LIST_OF(s->idle.prev, struct remote, link));
    conn_deadline(r->conn, SEND_IDLE_MS);
    r->connected = false;
}

/* The first time, a server that says yes must have proved who it is. */
static bool is_proved(struct remote *r)
{
    if (r->ready || !r->login)
        return true;
    bool yes = sasl_client_accepts(r->login);

    sasl_client_free(r->login);
    r->login = NULL;
    return yes;
}

/* What the session waits for now; TURN_READ where it goes on at once is not returned. */
static bool ready(struct remote *r, enum turn *turn)
{
    const struct source_wish *w;

    if (!is_proved(r)) {
        end(r, REMOTE_REFUSED,
            SMTP_REPLY(454, "4.7.0", "that server cannot prove that it knows us"), false);
        *turn = TURN_CLOSE;
        return true;
    }
    r->ready = true;
    *turn = TURN_READ;
    if (!r->delivery) {
        if (!r->idle && !r->leaving)
            go_idle(r);
        return !r->leaving;
    }
    w = delivery_ready(r->delivery, r);
    if (!w)
        return false;
    open_first(r, w);
    *turn = TURN_BUSY;
    return true;
}

static enum turn start_tls(struct remote *r)
{
    r->handshaking = true;
    conn_deadline(r->conn, r->terms->handshake_ms);
    return TURN_STARTTLS;
}

static enum turn remote_turn(void *session, struct conn *c)
{
    struct remote *r = session;
    enum turn turn;

    (void)c;
    while (!r->over) {
        switch (smtp_client_next(r->client)) {
        case SMTP_CLIENT_INPUT:
            if (!r->leaving)
                set_deadline(r);
            return TURN_READ;
        case SMTP_CLIENT_STARTTLS:
            return start_tls(r);
        case SMTP_CLIENT_LOGIN:
            log_in(r);
            break;
        case SMTP_CLIENT_READY:
            if (ready(r, &turn))
                return turn;
            break;
        case SMTP_CLIENT_BODY:
            if (!send_body(r))
                return TURN_BUSY;
            break;
        case SMTP_CLIENT_DONE: {
            struct delivery *d = r->delivery;

            r->delivery = NULL;
            r->letters++;
            delivery_done(d, r);
            break;
        }
        case SMTP_CLIENT_CLOSE:
            end_by_words(r);
            return TURN_CLOSE;
        }
    }
    return TURN_CLOSE;
}

static void remote_tls_started(void *session, struct conn *c)
{
    struct remote *r = session;

    if (probe_of(r))
        probe_tls(probe_of(r), c, r->terms->tls_verify, false, STR(""));
    r->handshaking = false;
    r->connected = false; /* a deadline of its own for what follows */
    smtp_client_tls_started(r->client);
}

static void remote_expired(void *session, struct conn *c)
{
    struct remote *r = session;

    if (r->idle) {
        say_good_bye(r);
        return;
    }
    if (!r->over)
        end(r, r->handshaking ? REMOTE_LOST_TLS : REMOTE_LOST, too_slow(r), false);
    conn_abort(c);
}

static void remote_closed(void *session, struct conn *c)
{
    struct remote *r = session;
    const char *tls = conn_tls_error(c);
    int error = conn_error(c);
    char words[200];

    if (r->over)
        return;
    /* what the server said on its way out is a better reason than that it went */
    if (smtp_client_error(r->client).code) {
        end_by_words(r);
        return;
    }
    if (r->handshaking || *tls)
        snprintf(words, sizeof(words), "TLS: %s",
                 *tls    ? tls
                 : error ? strerrordesc_np(-error)
                         : "the connection ended");
    else
        snprintf(words, sizeof(words), "%s",
                 error ? strerrordesc_np(-error) : "the connection ended");
    if (probe_of(r) && r->handshaking)
        probe_tls(probe_of(r), c, r->terms->tls_verify, true, str_c(words));
    end(r, r->handshaking ? REMOTE_LOST_TLS : REMOTE_LOST,
        (struct smtp_reply){451,
                            r->handshaking ? STR("4.7.5")
                            : r->connected ? STR("4.4.2")
                                           : STR("4.4.1"),
                            str_c(words)},
        false);
}

static void remote_free(void *session)
{
    struct remote *r = session;
    struct send *s = r->send;

    if (!r->over)
        end(r, REMOTE_LOST, SMTP_REPLY(451, "4.4.2", "the connection ended"), false);
    smtp_client_free(r->client);
    sasl_client_free(r->login);
    send_terms_release(r->terms);
    source_release(r->source);
    free(r->chunk);
    free(r);
    s->nremotes--;
    send_drained(s);
}

static const struct conn_protocol remote_protocol = {
    .feed = remote_feed,
    .turn = remote_turn,
    .output = remote_output,
    .sent = remote_sent,
    .tls_started = remote_tls_started,
    .expired = remote_expired,
    .closed = remote_closed,
    .free = remote_free,
};

/* ---- life ---- */

static void *take_over(void *arg, struct conn *c)
{
    struct remote *r = arg;

    r->conn = c;
    return r;
}

static struct smtp_client *new_client(const struct remote *r)
{
    static const bool always = true;
    enum route_tls tls = r->clear ? ROUTE_NEVER : r->route->tls;

    return smtp_client_new(&(struct smtp_client_config){
        .lmtp = r->route->lmtp,
        .hostname = str_c(r->terms->hostname),
        .starttls = tls != ROUTE_NEVER && r->terms->tls,
        .starttls_needed = tls == ROUTE_MUST || tls == ROUTE_VERIFY,
        .login = r->route->user.n > 0,
        .transcript = probe_of(r) ? &always : log_dialogues(),
    });
}

struct remote *remote_dial(struct send *s, struct send_terms *t, const struct route *route,
                           const struct host *host, bool clear, uint64_t connect_ms,
                           struct delivery *d)
{
    struct remote *r = calloc(1, sizeof(*r));

    if (!r)
        abort();
    r->send = s;
    r->terms = send_terms_hold(t);
    r->route = route;
    r->host = *host;
    r->clear = clear;
    r->delivery = d;
    r->number = ++s->remotes_ever;
    r->client = new_client(r);
    s->nremotes++;
    struct conn_options o = {
        .protocol = &remote_protocol,
        .tls = route->tls == ROUTE_VERIFY ? t->tls_verify : t->tls,
        .tls_client = true,
        .server_name = str_c(r->host.name),
    };
    conn_dial(s->program->loop, (const struct sockaddr *)&r->host.at, r->host.at_n, &o,
              take_over, r);
    conn_deadline(r->conn, connect_ms);
    return r;
}

struct remote *remote_reuse(struct send *s, const struct send_terms *t,
                            const struct route *route, const struct host *host,
                            struct delivery *d)
{
    LIST_EACH(&s->idle, at)
    {
        struct remote *r = LIST_OF(at, struct remote, link);

        if (r->terms != t || r->route != route || r->host.at_n != host->at_n ||
            strcmp(r->host.name, host->name) != 0 ||
            memcmp(&r->host.at, &host->at, host->at_n) != 0)
            continue;
        leave_idle(r);
        r->delivery = d;
        r->at = 0;
        s->reused++;
        conn_deadline(r->conn, r->terms->command_ms);
        conn_wake(r->conn);
        return r;
    }
    return NULL;
}

void remote_release(struct remote *r)
{
    r->delivery = NULL;
}

bool remote_offers(const struct remote *r, struct str keyword)
{
    return smtp_client_offers(r->client, keyword);
}

struct str remote_tls(const struct remote *r)
{
    const struct tls_info *tls = conn_tls(r->conn);

    return str_c(tls ? tls->version : "");
}

void remote_begin(struct remote *r, struct smtp_transaction *tx)
{
    r->at = 0;
    smtp_client_begin(r->client, tx);
}
