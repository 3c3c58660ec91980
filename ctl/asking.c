#include "ctl/asking.h"

#include "base/defer.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

struct asking {
    int fd;
    struct buf in;
};

int asking_connect(const char *path, unsigned seconds, struct err *err)
{
    DEFER(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = seconds};
    size_t n = strlen(path);
    int out;

    if (fd < 0)
        return err_os(err, "socket");
    if (n >= sizeof(at.sun_path))
        return err_set(err, -ENAMETOOLONG, "%s is too long for a socket's path", path);
    memcpy(at.sun_path, path, n);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0) {
        if (errno == EACCES || errno == EPERM)
            return err_set(err, E_DENIED, "you may not talk to %s", path);
        return err_set(err, E_UNAVAILABLE, "nobody answers at %s", path);
    }
    out = fd;
    fd = -1;
    return out;
}

int asking_open(const char *run_dir, const char *socket, struct asking **out, struct err *err)
{
    char path[PATH_MAX];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", run_dir, socket);
    fd = asking_connect(path, ASKING_SECONDS, err);
    if (fd < 0)
        return fd;
    *out = calloc(1, sizeof(**out));
    if (!*out)
        abort();
    (*out)->fd = fd;
    buf_init(&(*out)->in, ASKING_LINE_BYTES);
    return 0;
}

void asking_close(struct asking *a)
{
    if (!a)
        return;
    close(a->fd);
    buf_done(&a->in);
    free(a);
}

static int send_all(int fd, struct str s, struct err *err)
{
    while (s.n) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, E_UNAVAILABLE,
                           "the connection broke: the process there has gone");
        s = str_skip(s, (size_t)n);
    }
    return 0;
}

/* The next line without its '\n'; valid until the next call. */
static int read_line(struct asking *a, struct str *line, struct err *err)
{
    size_t seen = 0;

    for (;;) {
        struct str have = buf_str(&a->in), fresh = str_skip(have, seen);
        size_t at = seen + str_find(fresh, '\n');
        ssize_t n;
        char *room;

        if (at < have.n) {
            *line = str_first(have, at);
            return 0;
        }
        seen = have.n;
        room = buf_room(&a->in, 65536);
        if (!room)
            return err_set(err, E_LIMIT, "the answer has a line that is too long");
        do
            n = recv(a->fd, room, 65536, 0);
        while (n < 0 && errno == EINTR);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return err_set(err, E_UNAVAILABLE, "no answer within %d seconds", ASKING_SECONDS);
        if (n <= 0)
            return err_set(err, E_UNAVAILABLE,
                           "the connection broke: the process there has gone");
        buf_grown(&a->in, (size_t)n);
    }
}

int asking_ask(struct asking *a, const char *command,
               void (*object)(void *arg, struct str json), void *arg, struct err *err)
{
    struct buf out;
    int rc;

    buf_init(&out, ASKING_LINE_BYTES);
    buf_addf(&out, "%s\n", command);
    rc = send_all(a->fd, buf_str(&out), err);
    buf_done(&out);
    while (rc == 0) {
        struct str line = {"", 0};
        uint32_t n = 0;

        rc = read_line(a, &line, err);
        if (rc < 0)
            break;
        size_t used = line.n + 1;
        bool last = true;

        if (scan_word(&line, STR("OK"))) {
            scan_byte(&line, ' ');
            scan_u32(&line, INT_MAX, &n);
            rc = (int)n;
        } else if (scan_word(&line, STR("ERR "))) {
            rc = err_set(err, E_DENIED, "%.*s", STR_ARGS(line));
        } else {
            last = false;
            if (object)
                object(arg, line);
        }
        buf_drop(&a->in, used);
        if (last)
            break;
    }
    return rc;
}
