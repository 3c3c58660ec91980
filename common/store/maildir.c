/*
 * The order of writes: mail/<domain>/, <user>/, cur/ new/ tmp/, each flushed into the directory
 * above it; then posta-user; then posta-folder. A crash between any two leaves a Maildir that
 * lacks the later ones, and making it again adds them. posta-folder comes last, so where it is,
 * all is. posta-user is there before any UIDVALIDITY is used, so none is given twice.
 */
#include "store/maildir.h"

#include "base/defer.h"
#include "store/dir.h"
#include "store/folder.h"
#include "store/index.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { MAILDIR_PATH_BYTES = 1024 };

/* Made by root for those who will write here: theirs, as the directory above is. */
static int give_to_owner(int above, int fd, struct err *err)
{
    struct stat st;

    if (geteuid() != 0)
        return 0;
    if (fstat(above, &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0)
        return err_os(err, "give a new directory to its owner");
    return 0;
}

static int make_and_open(int at, const char *name, struct err *err)
{
    int made = dir_make(at, name, err);

    if (made < 0)
        return made;
    DEFER(close_fd) int fd = dir_open(at, name, err);
    if (fd >= 0 && made && give_to_owner(at, fd, err) < 0)
        return err ? err->code : -EPERM;

    int out = fd;
    fd = -1;
    return out;
}

static int make_path(int at, const char *path, struct err *err)
{
    char part[MAILDIR_PATH_BYTES];
    struct str rest = str_c(path), name;
    DEFER(close_fd) int fd = fcntl(at, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return err_os(err, "open the directory above %s", path);
    while (rest.n) {
        if (!scan_until(&rest, '/', &name) || name.n >= sizeof(part))
            return err_set(err, E_SYNTAX, "%s is no path of a mailbox", path);
        scan_byte(&rest, '/');
        memcpy(part, name.p, name.n);
        part[name.n] = '\0';

        int next = make_and_open(fd, part, err);
        if (next < 0)
            return next;
        close(fd);
        fd = next;
    }
    int out = fd;
    fd = -1;
    return out;
}

static int own_file(int dir, const char *name, struct err *err)
{
    DEFER(close_fd)
    int fd = geteuid() == 0 ? openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;

    return fd < 0 ? 0 : give_to_owner(dir, fd, err);
}

/* On tmp/: the Maildir itself is locked by POP3 sessions. */
int maildir_lock(int dir, bool wait, struct err *err)
{
    int fd = dir_open(dir, "tmp", err), r;

    if (fd < 0)
        return fd;
    do
        r = flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return fd;
    r = errno == EWOULDBLOCK ? err_set(err, E_BUSY, "the folders are being changed")
                             : err_os(err, "lock a Maildir");
    close(fd);
    return r;
}

static void put_broken_aside(int dir)
{
    struct folder_user u;
    struct arena a;

    arena_init(&a);
    folder_user_put_aside(dir, folder_user_load(dir, &a, &u, NULL));
    arena_done(&a);
}

static int take_uidvalidity(int dir, uint32_t *out, struct err *err)
{
    struct arena a;
    struct folder_user u = {.uidvalidity = (uint32_t)(clock_wall_ms() / 1000),
                            .subscribed = &(struct str)STR_LIT("INBOX"),
                            .nsubscribed = 1};
    uint32_t now = u.uidvalidity;
    put_broken_aside(dir);
    int r = folder_user_create(dir, &u, err);

    if (r == 0) {
        *out = now;
        return own_file(dir, FOLDER_USER_FILE, err);
    }
    if (r != E_EXISTS)
        return r;
    arena_init(&a);
    r = folder_user_load(dir, &a, &u, err);
    if (r == 0 && u.uidvalidity == UINT32_MAX)
        r = err_set(err, E_LIMIT, "no UIDVALIDITY is left");
    if (r == 0) {
        u.uidvalidity = now > u.uidvalidity ? now : u.uidvalidity + 1;
        *out = u.uidvalidity;
        r = folder_user_store(dir, &u, err);
    }
    arena_done(&a);
    return r < 0 ? r : own_file(dir, FOLDER_USER_FILE, err);
}

int maildir_uidvalidity(int dir, uint32_t *out, struct err *err)
{
    DEFER(close_fd) int lock = maildir_lock(dir, true, err);

    return lock < 0 ? lock : take_uidvalidity(dir, out, err);
}

/* posta-folder, with a UIDVALIDITY from posta-user in `user`. */
static int make_folder_file(int user, int dir, struct err *err)
{
    struct id id;
    char mailboxid[ID_LETTERS + 2];
    struct folder f = {.uidnext = 1, .modseq = 1};
    int r = maildir_uidvalidity(user, &f.uidvalidity, err);

    if (r < 0)
        return r;
    clock_new_id(&id);
    snprintf(mailboxid, sizeof(mailboxid), "F%s", id.text);
    f.mailboxid = str_c(mailboxid);
    r = folder_create(dir, &f, err);
    if (r < 0)
        return r == E_EXISTS ? 0 : r;
    return own_file(dir, FOLDER_FILE, err);
}

static bool is_there(int dir, const char *name)
{
    return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int make_parts(int dir, struct err *err)
{
    static const char *const parts[] = {"cur", "new", "tmp"};

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        DEFER(close_fd) int fd = make_and_open(dir, parts[i], err);

        if (fd < 0)
            return fd;
    }
    return 0;
}

int maildir_make_folder(int user, int dir, struct err *err)
{
    int r = make_parts(dir, err);

    if (r < 0)
        return r;
    if (is_there(dir, FOLDER_FILE))
        return 0;
    return make_folder_file(user, dir, err);
}

/* A posta-folder that was lost while index.db is there is made again by who next opens INBOX
 * with it, as it was: with its UIDVALIDITY (boxfolder_file.c). */
static bool index_knows(int dir)
{
    return !is_there(dir, FOLDER_FILE) && is_there(dir, INDEX_FILE);
}

int maildir_make(int at, const char *path, struct err *err)
{
    DEFER(close_fd) int dir = make_path(at, path, err);

    if (dir < 0)
        return dir;
    if (index_knows(dir))
        return make_parts(dir, err);
    if (is_there(dir, "cur") && !is_there(dir, FOLDER_FILE))
        log_event(LOG_WARN, NULL, "folder-file",
                  "%s: there is no " FOLDER_FILE "; made anew, with another UIDVALIDITY", path);
    return maildir_make_folder(dir, dir, err);
}

bool maildir_whole(int at, const char *path)
{
    char file[MAILDIR_PATH_BYTES + 32];

    snprintf(file, sizeof(file), "%s/" FOLDER_FILE, path);
    return faccessat(at, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
