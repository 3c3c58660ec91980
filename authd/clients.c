#include "authd/clients.h"

#include "authd/changes.h"
#include "authd/logins.h"
#include "authd/session.h"
#include "base/map.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <assert.h>
#include <pwd.h>
#include <unistd.h>

enum { CLIENT_LOGINS_MAX = 4096 };

struct clients {
    struct clients_options o;
    struct accounts *reading, *writing;
    struct logins *logins;
    struct changes *changes;
    uid_t uids[CLIENTS_UIDS]; /* who may log people in */
    unsigned nuids;
    uint8_t secret[MAP_SECRET_BYTES];
    uint64_t good, bad, temp; /* answers since the start */
    void (*empty)(void *arg);
    void *empty_arg;
};

struct client {
    struct clients *all;
    struct conn *conn;
    struct authd_session *session;
    struct map logins; /* by the octets of their numbers */
    uid_t uid;
    bool refused;
};

/* ---- who may ---- */

static void allow(struct clients *cs, uid_t uid)
{
    if (cs->nuids < CLIENTS_UIDS)
        cs->uids[cs->nuids++] = uid;
}

/* The boxes that log people in, where they have users of their own. */
static void allow_boxes(struct clients *cs)
{
    static const char *const names[] = {"posta-msa", "posta-receive", "posta-mail"};

    allow(cs, 0);
    allow(cs, geteuid());
    allow(cs, cs->o.owner);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct passwd *p = getpwnam(names[i]);

        if (p)
            allow(cs, p->pw_uid);
    }
}

static bool is_allowed(const struct clients *cs, uid_t uid)
{
    for (unsigned i = 0; i < cs->nuids; i++)
        if (cs->uids[i] == uid)
            return true;
    return false;
}

static bool is_admin(const struct client *cl)
{
    return cl->uid == 0 || cl->uid == cl->all->o.owner;
}

/* ---- answers ---- */

static void answer(struct client *cl, const struct auth_answer *a)
{
    struct clients *cs = cl->all;

    cs->good += a->status == AUTH_OK;
    cs->bad += a->status == AUTH_BAD || a->status == AUTH_DISABLED;
    cs->temp += a->status == AUTH_TEMP;
    authd_answer(cl->session, a);
}

static void check_empty(struct clients *cs)
{
    void (*empty)(void *arg) = cs->empty;

    if (!empty || clients_busy(cs))
        return;
    cs->empty = NULL;
    empty(cs->empty_arg);
}

static void answer_login(void *owner, struct login *l, const struct auth_answer *a)
{
    struct client *cl = owner;

    if (a->status != AUTH_CONTINUE)
        map_remove(&cl->logins, login_key(l));
    answer(cl, a);
    conn_wake(cl->conn);
}

static void answer_change(void *owner, const struct auth_answer *a)
{
    struct client *cl = owner;

    answer(cl, a);
    conn_wake(cl->conn);
}

/* ---- requests: false where the client broke the rules of auth.sock ---- */

static struct login *find(const struct client *cl, uint32_t exchange)
{
    return map_get(&cl->logins, (struct str){(const char *)&exchange, sizeof(exchange)});
}

static bool on_auth(struct client *cl, const struct auth_request *r)
{
    struct clients *cs = cl->all;
    struct auth_answer a;
    struct login *l;

    if (find(cl, r->exchange))
        return false;
    if (cl->logins.n >= CLIENT_LOGINS_MAX) {
        a = (struct auth_answer){r->exchange, AUTH_TEMP, STR("too many logins are under way")};
        answer(cl, &a);
        return true;
    }
    bool now = login_begin(cs->logins, cl, r->exchange, &r->begin, cs->o.clear_allowed, &l, &a);
    if (!now || a.status == AUTH_CONTINUE)
        map_put(&cl->logins, login_key(l), l);
    if (now)
        answer(cl, &a);
    return true;
}

static bool on_cont(struct client *cl, const struct auth_request *r)
{
    struct login *l = find(cl, r->exchange);
    struct auth_answer a;

    if (!l || login_waits(l))
        return false;
    map_remove(&cl->logins, login_key(l));
    bool now = login_continue(l, r->response, &a);
    if (!now || a.status == AUTH_CONTINUE)
        map_put(&cl->logins, login_key(l), l);
    if (now)
        answer(cl, &a);
    return true;
}

/* It may have been answered just now: then there is nothing to drop. */
static void on_cancel(struct client *cl, const struct auth_request *r)
{
    struct login *l = find(cl, r->exchange);

    if (!l)
        return;
    map_remove(&cl->logins, login_key(l));
    login_cancel(l);
}

static void refuse(struct client *cl, uint32_t exchange)
{
    char words[80];

    snprintf(words, sizeof(words), "uid %u may not ask for this", (unsigned)cl->uid);
    log_event(LOG_WARN, NULL, "refused", "%s", words);
    authd_answer(cl->session, &(struct auth_answer){exchange, AUTH_BAD, str_c(words)});
}

static void on_change(struct client *cl, const struct auth_request *r)
{
    struct auth_answer a;

    if (!is_admin(cl))
        refuse(cl, r->exchange);
    else if (changes_take(cl->all->changes, cl, r, &a))
        answer(cl, &a);
}

static void on_status(struct client *cl, const struct auth_request *r)
{
    struct buf words;
    uint64_t users = 0;

    if (!is_admin(cl)) {
        refuse(cl, r->exchange);
        return;
    }
    struct clients *cs = cl->all;
    buf_init(&words, AUTH_LINE_BYTES);
    accounts_count(cs->reading, &users, NULL);
    buf_addf(&words, "users=%llu open=%u remembered=%u good=%llu bad=%llu temp=%llu",
             (unsigned long long)users, logins_open(cs->logins), logins_remembered(cs->logins),
             (unsigned long long)cs->good, (unsigned long long)cs->bad,
             (unsigned long long)cs->temp);
    authd_answer(cl->session, &(struct auth_answer){r->exchange, AUTH_OK, buf_str(&words)});
    buf_done(&words);
}

static bool on_request(struct client *cl, const struct auth_request *r)
{
    switch (r->verb) {
    case AUTH_VERB_AUTH:
        return on_auth(cl, r);
    case AUTH_VERB_CONT:
        return on_cont(cl, r);
    case AUTH_VERB_CANCEL:
        on_cancel(cl, r);
        return true;
    case AUTH_VERB_PASSWD:
    case AUTH_VERB_REMOVE:
        on_change(cl, r);
        return true;
    case AUTH_VERB_STATUS:
        on_status(cl, r);
        return true;
    }
    return false;
}

/* ---- the connection ---- */

void *clients_make(void *arg, struct conn *c)
{
    struct clients *cs = arg;
    struct client *cl = calloc(1, sizeof(*cl));
    pid_t pid;

    if (!cl)
        abort();
    cl->all = cs;
    cl->conn = c;
    cl->session = authd_new();
    map_init(&cl->logins, cs->secret);
    if (!conn_peer_cred(c, &cl->uid, &pid))
        cl->uid = (uid_t)-1;
    if (!is_allowed(cs, cl->uid)) {
        refuse(cl, 0);
        cl->refused = true;
    }
    return cl;
}

static void client_feed(void *session, struct str in)
{
    authd_feed(((struct client *)session)->session, in);
}

static enum turn client_turn(void *session, struct conn *c)
{
    struct client *cl = session;
    const struct auth_request *r;

    (void)c;
    if (cl->refused)
        return TURN_CLOSE;
    for (;;) {
        switch (authd_next(cl->session, &r)) {
        case AUTHD_WANT_INPUT:
        case AUTHD_WANT_FLUSH:
            check_empty(cl->all);
            return TURN_READ;
        case AUTHD_WANT_REQUEST:
            if (on_request(cl, r))
                break;
            log_event(LOG_WARN, NULL, "protocol", "uid %u asked out of turn",
                      (unsigned)cl->uid);
            return TURN_CLOSE;
        case AUTHD_WANT_CLOSE:
            log_event(LOG_WARN, NULL, "protocol", "uid %u sent what is no request",
                      (unsigned)cl->uid);
            return TURN_CLOSE;
        }
    }
}

static struct str client_output(const void *session)
{
    return authd_output(((const struct client *)session)->session);
}

static void client_sent(void *session, size_t n)
{
    authd_sent(((struct client *)session)->session, n);
}

static void client_expired(void *session, struct conn *c)
{
    (void)session;
    (void)c;
}

static void client_free(void *session)
{
    struct client *cl = session;
    struct login *l;

    for (size_t at = 0; (l = map_next(&cl->logins, &at));) {
        map_remove(&cl->logins, login_key(l));
        login_cancel(l);
    }
    map_done(&cl->logins);
    changes_forget(cl->all->changes, cl);
    authd_free(cl->session);
    check_empty(cl->all);
    free(cl);
}

static const struct conn_protocol protocol = {
    .feed = client_feed,
    .turn = client_turn,
    .output = client_output,
    .sent = client_sent,
    .expired = client_expired,
    .free = client_free,
};

const struct conn_protocol *clients_protocol(void)
{
    return &protocol;
}

/* ---- all of them ---- */

int clients_open(const struct clients_options *o, struct clients **out, struct err *err)
{
    struct clients *cs = calloc(1, sizeof(*cs));

    if (!cs)
        abort();
    cs->o = *o;
    allow_boxes(cs);
    random_bytes(cs->secret, sizeof(cs->secret));
    int r = accounts_open(o->dir, &cs->reading, err);
    if (r == 0)
        r = accounts_open(o->dir, &cs->writing, err);
    if (r == 0) {
        cs->logins = logins_new(&(struct logins_options){.loop = o->loop,
                                                         .accounts = cs->reading,
                                                         .hash_threads = o->hash_threads,
                                                         .answer = answer_login},
                                err);
        r = cs->logins ? 0 : err->code;
    }
    if (r < 0) {
        clients_close(cs);
        return r;
    }
    cs->changes = changes_new(&(struct changes_options){.loop = o->loop,
                                                        .accounts = cs->writing,
                                                        .hash_threads = o->hash_threads,
                                                        .answer = answer_change});
    *out = cs;
    return 0;
}

static void abort_client(void *arg, struct conn *c, void *session)
{
    (void)arg;
    (void)session;
    conn_abort(c);
}

void clients_close(struct clients *cs)
{
    if (!cs)
        return;
    cs->empty = NULL;
    conn_each(cs->o.loop, &protocol, abort_client, NULL);
    changes_free(cs->changes);
    logins_free(cs->logins);
    accounts_close(cs->reading);
    accounts_close(cs->writing);
    free(cs);
}

void clients_allow_clear(struct clients *cs, bool allowed)
{
    cs->o.clear_allowed = allowed;
}

unsigned clients_busy(const struct clients *cs)
{
    return logins_open(cs->logins) + changes_open(cs->changes);
}

void clients_on_empty(struct clients *cs, void (*empty)(void *arg), void *arg)
{
    cs->empty = empty;
    cs->empty_arg = arg;
    check_empty(cs);
}

void clients_status(struct clients *cs, struct buf *json)
{
    buf_addf(
        json, "\"open\": %u, \"remembered\": %u, \"good\": %llu, \"bad\": %llu, \"temp\": %llu",
        logins_open(cs->logins), logins_remembered(cs->logins), (unsigned long long)cs->good,
        (unsigned long long)cs->bad, (unsigned long long)cs->temp);
}
