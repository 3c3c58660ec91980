/*
 * wrong_clock - preloaded into a program: its calendar is off by as many seconds as the first
 * number says in the file that WRONG_CLOCK names (eight octets each, of this machine). The
 * second number is for the steady clocks of the queue, and of it alone, whose days pass as the
 * test says: what waits by them looks often.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 5 };

static const volatile int64_t *wrong;
static int days_pass;

static __attribute__((constructor)) void open_file(void)
{
    const char *path = getenv("WRONG_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *p =
        fd < 0 ? MAP_FAILED : mmap(NULL, 2 * sizeof(*wrong), PROT_READ, MAP_SHARED, fd, 0);

    if (p != MAP_FAILED)
        wrong = p;
    days_pass = wrong && strcmp(program_invocation_short_name, "posta-mta-queue") == 0;
    if (fd >= 0)
        close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, t);

    if (rc == 0 && wrong && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        t->tv_sec += *wrong;
    else if (rc == 0 && days_pass &&
             (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE))
        t->tv_sec += wrong[1];
    return rc;
}

static int most(int timeout)
{
    return days_pass && timeout > LOOK_MS ? LOOK_MS : timeout;
}

int epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
    return (int)syscall(SYS_epoll_pwait, fd, events, n, most(timeout), NULL, (size_t)8);
}

int epoll_pwait(int fd, struct epoll_event *events, int n, int timeout, const sigset_t *mask)
{
    return (int)syscall(SYS_epoll_pwait, fd, events, n, most(timeout), mask, (size_t)8);
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    int rc = (int)syscall(SYS_gettimeofday, t, zone);

    if (rc == 0 && wrong)
        t->tv_sec += *wrong;
    return rc;
}

time_t time(time_t *to)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    if (to)
        *to = t.tv_sec;
    return t.tv_sec;
}
