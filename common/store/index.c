#include "store/index.h"

#include "base/buf.h"
#include "db/db.h"
#include "store/path.h"

#include <stdlib.h>
#include <unistd.h>

enum { INDEX_PATH_BYTES = 4096 };

static const char version_1[] =
    /* name as clients see it; path as in FORMAT.md. The marks are those of posta-folder when it
     * was last read; new_at and cur_at what the directories said then (mtime in ns), so that an
     * unchanged folder is not read again. */
    "CREATE TABLE folder ("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE,"
    "  path TEXT NOT NULL UNIQUE,"
    "  mailboxid TEXT,"
    "  uidvalidity INTEGER NOT NULL DEFAULT 0,"
    "  uidnext INTEGER NOT NULL DEFAULT 1,"
    "  uid_mark INTEGER NOT NULL DEFAULT 1,"
    "  modseq INTEGER NOT NULL DEFAULT 1,"
    "  modseq_mark INTEGER NOT NULL DEFAULT 1,"
    "  letters INTEGER NOT NULL DEFAULT 0,"
    "  unseen INTEGER NOT NULL DEFAULT 0,"
    "  deleted INTEGER NOT NULL DEFAULT 0,"
    "  octets INTEGER NOT NULL DEFAULT 0,"
    "  folder_at INTEGER NOT NULL DEFAULT 0,"
    "  new_at INTEGER NOT NULL DEFAULT 0,"
    "  cur_at INTEGER NOT NULL DEFAULT 0"
    ");"
    /* place: 0 new/, 1 cur/. file is the whole name as last seen, uniq its unchanging part.
     * flags and keywords as in names. Times in seconds; emailid and threadid as RFC 8474; the
     * last three are what FETCH would otherwise read the file for. */
    "CREATE TABLE message ("
    "  folder INTEGER NOT NULL REFERENCES folder(id) ON DELETE CASCADE,"
    "  uid INTEGER NOT NULL,"
    "  uniq TEXT NOT NULL,"
    "  file TEXT NOT NULL,"
    "  place INTEGER NOT NULL,"
    "  modseq INTEGER NOT NULL,"
    "  flags INTEGER NOT NULL DEFAULT 0,"
    "  keywords INTEGER NOT NULL DEFAULT 0,"
    "  size INTEGER NOT NULL,"
    "  vsize INTEGER NOT NULL,"
    "  crlf INTEGER NOT NULL DEFAULT 0,"
    "  internaldate INTEGER NOT NULL,"
    "  savedate INTEGER,"
    "  emailid TEXT,"
    "  threadid TEXT,"
    "  envelope BLOB,"
    "  structure BLOB,"
    "  header BLOB,"
    "  PRIMARY KEY (folder, uid)"
    ") WITHOUT ROWID;"
    "CREATE UNIQUE INDEX message_uniq ON message(folder, uniq);"
    "CREATE INDEX message_modseq ON message(folder, modseq);"
    "CREATE INDEX message_emailid ON message(emailid) WHERE emailid IS NOT NULL;"
    "CREATE INDEX message_threadid ON message(threadid) WHERE threadid IS NOT NULL;"
    "CREATE TABLE expunged ("
    "  folder INTEGER NOT NULL REFERENCES folder(id) ON DELETE CASCADE,"
    "  modseq INTEGER NOT NULL,"
    "  first_uid INTEGER NOT NULL,"
    "  last_uid INTEGER NOT NULL,"
    "  PRIMARY KEY (folder, modseq, first_uid)"
    ") WITHOUT ROWID;"
    "CREATE TABLE measured ("
    "  folder INTEGER NOT NULL REFERENCES folder(id) ON DELETE CASCADE,"
    "  uniq TEXT NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  vsize INTEGER NOT NULL,"
    "  crlf INTEGER NOT NULL,"
    "  PRIMARY KEY (folder, uniq)"
    ") WITHOUT ROWID;";

static const struct db_schema schema = {.version = 1,
                                        .migrations = (const char *const[]){version_1}};

struct index {
    struct db *db;
    struct db_stmt *folder_find, *folder_add, *measures, *measure_put, *measure_drop;
};

static int prepare(struct index *x, struct err *err)
{
    const struct {
        struct db_stmt **to;
        const char *sql;
    } statements[] = {
        {&x->folder_find,  "SELECT id FROM folder WHERE name = ?1"                     },
        {&x->folder_add,   "INSERT INTO folder (name, path) VALUES (?1, ?2)"           },
        {&x->measures,
         "SELECT uniq, size, vsize, crlf FROM measured WHERE folder = ?1 ORDER BY uniq"},
        {&x->measure_put,  "INSERT OR REPLACE INTO measured (folder, uniq, size, vsize, crlf)"
                          " VALUES (?1, ?2, ?3, ?4, ?5)"      },
        {&x->measure_drop, "DELETE FROM measured WHERE folder = ?1 AND uniq = ?2"      },
    };

    for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++) {
        int r = db_prepare(x->db, statements[i].sql, statements[i].to, err);

        if (r < 0)
            return r;
    }
    return 0;
}

static int open_at(const char *path, struct index **out, struct err *err)
{
    struct index *x = calloc(1, sizeof(*x));
    int r;

    if (!x)
        abort();
    r = db_open(path, DB_CACHE, &schema, &x->db, err);
    if (r == 0)
        r = prepare(x, err);
    if (r < 0) {
        index_close(x);
        return r;
    }
    *out = x;
    return 0;
}

void index_delete(const char *maildir)
{
    static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
    char file[INDEX_PATH_BYTES];

    for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
        int n = snprintf(file, sizeof(file), "%s/" INDEX_FILE "%s", maildir, tails[i]);

        if (n > 0 && (size_t)n < sizeof(file))
            unlink(file);
    }
}

int index_open(const char *maildir, struct index **out, struct err *err)
{
    char path[INDEX_PATH_BYTES];
    int n = snprintf(path, sizeof(path), "%s/" INDEX_FILE, maildir);

    if (n < 0 || (size_t)n >= sizeof(path))
        return err_set(err, E_LIMIT, "the path of a mailbox is too long");

    int r = open_at(path, out, err);
    if (r != E_CORRUPT)
        return r;
    index_delete(maildir);
    return open_at(path, out, err);
}

void index_close(struct index *x)
{
    if (!x)
        return;
    db_close(x->db);
    free(x);
}

int index_begin(struct index *x, struct err *err)
{
    return db_begin(x->db, err);
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
    db_bind_str(x->folder_find, 1, name);
    int r = db_step(x->folder_find, err);
    if (r == 0)
        return err_set(err, E_NOT_FOUND, "the index has no folder %.*s", STR_ARGS(name));
    if (r < 0)
        return r;
    *folder = db_int(x->folder_find, 0);
    db_reset(x->folder_find);
    return 0;
}

int index_folder(struct index *x, struct str name, int64_t *folder, struct err *err)
{
    struct buf path;
    int r = index_find_folder(x, name, folder, err);

    if (r != E_NOT_FOUND)
        return r;
    buf_init(&path, PATH_COMPONENT_BYTES + 1);
    if (!path_of_folder(&path, name)) {
        buf_done(&path);
        return err_set(err, E_SYNTAX, "this folder's name cannot be a path");
    }
    db_bind_str(x->folder_add, 1, name);
    db_bind_str(x->folder_add, 2, buf_str(&path));
    r = db_run(x->folder_add, err);
    buf_done(&path);
    if (r == 0)
        *folder = db_last_id(x->db);
    return r;
}

int index_measures(struct index *x, int64_t folder,
                   void (*each)(void *arg, const struct index_measure *m), void *arg,
                   struct err *err)
{
    struct db_stmt *s = x->measures;
    int r;

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
    struct db_stmt *s = x->measure_put;

    db_bind_int(s, 1, folder);
    db_bind_str(s, 2, m->unique);
    db_bind_int(s, 3, (int64_t)m->size);
    db_bind_int(s, 4, (int64_t)m->vsize);
    db_bind_int(s, 5, m->crlf);
    return db_run(s, err);
}

int index_measure_drop(struct index *x, int64_t folder, struct str unique, struct err *err)
{
    db_bind_int(x->measure_drop, 1, folder);
    db_bind_str(x->measure_drop, 2, unique);
    return db_run(x->measure_drop, err);
}
