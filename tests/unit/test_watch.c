/* Who is told: listeners in run_dir/watch/, also those that are just about to listen. */
#include "sys/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char run_dir[] = "/tmp/posta-watch-XXXXXX";

static int make(void **state)
{
    char path[64];

    (void)state;
    assert_non_null(mkdtemp(run_dir));
    snprintf(path, sizeof(path), "%s/watch", run_dir);
    return mkdir(path, 0700);
}

static int bind_to(const char *name, struct sockaddr_un *un)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(un->sun_path, sizeof(un->sun_path), "%s/watch/%s", run_dir, name);
    assert_int_equal(bind(fd, (const struct sockaddr *)un, sizeof(*un)), 0);
    return fd;
}

/* Between its bind() and its listen() a process comes to look. */
static void one_that_begins(void **state)
{
    struct sockaddr_un un;
    char text[1000];
    int fd;

    (void)state;
    watch_look(run_dir, "box");
    assert_false(watch_on());
    fd = bind_to("1", &un);
    watch_look(run_dir, "box");
    assert_false(watch_on());
    assert_int_equal(listen(fd, 5), 0);
    watch_look(run_dir, "box");
    assert_true(watch_on());
    watch_look(run_dir, "box");
    watch_event("info", NULL, "event", STR("words"));
    int peer = accept(fd, NULL, NULL);
    assert_true(recv(peer, text, sizeof(text), 0) > 0);
    assert_non_null(strstr(text, "hello"));
    assert_true(recv(peer, text, sizeof(text), 0) > 0);
    assert_non_null(strstr(text, "words"));
    close(peer);
    close(fd);
    watch_event("info", NULL, "event", STR("to nobody"));
    assert_false(watch_on());
    unlink(un.sun_path);
}

static int unmake(void **state)
{
    char path[64];

    (void)state;
    snprintf(path, sizeof(path), "%s/watch", run_dir);
    return rmdir(path) + rmdir(run_dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_that_begins)};

    return cmocka_run_group_tests(tests, make, unmake);
}
