/* conn_names - who is at the two ends of a connection. */
#include "net/conn_impl.h"

#include <arpa/inet.h>

/* A peer that came over IPv4 to an IPv6 socket has its IPv4 name. */
int conn_address(char text[INET6_ADDRSTRLEN], const struct sockaddr *sa, socklen_t n)
{
    if (n >= sizeof(struct sockaddr_in) && sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;

        inet_ntop(AF_INET, &in->sin_addr, text, INET6_ADDRSTRLEN);
        return ntohs(in->sin_port);
    }
    if (n >= sizeof(struct sockaddr_in6) && sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)sa;

        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
            inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, text, INET6_ADDRSTRLEN);
        else
            inet_ntop(AF_INET6, &in6->sin6_addr, text, INET6_ADDRSTRLEN);
        return ntohs(in6->sin6_port);
    }
    text[0] = '\0';
    return 0;
}

void conn_set_peer(struct conn *c, const struct sockaddr *sa, socklen_t n)
{
    c->is_unix = n >= sizeof(sa->sa_family) && sa->sa_family == AF_UNIX;
    c->peer.port = conn_address(c->peer.text, sa, n);
}

static void ask_local(struct conn *c)
{
    struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
    socklen_t n = sizeof(sa);

    if (c->local.port >= 0)
        return;
    c->local.port = 0;
    if (c->fd >= 0 && getsockname(c->fd, (struct sockaddr *)&sa, &n) == 0)
        c->local.port = conn_address(c->local.text, (struct sockaddr *)&sa, n);
}

const char *conn_peer_address(const struct conn *c)
{
    return c->peer.text;
}

int conn_peer_port(const struct conn *c)
{
    return c->peer.port;
}

/* Asked for once, when somebody wants it: `const` as the answer never changes. */
const char *conn_local_address(const struct conn *c)
{
    ask_local((struct conn *)c);
    return c->local.text;
}

int conn_local_port(const struct conn *c)
{
    ask_local((struct conn *)c);
    return c->local.port;
}

bool conn_peer_cred(const struct conn *c, uid_t *uid, pid_t *pid)
{
    struct ucred cred;
    socklen_t n = sizeof(cred);

    /* Of TCP nobody is known. A process number of 0 is somebody all the same: a process of
     * another container, which has no number in ours. */
    if (c->fd < 0 || getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0 ||
        cred.uid == (uid_t)-1)
        return false;
    *uid = cred.uid;
    if (pid)
        *pid = cred.pid;
    return true;
}
