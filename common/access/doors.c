#include "access/doors.h"

#include <unistd.h>

void doors_init(struct doors *d, const struct doors_spec *spec, void *arg)
{
    *d = (struct doors){.spec = spec, .arg = arg};
}

void doors_close(struct doors *d)
{
    for (unsigned i = 0; i < d->n; i++)
        listener_free(d->listeners[i]);
    d->n = 0;
}

void doors_done(struct doors *d)
{
    doors_close(d);
    for (int k = 0; k < DOOR_KINDS; k++)
        tls_context_unref(d->tls[k]);
    *d = (struct doors){0};
}

int doors_load(struct doors *d, const struct program *p, struct err *err)
{
    struct tls_context *fresh[DOOR_KINDS] = {NULL, NULL};

    if (p->tls_chain.n == 0)
        return 0;
    for (int k = 0; k < DOOR_KINDS; k++) {
        fresh[k] =
            tls_context_server(p->tls_chain, p->tls_key, d->spec->alpn, d->spec->names[k], err);
        if (!fresh[k]) {
            tls_context_unref(fresh[0]);
            return err ? err->code : E_SYNTAX;
        }
    }
    for (int k = 0; k < DOOR_KINDS; k++) {
        tls_context_unref(d->tls[k]);
        d->tls[k] = fresh[k];
    }
    return 0;
}

bool doors_have_tls(const struct doors *d)
{
    return d->tls[DOOR_CLEAR] != NULL;
}

static struct listen_options options(const struct doors *d, const struct program *p,
                                     enum door kind)
{
    return (struct listen_options){
        .conn = {.protocol = d->spec->protocol,
                 .tls = d->tls[kind],
                 .tls_first = kind == DOOR_TLS},
        .make = d->spec->make[kind],
        .arg = d->arg,
        .busy = d->spec->busy,
        .refused = d->spec->refused,
        .connections_max = p->config->limits.connections,
        .per_address_max = p->config->limits.connections_per_address,
        .shared = p->shared,
    };
}

int doors_open(struct doors *d, const struct program *p, const char *name, int fd,
               struct err *err)
{
    enum door kind = strcmp(name, d->spec->names[DOOR_TLS]) == 0 ? DOOR_TLS : DOOR_CLEAR;
    int r = 0;

    if (d->n == DOORS_MAX)
        r = err_set(err, E_LIMIT, "more than %d sockets", DOORS_MAX);
    else if (kind == DOOR_TLS && !d->tls[DOOR_TLS])
        r = err_set(err, E_UNAVAILABLE, "%s wants a certificate", name);
    if (r < 0) {
        close(fd);
        return r;
    }
    struct listen_options o = options(d, p, kind);
    d->kinds[d->n] = kind;
    d->listeners[d->n++] = listener_new(p->loop, fd, &o);
    return 0;
}

void doors_change(struct doors *d, const struct program *p)
{
    for (unsigned i = 0; i < d->n; i++) {
        struct listen_options o = options(d, p, d->kinds[i]);

        listener_change(d->listeners[i], &o);
    }
}
