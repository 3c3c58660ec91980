/*
 * Order of writes, and why a crash between any two is harmless:
 *
 *   1 openat in/ID, write, fsync     a crash leaves in/ID, whole or not, that nobody was
 * promised: swept when old and not locked 2 rename to msg/ID               msg/ID without an
 * envelope: swept when the queue starts 3 fsync of msg/, commit of the   the promise (250)
 * comes after both envelope 4 commit of the end, unlink      msg/ID without an envelope again:
 * swept
 *
 * An fsync that failed is final: the kernel may have dropped the dirty pages and
 * called them clean, so a second one would lie.
 */
#include "spool/spool.h"

#include "base/defer.h"
#include "sys/fs.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

enum {
    ROOM_EVERY_MS = 1000,
    STREAM_BYTES = 64 * 1024,      /* of a long letter that are gathered for one write */
    SWEEP_OLD_MS = 60 * 60 * 1000, /* in/ID may belong to a letter under way until then */
    LETTER_MODE = S_IRUSR | S_IWUSR | S_IRGRP,
};

struct spool {
    int in, msg;
    bool chmod_needed; /* the umask would hide letters from their borrowers */
    uint64_t room_seen_ms;
    uint64_t free_bytes, free_inodes;
    bool room_seen, inodes_counted;
};

/* ---- open ---- */

static int make_dir(const char *path, mode_t mode, struct err *err)
{
    if (mkdir(path, mode) < 0)
        return errno == EEXIST ? 0 : err_os(err, "make %s", path);
    if (chmod(path, mode) < 0) /* the umask took bits away */
        return err_os(err, "set the mode of %s", path);
    return 0;
}

/* FS_TOPDIR_FL: the folders in it belong together no more than those of different users. */
void spool_spread(int in)
{
    int flags;

    if (ioctl(in, FS_IOC_GETFLAGS, &flags) < 0)
        return;
    flags |= FS_TOPDIR_FL;
    ioctl(in, FS_IOC_SETFLAGS, &flags);
}

static int make_lanes(const char *state_dir, struct err *err)
{
    char path[4096];
    int rc = 0;

    snprintf(path, sizeof(path), "%s/spool/in", state_dir);
    DEFER(close_fd) int in = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (in >= 0)
        spool_spread(in);
    for (int i = 0; i < SPOOL_LANES && rc == 0; i++) {
        snprintf(path, sizeof(path), "%s/spool/in/%c", state_dir, SPOOL_LANE_LETTERS[i]);
        rc = make_dir(path, 03730, err);
    }
    return rc;
}

int spool_make(const char *state_dir, struct err *err)
{
    static const struct {
        const char *name;
        mode_t mode;
    } dirs[] = {
        {"spool",     0711},
        {"spool/in",  0711},
        {"spool/msg", 0750}
    };
    char path[4096];

    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", state_dir, dirs[i].name);
        int rc = make_dir(path, dirs[i].mode, err);
        if (rc < 0)
            return rc;
    }
    return make_lanes(state_dir, err);
}

/* Below in/: the lane, and the name. */
struct lane_path {
    char text[ID_LETTERS + 3];
};

static struct lane_path in_lane(const struct id *id)
{
    struct lane_path p;

    snprintf(p.text, sizeof(p.text), "%c/%s", id->text[ID_LETTERS - 1], id->text);
    return p;
}

/* O_PATH where listing is not ours to do: who writes letters may not read in/. */
static int open_dir(const char *state_dir, const char *name, int *out, struct err *err)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/spool/%s", state_dir, name);
    *out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out < 0 && errno == EACCES)
        *out = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return *out < 0 ? err_os(err, "open %s", path) : 0;
}

static bool umask_hides_letters(void)
{
    mode_t mask = umask(077);

    umask(mask);
    return (mask & LETTER_MODE) != 0;
}

struct spool *spool_open(const char *state_dir, struct err *err)
{
    struct spool *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->in = s->msg = -1;
    s->chmod_needed = umask_hides_letters();
    int in = open_dir(state_dir, "in", &s->in, err);
    int msg = open_dir(state_dir, "msg", &s->msg, in < 0 ? NULL : err);
    if (in < 0 || (msg < 0 && msg != -EACCES)) { /* a writer need not be let into msg/ */
        spool_close(s);
        return NULL;
    }
    return s;
}

void spool_close(struct spool *s)
{
    if (!s)
        return;
    close_fd(&s->in);
    close_fd(&s->msg);
    free(s);
}

int spool_room(struct spool *s, uint64_t bytes_min, uint64_t inodes_min, uint64_t now_ms,
               struct err *err)
{
    if (!s->room_seen || now_ms - s->room_seen_ms >= ROOM_EVERY_MS) {
        struct statvfs v;

        if (fstatvfs(s->in, &v) < 0)
            return err_os(err, "look at the free space of the spool");
        s->free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
        s->free_inodes = v.f_favail;
        s->inodes_counted = v.f_files != 0; /* some file systems have no limit of them */
        s->room_seen_ms = now_ms;
        s->room_seen = true;
    }
    if (s->free_bytes < bytes_min)
        return err_set(err, E_NO_SPACE, "the spool has %llu bytes free, fewer than %llu",
                       (unsigned long long)s->free_bytes, (unsigned long long)bytes_min);
    if (s->inodes_counted && s->free_inodes < inodes_min)
        return err_set(err, E_NO_SPACE, "the spool has %llu inodes free, fewer than %llu",
                       (unsigned long long)s->free_inodes, (unsigned long long)inodes_min);
    return 0;
}

/* ---- the writer's side ---- */

/*
 *   MEMORY ──spill──▶ FILE ──┐
 *      └─────────────────────┴─ letter_prepare ─▶ WRITTEN ─ letter_commit ─▶ DURABLE ─┐
 *   GONE ◀── letter_handed_over ──────────────────────────────────────────────────────┘
 *   (any) ── error, letter_drop ─▶ GONE
 */
enum letter_state { LETTER_MEMORY, LETTER_FILE, LETTER_WRITTEN, LETTER_DURABLE, LETTER_GONE };

struct letter {
    struct spool *spool;
    struct id id;
    enum letter_state state;
    int fd;          /* holds the lock */
    struct buf text; /* in memory: all; in the file: what waits for the next write */
    struct buf top;
    uint64_t size; /* of what went into the file or waits in `text` */
    int failed;    /* the first error, kept for commit */
    struct err why;
};

struct letter *letter_new(struct spool *s, const struct id *id)
{
    struct letter *l = calloc(1, sizeof(*l));

    if (!l)
        abort();
    l->spool = s;
    l->id = *id;
    l->fd = -1;
    buf_init(&l->text, LETTER_MEMORY_BYTES);
    buf_init(&l->top, LETTER_MEMORY_BYTES);
    return l;
}

bool letter_in_memory(const struct letter *l)
{
    return l->state == LETTER_MEMORY;
}

struct str letter_text(const struct letter *l)
{
    return l->state == LETTER_MEMORY ? buf_str(&l->text) : STR("");
}

void letter_set_top(struct letter *l, struct str top)
{
    if (l->state != LETTER_MEMORY)
        return;
    buf_clear(&l->top);
    buf_add(&l->top, top);
}

uint64_t letter_size(const struct letter *l)
{
    return l->size + (l->state == LETTER_MEMORY ? l->top.n : 0);
}

/* Takes the letter back from the disk at once: a full disk needs the room. */
static void letter_unlink(struct letter *l)
{
    if (l->fd >= 0) {
        unlinkat(l->spool->in, in_lane(&l->id).text, 0);
        close(l->fd);
        l->fd = -1;
    }
    buf_done(&l->text);
    buf_done(&l->top);
    l->state = LETTER_GONE;
}

static int letter_fail(struct letter *l, const char *doing)
{
    bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    int rc = err_os(&l->why, "%s spool/in/%s", doing, l->id.text);

    l->failed = full ? E_NO_SPACE : rc;
    l->why.code = l->failed;
    letter_unlink(l);
    return l->failed;
}

static int letter_create(struct letter *l)
{
    l->fd = openat(l->spool->in, in_lane(&l->id).text,
                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, LETTER_MODE);
    if (l->fd < 0)
        return letter_fail(l, "make");
    if (flock(l->fd, LOCK_EX | LOCK_NB) < 0)
        return letter_fail(l, "lock");
    if (l->spool->chmod_needed && fchmod(l->fd, LETTER_MODE) < 0)
        return letter_fail(l, "set the mode of");
    return 0;
}

/* Both, whole, or an error: short writes and signals change nothing. */
static int write_both(int fd, struct str a, struct str b)
{
    while (a.n || b.n) {
        struct iovec v[2] = {
            {(void *)a.p, a.n},
            {(void *)b.p, b.n}
        };
        ssize_t got =
            a.n && b.n ? writev(fd, v, 2) : write(fd, a.n ? a.p : b.p, a.n ? a.n : b.n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0) { /* says nothing; going on would be for ever */
            errno = EIO;
            return -1;
        }
        size_t n = (size_t)got, of_a = n < a.n ? n : a.n;
        a = str_skip(a, of_a);
        b = str_skip(b, n - of_a);
    }
    return 0;
}

static int letter_write(struct letter *l, struct str a, struct str b)
{
    return write_both(l->fd, a, b) < 0 ? letter_fail(l, "write") : 0;
}

/* The letter has become long: from now on it streams. */
static int letter_spill(struct letter *l)
{
    if (letter_create(l) < 0 || letter_write(l, buf_str(&l->top), buf_str(&l->text)) < 0)
        return l->failed;
    l->size += l->top.n;
    buf_done(&l->top);
    buf_done(&l->text);
    l->state = LETTER_FILE;
    return 0;
}

void letter_add(struct letter *l, struct str bytes)
{
    if (l->failed || l->state >= LETTER_DURABLE)
        return;
    if (l->state == LETTER_MEMORY && bytes.n > LETTER_MEMORY_BYTES - l->text.n &&
        letter_spill(l) < 0)
        return;
    l->size += bytes.n;
    if (l->state == LETTER_MEMORY || l->text.n + bytes.n < STREAM_BYTES) {
        buf_add(&l->text, bytes);
        return;
    }
    if (letter_write(l, buf_str(&l->text), bytes) == 0)
        buf_clear(&l->text);
}

/* All that the kernel does not have yet. */
static int letter_write_out(struct letter *l, struct str top)
{
    if (l->state == LETTER_WRITTEN)
        return 0;
    if (l->state == LETTER_MEMORY) {
        if (!top.n)
            top = buf_str(&l->top);
        if (letter_create(l) < 0 || letter_write(l, top, buf_str(&l->text)) < 0)
            return l->failed;
        l->size += top.n;
    } else if (letter_write(l, STR(""), buf_str(&l->text)) < 0) {
        return l->failed;
    }
    buf_done(&l->text);
    buf_done(&l->top);
    l->state = LETTER_WRITTEN;
    return 0;
}

static int letter_check_top(struct letter *l)
{
    if (buf_failed(&l->top) && !l->failed) {
        l->failed =
            err_set(&l->why, E_LIMIT, "the fields on top of %s are too long", l->id.text);
        letter_unlink(l);
    }
    return l->failed;
}

void letter_prepare(struct letter *l)
{
    if (l->state <= LETTER_FILE && !letter_check_top(l) && letter_write_out(l, STR("")) == 0 &&
        fs_start_flush(l->fd) < 0)
        letter_fail(l, "sync");
}

int letter_commit(struct letter *l, struct str top, struct err *err)
{
    assert(l->state == LETTER_MEMORY || (top.n == 0 && l->state <= LETTER_WRITTEN) ||
           l->failed);
    if (!letter_check_top(l) && letter_write_out(l, top) == 0) {
        if (fsync(l->fd) == 0) {
            l->state = LETTER_DURABLE;
            return 0;
        }
        letter_fail(l, "sync");
    }
    return err_set(err, l->failed, "%s", l->why.text);
}

void letter_drop(struct letter *l)
{
    if (l->state != LETTER_GONE)
        letter_unlink(l);
}

void letter_handed_over(struct letter *l)
{
    assert(l->state == LETTER_DURABLE);
    l->state = LETTER_GONE;
}

void letter_free(struct letter *l)
{
    if (!l)
        return;
    letter_drop(l);
    close_fd(&l->fd);
    buf_done(&l->text);
    buf_done(&l->top);
    free(l);
}

/* ---- the queue's side ---- */

/* The name is an id, one plain component: with AT_SYMLINK_NOFOLLOW nothing outside in/ can be
 * meant. What the writer may put there after the look is met again by spool_read(), which wants
 * a regular file too. */
int spool_take(struct spool *s, const struct id *id, uid_t uid, uint64_t size, struct err *err)
{
    struct lane_path in = in_lane(id);
    struct stat st;

    if (fstatat(s->in, in.text, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? err_set(err, E_NOT_FOUND, "there is no spool/in/%s", id->text)
                               : err_os(err, "look at spool/in/%s", id->text);
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
        return err_set(err, E_DENIED, "spool/in/%s is not a file of its own", id->text);
    if (st.st_uid != uid)
        return err_set(err, E_DENIED, "spool/in/%s belongs to uid %u, not to uid %u", id->text,
                       (unsigned)st.st_uid, (unsigned)uid);
    if ((uint64_t)st.st_size != size)
        return err_set(err, E_DENIED, "spool/in/%s has %lld bytes, not %llu", id->text,
                       (long long)st.st_size, (unsigned long long)size);
    if (renameat2(s->in, in.text, s->msg, id->text, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == EEXIST ? err_set(err, E_EXISTS, "spool/msg/%s is there already", id->text)
                           : err_os(err, "rename spool/in/%s into msg", id->text);
}

int spool_sync(struct spool *s, struct err *err)
{
    return fsync(s->msg) < 0 ? err_os(err, "sync spool/msg") : 0;
}

int spool_remove(struct spool *s, const struct id *id)
{
    return unlinkat(s->msg, id->text, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* A second descriptor of the directory: reading it moves a position. */
static int open_listing(int dir, const char *name, DIR **out, struct err *err)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return err_os(err, "list the spool");
    *out = fdopendir(fd);
    if (!*out)
        abort(); /* there is no memory: nothing else is wrong with a directory */
    return 0;
}

/* The next entry whose name is an id: 1. At the end 0; a listing that breaks off is no end. */
static int next_id(DIR *d, struct id *id, struct err *err)
{
    struct dirent *e;

    do {
        errno = 0;
        e = readdir(d);
    } while (e && !id_parse(str_c(e->d_name), id));
    if (e)
        return 1;
    return errno ? err_os(err, "list the spool") : 0;
}

static bool is_old(const struct stat *st, uint64_t now_ms)
{
    uint64_t then =
        (uint64_t)st->st_mtim.tv_sec * 1000 + (uint64_t)st->st_mtim.tv_nsec / 1000000;

    /* a time far ahead was written by a clock that was wrong */
    return now_ms > then ? now_ms - then > SWEEP_OLD_MS : then - now_ms > SWEEP_OLD_MS;
}

static bool is_locked(int dir, const char *name)
{
    DEFER(close_fd) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    return fd < 0 ? errno != ELOOP && errno != ENXIO : flock(fd, LOCK_EX | LOCK_NB) < 0;
}

static int sweep_lane(struct spool *s, char lane, uint64_t now_ms, struct err *err)
{
    DEFER(close_dir) DIR *d = NULL;
    int rc = open_listing(s->in, (const char[]){lane, '\0'}, &d, err);
    struct stat st;
    struct id id;
    int swept = 0;

    if (!d)
        return rc;
    while ((rc = next_id(d, &id, err)) > 0) {
        if (fstatat(dirfd(d), id.text, &st, AT_SYMLINK_NOFOLLOW) < 0 || !is_old(&st, now_ms) ||
            is_locked(dirfd(d), id.text))
            continue;
        swept += unlinkat(dirfd(d), id.text, 0) == 0;
    }
    return rc < 0 ? rc : swept;
}

static int sweep_in(struct spool *s, uint64_t now_ms, struct err *err)
{
    int swept = 0;

    for (int i = 0; i < SPOOL_LANES; i++) {
        int n = sweep_lane(s, SPOOL_LANE_LETTERS[i], now_ms, err);

        if (n < 0)
            return n;
        swept += n;
    }
    return swept;
}

static int sweep_msg(struct spool *s, bool (*keep)(void *arg, const struct id *id), void *arg,
                     struct err *err)
{
    DEFER(close_dir) DIR *d = NULL;
    int rc = open_listing(s->msg, ".", &d, err);
    struct id id;
    int swept = 0;

    if (!d)
        return rc;
    while ((rc = next_id(d, &id, err)) > 0)
        if (!keep(arg, &id))
            swept += unlinkat(s->msg, id.text, 0) == 0;
    return rc < 0 ? rc : swept;
}

int spool_sweep(struct spool *s, bool (*keep)(void *arg, const struct id *id), void *arg,
                uint64_t now_ms, struct err *err)
{
    int msg = keep ? sweep_msg(s, keep, arg, err) : 0;
    int in = msg < 0 ? 0 : sweep_in(s, now_ms, err);

    return msg < 0 ? msg : in < 0 ? in : msg + in;
}

/* ---- the borrower's side ---- */

int spool_read(struct spool *s, const struct id *id, uint64_t *size, struct err *err)
{
    struct stat st;
    int fd = openat(s->msg, id->text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? err_set(err, E_NOT_FOUND, "there is no spool/msg/%s", id->text)
                               : err_os(err, "open spool/msg/%s", id->text);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(err, E_CORRUPT, "spool/msg/%s is not a file", id->text);
    }
    *size = (uint64_t)st.st_size;
    return fd;
}

bool spool_has(struct spool *s, const struct id *id)
{
    return faccessat(s->msg, id->text, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}
