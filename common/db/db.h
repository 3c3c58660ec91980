/*
 * db - SQLite, kept in one folder: open with the settings we always want, prepared statements
 * that reset themselves, versions and migrations, and errors in our own terms.
 *
 * A connection is used by one thread at a time. A new file is readable by its owner alone. A
 * file that is locked, cut, overwritten, made by a newer posta or by another program is an
 * error, never a crash (F07, X21).
 */
#ifndef POSTA_DB_H
#define POSTA_DB_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct db;
struct db_stmt;

enum { DB_BUSY_MS = 5000 }; /* how long another one's lock is waited for; then E_BUSY */

enum db_mode {
    DB_DURABLE, /* WAL, synchronous=FULL; opens on a full disk: auth.db                   */
    DB_DURABLE_ALONE, /* the same, held by this one connection while it is open, which saves
                         the locks' system calls: queue.db. Anybody else gets E_BUSY */
    DB_CACHE,         /* WAL, synchronous=NORMAL: a crash costs the last changes, never the
                         file; closing is cheap: index.db, trace.db                             */
    DB_PLAIN,    /* rollback journal, synchronous=EXTRA: users.db                          */
    DB_SNAPSHOT, /* read-only, immutable=1: pub/users.db; E_NOT_FOUND when it is not there */
};

struct db_schema {
    unsigned version; /* user_version; a newer one on disk: E_VERSION              */
    const char *const *migrations; /* [i] brings version i to i + 1; `version` of them */
};

/* Migrates what is older, in one transaction. */
int db_open(const char *path, enum db_mode mode, const struct db_schema *schema,
            struct db **out, struct err *err);
void db_close(struct db *d); /* accepts NULL */
/* The file and what SQLite lays beside it; for caches that are broken. Nobody may have it open.
 */
int db_remove(const char *path, struct err *err);

int db_exec(struct db *d, const char *sql, struct err *err);
int db_begin(struct db *d, struct err *err);  /* immediate */
int db_commit(struct db *d, struct err *err); /* failed: rolled back */
void db_rollback(struct db *d);               /* harmless outside a transaction */

bool db_in_transaction(const struct db *d);

/* Belongs to d, which finalizes it. */
int db_prepare(struct db *d, const char *sql, struct db_stmt **out, struct err *err);
void db_finish(struct db_stmt *s); /* earlier than d would; accepts NULL */
/* 1-based, as in SQL. Text is not copied: it must live until the next reset, which forgets all
 * that was bound. */
void db_bind_int(struct db_stmt *s, int at, int64_t v);
void db_bind_str(struct db_stmt *s, int at, struct str v);
void db_bind_blob(struct db_stmt *s, int at, struct str v);
void db_bind_null(struct db_stmt *s, int at);
/* 1: a row is there, 0: done (reset by itself), < 0: failed (reset by itself). E_BUSY,
 * E_NO_SPACE, E_CORRUPT, E_EXISTS (a constraint), E_UNAVAILABLE. */
int db_step(struct db_stmt *s, struct err *err);
int db_run(struct db_stmt *s, struct err *err); /* a statement without rows: 0 or negative */
void db_reset(struct db_stmt *s);
int64_t db_int(struct db_stmt *s, int column); /* 0-based; NULL is 0 */
struct str db_str(struct db_stmt *s,
                  int column); /* text or blob, valid until the next step; NULL is empty */
bool db_is_null(struct db_stmt *s, int column);
int64_t db_last_id(struct db *d);
int64_t db_changes(struct db *d);
/* Writes a whole copy (VACUUM INTO), not yet synced: for snapshots. `path` must not be there.
 */
int db_copy(struct db *d, const char *path, struct err *err);
/* Reads all of it and looks whether it is sound (quick_check): E_CORRUPT with the first flaw.
 */
int db_check(struct db *d, struct err *err);

#endif
