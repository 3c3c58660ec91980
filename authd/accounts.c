/*
 * Each change is one SQLite transaction in WAL mode with synchronous=FULL: after a crash it is
 * there whole or not at all, and authd has said OK only after the commit.
 */
#include "authd/accounts.h"

#include "db/db.h"

enum { PATH_BYTES = 4096 };

static const char *const migrations[] = {
    "CREATE TABLE users (name TEXT PRIMARY KEY, hash TEXT NOT NULL, scram_sha256 TEXT NOT NULL,"
    " scram_sha1 TEXT NOT NULL DEFAULT '', enabled INTEGER NOT NULL DEFAULT 1,"
    " changed INTEGER NOT NULL) STRICT, WITHOUT ROWID",
};

struct accounts {
    struct db *db;
    struct db_stmt *find, *scram, *count, *set, *remove;
};

static int prepare(struct accounts *a, struct err *err)
{
    const struct {
        struct db_stmt **stmt;
        const char *sql;
    } all[] = {
        {&a->find,   "SELECT hash, enabled FROM users WHERE name = ?1"           },
        {&a->scram,  "SELECT scram_sha256 FROM users WHERE name = ?1 AND enabled"},
        {&a->count,  "SELECT count(*) FROM users"                                },
        {&a->set,
         "INSERT INTO users (name, hash, scram_sha256, changed) VALUES (?1, ?2, ?3, ?4)"
         " ON CONFLICT (name) DO UPDATE SET hash = excluded.hash,"
         " scram_sha256 = excluded.scram_sha256, changed = excluded.changed"     },
        {&a->remove, "DELETE FROM users WHERE name = ?1"                         },
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int r = db_prepare(a->db, all[i].sql, all[i].stmt, err);

        if (r < 0)
            return r;
    }
    return 0;
}

int accounts_open(const char *dir, struct accounts **out, struct err *err)
{
    static const struct db_schema schema = {1, migrations};
    char path[PATH_BYTES];
    struct accounts *a;

    if ((size_t)snprintf(path, sizeof(path), "%s/auth.db", dir) >= sizeof(path))
        return err_set(err, E_LIMIT, "the path of auth.db is too long");
    a = calloc(1, sizeof(*a));
    if (!a)
        abort();
    int r = db_open(path, DB_DURABLE, &schema, &a->db, err);
    if (r == 0)
        r = prepare(a, err);
    if (r < 0) {
        accounts_close(a);
        return r;
    }
    *out = a;
    return 0;
}

void accounts_close(struct accounts *a)
{
    if (!a)
        return;
    db_close(a->db);
    free(a);
}

int accounts_find(struct accounts *a, struct str user, struct account *out, struct err *err)
{
    db_bind_str(a->find, 1, user);
    int r = db_step(a->find, err);
    if (r <= 0)
        return r < 0 ? r : err_set(err, E_NOT_FOUND, "no such user");
    struct str hash = db_str(a->find, 0);
    if (hash.n < sizeof(out->hash)) {
        memcpy(out->hash, hash.p, hash.n);
        out->hash[hash.n] = '\0';
        out->enabled = db_int(a->find, 1) != 0;
        r = 0;
    } else {
        r = err_set(err, E_CORRUPT, "a hash of %zu bytes in auth.db", hash.n);
    }
    db_reset(a->find);
    return r;
}

int accounts_scram(struct accounts *a, struct str user, struct buf *out, struct err *err)
{
    db_bind_str(a->scram, 1, user);
    int r = db_step(a->scram, err);
    if (r <= 0)
        return r < 0 ? r : err_set(err, E_NOT_FOUND, "no such user");
    buf_add(out, db_str(a->scram, 0));
    db_reset(a->scram);
    return 0;
}

int accounts_count(struct accounts *a, uint64_t *out, struct err *err)
{
    int r = db_step(a->count, err);

    if (r <= 0)
        return r < 0 ? r : err_set(err, E_CORRUPT, "auth.db does not count");
    *out = (uint64_t)db_int(a->count, 0);
    db_reset(a->count);
    return 0;
}

int accounts_begin(struct accounts *a, struct err *err)
{
    return db_begin(a->db, err);
}

int accounts_commit(struct accounts *a, struct err *err)
{
    return db_commit(a->db, err);
}

void accounts_rollback(struct accounts *a)
{
    db_rollback(a->db);
}

int accounts_set(struct accounts *a, struct str user, struct str hash, struct str scram,
                 uint64_t now_ms, struct err *err)
{
    db_bind_str(a->set, 1, user);
    db_bind_str(a->set, 2, hash);
    db_bind_str(a->set, 3, scram);
    db_bind_int(a->set, 4, (int64_t)now_ms);
    return db_run(a->set, err);
}

int accounts_remove(struct accounts *a, struct str user, struct err *err)
{
    db_bind_str(a->remove, 1, user);
    return db_run(a->remove, err);
}
