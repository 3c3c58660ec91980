/* conn over socket pairs and loopback: the pump, back-pressure, deadlines, and every way to
 * end. */
#include "net/conn_impl.h"
#include "net_session.h"

#include <netinet/in.h>
#include <sys/un.h>

static struct loop *loop;

static int set_up(void **state)
{
    (void)state;
    memset(&toys, 0, sizeof(toys));
    loop = loop_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    assert_int_equal(toys.made, toys.freed);
    return 0;
}

static const struct conn_options clear = {.protocol = &toy_protocol};

/* A session on one end of a pair; returns the other. */
static int unix_pair(void)
{
    int fd[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    conn_new(loop, fd[0], &clear, toy_make, NULL);
    return fd[1];
}

static int listen_on_loopback(struct sockaddr_in *sa)
{
    socklen_t n = sizeof(*sa);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *sa = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(bind(fd, (struct sockaddr *)sa, n), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)sa, &n), 0);
    return fd;
}

static int tcp_pair(const struct conn_options *o)
{
    struct sockaddr_in sa;
    int listener = listen_on_loopback(&sa);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(client, (struct sockaddr *)&sa, sizeof(sa)), 0);
    conn_new(loop, accept4(listener, NULL, NULL, SOCK_CLOEXEC), o, toy_make, NULL);
    close(listener);
    return client;
}

static void test_dialogue(void **state)
{
    int fd;

    (void)state;
    snprintf(toys.greeting, sizeof(toys.greeting), "hello\n");
    fd = unix_pair();
    want(loop, fd, "hello\n");
    put(fd, "echo one\n");
    want(loop, fd, "one\n");
    put(fd, "echo two\necho three\nquit\necho never\n");
    want(loop, fd, "two\nthree\nbye\n");
    want_end(loop, fd);
    want_freed(loop);
    assert_int_equal(toys.closed, 0);
    close(fd);
}

static void test_single_bytes(void **state)
{
    static const char dialogue[] = "echo one\nbig 5\necho two\nquit\n";
    int fd = unix_pair();

    (void)state;
    for (const char *p = dialogue; *p; p++) {
        put(fd, (char[]){*p, '\0'});
        loop_turn(loop);
    }
    want(loop, fd, "one\nxxxxxtwo\nbye\n");
    want_end(loop, fd);
    want_freed(loop);
    close(fd);
}

/* What was answered before the session became busy waits and leaves with the rest; what comes
 * meanwhile is not read. */
static void test_busy(void **state)
{
    int fd = unix_pair();
    char c;

    (void)state;
    put(fd, "echo one\nwait two\n");
    while (!toys.last->busy)
        loop_turn(loop);
    assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), -1);
    put(fd, "echo three\n");
    loop_turn(loop); /* readable: polled no more */
    assert_int_equal(toys.last->in.n, 0);
    assert_int_equal(toys.last->c->io.wants, 0);
    toy_wake();
    want(loop, fd, "one\ntwo\nthree\n");
    close(fd);
    want_freed(loop);
    assert_int_equal(toys.closed, 1);
    assert_int_equal(toys.error, 0);
}

/* A peer that does not read is not read from, and memory stays. */
static void test_back_pressure(void **state)
{
    int other = unix_pair();
    int fd = unix_pair();
    struct toy *t = toys.last;

    (void)state;
    put(fd, "big 10000000\necho end\n");
    while (!t->c->blocked)
        loop_turn(loop);
    assert_true(t->out.n < TOY_OUTPUT_BYTES);
    put(fd, "echo x\n");
    put(other, "echo y\n");
    want(loop, other, "y\n");
    assert_int_equal(t->in.n, strlen("echo end\n"));
    want_bytes(loop, fd, 10000000);
    want(loop, fd, "end\nx\n");
    close(fd);
    close(other);
    want_freed(loop);
}

/* Who is not trusted yet gets his words heard in small pieces. */
static void test_read_at_most(void **state)
{
    static char much[20000];
    int fd = unix_pair();

    (void)state;
    loop_turn(loop);
    memset(much, '\n', sizeof(much) - 1);
    conn_read_at_most(toys.last->c, 1000);
    put(fd, much);
    while (toys.fed < sizeof(much) - 1)
        loop_turn(loop);
    assert_int_equal(toys.fed_max, 1000);
    conn_read_at_most(toys.last->c, 0);
    put(fd, much);
    while (toys.fed < 2 * (sizeof(much) - 1))
        loop_turn(loop);
    assert_true(toys.fed_max > 1000);
    close(fd);
    want_freed(loop);
}

static void test_half_close(void **state)
{
    int fd = tcp_pair(&clear);

    (void)state;
    put(fd, "big 3000000\nwait later\nquit\n");
    shutdown(fd, SHUT_WR);
    want_bytes(loop, fd, 3000000);
    while (!toys.last->busy)
        loop_turn(loop);
    toy_wake();
    want(loop, fd, "later\nbye\n");
    want_end(loop, fd);
    want_freed(loop);
    assert_int_equal(toys.closed, 0);
    close(fd);
}

/* The last reply reaches a peer that goes on talking: no reset overtakes it. */
static void test_linger(void **state)
{
    int fd = tcp_pair(&clear);
    char block[65536] = {0};

    (void)state;
    put(fd, "quit\n");
    while (toys.freed == 0)
        loop_turn(loop);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(send(fd, block, sizeof(block), MSG_NOSIGNAL), sizeof(block));
        loop_turn(loop);
    }
    want(loop, fd, "bye\n");
    want_end(loop, fd);
    close(fd);
}

static void test_deadline(void **state)
{
    int fd;

    (void)state;
    toys.deadline_ms = 1;
    fd = unix_pair();
    want(loop, fd, "late\n");
    want_end(loop, fd);
    want_freed(loop);
    assert_int_equal(toys.expired, 1);
    close(fd);
}

static void test_deadline_set_again(void **state)
{
    int fd;

    (void)state;
    toys.deadline_ms = 1;
    toys.rearm = true;
    fd = unix_pair();
    want(loop, fd, "late\n");
    want_freed(loop);
    assert_int_equal(toys.expired, 3);
    close(fd);
}

/* Farewell to a peer that reads nothing: closed hard. */
static void test_deadline_when_blocked(void **state)
{
    int fd = unix_pair();

    (void)state;
    put(fd, "big 10000000\n");
    while (!toys.last->c->blocked)
        loop_turn(loop);
    conn_deadline(toys.last->c, 1);
    want_freed(loop);
    assert_int_equal(toys.expired, 1);
    assert_int_equal(toys.error, -ETIMEDOUT);
    close(fd);
}

static void work(void *arg, struct job **batch, unsigned n)
{
    (void)batch;
    (void)n;
    if (arg) { /* until the test lets go */
        char c;

        assert_int_equal(read(*(int *)arg, &c, 1), 1);
    }
}

static void test_job(void **state)
{
    struct jobs_options o = {.name = "test", .threads = 1, .work = work};
    int fd;

    (void)state;
    toys.pool = jobs_new(loop, &o);
    fd = unix_pair();
    put(fd, "echo one\njob two\necho three\n");
    want(loop, fd, "one\ntwo\nthree\n");
    close(fd);
    want_freed(loop);
    jobs_free(toys.pool);
}

/* The peer goes, and the deadline passes, while a job runs: the session stays until it ends. */
static void test_gone_during_job(void **state)
{
    int gate[2];
    struct jobs_options o = {.name = "test", .threads = 1, .work = work, .arg = &gate[0]};
    int fd;

    (void)state;
    assert_int_equal(pipe(gate), 0);
    toys.pool = jobs_new(loop, &o);
    fd = tcp_pair(&clear);
    put(fd, "job two\n");
    while (!toys.last->in_job)
        loop_turn(loop);
    conn_deadline(toys.last->c, 1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(fd); /* reset */
    while (toys.closed == 0)
        loop_turn(loop);
    assert_int_equal(toys.freed, 0);
    assert_int_equal(toys.error, -ECONNRESET);
    assert_int_equal(write(gate[1], "x", 1), 1);
    want_freed(loop);
    assert_int_equal(toys.expired, 0);
    jobs_free(toys.pool);
    close(gate[0]);
    close(gate[1]);
}

/* X19: the peer goes after each byte, in order or not, read or not: nothing stays behind. */
static void test_vanish_anywhere(void **state)
{
    static const char dialogue[] = "echo one\njob two\nbig 200000\nwait three\nquit\n";
    struct jobs_options o = {.name = "test", .threads = 2, .work = work};

    (void)state;
    toys.pool = jobs_new(loop, &o);
    for (size_t n = 0; n < sizeof(dialogue); n++)
        for (int how = 0; how < 4; how++) {
            size_t fed = toys.fed;
            int fd = tcp_pair(&clear);

            assert_int_equal(send(fd, dialogue, n, MSG_NOSIGNAL), (int)n);
            while (how & 1 && toys.fed < fed + n)
                loop_turn(loop);
            if (how & 2)
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0},
                           sizeof(struct linger));
            close(fd);
            while (toys.last && !(toys.last->busy && toys.last->c->eof))
                loop_turn(loop);
            if (toys.last)
                conn_abort(toys.last->c); /* at its end, busy with what never comes */
        }
    want_freed(loop);
    jobs_free(toys.pool);
}

static void test_late_after_job(void **state)
{
    int gate[2];
    struct jobs_options o = {.name = "test", .threads = 1, .work = work, .arg = &gate[0]};
    int fd;

    (void)state;
    assert_int_equal(pipe(gate), 0);
    toys.pool = jobs_new(loop, &o);
    fd = unix_pair();
    put(fd, "job two\n");
    while (!toys.last->in_job)
        loop_turn(loop);
    conn_deadline(toys.last->c, 1);
    loop_turn(loop); /* the timer */
    assert_int_equal(toys.expired, 0);
    assert_int_equal(write(gate[1], "x", 1), 1);
    want(loop, fd, "two\nlate\n");
    want_end(loop, fd);
    want_freed(loop);
    jobs_free(toys.pool);
    close(gate[0]);
    close(gate[1]);
    close(fd);
}

static void test_hold(void **state)
{
    int fd = unix_pair();

    (void)state;
    put(fd, "wait x\n");
    while (!toys.last->busy)
        loop_turn(loop);
    struct conn *c = toys.last->c;
    conn_hold(c);
    conn_abort(c);
    assert_false(conn_alive(c));
    conn_wake(c);
    want_end(loop, fd);
    assert_int_equal(toys.freed, 0);
    conn_release(c);
    assert_int_equal(toys.freed, 1);
    close(fd);
}

static void test_early_bytes(void **state)
{
    struct conn_options o = {.protocol = &toy_protocol, .listen_first = true};
    int fd[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    put(fd[1], "echo early\n");
    conn_new(loop, fd[0], &o, toy_make, NULL);
    while (toys.turns == 0)
        loop_turn(loop);
    want(loop, fd[1], "early\n");
    assert_int_equal(toys.turns, 2); /* fed before the first */
    close(fd[1]);
}

static void test_names(void **state)
{
    int fd = tcp_pair(&clear);
    struct sockaddr_in sa;
    socklen_t n = sizeof(sa);
    uid_t uid = 0;
    pid_t pid = 0;

    (void)state;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    assert_string_equal(conn_peer_address(toys.last->c), "127.0.0.1");
    assert_int_equal(conn_peer_port(toys.last->c), ntohs(sa.sin_port));
    assert_string_equal(conn_local_address(toys.last->c), "127.0.0.1");
    assert_int_not_equal(conn_local_port(toys.last->c), 0);
    close(fd);
    want_freed(loop);
    fd = unix_pair();
    assert_string_equal(conn_peer_address(toys.last->c), "");
    assert_true(conn_peer_cred(toys.last->c, &uid, &pid));
    assert_int_equal(uid, getuid());
    assert_int_equal(pid, getpid());
    close(fd);
}

static void test_addresses(void **state)
{
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_port = htons(25)};
    char text[INET6_ADDRSTRLEN];

    (void)state;
    sa.sin6_addr = in6addr_loopback;
    assert_int_equal(conn_address(text, (struct sockaddr *)&sa, sizeof(sa)), 25);
    assert_string_equal(text, "::1");
    memcpy(&sa.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16);
    conn_address(text, (struct sockaddr *)&sa, sizeof(sa));
    assert_string_equal(text, "192.0.2.1"); /* IPv4 over an IPv6 socket */
    assert_int_equal(conn_address(text, (struct sockaddr *)&sa, 2), 0);
    assert_string_equal(text, "");
}

static void test_dial(void **state)
{
    struct sockaddr_in sa;
    int listener = listen_on_loopback(&sa);
    int fd;

    (void)state;
    snprintf(toys.greeting, sizeof(toys.greeting), "hello\n");
    conn_dial(loop, (struct sockaddr *)&sa, sizeof(sa), &clear, toy_make, NULL);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    want(loop, fd, "hello\n");
    close(fd);
    want_freed(loop);
    close(listener); /* now nobody listens */
    conn_dial(loop, (struct sockaddr *)&sa, sizeof(sa), &clear, toy_make, NULL);
    assert_int_equal(toys.closed, 1);
    want_freed(loop);
    assert_int_equal(toys.closed, 2);
    assert_int_equal(toys.error, -ECONNREFUSED);
}

static void test_dial_unix(void **state)
{
    char dir[] = "/tmp/posta-test-XXXXXX", path[64], far[256];
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fds[3];

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    memset(far, 'x', sizeof(far) - 1);
    far[sizeof(far) - 1] = '\0';
    conn_dial_unix(loop, far, &clear, toy_make, NULL);
    want_freed(loop);
    assert_int_equal(toys.error, -ENAMETOOLONG);
    conn_dial_unix(loop, path, &clear, toy_make, NULL);
    want_freed(loop);
    assert_int_equal(toys.error, -ENOENT);

    memcpy(un.sun_path, path, sizeof(path));
    assert_int_equal(bind(listener, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(listen(listener, 0), 0);
    snprintf(toys.greeting, sizeof(toys.greeting), "hello\n");
    for (int i = 0; i < 3; i++) /* more than the backlog takes */
        conn_dial_unix(loop, path, &clear, toy_make, NULL);
    for (int i = 0; i < 3; i++) {
        fcntl(listener, F_SETFL, O_NONBLOCK);
        while ((fds[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
            loop_turn(loop);
        want(loop, fds[i], "hello\n");
    }
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    want_freed(loop);
    close(listener);
    unlink(path);
    rmdir(dir);
}

static void count(void *arg, struct conn *c, void *session)
{
    (void)session;
    conn_abort(c);
    ++*(int *)arg;
}

static void test_each(void **state)
{
    int fd[3] = {unix_pair(), unix_pair(), unix_pair()};
    int n = 0;

    (void)state;
    conn_each(loop, &toy_protocol, count, &n);
    assert_int_equal(n, 3);
    assert_int_equal(toys.freed, 3);
    for (int i = 0; i < 3; i++)
        close(fd[i]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(dialogue),
        T(single_bytes),
        T(busy),
        T(back_pressure),
        T(read_at_most),
        T(half_close),
        T(linger),
        T(deadline),
        T(deadline_set_again),
        T(deadline_when_blocked),
        T(job),
        T(gone_during_job),
        T(late_after_job),
        T(vanish_anywhere),
        T(hold),
        T(early_bytes),
        T(names),
        T(addresses),
        T(dial),
        T(dial_unix),
        T(each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
