/* A login between a session, an authd that the test plays by hand, and the users' snapshot. */
#include "access/login.h"
#include "net/io.h"
#include "sys/fs.h"
#include "users/users_edit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { HEARD_BYTES = 65536 };

static char dir[64];
static struct loop *loop;
static struct access all;
static struct access_login in;
static struct config config;
static struct program program;
static struct conn *conn;
static int listener = -1, authd = -1, peer = -1;
static char heard[HEARD_BYTES]; /* what authd has heard */
static size_t heard_n;
static struct err err;

/* What the session was answered. */
static unsigned answers, turns;
static enum login_outcome outcome;
static char words[100];

static void answered(void *arg, const struct login_answer *a)
{
    assert_ptr_equal(arg, &in);
    assert_false(in.waiting);
    answers++;
    outcome = a->outcome;
    if (a->outcome == LOGIN_CHALLENGE)
        snprintf(words, sizeof(words), "%.*s", STR_ARGS(a->challenge));
    if (a->outcome == LOGIN_IN)
        snprintf(words, sizeof(words), "%.*s in %.*s", STR_ARGS(a->user->address),
                 STR_ARGS(a->user->maildir));
}

/* ---- a connection whose session does nothing ---- */

static void feed(void *session, struct str text)
{
    (void)session;
    (void)text;
}

static enum turn turn(void *session, struct conn *c)
{
    (void)session;
    (void)c;
    turns++;
    return in.waiting ? TURN_BUSY : TURN_READ;
}

static struct str output(const void *session)
{
    (void)session;
    return STR("");
}

static void sent(void *session, size_t n)
{
    (void)session;
    (void)n;
}

static void freed(void *session)
{
    (void)session;
}

static const struct conn_protocol protocol = {
    .feed = feed, .turn = turn, .output = output, .sent = sent, .free = freed};

static void *make(void *arg, struct conn *c)
{
    access_login_init(&in, &all, c, answered, &in);
    return arg;
}

static void connect_peer(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(sa);
    int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(door, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(listen(door, 1), 0);
    assert_int_equal(getsockname(door, (struct sockaddr *)&sa, &n), 0);
    peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(peer, (struct sockaddr *)&sa, n), 0);
    conn = conn_new(loop, accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC),
                    &(struct conn_options){.protocol = &protocol}, make, &in);
    close(door);
}

/* ---- the house ---- */

static void path(char out[100], const char *name)
{
    snprintf(out, 100, "%s/%s", dir, name);
}

static void make_users(void)
{
    struct users_edit *e;
    struct arena a;
    char pub[100];

    arena_init(&a);
    path(pub, "pub");
    assert_int_equal(
        fs_make_dir(AT_FDCWD, pub, 0750, (uid_t)FS_NO_OWNER, (gid_t)FS_NO_OWNER, &err), 0);
    assert_int_equal(users_edit_open(dir, &e, &err), 0);
    assert_int_equal(users_domain_add(e, STR("example.test"), &err), 0);
    assert_int_equal(users_user_add(e, STR("alice@example.test"), &a, NULL, &err), 0);
    assert_int_equal(users_publish(e, &err), 0);
    users_edit_close(e);
    arena_done(&a);
}

static void open_authd(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/auth.sock", dir);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(listen(listener, 5), 0);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test_access.XXXXXX");
    assert_non_null(mkdtemp(dir));
    heard_n = answers = turns = 0;
    make_users();
    open_authd();
    loop = loop_new();
    config = (struct config){
        .state_dir = dir,
        .run_dir = dir,
        .limits = {.auth_failures_per_minute = 2, .auth_delay_ms_max = 5}
    };
    program =
        (struct program){.loop = loop, .config = &config, .shared = shared_open(-1, 0, &err)};
    assert_int_equal(access_open(&all, &program, STR("imap"), &err), 0);
    connect_peer();
    return 0;
}

static int tear_down(void **state)
{
    static const char *const files[] = {"auth.sock",       "users.db",   "users.db-wal",
                                        "users.db-shm",    "users.lock", "pub/users.db",
                                        "pub/users.db.new"};
    char name[100];

    (void)state;
    access_login_done(&in);
    conn_free_all(loop);
    access_close(&all);
    shared_close(program.shared);
    loop_free(loop);
    close(peer);
    close(listener);
    if (authd >= 0)
        close(authd);
    authd = -1;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        path(name, files[i]);
        unlink(name);
    }
    path(name, "pub");
    return rmdir(name) | rmdir(dir);
}

static void listen_once(void)
{
    if (authd < 0)
        authd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ssize_t r = authd < 0 ? -1 : recv(authd, heard + heard_n, sizeof(heard) - heard_n, 0);
    if (r > 0)
        heard_n += (size_t)r;
}

/* Turns the loop until authd has heard `text` at the end. */
static void hear(const char *text)
{
    size_t n = strlen(text);

    for (listen_once(); heard_n < n || memcmp(heard + heard_n - n, text, n) != 0; listen_once())
        loop_turn(loop);
}

static void say(const char *text)
{
    assert_int_equal(send(authd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void until_answered(unsigned n)
{
    while (answers < n)
        loop_turn(loop);
}

static void begin(void)
{
    static const struct login_step first = {.mechanism = STR_LIT("PLAIN"),
                                            .response = STR_LIT("secret"),
                                            .has_response = true,
                                            .first = true};

    assert_true(access_login_step(&in, &first));
    assert_true(in.waiting);
}

/* ---- the tests ---- */

static void test_a_right_password(void **state)
{
    (void)state;
    begin();
    hear("AUTH\t1\timap\tPLAIN\t127.0.0.1\t-\t-\tclear\tc2VjcmV0\n");
    say("OK\t1\talice@example.test\n");
    until_answered(1);
    assert_int_equal(outcome, LOGIN_IN);
    assert_string_equal(words, "alice@example.test in mail/example.test/alice");
}

static void test_challenges(void **state)
{
    (void)state;
    begin();
    hear("c2VjcmV0\n");
    say("CONT\t1\taGVsbG8=\n");
    until_answered(1);
    assert_int_equal(outcome, LOGIN_CHALLENGE);
    assert_string_equal(words, "hello");
    assert_true(access_login_step(&in, &(struct login_step){.response = STR("world")}));
    hear("CONT\t1\td29ybGQ=\n");
    say("FAIL\t1\ttemp\tlater\n");
    until_answered(2);
    assert_int_equal(outcome, LOGIN_TEMP);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *line;
        enum login_outcome want;
    } rows[] = {
        {"FAIL\t%u\tbad\tno\n",           LOGIN_BAD     },
        {"FAIL\t%u\tdisabled\tclosed\n",  LOGIN_DISABLED},
        {"FAIL\t%u\ttemp\taway\n",        LOGIN_TEMP    },
        {"OK\t%u\tnobody@example.test\n", LOGIN_BAD     }, /* a password without a mailbox */
        {"OK\t%u\tsomebody@else.where\n", LOGIN_BAD     },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[100];
        unsigned number = 0;

        begin();
        hear("c2VjcmV0\n");
        heard[heard_n] = '\0';
        for (char *at = heard; (at = strstr(at, "AUTH\t")); at++)
            number = (unsigned)strtoul(at + 5, NULL, 10);
        heard_n = 0;
        snprintf(line, sizeof(line), rows[i].line, number); // NOLINT
        say(line);
        until_answered(i + 1);
        assert_int_equal(outcome, rows[i].want);
    }
}

/* The third of a minute waits; it is answered all the same, and the session is woken. */
static void test_u07_a_wrong_password_waits(void **state)
{
    (void)state;
    shared_failure(all.shared, "127.0.0.1", loop_now_ms(loop));
    shared_failure(all.shared, "127.0.0.1", loop_now_ms(loop));
    begin();
    hear("c2VjcmV0\n");
    say("FAIL\t1\tbad\tno\n");
    while (!in.delay)
        loop_turn(loop);
    assert_true(in.waiting);
    assert_int_equal(answers, 0);
    unsigned before = turns;
    until_answered(1);
    assert_int_equal(outcome, LOGIN_BAD);
    while (turns == before)
        loop_turn(loop);
}

static void test_cancelled(void **state)
{
    (void)state;
    begin();
    hear("c2VjcmV0\n");
    assert_false(access_login_step(&in, &(struct login_step){.cancelled = true}));
    assert_false(in.waiting);
    hear("CANCEL\t1\n");
    assert_int_equal(answers, 0);
}

static void test_delays(void **state)
{
    static const struct {
        uint32_t failures, free, max;
        uint64_t want;
    } rows[] = {
        {0,          3, 10000, 0    },
        {3,          3, 10000, 0    },
        {4,          3, 10000, 250  },
        {5,          3, 10000, 500  },
        {9,          3, 10000, 8000 },
        {10,         3, 10000, 10000},
        {UINT32_MAX, 3, 10000, 10000},
        {4,          3, 100,   100  },
        {4,          3, 0,     0    },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(access_login_delay(rows[i].failures, rows[i].free, rows[i].max),
                         rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_right_password, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_challenges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_u07_a_wrong_password_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancelled, set_up, tear_down),
        cmocka_unit_test(test_delays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
