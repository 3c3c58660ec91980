/*
 * store_steps - the system calls that change something in a mailbox, wrapped by the linker: at
 * each of them the process can be ended, or the call made to fail.
 */
#ifndef POSTA_TESTS_STORE_STEPS_H
#define POSTA_TESTS_STORE_STEPS_H

#include "store/index.h"
#include "store_world.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { STEPS_ENDED = 77 };
enum steps_mode { STEPS_RUN, STEPS_END, STEPS_FAIL };

static enum steps_mode steps_mode;
static int steps_left, steps_flushes;
static int steps_no_links; /* what linkat() says; 0: it links */

/* Two directories, as if they were on two file systems where `apart`; and what was done to
 * them: unlinked in (U) and flushed (f) the one, flushed the other (t). */
static struct {
    ino_t from, to;
    bool apart;
    char done[64];
} steps_dirs;

static bool steps_in(int fd, ino_t dir)
{
    struct stat st;

    return dir && fstat(fd, &st) == 0 && st.st_ino == dir;
}

static void steps_note(int fd, ino_t dir, char what)
{
    size_t n = strlen(steps_dirs.done);

    if (steps_in(fd, dir) && n + 1 < sizeof(steps_dirs.done))
        steps_dirs.done[n] = what;
}

/* true: the call fails */
static bool steps_next(void)
{
    if (steps_mode == STEPS_RUN || steps_left-- != 0)
        return false;
    if (steps_mode == STEPS_END)
        _exit(STEPS_ENDED);
    errno = EIO;
    return true;
}

#define STEP(result, name, params, args)               \
    result __real_##name params;                       \
    result __wrap_##name params;                       \
    result __wrap_##name params                        \
    {                                                  \
        return steps_next() ? -1 : __real_##name args; \
    }

STEP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
STEP(int, renameat2, (int from, const char *old, int to, const char *new, unsigned flags),
     (from, old, to, new, flags))
STEP(int, mkdirat, (int at, const char *name, mode_t bits), (at, name, bits))

int __real_renameat(int from, const char *old, int to, const char *new);
int __wrap_renameat(int from, const char *old, int to, const char *new);
int __wrap_renameat(int from, const char *old, int to, const char *new)
{
    if (steps_next())
        return -1;
    if (steps_dirs.apart && steps_in(from, steps_dirs.from) && steps_in(to, steps_dirs.to)) {
        errno = EXDEV;
        return -1;
    }
    return __real_renameat(from, old, to, new);
}

int __real_unlinkat(int at, const char *name, int flags);
int __wrap_unlinkat(int at, const char *name, int flags);
int __wrap_unlinkat(int at, const char *name, int flags)
{
    steps_note(at, steps_dirs.from, 'U');
    return steps_next() ? -1 : __real_unlinkat(at, name, flags);
}

int __real_linkat(int from, const char *old, int to, const char *new, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *new, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *new, int flags)
{
    if (steps_next())
        return -1;
    if (steps_no_links) {
        errno = steps_no_links;
        return -1;
    }
    return __real_linkat(from, old, to, new, flags);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    steps_flushes++;
    steps_note(fd, steps_dirs.from, 'f');
    steps_note(fd, steps_dirs.to, 't');
    return steps_next() ? -1 : __real_fsync(fd);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    steps_flushes++;
    return steps_next() ? -1 : __real_fdatasync(fd);
}

int __real_openat64(int at, const char *path, int flags, ...);
int __wrap_openat64(int at, const char *path, int flags, ...);
int __wrap_openat64(int at, const char *path, int flags, ...)
{
    va_list ap;

    va_start(ap, flags);
    mode_t bits = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return (flags & O_CREAT) && steps_next() ? -1 : __real_openat64(at, path, flags, bits);
}

/* Called once, before the next writing transaction begins: somebody else is faster. */
static void (*steps_before_begin)(void);

int __real_index_begin(struct index *x, struct err *err);
int __wrap_index_begin(struct index *x, struct err *err);
int __wrap_index_begin(struct index *x, struct err *err)
{
    void (*call)(void) = steps_before_begin;

    steps_before_begin = NULL;
    if (call)
        call();
    return __real_index_begin(x, err);
}

/* Does `what` in a child that ends at step `at` (0 is the first). false: it came to its end. */
static inline bool steps_end_at(int at, void (*what)(void *), void *arg)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        steps_mode = STEPS_END;
        steps_left = at;
        what(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == STEPS_ENDED);
    return WEXITSTATUS(status) == STEPS_ENDED;
}

#endif
