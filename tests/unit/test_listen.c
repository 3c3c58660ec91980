/* listen: floods, limits of a worker and of an address, no descriptors left, and the end. */
#include "net/conn_impl.h"
#include "net/listen.h"
#include "net/shared.h"
#include "net_session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

enum { FLOOD = 3 * LISTEN_BATCH };

static struct loop *loop;
static struct sockaddr_in where;
static struct listen_options options;

static int set_up(void **state)
{
    (void)state;
    memset(&toys, 0, sizeof(toys));
    loop = loop_new();
    snprintf(toys.greeting, sizeof(toys.greeting), "hello\n");
    options = (struct listen_options){.conn.protocol = &toy_protocol,
                                      .make = toy_make,
                                      .busy = STR_LIT("busy\n"),
                                      .refused = STR_LIT("refused\n"),
                                      .connections_max = 1000};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    assert_int_equal(toys.made, toys.freed);
    return 0;
}

static struct listener *listener(void)
{
    socklen_t n = sizeof(where);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    where = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(bind(fd, (struct sockaddr *)&where, n), 0);
    assert_int_equal(listen(fd, 1000), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &n), 0);
    return listener_new(loop, fd, &options);
}

static int client(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof(where)), 0);
    return fd;
}

static void test_flood(void **state)
{
    struct listener *ls = listener();
    int fds[FLOOD];

    (void)state;
    for (int i = 0; i < FLOOD; i++)
        fds[i] = client();
    for (int i = 0; i < FLOOD; i++)
        want(loop, fds[i], "hello\n");
    assert_int_equal(listener_connections(ls), FLOOD);
    for (int i = 0; i < FLOOD; i++)
        close(fds[i]);
    while (listener_connections(ls))
        loop_turn(loop);
    want_freed(loop);
    listener_free(ls);
}

/* Small replies leave at once, and nobody paid a call for it. */
static void test_no_delay(void **state)
{
    struct listener *ls = listener();
    int fd = client(), on = 0;
    socklen_t n = sizeof(on);

    (void)state;
    want(loop, fd, "hello\n");
    assert_int_equal(getsockopt(toys.last->c->fd, IPPROTO_TCP, TCP_NODELAY, &on, &n), 0);
    assert_int_not_equal(on, 0);
    close(fd);
    listener_free(ls);
}

static void test_reset_before_accept(void **state)
{
    struct listener *ls = listener();
    int gone = client(), fd;

    (void)state;
    setsockopt(gone, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(gone);
    fd = client();
    want(loop, fd, "hello\n");
    close(fd);
    want_freed(loop);
    listener_free(ls);
}

static void test_worker_full(void **state)
{
    int one, two;

    (void)state;
    options.connections_max = 1;
    struct listener *ls = listener();
    one = client();
    want(loop, one, "hello\n");
    two = client();
    want(loop, two, "busy\n");
    want_end(loop, two);
    close(one);
    while (listener_connections(ls))
        loop_turn(loop);
    one = client();
    want(loop, one, "hello\n");
    close(one);
    close(two);
    listener_free(ls);
}

static void test_address_full(void **state)
{
    int fds[3];

    (void)state;
    options.per_address_max = 2;
    struct listener *ls = listener();
    for (int i = 0; i < 2; i++) {
        fds[i] = client();
        want(loop, fds[i], "hello\n");
    }
    fds[2] = client();
    want(loop, fds[2], "refused\n");
    want_end(loop, fds[2]);
    close(fds[2]);
    close(fds[0]);
    while (listener_connections(ls) > 1)
        loop_turn(loop);
    fds[2] = client();
    want(loop, fds[2], "hello\n");
    close(fds[1]);
    close(fds[2]);
    listener_free(ls);
}

/* X11: the next peer is told, the sessions live, and when there are descriptors again all goes
 * on. */
static void test_no_descriptors(void **state)
{
    struct listener *ls = listener();
    int one = client(), two, three, next;
    struct rlimit before, now;

    (void)state;
    want(loop, one, "hello\n");
    two = client();
    three = client();
    next = dup(one);
    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    now = before;
    now.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    want(loop, two, "busy\n");
    want_end(loop, two);
    put(one, "echo still here\n");
    want(loop, one, "still here\n");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    want(loop, three, "hello\n");
    close(one);
    close(two);
    close(three);
    want_freed(loop);
    listener_free(ls);
}

/* A listener may go before its connections, which live on. */
static void test_free_first(void **state)
{
    struct listener *ls = listener();
    int fd = client();

    (void)state;
    want(loop, fd, "hello\n");
    listener_free(ls);
    put(fd, "echo on\n");
    want(loop, fd, "on\n");
    close(fd);
    want_freed(loop);
    listener_free(NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(flood),        T(no_delay),       T(reset_before_accept), T(worker_full),
        T(address_full), T(no_descriptors), T(free_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
