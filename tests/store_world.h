/*
 * store_world - a state directory for one test, and looks into it.
 */
#ifndef POSTA_TESTS_STORE_WORLD_H
#define POSTA_TESTS_STORE_WORLD_H

#include "base/buf.h"
#include "base/defer.h"
#include "base/err.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#define WORLD_BYTES 512

struct world {
    char dir[64];
    int fd;
};

static inline void world_init(struct world *w)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(w->dir, sizeof(w->dir), "%s/posta-store-XXXXXX",
             tmp && strlen(tmp) < 32 ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->dir));
    w->fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(w->fd >= 0);
    assert_int_equal(mkdirat(w->fd, "mail", 0700), 0);
}

static inline int world_remove(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static inline void world_done(struct world *w)
{
    close(w->fd);
    nftw(w->dir, world_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* How many entries that do not begin with a dot, -1 where there is no such directory; the name
 * of one of them in `name`, where that is not NULL. */
static inline int world_count(const struct world *w, const char *path, char name[256])
{
    int fd = openat(w->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
    DEFER(close_dir) DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (!d)
        return -1;
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        if (name)
            snprintf(name, 256, "%s", e->d_name);
    }
    return n;
}

static inline void world_write(const struct world *w, const char *path, struct str bytes)
{
    DEFER(close_fd)
    int fd = openat(w->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.p, bytes.n), bytes.n);
}

static inline void world_read(const struct world *w, const char *path, struct buf *out)
{
    DEFER(close_fd) int fd = openat(w->fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    assert_true(fd >= 0);
    buf_clear(out);
    do {
        char *to = buf_room(out, 65536);

        assert_non_null(to);
        n = read(fd, to, 65536);
        assert_true(n >= 0);
        buf_grown(out, (size_t)n);
    } while (n > 0);
}

static inline bool world_has(const struct world *w, const char *path)
{
    return faccessat(w->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

#endif
