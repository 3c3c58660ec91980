#include "net/bind.h"

#include "base/defer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t n;
};

/* address = ( "*" / IPv4 / "[" IPv6 "]" ) ":" port; "*" is two addresses */
static int parse(const char *where, struct address out[BIND_SOCKETS], struct err *err)
{
    struct str s = str_c(where), host;
    char name[INET6_ADDRSTRLEN];
    uint32_t port;
    int n = 0;
    bool v6 = scan_byte(&s, '[');

    if (!scan_until(&s, v6 ? ']' : ':', &host) || (v6 && !scan_byte(&s, ']')) ||
        !scan_byte(&s, ':') || !scan_u32(&s, 65535, &port) || s.n || port == 0 ||
        host.n >= sizeof(name))
        return err_set(
            err, E_SYNTAX,
            "\"%s\" is no address to listen on; right would be \"*:25\", \"127.0.0.1:25\" or "
            "\"[::1]:25\"",
            where);
    memcpy(name, host.p, host.n);
    name[host.n] = '\0';
    bool both = !v6 && str_eq(host, STR("*"));

    memset(out, 0, sizeof(*out) * BIND_SOCKETS);
    if (both || !v6) {
        out[n].at.v4.sin_family = AF_INET;
        out[n].at.v4.sin_port = htons((uint16_t)port);
        out[n].n = sizeof(out[n].at.v4);
        if (!both && inet_pton(AF_INET, name, &out[n].at.v4.sin_addr) != 1)
            return err_set(err, E_SYNTAX, "\"%s\": %s is no IPv4 address", where, name);
        n++;
    }
    if (both || v6) {
        out[n].at.v6.sin6_family = AF_INET6;
        out[n].at.v6.sin6_port = htons((uint16_t)port);
        out[n].n = sizeof(out[n].at.v6);
        if (!both && inet_pton(AF_INET6, name, &out[n].at.v6.sin6_addr) != 1)
            return err_set(err, E_SYNTAX, "\"%s\": %s is no IPv6 address", where, name);
        n++;
    }
    return n;
}

static int bind_one(const char *where, const struct address *a, struct err *err)
{
    DEFER(close_fd)
    int fd = socket(a->at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, out;

    if (fd < 0)
        return err_os(err, "socket for %s", where);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (a->at.any.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
        return err_os(err, "IPv6 alone on %s", where);
    if (bind(fd, &a->at.any, a->n) < 0)
        return err_os(err, "cannot listen on %s", where);
    if (listen(fd, SOMAXCONN) < 0)
        return err_os(err, "cannot listen on %s", where);
    out = fd;
    fd = -1;
    return out;
}

int bind_tcp(const char *where, int fds[BIND_SOCKETS], struct err *err)
{
    struct address a[BIND_SOCKETS];
    int n = parse(where, a, err), have = 0;

    if (n < 0)
        return n;
    for (int i = 0; i < n; i++) {
        int fd = bind_one(where, &a[i], err);

        if (fd < 0 && have && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL))
            continue; /* "*" on a machine without IPv6 */
        if (fd < 0) {
            while (have)
                close(fds[--have]);
            return fd;
        }
        fds[have++] = fd;
    }
    return have;
}

int bind_unix(const char *path, mode_t mode, struct err *err)
{
    DEFER(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    int out;

    if (fd < 0)
        return err_os(err, "socket for %s", path);
    if (n >= sizeof(at.sun_path))
        return err_set(err, -ENAMETOOLONG,
                       "%s is too long for a socket's path: at most %zu bytes", path,
                       sizeof(at.sun_path) - 1);
    memcpy(at.sun_path, path, n);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_os(err, "remove the old %s", path);
    if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
        return err_os(err, "cannot listen on %s", path);
    /* Until listen() nobody can connect, so nobody comes in before the mode is right. */
    if (chmod(path, mode) < 0)
        return err_os(err, "set the mode of %s", path);
    if (listen(fd, SOMAXCONN) < 0)
        return err_os(err, "cannot listen on %s", path);
    out = fd;
    fd = -1;
    return out;
}

bool bind_valid(const char *where, struct err *err)
{
    struct address a[BIND_SOCKETS];

    return parse(where, a, err) > 0;
}
