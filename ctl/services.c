#include "ctl/services.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

enum { WORKERS_MAX = 16 };

static struct config_list msa_listen(const struct config *c)
{
    return c->msa.listen;
}

static struct config_list msa_listen_tls(const struct config *c)
{
    return c->msa.listen_tls;
}

static struct config_list mta_listen(const struct config *c)
{
    return c->mta.listen;
}

static struct config_list mda_lmtp(const struct config *c)
{
    return c->mda.lmtp;
}

static struct config_list imapd_listen(const struct config *c)
{
    return c->imapd.listen;
}

static struct config_list imapd_listen_tls(const struct config *c)
{
    return c->imapd.listen_tls;
}

static struct config_list pop3d_listen(const struct config *c)
{
    return c->pop3d.listen;
}

static struct config_list pop3d_listen_tls(const struct config *c)
{
    return c->pop3d.listen_tls;
}

const struct service services[] = {
    {.name = "posta-authd",
     .folder = "authd",
     .user = "posta-auth",
     .layer = 2,
     .sockets = {{.name = "auth.sock", .mode = 0660}}},
    {.name = "posta-mda",
     .folder = "mda",
     .user = "posta-mail",
     .layer = 2,
     .sockets = {{.name = "mda.sock", .mode = 0660},
                 {.name = "mda", .addresses = mda_lmtp, .key = "mda.lmtp"}}},
    {.name = "posta-mta-send",
     .folder = "mta/send",
     .user = "posta-send",
     .layer = 2,
     .sockets = {{.name = "send.sock", .mode = 0660}, {.name = "send.ctl", .mode = 0660}}},
    {.name = "posta-mta-queue",
     .folder = "mta/queue",
     .user = "posta-queue",
     .layer = 1,
     .sockets = {{.name = "queue.sock", .mode = 0666}, {.name = "queue.ctl", .mode = 0660}}},
    {.name = "posta-mta-receive",
     .folder = "mta/receive",
     .user = "posta-receive",
     .workers = true,
     .tls = true,
     .sockets = {{.name = "mta", .addresses = mta_listen, .key = "mta.listen"}}},
    {.name = "posta-msa",
     .folder = "msa",
     .user = "posta-msa",
     .workers = true,
     .tls = true,
     .sockets = {{.name = "msa", .addresses = msa_listen, .key = "msa.listen"},
                 {.name = "msa-tls", .addresses = msa_listen_tls, .key = "msa.listen_tls"}}},
    {.name = "posta-imapd",
     .folder = "imapd",
     .user = "posta-mail",
     .workers = true,
     .tls = true,
     .sockets = {{.name = "imapd", .addresses = imapd_listen, .key = "imapd.listen"},
                 {.name = "imapd-tls",
                  .addresses = imapd_listen_tls,
                  .key = "imapd.listen_tls"}}},
    {.name = "posta-pop3d",
     .folder = "pop3d",
     .user = "posta-mail",
     .workers = true,
     .tls = true,
     .sockets = {{.name = "pop3d", .addresses = pop3d_listen, .key = "pop3d.listen"},
                 {.name = "pop3d-tls",
                  .addresses = pop3d_listen_tls,
                  .key = "pop3d.listen_tls"}}},
    {.name = NULL},
};

const struct service_socket supervisor_socket = {.name = "posta.ctl", .mode = 0666};

unsigned service_count(const struct service *s, const struct config *c)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = c->workers ? c->workers : cores > 0 ? (unsigned)cores : 1;

    if (!service_wanted(s, c))
        return 0;
    return !s->workers ? 1 : n < WORKERS_MAX ? n : WORKERS_MAX;
}

bool service_wanted(const struct service *s, const struct config *c)
{
    for (const struct service_socket *k = s->sockets;
         k < s->sockets + SERVICE_SOCKETS && k->name; k++)
        if (!k->addresses || k->addresses(c).n)
            return true;
    return false;
}

int service_program(const struct service *s, char *path, size_t room)
{
    /* Installed side by side; the build tree (ctl/posta, msa/posta-msa); installed under a
     * prefix. */
    const char *const places[][2] = {
        {"",            ""       },
        {"../",         s->folder},
        {"../libexec/", "posta"  },
        {"../lib/",     "posta"  }
    };
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (n < 0)
        return -errno;
    self[n] = '\0';
    slash = strrchr(self, '/');
    if (!slash)
        return -ENOENT;
    *slash = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int len = snprintf(path, room, "%s/%s%s/%s", self, places[i][0], places[i][1], s->name);

        if (len > 0 && (size_t)len < room && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
            return 0;
    }
    return -ENOENT;
}
