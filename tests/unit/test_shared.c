/* shared: counts over processes, what a killed one leaves, takeover, and the window of
 * failures. */
#include "net/shared.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MINUTE = 60000, ROUNDS = 20000, CROWD = 3 * SHARED_SLOTS };

static void test_limit(void **state)
{
    struct shared *s = shared_open(-1, 0, NULL);

    (void)state;
    assert_true(shared_connect(s, "192.0.2.1", 2));
    assert_true(shared_connect(s, "192.0.2.1", 2));
    assert_false(shared_connect(s, "192.0.2.1", 2));
    assert_true(shared_connect(s, "192.0.2.2", 2));
    shared_disconnect(s, "192.0.2.1");
    assert_true(shared_connect(s, "192.0.2.1", 2));
    shared_disconnect(s, "203.0.113.1"); /* never came */
    shared_close(s);
    shared_close(NULL);
}

static void test_network(void **state)
{
    struct shared *s = shared_open(-1, 0, NULL);

    (void)state;
    assert_true(shared_connect(s, "2001:db8::1", 1));
    assert_false(shared_connect(s, "2001:db8::ffff:2", 1));
    assert_true(shared_connect(s, "2001:db8:0:1::1", 1));
    shared_close(s);
}

static void test_bad(void **state)
{
    struct err err;

    (void)state;
    assert_null(shared_open(-1, SHARED_WORKERS, &err));
    assert_int_equal(err.code, E_LIMIT);
    assert_null(shared_open(STDIN_FILENO, 0, &err));
}

/* Two workers share the limit; what the killed one held is given back, and only that. */
static void test_workers(void **state)
{
    int fd = shared_create(NULL), ready[2];
    struct shared *s = shared_open(fd, 0, NULL);
    char c;

    (void)state;
    assert_non_null(s);
    assert_int_equal(pipe(ready), 0);
    assert_true(shared_connect(s, "192.0.2.1", 3));
    pid_t pid = fork();
    if (pid == 0) {
        struct shared *theirs = shared_open(fd, 1, NULL);

        c = shared_connect(theirs, "192.0.2.1", 3) && shared_connect(theirs, "192.0.2.1", 3) &&
                    !shared_connect(theirs, "192.0.2.1", 3)
                ? 'y'
                : 'n';
        if (write(ready[1], &c, 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    assert_false(shared_connect(s, "192.0.2.1", 3));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    shared_worker_gone(s, 1);
    assert_true(shared_connect(s, "192.0.2.1", 2));
    assert_false(shared_connect(s, "192.0.2.1", 2));
    shared_close(s);
    close(fd);
    close(ready[0]);
    close(ready[1]);
}

static void come_and_go(int fd, unsigned worker)
{
    struct shared *s = shared_open(fd, worker, NULL);
    char address[32];

    for (int i = 0; i < ROUNDS; i++) {
        snprintf(address, sizeof(address), "10.%d.%d.1", i % 7, i / 7 % 2 * (int)worker);
        if (!shared_connect(s, address, 10))
            _exit(1);
        shared_failure(s, address, MINUTE);
        shared_disconnect(s, address);
    }
    _exit(0);
}

/* Nothing is lost or left when two processes count at the same time. */
static void test_race(void **state)
{
    int fd = shared_create(NULL), status;
    struct shared *s = shared_open(fd, 0, NULL);
    pid_t pids[2];
    unsigned failures = 0;

    (void)state;
    for (unsigned w = 0; w < 2; w++)
        if ((pids[w] = fork()) == 0)
            come_and_go(fd, w + 1);
    for (int w = 0; w < 2; w++) {
        assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
        assert_int_equal(status, 0);
    }
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < 3; j++) {
            char address[32];

            snprintf(address, sizeof(address), "10.%d.%d.1", i, j);
            failures += shared_failures(s, address, MINUTE);
            assert_true(shared_connect(s, address, 1));
        }
    assert_int_equal(failures, 2 * ROUNDS);
    shared_close(s);
    close(fd);
}

/* A flood of addresses: those that are connected keep their counts. */
static void test_crowd(void **state)
{
    struct shared *s = shared_open(-1, 0, NULL);
    char address[32];

    (void)state;
    assert_true(shared_connect(s, "192.0.2.1", 1));
    for (unsigned i = 0; i < CROWD; i++) {
        snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        assert_true(shared_connect(s, address, 1));
        shared_disconnect(s, address);
    }
    assert_false(shared_connect(s, "192.0.2.1", 1));
    for (unsigned i = 0; i < CROWD; i++) { /* and now they stay: some are not counted */
        snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        assert_true(shared_connect(s, address, 1));
    }
    assert_false(shared_connect(s, "192.0.2.1", 1));
    shared_close(s);
}

static void test_failures(void **state)
{
    struct shared *s = shared_open(-1, 0, NULL);

    (void)state;
    assert_int_equal(shared_failures(s, "192.0.2.1", 0), 0);
    for (unsigned i = 1; i <= 10; i++)
        assert_int_equal(shared_failure(s, "192.0.2.1", 5 * MINUTE), i);
    assert_int_equal(shared_failures(s, "192.0.2.1", 6 * MINUTE - 1), 10);
    assert_int_equal(shared_failures(s, "192.0.2.1", 6 * MINUTE), 10);
    assert_int_equal(shared_failures(s, "192.0.2.1", 6 * MINUTE + MINUTE / 2), 5);
    assert_int_equal(shared_failures(s, "192.0.2.1", 7 * MINUTE), 0);
    assert_int_equal(shared_failures(s, "192.0.2.2", 5 * MINUTE), 0);
    shared_close(s);
}

static bool alone(const char *const *addresses, unsigned n, const char *want)
{
    struct shared *s = shared_open(-1, 0, NULL);
    char got[INET6_ADDRSTRLEN] = "";
    bool lone;

    for (unsigned i = 0; i < n; i++)
        for (const char *const *a = addresses; *a; a++)
            shared_peer(s, *a);
    lone = shared_lone_peer(s, got);
    assert_true(!lone || strcmp(got, want) == 0);
    shared_close(s);
    return lone;
}

static void test_lone_peer(void **state)
{
    static const char *const gateway[] = {"172.17.0.1", "127.0.0.1", "::1", NULL};
    static const char *const ula[] = {"fd00:1::1", NULL};
    static const char *const several[] = {"10.0.0.1", "10.0.0.2", NULL};
    static const char *const mixed[] = {"192.168.1.1", "198.51.100.7", NULL};
    static const char *const open_to_all[] = {"172.32.0.1", NULL};
    static const char *const inside[] = {"127.0.0.1", NULL};

    (void)state;
    assert_true(alone(gateway, SHARED_PEERS_ENOUGH, "172.17.0.1"));
    assert_false(alone(gateway, SHARED_PEERS_ENOUGH - 1, ""));
    assert_true(alone(ula, SHARED_PEERS_ENOUGH, "fd00:1::1"));
    assert_false(alone(several, SHARED_PEERS_ENOUGH, ""));
    assert_false(alone(mixed, SHARED_PEERS_ENOUGH, ""));
    assert_false(alone(open_to_all, SHARED_PEERS_ENOUGH, ""));
    assert_false(alone(inside, SHARED_PEERS_ENOUGH, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit),    cmocka_unit_test(test_network),
        cmocka_unit_test(test_bad),      cmocka_unit_test(test_workers),
        cmocka_unit_test(test_race),     cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_lone_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
