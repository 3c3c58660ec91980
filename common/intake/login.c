/*
 * AUTH: steps go to authd, its answers to the client. A wrong password is answered
 * the later the more of them came from that address in the last minute (U07).
 */
#include "access/login.h"
#include "intake/inside.h"
#include "net/shared.h"
#include "sys/clock.h"
#include "sys/log.h"

static void say_delayed(void *arg)
{
    struct guest *g = arg;

    smtp_answer_auth_failed(g->smtp, g->delayed);
    guest_ready(g);
}

static void failed(struct guest *g, enum auth_status status)
{
    const struct config_limits *limits = &g->settings->limits;
    const char *peer = conn_peer_address(g->conn);
    uint64_t delay = 0;

    g->delayed = decide_auth_failed(status);
    log_event(LOG_INFO, NULL, "auth-failed", "%s from %s with %s%s", g->mechanism, peer,
              smtp_server_tls(g->smtp) ? "TLS" : "no TLS",
              status == AUTH_TEMP ? ": authd gives no answer" : "");
    if (status != AUTH_TEMP) {
        unsigned n = shared_failure(g->in->program->shared, peer, clock_steady_ms());

        g->in->counts.logins_failed++;
        delay =
            access_login_delay(n, limits->auth_failures_per_minute, limits->auth_delay_ms_max);
    }
    if (delay == 0) {
        say_delayed(g);
        return;
    }
    if (!g->delay)
        g->delay = timer_new(conn_loop(g->conn), say_delayed, g);
    timer_start(g->delay, delay);
}

static void answered(void *arg, const struct auth_answer *a)
{
    struct guest *g = arg;

    if (a->status != AUTH_CONTINUE)
        g->exchange = NULL;
    switch (a->status) {
    case AUTH_CONTINUE:
        smtp_answer_auth_challenge(g->smtp, a->text);
        guest_ready(g);
        return;
    case AUTH_OK:
        g->in->counts.logins++;
        log_event(LOG_INFO, NULL, "login", "%.*s from %s with %s", STR_ARGS(a->text),
                  conn_peer_address(g->conn), g->mechanism);
        smtp_answer_auth_done(g->smtp, a->text);
        guest_ready(g);
        break;
    case AUTH_BAD:
    case AUTH_TEMP:
    case AUTH_DISABLED:
        failed(g, a->status);
        break;
    }
}

static void begin(struct guest *g, const struct smtp_request *req)
{
    const struct tls_info *tls = conn_tls(g->conn);
    struct auth_begin b = {
        .service = STR("smtp"),
        .mechanism = req->auth.mechanism,
        .peer = str_c(conn_peer_address(g->conn)),
        .tls = smtp_server_tls(g->smtp),
        .has_response = req->auth.has_response,
        .response = req->auth.response,
    };

    if (tls) {
        b.binding_name = str_c(tls->binding_name);
        b.binding = (struct str){(const char *)tls->binding, tls->binding_n};
    }
    snprintf(g->mechanism, sizeof(g->mechanism), "%.*s", STR_ARGS(req->auth.mechanism));
    g->exchange = auth_exchange_begin(g->in->auth, &b, answered, g);
}

void login_step(struct guest *g, const struct smtp_request *req)
{
    if (req->auth.cancelled) {
        auth_exchange_cancel(g->exchange);
        g->exchange = NULL;
        return;
    }
    g->waiting = true;
    if (req->auth.first)
        begin(g, req);
    else
        auth_exchange_continue(g->exchange, req->auth.response);
}

void login_done(struct guest *g)
{
    auth_exchange_cancel(g->exchange);
    g->exchange = NULL;
    timer_free(g->delay);
    g->delay = NULL;
}
