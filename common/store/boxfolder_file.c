/*
 * posta-folder and what it promises. A mark is raised there, durable, before anything below it
 * is given out; what has been given is in index.db. So where the two do not agree (index.db is
 * new, or from before a power cut, or somebody else's while this one was deleted under us)
 * everything begins at the marks again: no UID comes twice, and every letter counts as changed,
 * so that nobody who asks for changes misses one (RFC 7162 3.1.1).
 *
 *   load ─▶ marks as in the row, same start of the system ─▶ go on
 *     │ otherwise
 *     ▼
 *   renew: UIDNEXT, HIGHESTMODSEQ = marks; expunged ones are no longer known; all of cur/ is
 * read
 *
 * After a power cut flags may be back at what they were, and index.db too. Nothing would tell
 * that, so the start of the system (its boot id) is part of the row.
 */
#include "store/boxfolder.h"

#include "base/defer.h"
#include "store/dir.h"
#include "store/maildir.h"
#include "sys/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#define BROKEN_FILE FOLDER_FILE ".broken"

static uint32_t max32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint64_t max64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool is_lost(int r)
{
    return r == E_NOT_FOUND || r == E_CORRUPT || r == E_LIMIT;
}

/* What the row knows of a file that is lost. */
static void file_of_row(const struct boxfolder *f, struct folder *out)
{
    *out = (struct folder){.uidvalidity = f->row.uidvalidity,
                           .mailboxid = str_c(f->row.mailboxid),
                           .uidnext = f->row.uid_mark,
                           .modseq = f->row.modseq_mark};
    memcpy(out->keywords, f->keywords, sizeof(out->keywords));
}

static int note_file(struct boxfolder *f, struct err *err)
{
    struct stat st;
    int r = boxfolder_stat(f, FOLDER_FILE, &st, err);

    if (r < 0)
        return r;
    f->row.folder_at = stat_ns(&st);
    f->row.folder_ino = (int64_t)st.st_ino;
    return 0;
}

/* ---- a file that is missing or cannot be read ---- */

/* Both lost: a new UIDVALIDITY, once. Otherwise the row makes it what it was (X31). */
static int make_again(struct boxfolder *f, int why, const char *text, struct err *err)
{
    struct folder file;

    if (why != E_NOT_FOUND)
        renameat(f->dir, FOLDER_FILE, f->dir, BROKEN_FILE);
    log_event(LOG_WARN, NULL, "folder-file", "%s/%s: %s; %s", f->maildir, f->name, text,
              f->row.uidvalidity ? "made again from the index"
                                 : "made anew, with another UIDVALIDITY");
    if (f->row.uidvalidity) {
        file_of_row(f, &file);
        int r = folder_create(f->dir, &file, err);
        return r == E_EXISTS ? 0 : r;
    }
    DEFER(close_fd) int user = boxfolder_dir(f->all, str_c(f->maildir), STR("INBOX"), err);
    return user < 0 ? user : maildir_make_folder(user, f->dir, err);
}

static int load(struct boxfolder *f, struct arena *a, struct folder *out, struct err *err)
{
    struct err why = {0};
    int r = folder_load(f->dir, a, out, &why);

    if (is_lost(r)) {
        if ((r = make_again(f, r, why.text, err)) < 0)
            return r;
        return folder_load(f->dir, a, out, err);
    }
    return r < 0 ? err_set(err, r, "%s", why.text) : 0;
}

/* ---- writing ---- */

/* Are n UIDs left below the mark? UIDNEXT lies above it for a moment, where a name in cur/ has
 * a UID from there. */
static bool has_uids(const struct folder_row *row, uint32_t n)
{
    return row->uidnext <= row->uid_mark && n <= row->uid_mark - row->uidnext;
}

static void raise_marks(struct folder_row *row, uint32_t n)
{
    uint32_t most = MAILBOX_UID_MAX + 1u;

    if (!has_uids(row, n))
        row->uid_mark = n + MAILBOX_MARK_UIDS > most - row->uidnext
                            ? most
                            : row->uidnext + n + MAILBOX_MARK_UIDS;
    /* the next one may be given, and some more, while we are about it */
    if (row->modseq + MAILBOX_MARK_MODSEQS / 2 >= row->modseq_mark)
        row->modseq_mark = row->modseq + MAILBOX_MARK_MODSEQS;
}

/* One at a time also where two processes do not have the same index.db open. */
static int write_locked(struct boxfolder *f, uint32_t n, struct err *err)
{
    struct folder_row *row = &f->row;
    struct folder file;
    struct arena a;

    arena_init(&a);
    int r = load(f, &a, &file, err);
    if (r == 0 && file.uidvalidity != row->uidvalidity)
        r = err_set(err, E_NOT_FOUND, "the folder %s has been made again", f->name);
    if (r == 0) {
        if (file.uidnext > row->uid_mark) { /* another's block lies there */
            row->uid_mark = file.uidnext;
            row->uidnext = max32(row->uidnext, file.uidnext);
        }
        if (file.modseq > row->modseq_mark)
            row->modseq = row->modseq_mark = file.modseq;
        if (n > MAILBOX_UID_MAX + 1u - row->uidnext)
            r = err_set(err, E_LIMIT, "the folder %s has no UIDs left", f->name);
    }
    if (r == 0) {
        raise_marks(row, n);
        file.uidnext = row->uid_mark;
        file.modseq = row->modseq_mark;
        memcpy(file.keywords, f->keywords, sizeof(file.keywords));
        r = folder_store(f->dir, &file, err);
    }
    if (r == 0)
        r = note_file(f, err);
    arena_done(&a);
    return r;
}

int boxfolder_write_file(struct boxfolder *f, uint32_t n, struct err *err)
{
    int cur = boxfolder_cur(f, err), r;

    if (cur < 0)
        return cur;
    do
        r = flock(cur, LOCK_EX);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return err_os(err, "lock cur/ of %s", f->name);
    r = write_locked(f, n, err);
    flock(cur, LOCK_UN);
    return r;
}

/* ---- reading ---- */

static int drop_modseqs(struct boxfolder *f, struct err *err)
{
    int r;
    struct db_stmt *s = index_statement(f->x, SQL_MODSEQS_DROP, &r, err);

    if (!s)
        return r;
    db_bind_int(s, 1, letter_id(f->row.id, 0));
    db_bind_int(s, 2, letter_id(f->row.id, UINT32_MAX));
    if ((r = db_run(s, err)) < 0 || !(s = index_statement(f->x, SQL_EXPUNGED_DROP, &r, err)))
        return r;
    db_bind_int(s, 1, f->row.id);
    return db_run(s, err);
}

static int renew(struct boxfolder *f, const struct folder *file, struct err *err)
{
    struct folder_row *row = &f->row;
    int r = drop_modseqs(f, err);

    if (r < 0)
        return r;
    row->uid_mark = max32(row->uid_mark, file->uidnext);
    row->uidnext = max32(row->uidnext, row->uid_mark);
    row->modseq_mark = max64(row->modseq_mark, file->modseq);
    row->modseq = row->modseq_base = row->expunged_from = row->modseq_mark;
    row->expunged_rows = 0;
    row->cur_look = row->new_look = 0;
    snprintf(row->boot, sizeof(row->boot), "%s", f->all->boot);
    f->modseq = row->modseq; /* nobody has it yet */
    f->renewed = true;
    return boxfolder_write_file(f, 0, err);
}

/* Everything of a folder that is another one now. */
static int begin_anew(struct boxfolder *f, const struct folder *file, struct err *err)
{
    struct folder_row *row = &f->row;
    int r = row->uidvalidity ? boxfolder_drop_rows(f->x, row->id, err) : 0;
    int64_t id = row->id;

    if (r < 0)
        return r;
    memset(row, 0, sizeof(*row));
    row->id = id;
    row->uidvalidity = file->uidvalidity;
    row->uidnext = row->uid_mark = row->first_recent = 1;
    row->modseq_mark = 1;
    snprintf(row->mailboxid, sizeof(row->mailboxid), "%.*s", STR_ARGS(file->mailboxid));
    return 0;
}

static void take_keywords(struct boxfolder *f, const struct folder *file)
{
    for (int i = 0; i < FOLDER_KEYWORDS; i++) {
        if (str_eq(f->keywords[i], file->keywords[i]))
            continue;
        f->keywords[i] = arena_dup(&f->text, file->keywords[i]);
        f->keywords_changed = true;
    }
}

int boxfolder_read_file(struct boxfolder *f, bool *cold, struct err *err)
{
    struct folder_row *row = &f->row;
    struct folder file;
    struct arena a;

    arena_init(&a);
    int r = load(f, &a, &file, err);
    if (r == 0 && row->id == 0)
        r = index_folder(f->x, str_c(f->name), &row->id, err);
    if (r == 0)
        r = note_file(f, err);
    *cold = r == 0 && file.uidvalidity != row->uidvalidity;
    if (*cold && (r = begin_anew(f, &file, err)) == 0)
        r = note_file(f, err);
    if (r == 0)
        take_keywords(f, &file);
    if (r == 0 && (file.uidnext != row->uid_mark || file.modseq != row->modseq_mark ||
                   !str_eq(str_c(row->boot), str_c(f->all->boot))))
        r = renew(f, &file, err);
    arena_done(&a);
    return r;
}

/* ---- giving ---- */

int boxfolder_skip_uid(struct boxfolder *f, uint32_t uid, struct err *err)
{
    if (uid < f->row.uidnext)
        return 0;
    f->row.uidnext = uid + 1;
    return has_uids(&f->row, 0) ? 0 : boxfolder_write_file(f, 0, err);
}

int boxfolder_give_uids(struct boxfolder *f, uint32_t n, uint32_t *first, struct err *err)
{
    if (!has_uids(&f->row, n)) {
        int r = boxfolder_write_file(f, n, err);

        if (r < 0)
            return r;
    }
    *first = f->row.uidnext;
    f->row.uidnext += n;
    return 0;
}

int boxfolder_modseq(struct boxfolder *f, uint64_t *out, struct err *err)
{
    if (f->modseq == 0) {
        if (f->row.modseq + 1 >= f->row.modseq_mark) {
            int r = boxfolder_write_file(f, 0, err);

            if (r < 0)
                return r;
        }
        f->modseq = ++f->row.modseq;
    }
    *out = f->modseq;
    return 0;
}

int boxfolder_keyword(struct boxfolder *f, struct str word, bool make, uint32_t *mask,
                      struct err *err)
{
    uint32_t free = FOLDER_KEYWORDS;

    for (uint32_t i = 0; i < FOLDER_KEYWORDS; i++) {
        if (str_eq_nocase(f->keywords[i], word) && word.n) {
            *mask = UINT32_C(1) << i;
            return 0;
        }
        if (f->keywords[i].n == 0 && free == FOLDER_KEYWORDS)
            free = i;
    }
    if (!make)
        return err_set(err, E_NOT_FOUND, "the folder %s has no such keyword", f->name);
    if (free == FOLDER_KEYWORDS || word.n == 0 || word.n > FOLDER_KEYWORD_BYTES)
        return err_set(err, E_LIMIT, "the folder %s takes no more keywords", f->name);
    f->keywords[free] = arena_dup(&f->text, word);
    int r = boxfolder_write_file(f, 0, err);
    if (r < 0) {
        f->keywords[free] = (struct str){0};
        return r;
    }
    f->keywords_changed = true;
    *mask = UINT32_C(1) << free;
    return 0;
}
