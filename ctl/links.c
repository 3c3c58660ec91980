#include "base/json.h"
#include "ctl/children_own.h"
#include "ctl/json.h"
#include "sys/log.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static void send_control(struct child *c, const char *text, const int *fds, unsigned n)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * SPAWN_FDS)];
    } control = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

    if (c->control < 0)
        return;
    if (n) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);

        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int) * n);
        memcpy(CMSG_DATA(h), fds, sizeof(int) * n);
    }
    /* A process that does not read is found by the watchdog. */
    if (sendmsg(c->control, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE)
        log_event(LOG_WARN, NULL, "control", "%s[%d] does not take \"%.20s\": %s",
                  c->service->name, (int)c->pid, text, strerror(errno));
}

static void ask_status(struct child *c)
{
    if (c->state != SERVING || c->asked_ms)
        return;
    c->asked_ms = loop_now_ms(c->all->loop);
    send_control(c, "status", NULL, 0);
}

static void check_asked(struct children *all)
{
    void (*done)(void *) = all->ask_done;

    if (!done)
        return;
    LIST_EACH(&all->all, at)
    {
        if (CHILD_OF(at)->state == SERVING && CHILD_OF(at)->asked_ms)
            return;
    }
    timer_stop(all->ask_limit);
    all->ask_done = NULL;
    done(all->ask_arg);
}

static void check_reloaded(struct children *all)
{
    void (*done)(void *, const char *) = all->reload_done;

    if (!done)
        return;
    LIST_EACH(&all->all, at)
    {
        if (CHILD_OF(at)->reloading)
            return;
    }
    timer_stop(all->reload_limit);
    all->reload_done = NULL;
    done(all->reload_arg, buf_c(&all->refusals));
}

static void took_reload(struct child *c, struct str refusal)
{
    struct children *all = c->all;

    if (!c->reloading)
        return;
    c->reloading = false;
    if (refusal.n)
        buf_addf(&all->refusals, "%s%s[%d]: %.*s", all->refusals.n ? "; " : "",
                 c->service->name, (int)c->pid, STR_ARGS(refusal));
    check_reloaded(all);
}

static void hear(struct child *c, struct str text)
{
    if (str_eq(text, STR("ready"))) {
        c->state = c->state == STARTING ? SERVING : c->state;
        c->ever_served = true;
        c->served_ms = loop_now_ms(c->all->loop);
        log_event(LOG_INFO, NULL, "serving", "%s[%d] serves", c->service->name, (int)c->pid);
        c->all->changed(c->all->arg);
    } else if (scan_word(&text, STR("status "))) {
        buf_clear(&c->counters);
        buf_add(&c->counters, text);
        c->asked_ms = 0;
        check_asked(c->all);
    } else if (str_eq(text, STR("reloaded"))) {
        took_reload(c, STR(""));
    } else if (scan_word(&text, STR("refused "))) {
        took_reload(c, text);
    }
}

void link_readable(void *child)
{
    struct child *c = child;
    char text[CHILD_MESSAGE_BYTES];

    for (int i = 0; i < 16; i++) {
        ssize_t n = recv(c->control, text, sizeof(text), MSG_DONTWAIT);

        if (n <= 0) {
            if (n == 0) { /* its end is closed: it has gone or goes, SIGCHLD follows */
                watch_free(c->watch);
                c->watch = NULL;
            }
            return;
        }
        hear(c, (struct str){text, (size_t)n});
    }
}

/* ---- what a process is given ---- */

static int add_memfd(struct spawn *s, const char *name, const struct buf *b, struct err *err)
{
    struct str bytes = buf_str(b);
    int fd = spawn_memfd(name, bytes.p, bytes.n, err);

    if (fd >= 0)
        spawn_add(s, name, fd);
    return fd;
}

/* Configuration and keys, as memfds of its own; they are the first `s->n` and the caller closes
 * them. */
int link_add_papers(struct spawn *s, const struct child *c, struct err *err)
{
    const struct launch *l = c->all->launch;
    int rc = add_memfd(s, "config", &l->config, err);

    if (rc >= 0 && c->service->tls)
        rc = add_memfd(s, "tls-cert", &l->tls_chain, err);
    if (rc >= 0 && c->service->tls)
        rc = add_memfd(s, "tls-key", &l->tls_key, err);
    return rc;
}

void link_add_sockets(struct spawn *s, const struct child *c, bool fresh_only)
{
    LIST_EACH(&c->all->launch->sockets.all, at)
    {
        const struct socket *k = LIST_OF(at, struct socket, link);

        if (k->service == c->service && (k->fresh || !fresh_only))
            spawn_add(s, k->name, k->fd);
    }
}

/* ---- questions ---- */

static void look_around(void *arg)
{
    struct children *all = arg;
    uint64_t now = loop_now_ms(all->loop);

    LIST_EACH(&all->all, at)
    {
        struct child *c = CHILD_OF(at);

        if (c->state == SERVING && c->asked_ms && now - c->asked_ms >= CHILD_FROZEN_MS) {
            log_event(LOG_ERROR, NULL, "frozen",
                      "%s[%d] has not answered for %d s and is replaced", c->service->name,
                      (int)c->pid, CHILD_FROZEN_MS / 1000);
            kill(c->pid, SIGKILL);
        }
        ask_status(c);
    }
    timer_start(all->watchdog, CHILD_ASK_MS);
}

static void ask_late(void *arg)
{
    struct children *all = arg;
    void (*done)(void *) = all->ask_done;

    all->ask_done = NULL;
    if (done)
        done(all->ask_arg);
}

bool children_ask(struct children *all, void (*done)(void *arg), void *arg)
{
    if (all->ask_done)
        return false;
    all->ask_done = done;
    all->ask_arg = arg;
    LIST_EACH(&all->all, at)
    ask_status(CHILD_OF(at));
    timer_start(all->ask_limit, CHILD_ANSWER_MS);
    check_asked(all);
    return true;
}

static void reload_late(void *arg)
{
    struct children *all = arg;

    LIST_EACH(&all->all, at)
    took_reload(CHILD_OF(at), STR("no answer"));
}

static void hand_papers(struct child *c)
{
    struct spawn s = {0};
    struct err err;
    struct buf text;

    if (link_add_papers(&s, c, &err) < 0) {
        took_reload(c, str_c(err.text));
    } else {
        unsigned papers = s.n;

        link_add_sockets(&s, c, true);
        buf_init(&text, CHILD_MESSAGE_BYTES);
        buf_add(&text, STR("reload"));
        for (unsigned i = 0; i < s.n; i++)
            buf_addf(&text, " %s", s.names[i]);
        send_control(c, buf_c(&text), s.fds, s.n);
        buf_done(&text);
        s.n = papers;
    }
    for (unsigned i = 0; i < s.n; i++)
        close(s.fds[i]);
}

void children_reload(struct children *all, void (*done)(void *arg, const char *refusals),
                     void *arg)
{
    buf_clear(&all->refusals);
    all->reload_done = done;
    all->reload_arg = arg;
    LIST_EACH(&all->all, at)
    CHILD_OF(at)->reloading = CHILD_OF(at)->pid && CHILD_OF(at)->state != ENDING;
    timer_start(all->reload_limit, CHILD_RELOAD_MS);
    LIST_EACH(&all->all, at)
    {
        if (CHILD_OF(at)->reloading)
            hand_papers(CHILD_OF(at));
    }
    check_reloaded(all);
}

static void add_listens(struct buf *out, const struct child *c)
{
    const char *last = "";

    json_put_name(out, "listens");
    buf_add_byte(out, '[');
    LIST_EACH(&c->all->launch->sockets.all, at)
    {
        const struct socket *k = LIST_OF(at, struct socket, link);

        if (k->service != c->service || strcmp(k->where, last) == 0)
            continue;
        json_put_comma(out);
        json_add_string(out, str_c(k->where));
        last = k->where;
    }
    buf_add_byte(out, ']');
}

unsigned children_status(const struct children *all, struct buf *out)
{
    static const char *const states[] = {"waiting", "starting", "serving", "ending"};
    unsigned n = 0;

    LIST_EACH(&all->all, at)
    {
        const struct child *c = CHILD_OF(at);
        struct str counters = buf_str(&c->counters);

        buf_add_byte(out, '{');
        json_put_member(out, "process", str_c(c->service->name));
        json_put_u64(out, "worker", c->index);
        json_put_u64(out, "pid", (uint64_t)c->pid);
        json_put_member(out, "state", str_c(states[c->state]));
        json_put_bool(out, "answers", c->state == SERVING && !c->asked_ms);
        json_put_u64(out, "since", c->since_ms);
        json_put_u64(out, "restarts", c->restarts);
        add_listens(out, c);
        json_put_name(out, "counters");
        buf_add(out, counters.n && c->pid ? counters : STR("{}"));
        buf_add(out, STR("}\n"));
        n++;
    }
    return n;
}

void link_died(struct child *c)
{
    struct children *all = c->all;

    c->asked_ms = 0;
    took_reload(c, STR("it died"));
    check_asked(all);
}

void links_init(struct children *all)
{
    all->watchdog = timer_new(all->loop, look_around, all);
    all->reload_limit = timer_new(all->loop, reload_late, all);
    all->ask_limit = timer_new(all->loop, ask_late, all);
    buf_init(&all->refusals, CHILD_MESSAGE_BYTES);
    timer_start(all->watchdog, CHILD_ASK_MS);
}

void links_done(struct children *all)
{
    timer_free(all->watchdog);
    timer_free(all->reload_limit);
    timer_free(all->ask_limit);
    buf_done(&all->refusals);
}
