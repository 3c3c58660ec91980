#include "ctl/handover.h"

#include "base/defer.h"
#include "ctl/asking.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

enum { READ_BYTES = 16384 };

static int dial(const char *run_dir, struct err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/queue.sock", run_dir);
    return asking_connect(path, HANDOVER_SECONDS, err);
}

static int write_all(int fd, struct str s)
{
    while (s.n) {
        ssize_t n = write(fd, s.p, s.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        s = str_skip(s, (size_t)n);
    }
    return 0;
}

static int broke(struct err *err)
{
    return err_set(err, E_UNAVAILABLE, "the queue broke the connection off");
}

static int send_output(int fd, struct smtp_client *c, struct err *err)
{
    for (;;) {
        struct str s = smtp_client_output(c);
        ssize_t n;

        if (!s.n)
            return 0;
        n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return broke(err);
        smtp_client_sent(c, (size_t)n);
    }
}

static int read_input(int fd, struct smtp_client *c, struct err *err)
{
    char bytes[READ_BYTES];
    ssize_t n;

    do
        n = recv(fd, bytes, sizeof(bytes), 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return err_set(err, E_UNAVAILABLE, "the queue has not answered within %d s",
                       HANDOVER_SECONDS);
    if (n <= 0)
        return broke(err);
    smtp_client_feed(c, (struct str){bytes, (size_t)n});
    return 0;
}

static int refused(struct smtp_client *c, struct err *err)
{
    struct smtp_reply why = smtp_client_error(c);

    return err_set(err, smtp_reply_class(why) == 5 ? E_DENIED : E_UNAVAILABLE,
                   "the queue said: %d %.*s", why.code, STR_ARGS(why.text));
}

/* Runs the dialogue up to the end of the transaction. */
static int talk(int fd, struct smtp_client *c, struct str letter, struct err *err)
{
    for (;;) {
        struct str chunk;
        int rc = 0;

        switch (smtp_client_next(c)) {
        case SMTP_CLIENT_BODY:
            chunk = str_first(letter, SMTP_BODY_CHUNK_BYTES);
            letter = str_skip(letter, chunk.n);
            smtp_client_body(c, chunk, letter.n == 0);
            rc = send_output(fd, c, err);
            break;
        case SMTP_CLIENT_INPUT:
            rc = send_output(fd, c, err);
            if (rc == 0)
                rc = read_input(fd, c, err);
            break;
        case SMTP_CLIENT_READY: /* it has begun before: not asked again */
        case SMTP_CLIENT_STARTTLS:
        case SMTP_CLIENT_LOGIN:
            return broke(err);
        case SMTP_CLIENT_DONE:
            return 0;
        case SMTP_CLIENT_CLOSE:
            return refused(c, err);
        }
        if (rc < 0)
            return rc;
    }
}

int handover(const char *run_dir, struct str hostname, struct smtp_transaction *tx,
             struct str letter, struct smtp_client **session, struct err *err)
{
    struct smtp_client_config config = {.hostname = hostname};
    DEFER(close_fd) int fd = dial(run_dir, err);
    int rc;

    if (fd < 0)
        return fd;
    *session = smtp_client_new(&config);
    smtp_client_begin(*session, tx);
    rc = talk(fd, *session, letter, err);
    if (rc == 0) {
        smtp_client_quit(*session);
        smtp_client_next(*session);
        send_output(fd, *session, NULL); /* its good-bye is not waited for */
    }
    return rc;
}

static int move(int from, int to)
{
    char bytes[READ_BYTES];
    ssize_t n;

    do
        n = read(from, bytes, sizeof(bytes));
    while (n < 0 && errno == EINTR);
    return n <= 0 ? 0 : write_all(to, (struct str){bytes, (size_t)n}) < 0 ? -1 : 1;
}

int handover_by_hand(const char *run_dir, int in, int out, struct err *err)
{
    DEFER(close_fd) int fd = dial(run_dir, err);
    struct pollfd watch[] = {
        {.fd = in, .events = POLLIN},
        {.fd = fd, .events = POLLIN}
    };

    if (fd < 0)
        return fd;
    for (;;) {
        if (poll(watch, 2, -1) < 0 && errno != EINTR)
            return err_os(err, "wait");
        if (watch[1].revents) {
            int rc = move(fd, out);

            if (rc <= 0)
                return rc < 0 ? err_set(err, -EPIPE, "nobody reads the answers") : 0;
        }
        if (watch[0].revents && move(in, fd) <= 0) {
            shutdown(fd, SHUT_WR);
            watch[0].fd = -1;
        }
    }
}
