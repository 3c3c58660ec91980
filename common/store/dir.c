#include "store/dir.h"

#include "base/defer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

struct linux_dirent64 { /* getdents64(2) */
    uint64_t d_ino;
    int64_t d_off;
    unsigned short d_reclen;
    unsigned char d_type;
    char d_name[];
};

int dir_open(int at, const char *path, struct err *err)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    long fd;

    do
        fd = syscall(SYS_openat2, at, path, &how, sizeof(how));
    while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    return fd < 0 ? err_os(err, "open the directory %s", path) : (int)fd;
}

int dir_make(int at, const char *name, struct err *err)
{
    bool made = mkdirat(at, name, 0700) == 0;

    if (!made && errno != EEXIST)
        return err_os(err, "make the directory %s", name);
    if (fsync(at) < 0) /* whoever made it may not have come to this */
        return err_os(err, "flush the directory above %s", name);
    return made;
}

/* File systems without RENAME_NOREPLACE are looked at first: whoever renames folders holds a
 * lock. */
static int rename_new(int at, const char *from, const char *to)
{
    if (renameat2(at, from, at, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (faccessat(at, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(at, from, at, to);
}

int dir_rename_new(int at, const char *from, const char *to, struct err *err)
{
    if (rename_new(at, from, to) == 0)
        return 0;
    if (errno == EEXIST || errno == ENOTEMPTY)
        return err_set(err, E_EXISTS, "%s is there", to);
    if (errno == ENOENT)
        return err_set(err, E_NOT_FOUND, "there is no %s", from);
    return err_os(err, "rename %s to %s", from, to);
}

int dir_scan_init(struct dir_scan *s, int fd, struct err *err)
{
    *s = (struct dir_scan){.fd = fd};
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_os(err, "read a directory");
    s->block = malloc(DIR_SCAN_BYTES);
    if (!s->block)
        abort();
    return 0;
}

void dir_scan_done(struct dir_scan *s)
{
    free(s->block);
    s->block = NULL;
}

static bool is_regular(int fd, const struct linux_dirent64 *e)
{
    struct stat st;

    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_REG;
    return fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

int dir_scan_next(struct dir_scan *s, struct str *name, struct err *err)
{
    for (;;) {
        if (s->at == s->n) {
            long n = syscall(SYS_getdents64, s->fd, s->block, DIR_SCAN_BYTES);

            if (n < 0)
                return err_os(err, "read a directory");
            if (n == 0)
                return 0;
            s->at = 0;
            s->n = (size_t)n;
        }
        const struct linux_dirent64 *e = (const void *)(s->block + s->at);

        s->at += e->d_reclen;
        if (e->d_name[0] == '.' || !is_regular(s->fd, e))
            continue;
        *name = str_c(e->d_name);
        return 1;
    }
}

int dir_read_text(int at, const char *name, struct arena *a, struct str *out, struct err *err)
{
    DEFER(close_fd) int fd = openat(at, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return err_set(err, E_NOT_FOUND, "there is no %s", name);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_os(err, "open %s", name);
    if (!S_ISREG(st.st_mode))
        return err_set(err, E_CORRUPT, "%s is no regular file", name);
    if (st.st_size > DIR_TEXT_BYTES)
        return err_set(err, E_LIMIT, "%s is longer than %d octets", name, DIR_TEXT_BYTES);

    char *p = arena_alloc(a, (size_t)st.st_size + 1);
    size_t n = 0;
    while (n < (size_t)st.st_size) {
        ssize_t r = read(fd, p + n, (size_t)st.st_size - n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_os(err, "read %s", name);
        if (r == 0)
            break;
        n += (size_t)r;
    }
    *out = (struct str){p, n};
    return 0;
}

int dir_write(int fd, struct str bytes, struct err *err)
{
    while (bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_os(err, "write");
        bytes = str_skip(bytes, (size_t)n);
    }
    return 0;
}

/* Beside its place, under a name that no other process or thread uses; durable but for its
 * entry. */
static int write_beside(int at, const char *name, char *beside, size_t room, struct str text,
                        struct err *err)
{
    snprintf(beside, room, "%s.%ld.new", name, (long)syscall(SYS_gettid));
    unlinkat(at, beside, 0); /* left by one who had this number before */

    DEFER(close_fd) int fd = openat(at, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_os(err, "make %s", beside);

    int r = dir_write(fd, text, err);
    if (r == 0 && fsync(fd) < 0)
        r = err_os(err, "flush %s", beside);
    if (r < 0)
        unlinkat(at, beside, 0);
    return r;
}

int dir_replace_text(int at, const char *name, struct str text, struct err *err)
{
    char beside[64];
    int r = write_beside(at, name, beside, sizeof(beside), text, err);

    if (r < 0)
        return r;
    if (renameat(at, beside, at, name) < 0) {
        r = err_os(err, "rename %s to %s", beside, name);
        unlinkat(at, beside, 0);
        return r;
    }
    return fsync(at) < 0 ? err_os(err, "flush the directory of %s", name) : 0;
}

int dir_create_text(int at, const char *name, struct str text, struct err *err)
{
    char beside[64];
    int r = write_beside(at, name, beside, sizeof(beside), text, err);

    if (r < 0)
        return r;
    if (linkat(at, beside, at, name, 0) < 0)
        r = errno == EEXIST ? err_set(err, E_EXISTS, "%s is there", name)
                            : err_os(err, "link %s to %s", beside, name);
    unlinkat(at, beside, 0);
    if (r == 0 && fsync(at) < 0)
        r = err_os(err, "flush the directory of %s", name);
    return r;
}
