#include "store/unfinished.h"

#include "base/defer.h"
#include "store/dir.h"
#include "store/stage.h"
#include "sys/clock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

/* One that was removed by a sweep before it was locked is made again. */
int unfinished_make(struct unfinished *u, int tmp, struct err *err)
{
    struct stat st;

    for (;;) {
        clock_new_id(&u->id);
        snprintf(u->name, sizeof(u->name), UNFINISHED_PREFIX "%s", u->id.text);
        u->fd = openat(tmp, u->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (u->fd < 0)
            return stage_os_error(err, "make a file in tmp/");
        if (flock(u->fd, LOCK_EX) == 0 && fstat(u->fd, &st) == 0 && st.st_nlink)
            return 0;
        close(u->fd);
    }
}

static void sweep_ours(int tmp, const char *name)
{
    DEFER(close_fd) int fd = openat(tmp, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(tmp, name, 0);
}

static void sweep_old(int tmp, const char *name, time_t old)
{
    struct stat st;

    if (fstatat(tmp, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime < old &&
        st.st_ctime < old)
        unlinkat(tmp, name, 0);
}

void unfinished_sweep(int tmp)
{
    time_t old = (time_t)(clock_wall_ms() / 1000) - UNFINISHED_OLD_S;
    struct dir_scan scan;
    struct str name;

    if (dir_scan_init(&scan, tmp, NULL) < 0)
        return;
    while (dir_scan_next(&scan, &name, NULL) > 0) {
        if (str_starts(name, STR(UNFINISHED_PREFIX)))
            sweep_ours(tmp, name.p);
        else
            sweep_old(tmp, name.p, old);
    }
    dir_scan_done(&scan);
}
