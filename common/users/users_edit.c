/*
 * publish(): two `posta` may change at once, so the copy is made under a lock, after the commit
 * of whoever holds it:
 *
 *   lock users.lock ─▶ remove pub/users.db.new ─▶ VACUUM INTO it ─▶ fsync
 *                   ─▶ rename over pub/users.db ─▶ fsync pub/
 *
 * The last to publish copied after every commit before it. A crash leaves users.db.new, which
 * the next one removes.
 */
#include "users/users_edit.h"

#include "base/ascii.h"
#include "base/defer.h"
#include "db/db.h"
#include "mail/address.h"
#include "sys/config_value.h"
#include "sys/fs.h"
#include "users/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, SNAPSHOT_MODE = 0640, LOCK_MODE = 0600 };

#define SNAPSHOT_NEW USERS_SNAPSHOT ".new"

struct users_edit {
    struct db *db;
    int dir; /* state_dir */
    char path[PATH_BYTES];
};

int users_edit_open(const char *state_dir, struct users_edit **out, struct err *err)
{
    struct users_edit *e = calloc(1, sizeof(*e));
    char db_path[PATH_BYTES];

    if (!e)
        abort();
    e->dir = fs_open_dir(state_dir, err);
    int r = e->dir < 0 ? e->dir : 0;
    if (r == 0 && snprintf(e->path, sizeof(e->path), "%s", state_dir) >= PATH_BYTES - 32)
        r = err_set(err, -ENAMETOOLONG, "state_dir is too long");
    if (r == 0) {
        snprintf(db_path, sizeof(db_path), "%s/" USERS_DB, state_dir);
        r = db_open(db_path, DB_PLAIN, &users_schema, &e->db, err);
    }
    if (r < 0) {
        users_edit_close(e);
        return r;
    }
    *out = e;
    return 0;
}

void users_edit_close(struct users_edit *e)
{
    if (!e)
        return;
    db_close(e->db);
    close_fd(&e->dir);
    free(e);
}

int users_edit_begin(struct users_edit *e, struct err *err)
{
    return db_begin(e->db, err);
}

int users_edit_commit(struct users_edit *e, struct err *err)
{
    return db_commit(e->db, err);
}

void users_edit_rollback(struct users_edit *e)
{
    db_rollback(e->db);
}

static int sync_file(int dir, const char *name, struct err *err)
{
    DEFER(close_fd) int fd = fs_open_beneath(dir, name, O_RDWR, 0, err);

    if (fd < 0)
        return fd;
    if (fchmod(fd, SNAPSHOT_MODE) < 0)
        return err_os(err, "set the mode of %s", name);
    return fsync(fd) < 0 ? err_os(err, "sync %s", name) : 0;
}

int users_publish(struct users_edit *e, struct err *err)
{
    char copy[PATH_BYTES + sizeof(SNAPSHOT_NEW)];
    DEFER(close_fd) int lock = fs_lock_wait(e->dir, "users.lock", LOCK_MODE, err);
    if (lock < 0)
        return lock;
    DEFER(close_fd) int pub = fs_open_dir_beneath(e->dir, "pub", err);
    if (pub < 0)
        return pub;

    if (unlinkat(e->dir, SNAPSHOT_NEW, 0) < 0 && errno != ENOENT)
        return err_os(err, "remove " SNAPSHOT_NEW);
    snprintf(copy, sizeof(copy), "%s/" SNAPSHOT_NEW, e->path);
    int r = db_copy(e->db, copy, err);
    if (r < 0 || (r = sync_file(e->dir, SNAPSHOT_NEW, err)) < 0) {
        unlinkat(e->dir, SNAPSHOT_NEW, 0);
        return r;
    }
    if (renameat(e->dir, SNAPSHOT_NEW, e->dir, USERS_SNAPSHOT) < 0)
        return err_os(err, "rename " SNAPSHOT_NEW);
    return fsync(pub) < 0 ? err_os(err, "sync pub/") : 0;
}

/* ---- one statement, run and forgotten ---- */

/* Up to three values: a domain, a local part, a text. */
static int prepare(struct users_edit *e, const char *sql, const struct str *values, int n,
                   struct db_stmt **out, struct err *err)
{
    int r = db_prepare(e->db, sql, out, err);

    for (int i = 0; r == 0 && i < n; i++)
        db_bind_str(*out, i + 1, values[i]);
    return r;
}

static int run(struct users_edit *e, const char *sql, const struct str *values, int n,
               struct err *err)
{
    struct db_stmt *s = NULL;
    int r = prepare(e, sql, values, n, &s, err);

    if (r < 0)
        return r;
    r = db_run(s, err);
    db_finish(s);
    return r;
}

/* The first number of the first row; 0 where there is none. */
static int ask(struct users_edit *e, const char *sql, const struct str *values, int n,
               int64_t *out, struct err *err)
{
    struct db_stmt *s = NULL;
    int r = prepare(e, sql, values, n, &s, err);

    if (r < 0)
        return r;
    *out = 0;
    r = db_step(s, err);
    if (r == 1)
        *out = db_int(s, 0);
    db_finish(s);
    return r < 0 ? r : 0;
}

/* ---- domains ---- */

int users_domain_add(struct users_edit *e, struct str name, struct err *err)
{
    struct arena a;

    if (!config_host_name(name))
        return err_set(
            err, E_SYNTAX,
            "\"%.*s\" is no domain; right would be letters, digits and hyphens with dots "
            "between them, such as example.org",
            STR_ARGS(str_first(name, 64)));
    arena_init(&a);
    struct str lower = users_key(&a, arena_printf(&a, "@%.*s", STR_ARGS(name))).domain;
    int r = run(e, "INSERT INTO domains (name) VALUES (?)", &lower, 1, err);
    if (r == E_EXISTS)
        err_set(err, r, "the domain %.*s is there already", STR_ARGS(lower));
    arena_done(&a);
    return r;
}

int users_domain_del(struct users_edit *e, struct str name, struct err *err)
{
    static const char uses[] = "SELECT (SELECT count(*) FROM users WHERE domain = ?1) +"
                               " (SELECT count(*) FROM aliases WHERE domain = ?1)";
    struct arena a;
    int64_t used = 0;

    arena_init(&a);
    struct str lower = users_key(&a, arena_printf(&a, "@%.*s", STR_ARGS(name))).domain;
    int r = ask(e, uses, &lower, 1, &used, err);
    if (r == 0 && used > 0)
        r = err_set(err, E_DENIED, "%.*s has %lld users and aliases; delete them first",
                    STR_ARGS(lower), (long long)used);
    if (r == 0)
        r = run(e, "DELETE FROM domains WHERE name = ?", &lower, 1, err);
    if (r == 0 && db_changes(e->db) == 0)
        r = err_set(err, E_NOT_FOUND, "there is no domain %.*s", STR_ARGS(lower));
    arena_done(&a);
    return r;
}

int users_domain_list(struct users_edit *e,
                      void (*fn)(void *arg, struct str name, uint64_t users), void *arg,
                      struct err *err)
{
    struct db_stmt *s = NULL;
    int r = db_prepare(e->db,
                       "SELECT name, (SELECT count(*) FROM users WHERE domain = name) FROM "
                       "domains ORDER BY name",
                       &s, err);

    if (r < 0)
        return r;
    while ((r = db_step(s, err)) == 1)
        fn(arg, db_str(s, 0), (uint64_t)db_int(s, 1));
    db_finish(s);
    return r;
}

/* ---- addresses ---- */

/* A new user's or alias's address, or one that is there. */
static int take_address(struct users_edit *e, struct arena *a, struct str address,
                        struct users_key *key, struct err *err)
{
    struct str canonical = STR_LIT("");
    int64_t ours = 0;

    if (!address_parse(a, address, &canonical) || address_domain(canonical).n == 0)
        return err_set(err, E_SYNTAX,
                       "\"%.*s\" is no address; right would be such as alice@example.org",
                       STR_ARGS(str_first(address, 64)));
    if (str_find(address_local(canonical), '+') < address_local(canonical).n)
        return err_set(
            err, E_SYNTAX,
            "%.*s: what stands behind a + is the user's own to choose; leave it away",
            STR_ARGS(str_first(address, 64)));
    *key = users_key(a, canonical);
    int r = ask(e, "SELECT count(*) FROM domains WHERE name = ?", &key->domain, 1, &ours, err);
    if (r == 0 && ours == 0)
        r = err_set(err, E_NOT_FOUND,
                    "%.*s is not one of our domains; `posta domain add %.*s` makes it one",
                    STR_ARGS(str_first(key->domain, 64)), STR_ARGS(str_first(key->domain, 64)));
    return r;
}

static int new_address(struct users_edit *e, struct arena *a, struct str address,
                       struct users_key *key, struct err *err)
{
    int r = take_address(e, a, address, key, err);

    if (r == 0 && !users_local_good(key->local))
        r = err_set(err, E_SYNTAX,
                    "%.*s: a name here has letters, digits and ._-=&'~ in it, at most %d",
                    STR_ARGS(str_first(address, 64)), USERS_LOCAL_BYTES);
    return r;
}

static int is_in(struct users_edit *e, const char *table, const struct users_key *key,
                 bool *out, struct err *err)
{
    char sql[96];
    const struct str values[] = {key->domain, key->local};
    int64_t n = 0;

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s WHERE domain = ? AND local = ?", table);
    int r = ask(e, sql, values, 2, &n, err);
    *out = n > 0;
    return r;
}

/* A change of several statements is one transaction, its own or the caller's. */
static int begin_own(struct users_edit *e, bool *own, struct err *err)
{
    *own = !db_in_transaction(e->db);
    return *own ? db_begin(e->db, err) : 0;
}

static int end_own(struct users_edit *e, bool own, int r, struct err *err)
{
    if (own && r < 0)
        db_rollback(e->db);
    return own && r == 0 ? db_commit(e->db, err) : r;
}

/* ---- users ---- */

static int no_user(const struct users_key *key, struct err *err)
{
    return err_set(err, E_NOT_FOUND, "there is no user %.*s@%.*s",
                   STR_ARGS(str_first(key->local, 64)), STR_ARGS(str_first(key->domain, 64)));
}

static int get_user(struct users_edit *e, const struct users_key *key, struct arena *a,
                    struct user *out, struct err *err)
{
    const struct str values[] = {key->domain, key->local};
    struct db_stmt *s = NULL;
    int r = prepare(e, "SELECT " USERS_COLUMNS " FROM users WHERE domain = ? AND local = ?",
                    values, 2, &s, err);

    if (r < 0)
        return r;
    r = db_step(s, err);
    if (r == 1)
        users_take_row(s, a, out);
    db_finish(s);
    if (r == 0)
        return no_user(key, err);
    return r < 0 ? r : 0;
}

static int add_user(struct users_edit *e, const struct users_key *key, struct err *err)
{
    const struct str values[] = {key->domain, key->local};
    bool taken;
    int r = is_in(e, "aliases", key, &taken, err);

    if (r == 0 && taken)
        return err_set(err, E_EXISTS, "%.*s@%.*s is an alias; delete it first",
                       STR_ARGS(key->local), STR_ARGS(key->domain));
    if (r == 0)
        r = run(e, "INSERT INTO users (domain, local) VALUES (?, ?)", values, 2, err);
    if (r == E_EXISTS)
        err_set(err, r, "the user %.*s@%.*s is there already", STR_ARGS(key->local),
                STR_ARGS(key->domain));
    return r;
}

int users_user_add(struct users_edit *e, struct str address, struct arena *a, struct user *out,
                   struct err *err)
{
    struct users_key key = {0};
    bool own;
    int r = begin_own(e, &own, err);

    if (r < 0)
        return r;
    r = new_address(e, a, address, &key, err);
    if (r == 0)
        r = add_user(e, &key, err);
    if (r == 0 && out)
        r = get_user(e, &key, a, out, err);
    return end_own(e, own, r, err);
}

int users_user_get(struct users_edit *e, struct str address, struct arena *a, struct user *out,
                   struct err *err)
{
    struct users_key key = {0};
    int r = take_address(e, a, address, &key, err);

    return r < 0 ? r : get_user(e, &key, a, out, err);
}

/* One statement about one user, who must be there. */
static int change_user(struct users_edit *e, struct str address, const char *sql, int64_t one,
                       int64_t two, struct err *err)
{
    struct users_key key = {0};
    struct db_stmt *s = NULL;
    struct arena a;

    arena_init(&a);
    int r = take_address(e, &a, address, &key, err);
    if (r == 0)
        r = db_prepare(e->db, sql, &s, err);
    if (r == 0) {
        db_bind_str(s, 1, key.domain);
        db_bind_str(s, 2, key.local);
        db_bind_int(s, 3, one);
        db_bind_int(s, 4, two);
        r = db_run(s, err);
        db_finish(s);
        if (r == 0 && db_changes(e->db) == 0)
            r = no_user(&key, err);
    }
    arena_done(&a);
    return r;
}

int users_user_del(struct users_edit *e, struct str address, struct err *err)
{
    /* ?3 and ?4 are bound for all: they must be there */
    return change_user(e, address,
                       "DELETE FROM users WHERE domain = ?1 AND local = ?2 AND ?3 = ?4", 0, 0,
                       err);
}

int users_user_enable(struct users_edit *e, struct str address, bool enabled, struct err *err)
{
    return change_user(
        e, address, "UPDATE users SET enabled = ?3 WHERE domain = ?1 AND local = ?2 AND ?4 = 0",
        enabled, 0, err);
}

int users_quota_set(struct users_edit *e, struct str address, uint64_t bytes, uint64_t letters,
                    struct err *err)
{
    if (bytes > INT64_MAX || letters > INT64_MAX)
        return err_set(err, E_LIMIT, "a quota that large is none; right would be 0");
    return change_user(e, address,
                       "UPDATE users SET quota_bytes = ?3, quota_letters = ?4 WHERE domain = "
                       "?1 AND local = ?2",
                       (int64_t)bytes, (int64_t)letters, err);
}

int users_user_list(struct users_edit *e, void (*fn)(void *arg, const struct user *user),
                    void *arg, struct err *err)
{
    struct db_stmt *s = NULL;
    struct arena a;
    struct user user;
    int r = db_prepare(e->db, "SELECT " USERS_COLUMNS " FROM users ORDER BY domain, local", &s,
                       err);

    if (r < 0)
        return r;
    arena_init(&a);
    while ((r = db_step(s, err)) == 1) {
        users_take_row(s, &a, &user);
        fn(arg, &user);
        arena_reset(&a);
    }
    arena_done(&a);
    db_finish(s);
    return r;
}

/* ---- aliases ---- */

/* Would `key` be met again on the way from `from`? Follows what is in the tables now. */
struct way {
    struct users_edit *e;
    struct arena *a;
    const struct users_key *key;
    size_t steps;
    struct err *err;
};

static int no_circle(struct way *w, struct str from, int depth)
{
    struct users_key key = users_key(w->a, from);
    const struct str values[] = {key.domain, key.local};
    struct db_stmt *s = NULL;

    if (str_eq(key.local, w->key->local) && str_eq(key.domain, w->key->domain))
        return err_set(w->err, E_LOOP, "%.*s@%.*s would lead back to itself",
                       STR_ARGS(key.local), STR_ARGS(key.domain));
    if (depth == USERS_ALIAS_DEPTH || ++w->steps > USERS_ALIAS_TARGETS)
        return err_set(w->err, E_LOOP,
                       "aliases of aliases go deeper than %d, or wider than %d addresses",
                       USERS_ALIAS_DEPTH, USERS_ALIAS_TARGETS);
    int r = prepare(w->e, "SELECT target FROM aliases WHERE domain = ? AND local = ?", values,
                    2, &s, w->err);
    if (r < 0)
        return r;
    while ((r = db_step(s, w->err)) == 1) {
        r = no_circle(w, arena_dup(w->a, db_str(s, 0)), depth + 1);
        if (r < 0)
            break;
    }
    db_finish(s);
    return r;
}

static int add_alias(struct users_edit *e, struct arena *a, const struct users_key *key,
                     struct str target, struct err *err)
{
    struct way way = {.e = e, .a = a, .key = key, .err = err};
    const struct str values[] = {key->domain, key->local, target};
    int64_t targets = 0;
    bool taken;
    int r = is_in(e, "users", key, &taken, err);

    if (r == 0 && taken)
        return err_set(err, E_EXISTS, "%.*s@%.*s is a user; an alias needs another name",
                       STR_ARGS(key->local), STR_ARGS(key->domain));
    if (r == 0)
        r = ask(e, "SELECT count(*) FROM aliases WHERE domain = ? AND local = ?", values, 2,
                &targets, err);
    if (r == 0 && targets >= USERS_ALIAS_TARGETS)
        return err_set(err, E_LIMIT, "an alias has at most %d targets", USERS_ALIAS_TARGETS);
    if (r == 0)
        r = no_circle(&way, target, 1);
    if (r == 0)
        r = run(e, "INSERT INTO aliases (domain, local, target) VALUES (?, ?, ?)", values, 3,
                err);
    if (r == E_EXISTS)
        err_set(err, r, "the alias %.*s@%.*s leads to %.*s already", STR_ARGS(key->local),
                STR_ARGS(key->domain), STR_ARGS(str_first(target, 64)));
    return r;
}

/* SMTP would have to announce SMTPUTF8 for an address with other bytes than ASCII. */
static int take_target(struct arena *a, struct str target, struct str *out, struct err *err)
{
    bool plain = true;

    for (size_t i = 0; i < target.n; i++)
        plain = plain && !ascii_is_8bit(target.p[i]);
    if (!plain || !address_parse(a, target, out) || address_domain(*out).n == 0)
        return err_set(err, E_SYNTAX,
                       "\"%.*s\" is no address; right would be such as alice@example.org",
                       STR_ARGS(str_first(target, 64)));
    return 0;
}

int users_alias_add(struct users_edit *e, struct str address, struct str target,
                    struct err *err)
{
    struct users_key key = {0};
    struct str canonical = STR_LIT("");
    struct arena a;
    bool own;
    int r = begin_own(e, &own, err);

    if (r < 0)
        return r;
    arena_init(&a);
    r = new_address(e, &a, address, &key, err);
    if (r == 0)
        r = take_target(&a, target, &canonical, err);
    if (r == 0)
        r = add_alias(e, &a, &key, canonical, err);
    arena_done(&a);
    return end_own(e, own, r, err);
}

int users_alias_del(struct users_edit *e, struct str address, struct str target,
                    struct err *err)
{
    struct users_key key = {0};
    struct str canonical = STR("");
    struct arena a;

    arena_init(&a);
    int r = take_address(e, &a, address, &key, err);
    if (r == 0 && target.n)
        r = take_target(&a, target, &canonical, err);
    if (r == 0) {
        const struct str values[] = {key.domain, key.local, canonical};

        r = run(e,
                "DELETE FROM aliases WHERE domain = ?1 AND local = ?2 AND ?3 IN ('', target)",
                values, 3, err);
        if (r == 0 && db_changes(e->db) == 0)
            r = err_set(err, E_NOT_FOUND, "there is no alias %.*s@%.*s%s%.*s",
                        STR_ARGS(key.local), STR_ARGS(key.domain), canonical.n ? " to " : "",
                        STR_ARGS(str_first(canonical, 64)));
    }
    arena_done(&a);
    return r;
}

int users_alias_list(struct users_edit *e,
                     void (*fn)(void *arg, struct str address, struct str target), void *arg,
                     struct err *err)
{
    struct db_stmt *s = NULL;
    int r = db_prepare(
        e->db, "SELECT local || '@' || domain, target FROM aliases ORDER BY domain, local, id",
        &s, err);

    if (r < 0)
        return r;
    while ((r = db_step(s, err)) == 1)
        fn(arg, db_str(s, 0), db_str(s, 1));
    db_finish(s);
    return r;
}
