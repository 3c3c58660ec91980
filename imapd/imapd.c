/* posta-imapd - the mailboxes of the users over IMAP: 143 with STARTTLS, and 993. */
#include "access/doors.h"
#include "imapd/client.h"
#include "sys/log.h"

#include <malloc.h>

/* Each arena of malloc keeps pages of its own, and those of many small threads are not many. */
enum { MALLOC_ARENAS = 2 };

struct imapd {
    struct clients clients;
    struct doors doors;
};

static const struct doors_spec doors = {
    .names = {"imapd",     "imapd-tls"    },
    .alpn = "imap",
    .protocol = &client_protocol,
    .make = {client_make, client_make_tls},
    .busy = STR_LIT("* BYE [UNAVAILABLE] Too many connections, try again later\r\n"),
    .refused = STR_LIT("* BYE [UNAVAILABLE] Too many connections from your address\r\n"),
};

static struct config_list in_clear(const struct config *c)
{
    return c->imapd.listen;
}

static struct config_list in_tls(const struct config *c)
{
    return c->imapd.listen_tls;
}

static void use_config(struct imapd *d, const struct config *c)
{
    d->clients.access.limits = c->limits;
    d->clients.session = (struct imap_config){.starttls = doors_have_tls(&d->doors),
                                              .clear_auth = c->lab.clear_auth,
                                              .transcript = log_dialogues(),
                                              .auth_failures = c->limits.auth_failures,
                                              .bad_commands = c->limits.bad_commands,
                                              .junk_commands = c->limits.junk_commands,
                                              .letter_bytes = c->limits.letter_bytes,
                                              .version = POSTA_VERSION};
}

static int start(struct program *p, struct err *err)
{
    struct imapd *d = calloc(1, sizeof(*d));
    const struct config *c = p->config;
    int r;

    if (!d)
        abort();
    p->state = d;
    mallopt(M_ARENA_MAX, MALLOC_ARENAS);
    doors_init(&d->doors, &doors, &d->clients);
    r = doors_load(&d->doors, p, err);
    if (r == 0)
        r = access_open(&d->clients.access, p, STR("imap"), err); /* RFC 3501 6.2.2 */
    if (r == 0)
        r = notify_open(p->loop, c->state_dir, c->run_dir, &d->clients.notify, err);
    if (r < 0)
        return r;
    d->clients.mailboxes = mailboxes_new(c->state_dir, c->run_dir, c->hostname);
    mailboxes_keep_reserve(d->clients.mailboxes);
    use_config(d, c);
    clients_start(&d->clients);
    return 0;
}

static int serve(struct program *p, const char *name, int fd, struct err *err)
{
    struct imapd *d = p->state;

    return doors_open(&d->doors, p, name, fd, err);
}

static int reload(struct program *p, const struct config *old, struct err *err)
{
    struct imapd *d = p->state;
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
    struct imapd *d = p->state;

    doors_close(&d->doors);
    d->clients.empty = empty;
    d->clients.arg = p;
    clients_drain(&d->clients);
}

static void stop(struct program *p)
{
    struct imapd *d = p->state;

    if (!d)
        return;
    doors_close(&d->doors);
    if (d->clients.pool)
        clients_stop(&d->clients);
    if (d->clients.mailboxes)
        mailboxes_free(d->clients.mailboxes);
    notify_close(d->clients.notify);
    access_close(&d->clients.access);
    doors_done(&d->doors);
    free(d);
    p->state = NULL;
}

static void status(struct program *p, struct buf *json)
{
    const struct clients *cs = &((struct imapd *)p->state)->clients;

    buf_addf(json,
             "\"sessions\": %u, \"idling\": %u, \"watches\": %u, \"logins\": %llu, "
             "\"commands\": %llu, \"damaged\": %llu",
             cs->n, cs->idling, notify_watches(cs->notify), (unsigned long long)cs->logins,
             (unsigned long long)cs->commands,
             (unsigned long long)mailboxes_damaged(cs->mailboxes));
}

static const struct program_socket sockets[] = {
    {.name = "imapd",      .addresses = in_clear},
    {.name = "imapd-tls",                    .addresses = in_tls},
    {.name = NULL},
};

static const struct program_spec spec = {
    .name = "posta-imapd",
    .about =
        "Shows users their mailboxes over IMAP (RFC 3501), on 143 with STARTTLS and on 993.",
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
