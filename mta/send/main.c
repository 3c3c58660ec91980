/* posta-mta-send - brings letters to other servers. */
#include "base/defer.h"
#include "mta/send/control.h"
#include "mta/send/delivery.h"
#include "mta/send/memory.h"
#include "sasl/client.h"
#include "sys/fs.h"
#include "sys/log.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- terms ---- */

struct send_terms *send_terms_hold(struct send_terms *t)
{
    t->holders++;
    return t;
}

void send_terms_release(struct send_terms *t)
{
    if (!t || --t->holders > 0)
        return;
    routes_done(&t->routes);
    resolver_free(t->resolver);
    tls_context_unref(t->tls);
    tls_context_unref(t->tls_verify);
    free(t);
}

static void set_times(struct send_terms *t, const struct config_limits *l)
{
    t->connect_ms = (uint64_t)l->send_connect_seconds * 1000;
    t->command_ms = (uint64_t)l->send_command_seconds * 1000;
    t->data_ms = (uint64_t)l->send_data_seconds * 1000;
    t->end_ms = (uint64_t)l->send_end_seconds * 1000;
    t->handshake_ms = (uint64_t)l->handshake_seconds * 1000;
    t->whole_ms = (uint64_t)l->send_seconds * 1000;
}

static void tell_flaws(const struct routes *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->all[i].flaw)
            log_event(LOG_ERROR, NULL, "route", "%.*s: letters wait, since %s",
                      STR_ARGS(r->all[i].domain.n ? r->all[i].domain : STR("the relay")),
                      r->all[i].flaw);
}

static struct send_terms *terms_new(const struct send *s)
{
    const struct config *c = s->program->config;
    struct send_terms *t = calloc(1, sizeof(*t));

    if (!t)
        abort();
    t->holders = 1;
    snprintf(t->hostname, sizeof(t->hostname), "%s", c->hostname);
    t->trusted = (struct smtp_server_config){.kind = SMTP_LMTP,
                                             .hostname = str_c(t->hostname),
                                             .recipients_max = DELIVERY_RCPTS,
                                             .xspool = true,
                                             .dsn = true,
                                             .transcript = log_dialogues()};
    t->stranger = t->trusted;
    t->stranger.xspool = false;
    set_times(t, &c->limits);
    routes_init(&t->routes, c);
    tell_flaws(&t->routes);
    t->resolver = resolver_new(s->program->loop, c);
    t->tls = tls_context_client(NULL, &t->tls_flaw);
    t->tls_verify = tls_context_client(c->tls.authorities, &t->tls_flaw);
    if (!t->tls_verify)
        log_event(LOG_ERROR, NULL, "authorities", "no name can be verified: %s",
                  t->tls_flaw.text);
    return t;
}

/* ---- the program ---- */

void send_drained(struct send *s)
{
    if (s->draining && s->sessions == 0 && s->ndeliveries == 0 && s->nremotes == 0)
        program_drained(s->program);
}

static void log_sasl(void *arg, const char *text)
{
    (void)arg;
    log_event(LOG_WARN, NULL, "sasl", "%s", text);
}

static void open_cache(struct send *s)
{
    DEFER(free_mem) char *path = NULL;
    struct err err;

    if (asprintf(&path, "%s/cache/send", s->program->config->state_dir) < 0)
        abort();
    s->cache = fs_open_dir(path, &err);
    if (s->cache < 0)
        log_event(LOG_WARN, NULL, "cache",
                  "long letters cannot be made into seven bits: %s; `posta init` makes it",
                  err.text);
}

static int send_start(struct program *p, struct err *err)
{
    struct send *s = calloc(1, sizeof(*s));
    const struct passwd *queue = getpwnam("posta-queue");

    if (!s)
        abort();
    s->program = p;
    s->queue_uid = queue ? queue->pw_uid : geteuid();
    s->spool = spool_open(p->config->state_dir, err);
    if (!s->spool || sasl_clients_init(log_sasl, NULL, err) < 0) {
        spool_close(s->spool);
        free(s);
        return err->code;
    }
    open_cache(s);
    s->memory = memory_new();
    list_init(&s->deliveries);
    list_init(&s->idle);
    s->terms = terms_new(s);
    s->jobs = jobs_new(p->loop, &(struct jobs_options){.name = "letters",
                                                       .threads = SEND_THREADS,
                                                       .batch_max = 1,
                                                       .work = remote_work});
    p->state = s;
    return 0;
}

static int send_serve(struct program *p, const char *name, int fd, struct err *err)
{
    struct send *s = p->state;
    struct listen_options o = {.conn = {.protocol = &send_protocol},
                               .make = send_session_make,
                               .arg = s,
                               .busy = STR("421 4.3.2 posta-mta-send is too busy\r\n"),
                               .connections_max = p->config->limits.connections,
                               .shared = p->shared};

    if (strcmp(name, "send.ctl") == 0)
        control_options(s, &o);
    if (s->nlisteners == SEND_LISTENERS) {
        close(fd);
        return err_set(err, E_LIMIT, "more than %d sockets", SEND_LISTENERS);
    }
    s->listeners[s->nlisteners++] = listener_new(p->loop, fd, &o);
    return 0;
}

static int send_reload(struct program *p, const struct config *old, struct err *err)
{
    struct send *s = p->state;

    (void)old, (void)err;
    send_terms_release(s->terms);
    s->terms = terms_new(s);
    remote_farewell(s); /* they were made under the old ones */
    return 0;
}

static void send_drain(struct program *p)
{
    struct send *s = p->state;

    s->draining = true;
    while (s->nlisteners > 0)
        listener_free(s->listeners[--s->nlisteners]);
    remote_farewell(s);
    conn_each(p->loop, &send_protocol, send_session_farewell, NULL);
    control_drain(s);
    send_drained(s);
}

static void send_stop(struct program *p)
{
    struct send *s = p->state;

    if (!s)
        return;
    s->draining = false; /* nobody is told any more */
    for (unsigned i = 0; i < s->nlisteners; i++)
        listener_free(s->listeners[i]);
    jobs_free(s->jobs);
    conn_free_all(p->loop);
    send_terms_release(s->terms);
    memory_free(s->memory);
    spool_close(s->spool);
    close_fd(&s->cache);
    sasl_clients_done();
    free(s);
}

static void send_status(struct program *p, struct buf *json)
{
    const struct send *s = p->state;

    buf_addf(json,
             "\"sessions\": %u, \"deliveries\": %u, \"connections\": %u, \"idle\": %u, "
             "\"reused\": %llu, \"sent\": %llu, \"deferred\": %llu, \"failed\": %llu",
             s->sessions, s->ndeliveries, s->nremotes, s->nidle, (unsigned long long)s->reused,
             (unsigned long long)s->sent, (unsigned long long)s->deferred,
             (unsigned long long)s->failed);
}

static const struct program_socket sockets[] = {
    {.name = "send.sock", .path = "send.sock"},
    {.name = "send.ctl",                   .path = "send.ctl"},
    {0},
};

static const struct program_spec spec = {
    .name = "posta-mta-send",
    .about =
        "Brings letters to other servers: what posta-mta-queue hands over on send.sock goes "
        "to the hosts that posta.conf or DNS name for its domain. `posta probe` asks it "
        "through "
        "send.ctl what would become of a letter.",
    .sockets = sockets,
    .start = send_start,
    .serve = send_serve,
    .reload = send_reload,
    .drain = send_drain,
    .stop = send_stop,
    .status = send_status,
};

int main(int argc, char **argv)
{
    return program_main(argc, argv, &spec);
}
