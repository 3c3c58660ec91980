/* program_link - what the supervisor and its child say to each other. */
#include "net/program_impl.h"
#include "sys/log.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

void link_say(struct running *r, const char *text)
{
    if (r->control >= 0 &&
        send(r->control, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE)
        log_event(LOG_WARN, NULL, "control", "the supervisor does not hear \"%.20s\"", text);
}

static void reload(struct running *r, struct program_fds *f)
{
    char text[PROGRAM_CONTROL_BYTES];
    struct err err = {0};

    if (program_reload(r, f, &err) == 0) {
        link_say(r, "reloaded");
        return;
    }
    snprintf(text, sizeof(text), "refused %s", err.text);
    link_say(r, text);
}

static void tell_status(struct running *r)
{
    char peer[INET6_ADDRSTRLEN];
    struct buf text;

    buf_init(&text, PROGRAM_CONTROL_BYTES);
    buf_add(&text, STR("status {"));
    size_t none = text.n;
    if (r->p.spec->status)
        r->p.spec->status(&r->p, &text);
    if (shared_lone_peer(r->p.shared, peer))
        buf_addf(&text, "%s\"lone_peer\": \"%s\"", text.n > none ? ", " : "", peer);
    buf_add_byte(&text, '}');
    link_say(r, buf_failed(&text) ? "status {}" : buf_c(&text));
    buf_done(&text);
}

/* The names of the text and the descriptors beside it, pair by pair; what has no name is
 * closed. */
static void take_fds(struct program_fds *f, struct msghdr *m, struct str names)
{
    int fds[PROGRAM_FDS];

    f->n = 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS || n > PROGRAM_FDS)
            continue;
        memcpy(fds, CMSG_DATA(h), n * sizeof(int));
        for (size_t i = 0; i < n; i++) {
            struct str name;

            scan_byte(&names, ' ');
            if (scan_until(&names, ' ', &name))
                fds_add(f, name, fds[i]);
            else
                close(fds[i]);
        }
    }
}

static void readable(void *arg)
{
    struct running *r = arg;
    char text[PROGRAM_CONTROL_BYTES];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * PROGRAM_FDS)];
    } control;
    struct iovec part = {.iov_base = text, .iov_len = sizeof(text)};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(r->control, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* the supervisor has gone */
        link_close(r);
        program_drain(r);
        return;
    }

    struct program_fds f;
    struct str words = {text, (size_t)n};
    bool is_reload = scan_word(&words, STR("reload"));

    take_fds(&f, &m, words);
    if (is_reload)
        reload(r, &f);
    else if (str_eq(words, STR("status")))
        tell_status(r);
    else
        log_event(LOG_WARN, NULL, "control", "the supervisor says what nobody understands");
    fds_close(&f);
}

void link_open(struct running *r, int fd)
{
    r->control = fd;
    if (fd >= 0)
        r->link = watch_new(r->p.loop, fd, readable, r);
}

void link_close(struct running *r)
{
    watch_free(r->link);
    r->link = NULL;
    if (r->control >= 0)
        close(r->control);
    r->control = -1;
}
