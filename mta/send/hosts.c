#include "mta/send/hosts.h"

#include "base/ascii.h"
#include "base/buf.h"
#include "tls/hash.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/un.h>

enum { SET_TEXT_BYTES = HOSTS * (HOST_NAME_BYTES + 1) + sizeof(struct sockaddr_un) };

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

static int by_name(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_lower(struct buf *text, const char *name)
{
    buf_add_byte(text, ' ');
    for (; *name; name++)
        buf_add_byte(text, ascii_lower(*name));
}

/* The port is one for all; a socket's file is told by its path. */
static void add_port(struct buf *text, const struct host *host)
{
    switch (host->at.ss_family) {
    case AF_INET:
        buf_addf(text, "%u", ntohs(((const struct sockaddr_in *)&host->at)->sin_port));
        break;
    case AF_INET6:
        buf_addf(text, "%u", ntohs(((const struct sockaddr_in6 *)&host->at)->sin6_port));
        break;
    default:
        buf_addf(text, "%s", ((const struct sockaddr_un *)&host->at)->sun_path);
    }
}

/* Who chooses the names of his own hosts must not come to the name of others', or his silence
 * would be taken for theirs. */
void hosts_name_set(struct hosts *h)
{
    const char *names[HOSTS];
    unsigned char digest[HASH_SHA256_BYTES];
    struct buf text;

    h->set[0] = '\0';
    if (h->n == 0)
        return;
    buf_init(&text, SET_TEXT_BYTES);
    add_port(&text, &h->all[0]);
    for (size_t i = 0; i < h->n; i++)
        names[i] = h->all[i].name;
    qsort(names, h->n, sizeof(*names), by_name);
    for (size_t i = 0; i < h->n; i++)
        if (i == 0 || by_name(&names[i - 1], &names[i]) != 0)
            add_lower(&text, names[i]);
    hash_sha256(buf_str(&text), digest);
    buf_done(&text);
    for (size_t i = 0; i < HOST_SET_LETTERS / 2; i++)
        snprintf(h->set + 2 * i, 3, "%02x", digest[i]);
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
