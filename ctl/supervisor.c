#include "ctl/supervisor.h"

#include "base/defer.h"
#include "ctl/children.h"
#include "ctl/control.h"
#include "ctl/notify.h"
#include "ctl/pidfile.h"
#include "ctl/tree.h"
#include "sys/clock.h"
#include "sys/files_max.h"
#include "sys/log.h"
#include "tls/selfsigned.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>

enum { WAITERS = CONTROL_CONNECTIONS };
enum { LEFT_SECONDS = 5, SECONDS_A_DAY = 86400, EXPIRY_DAYS = 30 };

struct supervisor {
    const struct supervisor_options *options;
    struct loop *loop;
    struct config *config;
    struct launch launch;
    struct children *children;
    struct control *control;
    struct timer *look; /* what `changed` asks for, a turn later */
    int pid_fd, report;
    bool announced, stopping, reloading;
    int status;
    struct control_session *reloader;         /* NULL when a signal asked */
    struct control_session *waiters[WAITERS]; /* for the counters         */
    unsigned nwaiters;
};

/* ---- who waits for us to be up ---- */

static void report(struct supervisor *s, const char *text)
{
    if (s->report < 0)
        return;
    if (write(s->report, text, strlen(text)) < 0)
        log_event(LOG_WARN, NULL, "report", "who started posta does not wait for it");
    close(s->report);
    s->report = -1;
}

static void begin_stop(struct supervisor *s, const char *why)
{
    if (s->stopping)
        return;
    s->stopping = true;
    log_event(LOG_INFO, NULL, "stopping", "%s: sessions get %d s", why,
              (int)s->config->limits.drain_seconds);
    notify("STOPPING=1");
    sockets_close_tcp(&s->launch.sockets);
    children_stop(s->children, s->config->limits.drain_seconds);
    timer_start(s->look, 0);
}

static void look(void *arg)
{
    struct supervisor *s = arg;
    const char *hopeless = s->announced ? NULL : children_hopeless(s->children);

    if (s->stopping && children_gone(s->children)) {
        loop_stop(s->loop);
    } else if (hopeless && !s->stopping) {
        struct buf text;

        buf_init(&text, 1024);
        buf_addf(&text, "%s cannot be started; the log says why", hopeless);
        log_event(LOG_ERROR, NULL, "hopeless", "%s", buf_c(&text));
        report(s, buf_c(&text));
        buf_done(&text);
        s->status = 1;
        begin_stop(s, "start failed");
    } else if (!s->announced && children_serving(s->children)) {
        s->announced = true;
        log_event(LOG_INFO, NULL, "up", "posta " POSTA_VERSION " serves %s",
                  s->config->hostname);
        notify("READY=1");
        report(s, "");
    }
}

static void changed(void *arg)
{
    struct supervisor *s = arg;

    timer_start(s->look, 0);
}

/* What an administrator should see in the log at each start and reload. */
static void open_log(const struct supervisor *s)
{
    const struct config *c = s->config;
    int64_t ends, now = (int64_t)(clock_wall_ms() / 1000);
    struct buf names;

    log_open("posta", log_level_named(c->log.level), strcmp(c->log.format, "json") == 0);
    if (c->lab.clear_auth)
        log_event(LOG_WARN, NULL, "lab",
                  "lab.clear_auth: passwords may cross the network unprotected");
    if (c->lab.loopback_mx)
        log_event(LOG_WARN, NULL, "lab",
                  "lab.loopback_mx: MX records may lead to this machine");
    if (c->lab.auth_on_25)
        log_event(LOG_WARN, NULL, "lab", "lab.auth_on_25: port 25 takes logins");
    if (c->lab.any_sender)
        log_event(LOG_WARN, NULL, "lab", "lab.any_sender: users may send as anybody");
    buf_init(&names, CHILD_MESSAGE_BYTES);
    if (selfsigned_expiry(buf_str(&s->launch.tls_chain), &ends, &names, NULL) == 0 &&
        ends - now < (int64_t)EXPIRY_DAYS * SECONDS_A_DAY)
        log_event(LOG_WARN, NULL, "certificate", "%s %s", c->tls.certificate,
                  ends <= now ? "has expired" : "expires within 30 days");
    buf_done(&names);
}

/* ---- posta.ctl ---- */

static void counters_in(void *arg)
{
    struct supervisor *s = arg;
    struct buf text;
    unsigned n = s->nwaiters;

    buf_init(&text, CONTROL_OUT_BYTES);
    buf_addf(&text, "OK %u\n", children_status(s->children, &text));
    s->nwaiters = 0;
    for (unsigned i = 0; i < n; i++)
        control_answer(s->waiters[i],
                       buf_failed(&text) ? STR("ERR too much to say\n") : buf_str(&text));
    buf_done(&text);
}

static void do_status(void *arg, struct control_session *c)
{
    struct supervisor *s = arg;

    if (s->nwaiters == WAITERS) {
        control_answer(c, STR("ERR too many ask at once\n"));
        return;
    }
    s->waiters[s->nwaiters++] = c;
    if (s->nwaiters == 1)
        children_ask(s->children, counters_in, s);
}

static void reload_over(struct supervisor *s, const char *refusals)
{
    struct control_session *c = s->reloader;
    struct buf text;

    s->reloading = false;
    s->reloader = NULL;
    buf_init(&text, CONTROL_OUT_BYTES);
    if (refusals[0])
        buf_addf(&text, "ERR %s\n", refusals);
    else
        buf_add(&text, STR("OK 0\n"));
    /* One line is one answer. */
    for (size_t i = 0; i + 1 < text.n; i++)
        if (text.p[text.from + i] == '\n')
            text.p[text.from + i] = ';';
    if (refusals[0])
        log_event(LOG_ERROR, NULL, "reload-refused", "reload: %s", refusals);
    else
        log_event(LOG_INFO, NULL, "reloaded", "the configuration was taken over");
    notify("READY=1");
    if (c)
        control_answer(c, buf_str(&text));
    buf_done(&text);
}

static void children_reloaded(void *arg, const char *refusals)
{
    struct supervisor *s = arg;

    sockets_settled(&s->launch.sockets);
    children_want(s->children, s->config);
    reload_over(s, refusals);
}

/* The new papers and sockets are good: from here on they are ours. */
static void take_over(struct supervisor *s, struct loaded *l)
{
    struct config *old = s->config;

    sockets_commit(&s->launch.sockets);
    s->config = l->config;
    l->config = old;
    buf_done(&s->launch.config);
    buf_done(&s->launch.tls_chain);
    buf_done(&s->launch.tls_key);
    s->launch.config = l->text;
    s->launch.tls_chain = l->tls_chain;
    s->launch.tls_key = l->tls_key;
    buf_init(&l->text, 0);
    buf_init(&l->tls_chain, 0);
    buf_init(&l->tls_key, 0);
}

static int reload_checked(struct supervisor *s, struct loaded *l, struct buf *faults)
{
    struct err err;
    int rc = loaded_read(l, s->options->config_path, faults);

    if (rc < 0)
        return rc;
    if (strcmp(l->config->run_dir, s->config->run_dir) != 0 ||
        strcmp(l->config->state_dir, s->config->state_dir) != 0) {
        buf_addf(faults,
                 "run_dir and state_dir change only with `posta stop` and `posta start`");
        return E_DENIED;
    }
    rc = sockets_prepare(&s->launch.sockets, l->config, s->launch.group, &err);
    if (rc < 0)
        buf_addf(faults, "%s", err.text);
    return rc;
}

static void reload(struct supervisor *s, struct control_session *c)
{
    struct loaded l;
    struct buf faults;

    if (s->reloading || s->stopping) {
        if (c)
            control_answer(c, s->stopping ? STR("ERR posta is stopping\n")
                                          : STR("ERR a reload is under way\n"));
        return;
    }
    s->reloading = true;
    s->reloader = c;
    buf_init(&faults, CONTROL_OUT_BYTES / 2);
    loaded_init(&l);
    if (reload_checked(s, &l, &faults) < 0) {
        reload_over(s, buf_c(&faults));
    } else {
        take_over(s, &l);
        open_log(s);
        log_event(LOG_INFO, NULL, "reload",
                  "the new configuration is good and goes to all processes");
        children_reload(s->children, children_reloaded, s);
    }
    loaded_done(&l);
    buf_done(&faults);
}

static void do_reload(void *arg, struct control_session *c)
{
    reload(arg, c);
}

static void do_stop(void *arg, struct control_session *c)
{
    control_answer(c, STR("OK 0\n"));
    begin_stop(arg, "posta stop");
}

/* ---- signals ---- */

static void on_term(void *arg)
{
    struct supervisor *s = arg;

    if (s->stopping)
        children_kill(s->children);
    else
        begin_stop(s, "signal");
}

static void on_hup(void *arg)
{
    reload(arg, NULL);
}

static void on_child(void *arg)
{
    struct supervisor *s = arg;

    children_reap(s->children);
}

/* ---- beginning ---- */

static void raise_limits(const struct config *c)
{
    uint64_t wanted = files_max_wanted(&c->limits), has = files_max_raise(wanted);

    if (has < wanted)
        log_event(LOG_WARN, NULL, "descriptors",
                  "a process may have %llu, limits.connections wants %llu: `posta check`",
                  (unsigned long long)has, (unsigned long long)wanted);
}

/* A program that is not there is no matter for back-off. */
static int find_programs(const struct config *c, struct err *err)
{
    char path[PATH_MAX];

    for (const struct service *v = services; v->name; v++)
        if (service_wanted(v, c) && service_program(v, path, sizeof(path)) < 0)
            return err_set(err, E_NOT_FOUND,
                           "the program %s is not there: it should lie beside `posta` or in "
                           "../libexec/posta",
                           v->name);
    return 0;
}

/* What needs the terminal for its faults: afterwards the log may go to a file. */
static int bind_all(struct supervisor *s, struct err *err)
{
    int rc = tree_run_dir(s->config, &s->launch.group, err);

    s->launch.root = geteuid() == 0;
    if (rc == 0)
        rc = find_programs(s->config, err);
    if (rc == 0)
        rc = tree_ready(s->config, err);
    if (rc == 0)
        rc = s->pid_fd = pidfile_take(s->config->run_dir, err);
    if (rc >= 0)
        rc = s->launch.life_fd = pidfile_children(
            s->config->run_dir, s->config->limits.drain_seconds + LEFT_SECONDS, err);
    if (rc >= 0)
        rc = sockets_prepare(&s->launch.sockets, s->config, s->launch.group, err);
    if (rc >= 0)
        rc = s->launch.shared_fd = shared_create(err);
    sockets_settled(&s->launch.sockets);
    return rc < 0 ? rc : 0;
}

static int log_to(const char *path, struct err *err)
{
    DEFER(close_fd) int fd = -1;

    if (!path)
        return 0;
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        return err_os(err, "log to %s", path);
    return 0;
}

static int begin(struct supervisor *s, struct err *err)
{
    static const struct control_ops ops = {
        .status = do_status, .reload = do_reload, .stop = do_stop};
    int fd;

    s->loop = loop_new();
    s->look = timer_new(s->loop, look, s);
    s->children = children_new(s->loop, &s->launch, changed, s, err);
    if (!s->children)
        return err->code;
    loop_on_signal(s->loop, SIGCHLD, on_child, s);
    loop_on_signal(s->loop, SIGTERM, on_term, s);
    loop_on_signal(s->loop, SIGINT, on_term, s);
    loop_on_signal(s->loop, SIGHUP, on_hup, s);
    fd = fcntl(sockets_find(&s->launch.sockets, supervisor_socket.name), F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return err_os(err, "%s", supervisor_socket.name);
    s->control = control_new(s->loop, fd, &ops, s);
    children_want(s->children, s->config);
    return 0;
}

static void end(struct supervisor *s)
{
    control_free(s->control);
    children_free(s->children);
    timer_free(s->look);
    if (s->loop)
        loop_free(s->loop);
    if (s->config)
        sockets_done(&s->launch.sockets, s->config->run_dir);
    if (s->launch.shared_fd >= 0)
        close(s->launch.shared_fd);
    if (s->launch.life_fd >= 0)
        close(s->launch.life_fd);
    buf_done(&s->launch.config);
    buf_done(&s->launch.tls_chain);
    buf_done(&s->launch.tls_key);
    if (s->pid_fd >= 0)
        pidfile_drop(s->pid_fd);
    config_free(s->config);
}

static int fail(struct supervisor *s, const char *why)
{
    if (s->report >= 0)
        report(s, why);
    else
        fprintf(stderr, "posta: %s\n", why);
    return 1;
}

static int load(struct supervisor *s)
{
    struct loaded l;
    struct buf faults;
    int rc;

    loaded_init(&l);
    buf_init(&faults, CONTROL_OUT_BYTES / 2);
    rc = loaded_read(&l, s->options->config_path, &faults);
    if (rc < 0)
        fprintf(stderr, "%s", buf_c(&faults));
    else
        take_over(s, &l);
    buf_done(&faults);
    loaded_done(&l);
    return rc;
}

int supervisor_run(const struct supervisor_options *o)
{
    struct supervisor s = {.options = o,
                           .pid_fd = -1,
                           .report = o->report,
                           .launch.shared_fd = -1,
                           .launch.life_fd = -1};
    struct err err = {0};

    sockets_init(&s.launch.sockets);
    buf_init(&s.launch.config, 0);
    buf_init(&s.launch.tls_chain, 0);
    buf_init(&s.launch.tls_key, 0);
    signal(SIGPIPE, SIG_IGN);
    if (load(&s) < 0) {
        s.status = fail(
            &s,
            "the configuration has faults; `posta check` shows them, and nothing was started");
    } else if (bind_all(&s, &err) < 0 || log_to(o->log_file, &err) < 0) {
        s.status = fail(&s, err.text);
    } else {
        open_log(&s);
        raise_limits(s.config);
        if (begin(&s, &err) < 0)
            s.status = fail(&s, err.text);
        else
            loop_run(s.loop);
    }
    end(&s);
    return s.status;
}
