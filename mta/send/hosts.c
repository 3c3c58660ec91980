#include "mta/send/hosts.h"

#include "base/ascii.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

void hosts_init(struct hosts *h)
{
    memset(h, 0, sizeof(*h));
}

static bool keep_name(struct host *to, struct str name)
{
    if (name.n > HOST_NAME_BYTES || str_find(name, '\0') < name.n)
        return false;
    memcpy(to->name, name.n ? name.p : "", name.n);
    to->name[name.n] = '\0';
    return true;
}

void hosts_add(struct hosts *h, struct str name, const struct ip *ip, uint16_t port)
{
    struct host *to = &h->all[h->n];

    if (h->n == HOSTS || !keep_name(to, name)) {
        h->more = true;
        return;
    }
    ip_text(ip, to->ip);
    to->at_n = ip_sockaddr(ip, port, &to->at);
    h->n++;
}

void hosts_add_unix(struct hosts *h, const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct host *to = &h->all[h->n];
    size_t n = strlen(path);

    if (h->n == HOSTS || n >= sizeof(un.sun_path) || !keep_name(to, STR("localhost")))
        return;
    memcpy(un.sun_path, path, n);
    memcpy(&to->at, &un, sizeof(un));
    to->at_n = sizeof(un);
    h->n++;
}

/* FNV-1a of one name; their sum knows no order. */
static uint64_t hash_of(const char *name)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (; *name; name++)
        hash = (hash ^ (unsigned char)ascii_lower(*name)) * UINT64_C(1099511628211);
    return hash ^ hash >> 29;
}

static bool named_before(const struct hosts *h, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (str_eq_nocase(str_c(h->all[k].name), str_c(h->all[i].name)))
            return true;
    return false;
}

/* The port is one for all; a socket's file is told by its path. */
static uint64_t hash_of_port(const struct host *host)
{
    switch (host->at.ss_family) {
    case AF_INET:
        return ((const struct sockaddr_in *)&host->at)->sin_port;
    case AF_INET6:
        return ((const struct sockaddr_in6 *)&host->at)->sin6_port;
    default:
        return hash_of(((const struct sockaddr_un *)&host->at)->sun_path);
    }
}

void hosts_name_set(struct hosts *h)
{
    uint64_t sum = 0;

    h->set[0] = '\0';
    if (h->n == 0)
        return;
    sum = hash_of_port(&h->all[0]) * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < h->n; i++)
        if (!named_before(h, i))
            sum += hash_of(h->all[i].name);
    snprintf(h->set, sizeof(h->set), "%016llx", (unsigned long long)sum);
}

void hosts_of_mx(struct hosts *h, const struct mx_result *r, uint16_t port)
{
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < r->hosts[i].n; k++) {
            size_t at = h->n;

            hosts_add(h, r->hosts[i].name, &r->hosts[i].addresses[k], port);
            if (h->n == at)
                continue;
            h->all[at].preference = r->hosts[i].preference;
            h->all[at].secure = r->hosts[i].secure;
        }
    h->secure = r->secure;
    h->implied = r->implied;
    h->more |= r->partial;
    hosts_name_set(h);
}
