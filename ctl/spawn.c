#include "ctl/spawn.h"

#include "base/buf.h"
#include "sys/privs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_FD = 3, CHILD_UMASK = 027, CANNOT_EXECUTE = 127 };

void spawn_add(struct spawn *s, const char *name, int fd)
{
    if (s->n == SPAWN_FDS)
        return;
    s->names[s->n] = name;
    s->fds[s->n++] = fd;
}

int spawn_memfd(const char *name, const void *bytes, size_t n, struct err *err)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    const char *p = bytes;
    size_t left = n;

    if (fd < 0)
        return err_os(err, "memory for %s", name);
    while (left) {
        ssize_t w = write(fd, p, left);

        if (w < 0) {
            int rc = err_os(err, "memory for %s", name);

            close(fd);
            return rc;
        }
        p += w;
        left -= (size_t)w;
    }
    lseek(fd, 0, SEEK_SET);
    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    return fd;
}

/* Everything below runs in the new process. */

static void child_dies(const char *what, const char *name)
{
    dprintf(STDERR_FILENO, "posta: %s: %s: %s\n", name, what, strerror(errno));
    _exit(CANNOT_EXECUTE);
}

/* In two steps, as the descriptors may already stand in each other's places. */
static void place_fds(const struct spawn *s)
{
    int high[SPAWN_FDS];

    for (unsigned i = 0; i < s->n; i++) {
        high[i] = fcntl(s->fds[i], F_DUPFD_CLOEXEC, FIRST_FD + SPAWN_FDS);
        if (high[i] < 0)
            child_dies("descriptors", s->name);
    }
    for (unsigned i = 0; i < s->n; i++)
        if (dup2(high[i], FIRST_FD + (int)i) < 0)
            child_dies("descriptors", s->name);
    close_range(FIRST_FD + s->n, ~0U, CLOSE_RANGE_CLOEXEC);
}

static void set_environment(const struct spawn *s)
{
    struct buf names;
    char number[32];

    buf_init(&names, 65536);
    for (unsigned i = 0; i < s->n; i++)
        buf_addf(&names, "%s%s", i ? ":" : "", s->names[i]);
    setenv("LISTEN_FDNAMES", buf_c(&names), 1);
    snprintf(number, sizeof(number), "%u", s->n);
    setenv("LISTEN_FDS", number, 1);
    snprintf(number, sizeof(number), "%d", (int)getpid());
    setenv("LISTEN_PID", number, 1);
    snprintf(number, sizeof(number), "%u", s->worker);
    setenv("POSTA_WORKER", number, 1);
    unsetenv("NOTIFY_SOCKET");
    buf_done(&names);
}

static void default_signals(void)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        sigaction(i, &standard, NULL); /* some cannot be changed, and need not be */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become(const struct spawn *s)
{
    if (s->as_user && privs_drop(s->uid, s->gid, NULL) < 0)
        child_dies("give up root's rights", s->name);
}

__attribute__((noreturn)) static void run(const struct spawn *s, pid_t supervisor)
{
    const char *const argv[] = {s->name, NULL};

    default_signals();
    setpgid(0, 0); /* Ctrl-C is for the supervisor, who then lets us end in order */
    int input = s->input > 0 ? s->input : open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (input < 0 || dup2(input, STDIN_FILENO) < 0)
        child_dies("standard input", s->name);
    if (s->log > 0 && dup2(s->log, STDERR_FILENO) < 0)
        child_dies("log", s->name);
    place_fds(s);
    set_environment(s);
    become(s);
    umask(CHILD_UMASK);
    /* After the change of user, which would forget it. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != supervisor)
        _exit(CANNOT_EXECUTE);
    execv(s->path, (char *const *)(uintptr_t)argv);
    child_dies(s->path, s->name);
    _exit(CANNOT_EXECUTE);
}

/* Until the child has its own, a signal to it would run the supervisor's handler, which tells
 * the supervisor through a pipe that both have: ending a process that had just been started
 * ended all of posta. So no signal comes in between; default_signals() lets them in again. */
pid_t spawn_start(const struct spawn *s, struct err *err)
{
    pid_t me = getpid(), pid;
    sigset_t all, before;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        run(s, me);
    int code = pid < 0 ? err_os(err, "start %s", s->name) : 0;
    sigprocmask(SIG_SETMASK, &before, NULL);
    return code < 0 ? code : pid;
}
