/* program_fds - the descriptors a program is born with, and the sockets it binds without them.
 */
#include "net/bind.h"
#include "net/program_impl.h"
#include "sys/fs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3, MODE_STANDARD = 0660, PORT_MAX = 65535 };

void fds_add(struct program_fds *f, struct str name, int fd)
{
    if (f->n == PROGRAM_FDS) {
        close(fd);
        return;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    f->fd[f->n] = fd;
    snprintf(f->name[f->n], PROGRAM_NAME_BYTES, "%.*s", STR_ARGS(name));
    f->n++;
}

/* sd_listen_fds(3): the numbers go on from 3, the names are in their order. */
void fds_inherit(struct program_fds *f)
{
    struct str pid = str_c(getenv("LISTEN_PID")), count = str_c(getenv("LISTEN_FDS"));
    struct str names = str_c(getenv("LISTEN_FDNAMES"));
    uint32_t n = 0, who = 0;

    f->n = 0;
    if (scan_u32(&pid, INT32_MAX, &who) && pid.n == 0 && who == (uint32_t)getpid() &&
        scan_u32(&count, PROGRAM_FDS, &n) && count.n == 0)
        for (uint32_t i = 0; i < n; i++) {
            struct str name = {"", 0};

            scan_until(&names, ':', &name);
            scan_byte(&names, ':');
            fds_add(f, name, FIRST_FD + (int)i);
        }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

int fds_take(struct program_fds *f, const char *name)
{
    for (unsigned i = 0; i < f->n; i++)
        if (f->fd[i] >= 0 && strcmp(f->name[i], name) == 0) {
            int fd = f->fd[i];

            f->fd[i] = -1;
            return fd;
        }
    return -1;
}

void fds_close(struct program_fds *f)
{
    for (unsigned i = 0; i < f->n; i++)
        if (f->fd[i] >= 0)
            close(f->fd[i]);
    f->n = 0;
}

int fds_read(int fd, struct buf *to, struct err *err)
{
    lseek(fd, 0, SEEK_SET); /* a memfd stands where its writer left it */
    int r = fs_read_all(fd, to, err);
    close(fd);
    return r;
}

/* ---- which socket is it? ---- */

static bool has_port(struct config_list addresses, uint16_t port)
{
    for (size_t i = 0; i < addresses.n; i++) {
        const char *colon = strrchr(addresses.items[i], ':');
        struct str s = str_c(colon ? colon + 1 : "");
        uint32_t n;

        if (scan_u32(&s, PORT_MAX, &n) && s.n == 0 && n == port)
            return true;
    }
    return false;
}

static bool stands_in(const struct running *r, const struct program_socket *row, int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    } sa = {.any.sa_family = AF_UNSPEC};
    socklen_t n = sizeof(sa);
    const char *slash;

    if (getsockname(fd, &sa.any, &n) < 0)
        return false;
    switch (sa.any.sa_family) {
    case AF_INET:
        return row->addresses && has_port(row->addresses(r->p.config), ntohs(sa.v4.sin_port));
    case AF_INET6:
        return row->addresses && has_port(row->addresses(r->p.config), ntohs(sa.v6.sin6_port));
    case AF_UNIX:
        slash = strrchr(sa.un.sun_path, '/');
        return row->path && slash && strcmp(slash + 1, row->path) == 0;
    default:
        return false;
    }
}

static const char *name_of(const struct running *r, const struct program_fds *f, unsigned i,
                           unsigned place)
{
    const struct program_socket *rows = r->p.spec->sockets;
    unsigned n = 0;

    for (; rows[n].name; n++)
        if (strcmp(f->name[i], rows[n].name) == 0)
            return rows[n].name;
    for (n = 0; rows[n].name; n++)
        if (stands_in(r, &rows[n], f->fd[i]))
            return rows[n].name;
    return place < n ? rows[place].name : NULL;
}

static int serve_given(struct running *r, struct program_fds *f, struct err *err)
{
    unsigned place = 0;

    for (unsigned i = 0; i < f->n; i++) {
        int fd = f->fd[i];
        const char *name = fd >= 0 ? name_of(r, f, i, place++) : NULL;

        if (fd < 0)
            continue;
        if (!name)
            return err_set(err, E_NOT_FOUND, "the socket \"%.40s\" is none of this program's",
                           f->name[i]);
        f->fd[i] = -1;
        int rc = r->p.spec->serve(&r->p, name, fd, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- alone ---- */

/* Somebody answers there: then it is not ours to take. */
static bool is_served(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool served = false;

    if (fd >= 0 && strlen(path) < sizeof(un.sun_path)) {
        memcpy(un.sun_path, path, strlen(path));
        served = connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0 || errno == EAGAIN;
    }
    if (fd >= 0)
        close(fd);
    return served;
}

static int bind_path(struct running *r, const struct program_socket *row, struct err *err)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", r->p.config->run_dir, row->path);
    if (is_served(path))
        return err_set(err, E_BUSY, "another process serves %s", path);

    int fd = bind_unix(path, row->mode ? row->mode : MODE_STANDARD, err);
    return fd < 0 ? fd : r->p.spec->serve(&r->p, row->name, fd, err);
}

static int bind_addresses(struct running *r, const struct program_socket *row, struct err *err)
{
    struct config_list list = row->addresses(r->p.config);
    int fds[BIND_SOCKETS];

    for (size_t i = 0; i < list.n; i++) {
        int n = bind_tcp(list.items[i], fds, err), rc = n;

        for (int k = 0; k < n; k++)
            if (rc < 0)
                close(fds[k]);
            else
                rc = r->p.spec->serve(&r->p, row->name, fds[k], err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int sockets_serve(struct running *r, struct program_fds *f, bool bind_alone, struct err *err)
{
    for (unsigned i = 0; i < f->n; i++)
        bind_alone = bind_alone && f->fd[i] < 0;
    if (!bind_alone)
        return serve_given(r, f, err);
    for (const struct program_socket *row = r->p.spec->sockets; row->name; row++) {
        int rc = row->path ? bind_path(r, row, err) : bind_addresses(r, row, err);

        if (rc < 0)
            return rc;
    }
    return 0;
}
