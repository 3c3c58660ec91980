#include "sys/fs.h"

#include "base/defer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { READ_BYTES = 16384, NAME_BYTES = 256 };

int fs_open_dir(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? err_os(err, "open the directory %s", path) : fd;
}

int fs_open_beneath(int dir, const char *name, int flags, mode_t mode, struct err *err)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                           .mode = flags & O_CREAT ? mode : 0,
                           .resolve =
                               RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    long fd;

    do {
        fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));
    } while (fd < 0 && (errno == EINTR ||
                        errno == EAGAIN)); /* EAGAIN: something was renamed on the way */
    return fd < 0 ? err_os(err, "open %s", name) : (int)fd;
}

int fs_open_dir_beneath(int dir, const char *name, struct err *err)
{
    return fs_open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0, err);
}

int fs_write_all(int fd, struct str bytes, struct err *err)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_os(err, "write");
        bytes = str_skip(bytes, (size_t)n);
    }
    return 0;
}

int fs_start_flush(int fd)
{
    if (sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE) == 0)
        return 0;
    return errno == ENOSYS || errno == EINVAL || errno == ESPIPE || errno == EPERM ? 0 : -1;
}

int fs_read_all(int fd, struct buf *to, struct err *err)
{
    for (;;) {
        size_t left = to->max - to->n;
        char over, *p = left ? buf_room(to, left < READ_BYTES ? left : READ_BYTES) : &over;
        ssize_t n = read(fd, p, left == 0 ? 1 : left < READ_BYTES ? left : READ_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_os(err, "read");
        if (n == 0)
            return 0;
        if (left == 0)
            return err_set(err, E_LIMIT, "more than %zu octets", to->max);
        buf_grown(to, (size_t)n);
    }
}

int fs_read_file(const char *path, struct buf *to, struct err *err)
{
    DEFER(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct err why;

    if (fd < 0)
        return err_os(err, "open %s", path);
    int r = fs_read_all(fd, to, &why);
    return r < 0 ? err_set(err, r, "%s: %s", path, why.text) : 0;
}

static int replace_with(int dir, const char *tmp, const char *name, struct str bytes,
                        mode_t mode, struct err *err)
{
    struct err why;
    DEFER(close_fd)
    int fd = fs_open_beneath(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode, err);

    if (fd < 0)
        return fd;
    int r = fs_write_all(fd, bytes, &why);
    if (r < 0)
        return err_set(err, r, "%s: %s", tmp, why.text);
    if (fchmod(fd, mode) < 0) /* one left behind may have another */
        return err_os(err, "set the mode of %s", tmp);
    if (fsync(fd) < 0)
        return err_os(err, "sync %s", tmp);
    if (renameat(dir, tmp, dir, name) < 0)
        return err_os(err, "rename %s to %s", tmp, name);
    return 0;
}

int fs_replace(int dir, const char *name, struct str bytes, mode_t mode, struct err *err)
{
    char tmp[NAME_BYTES];

    if (snprintf(tmp, sizeof(tmp), "%s.tmp", name) >= (int)sizeof(tmp))
        return err_set(err, -ENAMETOOLONG, "%s: the name is too long", name);
    int r = replace_with(dir, tmp, name, bytes, mode, err);
    if (r < 0) {
        unlinkat(dir, tmp, 0);
        return r;
    }
    return fsync(dir) < 0 ? err_os(err, "sync the directory of %s", name) : 0;
}

int fs_make_dir(int dir, const char *name, mode_t mode, uid_t uid, gid_t gid, struct err *err)
{
    struct stat st;

    if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
        return err_os(err, "make the directory %s", name);
    DEFER(close_fd) int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_os(err, "open the directory %s", name);
    bool owned = (uid == (uid_t)FS_NO_OWNER || uid == st.st_uid) &&
                 (gid == (gid_t)FS_NO_OWNER || gid == st.st_gid);
    if (!owned && fchown(fd, uid, gid) < 0)
        return err_os(err, "give away the directory %s", name);
    /* after the owner: chown() clears set-group-id bits */
    if ((!owned || (st.st_mode & 07777) != mode) && fchmod(fd, mode) < 0)
        return err_os(err, "set the mode of the directory %s", name);
    return 0;
}

static int lock(int dir, const char *name, mode_t mode, int how, struct err *err)
{
    DEFER(close_fd) int fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode);
    int r;

    if (fd < 0)
        return err_os(err, "open %s", name);
    do {
        r = flock(fd, how);
    } while (r < 0 && errno == EINTR);
    if (r < 0 && errno == EWOULDBLOCK)
        return err_set(err, E_BUSY, "%s is held by another process", name);
    if (r < 0)
        return err_os(err, "lock %s", name);
    int locked = fd;
    fd = -1;
    return locked;
}

int fs_lock_file(int dir, const char *name, mode_t mode, struct err *err)
{
    return lock(dir, name, mode, LOCK_EX | LOCK_NB, err);
}

int fs_lock_wait(int dir, const char *name, mode_t mode, struct err *err)
{
    return lock(dir, name, mode, LOCK_EX, err);
}

int fs_room(int fd, struct fs_room *out, struct err *err)
{
    struct statvfs v;

    if (fstatvfs(fd, &v) < 0)
        return err_os(err, "look for free space");
    out->bytes = (uint64_t)v.f_bavail * v.f_frsize;
    out->inodes = v.f_files ? v.f_favail : UINT64_MAX;
    return 0;
}
