/*
 * The order of writes, and what a crash after each leaves:
 *
 * tree_make    posta-user says the UIDVALIDITYs    some that nobody has: never mind
 *              posta-new.<id>/ with cur/ new/ tmp/  a directory that is no folder; swept
 *              maildirfolder and posta-folder        the same
 *              renamed to .Name                    the folder, whole; or not, after a power cut
 *              the Maildir is flushed              the folder
 * tree_remove  .Name becomes posta-gone.<id>/      no folder any more, once that is durable
 *              the Maildir is flushed              the same
 *              its use leaves posta-user           a use of a folder that is not there: ignored
 * tree_sweep   posta-gone.<id>/ is emptied         a part of it; swept by the next one
 *
 * Names without a dot in front are no folders to any program that knows Maildir++.
 */
#include "store/tree.h"

#include "base/defer.h"
#include "store/dir.h"
#include "store/mailbox_impl.h"
#include "store/maildir.h"
#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define NEW_PREFIX  "posta-new."
#define GONE_PREFIX "posta-gone."

enum { TREE_MAILDIR_BYTES = 1024, TREE_LITTER_DEPTH = 16, TREE_LITTER_BYTES = 40 };

/* ---- names ---- */

bool tree_name(struct str name, struct arena *a, struct str *out, char path[TREE_PATH_BYTES])
{
    struct buf at, again;
    bool good;

    buf_init(&at, (size_t)2 * PATH_COMPONENT_BYTES);
    buf_init(&again, (size_t)4 * PATH_COMPONENT_BYTES);
    good = path_of_folder(&at, name) && path_to_folder(&again, buf_str(&at));
    if (good) {
        *out = arena_dup(a, buf_str(&again));
        memcpy(path, buf_str(&at).p, buf_str(&at).n);
        path[buf_str(&at).n] = '\0';
    }
    buf_done(&at);
    buf_done(&again);
    return good;
}

bool tree_below(struct str name, struct str parent)
{
    return name.n > parent.n && name.p[parent.n] == '/' && str_starts(name, parent);
}

static bool is_dir(int at, const struct dirent *e)
{
    struct stat st;

    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return fstatat(at, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Left of a crash, where nobody holds the lock. */
static bool is_unfinished(struct str entry)
{
    return str_starts(entry, STR(NEW_PREFIX)) || str_starts(entry, STR(FOLDER_USER_FILE "."));
}

static bool is_litter(struct str entry)
{
    return is_unfinished(entry) || str_starts(entry, STR(GONE_PREFIX));
}

static void add_name(struct tree_names *t, struct arena *a, struct str name)
{
    if (t->n == t->room) {
        struct str *more = ARENA_ARRAY(a, struct str, t->room = t->room ? 2 * t->room : 64);

        if (t->n)
            memcpy(more, t->names, t->n * sizeof(*more));
        t->names = more;
    }
    t->names[t->n++] = arena_dup(a, name);
}

/* A new descriptor, so that nobody's place in the directory is shared. */
static DIR *list_dir(int at, const char *name, struct err *err)
{
    int fd = dir_open(at, name, err);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d && fd >= 0) {
        err_os(err, "list a directory");
        close(fd);
    }
    return d;
}

int tree_names(int dir, struct arena *a, struct tree_names *out, struct err *err)
{
    struct tree_names t = {0};
    struct err why = {0};
    DEFER(close_dir) DIR *d = list_dir(dir, ".", &why);
    struct buf name;
    struct dirent *e;

    if (!d)
        return err_set(err, why.code, "%s", why.text);
    buf_init(&name, (size_t)4 * PATH_COMPONENT_BYTES);
    while (t.n < TREE_LISTED && (e = readdir(d))) {
        struct str entry = str_c(e->d_name);

        buf_clear(&name);
        if (entry.p[0] != '.')
            t.litter |= is_litter(entry);
        else if (entry.n > 1 && path_to_folder(&name, entry) && is_dir(dirfd(d), e))
            add_name(&t, a, buf_str(&name));
    }
    buf_done(&name);
    *out = t;
    return 0;
}

/* ---- the lock, and posta-user ---- */

/* posta-user is lost: its counter must be above all that was given out. */
static int make_user_anew(struct tree *t, struct err *err)
{
    struct tree_names names;
    struct folder f;
    char path[TREE_PATH_BYTES];
    struct str name;
    int r = tree_names(t->dir, t->a, &names, err);

    t->user = (struct folder_user){.uidvalidity = (uint32_t)(clock_wall_ms() / 1000)};
    for (size_t i = 0; r == 0 && i <= names.n; i++) {
        struct str at = i < names.n ? names.names[i] : STR("INBOX");
        DEFER(close_fd)
        int fd = tree_name(at, t->a, &name, path) ? dir_open(t->dir, path, NULL) : -1;

        if (fd >= 0 && folder_load(fd, t->a, &f, NULL) == 0 &&
            f.uidvalidity > t->user.uidvalidity)
            t->user.uidvalidity = f.uidvalidity;
    }
    return r < 0 ? r : folder_user_create(t->dir, &t->user, err);
}

static int open_maildir(struct tree *t, int root, struct str maildir, bool wait,
                        struct err *err)
{
    char path[TREE_MAILDIR_BYTES];

    if (maildir.n >= sizeof(path))
        return err_set(err, E_LIMIT, "the path of a mailbox is too long");
    memcpy(path, maildir.p, maildir.n);
    path[maildir.n] = '\0';
    if (!maildir_whole(root, path)) {
        int r = maildir_make(root, path, err);

        if (r < 0)
            return r;
    }
    t->dir = dir_open(root, path, err);
    if (t->dir < 0)
        return t->dir;
    t->lock = maildir_lock(t->dir, wait, err);
    return t->lock < 0 ? t->lock : 0;
}

int tree_open(struct tree *t, int root, struct str maildir, bool wait, struct arena *a,
              struct err *err)
{
    *t = (struct tree){.dir = -1, .lock = -1, .a = a};
    int r = open_maildir(t, root, maildir, wait, err);

    if (r == 0)
        r = folder_user_load(t->dir, a, &t->user, err);
    if (r == E_NOT_FOUND || (t->lock >= 0 && folder_user_put_aside(t->dir, r)))
        r = make_user_anew(t, err);
    if (r < 0)
        tree_close(t);
    return r;
}

void tree_close(struct tree *t)
{
    close_fd(&t->lock);
    close_fd(&t->dir);
    t->lock = t->dir = -1;
}

int tree_save(struct tree *t, struct err *err)
{
    return folder_user_store(t->dir, &t->user, err);
}

bool tree_has(const struct tree_names *all, struct str name)
{
    if (str_eq(name, STR("INBOX")))
        return true;
    for (size_t i = 0; i < all->n; i++)
        if (str_eq(all->names[i], name))
            return true;
    return false;
}

/* What is said of folders that have gone does not count. */
int tree_set_use(struct tree *t, const struct tree_names *all, struct str name, struct str use,
                 struct err *err)
{
    struct folder_user *u = &t->user;
    struct folder_use *more = ARENA_ARRAY(t->a, struct folder_use, u->nuses + 1);
    size_t kept = 0;

    for (size_t i = 0; i < u->nuses; i++) {
        bool same = str_eq_nocase(u->uses[i].use, use);

        if (same && tree_has(all, u->uses[i].name))
            return err_set(err, E_DENIED, "%.*s is for that", STR_ARGS(u->uses[i].name));
        if (!same && !str_eq(u->uses[i].name, name))
            more[kept++] = u->uses[i];
    }
    more[kept++] = (struct folder_use){use, name};
    u->uses = more;
    u->nuses = kept;
    return 0;
}

/* ---- making ---- */

static void litter_name(char to[TREE_LITTER_BYTES], const char *prefix)
{
    struct id id;

    clock_new_id(&id);
    snprintf(to, TREE_LITTER_BYTES, "%s%s", prefix, id.text);
}

static int fill(int at, const char *name, uint32_t uidvalidity, struct err *err)
{
    static const char *const parts[] = {"cur", "new", "tmp"};
    DEFER(close_fd) int fd = dir_open(at, name, err);
    char mailboxid[ID_LETTERS + 2];
    struct id id;
    struct folder f = {.uidvalidity = uidvalidity, .uidnext = 1, .modseq = 1};

    if (fd < 0)
        return fd;
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        if (mkdirat(fd, parts[i], 0700) < 0)
            return err_os(err, "make the directory %s", parts[i]);
    /* Maildir++ knows folders by this file */
    DEFER(close_fd)
    int mark = openat(fd, "maildirfolder", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (mark < 0)
        return err_os(err, "make maildirfolder");
    clock_new_id(&id);
    snprintf(mailboxid, sizeof(mailboxid), "F%s", id.text);
    f.mailboxid = str_c(mailboxid);
    return folder_create(fd, &f, err); /* flushes the directory for all of them */
}

/* Not yet durable under its name. */
static int make_one(struct tree *t, struct str name, uint32_t uidvalidity, struct err *err)
{
    char beside[TREE_LITTER_BYTES], path[TREE_PATH_BYTES];
    int r;

    if (!tree_name(name, t->a, &name, path))
        return err_set(err, E_SYNTAX, "a folder cannot have this name");
    if (t->index)
        boxfolder_forget(t->index, name, NULL); /* one that was here before, and left a row */
    litter_name(beside, NEW_PREFIX);
    if (mkdirat(t->dir, beside, 0700) < 0)
        return err_os(err, "make the directory of a folder");
    r = fill(t->dir, beside, uidvalidity, err);
    return r < 0 ? r : dir_rename_new(t->dir, beside, path, err);
}

int tree_make(struct tree *t, const struct str *names, size_t n, struct err *err)
{
    uint32_t now = (uint32_t)(clock_wall_ms() / 1000), last = t->user.uidvalidity;
    uint32_t first = now > last ? now : last + 1;
    int r = 0;

    if (n == 0)
        return 0;
    if (first <= last || UINT32_MAX - first < n)
        return err_set(err, E_LIMIT, "no UIDVALIDITY is left");
    t->user.uidvalidity = first + (uint32_t)n - 1;
    r = tree_save(t, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = make_one(t, names[i], first + (uint32_t)i, err);
    if (r == 0 && fsync(t->dir) < 0)
        r = err_os(err, "flush the Maildir");
    return r;
}

/* ---- taking away ---- */

/* true: something is no longer said */
static bool drop_uses(struct folder_user *u, struct str name)
{
    size_t kept = 0;

    for (size_t i = 0; i < u->nuses; i++)
        if (!str_eq(u->uses[i].name, name))
            u->uses[kept++] = u->uses[i];

    bool some = kept < u->nuses;
    u->nuses = kept;
    return some;
}

int tree_remove(struct tree *t, struct str name, struct err *err)
{
    char beside[TREE_LITTER_BYTES], path[TREE_PATH_BYTES];
    int r = 0;

    if (!tree_name(name, t->a, &name, path))
        return err_set(err, E_NOT_FOUND, "there is no such folder");
    litter_name(beside, GONE_PREFIX);
    if (renameat(t->dir, path, t->dir, beside) < 0)
        return errno == ENOENT ? err_set(err, E_NOT_FOUND, "there is no such folder")
                               : err_os(err, "take a folder away");
    if (fsync(t->dir) < 0)
        return err_os(err, "flush the Maildir");
    if (t->index)
        boxfolder_forget(t->index, name, NULL);
    if (drop_uses(&t->user, name))
        r = tree_save(t, err);
    return r;
}

static void remove_all(int at, const char *name, unsigned depth)
{
    DEFER(close_dir) DIR *d = depth ? list_dir(at, name, NULL) : NULL;
    struct dirent *e;

    if (!d)
        return;
    while ((e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (is_dir(dirfd(d), e))
            remove_all(dirfd(d), e->d_name, depth - 1);
        else
            unlinkat(dirfd(d), e->d_name, 0);
    }
    unlinkat(at, name, AT_REMOVEDIR);
}

void tree_sweep(int dir, bool locked)
{
    DEFER(close_dir) DIR *d = list_dir(dir, ".", NULL);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        struct str entry = str_c(e->d_name);

        if (!is_litter(entry) || (is_unfinished(entry) && !locked))
            continue;
        if (is_dir(dirfd(d), e))
            remove_all(dir, e->d_name, TREE_LITTER_DEPTH);
        else
            unlinkat(dir, e->d_name, 0);
    }
}
