#include "ctl/sockets.h"

#include "net/bind.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET_OF(l) LIST_OF(l, struct socket, link)

void sockets_init(struct sockets *s)
{
    list_init(&s->all);
}

static void drop(struct socket *k)
{
    list_remove(&k->link);
    close(k->fd);
    free(k);
}

static bool is_unix(const struct socket *k)
{
    return !strchr(k->where, ':');
}

void sockets_done(struct sockets *s, const char *unlink_in)
{
    LIST_EACH(&s->all, at)
    {
        struct socket *k = SOCKET_OF(at);

        if (unlink_in && is_unix(k)) {
            char path[PATH_MAX];

            snprintf(path, sizeof(path), "%s/%s", unlink_in, k->where);
            unlink(path);
        }
        drop(k);
    }
}

void sockets_close_tcp(struct sockets *s)
{
    LIST_EACH(&s->all, at)
    {
        if (!is_unix(SOCKET_OF(at)))
            drop(SOCKET_OF(at));
    }
}

static struct socket *find(struct sockets *s, const char *name, const char *where)
{
    LIST_EACH(&s->all, at)
    {
        struct socket *k = SOCKET_OF(at);

        if (strcmp(k->name, name) == 0 && strcmp(k->where, where) == 0)
            return k;
    }
    return NULL;
}

static void add(struct sockets *s, const struct service *service, const char *name,
                const char *where, int fd)
{
    struct socket *k = calloc(1, sizeof(*k));

    if (!k)
        abort();
    k->service = service;
    k->name = name;
    snprintf(k->where, sizeof(k->where), "%s", where);
    k->fd = fd;
    k->fresh = k->wanted = true;
    list_append(&s->all, &k->link);
}

/* "*:25" is two sockets, both known by these words. */
static bool keep(struct sockets *s, const char *name, const char *where)
{
    bool found = false;

    LIST_EACH(&s->all, at)
    {
        struct socket *k = SOCKET_OF(at);

        if (strcmp(k->name, name) == 0 && strcmp(k->where, where) == 0)
            k->wanted = found = true;
    }
    return found;
}

static int prepare_tcp(struct sockets *s, const struct service *service,
                       const struct service_socket *k, const struct config *c, struct err *err)
{
    struct config_list list = k->addresses(c);

    if (list.n > SOCKETS_OF_A_KEY)
        return err_set(err, E_LIMIT, "%s has more than %d addresses", k->key, SOCKETS_OF_A_KEY);
    for (size_t i = 0; i < list.n; i++) {
        int fds[BIND_SOCKETS], n;
        struct err why;

        if (strlen(list.items[i]) >= SOCKET_WHERE_BYTES)
            return err_set(err, E_SYNTAX, "%s: an address is too long", k->key);
        if (keep(s, k->name, list.items[i]))
            continue;
        n = bind_tcp(list.items[i], fds, &why);
        if (n < 0)
            return err_set(err, n, "%s: %s%s", k->key, why.text,
                           n == -EACCES       ? ": ports below 1024 need root"
                           : n == -EADDRINUSE ? ": who has it is shown by `ss -ltnp`"
                                              : "");
        while (n > 0)
            add(s, service, k->name, list.items[i], fds[--n]);
    }
    return 0;
}

static int prepare_unix(struct sockets *s, const struct service *service,
                        const struct service_socket *k, const struct config *c, gid_t group,
                        struct err *err)
{
    char path[PATH_MAX];
    int fd;

    if (keep(s, k->name, k->name))
        return 0;
    snprintf(path, sizeof(path), "%s/%s", c->run_dir, k->name);
    fd = bind_unix(path, k->mode, err);
    if (fd < 0)
        return fd;
    if (group != (gid_t)-1 && chown(path, (uid_t)-1, group) < 0) {
        int rc = err_os(err, "give %s to the group " SERVICE_GROUP, path);

        close(fd);
        return rc;
    }
    add(s, service, k->name, k->name, fd);
    return 0;
}

int sockets_prepare(struct sockets *s, const struct config *c, gid_t group, struct err *err)
{
    int rc;

    LIST_EACH(&s->all, at)
    SOCKET_OF(at)->wanted = false;
    rc = prepare_unix(s, NULL, &supervisor_socket, c, group, err);
    for (const struct service *v = services; v->name && rc == 0; v++) {
        const struct service_socket *k = v->sockets;

        for (; k < v->sockets + SERVICE_SOCKETS && k->name && rc == 0; k++)
            rc = k->addresses ? prepare_tcp(s, v, k, c, err)
                              : prepare_unix(s, v, k, c, group, err);
    }
    if (rc < 0)
        sockets_abandon(s);
    return rc;
}

/* shutdown() ends the listening of every process that has the socket: their accept() says
 * EINVAL. */
void sockets_commit(struct sockets *s)
{
    LIST_EACH(&s->all, at)
    {
        struct socket *k = SOCKET_OF(at);

        if (!k->wanted) {
            shutdown(k->fd, SHUT_RDWR);
            drop(k);
        }
    }
}

void sockets_abandon(struct sockets *s)
{
    LIST_EACH(&s->all, at)
    {
        struct socket *k = SOCKET_OF(at);

        if (k->fresh)
            drop(k);
    }
}

void sockets_settled(struct sockets *s)
{
    LIST_EACH(&s->all, at)
    SOCKET_OF(at)->fresh = false;
}

int sockets_find(const struct sockets *s, const char *name)
{
    struct sockets *all = (struct sockets *)(uintptr_t)s;
    struct socket *k = find(all, name, name);

    return k ? k->fd : -1;
}
