#include "store/staging.h"

#include "base/defer.h"
#include "store/dir.h"
#include "store/stage.h"
#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#define STAGING_PREFIX "posta-copy."
#define COPIED_PREFIX  "posta-copied."

int staging_make(struct staging *s, int folder, struct err *err)
{
    struct id id;

    *s = (struct staging){.fd = -1, .folder = folder};
    clock_new_id(&id);
    snprintf(s->name, sizeof(s->name), STAGING_PREFIX "%s", id.text);
    snprintf(s->done, sizeof(s->done), COPIED_PREFIX "%s", id.text);
    if (mkdirat(folder, s->name, 0700) < 0)
        return stage_os_error(err, "make a directory for copies");
    s->fd = dir_open(folder, s->name, err);
    if (s->fd < 0)
        return s->fd;
    return flock(s->fd, LOCK_EX | LOCK_NB) < 0 ? err_os(err, "lock a directory for copies") : 0;
}

/* Letters whose names are final, from the directory `fd` into cur/: how many. */
static int move_some(int fd, int cur, struct err *err)
{
    struct dir_scan scan;
    struct str name;
    int moved = 0, r = dir_scan_init(&scan, fd, err);

    if (r < 0)
        return r;
    while ((r = dir_scan_next(&scan, &name, err)) > 0) {
        if (renameat(fd, name.p, cur, name.p) < 0) {
            r = err_os(err, "put a copy into its folder");
            break;
        }
        moved = 1;
    }
    dir_scan_done(&scan);
    return r < 0 ? r : moved;
}

/* Until none is left: a listing may pass over some where others are taken away under it. */
static int move_staged(int fd, int cur, struct err *err)
{
    int r;

    do
        r = move_some(fd, cur, err);
    while (r > 0);
    return r;
}

int staging_commit(struct staging *s, int cur, struct err *err)
{
    if (fsync(s->fd) < 0)
        return stage_os_error(err, "flush copies");
    if (renameat(s->folder, s->name, s->folder, s->done) < 0)
        return err_os(err, "rename a directory of copies");
    s->committed = true;
    if (fsync(s->folder) < 0)
        return err_os(err, "flush a folder");
    int r = move_staged(s->fd, cur, err);
    if (r == 0)
        unlinkat(s->folder, s->done, AT_REMOVEDIR);
    return r;
}

static void remove_all(int dir, const char *name, int fd)
{
    struct dir_scan scan;
    struct str file;

    if (dir_scan_init(&scan, fd, NULL) < 0)
        return;
    while (dir_scan_next(&scan, &file, NULL) > 0)
        unlinkat(fd, file.p, 0);
    dir_scan_done(&scan);
    unlinkat(dir, name, AT_REMOVEDIR);
}

void staging_close(struct staging *s)
{
    if (s->fd >= 0 && !s->committed)
        remove_all(s->folder, s->name, s->fd);
    close_fd(&s->fd);
}

/* ---- what a crash left ---- */

static int recover_one(struct boxfolder *f, const char *name, struct err *err)
{
    DEFER(close_fd) int fd = dir_open(f->dir, name, err);

    if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
        return 0; /* another was faster; or it only has such a name, and is nobody's copies */
    if (fd < 0)
        return fd;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return 0; /* somebody with an index.db that has been deleted under it */
    if (str_starts(str_c(name), STR(STAGING_PREFIX))) {
        remove_all(f->dir, name, fd);
        return 0;
    }
    int cur = boxfolder_cur(f, err);
    int r = cur < 0 ? cur : move_staged(fd, cur, err);
    if (r < 0)
        return r;
    if (fsync(cur) < 0)
        return err_os(err, "flush a folder");
    unlinkat(f->dir, name, AT_REMOVEDIR);
    return 0;
}

int staging_recover(struct boxfolder *f, struct err *err)
{
    int fd = dir_open(f->dir, ".", err);
    DEFER(close_dir) DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    int r = d ? 0 : fd < 0 ? fd : err_os(err, "list a folder");

    if (!d && fd >= 0)
        close(fd);
    while (d && r == 0 && (e = readdir(d)))
        if (str_starts(str_c(e->d_name), STR(STAGING_PREFIX)) ||
            str_starts(str_c(e->d_name), STR(COPIED_PREFIX)))
            r = recover_one(f, e->d_name, err);
    return r;
}
