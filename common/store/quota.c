#include "store/quota.h"

#include "base/defer.h"
#include "store/dir.h"
#include "store/name.h"

#include <fcntl.h>
#include <sys/stat.h>

static uint64_t octets_of(int dir, struct str file)
{
    struct name n;
    struct stat st;

    if (name_parse(file, &n) && n.has_size)
        return n.size;
    return fstatat(dir, file.p, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

static void count_letters(int at, const char *path, struct quota_usage *u)
{
    DEFER(close_fd) int fd = dir_open(at, path, NULL);
    struct dir_scan scan;
    struct str file;

    if (fd < 0 || dir_scan_init(&scan, fd, NULL) < 0)
        return;
    while (dir_scan_next(&scan, &file, NULL) > 0) {
        u->octets += octets_of(fd, file);
        u->letters++;
    }
    dir_scan_done(&scan);
}

static void count_folder(int at, struct quota_usage *u)
{
    count_letters(at, "new", u);
    count_letters(at, "cur", u);
}

int quota_count(int at, const char *path, struct quota_usage *out, struct err *err)
{
    struct quota_usage u = {0};
    int fd = dir_open(at, path, err);
    struct dirent *e;

    if (fd < 0)
        return fd;
    DEFER(close_dir) DIR *d = fdopendir(fd); /* has fd now */
    if (!d) {
        close(fd);
        return err_os(err, "list %s", path);
    }
    count_folder(fd, &u);
    while ((e = readdir(d))) {
        if (e->d_name[0] != '.' || e->d_name[1] == '.' || e->d_name[1] == '\0')
            continue;
        DEFER(close_fd) int folder = dir_open(fd, e->d_name, NULL);
        if (folder >= 0)
            count_folder(folder, &u);
    }
    *out = u;
    return 0;
}
