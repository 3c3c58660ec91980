/* The link to authd, with an authd that the test plays by hand over a real socket. */
#include "net/auth_link.h"
#include "net/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWERS = 8, HEARD_BYTES = 65536 };

static struct loop *loop;
static struct auth_link *auth;
static char dir[64];
static int listener = -1, authd = -1;
static char heard[HEARD_BYTES]; /* what authd has heard */
static size_t heard_n;

/* The last answer of each exchange. */
static struct answered {
    unsigned n;
    enum auth_status status;
    char text[64];
} answers[ANSWERS];

static void answered(void *arg, const struct auth_answer *a)
{
    struct answered *to = arg;

    to->n++;
    to->status = a->status;
    snprintf(to->text, sizeof(to->text), "%.*s", STR_ARGS(a->text));
}

static void open_authd(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/auth.sock", dir);
    unlink(sa.sun_path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(listen(listener, 5), 0);
}

static void close_authd(void)
{
    if (authd >= 0)
        close(authd);
    if (listener >= 0)
        close(listener);
    authd = listener = -1;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test_auth_link.XXXXXX");
    assert_non_null(mkdtemp(dir));
    memset(answers, 0, sizeof(answers));
    heard_n = 0;
    open_authd();
    loop = loop_new();
    auth = auth_link_new(loop, dir);
    return 0;
}

static int tear_down(void **state)
{
    char path[100];

    (void)state;
    auth_link_free(auth);
    loop_free(loop);
    close_authd();
    snprintf(path, sizeof(path), "%s/auth.sock", dir);
    unlink(path);
    rmdir(dir);
    return 0;
}

static void listen_once(void)
{
    if (authd < 0)
        authd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ssize_t r = authd < 0 ? -1 : recv(authd, heard + heard_n, sizeof(heard) - heard_n, 0);
    if (r > 0)
        heard_n += (size_t)r;
}

/* Turns the loop until authd has heard `words` at the end. */
static void hear(const char *words)
{
    size_t n = strlen(words);

    for (listen_once(); heard_n < n || memcmp(heard + heard_n - n, words, n) != 0;
         listen_once())
        loop_turn(loop);
}

static void say(const char *words)
{
    assert_int_equal(send(authd, words, strlen(words), MSG_NOSIGNAL), (ssize_t)strlen(words));
}

static void until(const struct answered *a, unsigned n)
{
    while (a->n < n)
        loop_turn(loop);
}

static struct auth_exchange *begin(unsigned i)
{
    const struct auth_begin b = {.service = STR("smtp"), .mechanism = STR("LOGIN")};

    return auth_exchange_begin(auth, &b, answered, &answers[i]);
}

static void test_steps(void **state)
{
    (void)state;
    struct auth_exchange *x = begin(0);
    assert_int_equal(answers[0].n, 0);
    hear("AUTH\t1\tsmtp\tLOGIN\t-\t-\t-\tclear\t-\n");
    say("CONT\t1\tVXNlcm5hbWU6\n");
    until(&answers[0], 1);
    assert_int_equal(answers[0].status, AUTH_CONTINUE);
    assert_string_equal(answers[0].text, "Username:");
    auth_exchange_continue(x, STR("a"));
    hear("CONT\t1\tYQ==\n");
    say("OK\t1\ta@example.test\n");
    until(&answers[0], 2);
    assert_int_equal(answers[0].status, AUTH_OK);
    assert_string_equal(answers[0].text, "a@example.test");
}

/* Answers come in any order, cut anywhere. */
static void test_many_at_once(void **state)
{
    static const char words[] = "FAIL\t3\tbad\tno\nOK\t1\ta\nFAIL\t2\tdisabled\toff\n";

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        begin(i);
    hear("AUTH\t3\tsmtp\tLOGIN\t-\t-\t-\tclear\t-\n");
    for (const char *p = words; *p; p++) {
        say((char[]){*p, '\0'});
        loop_turn(loop);
    }
    until(&answers[1], 1);
    assert_int_equal(answers[0].status, AUTH_OK);
    assert_int_equal(answers[1].status, AUTH_DISABLED);
    assert_int_equal(answers[2].status, AUTH_BAD);
}

static void test_cancel(void **state)
{
    (void)state;
    struct auth_exchange *x = begin(0);
    hear("clear\t-\n");
    auth_exchange_cancel(x);
    hear("CANCEL\t1\n");
    say("OK\t1\ta\n"); /* was on its way already */
    begin(1);
    hear("AUTH\t2\tsmtp\tLOGIN\t-\t-\t-\tclear\t-\n");
    say("OK\t2\tb\n");
    until(&answers[1], 1);
    assert_int_equal(answers[0].n, 0);
    assert_string_equal(answers[1].text, "b");
}

static void test_x22_nobody_there(void **state)
{
    (void)state;
    close_authd();
    begin(0);
    assert_int_equal(answers[0].n, 0); /* never from inside */
    until(&answers[0], 1);
    assert_int_equal(answers[0].status, AUTH_TEMP);
    begin(1); /* while it waits before the next try */
    assert_int_equal(answers[1].n, 0);
    until(&answers[1], 1);
    assert_int_equal(answers[1].status, AUTH_TEMP);
}

static void test_x22_goes_and_comes_back(void **state)
{
    unsigned tries = 0;

    (void)state;
    begin(0);
    struct auth_exchange *between = begin(1);
    hear("AUTH\t2\tsmtp\tLOGIN\t-\t-\t-\tclear\t-\n");
    say("CONT\t2\t=\n");
    until(&answers[1], 1);
    close_authd();
    until(&answers[0], 1);
    assert_int_equal(answers[0].status, AUTH_TEMP);
    /* what waits for its own client hears of it when it goes on */
    assert_int_equal(answers[1].n, 1);
    auth_exchange_continue(between, STR("x"));
    assert_int_equal(answers[1].n, 1);
    until(&answers[1], 2);
    assert_int_equal(answers[1].status, AUTH_TEMP);

    open_authd();
    do {
        answers[2].n = 0;
        begin(2);
        loop_turn(loop);
        authd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        tries++;
    } while (authd < 0 && tries < 100000);
    assert_true(authd >= 0);
    heard_n = 0;
    hear("clear\t-\n");
}

static void test_nonsense_is_a_failure(void **state)
{
    (void)state;
    begin(0);
    hear("clear\t-\n");
    say("HELLO\n");
    until(&answers[0], 1);
    assert_int_equal(answers[0].status, AUTH_TEMP);
}

static void test_freed_with_exchanges_open(void **state)
{
    (void)state;
    begin(0);
    hear("clear\t-\n");
    begin(1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_steps),
        TEST(test_many_at_once),
        TEST(test_cancel),
        TEST(test_x22_nobody_there),
        TEST(test_x22_goes_and_comes_back),
        TEST(test_nonsense_is_a_failure),
        TEST(test_freed_with_exchanges_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
