#include "store/index.h"

#include "base/buf.h"
#include "base/defer.h"
#include "store/index_sql.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

enum {
    INDEX_PATH_BYTES = 4096,
    INDEX_LOG_BYTES = 512 * 1024,     /* left behind, at most */
    INDEX_RESERVE_BYTES = 256 * 1024, /* of it, at least, also where they are not used yet */
};

/* Version 1 was POP3's alone: what it had is measured again. */
static const char version_1[] = "SELECT 1;";

static const char version_2[] =
    "DROP TABLE IF EXISTS message;"
    "DROP TABLE IF EXISTS expunged;"
    "DROP TABLE IF EXISTS measured;"
    "DROP TABLE IF EXISTS folder;"
    /* name: canonical UTF-8. The rest is struct folder_row. */
    "CREATE TABLE folder ("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE,"
    "  uidvalidity INTEGER NOT NULL DEFAULT 0,"
    "  uidnext INTEGER NOT NULL DEFAULT 1,"
    "  uid_mark INTEGER NOT NULL DEFAULT 1,"
    "  first_recent INTEGER NOT NULL DEFAULT 1,"
    "  modseq INTEGER NOT NULL DEFAULT 0,"
    "  modseq_mark INTEGER NOT NULL DEFAULT 1,"
    "  modseq_base INTEGER NOT NULL DEFAULT 0,"
    "  expunged_from INTEGER NOT NULL DEFAULT 0,"
    "  expunged_rows INTEGER NOT NULL DEFAULT 0,"
    "  letters INTEGER NOT NULL DEFAULT 0,"
    "  unseen INTEGER NOT NULL DEFAULT 0,"
    "  deleted INTEGER NOT NULL DEFAULT 0,"
    "  unsized INTEGER NOT NULL DEFAULT 0,"
    "  octets INTEGER NOT NULL DEFAULT 0,"
    "  dir_at INTEGER NOT NULL DEFAULT 0,"
    "  folder_at INTEGER NOT NULL DEFAULT 0,"
    "  folder_ino INTEGER NOT NULL DEFAULT 0,"
    "  new_at INTEGER NOT NULL DEFAULT 0,"
    "  cur_at INTEGER NOT NULL DEFAULT 0,"
    "  new_look INTEGER NOT NULL DEFAULT 0,"
    "  cur_look INTEGER NOT NULL DEFAULT 0,"
    "  cur_cost INTEGER NOT NULL DEFAULT 0,"
    "  mailboxid TEXT NOT NULL DEFAULT '',"
    "  boot TEXT NOT NULL DEFAULT '',"
    "  keywords TEXT NOT NULL DEFAULT ''"
    ");"
    /* id is folder << 32 | uid. The name on disk is uniq and what the columns say, or uniq and
     * rest. modseq NULL: the folder's modseq_base, so that to begin anew writes no second
     * index. Nothing is looked up by uniq: names with P= tell their UID, others are matched in
     * memory while cur/ is read. */
    "CREATE TABLE message ("
    "  id INTEGER PRIMARY KEY,"
    "  uniq TEXT NOT NULL,"
    "  rest TEXT,"
    "  form INTEGER NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  vsize INTEGER,"
    "  crlf INTEGER NOT NULL,"
    "  flags INTEGER NOT NULL,"
    "  keywords INTEGER NOT NULL,"
    "  modseq INTEGER,"
    "  internaldate INTEGER,"
    "  savedate INTEGER,"
    "  emailid TEXT"
    ");"
    "CREATE INDEX message_modseq ON message(id >> 32, modseq) WHERE modseq IS NOT NULL;"
    /* what FETCH would otherwise read the file for; apart, so that flags are read fast */
    "CREATE TABLE header (id INTEGER PRIMARY KEY, fields BLOB NOT NULL);"
    "CREATE TABLE summary ("
    "  id INTEGER PRIMARY KEY,"
    "  envelope BLOB NOT NULL,"
    "  bodystructure BLOB NOT NULL,"
    "  parts BLOB NOT NULL"
    ");"
    "CREATE TABLE expunged ("
    "  folder INTEGER NOT NULL,"
    "  modseq INTEGER NOT NULL,"
    "  first_uid INTEGER NOT NULL,"
    "  last_uid INTEGER NOT NULL,"
    "  PRIMARY KEY (folder, modseq, first_uid)"
    ") WITHOUT ROWID;"
    "CREATE TABLE measured ("
    "  folder INTEGER NOT NULL,"
    "  uniq TEXT NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  vsize INTEGER NOT NULL,"
    "  crlf INTEGER NOT NULL,"
    "  PRIMARY KEY (folder, uniq)"
    ") WITHOUT ROWID;";

static const struct db_schema schema = {
    .version = 2, .migrations = (const char *const[]){version_1, version_2}
};

#define LETTER_COLUMNS                                                   \
    "id, uniq, rest, form, size, vsize, crlf, flags, keywords, modseq, " \
    "internaldate, savedate, emailid"
#define SCAN_COLUMNS \
    "m.id, m.modseq, m.flags, m.keywords, m.size, m.vsize, m.crlf, m.internaldate"
#define SCAN_FILE    ", m.uniq, m.rest, m.form"
#define SCAN_HEADER  ", h.fields"
#define SCAN_SUMMARY ", s.envelope, s.bodystructure, s.parts"
#define JOIN_HEADER  " LEFT JOIN header h ON h.id = m.id"
#define JOIN_SUMMARY " LEFT JOIN summary s ON s.id = m.id"
#define SCAN_ALL     " WHERE m.id BETWEEN ?1 AND ?2 ORDER BY m.id"
#define SCAN_SINCE                                                            \
    " WHERE m.id >> 32 = ?1 >> 32 AND m.modseq > ?3 AND m.modseq IS NOT NULL" \
    " AND m.id BETWEEN ?1 AND ?2 ORDER BY m.id"

static const char *const sql[INDEX_STATEMENTS] = {
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_FOLDER_FIND] = "SELECT id FROM folder WHERE name = ?1",
    [SQL_FOLDER_ADD] = "INSERT INTO folder (name) VALUES (?1)",
    [SQL_FOLDER_LOAD] =
        "SELECT id, uidvalidity, uidnext, uid_mark, first_recent, modseq, modseq_mark,"
        " modseq_base, expunged_from, expunged_rows, letters, unseen, deleted, unsized, octets,"
        " dir_at, folder_at, folder_ino, new_at, cur_at, new_look, cur_look, cur_cost, "
        "mailboxid, boot,"
        " keywords FROM folder WHERE name = ?1",
    [SQL_FOLDER_SAVE] = "UPDATE folder SET"
                        " uidvalidity = ?2, uidnext = ?3, uid_mark = ?4, first_recent = ?5,"
                        " modseq = ?6, modseq_mark = ?7, modseq_base = ?8, expunged_from = ?9,"
                        " expunged_rows = ?10, letters = ?11, unseen = ?12, deleted = ?13,"
                        " unsized = ?14, octets = ?15, dir_at = ?16, folder_at = ?17,"
                        " folder_ino = ?18, new_at = ?19, cur_at = ?20, new_look = ?21,"
                        " cur_look = ?22, cur_cost = ?23, mailboxid = ?24, boot = ?25,"
                        " keywords = ?26 WHERE id = ?1",
    [SQL_FOLDER_NAME] = "UPDATE folder SET name = ?2 WHERE name = ?1",
    [SQL_FOLDER_DROP] = "DELETE FROM folder WHERE id = ?1",
    [SQL_FOLDER_MEASURES_DROP] = "DELETE FROM measured WHERE folder = ?1",
    [SQL_EXPUNGED_DROP] = "DELETE FROM expunged WHERE folder = ?1",
    [SQL_LETTERS_DROP] = "DELETE FROM message WHERE id BETWEEN ?1 AND ?2",
    [SQL_HEADERS_DROP] = "DELETE FROM header WHERE id BETWEEN ?1 AND ?2",
    [SQL_SUMMARIES_DROP] = "DELETE FROM summary WHERE id BETWEEN ?1 AND ?2",
    [SQL_MEASURES] =
        "SELECT uniq, size, vsize, crlf FROM measured WHERE folder = ?1 ORDER BY uniq",
    [SQL_MEASURE_PUT] = "INSERT OR REPLACE INTO measured (folder, uniq, size, vsize, crlf)"
                        " VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_MEASURE_DROP] = "DELETE FROM measured WHERE folder = ?1 AND uniq = ?2",
    [SQL_LETTER_ADD] = "INSERT INTO message (" LETTER_COLUMNS ")"
                       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    [SQL_LETTER_SET] = "UPDATE message SET rest = ?2, form = ?3, flags = ?4, keywords = ?5,"
                       " modseq = ?6 WHERE id = ?1",
    [SQL_LETTERS_FLAGS] =
        "UPDATE message SET form = form | ?3, flags = (flags & ?4) | ?5,"
        " keywords = (keywords & ?6) | ?7, modseq = ?8 WHERE id BETWEEN ?1 AND ?2",
    [SQL_LETTER_MEASURED] =
        "UPDATE message SET vsize = ?2, crlf = ?3 WHERE id = ?1 AND vsize IS NULL",
    [SQL_LETTER_DATED] =
        "UPDATE message SET internaldate = ?2 WHERE id = ?1 AND internaldate IS NULL",
    [SQL_LETTER_TRUTH] = "UPDATE message SET rest = ?2, size = ?3, vsize = ?4, crlf = ?5"
                         " WHERE id = ?1",
    [SQL_LETTERS] = "SELECT " LETTER_COLUMNS " FROM message WHERE id BETWEEN ?1 AND ?2"
                    " ORDER BY id LIMIT ?3",
    [SQL_LETTER_DROP] = "DELETE FROM message WHERE id = ?1",
    [SQL_HEADER_DROP] = "DELETE FROM header WHERE id = ?1",
    [SQL_SUMMARY_DROP] = "DELETE FROM summary WHERE id = ?1",
    [SQL_HEADER_PUT] = "INSERT OR IGNORE INTO header (id, fields) SELECT id, ?2 FROM message"
                       " WHERE id = ?1",
    [SQL_SUMMARY_PUT] = "INSERT OR REPLACE INTO summary (id, envelope, bodystructure, parts)"
                        " SELECT id, ?2, ?3, ?4 FROM message WHERE id = ?1",
    [SQL_HEADER_COPY] = "INSERT OR REPLACE INTO header (id, fields) SELECT ?2, fields"
                        " FROM header WHERE id = ?1",
    [SQL_SUMMARY_COPY] =
        "INSERT OR REPLACE INTO summary (id, envelope, bodystructure, parts)"
        " SELECT ?2, envelope, bodystructure, parts FROM summary WHERE id = ?1",
    [SQL_MODSEQS_DROP] = "UPDATE message SET modseq = NULL WHERE id BETWEEN ?1 AND ?2"
                         " AND modseq IS NOT NULL",
    [SQL_UIDS] = "SELECT id & 4294967295 FROM message WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    [SQL_UID_BOUNDS] = "SELECT (SELECT min(id) FROM message WHERE id BETWEEN ?1 AND ?2)"
                       " & 4294967295, (SELECT max(id) FROM message WHERE id BETWEEN ?1 AND ?2)"
                       " & 4294967295",
    [SQL_COUNT] = "SELECT count(*) FROM message WHERE id BETWEEN ?1 AND ?2",
    /* ?3: the bit of \Seen */
    [SQL_FIRST_UNSEEN] = "SELECT id & 4294967295 FROM message WHERE id BETWEEN ?1 AND ?2"
                         " AND flags & ?3 = 0 ORDER BY id LIMIT 1",
    [SQL_FIRST_UNSEEN_SINCE] =
        "SELECT min(id) & 4294967295 FROM message WHERE id >> 32 = ?1 >> 32 AND modseq > ?4"
        " AND modseq IS NOT NULL AND id BETWEEN ?1 AND ?2 AND flags & ?3 = 0",
    [SQL_EXPUNGED_ADD] = "INSERT INTO expunged (folder, modseq, first_uid, last_uid)"
                         " VALUES (?1, ?2, ?3, ?4)",
    [SQL_EXPUNGED_SINCE] = "SELECT first_uid, last_uid FROM expunged WHERE folder = ?1"
                           " AND modseq > ?2 ORDER BY first_uid",
    [SQL_EXPUNGED_NTH] = "SELECT modseq FROM expunged WHERE folder = ?1 ORDER BY modseq"
                         " LIMIT 1 OFFSET ?2",
    [SQL_EXPUNGED_FORGET] = "DELETE FROM expunged WHERE folder = ?1 AND modseq <= ?2",
    [SQL_SCAN_FILE] = "SELECT " SCAN_COLUMNS SCAN_FILE " FROM message m" SCAN_ALL,
    [SQL_SCAN] = "SELECT " SCAN_COLUMNS " FROM message m" SCAN_ALL,
    [SQL_SCAN_HEADER] =
        "SELECT " SCAN_COLUMNS SCAN_HEADER " FROM message m" JOIN_HEADER SCAN_ALL,
    [SQL_SCAN_SUMMARY] =
        "SELECT " SCAN_COLUMNS SCAN_SUMMARY " FROM message m" JOIN_SUMMARY SCAN_ALL,
    [SQL_SCAN_ALL] = "SELECT " SCAN_COLUMNS SCAN_HEADER SCAN_SUMMARY
                     " FROM message m" JOIN_HEADER JOIN_SUMMARY SCAN_ALL,
    [SQL_SCAN_SINCE] = "SELECT " SCAN_COLUMNS " FROM message m" SCAN_SINCE,
    [SQL_SCAN_SINCE_HEADER] =
        "SELECT " SCAN_COLUMNS SCAN_HEADER " FROM message m" JOIN_HEADER SCAN_SINCE,
    [SQL_SCAN_SINCE_SUMMARY] =
        "SELECT " SCAN_COLUMNS SCAN_SUMMARY " FROM message m" JOIN_SUMMARY SCAN_SINCE,
    [SQL_SCAN_SINCE_ALL] = "SELECT " SCAN_COLUMNS SCAN_HEADER SCAN_SUMMARY
                           " FROM message m" JOIN_HEADER JOIN_SUMMARY SCAN_SINCE,
};

struct db_stmt *index_statement(struct index *x, enum index_sql which, int *r, struct err *err)
{
    if (!x->statements[which])
        *r = db_prepare(x->db, sql[which], &x->statements[which], err);
    else
        *r = 0;
    return *r < 0 ? NULL : x->statements[which];
}

/* ---- the file ---- */

static int print_path(char path[INDEX_PATH_BYTES], const char *maildir, const char *name,
                      struct err *err)
{
    int n = snprintf(path, INDEX_PATH_BYTES, "%s/%s", maildir, name);

    if (n < 0 || n >= INDEX_PATH_BYTES)
        return err_set(err, E_LIMIT, "the path of a mailbox is too long");
    return 0;
}

/* Waits for its turn; an fd to close, or negative where there is no cur/ yet: then nobody else
 * makes an index either. */
static int lock(const char *maildir)
{
    char path[INDEX_PATH_BYTES];
    int fd, r;

    if (print_path(path, maildir, "cur", NULL) < 0)
        return -1;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    do
        r = flock(fd, LOCK_EX);
    while (r < 0 && errno == EINTR);
    return fd;
}

static int open_at(const char *path, struct index **out, struct err *err)
{
    struct index *x = calloc(1, sizeof(*x));
    struct stat st;

    if (!x)
        abort();
    int r = db_open(path, DB_CACHE, &schema, &x->db, err);
    if (r < 0) {
        index_close(x);
        return r;
    }
    if (stat(path, &st) == 0) {
        x->dev = st.st_dev;
        x->ino = st.st_ino;
    }
    *out = x;
    return 0;
}

/* A regular file that we may write. Another one SQLite would open all the same, and then fail
 * at each change. */
static bool is_ours(const char *path, struct stat *st)
{
    if (lstat(path, st) < 0 || !S_ISREG(st->st_mode))
        return false;
    return faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0;
}

static bool has_strange(const char *maildir)
{
    static const char *const names[] = {INDEX_FILE, INDEX_FILE "-wal", INDEX_FILE "-shm"};
    char path[INDEX_PATH_BYTES];
    struct stat st;

    for (size_t i = 0; i < 3; i++)
        if (print_path(path, maildir, names[i], NULL) == 0 &&
            faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && !is_ours(path, &st))
            return true;
    return false;
}

/* E_CORRUPT also where what lies there can never be used, and where it was deleted, and perhaps
 * made anew, meanwhile: what is open then is a file that nobody else sees. */
static int open_there(const char *maildir, const char *path, struct index **out,
                      struct err *err)
{
    struct stat before;
    int r = is_ours(path, &before) ? open_at(path, out, err) : E_CORRUPT;

    if (r < 0)
        return r == E_UNAVAILABLE && has_strange(maildir) ? E_CORRUPT : r;
    if ((*out)->dev == before.st_dev && (*out)->ino == before.st_ino)
        return 0;
    index_close(*out);
    return E_CORRUPT;
}

/* A directory in its place that is not empty is put aside. */
static void clear_away(const char *maildir, const char *path)
{
    char aside[INDEX_PATH_BYTES];

    if (db_remove(path, NULL) != -EISDIR ||
        print_path(aside, maildir, INDEX_FILE ".broken", NULL) < 0)
        return;
    if (rmdir(path) == 0 || rename(path, aside) == 0)
        db_remove(path, NULL);
}

int index_open(const char *maildir, struct index **out, struct err *err)
{
    char path[INDEX_PATH_BYTES];
    int r = print_path(path, maildir, INDEX_FILE, err);

    if (r < 0)
        return r;
    r = open_there(maildir, path, out, err);
    if (r != E_CORRUPT)
        return r;
    DEFER(close_fd) int held = lock(maildir);
    (void)held;
    /* Another may have been faster; what a missing one left beside it goes, because others may
     * have that open still. */
    r = open_there(maildir, path, out, err);
    if (r != E_CORRUPT)
        return r;
    clear_away(maildir, path);
    r = open_at(path, out, err);
    if (r == 0)
        index_make_room(*out);
    return r;
}

void index_close(struct index *x)
{
    if (!x)
        return;
    db_close(x->db);
    uidset_done(&x->known.uids);
    free(x->maildir);
    free(x);
}

static void delete_where(const char *maildir, const struct index *x)
{
    DEFER(close_fd) int held = lock(maildir);
    char path[INDEX_PATH_BYTES];
    struct stat st;

    (void)held;
    if (print_path(path, maildir, INDEX_FILE, NULL) < 0)
        return;
    if (x && (stat(path, &st) < 0 || st.st_ino != x->ino || st.st_dev != x->dev))
        return;
    db_remove(path, NULL);
}

void index_delete(const char *maildir)
{
    delete_where(maildir, NULL);
}

void index_delete_this(const char *maildir, const struct index *x)
{
    delete_where(maildir, x);
}

bool index_is_current(const struct index *x, int at, const char *maildir)
{
    char path[INDEX_PATH_BYTES];
    struct stat st;

    return print_path(path, maildir, INDEX_FILE, NULL) == 0 && fstatat(at, path, &st, 0) == 0 &&
           st.st_ino == x->ino && st.st_dev == x->dev;
}

int index_work(struct index *x, struct err *err)
{
    return db_exec(x->db, "PRAGMA wal_autocheckpoint=1024", err);
}

void index_rest(struct index *x, int at, const char *maildir)
{
    char path[INDEX_PATH_BYTES];
    struct stat st;

    if (print_path(path, maildir, INDEX_FILE "-wal", NULL) == 0 &&
        fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > INDEX_LOG_BYTES &&
        index_is_current(x, at, maildir))
        db_exec(x->db, "PRAGMA busy_timeout=0; PRAGMA wal_checkpoint(TRUNCATE)", NULL);
}

/* Not index.db itself: to close that would drop the locks that SQLite holds on it. */
void index_reserve(int at, const char *maildir)
{
    char path[INDEX_PATH_BYTES];
    struct stat st;

    if (print_path(path, maildir, INDEX_FILE "-wal", NULL) < 0)
        return;
    DEFER(close_fd) int fd = openat(at, path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && (int64_t)st.st_blocks * 512 < INDEX_RESERVE_BYTES)
        (void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, INDEX_RESERVE_BYTES);
}

void index_make_room(struct index *x)
{
    db_exec(x->db, "PRAGMA wal_checkpoint(PASSIVE)", NULL);
}

/* ---- transactions, folders, measures ---- */

int index_begin(struct index *x, struct err *err)
{
    return db_begin(x->db, err);
}

int index_begin_read(struct index *x, struct err *err)
{
    int r;
    struct db_stmt *s = index_statement(x, SQL_BEGIN_READ, &r, err);

    return s ? db_run(s, err) : r;
}

int index_commit(struct index *x, struct err *err)
{
    return db_commit(x->db, err);
}

void index_rollback(struct index *x)
{
    db_rollback(x->db);
}

int index_find_folder(struct index *x, struct str name, int64_t *folder, struct err *err)
{
    int r;
    struct db_stmt *s = index_statement(x, SQL_FOLDER_FIND, &r, err);

    if (!s)
        return r;
    db_bind_str(s, 1, name);
    r = db_step(s, err);
    if (r == 0)
        return err_set(err, E_NOT_FOUND, "the index has no folder %.*s", STR_ARGS(name));
    if (r < 0)
        return r;
    *folder = db_int(s, 0);
    db_reset(s);
    return 0;
}

int index_folder(struct index *x, struct str name, int64_t *folder, struct err *err)
{
    int r = index_find_folder(x, name, folder, err);

    if (r != E_NOT_FOUND)
        return r;
    struct db_stmt *s = index_statement(x, SQL_FOLDER_ADD, &r, err);
    if (!s)
        return r;
    db_bind_str(s, 1, name);
    r = db_run(s, err);
    if (r == 0)
        *folder = db_last_id(x->db);
    return r;
}

int index_measures(struct index *x, int64_t folder,
                   void (*each)(void *arg, const struct index_measure *m), void *arg,
                   struct err *err)
{
    int r;
    struct db_stmt *s = index_statement(x, SQL_MEASURES, &r, err);

    if (!s)
        return r;
    db_bind_int(s, 1, folder);
    while ((r = db_step(s, err)) > 0)
        each(arg, &(struct index_measure){.unique = db_str(s, 0),
                                          .size = (uint64_t)db_int(s, 1),
                                          .vsize = (uint64_t)db_int(s, 2),
                                          .crlf = db_int(s, 3) != 0});
    return r;
}

int index_measure_put(struct index *x, int64_t folder, const struct index_measure *m,
                      struct err *err)
{
    int r;
    struct db_stmt *s = index_statement(x, SQL_MEASURE_PUT, &r, err);

    if (!s)
        return r;
    db_bind_int(s, 1, folder);
    db_bind_str(s, 2, m->unique);
    db_bind_int(s, 3, (int64_t)m->size);
    db_bind_int(s, 4, (int64_t)m->vsize);
    db_bind_int(s, 5, m->crlf);
    return db_run(s, err);
}

int index_measure_drop(struct index *x, int64_t folder, struct str unique, struct err *err)
{
    int r;
    struct db_stmt *s = index_statement(x, SQL_MEASURE_DROP, &r, err);

    if (!s)
        return r;
    db_bind_int(s, 1, folder);
    db_bind_str(s, 2, unique);
    return db_run(s, err);
}
