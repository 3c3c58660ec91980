/* posta-pop3d - the maildrops of the users over POP3: 110 with STLS, and 995. */
#include "access/doors.h"
#include "pop3d/client.h"
#include "store/change.h"
#include "sys/log.h"

enum { STATE_DIR_BYTES = 4000 };

struct pop3d {
    struct clients clients;
    struct doors doors;
    char state_dir[STATE_DIR_BYTES];
};

static const struct doors_spec doors = {
    .names = {"pop3d",     "pop3d-tls"    },
    .alpn = "pop3",
    .protocol = &client_protocol,
    .make = {client_make, client_make_tls},
    .busy = STR_LIT("-ERR [SYS/TEMP] too many connections, try again later\r\n"),
    .refused = STR_LIT("-ERR [SYS/TEMP] too many connections from your address\r\n"),
};

static struct config_list in_clear(const struct config *c)
{
    return c->pop3d.listen;
}

static struct config_list in_tls(const struct config *c)
{
    return c->pop3d.listen_tls;
}

static void use_config(struct pop3d *d, const struct config *c)
{
    d->clients.access.limits = c->limits;
    d->clients.session = (struct pop3_config){.stls = doors_have_tls(&d->doors),
                                              .clear_auth = c->lab.clear_auth,
                                              .transcript = log_dialogues(),
                                              .auth_failures = c->limits.auth_failures,
                                              .bad_commands = c->limits.bad_commands,
                                              .junk_commands = c->limits.junk_commands};
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
    doors_init(&d->doors, &doors, &d->clients);
    int r = doors_load(&d->doors, p, err);
    if (r < 0)
        return r;
    d->clients.state_dir = d->state_dir;
    r = access_open(&d->clients.access, p, STR("pop"), err); /* RFC 5034 4 */
    if (r < 0)
        return r;
    d->clients.changes = changes_new(p->config->run_dir);
    use_config(d, p->config);
    clients_start(&d->clients);
    return 0;
}

static int serve(struct program *p, const char *name, int fd, struct err *err)
{
    struct pop3d *d = p->state;

    return doors_open(&d->doors, p, name, fd, err);
}

static int reload(struct program *p, const struct config *old, struct err *err)
{
    struct pop3d *d = p->state;
    int r = doors_load(&d->doors, p, err);

    (void)old;
    if (r < 0)
        return r;
    use_config(d, p->config);
    doors_change(&d->doors, p);
    return 0;
}

static void empty(void *arg)
{
    program_drained(arg);
}

static void drain(struct program *p)
{
    struct pop3d *d = p->state;

    doors_close(&d->doors);
    d->clients.empty = empty;
    d->clients.arg = p;
    clients_drain(&d->clients);
}

static void stop(struct program *p)
{
    struct pop3d *d = p->state;

    if (!d)
        return;
    doors_close(&d->doors);
    if (d->clients.maildrops)
        clients_stop(&d->clients);
    changes_free(d->clients.changes);
    access_close(&d->clients.access);
    doors_done(&d->doors);
    free(d);
    p->state = NULL;
}

static void status(struct program *p, struct buf *json)
{
    const struct clients *cs = &((struct pop3d *)p->state)->clients;

    buf_addf(json,
             "\"sessions\": %u, \"logins\": %llu, \"retrieved\": %llu, \"deleted\": %llu, "
             "\"damaged\": %llu",
             cs->n, (unsigned long long)cs->logins, (unsigned long long)cs->retrieved,
             (unsigned long long)cs->deleted, (unsigned long long)cs->damaged);
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
