#include "mta/send/self.h"

#include "sys/config_value.h"

#include <ifaddrs.h>
#include <netinet/in.h>

static bool is_every(const struct config_address *at, const struct ip *ip)
{
    static const uint8_t zeros[IP_V6_BYTES];

    return at->any || memcmp(ip->bytes, zeros, sizeof(zeros)) == 0;
}

static bool read_sockaddr(const struct sockaddr *from, struct ip *out)
{
    const struct sockaddr_in *v4 = (const void *)from;
    const struct sockaddr_in6 *v6 = (const void *)from;

    if (!from)
        return false;
    if (from->sa_family == AF_INET)
        return ip_from_bytes((struct str){(const char *)&v4->sin_addr, IP_V4_BYTES}, out);
    return from->sa_family == AF_INET6 &&
           ip_from_bytes((struct str){(const char *)&v6->sin6_addr, IP_V6_BYTES}, out);
}

/* A system that does not tell them has none: our name is known all the same. */
static size_t interfaces(struct ip *to, struct ifaddrs *all)
{
    size_t n = 0;

    for (const struct ifaddrs *i = all; i; i = i->ifa_next)
        if (read_sockaddr(i->ifa_addr, &to[n]) && !ip_is_here(&to[n]))
            n++;
    return n;
}

void self_addresses(const struct config *c, struct arena *a, struct mx_self *out)
{
    struct ifaddrs *all = NULL;
    size_t most = c->mta.listen.n;

    if (getifaddrs(&all) < 0)
        all = NULL;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next)
        most++;
    struct ip *to = ARENA_ARRAY(a, struct ip, most + 1);
    bool every = false;
    size_t n = 0;

    for (size_t i = 0; i < c->mta.listen.n; i++) {
        struct config_address at;
        struct ip ip = {0};

        if (!config_address(str_c(c->mta.listen.items[i]), &at) || at.port != c->mta.port)
            continue;
        bool known = ip_parse(str_c(at.host), &ip);
        if (is_every(&at, &ip))
            every = true;
        else if (known)
            to[n++] = ip;
    }
    if (every)
        n += interfaces(to + n, all);
    if (all)
        freeifaddrs(all);
    out->addresses = to;
    out->addresses_n = n;
}
