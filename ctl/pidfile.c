#include "ctl/pidfile.h"

#include "base/defer.h"
#include "base/str.h"
#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/file.h>

enum { LOOK_AGAIN_MS = 20 };

static pid_t read_pid(int fd)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof(text), 0);
    struct str s = {text, n > 0 ? (size_t)n : 0};
    uint32_t pid;

    return scan_u32(&s, INT_MAX, &pid) ? (pid_t)pid : 0;
}

int pidfile_take(const char *run_dir, struct err *err)
{
    char path[PATH_MAX];
    int out;

    snprintf(path, sizeof(path), "%s/posta.pid", run_dir);
    DEFER(close_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return err_os(err, "open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return err_set(
                err, E_BUSY,
                "posta runs already, as process %d (%s is locked); end it with `posta stop`",
                (int)read_pid(fd), path);
        return err_os(err, "lock %s", path);
    }
    out = pidfile_write(fd, err);
    if (out < 0)
        return out;
    out = fd;
    fd = -1;
    return out;
}

int pidfile_write(int fd, struct err *err)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
        return err_os(err, "write posta.pid");
    return 0;
}

/* The file stays: unlinking it would let a third process lock a new one while a second still
 * waits for the old. */
void pidfile_drop(int fd)
{
    if (ftruncate(fd, 0) < 0)
        return; /* the lock goes with the process */
    close(fd);
}

pid_t pidfile_holder(const char *run_dir, struct err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/posta.pid", run_dir);
    DEFER(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_os(err, "open %s", path);
    if (flock(fd, LOCK_SH | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK ? read_pid(fd) : err_os(err, "lock %s", path);
}

int pidfile_children(const char *run_dir, unsigned seconds, struct err *err)
{
    uint64_t end = clock_steady_ms() + (uint64_t)seconds * 1000;
    char path[PATH_MAX];
    int out;

    snprintf(path, sizeof(path), "%s/posta.children", run_dir);
    DEFER(close_fd) int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_os(err, "open %s", path);
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return err_os(err, "lock %s", path);
        if (clock_steady_ms() >= end)
            return err_set(
                err, E_BUSY,
                "processes of an earlier posta have not ended within %u s; they hold %s",
                seconds, path);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
    out = fd;
    fd = -1;
    return out;
}

int pidfile_wait_gone(const char *run_dir, unsigned seconds, struct err *err)
{
    uint64_t end = clock_steady_ms() + (uint64_t)seconds * 1000;

    for (;;) {
        pid_t pid = pidfile_holder(run_dir, err);

        if (pid <= 0)
            return pid;
        if (clock_steady_ms() >= end)
            return err_set(err, E_BUSY, "process %d has not ended within %u seconds", (int)pid,
                           seconds);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
}
