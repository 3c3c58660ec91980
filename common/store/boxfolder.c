/*
 * A folder within a transaction: its directory, its row in index.db, and what is noted when
 * the transaction ends (mailbox_impl.h).
 */
#include "store/boxfolder.h"

#include "base/defer.h"
#include "store/dir.h"
#include "store/path.h"

#include <errno.h>
#include <fcntl.h>

enum { BOXFOLDER_PATH_BYTES = 4096 };

bool boxfolder_path(struct buf *out, struct str maildir, struct str name)
{
    struct buf path;

    buf_init(&path, PATH_COMPONENT_BYTES + 1);
    bool can = path_of_folder(&path, name);
    if (can) {
        buf_add(out, maildir);
        if (!str_eq(buf_str(&path), STR("."))) {
            buf_add_byte(out, '/');
            buf_add(out, buf_str(&path));
        }
    }
    buf_done(&path);
    return can && !buf_failed(out);
}

/* ---- the row ---- */

static void copy_text(char *to, size_t room, struct str s)
{
    size_t n = s.n < room ? s.n : room - 1;

    memcpy(to, s.p, n);
    to[n] = '\0';
}

/* "a $Forwarded" LF ... */
static void parse_keywords(struct boxfolder *f, struct str text)
{
    struct str line;

    memset(f->keywords, 0, sizeof(f->keywords));
    while (scan_until(&text, '\n', &line)) {
        scan_byte(&text, '\n');
        if (line.n > 2 && line.p[0] >= 'a' && line.p[0] <= 'z')
            f->keywords[line.p[0] - 'a'] = arena_dup(&f->text, str_skip(line, 2));
    }
}

static void read_row(struct db_stmt *s, struct folder_row *row)
{
    int i = 0;

    memset(row, 0, sizeof(*row)); /* compared as it lies */
    row->id = db_int(s, i++);
    row->uidvalidity = (uint32_t)db_int(s, i++);
    row->uidnext = (uint32_t)db_int(s, i++);
    row->uid_mark = (uint32_t)db_int(s, i++);
    row->first_recent = (uint32_t)db_int(s, i++);
    row->modseq = (uint64_t)db_int(s, i++);
    row->modseq_mark = (uint64_t)db_int(s, i++);
    row->modseq_base = (uint64_t)db_int(s, i++);
    row->expunged_from = (uint64_t)db_int(s, i++);
    row->expunged_rows = (uint32_t)db_int(s, i++);
    row->letters = (uint32_t)db_int(s, i++);
    row->unseen = (uint32_t)db_int(s, i++);
    row->deleted = (uint32_t)db_int(s, i++);
    row->unsized = (uint32_t)db_int(s, i++);
    row->octets = (uint64_t)db_int(s, i++);
    row->dir_at = db_int(s, i++);
    row->folder_at = db_int(s, i++);
    row->folder_ino = db_int(s, i++);
    row->new_at = db_int(s, i++);
    row->cur_at = db_int(s, i++);
    row->new_look = db_int(s, i++);
    row->cur_look = db_int(s, i++);
    row->cur_cost = db_int(s, i++);
    copy_text(row->mailboxid, sizeof(row->mailboxid), db_str(s, i++));
    copy_text(row->boot, sizeof(row->boot), db_str(s, i));
}

enum { KEYWORDS_COLUMN = 25 };

int boxfolder_load(struct boxfolder *f, struct err *err)
{
    int r;
    struct db_stmt *s = index_statement(f->x, SQL_FOLDER_LOAD, &r, err);

    if (!s)
        return r;
    memset(&f->row, 0, sizeof(f->row));
    f->row.uidnext = f->row.uid_mark = f->row.first_recent = 1;
    f->row.modseq_mark = 1;
    f->modseq = 0;
    arena_reset(&f->text);
    memset(f->keywords, 0, sizeof(f->keywords));
    db_bind_str(s, 1, str_c(f->name));
    r = db_step(s, err);
    if (r == 1) {
        read_row(s, &f->row);
        parse_keywords(f, db_str(s, KEYWORDS_COLUMN));
        db_reset(s);
    }
    f->saved = f->row;
    f->renewed = f->keywords_changed = f->cur_touched = f->cur_sync = f->new_touched = false;
    return r < 0 ? r : 0;
}

static void print_keywords(struct buf *out, const struct boxfolder *f)
{
    for (int i = 0; i < FOLDER_KEYWORDS; i++)
        if (f->keywords[i].n)
            buf_addf(out, "%c %.*s\n", 'a' + i, STR_ARGS(f->keywords[i]));
}

int boxfolder_write_row(struct boxfolder *f, struct err *err)
{
    const struct folder_row *row = &f->row;
    struct buf words;
    int r, i = 1;

    if (memcmp(row, &f->saved, sizeof(*row)) == 0 && !f->keywords_changed)
        return 0;
    struct db_stmt *s = index_statement(f->x, SQL_FOLDER_SAVE, &r, err);
    if (!s)
        return r;
    const int64_t numbers[] = {row->id,
                               row->uidvalidity,
                               row->uidnext,
                               row->uid_mark,
                               row->first_recent,
                               (int64_t)row->modseq,
                               (int64_t)row->modseq_mark,
                               (int64_t)row->modseq_base,
                               (int64_t)row->expunged_from,
                               row->expunged_rows,
                               row->letters,
                               row->unseen,
                               row->deleted,
                               row->unsized,
                               (int64_t)row->octets,
                               row->dir_at,
                               row->folder_at,
                               row->folder_ino,
                               row->new_at,
                               row->cur_at,
                               row->new_look,
                               row->cur_look,
                               row->cur_cost};
    for (; i <= (int)(sizeof(numbers) / sizeof(*numbers)); i++)
        db_bind_int(s, i, numbers[i - 1]);
    buf_init(&words, DIR_TEXT_BYTES);
    print_keywords(&words, f);
    db_bind_str(s, i++, str_c(row->mailboxid));
    db_bind_str(s, i++, str_c(row->boot));
    db_bind_str(s, i, buf_str(&words));
    r = db_run(s, err);
    buf_done(&words);
    return r;
}

/* ---- opening and closing ---- */

static char *text_of(struct str s)
{
    char *p = strndup(s.p ? s.p : "", s.n);

    if (!p)
        abort();
    return p;
}

int boxfolder_dir(struct mailboxes *all, struct str maildir, struct str name, struct err *err)
{
    struct buf path;
    int root = mailboxes_root(all, err);

    if (root < 0)
        return root;
    buf_init(&path, BOXFOLDER_PATH_BYTES);
    int r = boxfolder_path(&path, maildir, name)
                ? dir_open(root, buf_c(&path), err)
                : err_set(err, E_SYNTAX, "this folder's name cannot be a path");
    buf_done(&path);
    if (r == -ENOENT || r == -ENOTDIR)
        return err_set(err, E_NOT_FOUND, "there is no folder %.*s", STR_ARGS(name));
    return r;
}

int boxfolder_is_named(const struct boxfolder *f, struct err *err)
{
    struct stat opened, named;
    DEFER(close_fd) int dir = boxfolder_dir(f->all, str_c(f->maildir), str_c(f->name), err);

    if (dir < 0)
        return dir;
    if (fstat(f->dir, &opened) < 0 || fstat(dir, &named) < 0)
        return err_os(err, "look at the folder %s", f->name);
    if (opened.st_dev != named.st_dev || opened.st_ino != named.st_ino)
        return err_set(err, E_NOT_FOUND, "the folder %s is another one now", f->name);
    return 0;
}

int boxfolder_find(struct mailboxes *all, struct index *x, struct str maildir, struct str name,
                   struct boxfolder *out, struct err *err)
{
    struct boxfolder f = {.all = all, .x = x, .new_fd = -1, .cur_fd = -1};

    f.dir = boxfolder_dir(all, maildir, name, err);
    if (f.dir < 0)
        return f.dir;
    f.maildir = text_of(maildir);
    f.name = text_of(name);
    arena_init(&f.text);
    *out = f;
    return 0;
}

int boxfolder_open(struct mailboxes *all, struct index *x, struct str maildir, struct str name,
                   struct boxfolder *out, struct err *err)
{
    int r = boxfolder_find(all, x, maildir, name, out, err);

    if (r == 0 && (r = boxfolder_load(out, err)) < 0)
        boxfolder_close(out);
    return r;
}

void boxfolder_close(struct boxfolder *f)
{
    close_fd(&f->dir);
    close_fd(&f->new_fd);
    close_fd(&f->cur_fd);
    f->dir = f->new_fd = f->cur_fd = -1;
    arena_done(&f->text);
    free(f->maildir);
    free(f->name);
    f->maildir = f->name = NULL;
}

static int open_kept(struct boxfolder *f, const char *name, int *kept, struct err *err)
{
    if (*kept < 0) {
        int fd = dir_open(f->dir, name, err);

        if (fd == -ENOENT)
            return err_set(err, E_NOT_FOUND, "the folder %s has no %s/", f->name, name);
        if (fd < 0)
            return fd;
        *kept = fd;
    }
    return *kept;
}

int boxfolder_cur(struct boxfolder *f, struct err *err)
{
    return open_kept(f, "cur", &f->cur_fd, err);
}

int boxfolder_new(struct boxfolder *f, struct err *err)
{
    return open_kept(f, "new", &f->new_fd, err);
}

int boxfolder_tmp(struct boxfolder *f, struct err *err)
{
    return dir_open(f->dir, "tmp", err);
}

int boxfolder_stat(struct boxfolder *f, const char *name, struct stat *st, struct err *err)
{
    if (fstatat(f->dir, name, st, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (errno == ENOENT)
        return err_set(err, E_NOT_FOUND, "the folder %s has no %s", f->name, name);
    return err_os(err, "look at %s of %s", name, f->name);
}

/* ---- the end of a transaction ---- */

int boxfolder_save(struct boxfolder *f, struct err *err)
{
    struct stat st;
    int r;

    if (f->cur_sync) {
        int cur = boxfolder_cur(f, err);

        if (cur < 0)
            return cur;
        if (fsync(cur) < 0)
            return err_os(err, "flush cur/ of %s", f->name);
        f->cur_sync = false;
    }
    /* What others did since we looked hides behind our own change: the time of the last look,
     * which stays, tells that one must look again. */
    if (f->cur_touched) {
        if ((r = boxfolder_stat(f, "cur", &st, err)) < 0)
            return r;
        f->row.cur_at = stat_ns(&st);
    }
    if (f->new_touched) {
        if ((r = boxfolder_stat(f, "new", &st, err)) < 0)
            return r;
        f->row.new_at = stat_ns(&st);
    }
    if ((r = boxfolder_stat(f, ".", &st, err)) < 0)
        return r;
    f->row.dir_at = stat_ns(&st);
    return boxfolder_write_row(f, err);
}

void boxfolder_tell(struct boxfolder *f)
{
    if (f->row.modseq != f->saved.modseq || f->row.uidnext != f->saved.uidnext)
        mailboxes_tell(f->all, str_c(f->maildir), str_c(f->name), f->row.modseq);
    f->saved = f->row;
}

/* ---- rows of folders ---- */

static int drop(struct index *x, enum index_sql which, int64_t a, int64_t b, struct err *err)
{
    int r;
    struct db_stmt *s = index_statement(x, which, &r, err);

    if (!s)
        return r;
    db_bind_int(s, 1, a);
    if (b)
        db_bind_int(s, 2, b);
    return db_run(s, err);
}

int boxfolder_drop_rows(struct index *x, int64_t id, struct err *err)
{
    const int64_t first = letter_id(id, 0), last = letter_id(id, UINT32_MAX);
    int r;

    if ((r = drop(x, SQL_LETTERS_DROP, first, last, err)) < 0 ||
        (r = drop(x, SQL_HEADERS_DROP, first, last, err)) < 0 ||
        (r = drop(x, SQL_SUMMARIES_DROP, first, last, err)) < 0)
        return r;
    return drop(x, SQL_EXPUNGED_DROP, id, 0, err);
}

int boxfolder_forget(struct index *x, struct str name, struct err *err)
{
    int64_t id;
    int r = index_find_folder(x, name, &id, err);

    if (r < 0)
        return r == E_NOT_FOUND ? 0 : r;
    if ((r = boxfolder_drop_rows(x, id, err)) < 0 ||
        (r = drop(x, SQL_FOLDER_MEASURES_DROP, id, 0, err)) < 0)
        return r;
    return drop(x, SQL_FOLDER_DROP, id, 0, err);
}

int boxfolder_rename(struct index *x, struct str from, struct str to, struct err *err)
{
    int r = boxfolder_forget(x, to, err);
    struct db_stmt *s = r < 0 ? NULL : index_statement(x, SQL_FOLDER_NAME, &r, err);

    if (!s)
        return r;
    db_bind_str(s, 1, from);
    db_bind_str(s, 2, to);
    return db_run(s, err);
}
