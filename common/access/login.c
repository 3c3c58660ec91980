#include "access/login.h"

#include "sys/log.h"

int access_open(struct access *all, const struct program *p, struct str service,
                struct err *err)
{
    *all = (struct access){
        .loop = p->loop, .shared = p->shared, .limits = p->config->limits, .service = service};
    all->users = users_open(p->config->state_dir, err);
    if (!all->users)
        return err->code;
    all->auth = auth_link_new(p->loop, p->config->run_dir);
    return 0;
}

void access_close(struct access *all)
{
    auth_link_free(all->auth);
    users_close(all->users);
    *all = (struct access){0};
}

void access_login_init(struct access_login *l, const struct access *all, struct conn *c,
                       void (*answer)(void *arg, const struct login_answer *a), void *arg)
{
    *l = (struct access_login){.all = all, .conn = c, .answer = answer, .arg = arg};
}

static void answer(struct access_login *l, const struct login_answer *a)
{
    l->waiting = false;
    l->answer(l->arg, a);
    conn_wake(l->conn);
}

static void refuse(struct access_login *l, enum login_outcome why)
{
    answer(l, &(struct login_answer){.outcome = why});
}

static void delay_over(void *arg)
{
    refuse(arg, LOGIN_BAD);
}

uint64_t access_login_delay(uint32_t failures, uint32_t free, uint32_t max_ms)
{
    uint64_t ms = LOGIN_DELAY_FIRST_MS;

    if (failures <= free)
        return 0;
    for (uint32_t i = failures - free; i > 1 && ms < max_ms; i--)
        ms *= 2;
    return ms < max_ms ? ms : max_ms;
}

static void log_failed(const struct access_login *l, const char *why)
{
    log_event(LOG_INFO, NULL, "auth-failed", "%s from %s with %s%s", l->mechanism,
              conn_peer_address(l->conn), conn_tls(l->conn) ? "TLS" : "no TLS", why);
}

static void wrong_password(struct access_login *l)
{
    const struct config_limits *limits = &l->all->limits;
    unsigned failures =
        shared_failure(l->all->shared, conn_peer_address(l->conn), loop_now_ms(l->all->loop));
    uint64_t ms = access_login_delay(failures, limits->auth_failures_per_minute,
                                     limits->auth_delay_ms_max);

    log_failed(l, "");
    if (ms == 0) {
        refuse(l, LOGIN_BAD);
        return;
    }
    if (!l->delay)
        l->delay = timer_new(l->all->loop, delay_over, l);
    timer_start(l->delay, ms);
}

static enum login_outcome find_user(const struct access *all, struct str name, struct arena *a,
                                    struct user *user)
{
    users_refresh(all->users, loop_now_ms(all->loop));
    switch (users_find(all->users, name, a, user)) {
    case USERS_MAILBOX:
        return user->enabled ? LOGIN_IN : LOGIN_DISABLED;
    case USERS_BROKEN:
        return LOGIN_TEMP;
    case USERS_ALIAS:
    case USERS_UNKNOWN:
    case USERS_ELSEWHERE:
    case USERS_LOOP:
        break;
    }
    return LOGIN_BAD; /* a password without a mailbox */
}

static void password_right(struct access_login *l, struct str name)
{
    struct arena scratch;
    struct user user;
    struct login_answer a = {.user = &user};

    arena_init(&scratch);
    a.outcome = find_user(l->all, name, &scratch, &user);
    if (a.outcome == LOGIN_IN)
        log_event(LOG_INFO, NULL, "login", "%.*s from %s with %s", STR_ARGS(user.address),
                  conn_peer_address(l->conn), l->mechanism);
    answer(l, &a);
    arena_done(&scratch);
}

static void authd_answered(void *arg, const struct auth_answer *a)
{
    struct access_login *l = arg;

    if (a->status != AUTH_CONTINUE)
        l->exchange = NULL;
    switch (a->status) {
    case AUTH_CONTINUE:
        answer(l, &(struct login_answer){.outcome = LOGIN_CHALLENGE, .challenge = a->text});
        break;
    case AUTH_OK:
        password_right(l, a->text);
        break;
    case AUTH_BAD:
        wrong_password(l);
        break;
    case AUTH_DISABLED:
        log_failed(l, ": the account is closed");
        refuse(l, LOGIN_DISABLED);
        break;
    case AUTH_TEMP:
        log_failed(l, ": authd gives no answer");
        refuse(l, LOGIN_TEMP);
        break;
    }
}

static void begin(struct access_login *l, const struct login_step *s)
{
    const struct tls_info *tls = conn_tls(l->conn);
    struct auth_begin b = {
        .service = l->all->service,
        .mechanism = s->mechanism,
        .peer = str_c(conn_peer_address(l->conn)),
        .tls = tls != NULL,
        .has_response = s->has_response,
        .response = s->response,
    };

    if (tls) {
        b.binding_name = str_c(tls->binding_name);
        b.binding = (struct str){(const char *)tls->binding, tls->binding_n};
    }
    snprintf(l->mechanism, sizeof(l->mechanism), "%.*s", STR_ARGS(s->mechanism));
    l->exchange = auth_exchange_begin(l->all->auth, &b, authd_answered, l);
}

bool access_login_step(struct access_login *l, const struct login_step *s)
{
    if (s->cancelled) {
        access_login_cancel(l);
        return false;
    }
    l->waiting = true;
    if (s->first)
        begin(l, s);
    else
        auth_exchange_continue(l->exchange, s->response);
    return true;
}

void access_login_cancel(struct access_login *l)
{
    auth_exchange_cancel(l->exchange);
    l->exchange = NULL;
    if (l->delay)
        timer_stop(l->delay);
    l->waiting = false;
}

void access_login_done(struct access_login *l)
{
    auth_exchange_cancel(l->exchange);
    l->exchange = NULL;
    timer_free(l->delay);
    l->delay = NULL;
}
