#include "ctl/children_own.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void spawn_child(struct child *c);

static void kill_late(void *arg)
{
    struct child *c = arg;

    if (!c->pid)
        return;
    log_event(LOG_WARN, NULL, "killed", "%s[%d] has not ended in time and is killed",
              c->service->name, (int)c->pid);
    kill(c->pid, SIGKILL);
}

static void again(void *arg)
{
    struct child *c = arg;

    if (!c->pid && c->state == WAITING && !c->all->stopping)
        spawn_child(c);
}

static unsigned free_worker(const struct children *all)
{
    for (unsigned w = 0; w + 1 < SHARED_WORKERS; w++) {
        bool taken = false;

        LIST_EACH(&all->all, at)
        taken = taken || CHILD_OF(at)->worker == w;
        if (!taken)
            return w;
    }
    return SHARED_WORKERS - 1;
}

static struct child *add_child(struct children *all, const struct service *service,
                               unsigned index)
{
    struct child *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->worker = free_worker(all);
    c->all = all;
    c->service = service;
    c->index = index;
    c->control = -1;
    c->again = timer_new(all->loop, again, c);
    c->kill = timer_new(all->loop, kill_late, c);
    buf_init(&c->counters, CHILD_MESSAGE_BYTES);
    list_append(&all->all, &c->link);
    return c;
}

static void drop_child(struct child *c)
{
    list_remove(&c->link);
    watch_free(c->watch);
    if (c->control >= 0)
        close(c->control);
    timer_free(c->again);
    timer_free(c->kill);
    buf_done(&c->counters);
    free(c);
}

static int who_runs(const struct child *c, struct spawn *s, struct err *err)
{
    const struct passwd *pw;

    if (!c->all->launch->root)
        return 0;
    pw = getpwnam(c->service->user);
    if (!pw)
        return err_set(err, E_NOT_FOUND, "there is no user %s; `posta init` makes it",
                       c->service->user);
    s->as_user = true;
    s->uid = pw->pw_uid;
    s->gid = c->all->launch->group;
    return 0;
}

/* Everything that a process needs, in s; *link is our end of its control socket. */
static int prepare(struct child *c, struct spawn *s, char *path, size_t room, int pair[2],
                   struct err *err)
{
    int rc = service_program(c->service, path, room);

    if (rc < 0)
        return err_set(
            err, rc,
            "the program %s is not there: it should lie beside `posta` or in ../libexec/posta",
            c->service->name);
    s->path = path;
    s->name = c->service->name;
    s->worker = c->worker;
    s->input = c->all->launch->life_fd;
    rc = who_runs(c, s, err);
    if (rc == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        rc = err_os(err, "control socket");
    return rc;
}

static pid_t start_process(struct child *c, struct err *err)
{
    struct spawn s = {0};
    char path[PATH_MAX];
    int pair[2] = {-1, -1};
    pid_t pid = prepare(c, &s, path, sizeof(path), pair, err);

    if (pid == 0)
        pid = link_add_papers(&s, c, err);
    unsigned papers = s.n;

    if (pid >= 0) {
        spawn_add(&s, "control", pair[1]);
        if (c->service->workers)
            spawn_add(&s, "shared", c->all->launch->shared_fd);
        link_add_sockets(&s, c, false);
        pid = spawn_start(&s, err);
    }
    for (unsigned i = 0; i < papers; i++)
        close(s.fds[i]);
    if (pair[1] >= 0)
        close(pair[1]);
    if (pid > 0)
        c->control = pair[0];
    else if (pair[0] >= 0)
        close(pair[0]);
    return pid;
}

static void spawn_child(struct child *c)
{
    struct err err = {0};
    pid_t pid = start_process(c, &err);

    if (pid <= 0) {
        log_event(LOG_ERROR, NULL, "unstarted", "%s: %s", c->service->name, err.text);
        c->state = WAITING;
        timer_start(c->again, backoff_died(&c->backoff, 0));
        c->all->changed(c->all->arg);
        return;
    }
    c->pid = pid;
    c->state = STARTING;
    c->served_ms = 0;
    c->asked_ms = 0;
    c->since_ms = clock_wall_ms();
    c->watch = watch_new(c->all->loop, c->control, link_readable, c);
}

static void say_how_it_ended(const struct child *c, int status)
{
    enum log_level level = c->state == ENDING ? LOG_INFO : LOG_ERROR;

    if (WIFSIGNALED(status))
        log_event(level, NULL, "ended", "%s[%d] was ended by signal %d (%s)", c->service->name,
                  (int)c->pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (c->state == ENDING)
        log_event(level, NULL, "ended", "%s[%d] has ended", c->service->name, (int)c->pid);
    else
        log_event(level, NULL, "ended", "%s[%d] ended with status %d", c->service->name,
                  (int)c->pid, WEXITSTATUS(status));
}

static void next_layer(struct children *all);

static void child_died(struct child *c, int status)
{
    struct children *all = c->all;
    uint64_t lived = c->served_ms ? loop_now_ms(all->loop) - c->served_ms + 1 : 0;

    say_how_it_ended(c, status);
    watch_free(c->watch);
    c->watch = NULL;
    close(c->control);
    c->control = -1;
    timer_stop(c->kill);
    c->pid = 0;
    if (c->service->workers)
        shared_worker_gone(all->shared, c->worker);
    if (c->state == ENDING) {
        link_died(c);
        drop_child(c);
    } else {
        uint64_t wait = backoff_died(&c->backoff, lived);

        c->state = WAITING;
        c->restarts++;
        if (wait)
            log_event(LOG_WARN, NULL, "restart", "%s is started again in %d ms",
                      c->service->name, (int)wait);
        timer_start(c->again, wait);
        link_died(c); /* may end a reload, which may have no use for c any more: it is void */
    }
    if (all->stopping)
        next_layer(all);
    all->changed(all->arg);
}

/* One death may take others off the list: after each we begin again. */
static bool reap_one(struct children *all)
{
    LIST_EACH(&all->all, at)
    {
        struct child *c = CHILD_OF(at);
        int status;

        if (c->pid && waitpid(c->pid, &status, WNOHANG) == c->pid) {
            child_died(c, status);
            return true;
        }
    }
    return false;
}

void children_reap(struct children *all)
{
    while (reap_one(all))
        ;
}

static void end_child(struct child *c, uint64_t limit_ms)
{
    timer_stop(c->again);
    if (!c->pid) {
        drop_child(c);
        return;
    }
    c->state = ENDING;
    kill(c->pid, SIGTERM);
    timer_start(c->kill, limit_ms);
}

/* Ends the outermost layer that still has a process; the next one follows when it has gone. */
static void next_layer(struct children *all)
{
    while (all->layer < SERVICE_LAYERS) {
        bool some = false;

        LIST_EACH(&all->all, at)
        {
            struct child *c = CHILD_OF(at);

            if (c->service->layer != all->layer)
                continue;
            some = some || c->pid;
            if (c->state != ENDING)
                end_child(c, all->layer == 0 ? all->drain_ms + CHILD_KILL_MS : CHILD_INNER_MS);
        }
        if (some)
            return;
        all->layer++;
    }
}

void children_stop(struct children *all, unsigned drain_seconds)
{
    if (all->stopping)
        return;
    all->stopping = true;
    all->drain_ms = drain_seconds * 1000;
    timer_stop(all->watchdog);
    next_layer(all);
}

void children_kill(struct children *all)
{
    LIST_EACH(&all->all, at)
    {
        if (CHILD_OF(at)->pid)
            kill(CHILD_OF(at)->pid, SIGKILL);
    }
}

/* ---- what is wanted ---- */

static struct child *find_child(const struct children *all, const struct service *s,
                                unsigned index)
{
    LIST_EACH(&all->all, at)
    {
        struct child *c = CHILD_OF(at);

        if (c->service == s && c->index == index && c->state != ENDING)
            return c;
    }
    return NULL;
}

void children_want(struct children *all, const struct config *config)
{
    if (all->stopping)
        return;
    for (const struct service *s = services; s->name; s++)
        for (unsigned i = 0; i < service_count(s, config); i++)
            if (!find_child(all, s, i))
                spawn_child(add_child(all, s, i));
    LIST_EACH(&all->all, at)
    {
        struct child *c = CHILD_OF(at);

        if (c->index >= service_count(c->service, config) && c->state != ENDING)
            end_child(c, (uint64_t)config->limits.drain_seconds * 1000 + CHILD_KILL_MS);
    }
}

bool children_serving(const struct children *all)
{
    LIST_EACH(&all->all, at)
    {
        enum child_state s = CHILD_OF(at)->state;

        if (s == WAITING || s == STARTING)
            return false;
    }
    return !all->stopping && !list_empty(&all->all);
}

const char *children_hopeless(const struct children *all)
{
    LIST_EACH(&all->all, at)
    {
        const struct child *c = CHILD_OF(at);

        if (!c->ever_served && c->backoff.deaths >= CHILD_HOPELESS)
            return c->service->name;
    }
    return NULL;
}

bool children_gone(const struct children *all)
{
    return list_empty(&all->all);
}

struct children *children_new(struct loop *l, const struct launch *launch,
                              void (*changed)(void *arg), void *arg, struct err *err)
{
    struct children *all = calloc(1, sizeof(*all));

    if (!all)
        abort();
    list_init(&all->all);
    all->shared = shared_open(launch->shared_fd, SHARED_WORKERS - 1, err);
    if (!all->shared) {
        free(all);
        return NULL;
    }
    all->loop = l;
    all->launch = launch;
    all->changed = changed;
    all->arg = arg;
    links_init(all);
    return all;
}

void children_free(struct children *all)
{
    if (!all)
        return;
    links_done(all);
    shared_close(all->shared);
    free(all);
}
