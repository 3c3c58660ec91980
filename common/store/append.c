/*
 * The order of writes, and what a crash after each leaves:
 *
 *   append_open     tmp/posta-append.<id>, locked   a file that nobody holds: the next append
 *   append_add      its bytes                         to this folder removes it
 *   append_commit   its bytes and time are durable  the same
 *                   (in index.db's transaction)
 *                   renamed into cur/ with its UID  a letter with a UID below the mark, which
 *                   cur/ is flushed                   the next look takes as it is; or none,
 *                   the row is committed              after a power cut before the flush
 *
 * A stop between the rename and OK leaves a letter that the client was not told of: APPEND
 * promises that none is lost, as all of mail does, not that none comes twice.
 */
#include "store/append.h"

#include "base/defer.h"
#include "store/dir.h"
#include "store/lines.h"
#include "store/mailbox_impl.h"
#include "store/mailboxes_impl.h"
#include "store/maildir.h"
#include "store/stage.h"
#include "store/tree.h"
#include "store/unfinished.h"
#include "store/usage.h"
#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { APPEND_BLOCK_BYTES = 64 * 1024 };

struct append {
    struct mailboxes *all;
    char *maildir, *folder;
    int tmp;
    struct unfinished file;
    bool in_tmp; /* it is there under its name */
    uint64_t size, lf;
    bool cr; /* the last piece ended in one */
    int failed;
    uint64_t reserved; /* octets and one letter, of the quota */
    bool has_reserved;
    size_t used;
    char block[APPEND_BLOCK_BYTES];
};

static char *copy_str(struct str s)
{
    char *p = strndup(s.p, s.n);

    if (!p)
        abort();
    return p;
}

/* ---- tmp/ ---- */

/* Made by hand, a folder may have no tmp/. */
static int open_tmp(int root, const char *folder, struct err *err)
{
    DEFER(close_fd) int dir = dir_open(root, folder, err);

    if (dir < 0)
        return dir == -ENOENT ? err_set(err, E_NOT_FOUND, "there is no such folder") : dir;
    if (mkdirat(dir, "tmp", 0700) < 0 && errno != EEXIST)
        return err_os(err, "make tmp/");
    return dir_open(dir, "tmp", err);
}

static int find_folder(struct append *a, int root, struct err *err)
{
    struct buf path;
    struct str folder = str_c(a->folder);

    if (str_eq(folder, STR("INBOX")) && !maildir_whole(root, a->maildir)) {
        int r = maildir_make(root, a->maildir, err);

        if (r < 0)
            return r;
    }
    buf_init(&path, NAME_BYTES * 8);
    a->tmp = boxfolder_path(&path, str_c(a->maildir), folder)
                 ? open_tmp(root, buf_c(&path), err)
                 : err_set(err, E_NOT_FOUND, "there is no such folder");
    buf_done(&path);
    return a->tmp < 0 ? a->tmp : 0;
}

/* The one that the index knows; any where there can be no such folder. */
static char *spelling_of(struct str folder)
{
    char path[TREE_PATH_BYTES];
    struct str name = folder;
    struct arena arena;

    arena_init(&arena);
    tree_name(folder, &arena, &name, path);
    char *out = copy_str(name);
    arena_done(&arena);
    return out;
}

int append_open(struct mailboxes *all, struct str maildir, struct str folder, uint64_t octets,
                uint64_t quota_octets, uint64_t quota_letters, struct append **out,
                struct err *err)
{
    struct append *a = malloc(sizeof(*a));
    int root = mailboxes_root(all, err);

    if (!a)
        abort();
    memset(a, 0, offsetof(struct append, block));
    a->all = all;
    a->tmp = a->file.fd = -1;
    a->maildir = copy_str(maildir);
    a->folder = spelling_of(folder);

    int r = root < 0 ? root : find_folder(a, root, err);
    if (r == 0)
        r = usages_reserve(mailboxes_usages(all), root, maildir, octets, 1,
                           (struct usage_limits){quota_octets, quota_letters}, err);
    if (r == 0) {
        a->has_reserved = quota_octets || quota_letters;
        a->reserved = octets;
        unfinished_sweep(a->tmp);
        r = unfinished_make(&a->file, a->tmp, err);
        a->in_tmp = r == 0;
    }
    if (r < 0) {
        append_free(a);
        return r;
    }
    *out = a;
    return 0;
}

/* ---- its bytes ---- */

static int flush(struct append *a, struct err *err)
{
    struct str left = {a->block, a->used};

    while (left.n) {
        ssize_t n = write(a->file.fd, left.p, left.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return a->failed = stage_os_error(err, "write a letter");
        left = str_skip(left, (size_t)n);
    }
    a->used = 0;
    return 0;
}

static int put(struct append *a, struct str s, struct err *err)
{
    a->size += s.n;
    a->lf += lines_lf(s);
    while (s.n) {
        size_t room = APPEND_BLOCK_BYTES - a->used;
        struct str part = str_first(s, room);

        memcpy(a->block + a->used, part.p, part.n);
        a->used += part.n;
        s = str_skip(s, part.n);
        if (a->used == APPEND_BLOCK_BYTES && flush(a, err) < 0)
            return a->failed;
    }
    return 0;
}

int append_add(struct append *a, struct str piece, struct err *err)
{
    if (a->failed)
        return err_set(err, a->failed, "this letter is given up");
    if (str_find(piece, '\0') < piece.n)
        return a->failed = err_set(err, E_SYNTAX, "a letter cannot have NUL in it");
    if (piece.n && a->cr) {
        a->cr = false;
        if (piece.p[0] != '\n')
            put(a, STR("\r"), err);
    }
    while (piece.n && !a->failed) {
        size_t at = str_find(piece, '\r');

        put(a, str_first(piece, at), err);
        if (at == piece.n)
            break;
        piece = str_skip(piece, at + 1);
        a->cr = piece.n == 0;
        if (piece.n && piece.p[0] != '\n')
            put(a, STR("\r"), err);
    }
    return a->failed;
}

/* ---- into the folder ---- */

static int finish_file(struct append *a, int64_t internaldate, struct err *err)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = internaldate}};

    if (a->failed)
        return err_set(err, a->failed, "this letter is given up");
    if (a->cr)
        put(a, STR("\r"), err);
    a->cr = false;
    if (a->failed || flush(a, err) < 0)
        return err_set(err, a->failed, "this letter is given up");
    if (futimens(a->file.fd, times) < 0)
        return err_os(err, "set the time of a letter");
    /* one that failed is final: nobody knows what became of the bytes */
    return fsync(a->file.fd) < 0 ? a->failed = stage_os_error(err, "flush a letter") : 0;
}

static int find_keywords(struct boxfolder *f, const struct str *words, unsigned n,
                         uint32_t *out, struct err *err)
{
    uint32_t bit;
    int r = 0;

    *out = 0;
    for (unsigned i = 0; r == 0 && i < n; i++) {
        r = boxfolder_keyword(f, words[i], true, &bit, err);
        if (r == 0)
            *out |= bit;
    }
    return r;
}

struct appended {
    uint32_t flags;
    const struct str *keywords;
    unsigned nkeywords;
    int64_t internaldate;
    uint32_t uid, uidvalidity;
};

/* Inside a transaction, the folder looked at. */
static int insert(struct append *a, struct boxfolder *f, struct appended *v, struct err *err)
{
    char unique[NAME_BYTES + 1], name[NAME_BYTES + 1];
    struct letter_row l = {
        .form = FORM_USUAL,
        .size = a->size,
        .vsize = a->size + a->lf,
        .has_vsize = true,
        .flags = v->flags,
        .internaldate = v->internaldate,
        .savedate = (int64_t)(clock_wall_ms() / 1000),
    };
    int r = find_keywords(f, v->keywords, v->nkeywords, &l.keywords, err);
    int cur = r < 0 ? r : boxfolder_cur(f, err);

    if (cur < 0)
        return cur;
    r = boxfolder_give_uids(f, 1, &l.uid, err);
    if (r < 0)
        return r;
    l.unique = name_unique(unique, &a->file.id, mailboxes_host(a->all));
    if (letter_name(name, &l, f->row.uidvalidity) == 0)
        return err_set(err, E_LIMIT, "the name of a letter would be too long");
    if (renameat(a->tmp, a->file.name, cur, name) < 0)
        return errno == ENOENT ? err_set(err, E_NOT_FOUND, "the folder has gone")
                               : stage_os_error(err, "put a letter into its folder");
    f->cur_touched = f->cur_sync = true;
    r = boxfolder_insert(f, &l, err);
    if (r == 0)
        r = boxfolder_save(f, err);
    if (r == 0 && !mailboxes_current(a->all, f->x))
        r = err_set(err, E_UNAVAILABLE, "the index was begun anew by another");
    if (r < 0) {
        renameat(cur, name, a->tmp, a->file.name);
        return r;
    }
    v->uid = l.uid;
    v->uidvalidity = f->row.uidvalidity;
    return 0;
}

static int commit_in(struct append *a, struct index *x, struct appended *v, struct err *err)
{
    struct boxfolder f;
    int r = index_begin(x, err);

    if (r < 0)
        return r;
    r = boxfolder_open(a->all, x, str_c(a->maildir), str_c(a->folder), &f, err);
    if (r < 0)
        return r;
    r = boxfolder_take(&f, err);
    if (r == 0)
        r = insert(a, &f, v, err);
    if (r == 0) {
        a->in_tmp = false; /* durable: a letter with this UID, whatever becomes of its row */
        r = index_commit(x, NULL);
        boxfolder_tell(&f);
    }
    boxfolder_close(&f);
    return r;
}

static int commit_once(struct append *a, struct appended *v, struct err *err)
{
    struct index *x;
    int r = mailboxes_take(a->all, str_c(a->maildir), &x, err);

    if (r < 0)
        return r;
    r = commit_in(a, x, v, err);
    mailboxes_give(a->all, x, r);
    return r;
}

int append_commit(struct append *a, uint32_t flags, const struct str *keywords,
                  unsigned nkeywords, int64_t internaldate, uint32_t *uid,
                  uint32_t *uidvalidity, struct err *err)
{
    int64_t now = (int64_t)(clock_wall_ms() / 1000);
    struct appended v = {.flags = flags,
                         .keywords = keywords,
                         .nkeywords = nkeywords,
                         .internaldate = internaldate == INT64_MIN ? now : internaldate};
    int r = finish_file(a, v.internaldate, err);

    if (r == 0)
        r = commit_once(a, &v, err);
    if (a->in_tmp && (r == E_CORRUPT || r == E_UNAVAILABLE)) /* by now there is another index */
        r = commit_once(a, &v, err);
    if (a->in_tmp) /* it is not in the folder */
        return r;
    a->has_reserved = false;
    *uid = v.uid;
    *uidvalidity = v.uidvalidity;
    return 0;
}

void append_free(struct append *a)
{
    if (!a)
        return;
    if (a->in_tmp)
        unlinkat(a->tmp, a->file.name, 0);
    if (a->has_reserved)
        usages_give_back(mailboxes_usages(a->all), str_c(a->maildir), a->reserved, 1);
    close_fd(&a->file.fd);
    close_fd(&a->tmp);
    free(a->maildir);
    free(a->folder);
    free(a);
}
