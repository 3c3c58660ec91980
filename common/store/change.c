#include "store/change.h"

#include "base/defer.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

struct changes {
    char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int fd;
    uint64_t looked_ms;
    struct timespec changed; /* of the directory, when it was read */
    struct sockaddr_un *listeners;
    unsigned n;
};

void change_print(struct buf *out, const struct change *c)
{
    buf_addf(out, "%.*s\t%.*s\t%llu\n", STR_ARGS(c->maildir), STR_ARGS(c->folder),
             (unsigned long long)c->modseq);
}

bool change_parse(struct str in, struct change *out)
{
    struct change c;

    if (!scan_until(&in, '\t', &c.maildir) || !scan_byte(&in, '\t') ||
        !scan_until(&in, '\t', &c.folder) || !scan_byte(&in, '\t') ||
        !scan_u64(&in, INT64_MAX, &c.modseq) || !scan_byte(&in, '\n') || in.n)
        return false;
    *out = c;
    return true;
}

struct changes *changes_new(const char *run_dir)
{
    struct changes *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    snprintf(c->dir, sizeof(c->dir), "%s/change", run_dir);
    c->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return c;
}

void changes_free(struct changes *c)
{
    if (!c)
        return;
    close_fd(&c->fd);
    free(c->listeners);
    free(c);
}

static void add_listener(struct changes *c, const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", c->dir, name);

    if (n < 0 || (size_t)n >= sizeof(a.sun_path) || c->n == CHANGE_LISTENERS)
        return;
    c->listeners = realloc(c->listeners, (c->n + 1) * sizeof(*c->listeners));
    if (!c->listeners)
        abort();
    c->listeners[c->n++] = a;
}

static void look(struct changes *c, uint64_t now_ms)
{
    struct stat st;
    struct dirent *e;

    if (now_ms == c->looked_ms)
        return;
    c->looked_ms = now_ms;
    if (stat(c->dir, &st) < 0) {
        c->n = 0;
        c->changed = (struct timespec){0};
        return;
    }
    if (st.st_mtim.tv_sec == c->changed.tv_sec && st.st_mtim.tv_nsec == c->changed.tv_nsec)
        return;
    DEFER(close_dir) DIR *d = opendir(c->dir);
    if (!d)
        return;
    c->changed = st.st_mtim;
    c->n = 0;
    while ((e = readdir(d)))
        if (e->d_name[0] != '.')
            add_listener(c, e->d_name);
}

void changes_tell(struct changes *c, const struct change *what, uint64_t now_ms)
{
    struct buf text;

    look(c, now_ms);
    if (c->n == 0)
        return;
    buf_init(&text, CHANGE_BYTES);
    change_print(&text, what);
    for (unsigned i = 0; i < c->n && !buf_failed(&text); i++)
        sendto(c->fd, buf_str(&text).p, buf_str(&text).n, MSG_DONTWAIT | MSG_NOSIGNAL,
               (const struct sockaddr *)&c->listeners[i], sizeof(c->listeners[i]));
    buf_done(&text);
}
