/* program: born with sockets and alone, reloaded, asked, told to end. Each case is a process of
 * its own. */
#include "net/program.h"
#include "net_session.h"

#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* ---- the program: greets with the configured host name ---- */

static struct listener *listeners[8];
static unsigned nlisteners;

static int toy_start(struct program *p, struct err *err)
{
    (void)err;
    snprintf(toys.greeting, sizeof(toys.greeting), "%s\n", p->config->hostname);
    return 0;
}

static int toy_serve(struct program *p, const char *name, int fd, struct err *err)
{
    struct listen_options o = {.conn.protocol = &toy_protocol, .make = toy_make};

    (void)name;
    (void)err;
    listeners[nlisteners++] = listener_new(p->loop, fd, &o);
    return 0;
}

static int toy_reload(struct program *p, const struct config *old, struct err *err)
{
    if (strcmp(p->config->hostname, "bad.example") == 0)
        return err_set(err, E_SYNTAX, "not this one after %s", old->hostname);
    return toy_start(p, err);
}

static void toy_drain(struct program *p)
{
    program_drained(p);
}

static void toy_stop(struct program *p)
{
    (void)p;
    while (nlisteners)
        listener_free(listeners[--nlisteners]);
}

static void toy_status(struct program *p, struct buf *json)
{
    (void)p;
    buf_addf(json, "\"sessions\": %u", toys.made - toys.freed);
}

static struct config_list toy_addresses(const struct config *c)
{
    return c->pop3d.listen;
}

static const struct program_socket toy_sockets[] = {
    {.name = "toy-path",          .path = "toy.sock"},
    {.name = "toy",                           .addresses = toy_addresses},
    {.name = NULL},
};

static const struct program_spec spec = {.name = "posta-toy",
                                         .about = "A toy.",
                                         .sockets = toy_sockets,
                                         .start = toy_start,
                                         .serve = toy_serve,
                                         .reload = toy_reload,
                                         .drain = toy_drain,
                                         .stop = toy_stop,
                                         .status = toy_status};

/* ---- its surroundings ---- */

static char dir[] = "/tmp/posta-test-XXXXXX";
static char conf[64], path[64];

static const char *config_text(const char *hostname, unsigned port)
{
    static char text[1024];

    snprintf(text, sizeof(text),
             "hostname = \"%s\"\nstate_dir = \"%s\"\nrun_dir = \"%s\"\n"
             "pop3d { listen = {\"127.0.0.1:%u\"} listen_tls = {} }\n",
             hostname, dir, dir, port);
    return text;
}

static void write_config(const char *hostname, unsigned port)
{
    FILE *f = fopen(conf, "w");

    assert_non_null(f);
    fputs(config_text(hostname, port), f);
    assert_int_equal(fclose(f), 0);
}

static int memfd(const char *text)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_int_equal(write(fd, text, strlen(text)), (int)strlen(text));
    return fd;
}

/* Nobody else takes it before we use it, as the kernel hands ports out in turn. */
static unsigned free_port(int *fd)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(sa);

    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&sa, &n), 0);
    return ntohs(sa.sin_port);
}

static int listen_unix(const char *at)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(un.sun_path, at, strlen(at));
    unlink(at);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static int dial_unix(const char *at)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(un.sun_path, at, strlen(at));
    while (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
        assert_true(errno == ENOENT || errno == ECONNREFUSED); /* not yet */
    return fd;
}

static int dial_port(unsigned port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)},
                             .sin_port = htons((uint16_t)port)};
    int fd;

    for (;;) {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
            return fd;
        close(fd);
    }
}

static void hear(int fd, const char *text)
{
    char got[256];

    assert_int_equal(recv(fd, got, strlen(text), MSG_WAITALL), (int)strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

/* The whole packet begins with these words. */
static void hear_packet(int fd, const char *text)
{
    char got[PROGRAM_CONTROL_BYTES + 1];
    ssize_t n = recv(fd, got, sizeof(got) - 1, 0);

    assert_true(n > 0);
    got[n] = '\0';
    assert_int_equal(strncmp(got, text, strlen(text)), 0);
}

static void say_packet(int fd, const char *text, int with)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

    if (with >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof(control);
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);

        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &with, sizeof(int));
    }
    assert_int_equal(sendmsg(fd, &m, MSG_NOSIGNAL), (int)strlen(text));
    if (with >= 0)
        close(with);
}

/* The program in a process of its own, born with these descriptors (which the parent loses). */
static pid_t born(const char *names, const int *fds, unsigned n, const char *file)
{
    fflush(NULL);
    pid_t pid = fork();
    char number[16];
    const char *argv[] = {"posta-toy", "-c", file, NULL};
    int high[8];

    if (pid == 0) {
        for (unsigned i = 0; i < n; i++)
            high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 50);
        for (unsigned i = 0; i < n; i++)
            dup2(high[i], 3 + (int)i);
        for (int fd = 3 + (int)n; fd < 60; fd++)
            close(fd);
        snprintf(number, sizeof(number), "%d", (int)getpid());
        setenv("LISTEN_PID", number, 1);
        snprintf(number, sizeof(number), "%u", n);
        setenv("LISTEN_FDS", number, 1);
        setenv("LISTEN_FDNAMES", names, 1);
        setenv("POSTA_WORKER", "7", 1);
        optind = 0;
        exit(program_main(3, (char **)(uintptr_t)argv, &spec));
    }
    for (unsigned i = 0; i < n; i++)
        close(fds[i]);
    return pid;
}

static int ended(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* ---- the cases ---- */

static pid_t supervised(int *control)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    int fds[] = {memfd(config_text("one.example", 1)), listen_unix(path), shared_create(NULL),
                 pair[1]};
    *control = pair[0];
    pid_t pid = born("config:toy-path:shared:control", fds, 4, "/nowhere");
    hear_packet(*control, "ready");
    return pid;
}

static void test_supervised(void **state)
{
    int control, one, two;
    char other[96];
    pid_t pid = supervised(&control);

    (void)state;
    one = dial_unix(path);
    hear(one, "one.example\n");
    say_packet(control, "status", -1);
    hear_packet(control, "status {\"sessions\": 1}");

    say_packet(control, "reload config", memfd("no such key\n"));
    hear_packet(control, "refused ");
    say_packet(control, "reload config", memfd(config_text("bad.example", 1)));
    hear_packet(control, "refused not this one after one.example");
    say_packet(control, "reload config", memfd(config_text("two.example", 1)));
    hear_packet(control, "reloaded");
    two = dial_unix(path);
    hear(two, "two.example\n");
    put(one, "echo still here\n");
    hear(one, "still here\n");

    /* a new socket; what is nonsense is survived */
    snprintf(other, sizeof(other), "%s.other", path);
    say_packet(control, "dance", -1);
    say_packet(control, "status", listen_unix(other));
    hear_packet(control, "status");
    close(two);
    write_config("three.example", 1);
    say_packet(control, "reload toy-path",
               listen_unix(other)); /* config: from the file, if any */
    hear_packet(control, "refused ");
    unlink(other);
    kill(pid, SIGTERM);
    assert_int_equal(ended(pid), 0);
    close(one);
    close(control);
}

static void test_supervisor_gone(void **state)
{
    int control;
    pid_t pid = supervised(&control);

    (void)state;
    close(control);
    assert_int_equal(ended(pid), 0);
}

/* systemd gives the unit's name to all: the port and the path tell. */
static void test_activated(void **state)
{
    int tcp, fd;
    unsigned port = free_port(&tcp);
    char other[96];

    (void)state;
    snprintf(other, sizeof(other), "%s/elsewhere", dir);
    assert_int_equal(listen(tcp, 5), 0);
    write_config("one.example", port);
    int fds[] = {tcp, listen_unix(other)};
    pid_t pid = born("posta.socket:posta.socket", fds, 2, conf);
    fd = dial_port(port);
    hear(fd, "one.example\n");
    close(fd);
    fd = dial_unix(other); /* unknown: by its place, the second row */
    hear(fd, "one.example\n");
    close(fd);
    unlink(other);
    kill(pid, SIGTERM);
    assert_int_equal(ended(pid), 0);
}

static void test_alone(void **state)
{
    int fd, again;
    unsigned port = free_port(&fd);
    struct stat st;

    (void)state;
    close(fd);
    close(listen_unix(path)); /* left by one that was killed */
    write_config("one.example", port);
    pid_t pid = born("", NULL, 0, conf);
    fd = dial_port(port);
    hear(fd, "one.example\n");
    again = dial_unix(path);
    hear(again, "one.example\n");
    close(again);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(ended(born("", NULL, 0, conf)), 1); /* it is served already */

    write_config("two.example", port);
    kill(pid, SIGHUP);
    for (char got[64] = ""; strcmp(got, "two.example\n") != 0;) { /* until it has read */
        again = dial_unix(path);
        got[recv(again, got, sizeof(got) - 1, 0)] = '\0';
        close(again);
    }
    put(fd, "echo still here\n");
    hear(fd, "still here\n");
    kill(pid, SIGTERM);
    assert_int_equal(ended(pid), 0);
    close(fd);
}

static void test_arguments(void **state)
{
    const char *const argv[][4] = {
        {"posta-toy", "--help",    NULL},
        {"posta-toy", "--version", NULL},
        {"posta-toy", "--dance",   NULL},
        {"posta-toy", "word",      NULL}
    };
    const int status[] = {0, 0, 2, 2};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        optind = 0;
        assert_int_equal(program_main(2, (char **)(uintptr_t)argv[i], &spec), status[i]);
    }
    assert_int_equal(ended(born("", NULL, 0, "/nowhere")), 1);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(conf, sizeof(conf), "%s/posta.conf", dir);
    snprintf(path, sizeof(path), "%s/toy.sock", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(conf);
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_supervised), cmocka_unit_test(test_supervisor_gone),
        cmocka_unit_test(test_activated),  cmocka_unit_test(test_alone),
        cmocka_unit_test(test_arguments),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
