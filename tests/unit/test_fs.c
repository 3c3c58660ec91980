#include "base/defer.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/privs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];
static int dir;

static int make(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/posta-fs-XXXXXX");
    if (!mkdtemp(path))
        return -1;
    dir = fs_open_dir(path, NULL);
    return dir < 0;
}

static int unmake(void **state)
{
    static const char *const files[] = {"a", "a.tmp", "link", "fifo", "lock"};

    (void)state;
    for (size_t i = 0; i < 5; i++)
        unlinkat(dir, files[i], 0);
    unlinkat(dir, "sub/inner", 0);
    unlinkat(dir, "sub", AT_REMOVEDIR);
    close(dir);
    return rmdir(path);
}

static void put(const char *name, const char *bytes)
{
    assert_int_equal(fs_replace(dir, name, str_c(bytes), 0640, NULL), 0);
}

static void holds(const char *name, const char *want)
{
    char full[128];
    struct buf b;

    snprintf(full, sizeof(full), "%s/%s", path, name);
    buf_init(&b, 65536);
    assert_int_equal(fs_read_file(full, &b, NULL), 0);
    assert_string_equal(buf_c(&b), want);
    buf_done(&b);
}

static void test_replace(void **state)
{
    struct stat st;

    (void)state;
    put("a", "one");
    holds("a", "one");
    assert_int_equal(fs_replace(dir, "a.tmp", STR("left behind"), 0600, NULL), 0);
    put("a", "two");
    holds("a", "two");
    assert_int_equal(fstatat(dir, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(fstatat(dir, "a.tmp", &st, 0), -1);
    assert_int_equal(fs_replace(dir, "no/a", STR(""), 0600, NULL), -ENOENT);
}

/* F01: a link in the way leads nowhere, at the end or in the middle. */
static void test_F01_links(void **state)
{
    struct err err;

    (void)state;
    put("a", "one");
    assert_int_equal(
        fs_make_dir(dir, "sub", 0755, (uid_t)FS_NO_OWNER, (gid_t)FS_NO_OWNER, NULL), 0);
    assert_int_equal(symlinkat("a", dir, "link"), 0);
    assert_int_equal(symlinkat("..", dir, "sub/inner"), 0);
    assert_int_equal(fs_open_beneath(dir, "link", O_RDONLY, 0, &err), -ELOOP);
    assert_int_equal(fs_open_beneath(dir, "sub/inner/a", O_RDONLY, 0, &err), -ELOOP);
    assert_int_equal(fs_open_beneath(dir, "../x", O_RDONLY, 0, &err), -EXDEV);
    assert_int_equal(fs_open_beneath(dir, "/etc/passwd", O_RDONLY, 0, &err), -EXDEV);
    assert_int_equal(fs_open_dir_beneath(dir, "a", &err), -ENOTDIR);
    assert_true(fs_make_dir(dir, "link", 0700, (uid_t)FS_NO_OWNER, (gid_t)FS_NO_OWNER, &err) <
                0);
    assert_true(fs_lock_file(dir, "link", 0600, &err) < 0);
    int fd = fs_open_beneath(dir, "sub/../a", O_RDONLY, 0, &err); /* stays inside */
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

static void test_read_limit(void **state)
{
    char full[128];
    struct buf b;
    struct err err;

    (void)state;
    put("a", "12345");
    snprintf(full, sizeof(full), "%s/a", path);
    for (size_t max = 4; max <= 6; max++) {
        buf_init(&b, max);
        assert_int_equal(fs_read_file(full, &b, &err), max < 5 ? E_LIMIT : 0);
        buf_done(&b);
    }
    assert_int_equal(fs_read_file("/nonexistent", &b, &err), -ENOENT);
}

static void test_make_dir(void **state)
{
    struct stat st;

    (void)state;
    mode_t old = umask(077);
    for (int i = 0; i < 2; i++) { /* once new, once put right */
        assert_int_equal(
            fs_make_dir(dir, "sub", 02750, (uid_t)FS_NO_OWNER, (gid_t)FS_NO_OWNER, NULL), 0);
        assert_int_equal(fstatat(dir, "sub", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 02750);
        assert_int_equal(fchmodat(dir, "sub", 0700, 0), 0);
    }
    umask(old);
    if (geteuid() == 0) {
        assert_int_equal(fs_make_dir(dir, "sub", 02750, 12345, 12346, NULL), 0);
        assert_int_equal(fstatat(dir, "sub", &st, 0), 0);
        assert_true(st.st_uid == 12345 && st.st_gid == 12346 && (st.st_mode & 07777) == 02750);
    }
    assert_true(fs_make_dir(dir, "no/sub", 0700, (uid_t)FS_NO_OWNER, (gid_t)FS_NO_OWNER,
                            NULL) == -ENOENT);
}

/* X36: the second one is told; when the first has gone, however, it may. */
static void test_X36_lock(void **state)
{
    struct err err;
    int fd = fs_lock_file(dir, "lock", 0600, &err);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(fs_lock_file(dir, "lock", 0600, &err), E_BUSY);
    close(fd);
    fd = fs_lock_wait(dir, "lock", 0600, &err);
    assert_true(fd >= 0);
    close(fd);
}

static void test_room(void **state)
{
    struct fs_room room;

    (void)state;
    assert_int_equal(fs_room(dir, &room, NULL), 0);
    assert_true(room.bytes > 0 && room.inodes > 0);
}

static void test_ids(void **state)
{
    struct id ids[200], parsed;
    int ends[2];

    (void)state;
    uint64_t before = clock_wall_ms();
    for (int i = 0; i < 200; i++)
        clock_new_id(&ids[i]);
    uint64_t after = clock_wall_ms();
    for (int i = 0; i < 200; i++) {
        assert_true(id_parse(id_str(&ids[i]), &parsed));
        assert_true(id_ms(&ids[i]) >= before && id_ms(&ids[i]) <= after);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(ids[i].text + ID_TIME_LETTERS,
                                    ids[k].text + ID_TIME_LETTERS);
    }
    /* a child does not go on with the parent's randomness */
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        clock_new_id(&ids[0]);
        _exit(write(ends[1], &ids[0], sizeof(ids[0])) != sizeof(ids[0]));
    }
    clock_new_id(&ids[1]);
    assert_int_equal(read(ends[0], &ids[0], sizeof(ids[0])), sizeof(ids[0]));
    assert_string_not_equal(ids[0].text + ID_TIME_LETTERS, ids[1].text + ID_TIME_LETTERS);
    waitpid(child, NULL, 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_steady(void **state)
{
    uint64_t last = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_steady_ms();

        assert_true(now >= last);
        last = now;
    }
}

enum { NOBODY = 65534 };

/* What a child that has dropped its rights may still do, as its exit status. */
static int dropped(uid_t uid, gid_t gid)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        gid_t groups[8];

        if (privs_drop(uid, gid, NULL) < 0)
            _exit(1);
        if (uid == 0)
            _exit(0);
        _exit((setuid(0) == 0) | (seteuid(0) == 0) << 1 | (setgid(0) == 0) << 2 |
              (open("/etc/shadow", O_RDONLY | O_CLOEXEC) >= 0) << 3 |
              (geteuid() != uid || getegid() != gid) << 4 |
              (getgroups(8, groups) != 1 || groups[0] != gid) << 5 |
              (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) << 6);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_privs(void **state)
{
    (void)state;
    if (geteuid() == 0)
        assert_int_equal(dropped(NOBODY, NOBODY), 0);
    else
        assert_int_equal(dropped(geteuid() + 1, getegid()), 1); /* cannot, and says so */
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_replace),         WITH(test_F01_links),          WITH(test_read_limit),
        WITH(test_make_dir),        WITH(test_X36_lock),           WITH(test_room),
        cmocka_unit_test(test_ids), cmocka_unit_test(test_steady), cmocka_unit_test(test_privs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
