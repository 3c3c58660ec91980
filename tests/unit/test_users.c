#include "sys/fs.h"
#include "users/names.h"
#include "users/users_edit.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static struct users_edit *e;
static struct users *u;
static struct arena a;
static struct err err;

#define GOOD(call)                         \
    do {                                   \
        err = (struct err){0};             \
        if ((call) < 0)                    \
            print_error("%s\n", err.text); \
        assert_string_equal(err.text, ""); \
    } while (0)

static struct str path_of(const char *name)
{
    return arena_printf(&a, "%s/%s", dir, name);
}

static int make(void **state)
{
    (void)state;
    arena_init(&a);
    snprintf(dir, sizeof(dir), "/tmp/posta-users-XXXXXX");
    if (!mkdtemp(dir) || fs_make_dir(AT_FDCWD, path_of("pub").p, 0750, (uid_t)FS_NO_OWNER,
                                     (gid_t)FS_NO_OWNER, &err))
        return -1;
    return users_edit_open(dir, &e, &err);
}

static int unmake(void **state)
{
    (void)state;
    users_close(u);
    u = NULL;
    users_edit_close(e);
    db_remove(path_of("users.db").p, NULL);
    unlink(path_of("users.lock").p);
    db_remove(path_of("pub/users.db").p, NULL);
    db_remove(path_of("pub/users.db.new").p, NULL);
    int r = rmdir(path_of("pub").p) | rmdir(dir);
    arena_done(&a);
    return r;
}

static void add_user(const char *address)
{
    GOOD(users_user_add(e, str_c(address), &a, NULL, &err));
}

static void add_alias(const char *address, const char *target)
{
    GOOD(users_alias_add(e, str_c(address), str_c(target), &err));
}

static void add_domain(const char *name)
{
    GOOD(users_domain_add(e, str_c(name), &err));
}

static void shown(void)
{
    GOOD(users_publish(e, &err));
    if (!u)
        u = users_open(dir, &err);
    assert_non_null(u);
    users_changed(u);
    users_refresh(u, 0);
}

/* Two domains, alice (1) and bob (2) in the first, carol (3) in the second, some aliases. */
static void settle(void)
{
    add_domain("example.test");
    add_domain("Second.Example");
    add_user("alice@example.test");
    add_user("Bob@Example.TEST");
    add_user("carol@second.example");
    add_alias("sales@example.test", "bob@example.test");
    add_alias("all@example.test", "alice@example.test");
    add_alias("all@example.test", "sales@example.test");
    add_alias("all@example.test", "BOB+lists@example.test");
    add_alias("all@example.test", "Dan@other.example");
    add_alias("gone@example.test", "nobody@second.example");
    shown();
}

static void test_find(void **state)
{
    static const struct {
        const char *address;
        enum users_kind kind;
        const char *canonical;
    } rows[] = {
        {"alice@example.test",                   USERS_MAILBOX,   "alice@example.test"  },
        {"ALICE@EXAMPLE.TEST",                   USERS_MAILBOX,   "alice@example.test"  },
        {"alice+x@example.test",                 USERS_MAILBOX,   "alice@example.test"  },
        {"alice+a+b@example.test",               USERS_MAILBOX,   "alice@example.test"  },
        {"alice+@example.test",                  USERS_MAILBOX,   "alice@example.test"  },
        {"+alice@example.test",                  USERS_UNKNOWN,   NULL                  },
        {"bob@example.test",                     USERS_MAILBOX,   "bob@example.test"    },
        {"carol@second.example",                 USERS_MAILBOX,   "carol@second.example"},
        {"carol@example.test",                   USERS_UNKNOWN,   NULL                  },
        {"sales@example.test",                   USERS_ALIAS,     NULL                  },
        {"Sales+x@example.test",                 USERS_ALIAS,     NULL                  },
        {"nobody@example.test",                  USERS_UNKNOWN,   NULL                  },
        {"alice@other.example",                  USERS_ELSEWHERE, NULL                  },
        {"alice@sub.example.test",               USERS_ELSEWHERE, NULL                  },
        {"alice@example.test.",                  USERS_ELSEWHERE, NULL                  },
        {"alice@[127.0.0.1]",                    USERS_ELSEWHERE, NULL                  },
        {"alice",                                USERS_UNKNOWN,   NULL                  },
        {"",                                     USERS_UNKNOWN,   NULL                  },
        {"postmaster",                           USERS_MAILBOX,   "alice@example.test"  },
        {"PostMaster",                           USERS_MAILBOX,   "alice@example.test"  },
        {"postmaster@example.test",              USERS_MAILBOX,   "alice@example.test"  },
        {"postmaster@second.example",            USERS_MAILBOX,   "carol@second.example"},
        {"postmaster@other.example",             USERS_ELSEWHERE, NULL                  },
 /* A02-A05, A07, A17, A19-A21: nothing in a name is decoded, split or run */
        {"${run{touch x}}@example.test",         USERS_UNKNOWN,   NULL                  },
        {"alice%other.example@example.test",     USERS_UNKNOWN,   NULL                  },
        {"other.example!alice@example.test",     USERS_UNKNOWN,   NULL                  },
        {"\"alice@other.example\"@example.test", USERS_UNKNOWN,   NULL                  },
        {"\"alice+x\"@example.test",             USERS_UNKNOWN,   NULL                  },
        {"=?utf-8?q?alice?=@example.test",       USERS_UNKNOWN,   NULL                  },
        {"../../x@example.test",                 USERS_UNKNOWN,   NULL                  },
        {"ali\xcc\x81"
         "ce@example.test",             USERS_UNKNOWN,   NULL                  },
        {"' OR 1=1--@example.test",              USERS_UNKNOWN,   NULL                  },
        {"alice+../../x@example.test",           USERS_MAILBOX,   "alice@example.test"  },
        {"alice+%2e%2e@example.test",            USERS_MAILBOX,   "alice@example.test"  },
    };

    (void)state;
    settle();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct user user = {0};
        enum users_kind kind = users_find(u, str_c(rows[i].address), &a, &user);

        if (kind != rows[i].kind)
            print_error("%s\n", rows[i].address);
        assert_int_equal(kind, rows[i].kind);
        if (rows[i].canonical)
            assert_string_equal(user.address.p, rows[i].canonical);
    }
}

static void test_user(void **state)
{
    struct user user;

    (void)state;
    settle();
    GOOD(users_quota_set(e, STR("bob@example.test"), 1 << 20, 7, &err));
    GOOD(users_user_enable(e, STR("bob@example.test"), false, &err));
    shown();
    assert_int_equal(users_find(u, STR("bob+x@example.test"), &a, &user), USERS_MAILBOX);
    assert_int_equal(user.id, 2);
    assert_true(str_eq(user.local, STR("bob")));
    assert_true(str_eq(user.domain, STR("example.test")));
    assert_true(str_eq(user.maildir, STR("mail/example.test/bob")));
    assert_int_equal(user.quota_bytes, 1 << 20);
    assert_int_equal(user.quota_letters, 7);
    assert_false(user.enabled);
    assert_true(users_is_local_domain(u, STR("Example.Test")));
    assert_false(users_is_local_domain(u, STR("other.example")));
    assert_false(users_is_local_domain(u, STR("")));
}

static void becomes(const char *address, const char *want)
{
    struct users_target *targets = NULL;
    struct str got = STR("");
    size_t n = 0;

    assert_int_equal(users_expand(u, str_c(address), &a, &targets, &n), USERS_MAILBOX);
    for (size_t i = 0; i < n; i++)
        got = arena_printf(&a, "%.*s%s%.*s%s", STR_ARGS(got), i ? " " : "",
                           STR_ARGS(targets[i].address), targets[i].local ? "" : "!");
    assert_string_equal(arena_dup(&a, got).p, want);
}

static void test_expand(void **state)
{
    struct users_target *targets;
    size_t n;

    (void)state;
    settle();
    becomes("Alice+x@example.test", "alice@example.test");
    becomes("all@example.test", "alice@example.test bob@example.test Dan@other.example!");
    becomes("gone@example.test", "nobody@second.example");
    becomes("postmaster", "alice@example.test");
    assert_int_equal(users_expand(u, STR("x@example.test"), &a, &targets, &n), USERS_UNKNOWN);
    assert_int_equal(users_expand(u, STR("x@other.example"), &a, &targets, &n),
                     USERS_ELSEWHERE);
    add_alias("postmaster@example.test", "bob@example.test");
    shown();
    becomes("postmaster", "bob@example.test");
    becomes("postmaster@second.example", "carol@second.example");
}

/* Two ways to one alias are no circle. */
static void test_diamond(void **state)
{
    (void)state;
    settle();
    add_alias("left@example.test", "sales@example.test");
    add_alias("right@example.test", "sales@example.test");
    add_alias("right@example.test", "alice@example.test");
    add_alias("both@example.test", "left@example.test");
    add_alias("both@example.test", "right@example.test");
    shown();
    becomes("both@example.test", "bob@example.test alice@example.test");
}

static void test_send_as(void **state)
{
    static const struct {
        const char *user, *address;
        bool may;
    } rows[] = {
        {"bob@example.test",   "bob@example.test",        true },
        {"bob@example.test",   "BOB+x@example.test",      true },
        {"bob@example.test",   "sales@example.test",      true },
        {"bob@example.test",   "all@example.test",        false},
        {"bob@example.test",   "alice@example.test",      false},
        {"alice@example.test", "sales@example.test",      false},
        {"bob@example.test",   "bob@other.example",       false},
        {"bob@example.test",   "nobody@example.test",     false},
        {"alice@example.test", "postmaster@example.test", true },
        {"bob@example.test",   "",                        false},
    };

    (void)state;
    settle();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(users_may_send_as(u, str_c(rows[i].user), str_c(rows[i].address)),
                         rows[i].may);
}

static void put(const char *sql)
{
    struct db *d;

    GOOD(db_open(path_of("users.db").p, DB_PLAIN, &users_schema, &d, &err));
    GOOD(db_exec(d, sql, &err));
    db_close(d);
}

/* `posta` refuses circles; what reads must survive them all the same. */
static void test_A26_circle(void **state)
{
    struct user user;
    struct users_target *targets;
    size_t n;

    (void)state;
    settle();
    put("INSERT INTO aliases (domain, local, target) VALUES ('example.test', 'a', "
        "'b@example.test'),"
        " ('example.test', 'b', 'alice@example.test'), ('example.test', 'b', 'A@example.test'),"
        " ('example.test', 'self', 'self@example.test')");
    shown();
    assert_int_equal(users_find(u, STR("a@example.test"), &a, &user), USERS_LOOP);
    assert_int_equal(users_find(u, STR("self@example.test"), &a, &user), USERS_LOOP);
    assert_int_equal(users_expand(u, STR("b@example.test"), &a, &targets, &n), USERS_LOOP);
}

static void test_alias_depth(void **state)
{
    char sql[256];
    struct user user;

    (void)state;
    settle();
    put("INSERT INTO aliases (domain, local, target) VALUES ('example.test', 'd1', "
        "'bob@example.test')");
    for (int i = 2; i <= USERS_ALIAS_DEPTH + 1; i++) {
        snprintf(sql, sizeof(sql),
                 "INSERT INTO aliases (domain, local, target) VALUES ('example.test', 'd%d', "
                 "'d%d@example.test')",
                 i, i - 1);
        put(sql);
    }
    shown();
    assert_int_equal(users_find(u, STR("d9@example.test"), &a, &user), USERS_ALIAS);
    assert_int_equal(users_find(u, STR("d10@example.test"), &a, &user), USERS_ALIAS);
    assert_int_equal(users_find(u, STR("d11@example.test"), &a, &user), USERS_LOOP);
}

static void test_alias_width(void **state)
{
    struct users_target *targets;
    size_t n = 0;

    (void)state;
    settle();
    put("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000)"
        " INSERT INTO aliases (domain, local, target) SELECT 'example.test', 'wide', 'u' || x "
        "|| '@other.example' FROM c");
    shown();
    assert_int_equal(users_expand(u, STR("wide@example.test"), &a, &targets, &n),
                     USERS_MAILBOX);
    assert_int_equal(n, USERS_ALIAS_TARGETS);
    assert_int_equal(
        users_alias_add(e, STR("wide@example.test"), STR("one@other.example"), &err), E_LIMIT);
    put("INSERT INTO aliases (domain, local, target) VALUES ('example.test', 'wide', "
        "'one@other.example')");
    shown();
    assert_int_equal(users_expand(u, STR("wide@example.test"), &a, &targets, &n), USERS_LOOP);
}

static void test_refused_changes(void **state)
{
    static const char *const bad_users[] = {
        "alice",
        "alice@",
        "@example.test",
        "a b@example.test",
        "a..b@example.test",
        ".a@example.test",
        "a+b@example.test",
        "a%b@example.test",
        "a!b@example.test",
        "a/b@example.test",
        "-rf@example.test",
        "|x@example.test",
        "\"a b\"@example.test",
        "\xc3\xbc@example.test",
        "a@example.test x",
        "$x@example.test",
        "../x@example.test",
        "",
    };
    static const char *const bad_domains[] = {
        "", ".", "a..b", "-a.b", "a_b.c", "[127.0.0.1]", "a b", "\xc3\xbc.de", "a.b."};
    struct arena *m = &a;

    (void)state;
    settle();
    for (size_t i = 0; i < sizeof(bad_users) / sizeof(bad_users[0]); i++) {
        if (users_user_add(e, str_c(bad_users[i]), m, NULL, &err) != E_SYNTAX)
            fail_msg("%s", bad_users[i]);
        assert_true(users_alias_add(e, str_c(bad_users[i]), STR("bob@example.test"), &err) ==
                    E_SYNTAX);
    }
    for (size_t i = 0; i < sizeof(bad_domains) / sizeof(bad_domains[0]); i++)
        assert_int_equal(users_domain_add(e, str_c(bad_domains[i]), &err), E_SYNTAX);
    assert_int_equal(users_user_add(e, STR("x@other.example"), m, NULL, &err), E_NOT_FOUND);
    assert_int_equal(users_user_add(e, STR("ALICE@example.test"), m, NULL, &err), E_EXISTS);
    assert_string_equal(err.text, "the user alice@example.test is there already");
    assert_int_equal(users_user_add(e, STR("sales@example.test"), m, NULL, &err), E_EXISTS);
    assert_int_equal(
        users_alias_add(e, STR("alice@example.test"), STR("bob@example.test"), &err), E_EXISTS);
    assert_int_equal(
        users_alias_add(e, STR("sales@example.test"), STR("bob@example.test"), &err), E_EXISTS);
    assert_int_equal(users_alias_add(e, STR("sales@example.test"), STR("bob"), &err), E_SYNTAX);
    assert_int_equal(
        users_alias_add(e, STR("sales@example.test"), STR("all@example.test"), &err), E_LOOP);
    assert_int_equal(users_alias_add(e, STR("x@example.test"), STR("X+y@example.test"), &err),
                     E_LOOP);
    assert_int_equal(users_domain_add(e, STR("EXAMPLE.test"), &err), E_EXISTS);
    assert_int_equal(users_domain_del(e, STR("example.test"), &err), E_DENIED);
    assert_int_equal(users_domain_del(e, STR("other.example"), &err), E_NOT_FOUND);
    assert_int_equal(users_user_del(e, STR("nobody@example.test"), &err), E_NOT_FOUND);
    assert_int_equal(users_quota_set(e, STR("nobody@example.test"), 1, 1, &err), E_NOT_FOUND);
    assert_int_equal(users_alias_del(e, STR("nobody@example.test"), STR(""), &err),
                     E_NOT_FOUND);
    assert_int_equal(
        users_alias_del(e, STR("sales@example.test"), STR("carol@second.example"), &err),
        E_NOT_FOUND);
}

static void test_numbers_never_again(void **state)
{
    struct user user;

    (void)state;
    settle();
    GOOD(users_user_del(e, STR("carol@second.example"), &err));
    GOOD(users_user_add(e, STR("carol@second.example"), &a, &user, &err));
    assert_int_equal(user.id, 4);
    shown();
    GOOD(users_user_del(e, STR("carol@second.example"), &err));
    GOOD(users_domain_del(e, STR("second.example"), &err));
    add_domain("second.example");
    GOOD(users_user_add(e, STR("carol@second.example"), &a, &user, &err));
    assert_int_equal(user.id, 5);
}

static void test_aliases_deleted(void **state)
{
    struct user user;

    (void)state;
    settle();
    GOOD(users_alias_del(e, STR("all@example.test"), STR("sales@example.test"), &err));
    GOOD(users_alias_del(e, STR("all@example.test"), STR("BOB+lists@example.test"), &err));
    GOOD(users_alias_del(e, STR("gone@example.test"), STR(""), &err));
    shown();
    becomes("all@example.test", "alice@example.test Dan@other.example!");
    assert_int_equal(users_find(u, STR("gone@example.test"), &a, &user), USERS_UNKNOWN);
    add_alias("sales@example.test", "all@example.test"); /* no circle any more */
}

static void test_batch(void **state)
{
    struct user user;

    (void)state;
    settle();
    GOOD(users_edit_begin(e, &err));
    add_user("x1@example.test");
    assert_int_equal(users_user_add(e, STR("x1@example.test"), &a, NULL, &err), E_EXISTS);
    add_user("x2@example.test");
    GOOD(users_edit_commit(e, &err));
    GOOD(users_edit_begin(e, &err));
    add_user("x3@example.test");
    users_edit_rollback(e);
    shown();
    assert_int_equal(users_find(u, STR("x2@example.test"), &a, &user), USERS_MAILBOX);
    assert_int_equal(users_find(u, STR("x3@example.test"), &a, &user), USERS_UNKNOWN);
}

static void test_snapshot_replaced_while_open(void **state)
{
    struct user user;
    uint64_t now = 5000;

    (void)state;
    settle();
    users_refresh(u, now);
    add_user("new@example.test");
    assert_int_equal(users_find(u, STR("new@example.test"), &a, &user), USERS_UNKNOWN);
    GOOD(users_publish(e, &err));
    users_refresh(u, now + 999); /* not looked at yet */
    assert_int_equal(users_find(u, STR("new@example.test"), &a, &user), USERS_UNKNOWN);
    users_refresh(u, now + 1000);
    assert_int_equal(users_find(u, STR("new@example.test"), &a, &user), USERS_MAILBOX);
    GOOD(users_user_del(e, STR("new@example.test"), &err));
    GOOD(users_publish(e, &err));
    users_changed(u);
    users_refresh(u, now + 1001);
    assert_int_equal(users_find(u, STR("new@example.test"), &a, &user), USERS_UNKNOWN);
}

/* What is remembered of an alias goes with its snapshot. */
static void test_an_alias_that_changes(void **state)
{
    struct user user;

    (void)state;
    settle();
    for (int i = 0; i < 2; i++)
        assert_int_equal(users_find(u, STR("Sales+1@example.test"), &a, &user), USERS_ALIAS);
    GOOD(users_alias_del(e, STR("all@example.test"), STR(""), &err));
    GOOD(users_alias_del(e, STR("sales@example.test"), STR(""), &err));
    shown();
    assert_int_equal(users_find(u, STR("sales@example.test"), &a, &user), USERS_UNKNOWN);
}

/* F07: the one that is open stays when the new one is missing or broken; none at all is an
 * error with words. */
static void test_F07_broken_snapshot(void **state)
{
    struct user user;
    const char *path;

    (void)state;
    settle();
    path = path_of("pub/users.db").p;
    unlink(path);
    users_changed(u);
    users_refresh(u, 1);
    assert_int_equal(users_find(u, STR("alice@example.test"), &a, &user), USERS_MAILBOX);
    int pub = fs_open_dir(path_of("pub").p, &err);
    GOOD(fs_replace(pub, "users.db", STR("this is no database, whatever its name says"), 0600,
                    &err));
    close(pub);
    users_changed(u);
    users_refresh(u, 2);
    assert_int_equal(users_find(u, STR("alice@example.test"), &a, &user), USERS_MAILBOX);
    assert_null(users_open(dir, &err));
    assert_int_equal(err.code, E_CORRUPT);
    unlink(path);
    assert_null(users_open(dir, &err));
    assert_int_equal(err.code, E_NOT_FOUND);
    shown();
    assert_int_equal(users_find(u, STR("alice@example.test"), &a, &user), USERS_MAILBOX);
}

/* What a crash in the middle of a publish leaves is in nobody's way. */
static void test_publish_after_crash(void **state)
{
    struct user user;

    (void)state;
    settle();
    int pub = fs_open_dir(path_of("pub").p, &err);
    GOOD(fs_replace(pub, "users.db.new", STR("half a copy"), 0600, &err));
    close(pub);
    add_user("new@example.test");
    shown();
    assert_int_equal(users_find(u, STR("new@example.test"), &a, &user), USERS_MAILBOX);
    assert_int_equal(access(path_of("pub/users.db.new").p, F_OK), -1);
}

static void test_nobody_at_all(void **state)
{
    struct user user;

    (void)state;
    shown();
    assert_int_equal(users_find(u, STR("postmaster"), &a, &user), USERS_UNKNOWN);
    assert_int_equal(users_find(u, STR("x@y.z"), &a, &user), USERS_ELSEWHERE);
    add_domain("example.test");
    shown();
    assert_int_equal(users_find(u, STR("postmaster@example.test"), &a, &user), USERS_UNKNOWN);
}

static void test_A21_A22_maildir(void **state)
{
    static const struct {
        const char *local, *domain, *path;
    } rows[] = {
        {"alice",       "example.test", "mail/example.test/alice"            },
        {"a.b_c-d=e",   "example.test", "mail/example.test/a.b_c-d=e"        },
        {"o'brien&co~", "example.test", "mail/example.test/o%27brien%26co%7e"},
        {"..",          "example.test", "mail/example.test/%2e."             },
        {".",           ".",            "mail/%2e/%2e"                       },
        {"../../x",     "a/b",          "mail/a%2fb/%2e.%2f..%2fx"           },
        {"A%",          "d",            "mail/d/%41%25"                      },
        {"\xc3\xbc",    "d",            "mail/d/%c3%bc"                      },
    };

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(users_maildir(&a, str_c(rows[i].local), str_c(rows[i].domain)).p,
                            rows[i].path);
    arena_done(&a);
}

struct listing {
    char text[1024];
    size_t n;
};

static void list_domain(void *arg, struct str name, uint64_t users)
{
    struct listing *l = arg;

    l->n += (size_t)snprintf(l->text + l->n, sizeof(l->text) - l->n, "%.*s:%d ", STR_ARGS(name),
                             (int)users);
}

static void list_user(void *arg, const struct user *user)
{
    list_domain(arg, user->address, (uint64_t)user->id);
}

static void list_alias(void *arg, struct str address, struct str target)
{
    struct listing *l = arg;

    l->n += (size_t)snprintf(l->text + l->n, sizeof(l->text) - l->n, "%.*s>%.*s ",
                             STR_ARGS(address), STR_ARGS(target));
}

static void test_lists(void **state)
{
    struct listing l = {.n = 0};

    (void)state;
    settle();
    GOOD(users_domain_list(e, list_domain, &l, &err));
    assert_string_equal(l.text, "example.test:2 second.example:1 ");
    l.n = 0;
    GOOD(users_user_list(e, list_user, &l, &err));
    assert_string_equal(l.text,
                        "alice@example.test:1 bob@example.test:2 carol@second.example:3 ");
    l.n = 0;
    GOOD(users_alias_list(e, list_alias, &l, &err));
    assert_string_equal(
        l.text, "all@example.test>alice@example.test all@example.test>sales@example.test "
                "all@example.test>BOB+lists@example.test all@example.test>Dan@other.example "
                "gone@example.test>nobody@second.example sales@example.test>bob@example.test ");
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_find),
        WITH(test_user),
        WITH(test_expand),
        WITH(test_diamond),
        WITH(test_send_as),
        WITH(test_A26_circle),
        WITH(test_alias_depth),
        WITH(test_alias_width),
        WITH(test_refused_changes),
        WITH(test_numbers_never_again),
        WITH(test_aliases_deleted),
        WITH(test_batch),
        WITH(test_snapshot_replaced_while_open),
        WITH(test_an_alias_that_changes),
        WITH(test_F07_broken_snapshot),
        WITH(test_publish_after_crash),
        WITH(test_nobody_at_all),
        WITH(test_lists),
        cmocka_unit_test(test_A21_A22_maildir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
