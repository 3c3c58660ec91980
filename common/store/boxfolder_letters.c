/*
 * The rows of letters: read, put in, changed, taken out, always together with the counts in
 * the folder's row.
 */
#include "store/boxfolder.h"

#include "base/defer.h"

#include <errno.h>
#include <fcntl.h>

/* ---- reading ---- */

static struct str text_or_none(struct db_stmt *s, int column)
{
    return db_is_null(s, column) ? (struct str){0} : db_str(s, column);
}

static int64_t time_or_none(struct db_stmt *s, int column)
{
    return db_is_null(s, column) ? LETTER_NO_TIME : db_int(s, column);
}

void letter_of_row(struct letter_row *l, struct db_stmt *s)
{
    *l = (struct letter_row){
        .uid = (uint32_t)db_int(s, 0),
        .unique = db_str(s, 1),
        .rest = text_or_none(s, 2),
        .form = (unsigned)db_int(s, 3),
        .size = (uint64_t)db_int(s, 4),
        .vsize = (uint64_t)db_int(s, 5),
        .has_vsize = !db_is_null(s, 5),
        .crlf = db_int(s, 6) != 0,
        .flags = (uint32_t)db_int(s, 7),
        .keywords = (uint32_t)db_int(s, 8),
        .modseq = (uint64_t)db_int(s, 9),
        .internaldate = time_or_none(s, 10),
        .savedate = time_or_none(s, 11),
        .emailid = text_or_none(s, 12),
    };
}

static void keep_strings(struct letter_row *l, struct arena *a)
{
    l->unique = arena_dup(a, l->unique);
    if (l->rest.p)
        l->rest = arena_dup(a, l->rest);
    if (l->emailid.p)
        l->emailid = arena_dup(a, l->emailid);
}

int boxfolder_letters(struct boxfolder *f, uint32_t from, uint32_t to, struct arena *a,
                      struct letter_row *out, unsigned max, struct err *err)
{
    int r, n = 0;
    struct db_stmt *s = index_statement(f->x, SQL_LETTERS, &r, err);

    if (!s)
        return r;
    db_bind_int(s, 1, letter_id(f->row.id, from));
    db_bind_int(s, 2, letter_id(f->row.id, to));
    db_bind_int(s, 3, max);
    while ((r = db_step(s, err)) > 0) {
        letter_of_row(&out[n], s);
        keep_strings(&out[n++], a);
    }
    return r < 0 ? r : n;
}

int boxfolder_letter(struct boxfolder *f, uint32_t uid, struct arena *a, struct letter_row *out,
                     struct err *err)
{
    int n = boxfolder_letters(f, uid, uid, a, out, 1, err);

    if (n == 0)
        return err_set(err, E_NOT_FOUND, "there is no letter %u", uid);
    return n < 0 ? n : 0;
}

/* Its owner may read a letter without a new access time, which would be a write (open(2)). */
static int open_quietly(int cur, const char *name)
{
    const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = openat(cur, name, flags | O_NOATIME);

    return fd < 0 && errno == EPERM ? openat(cur, name, flags) : fd;
}

int boxfolder_open_letter(struct boxfolder *f, const struct letter_row *l, struct stat *st,
                          struct err *err)
{
    char name[NAME_BYTES + 1];
    int cur = boxfolder_cur(f, err);

    if (cur < 0)
        return cur;
    letter_name(name, l, f->row.uidvalidity);
    DEFER(close_fd) int fd = open_quietly(cur, name);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, E_NOT_FOUND, "letter %u has gone", l->uid);
    if (fd < 0 || fstat(fd, st) < 0)
        return err_os(err, "open letter %u", l->uid);
    if (!S_ISREG(st->st_mode))
        return err_set(err, E_NOT_FOUND, "letter %u is no regular file", l->uid);

    int out = fd;
    fd = -1;
    return out;
}

/* ---- changing ---- */

static void count(struct folder_row *row, const struct letter_row *l, int by)
{
    uint32_t n = (uint32_t)by;

    row->letters += n;
    if (!(l->flags & NAME_SEEN))
        row->unseen += n;
    if (l->flags & NAME_TRASHED)
        row->deleted += n;
    if (!l->has_vsize)
        row->unsized += n;
    else
        row->octets += by > 0 ? l->vsize : -l->vsize;
}

static void bind_text(struct db_stmt *s, int at, struct str text)
{
    if (text.p)
        db_bind_str(s, at, text);
    else
        db_bind_null(s, at);
}

static void bind_time(struct db_stmt *s, int at, int64_t t)
{
    if (t != LETTER_NO_TIME)
        db_bind_int(s, at, t);
    else
        db_bind_null(s, at);
}

static void bind_modseq(struct db_stmt *s, int at, uint64_t modseq)
{
    if (modseq)
        db_bind_int(s, at, (int64_t)modseq);
    else
        db_bind_null(s, at);
}

static int insert(struct boxfolder *f, const struct letter_row *l, uint64_t modseq,
                  struct err *err)
{
    int r;
    struct db_stmt *s = index_statement(f->x, SQL_LETTER_ADD, &r, err);

    if (!s)
        return r;
    db_bind_int(s, 1, letter_id(f->row.id, l->uid));
    db_bind_str(s, 2, l->unique);
    bind_text(s, 3, l->rest);
    db_bind_int(s, 4, l->form);
    db_bind_int(s, 5, (int64_t)l->size);
    if (l->has_vsize)
        db_bind_int(s, 6, (int64_t)l->vsize);
    else
        db_bind_null(s, 6);
    db_bind_int(s, 7, l->crlf);
    db_bind_int(s, 8, l->flags);
    db_bind_int(s, 9, l->keywords);
    bind_modseq(s, 10, modseq == f->row.modseq_base ? 0 : modseq);
    bind_time(s, 11, l->internaldate);
    bind_time(s, 12, l->savedate);
    bind_text(s, 13, l->emailid);
    r = db_run(s, err);
    if (r == 0)
        count(&f->row, l, 1);
    return r;
}

int boxfolder_insert(struct boxfolder *f, const struct letter_row *l, struct err *err)
{
    uint64_t modseq;
    int r = boxfolder_modseq(f, &modseq, err);

    return r < 0 ? r : insert(f, l, modseq, err);
}

int boxfolder_insert_old(struct boxfolder *f, const struct letter_row *l, struct err *err)
{
    return insert(f, l, 0, err);
}

int boxfolder_update(struct boxfolder *f, const struct letter_row *was,
                     const struct letter_row *now, struct err *err)
{
    uint64_t modseq = was->modseq;
    int r = 0;

    if (was->flags != now->flags || was->keywords != now->keywords)
        r = boxfolder_modseq(f, &modseq, err);
    if (r < 0)
        return r;
    struct db_stmt *s = index_statement(f->x, SQL_LETTER_SET, &r, err);
    if (!s)
        return r;
    db_bind_int(s, 1, letter_id(f->row.id, was->uid));
    bind_text(s, 2, now->rest);
    db_bind_int(s, 3, now->form);
    db_bind_int(s, 4, now->flags);
    db_bind_int(s, 5, now->keywords);
    bind_modseq(s, 6, modseq);
    r = db_run(s, err);
    if (r == 0)
        boxfolder_count_flags(f, was, now->flags);
    return r;
}

int boxfolder_correct(struct boxfolder *f, const struct letter_row *now, bool *corrected,
                      struct err *err)
{
    char name[NAME_BYTES + 1];
    struct letter_row was;
    struct db_stmt *s;
    struct arena a;

    arena_init(&a);
    *corrected = false;
    int r = boxfolder_letter(f, now->uid, &a, &was, err);
    if (r == 0 && (was.size != now->size || !was.has_vsize || was.vsize != now->vsize) &&
        (s = index_statement(f->x, SQL_LETTER_TRUTH, &r, err))) {
        size_t n = letter_name(name, &was, f->row.uidvalidity);

        db_bind_int(s, 1, letter_id(f->row.id, was.uid));
        bind_text(s, 2, str_skip((struct str){name, n}, was.unique.n));
        db_bind_int(s, 3, (int64_t)now->size);
        db_bind_int(s, 4, (int64_t)now->vsize);
        db_bind_int(s, 5, now->crlf);
        r = db_run(s, err);
        if (r == 0) {
            struct letter_row is = was;

            is.has_vsize = true;
            is.vsize = now->vsize;
            count(&f->row, &was, -1);
            count(&f->row, &is, 1);
            *corrected = true;
        }
    }
    arena_done(&a);
    return r;
}

void boxfolder_count_flags(struct boxfolder *f, const struct letter_row *was, uint32_t flags)
{
    struct letter_row now = *was;

    now.flags = flags;
    count(&f->row, was, -1);
    count(&f->row, &now, 1);
}

int boxfolder_update_flags(struct boxfolder *f, uint32_t first, uint32_t last,
                           struct mailbox_flags keep, struct mailbox_flags set, struct err *err)
{
    uint64_t modseq;
    int r = boxfolder_modseq(f, &modseq, err);
    struct db_stmt *s = r == 0 ? index_statement(f->x, SQL_LETTERS_FLAGS, &r, err) : NULL;

    if (!s)
        return r;
    db_bind_int(s, 1, letter_id(f->row.id, first));
    db_bind_int(s, 2, letter_id(f->row.id, last));
    db_bind_int(s, 3, FORM_INFO);
    db_bind_int(s, 4, keep.flags);
    db_bind_int(s, 5, set.flags);
    db_bind_int(s, 6, keep.keywords);
    db_bind_int(s, 7, set.keywords);
    bind_modseq(s, 8, modseq);
    return db_run(s, err);
}

static int drop(struct boxfolder *f, enum index_sql which, uint32_t uid, struct err *err)
{
    int r;
    struct db_stmt *s = index_statement(f->x, which, &r, err);

    if (!s)
        return r;
    db_bind_int(s, 1, letter_id(f->row.id, uid));
    return db_run(s, err);
}

int boxfolder_remove(struct boxfolder *f, const struct letter_row *l, struct err *err)
{
    int r;

    if ((r = drop(f, SQL_LETTER_DROP, l->uid, err)) < 0 ||
        (r = drop(f, SQL_HEADER_DROP, l->uid, err)) < 0 ||
        (r = drop(f, SQL_SUMMARY_DROP, l->uid, err)) < 0)
        return r;
    count(&f->row, l, -1);
    return 0;
}

static int copy_row(struct boxfolder *from, enum index_sql which, uint32_t uid, int64_t to,
                    struct err *err)
{
    int r;
    struct db_stmt *s = index_statement(from->x, which, &r, err);

    if (!s)
        return r;
    db_bind_int(s, 1, letter_id(from->row.id, uid));
    db_bind_int(s, 2, to);
    return db_run(s, err);
}

int boxfolder_copy_kept(struct boxfolder *from, uint32_t uid, struct boxfolder *to,
                        uint32_t new_uid, struct err *err)
{
    int64_t id = letter_id(to->row.id, new_uid);
    int r = copy_row(from, SQL_HEADER_COPY, uid, id, err);

    return r < 0 ? r : copy_row(from, SQL_SUMMARY_COPY, uid, id, err);
}

/* ---- those that have gone (RFC 7162 3.2.10.2) ---- */

/* Too many to remember: the older half goes, and who knew the folder before that compares. */
static int forget_oldest(struct boxfolder *f, struct err *err)
{
    int r;
    struct db_stmt *s = index_statement(f->x, SQL_EXPUNGED_NTH, &r, err);

    if (!s)
        return r;
    db_bind_int(s, 1, f->row.id);
    db_bind_int(s, 2, f->row.expunged_rows / 2);
    r = db_step(s, err);
    if (r <= 0)
        return r;
    int64_t modseq = db_int(s, 0);
    db_reset(s);
    if (!(s = index_statement(f->x, SQL_EXPUNGED_FORGET, &r, err)))
        return r;
    db_bind_int(s, 1, f->row.id);
    db_bind_int(s, 2, modseq);
    r = db_run(s, err);
    if (r < 0)
        return r;
    f->row.expunged_rows -= (uint32_t)db_changes(f->x->db);
    f->row.expunged_from = (uint64_t)modseq;
    return 0;
}

int boxfolder_expunged(struct boxfolder *f, const struct uidset *gone, struct err *err)
{
    uint64_t modseq;
    int r = gone->n ? boxfolder_modseq(f, &modseq, err) : 0;
    struct db_stmt *s =
        r == 0 && gone->n ? index_statement(f->x, SQL_EXPUNGED_ADD, &r, err) : NULL;

    if (!s)
        return r;
    for (uint32_t i = 0; i < gone->n && r == 0; i++) {
        db_bind_int(s, 1, f->row.id);
        db_bind_int(s, 2, (int64_t)modseq);
        db_bind_int(s, 3, gone->ranges[i].first);
        db_bind_int(s, 4, gone->ranges[i].last);
        r = db_run(s, err);
        f->row.expunged_rows++;
    }
    if (r == 0 && f->row.expunged_rows > MAILBOX_EXPUNGED_ROWS)
        r = forget_oldest(f, err);
    return r;
}
