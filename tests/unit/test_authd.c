/* authd whole, over a socket pair as another box would speak to it; and its parts: accounts,
 * the memory of right passwords, the lines. */
#include "authd/accounts.h"
#include "authd/clients.h"
#include "authd/memory.h"
#include "authd/session.h"
#include "net/io.h"
#include "sasl/exchange.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_BYTES = 8192 };

static char dir[64];
static struct loop *loop;
static struct clients *clients;
static int box = -1; /* our end */
static char answer[ANSWER_BYTES];

static void make_dir(void)
{
    snprintf(dir, sizeof(dir), "/tmp/test_authd.XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static void remove_dir(void)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)))
        unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    rmdir(dir);
}

static void connect_as(uid_t owner)
{
    struct err err;
    int fd[2];

    loop = loop_new();
    assert_int_equal(clients_open(&(struct clients_options){.loop = loop,
                                                            .dir = dir,
                                                            .owner = owner,
                                                            .clear_allowed = true,
                                                            .hash_threads = 1},
                                  &clients, &err),
                     0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd), 0);
    conn_new(loop, fd[0], &(struct conn_options){.protocol = clients_protocol()}, clients_make,
             clients);
    box = fd[1];
}

static int set_up(void **state)
{
    (void)state;
    make_dir();
    connect_as(geteuid());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(box);
    clients_close(clients);
    loop_free(loop);
    remove_dir();
    return 0;
}

/* Without turning: some lines together make one write. */
static void say(const char *words)
{
    assert_int_equal(send(box, words, strlen(words), MSG_NOSIGNAL), (ssize_t)strlen(words));
}

/* The next line that authd says, without its end; "" when it has closed. */
static const char *hear(void)
{
    size_t n = 0;

    for (;;) {
        ssize_t r = recv(box, answer + n, 1, 0);

        if (r == 0)
            return "";
        if (r < 0) {
            loop_turn(loop);
        } else if (answer[n++] == '\n') {
            answer[n - 1] = '\0';
            return answer;
        }
    }
}

static void ask(const char *words, const char *want)
{
    say(words);
    assert_string_equal(hear(), want);
}

/* "a@example.test", "secret" */
#define SET_A "PASSWD\t1\tYUBleGFtcGxlLnRlc3Q=\tc2VjcmV0\n"
/* PLAIN: NUL a@example.test NUL secret; … NUL secreX; … of b@example.test */
#define PLAIN_A        "AGFAZXhhbXBsZS50ZXN0AHNlY3JldA=="
#define PLAIN_A_WRONG  "AGFAZXhhbXBsZS50ZXN0AHNlY3JlWA=="
#define PLAIN_B        "AGJAZXhhbXBsZS50ZXN0AHNlY3JldA=="
#define AUTH(n, plain) "AUTH\t" n "\tsmtp\tPLAIN\t127.0.0.1\t-\t-\ttls\t" plain "\n"
#define NO(n)          "FAIL\t" n "\tbad\tname or password is wrong"

static void test_plain(void **state)
{
    (void)state;
    ask(SET_A, "OK\t1\ta@example.test");
    ask(AUTH("2", PLAIN_A), "OK\t2\ta@example.test");
    ask(AUTH("3", PLAIN_A_WRONG), NO("3"));
    ask(AUTH("4", PLAIN_B), NO("4"));
    ask(AUTH("5", PLAIN_A), "OK\t5\ta@example.test");
    ask("STATUS\t6\n", "OK\t6\tusers=1 open=0 remembered=1 good=3 bad=2 temp=0");
}

static void test_login(void **state)
{
    (void)state;
    ask(SET_A, "OK\t1\ta@example.test");
    for (int i = 0; i < 2; i++) { /* hashed, then remembered */
        ask("AUTH\t7\tsmtp\tLOGIN\t-\t-\t-\tclear\t-\n", "CONT\t7\tVXNlcm5hbWU6");
        ask("CONT\t7\tYUBleGFtcGxlLnRlc3Q=\n", "CONT\t7\tUGFzc3dvcmQ6");
        ask("CONT\t7\tc2VjcmV0\n", "OK\t7\ta@example.test");
    }
    ask("AUTH\t7\tsmtp\tLOGIN\t-\t-\t-\tclear\tYUBleGFtcGxlLnRlc3Q=\n",
        "CONT\t7\tUGFzc3dvcmQ6");
    ask("CONT\t7\tc2VjcmV0IQ==\n", NO("7"));
}

/* Answers to exchanges that run at once: what is remembered does not wait for what is hashed.
 */
static void test_many_at_once(void **state)
{
    (void)state;
    ask(SET_A, "OK\t1\ta@example.test");
    ask(AUTH("2", PLAIN_A), "OK\t2\ta@example.test");
    say(AUTH("3", PLAIN_A_WRONG) AUTH("4", PLAIN_A) AUTH("5", PLAIN_B));
    assert_string_equal(hear(), "OK\t4\ta@example.test");
    assert_string_equal(hear(), NO("3"));
    assert_string_equal(hear(), NO("5"));
}

/* A change ends what was remembered, also while a hash is on its way. */
static void test_changes_count_at_once(void **state)
{
    (void)state;
    ask(SET_A, "OK\t1\ta@example.test");
    ask(AUTH("2", PLAIN_A), "OK\t2\ta@example.test");
    ask("PASSWD\t3\tYUBleGFtcGxlLnRlc3Q=\tb3RoZXI=\n", "OK\t3\ta@example.test");
    ask(AUTH("4", PLAIN_A), NO("4"));
    ask(SET_A, "OK\t1\ta@example.test");
    ask(AUTH("5", PLAIN_A), "OK\t5\ta@example.test");
    ask("REMOVE\t6\tQUBFWEFNUExFLnRlc3Q=\n", "OK\t6\ta@example.test");
    ask(AUTH("7", PLAIN_A), NO("7"));
    ask("REMOVE\t8\tYUBleGFtcGxlLnRlc3Q=\n", "OK\t8\ta@example.test");
}

static void test_u13_acting_for_another(void **state)
{
    (void)state;
    ask(SET_A, "OK\t1\ta@example.test");
    /* b NUL a@example.test NUL secret */
    ask(AUTH("2", "YgBhQGV4YW1wbGUudGVzdABzZWNyZXQ="), NO("2"));
}

static void test_u14_u17_changes_that_are_none(void **state)
{
    char line[2048];
    char password[1400];

    (void)state;
    memset(password, 'A', sizeof(password)); /* base64 of 1,050 octets */
    snprintf(line, sizeof(line), "PASSWD\t1\tYQ==\t%.*s\n", 1400, password);
    ask(line, "FAIL\t1\tbad\tthe password is longer than 1024 octets");
    ask("PASSWD\t2\tYQ==\t=\n", "FAIL\t2\tbad\tan empty password");
    ask("PASSWD\t3\tYQ==\tYQBi\n", "FAIL\t3\tbad\tNUL in a password");
    ask("PASSWD\t4\tYQpi\tYQ==\n", "FAIL\t4\tbad\tthat is no name of a user");
    ask("REMOVE\t5\t=\n", "FAIL\t5\tbad\tthat is no name of a user");
    /* ' OR 1=1-- : a name like any other, and of nobody */
    ask(AUTH("6", "ACdPUjE9MS0tAHg="), NO("6"));
}

static void test_cancel(void **state)
{
    (void)state;
    ask("AUTH\t7\tsmtp\tLOGIN\t-\t-\t-\tclear\t-\n", "CONT\t7\tVXNlcm5hbWU6");
    say("CANCEL\t7\nCANCEL\t7\n");
    ask("AUTH\t7\tsmtp\tLOGIN\t-\t-\t-\tclear\t-\n", "CONT\t7\tVXNlcm5hbWU6");
    /* while it is hashed */
    say(AUTH("8", PLAIN_B) "CANCEL\t8\n" AUTH("9", PLAIN_B));
    assert_string_equal(hear(), NO("9"));
}

/* What a connection left open is dropped with it (U04). */
static void test_u04_disconnect(void **state)
{
    (void)state;
    ask("AUTH\t7\tsmtp\tLOGIN\t-\t-\t-\tclear\t-\n", "CONT\t7\tVXNlcm5hbWU6");
    say(AUTH("8", PLAIN_B));
    loop_turn(loop);
    shutdown(box, SHUT_RDWR);
    while (clients_busy(clients))
        loop_turn(loop);
}

static void test_out_of_turn(void **state)
{
    static const char *const lines[] = {
        "HELLO\n",
        "CONT\t1\tYQ==\n",
        AUTH("1", "-") AUTH("1", "-"),
        AUTH("1", PLAIN_B) "CONT\t1\tYQ==\n",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        say(lines[i]);
        while (hear()[0])
            continue;
        tear_down(state);
        set_up(state);
    }
}

/* The rights of the owner of the state directory are not those of every box. */
static void test_rights(void **state)
{
    char want[80];

    (void)state;
    if (geteuid() == 0)
        return;
    close(box);
    clients_close(clients);
    loop_free(loop);
    connect_as(geteuid() + 1);
    snprintf(want, sizeof(want), "FAIL\t1\tbad\tuid %u may not ask for this",
             (unsigned)geteuid());
    ask(SET_A, want);
    ask(AUTH("2", PLAIN_A), NO("2"));
}

static void test_accounts(void **state)
{
    struct accounts *reader, *writer;
    struct account a;
    struct buf scram;
    uint64_t n;

    (void)state;
    make_dir();
    assert_int_equal(accounts_open(dir, &reader, NULL), 0);
    assert_int_equal(accounts_open(dir, &writer, NULL), 0);
    assert_int_equal(accounts_find(reader, STR("a"), &a, NULL), E_NOT_FOUND);
    assert_int_equal(accounts_set(writer, STR("a"), STR("$y$1"), STR("SCRAM-1"), 5, NULL), 0);
    assert_int_equal(accounts_find(reader, STR("a"), &a, NULL), 0);
    assert_string_equal(a.hash, "$y$1");
    assert_true(a.enabled);
    assert_int_equal(accounts_set(writer, STR("a"), STR("$y$2"), STR("SCRAM-2"), 6, NULL), 0);
    assert_int_equal(accounts_find(reader, STR("a"), &a, NULL), 0);
    assert_string_equal(a.hash, "$y$2");
    buf_init(&scram, ACCOUNT_SCRAM_BYTES);
    assert_int_equal(accounts_scram(reader, STR("a"), &scram, NULL), 0);
    assert_true(str_eq(buf_str(&scram), STR("SCRAM-2")));
    buf_done(&scram);
    /* a transaction that is given up leaves nothing */
    assert_int_equal(accounts_begin(writer, NULL), 0);
    assert_int_equal(accounts_remove(writer, STR("a"), NULL), 0);
    assert_int_equal(accounts_set(writer, STR("b"), STR("$y$3"), STR(""), 7, NULL), 0);
    accounts_rollback(writer);
    assert_int_equal(accounts_count(reader, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(accounts_find(reader, STR("a"), &a, NULL), 0);
    accounts_close(writer);
    accounts_close(reader);
    remove_dir();
}

static struct memory_mark marked(struct memory *m, const char *user, const char *hash,
                                 const char *service, const char *password)
{
    struct memory_mark mark;

    memory_mark(m, str_c(user), str_c(hash), str_c(service), str_c(password), &mark);
    return mark;
}

/* U16: each part counts, and where one ends and the next begins. */
static void test_u16_memory(void **state)
{
    static const unsigned char key[MEMORY_MARK_BYTES] = {1};
    static const char *const others[][4] = {
        {"b",  "$y$1",  "smtp",  "secret"},
        {"a",  "$y$2",  "smtp",  "secret"},
        {"a",  "$y$1",  "imap",  "secret"},
        {"a",  "$y$1",  "smtp",  "secreT"},
        {"a$", "y$1",   "smtp",  "secret"},
        {"a",  "$y$1s", "mtp",   "secret"},
        {"a",  "$y$1",  "smtps", "ecret" },
    };
    struct memory *m = memory_new(key, 10);
    struct memory_mark mark = marked(m, "a", "$y$1", "smtp", "secret");

    (void)state;
    assert_false(memory_has(m, &mark));
    memory_add(m, &mark);
    memory_add(m, &mark);
    assert_int_equal(memory_count(m), 1);
    assert_true(memory_has(m, &mark));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        mark = marked(m, others[i][0], others[i][1], others[i][2], others[i][3]);
        assert_false(memory_has(m, &mark));
    }
    memory_free(m);
}

static void test_memory_is_bounded(void **state)
{
    enum { MAX = 4 };
    static const unsigned char key[MEMORY_MARK_BYTES] = {2};
    struct memory *m = memory_new(key, MAX);
    struct memory_mark first = marked(m, "0", "", "", ""), mark;
    char user[8];

    (void)state;
    memory_add(m, &first);
    for (int i = 1; i < 20; i++) {
        snprintf(user, sizeof(user), "%d", i);
        mark = marked(m, user, "", "", "");
        memory_add(m, &mark);
        assert_true(memory_has(m, &first)); /* used again and again: it stays */
    }
    assert_int_equal(memory_count(m), MAX);
    assert_true(memory_has(m, &mark));
    mark = marked(m, "15", "", "", "");
    assert_false(memory_has(m, &mark));
    memory_free(m);
}

/* -1, 0, +1 */
static void test_session_limits(void **state)
{
    static char line[AUTH_LINE_BYTES + 1];
    const struct auth_request *r;

    (void)state;
    memset(line, 'A', sizeof(line));
    for (size_t n = AUTH_LINE_BYTES - 1; n <= AUTH_LINE_BYTES + 1; n++) {
        struct authd_session *s = authd_new();

        authd_feed(s, (struct str){line, n});
        assert_int_equal(authd_next(s, &r),
                         n <= AUTH_LINE_BYTES ? AUTHD_WANT_INPUT : AUTHD_WANT_CLOSE);
        authd_free(s);
    }
}

/* How the bytes are cut does not matter. */
static void test_session_cuts(void **state)
{
    static const struct str lines = STR_LIT("STATUS\t1\nCANCEL\t2\nSTATUS\t3\n");
    const struct auth_request *r;

    (void)state;
    for (size_t step = 1; step <= lines.n; step++) {
        struct authd_session *s = authd_new();
        uint32_t seen = 0;

        for (size_t at = 0; at < lines.n; at += step) {
            authd_feed(s, str_first(str_skip(lines, at), step));
            while (authd_next(s, &r) == AUTHD_WANT_REQUEST)
                assert_int_equal(r->exchange, ++seen);
        }
        assert_int_equal(seen, 3);
        authd_free(s);
    }
}

#define WHOLE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE(test_plain),
        WHOLE(test_login),
        WHOLE(test_many_at_once),
        WHOLE(test_changes_count_at_once),
        WHOLE(test_u13_acting_for_another),
        WHOLE(test_u14_u17_changes_that_are_none),
        WHOLE(test_cancel),
        WHOLE(test_u04_disconnect),
        WHOLE(test_out_of_turn),
        WHOLE(test_rights),
        cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_u16_memory),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_session_limits),
        cmocka_unit_test(test_session_cuts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
