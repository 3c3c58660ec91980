#include "base/defer.h"
#include "db/db.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static char path[128];

static const char *const one[] = {
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, b BLOB) STRICT"};
static const char *const two[] = {
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, b BLOB) STRICT",
    "ALTER TABLE t ADD COLUMN more TEXT"};
static const char *const broken[] = {
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, b BLOB) STRICT",
    "CREATE TABLE u (x); INSERT INTO missing VALUES (1)"};
static const struct db_schema v1 = {1, one}, v2 = {2, two}, v2_broken = {2, broken};

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/posta-db-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/a b?.db", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    db_remove(path, NULL);
    return rmdir(dir);
}

static struct db *opened(enum db_mode mode, const struct db_schema *schema)
{
    struct db *d = NULL;
    struct err err = {0};
    int r = db_open(path, mode, schema, &d, &err);

    if (r < 0)
        print_error("%s\n", err.text);
    assert_int_equal(r, 0);
    return d;
}

static void not_opened(enum db_mode mode, const struct db_schema *schema, int code)
{
    struct db *d = NULL;
    struct err err = {0};

    assert_int_equal(db_open(path, mode, schema, &d, &err), code);
    assert_int_equal(err.code, code);
    assert_null(d);
}

static struct db_stmt *prepared(struct db *d, const char *sql)
{
    struct db_stmt *s = NULL;

    assert_int_equal(db_prepare(d, sql, &s, NULL), 0);
    return s;
}

static void add(struct db *d, const char *name)
{
    struct db_stmt *s = prepared(d, "INSERT INTO t (name) VALUES (?)");

    db_bind_str(s, 1, str_c(name));
    assert_int_equal(db_run(s, NULL), 0);
}

static int64_t count(struct db *d)
{
    struct db_stmt *s = prepared(d, "SELECT count(*) FROM t");

    assert_int_equal(db_step(s, NULL), 1);
    int64_t n = db_int(s, 0);
    db_reset(s);
    return n;
}

static void test_statements(void **state)
{
    struct db *d = opened(DB_DURABLE, &v1);
    struct db_stmt *in = prepared(d, "INSERT INTO t (name, b) VALUES (?, ?)");
    struct db_stmt *all = prepared(d, "SELECT id, name, b FROM t ORDER BY id");
    struct err err;

    (void)state;
    db_bind_str(in, 1, STR("one"));
    db_bind_blob(in, 2, (struct str){"\0\1", 2});
    assert_int_equal(db_run(in, NULL), 0);
    assert_int_equal(db_last_id(d), 1);
    assert_int_equal(db_changes(d), 1);
    db_bind_str(in, 1, (struct str){NULL, 0});
    assert_int_equal(db_run(in, NULL), 0);
    db_bind_str(in, 1, STR("one"));
    assert_int_equal(db_run(in, &err), E_EXISTS);

    assert_int_equal(db_step(all, NULL), 1);
    assert_int_equal(db_int(all, 0), 1);
    assert_true(str_eq(db_str(all, 1), STR("one")));
    assert_true(str_eq(db_str(all, 2), (struct str){"\0\1", 2}));
    assert_int_equal(db_step(all, NULL), 1);
    assert_false(db_is_null(all, 1)); /* empty, not NULL */
    assert_int_equal(db_str(all, 1).n, 0);
    assert_true(db_is_null(all, 2)); /* bindings do not outlive a run */
    assert_int_equal(db_step(all, NULL), 0);
    assert_int_equal(db_step(all, NULL), 1); /* it has reset itself */
    assert_int_equal(db_check(d, NULL), 0);
    db_close(d);
}

static void test_transactions(void **state)
{
    struct db *d = opened(DB_DURABLE_ALONE, &v1);

    (void)state;
    assert_int_equal(db_begin(d, NULL), 0);
    add(d, "kept");
    assert_int_equal(db_commit(d, NULL), 0);
    assert_int_equal(db_begin(d, NULL), 0);
    add(d, "lost");
    db_rollback(d);
    db_rollback(d);
    assert_int_equal(count(d), 1);
    db_close(d);
    d = opened(DB_DURABLE_ALONE, &v1);
    assert_int_equal(count(d), 1);
    db_close(d);
}

static void test_private(void **state)
{
    struct stat st;

    (void)state;
    db_close(opened(DB_PLAIN, &v1));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_migrations(void **state)
{
    struct db *d = opened(DB_PLAIN, &v1);

    (void)state;
    add(d, "old");
    db_close(d);
    not_opened(DB_PLAIN, &v2_broken, E_CORRUPT);
    d = opened(DB_PLAIN, &v1); /* nothing of the failed migration is there */
    assert_int_equal(db_exec(d, "SELECT * FROM u", NULL), E_CORRUPT);
    db_close(d);
    not_opened(DB_SNAPSHOT, &v2, E_VERSION);
    d = opened(DB_PLAIN, &v2);
    assert_int_equal(count(d), 1);
    assert_int_equal(db_exec(d, "SELECT more FROM t", NULL), 0);
    db_close(d);
    not_opened(DB_PLAIN, &v1, E_VERSION);
    not_opened(DB_SNAPSHOT, &v1, E_VERSION);
}

static void test_snapshot(void **state)
{
    char copy[160];
    struct db *d = opened(DB_PLAIN, &v1), *snapshot;

    (void)state;
    add(d, "a");
    snprintf(copy, sizeof(copy), "%s/copy.db", dir);
    assert_int_equal(db_copy(d, copy, NULL), 0);
    add(d, "b");
    assert_int_equal(db_open(copy, DB_SNAPSHOT, &v1, &snapshot, NULL), 0);
    assert_int_equal(count(snapshot), 1);
    assert_true(db_exec(snapshot, "DELETE FROM t", NULL) < 0);
    db_close(snapshot);
    db_close(d);
    unlink(copy);
    assert_int_equal(db_open(copy, DB_SNAPSHOT, &v1, &snapshot, NULL), E_NOT_FOUND);
}

static void test_F07_wrong_schema(void **state)
{
    static const char *const other[] = {"CREATE TABLE other (x)"};
    const struct db_schema as_other = {1, other};
    struct db *d = opened(DB_PLAIN, &as_other);

    (void)state;
    assert_int_equal(db_exec(d, "SELECT name FROM t", NULL), E_CORRUPT);
    assert_int_equal(db_exec(d, "PRAGMA user_version = 0", NULL), 0);
    db_close(d);
    not_opened(DB_PLAIN, &v1, E_CORRUPT); /* tables and no version: not ours */
}

static void test_F07_locked(void **state)
{
    struct db *a = opened(DB_PLAIN, &v1), *b = opened(DB_PLAIN, &v1);

    (void)state;
    db_exec(b, "PRAGMA busy_timeout = 0", NULL);
    assert_int_equal(db_begin(a, NULL), 0);
    assert_int_equal(db_begin(b, NULL), E_BUSY);
    db_rollback(a);
    assert_int_equal(db_begin(b, NULL), 0);
    db_rollback(b);
    db_close(a);
    db_close(b);
}

static void fill(void)
{
    struct db *d = opened(DB_PLAIN, &v1);
    char name[32];

    db_begin(d, NULL);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "name number %d", i);
        add(d, name);
    }
    db_commit(d, NULL);
    db_close(d);
}

/* Opens what is there and reads all of it; anything but a crash is right. */
static int read_through(enum db_mode mode)
{
    struct db *d = NULL;
    struct db_stmt *s;
    int r = db_open(path, mode, &v1, &d, NULL);

    if (r < 0)
        return r;
    r = db_prepare(d, "SELECT id, name FROM t WHERE name >= ? ORDER BY name", &s, NULL);
    if (r == 0) {
        db_bind_str(s, 1, STR("name"));
        while ((r = db_step(s, NULL)) == 1)
            assert_true(db_str(s, 1).n < 1 << 20);
    }
    db_close(d);
    return r;
}

static void test_F07_truncated(void **state)
{
    struct stat st;

    (void)state;
    fill();
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(read_through(DB_SNAPSHOT), 0);
    /* within a page SQLite reads zeros for what is missing: no error, but no crash either */
    for (off_t n = st.st_size - 1; n > 0; n = n * 3 / 4) {
        assert_int_equal(truncate(path, n), 0);
        read_through(DB_SNAPSHOT);
        assert_int_equal(truncate(path, n / 4096 * 4096), 0);
        assert_true(read_through(DB_SNAPSHOT) < 0);
    }
}

static void test_F07_bit_flips(void **state)
{
    struct stat st;
    int bad = 0;

    (void)state;
    fill();
    DEFER(close_fd) int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    for (off_t at = 0; at < st.st_size; at += at < 200 ? 1 : 97) {
        unsigned char was, is;

        assert_int_equal(pread(fd, &was, 1, at), 1);
        is = (unsigned char)(was ^ 0xa5);
        assert_int_equal(pwrite(fd, &is, 1, at), 1);
        bad += read_through(DB_SNAPSHOT) < 0;
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    assert_true(bad > 50);
    assert_int_equal(read_through(DB_SNAPSHOT), 0);
}

static void test_F07_not_a_database(void **state)
{
    FILE *f = fopen(path, "w");

    (void)state;
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        fputs("this is a letter\n", f);
    fclose(f);
    not_opened(DB_PLAIN, &v1, E_CORRUPT);
    not_opened(DB_SNAPSHOT, &v1, E_CORRUPT);
    not_opened(DB_CACHE, &v1, E_CORRUPT);
    assert_int_equal(db_remove(path, NULL), 0);
    db_close(opened(DB_CACHE, &v1));
}

/* X06: a full disk refuses the change and leaves what was there. */
static void test_X06_full_disk(void **state)
{
    struct rlimit was, small;
    struct db *d;
    int r = 0;

    (void)state;
    fill();
    d = opened(DB_DURABLE, &v1);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small = (struct rlimit){64 * 1024, was.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < 1000 && r == 0; i++)
        r = db_exec(d, "INSERT INTO t (b) VALUES (zeroblob(1000))", NULL);
    setrlimit(RLIMIT_FSIZE, &was);
    assert_true(r == E_NO_SPACE || r == E_UNAVAILABLE); /* SQLite has FULL for ENOSPC alone */
    assert_true(count(d) >= 300);
    assert_int_equal(db_check(d, NULL), 0);
    db_close(d);
}

static void test_F07_read_only(void **state)
{
    (void)state;
    if (geteuid() == 0)
        skip(); /* root may write everywhere */
    db_close(opened(DB_PLAIN, &v1));
    chmod(path, 0400);
    struct db *d = opened(DB_PLAIN, &v1);
    assert_int_equal(db_exec(d, "INSERT INTO t (name) VALUES ('x')", NULL), E_UNAVAILABLE);
    db_close(d);
    db_remove(path, NULL);
    chmod(dir, 0500);
    not_opened(DB_PLAIN, &v1, E_UNAVAILABLE);
    chmod(dir, 0700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_statements, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_transactions, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_private, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_migrations, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_snapshot, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_F07_wrong_schema, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_F07_locked, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_F07_truncated, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_F07_bit_flips, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_F07_not_a_database, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_X06_full_disk, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_F07_read_only, make_dir, remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
