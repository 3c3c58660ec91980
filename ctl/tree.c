#include "ctl/tree.h"

#include "base/defer.h"
#include "ctl/services.h"
#include "spool/spool.h"
#include "sys/fs.h"
#include "sys/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/vfs.h>

enum { RIGHTS = 07777, RUN_DIR_MODE = 0755, PARENT_MODE = 0755 };

static const struct folder {
    const char *path; /* below state_dir */
    const char *user; /* NULL: root's    */
    mode_t mode;
} folders[] = {
    {"",              NULL,          0750 },
    {"pub",           NULL,          02750}, /* what is made there is the group's to read      */
    {"auth",          "posta-auth",  0700 },
    {"cache",         NULL,          0755 },
    {"cache/send",    "posta-send",  0700 },
    {"spool",         "posta-queue", 0750 },
    {"spool/in",      "posta-queue", 0750 }, /* and its lanes, made after it                   */
    {"spool/msg",     "posta-queue", 0750 },
    {"mail",          "posta-mail",  0700 },
    {"mail/.deliver", "posta-mail",  0700 },
};

enum { FOLDERS = sizeof(folders) / sizeof(folders[0]) };

/* A writer removes only what is its own. */
enum { LANE_MODE = 01770 };

static struct folder lane(int i, char path[16])
{
    snprintf(path, 16, "spool/in/%c", SPOOL_LANE_LETTERS[i]);
    return (struct folder){path, "posta-queue", LANE_MODE};
}

static void path_of(const struct config *c, const struct folder *f, char *path, size_t room)
{
    snprintf(path, room, "%s%s%s", c->state_dir, f->path[0] ? "/" : "", f->path);
}

/* Whose it should be; without root: the caller's. */
static int owner_of(const struct folder *f, uid_t *uid, gid_t *gid, struct err *err)
{
    const struct passwd *pw;
    const struct group *gr;

    *uid = geteuid();
    *gid = (gid_t)-1;
    if (*uid != 0)
        return 0;
    gr = getgrnam(SERVICE_GROUP);
    if (!gr)
        return err_set(err, E_NOT_FOUND,
                       "there is no group " SERVICE_GROUP "; `posta init` makes it");
    *gid = gr->gr_gid;
    if (!f->user)
        return 0;
    pw = getpwnam(f->user);
    if (!pw)
        return err_set(err, E_NOT_FOUND, "there is no user %s; `posta init` makes it", f->user);
    *uid = pw->pw_uid;
    return 0;
}

static int make_parents(const char *path, struct err *err)
{
    char part[PATH_MAX];
    size_t n = strlen(path);

    for (size_t i = 1; i < n && i < sizeof(part); i++) {
        if (path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, PARENT_MODE) < 0 && errno != EEXIST)
            return err_os(err, "make %s", part);
    }
    return 0;
}

/* Through a descriptor that follows no link: what is put there meanwhile gets no rights (F01).
 */
static int make_folder(const struct config *c, const struct folder *f,
                       void (*did)(const char *), struct err *err)
{
    char path[PATH_MAX], words[PATH_MAX + 64];
    struct stat st;
    uid_t uid;
    gid_t gid;
    int rc = owner_of(f, &uid, &gid, err);
    bool made;

    if (rc < 0)
        return rc;
    path_of(c, f, path, sizeof(path));
    made = mkdir(path, 0700) == 0;
    if (!made && errno != EEXIST)
        return err_os(err, "make %s", path);
    DEFER(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_os(err, "open %s", path);
    bool right = st.st_uid == uid && (gid == (gid_t)-1 || st.st_gid == gid) &&
                 (st.st_mode & RIGHTS) == f->mode;

    if (right && !made)
        return 0;
    if ((st.st_uid != uid || (gid != (gid_t)-1 && st.st_gid != gid)) &&
        fchown(fd, uid, gid) < 0)
        return err_os(err, "%s belongs to somebody else, and cannot be made yours", path);
    if (fchmod(fd, f->mode) < 0)
        return err_os(err, "set the rights of %s", path);
    snprintf(words, sizeof(words), "%s %s", made ? "made" : "set the rights of", path);
    did(words);
    return 0;
}

/* Nobody is told of each. */
static void say_nothing(const char *what)
{
    (void)what;
}

static int make_lanes(const struct config *c, struct err *err)
{
    char path[PATH_MAX], below[16];
    int rc = 0;

    snprintf(path, sizeof(path), "%s/spool/in", c->state_dir);
    DEFER(close_fd) int in = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0)
        return err_os(err, "open %s", path);
    spool_spread(in);
    for (int i = 0; i < SPOOL_LANES && rc == 0; i++) {
        struct folder f = lane(i, below);

        rc = make_folder(c, &f, say_nothing, err);
    }
    return rc;
}

int tree_make(const struct config *c, void (*did)(const char *what), struct err *err)
{
    int rc = make_parents(c->state_dir, err);

    for (int i = 0; i < FOLDERS && rc == 0; i++)
        rc = make_folder(c, &folders[i], did, err);
    return rc < 0 ? rc : make_lanes(c, err);
}

/* Where those who serve mailboxes hear of changes (store/change.h): theirs alone. */
static int make_change_dir(const struct config *c, gid_t group, struct err *err)
{
    static const struct folder change = {.path = "change", .user = "posta-mail", .mode = 0700};
    uid_t uid;
    gid_t gid;
    int rc = owner_of(&change, &uid, &gid, err);

    if (rc < 0)
        return rc;
    DEFER(close_fd) int at = open(c->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return err_os(err, "open %s", c->run_dir);
    return fs_make_dir(at, change.path, change.mode, uid, group, err);
}

/* Where those who watch live listen (sys/watch.h): only root, or who runs posta, may. */
static int make_watch_dir(const struct config *c, gid_t group, struct err *err)
{
    DEFER(close_fd) int at = open(c->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (at < 0)
        return err_os(err, "open %s", c->run_dir);
    return fs_make_dir(at, "watch", WATCH_DIR_MODE, geteuid(),
                       group == (gid_t)-1 ? getegid() : group, err);
}

int tree_run_dir(const struct config *c, gid_t *group, struct err *err)
{
    const struct group *gr = geteuid() == 0 ? getgrnam(SERVICE_GROUP) : NULL;
    struct stat st;

    if (geteuid() == 0 && !gr)
        return err_set(err, E_NOT_FOUND,
                       "there is no group " SERVICE_GROUP "; `posta init` makes it");
    *group = gr ? gr->gr_gid : (gid_t)-1;
    if (mkdir(c->run_dir, RUN_DIR_MODE) < 0 && errno != EEXIST)
        return err_os(err, "make %s", c->run_dir);
    if (stat(c->run_dir, &st) < 0)
        return err_os(err, "%s", c->run_dir);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, -ENOTDIR, "%s is no directory; run_dir has to be one", c->run_dir);
    if (faccessat(AT_FDCWD, c->run_dir, W_OK | X_OK, AT_EACCESS) < 0)
        return err_os(err, "run_dir %s", c->run_dir);
    int rc = make_change_dir(c, *group, err);
    return rc < 0 ? rc : make_watch_dir(c, *group, err);
}

int tree_ready(const struct config *c, struct err *err)
{
    char path[PATH_MAX], below[16];
    struct stat st;
    dev_t mail = 0;

    for (int i = 0; i < FOLDERS; i++) {
        path_of(c, &folders[i], path, sizeof(path));
        if (stat(path, &st) < 0 && errno == ENOENT)
            return err_set(err, -ENOENT, "%s is not there; `posta init` makes it", path);
        if (strcmp(folders[i].path, "mail") == 0)
            mail = st.st_dev;
        if (strcmp(folders[i].path, "mail/.deliver") == 0 && st.st_dev != mail)
            return err_set(
                err, -EXDEV,
                "%s must be on one file system with mail/: deliveries are linked from it",
                path);
    }
    for (int i = 0; i < SPOOL_LANES; i++) {
        struct folder f = lane(i, below);

        path_of(c, &f, path, sizeof(path));
        if (stat(path, &st) < 0 && errno == ENOENT)
            return err_set(err, -ENOENT, "%s is not there; `posta init` makes it", path);
    }
    return 0;
}

static unsigned fault(struct buf *faults, const char *fmt, const char *path, const char *more)
{
    buf_addf(faults, fmt, path, more);
    buf_add_byte(faults, '\n');
    return 1;
}

static unsigned check_folder(const struct config *c, const struct folder *f, struct buf *faults)
{
    char path[PATH_MAX], want[64];
    struct stat st;
    struct err err;
    uid_t uid;
    gid_t gid;

    path_of(c, f, path, sizeof(path));
    if (lstat(path, &st) < 0)
        return fault(faults, "%s: %s; `posta init` makes it", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return fault(faults, "%s is no directory%s", path, "");
    if (owner_of(f, &uid, &gid, &err) < 0)
        return fault(faults, "%s: %s", path, err.text);
    if (st.st_uid != uid || (gid != (gid_t)-1 && st.st_gid != gid)) {
        snprintf(want, sizeof(want), "%s", geteuid() ? "you" : f->user ? f->user : "root");
        return fault(faults, "%s should belong to %s; `posta init` sets it right", path, want);
    }
    if ((st.st_mode & RIGHTS) != f->mode) {
        snprintf(want, sizeof(want), "%04o, not %04o", f->mode, st.st_mode & RIGHTS);
        return fault(faults, "%s should have the rights %s; `posta init` sets it right", path,
                     want);
    }
    return 0;
}

/* The processes have other users than root: each folder above state_dir must let them through.
 */
static unsigned check_parents(const char *dir, struct buf *faults)
{
    char part[PATH_MAX];
    size_t n = strlen(dir);
    struct stat st;

    for (size_t i = 1; geteuid() == 0 && i < n && i < sizeof(part); i++) {
        if (dir[i] != '/')
            continue;
        memcpy(part, dir, i);
        part[i] = '\0';
        if (stat(part, &st) == 0 && !(st.st_mode & S_IXOTH))
            return fault(
                faults,
                "%s does not let the users posta-… through to %s: chmod o+x, or another place",
                part, dir);
    }
    return 0;
}

/* fsync and rename mean something else there (statfs(2)). */
static unsigned check_file_system(const char *dir, struct buf *faults)
{
    static const uint32_t network[] = {0x6969, 0x517b, 0xfe534d42,
                                       0xff534d42}; /* NFS, SMB, SMB2, CIFS */
    struct statfs fs;

    if (statfs(dir, &fs) < 0)
        return 0;
    for (size_t i = 0; i < sizeof(network) / sizeof(network[0]); i++)
        if ((uint32_t)fs.f_type == network[i])
            return fault(faults, "%s lies on a network file system%s: use a local one", dir,
                         ", where \"safe on disk\" and locks cannot be promised");
    return 0;
}

unsigned tree_check(const struct config *c, struct buf *faults)
{
    unsigned n = check_parents(c->state_dir, faults) + check_parents(c->run_dir, faults);
    char path[PATH_MAX], below[16];
    struct stat mail, spool;

    for (int i = 0; i < FOLDERS; i++)
        n += check_folder(c, &folders[i], faults);
    for (int i = 0; i < SPOOL_LANES; i++) {
        struct folder f = lane(i, below);

        n += check_folder(c, &f, faults);
    }
    n += check_file_system(c->state_dir, faults);
    snprintf(path, sizeof(path), "%s/mail", c->state_dir);
    if (stat(path, &mail) == 0) {
        snprintf(path, sizeof(path), "%s/spool", c->state_dir);
        if (stat(path, &spool) == 0 && spool.st_dev != mail.st_dev)
            n += fault(faults, "%s and mail/ lie on two file systems%s", path, "");
    }
    return n;
}
