#include "base/defer.h"
#include "ctl/asking.h"
#include "ctl/pidfile.h"
#include "ctl/status.h"
#include "ctl/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/wait.h>

enum { OPTION_DAEMON = OPTION_OWN, OPTION_LOG };
enum { STOP_MORE_SECONDS = 10, REPORT_BYTES = 512 };

const struct args_option run_start_options[] = {
    {"--daemon", 'd', NULL,   "detach; returns when all processes serve"               },
    {"--log",    0,   "FILE", "with --daemon: where the log goes (STATE_DIR/posta.log)"},
    {NULL,       0,   NULL,   NULL                                                     },
};

/* In the child of the fork: a session of its own, and nothing of the caller's terminal but
 * standard error, which the supervisor gives up for the log as soon as the configuration is
 * known to be good. */
static int run_detached(const struct supervisor_options *o)
{
    DEFER(close_fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    setsid();
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        chdir("/") < 0)
        return 1;
    return supervisor_run(o);
}

/* What the supervisor says: nothing and the end is good. */
static enum cli_status wait_for_report(int fd, pid_t pid, const char *log_file)
{
    char text[REPORT_BYTES];
    size_t n = 0;
    ssize_t got;
    int status;

    do {
        got = read(fd, text + n, sizeof(text) - 1 - n);
        if (got > 0)
            n += (size_t)got;
    } while ((got > 0 && n < sizeof(text) - 1) || (got < 0 && errno == EINTR));
    text[n] = '\0';
    if (n)
        return cli_fail(CLI_REFUSED, "%s", text);
    if (waitpid(pid, &status, WNOHANG) == pid)
        return cli_fail(CLI_REFUSED, "posta ended while it was starting; see %s", log_file);
    return CLI_DONE;
}

static enum cli_status start_daemon(struct supervisor_options *o)
{
    int ends[2];
    enum cli_status status;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return cli_fail(CLI_REFUSED, "pipe: %s", strerror(errno));
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        o->report = ends[1];
        _exit(run_detached(o));
    }
    close(ends[1]);
    status = pid < 0 ? cli_fail(CLI_LATER, "fork: %s", strerror(errno))
                     : wait_for_report(ends[0], pid, o->log_file);
    close(ends[0]);
    return status;
}

enum cli_status run_start(struct cli *c, const struct args *a)
{
    struct supervisor_options o = {.report = -1};
    const struct config *config = cli_config(c);
    char path[PATH_MAX];

    if (!config)
        return CLI_REFUSED;
    if (!realpath(c->config_path, path))
        return cli_fail(CLI_REFUSED, "%s: %s", c->config_path, strerror(errno));
    o.config_path = path;
    if (!cli_has(a, OPTION_DAEMON))
        return (enum cli_status)supervisor_run(&o);
    o.log_file = cli_has(a, OPTION_LOG) ? a->options[OPTION_LOG]
                                        : cli_path(c, config->state_dir, "posta.log");
    return start_daemon(&o);
}

/* One command to the supervisor. */
static enum cli_status command(struct cli *c, const char *text)
{
    const struct config *config = cli_config(c);
    struct asking *a = NULL;
    struct err err;
    int rc;

    if (!config)
        return CLI_REFUSED;
    rc = asking_open(config->run_dir, "posta.ctl", &a, &err);
    if (rc == 0)
        rc = asking_ask(a, text, NULL, NULL, &err);
    asking_close(a);
    if (rc >= 0)
        return CLI_DONE;
    if (err.code == E_UNAVAILABLE)
        return cli_fail(CLI_REFUSED, "posta is not running (%s)", err.text);
    return cli_fail(CLI_REFUSED, "%s", err.text);
}

enum cli_status run_stop(struct cli *c, const struct args *a)
{
    const struct config *config = cli_config(c);
    enum cli_status status = command(c, "STOP");
    struct err err;

    (void)a;
    if (status != CLI_DONE)
        return status;
    if (pidfile_wait_gone(config->run_dir, config->limits.drain_seconds + STOP_MORE_SECONDS,
                          &err) < 0)
        return cli_err(&err);
    if (!c->json)
        buf_add(&c->out, STR("posta has stopped\n"));
    return CLI_DONE;
}

enum cli_status run_reload(struct cli *c, const struct args *a)
{
    enum cli_status status = command(c, "RELOAD");

    (void)a;
    if (status == CLI_DONE && !c->json)
        buf_add(&c->out, STR("the configuration was taken over by all processes\n"));
    return status;
}
