#include "db/db.h"

#include "base/ascii.h"
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { URI_BYTES = 16384 };

struct db_stmt {
    sqlite3_stmt *s;
    struct db *db;
    struct db_stmt *next;
};

struct db {
    sqlite3 *c;
    struct db_stmt *stmts;
    struct db_stmt *begin, *commit, *rollback;
    char path[]; /* for error texts */
};

/* ---- errors ---- */

static int code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return E_BUSY;
    case SQLITE_FULL:
        return E_NO_SPACE;
    case SQLITE_ERROR: /* our SQL does not fit the tables: they are not ours */
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_SCHEMA:
    case SQLITE_MISMATCH:
        return E_CORRUPT;
    case SQLITE_CONSTRAINT:
        return E_EXISTS;
    case SQLITE_TOOBIG:
        return E_LIMIT;
    case SQLITE_NOMEM:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        abort();
    default:
        return E_UNAVAILABLE;
    }
}

static int failed(struct db *d, int rc, const char *what, struct err *err)
{
    int code = code_of(rc);

    /* a -wal or -shm that finds no room is told as a file that cannot be opened or read */
    if (code == E_UNAVAILABLE &&
        ((d->c && sqlite3_system_errno(d->c) == ENOSPC) || rc == SQLITE_IOERR_SHMSIZE))
        code = E_NO_SPACE;
    return err_set(err, code, "%s: %s: %s", d->path, what, sqlite3_errmsg(d->c));
}

/* ---- opening ---- */

/* Once a process, before the first connection: no mutexes inside SQLite, no counting of memory.
 * Where a library has started it already, its defaults are as right, and slower. */
static void start_sqlite(void)
{
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (sqlite3_initialize() != SQLITE_OK)
        abort();
}

static const char *pragmas_of(enum db_mode mode)
{
    switch (mode) {
    case DB_DURABLE:
        return "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-2000;"
               "PRAGMA journal_size_limit=67108864; PRAGMA foreign_keys=ON; PRAGMA "
               "temp_store=MEMORY;";
    case DB_DURABLE_ALONE:
        return "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA "
               "synchronous=FULL;"
               "PRAGMA cache_size=-16000; PRAGMA journal_size_limit=67108864; PRAGMA "
               "foreign_keys=ON;"
               "PRAGMA temp_store=MEMORY;";
    case DB_CACHE:
        /* larger pages of a new file: caches are read in runs */
        return "PRAGMA page_size=8192;"
               "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-1000;"
               "PRAGMA wal_autocheckpoint=64; PRAGMA journal_size_limit=262144; PRAGMA "
               "temp_store=MEMORY;";
    case DB_PLAIN:
        return "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA; PRAGMA foreign_keys=ON;"
               "PRAGMA temp_store=MEMORY;";
    case DB_SNAPSHOT:
        return "PRAGMA query_only=ON; PRAGMA cache_size=-4000;";
    }
    return "";
}

/* SQLite would make it readable for all; -wal and -shm take their mode from it. Only ever a
 * file that was not there: closing any descriptor of a file drops the locks that this process
 * has on it. */
static int make_private(const char *path, struct err *err)
{
    if (faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) == 0)
        return 0;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? 0
                               : err_set(err, errno == ENOSPC ? E_NO_SPACE : E_UNAVAILABLE,
                                         "make %s: %s", path, strerrordesc_np(errno));
    close(fd);
    return 0;
}

/* RFC 3986 2.1, as SQLite reads it. */
static void print_uri(struct buf *out, const char *path)
{
    buf_add(out, STR("file:"));
    for (const char *p = path; *p; p++)
        if (ascii_is_alnum(*p) || strchr("/._-", *p))
            buf_add_byte(out, *p);
        else
            buf_addf(out, "%%%02x", (unsigned char)*p);
    buf_add(out, STR("?immutable=1"));
}

static int connect(struct db *d, enum db_mode mode, struct err *err)
{
    const int common = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc;

    if (mode == DB_SNAPSHOT) {
        struct buf uri;

        if (faccessat(AT_FDCWD, d->path, F_OK, AT_EACCESS) < 0)
            return err_set(err, errno == ENOENT ? E_NOT_FOUND : E_UNAVAILABLE, "%s: %s",
                           d->path, strerrordesc_np(errno));
        buf_init(&uri, URI_BYTES);
        print_uri(&uri, d->path);
        rc = sqlite3_open_v2(buf_c(&uri), &d->c,
                             SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | common, NULL);
        buf_done(&uri);
    } else {
        int r = make_private(d->path, err);

        if (r < 0)
            return r;
        rc = sqlite3_open_v2(d->path, &d->c, SQLITE_OPEN_READWRITE | common, NULL);
    }
    if (!d->c)
        abort();
    return rc == SQLITE_OK ? 0 : failed(d, rc, "open", err);
}

/* What is in the file must not make SQLite do more than read and write tables; closing a cache
 * must not flush it. */
static int settle(struct db *d, enum db_mode mode, struct err *err)
{
    int keep = 1;

    sqlite3_busy_timeout(d->c, DB_BUSY_MS);
    sqlite3_db_config(d->c, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(d->c, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    int r = db_exec(d, pragmas_of(mode), err);
    if (r == 0 && mode == DB_CACHE)
        sqlite3_db_config(d->c, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    /* what lies beside it keeps its room: it can be opened and read on a full disk (X06) */
    if (r == 0 && (mode == DB_CACHE || mode == DB_DURABLE))
        sqlite3_file_control(d->c, NULL, SQLITE_FCNTL_PERSIST_WAL, &keep);
    return r;
}

static int number(struct db *d, const char *sql, int64_t *out, struct err *err)
{
    struct db_stmt *s = NULL;
    int r = db_prepare(d, sql, &s, err);

    if (r < 0)
        return r;
    r = db_step(s, err);
    if (r == 1)
        *out = db_int(s, 0);
    db_finish(s);
    return r < 0 ? r : 0;
}

static int migrate(struct db *d, const struct db_schema *schema, struct err *err)
{
    int64_t version = 0, tables = 0;
    char sql[64];
    int r = db_begin(d, err);

    if (r < 0)
        return r;
    if ((r = number(d, "PRAGMA user_version", &version, err)) < 0 || version >= schema->version)
        return r < 0 ? r : db_commit(d, err); /* another process was faster */
    if (version == 0 &&
        ((r = number(d, "SELECT count(*) FROM sqlite_schema", &tables, err)) < 0 || tables > 0))
        return r < 0 ? r
                     : err_set(err, E_CORRUPT, "%s: a database of another program", d->path);
    for (; version < schema->version; version++)
        if ((r = db_exec(d, schema->migrations[version], err)) < 0)
            return r;
    snprintf(sql, sizeof(sql), "PRAGMA user_version = %u", schema->version);
    if ((r = db_exec(d, sql, err)) < 0)
        return r;
    return db_commit(d, err);
}

static int check_version(struct db *d, enum db_mode mode, const struct db_schema *schema,
                         struct err *err)
{
    int64_t version = 0;
    int r = number(d, "PRAGMA user_version", &version, err);

    if (r < 0)
        return r;
    if (version < 0 || version > schema->version)
        return err_set(err, E_VERSION,
                       "%s: version %lld, from a newer posta; this one knows %u", d->path,
                       (long long)version, schema->version);
    if (version == schema->version)
        return 0;
    if (mode == DB_SNAPSHOT)
        return err_set(err, E_VERSION, "%s: version %lld, from an older posta", d->path,
                       (long long)version);
    r = migrate(d, schema, err);
    if (r < 0)
        db_rollback(d);
    return r;
}

int db_open(const char *path, enum db_mode mode, const struct db_schema *schema,
            struct db **out, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct db *d = calloc(1, sizeof(*d) + strlen(path) + 1);
    int r;

    if (!d)
        abort();
    memcpy(d->path, path, strlen(path) + 1);
    pthread_once(&once, start_sqlite);
    if ((r = connect(d, mode, err)) < 0 || (r = settle(d, mode, err)) < 0 ||
        (r = check_version(d, mode, schema, err)) < 0) {
        db_close(d);
        return r;
    }
    *out = d;
    return 0;
}

void db_close(struct db *d)
{
    if (!d)
        return;
    while (d->stmts) {
        struct db_stmt *s = d->stmts;

        d->stmts = s->next;
        sqlite3_finalize(s->s);
        free(s);
    }
    sqlite3_close(d->c);
    free(d);
}

int db_remove(const char *path, struct err *err)
{
    static const char *const beside[] = {"", "-wal", "-shm", "-journal"};
    struct buf name;
    int r = 0;

    buf_init(&name, URI_BYTES);
    /* the journals last: a file without its journal must never be taken for whole */
    for (size_t i = 0; i < 4 && r == 0; i++) {
        buf_clear(&name);
        buf_addf(&name, "%s%s", path, beside[i]);
        if (unlink(buf_c(&name)) < 0 && errno != ENOENT)
            r = err_os(err, "remove %s", buf_c(&name));
    }
    buf_done(&name);
    return r;
}

/* ---- statements ---- */

int db_exec(struct db *d, const char *sql, struct err *err)
{
    int rc = sqlite3_exec(d->c, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : failed(d, rc, "run", err);
}

int db_prepare(struct db *d, const char *sql, struct db_stmt **out, struct err *err)
{
    sqlite3_stmt *made;
    int rc = sqlite3_prepare_v3(d->c, sql, -1, SQLITE_PREPARE_PERSISTENT, &made, NULL);

    if (rc != SQLITE_OK)
        return failed(d, rc, "prepare", err);
    struct db_stmt *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    *s = (struct db_stmt){.s = made, .db = d, .next = d->stmts};
    d->stmts = s;
    *out = s;
    return 0;
}

void db_finish(struct db_stmt *s)
{
    struct db_stmt **at;

    if (!s)
        return;
    for (at = &s->db->stmts; *at != s; at = &(*at)->next)
        ;
    *at = s->next;
    sqlite3_finalize(s->s);
    free(s);
}

bool db_in_transaction(const struct db *d)
{
    return !sqlite3_get_autocommit(d->c);
}

/* BEGIN, COMMIT and ROLLBACK are prepared when they are first needed. */
static int run_kept(struct db *d, struct db_stmt **kept, const char *sql, struct err *err)
{
    int r = *kept ? 0 : db_prepare(d, sql, kept, err);

    return r < 0 ? r : db_run(*kept, err);
}

int db_begin(struct db *d, struct err *err)
{
    return run_kept(d, &d->begin, "BEGIN IMMEDIATE", err);
}

int db_commit(struct db *d, struct err *err)
{
    int r = run_kept(d, &d->commit, "COMMIT", err);

    if (r < 0)
        db_rollback(d);
    return r;
}

void db_rollback(struct db *d)
{
    if (db_in_transaction(d))
        run_kept(d, &d->rollback, "ROLLBACK", NULL);
}

static void bound(int rc)
{
    if (rc == SQLITE_NOMEM)
        abort();
    assert(rc == SQLITE_OK);
}

void db_bind_int(struct db_stmt *s, int at, int64_t v)
{
    bound(sqlite3_bind_int64(s->s, at, v));
}

/* A NULL pointer would bind SQL's NULL, which equals nothing. */
void db_bind_str(struct db_stmt *s, int at, struct str v)
{
    bound(sqlite3_bind_text64(s->s, at, v.n ? v.p : "", v.n, SQLITE_STATIC, SQLITE_UTF8));
}

void db_bind_blob(struct db_stmt *s, int at, struct str v)
{
    bound(sqlite3_bind_blob64(s->s, at, v.n ? v.p : "", v.n, SQLITE_STATIC));
}

void db_bind_null(struct db_stmt *s, int at)
{
    bound(sqlite3_bind_null(s->s, at));
}

int db_step(struct db_stmt *s, struct err *err)
{
    int rc = sqlite3_step(s->s), r = 0;

    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        r = failed(s->db, rc, "step", err);
    db_reset(s);
    return r;
}

int db_run(struct db_stmt *s, struct err *err)
{
    int r = db_step(s, err);

    if (r == 1)
        db_reset(s);
    return r < 0 ? r : 0;
}

void db_reset(struct db_stmt *s)
{
    sqlite3_reset(s->s);
    sqlite3_clear_bindings(s->s);
}

int64_t db_int(struct db_stmt *s, int column)
{
    return sqlite3_column_int64(s->s, column);
}

struct str db_str(struct db_stmt *s, int column)
{
    const char *p = sqlite3_column_blob(s->s, column);

    return p ? (struct str){p, (size_t)sqlite3_column_bytes(s->s, column)}
             : (struct str){"", 0};
}

bool db_is_null(struct db_stmt *s, int column)
{
    return sqlite3_column_type(s->s, column) == SQLITE_NULL;
}

int64_t db_last_id(struct db *d)
{
    return sqlite3_last_insert_rowid(d->c);
}

int64_t db_changes(struct db *d)
{
    return sqlite3_changes64(d->c);
}

int db_copy(struct db *d, const char *path, struct err *err)
{
    struct db_stmt *s = NULL;
    int r = db_prepare(d, "VACUUM INTO ?", &s, err);

    if (r < 0)
        return r;
    db_bind_str(s, 1, str_c(path));
    r = db_run(s, err);
    db_finish(s);
    return r;
}

int db_check(struct db *d, struct err *err)
{
    struct db_stmt *s = NULL;
    int r = db_prepare(d, "PRAGMA quick_check(1)", &s, err);

    if (r < 0)
        return r;
    r = db_step(s, err);
    if (r == 1 && !str_eq(db_str(s, 0), STR("ok")))
        r = err_set(err, E_CORRUPT, "%s: %.*s", d->path, STR_ARGS(db_str(s, 0)));
    db_finish(s);
    return r < 0 ? r : 0;
}
