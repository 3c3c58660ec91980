/* posta-pop3d - the maildrops of the users over POP3: 110 with STLS, and 995. */
#include "net/listen.h"
#include "net/program.h"
#include "pop3d/client.h"

#include <errno.h>

enum { LISTENERS_MAX = 64, STATE_DIR_BYTES = 4000 };

/* One port of each kind has its own tickets and its own way to begin. */
enum kind { CLEAR, TLS, KINDS };

static const char *const names[KINDS] = {"pop3d", "pop3d-tls"};

struct pop3d {
    struct clients clients;
    char state_dir[STATE_DIR_BYTES];
    struct tls_context *tls[KINDS];
    struct listener *listeners[LISTENERS_MAX];
    enum kind kinds[LISTENERS_MAX];
    unsigned n;
};

static struct config_list in_clear(const struct config *c)
{
    return c->pop3d.listen;
}

static struct config_list in_tls(const struct config *c)
{
    return c->pop3d.listen_tls;
}

/* Where there is no usable certificate the old contexts stay. */
static int load_tls(struct program *p, struct pop3d *d, struct err *err)
{
    struct tls_context *fresh[KINDS] = {NULL, NULL};

    if (p->tls_chain.n == 0)
        return 0;
    for (int k = 0; k < KINDS; k++) {
        fresh[k] = tls_context_server(p->tls_chain, p->tls_key, "pop3", names[k], err);
        if (!fresh[k]) {
            tls_context_unref(fresh[0]);
            return err ? err->code : E_SYNTAX;
        }
    }
    for (int k = 0; k < KINDS; k++) {
        tls_context_unref(d->tls[k]);
        d->tls[k] = fresh[k];
    }
    return 0;
}

static void use_config(struct pop3d *d, const struct config *c)
{
    d->clients.limits = c->limits;
    d->clients.session = (struct pop3_config){.stls = d->tls[CLEAR] != NULL,
                                              .clear_auth = c->lab.clear_auth,
                                              .transcript = c->log.transcript,
                                              .auth_failures = c->limits.auth_failures,
                                              .bad_commands = c->limits.bad_commands,
                                              .junk_commands = c->limits.junk_commands};
}

static struct listen_options options(struct pop3d *d, struct program *p, enum kind kind)
{
    return (struct listen_options){
        .conn = {.protocol = client_protocol(), .tls = d->tls[kind], .tls_first = kind == TLS},
        .make = kind == TLS ? client_make_tls : client_make,
        .arg = &d->clients,
        .busy = STR("-ERR [SYS/TEMP] too many connections, try again later\r\n"),
        .refused = STR("-ERR [SYS/TEMP] too many connections from your address\r\n"),
        .connections_max = p->config->limits.connections,
        .per_address_max = p->config->limits.connections_per_address,
        .shared = p->shared,
    };
}

static int start(struct program *p, struct err *err)
{
    struct pop3d *d = calloc(1, sizeof(*d));

    if (!d)
        abort();
    p->state = d;
    if ((size_t)snprintf(d->state_dir, sizeof(d->state_dir), "%s", p->config->state_dir) >=
        sizeof(d->state_dir))
        return err_set(err, E_LIMIT, "state_dir is too long a path");
    int r = load_tls(p, d, err);
    if (r < 0)
        return r;
    d->clients.users = users_open(d->state_dir, err);
    if (!d->clients.users)
        return err->code;
    d->clients.loop = p->loop;
    d->clients.shared = p->shared;
    d->clients.state_dir = d->state_dir;
    d->clients.auth = auth_link_new(p->loop, p->config->run_dir);
    use_config(d, p->config);
    clients_start(&d->clients);
    return 0;
}

static int serve(struct program *p, const char *name, int fd, struct err *err)
{
    struct pop3d *d = p->state;
    enum kind kind = strcmp(name, names[TLS]) == 0 ? TLS : CLEAR;

    if (d->n == LISTENERS_MAX)
        return err_set(err, E_LIMIT, "more than %d sockets", LISTENERS_MAX);
    if (kind == TLS && !d->tls[TLS])
        return err_set(err, E_UNAVAILABLE, "%s wants a certificate", name);
    struct listen_options o = options(d, p, kind);
    d->kinds[d->n] = kind;
    d->listeners[d->n++] = listener_new(p->loop, fd, &o);
    return 0;
}

static int reload(struct program *p, const struct config *old, struct err *err)
{
    struct pop3d *d = p->state;
    int r = load_tls(p, d, err);

    (void)old;
    if (r < 0)
        return r;
    use_config(d, p->config);
    for (unsigned i = 0; i < d->n; i++) {
        struct listen_options o = options(d, p, d->kinds[i]);

        listener_change(d->listeners[i], &o);
    }
    return 0;
}

static void close_listeners(struct pop3d *d)
{
    for (unsigned i = 0; i < d->n; i++)
        listener_free(d->listeners[i]);
    d->n = 0;
}

static void empty(void *arg)
{
    program_drained(arg);
}

static void drain(struct program *p)
{
    struct pop3d *d = p->state;

    close_listeners(d);
    d->clients.empty = empty;
    d->clients.arg = p;
    clients_drain(&d->clients);
}

static void stop(struct program *p)
{
    struct pop3d *d = p->state;

    if (!d)
        return;
    close_listeners(d);
    if (d->clients.maildrops)
        clients_stop(&d->clients);
    auth_link_free(d->clients.auth);
    users_close(d->clients.users);
    for (int k = 0; k < KINDS; k++)
        tls_context_unref(d->tls[k]);
    free(d);
    p->state = NULL;
}

static void status(struct program *p, struct buf *json)
{
    const struct clients *cs = &((struct pop3d *)p->state)->clients;

    buf_addf(json, "\"sessions\": %u, \"logins\": %llu, \"retrieved\": %llu, \"deleted\": %llu",
             cs->n, (unsigned long long)cs->logins, (unsigned long long)cs->retrieved,
             (unsigned long long)cs->deleted);
}

static const struct program_socket sockets[] = {
    {.name = "pop3d",      .addresses = in_clear},
    {.name = "pop3d-tls",                    .addresses = in_tls},
    {.name = NULL},
};

static const struct program_spec spec = {
    .name = "posta-pop3d",
    .about = "Gives users their letters over POP3 (RFC 1939), on 110 with STLS and on 995.",
    .sockets = sockets,
    .tls = true,
    .start = start,
    .serve = serve,
    .reload = reload,
    .drain = drain,
    .stop = stop,
    .status = status,
};

int main(int argc, char **argv)
{
    return program_main(argc, argv, &spec);
}
