/* Who is told of what: datagrams, inotify, and looking now and then, on real folders. */
#include "imapd/notify.h"
#include "net/io.h"
#include "store/change.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_BYTES = 300 };

struct told {
    struct notify_reader reader;
    unsigned n;
    uint64_t modseq;
};

static char dir[64];
static struct loop *loop;
static struct notify *notify;
static struct changes *changes;
static uint64_t clock_ms;
static struct err err;

static void changed(struct notify_reader *r, uint64_t modseq)
{
    struct told *t = LIST_OF(r, struct told, reader);

    t->n++;
    t->modseq = modseq;
}

static void path(char out[PATH_BYTES], const char *name)
{
    snprintf(out, PATH_BYTES, "%s/%s", dir, name);
}

static void make_dir(const char *name)
{
    char p[PATH_BYTES];

    path(p, name);
    assert_int_equal(mkdir(p, 0700), 0);
}

static void make_folder(const char *name)
{
    char p[PATH_BYTES];

    make_dir(name);
    snprintf(p, sizeof(p), "%s/new", name);
    make_dir(p);
    snprintf(p, sizeof(p), "%s/cur", name);
    make_dir(p);
}

static void touch(const char *name)
{
    char p[PATH_BYTES];

    path(p, name);
    int fd = open(p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static int remove_one(const char *p, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(p);
}

static void remove_all(const char *p)
{
    nftw(p, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static unsigned sockets(void)
{
    char p[PATH_BYTES];
    unsigned n = 0;

    path(p, "change");
    DIR *d = opendir(p);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test_notify.XXXXXX");
    assert_non_null(mkdtemp(dir));
    make_dir("mail");
    make_folder("mail/alice");
    make_folder("mail/alice/.Sent");
    make_folder("mail/bob");
    loop = loop_new();
    assert_int_equal(notify_open(loop, dir, dir, &notify, &err), 0);
    changes = changes_new(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    changes_free(changes);
    notify_close(notify);
    loop_free(loop);
    remove_all(dir);
    return 0;
}

static void join(struct told *t, const char *maildir, const char *folder)
{
    *t = (struct told){.reader.changed = changed};
    notify_join(notify, &t->reader, str_c(maildir), str_c(folder));
}

static void leave(struct told *t)
{
    notify_leave(notify, &t->reader);
}

static void announce(const char *maildir, const char *folder, uint64_t modseq)
{
    changes_tell(changes, &(struct change){str_c(maildir), str_c(folder), modseq}, ++clock_ms);
}

static void until(const struct told *t, unsigned n)
{
    while (t->n < n)
        loop_turn(loop);
}

static void test_a_datagram_reaches_its_folder(void **state)
{
    struct told inbox, again, sent, bob;

    (void)state;
    join(&inbox, "mail/alice", "INBOX");
    join(&again, "mail/alice", "INBOX");
    join(&sent, "mail/alice", "Sent");
    join(&bob, "mail/bob", "INBOX");
    announce("mail/nobody", "INBOX", 1);
    announce("mail/alice", "INBOX", 17);
    until(&inbox, 1);
    assert_int_equal(inbox.modseq, 17);
    assert_int_equal(again.modseq, 17);
    announce("mail/alice", "Sent", 0);
    until(&sent, 1);
    announce("mail/bob", "INBOX", 3);
    until(&bob, 1);
    assert_int_equal(inbox.n + again.n + sent.n + bob.n, 4);
    leave(&inbox);
    announce("mail/alice", "INBOX", 18);
    until(&again, 2);
    assert_int_equal(inbox.n, 1);
    leave(&again);
    leave(&sent);
    leave(&bob);
    leave(&bob);
}

static void test_watches_are_shared_and_counted(void **state)
{
    struct told a, b, c;

    (void)state;
    assert_int_equal(notify_watches(notify), 0);
    join(&a, "mail/alice", "INBOX");
    join(&b, "mail/alice", "INBOX");
    assert_int_equal(notify_watches(notify), 2);
    join(&c, "mail/alice", "Sent");
    assert_int_equal(notify_watches(notify), 4);
    leave(&a);
    leave(&c);
    assert_int_equal(notify_watches(notify), 2);
    leave(&b);
    assert_int_equal(notify_watches(notify), 0);
}

/* A program that knows nothing of posta: several changes are told once. */
static void test_what_others_do_is_told_once(void **state)
{
    struct told inbox, sent;
    char from[PATH_BYTES], to[PATH_BYTES];

    (void)state;
    join(&inbox, "mail/alice", "INBOX");
    join(&sent, "mail/alice", "Sent");
    touch("mail/alice/new/1");
    touch("mail/alice/new/2");
    path(from, "mail/alice/new/1");
    path(to, "mail/alice/cur/1:2,S");
    assert_int_equal(rename(from, to), 0);
    until(&inbox, 1);
    assert_int_equal(inbox.modseq, 0);
    assert_int_equal(unlink(to), 0);
    until(&inbox, 2);
    assert_int_equal(sent.n, 0);
    leave(&inbox);
    leave(&sent);
}

/* Our own renames: who has looked after them needs no telling. */
static void test_who_has_looked_is_not_told(void **state)
{
    struct told a, b;

    (void)state;
    join(&a, "mail/alice", "INBOX");
    join(&b, "mail/alice", "INBOX");
    touch("mail/alice/new/1");
    notify_looks(notify, &a.reader);
    until(&b, 1);
    assert_int_equal(a.n, 0);
    touch("mail/alice/new/2");
    until(&a, 1);
    leave(&a);
    leave(&b);
}

static void test_a_folder_that_goes_and_comes_back(void **state)
{
    struct told sent;
    char p[PATH_BYTES];

    (void)state;
    join(&sent, "mail/alice", "Sent");
    path(p, "mail/alice/.Sent");
    remove_all(p);
    until(&sent, 1);
    while (notify_watches(notify))
        loop_turn(loop);
    make_folder("mail/alice/.Sent");
    until(&sent, 2);
    while (notify_watches(notify) < 2)
        loop_turn(loop);
    touch("mail/alice/.Sent/cur/1:2,");
    until(&sent, 3);
    leave(&sent);
}

static void test_a_folder_that_cannot_be_watched_yet(void **state)
{
    struct told late;

    (void)state;
    join(&late, "mail/carol", "INBOX");
    assert_int_equal(notify_watches(notify), 0);
    make_folder("mail/carol");
    until(&late, 1);
    leave(&late);
}

static void test_noise_is_no_news(void **state)
{
    static const char *const noise[] = {"",
                                        "x",
                                        "mail/alice\tINBOX\t1",
                                        "mail/alice\tINBOX\tx\n",
                                        "\t\t1\n",
                                        "mail/alice\tINBOX\t1\n\n"};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct told inbox;
    char p[PATH_BYTES];
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)state;
    join(&inbox, "mail/alice", "INBOX");
    path(p, "change");
    DIR *d = opendir(p);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", p, e->d_name);
    closedir(d);
    for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
        assert_int_equal(
            sendto(fd, noise[i], strlen(noise[i]), 0, (struct sockaddr *)&a, sizeof(a)),
            (ssize_t)strlen(noise[i]));
    close(fd);
    announce("mail/alice", "INBOX", 5);
    until(&inbox, 1);
    assert_int_equal(inbox.n, 1);
    assert_int_equal(inbox.modseq, 5);
    leave(&inbox);
}

/* The socket of a process that was killed goes with the next start, ours with its end. */
static void test_sockets_of_the_dead(void **state)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct notify *other;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)state;
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/change/dead", dir);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    close(fd);
    assert_int_equal(sockets(), 2);
    assert_int_equal(notify_open(loop, dir, dir, &other, &err), 0);
    assert_int_equal(sockets(), 2);
    notify_close(other);
    assert_int_equal(sockets(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_datagram_reaches_its_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watches_are_shared_and_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_others_do_is_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_has_looked_is_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_folder_that_goes_and_comes_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_folder_that_cannot_be_watched_yet, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_noise_is_no_news, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sockets_of_the_dead, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
