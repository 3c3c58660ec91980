/*
 * Staged delivery: what stands in the mailbox afterwards, and that a stop or a
 * failure at any system call never leads to a lost, a torn or a second copy.
 *
 * The system calls that change something are wrapped by the linker: each is a step,
 * at which the process can be ended or the call made to fail.
 */
#include "deliver_world.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* ---- steps ---- */

enum mode { RUN, END, FAIL };

static enum mode mode;
static int steps_left, fail_with, steps_taken;

/* What was done, a letter each: Create, Write, flush the File, Link, Rename; flush .deliver
 * (D), new/ (N). */
static char done_steps[256];
static ino_t deliver_ino, new_ino;

static void note(char what)
{
    size_t n = strlen(done_steps);

    if (n + 1 < sizeof(done_steps))
        done_steps[n] = what;
}

static void note_flush(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0)
        note(st.st_ino == deliver_ino ? 'D' : st.st_ino == new_ino ? 'N' : '?');
}

/* true: the call fails */
static bool step(void)
{
    steps_taken++;
    if (mode == RUN || steps_left-- > 0)
        return false;
    if (mode == END)
        _exit(77);
    if (steps_left < -1) /* it failed once, and then goes on */
        return false;
    errno = fail_with;
    return true;
}

int __real_openat64(int at, const char *path, int flags, ...);
int __wrap_openat64(int at, const char *path, int flags, ...);
int __wrap_openat64(int at, const char *path, int flags, ...)
{
    va_list ap;

    va_start(ap, flags);
    mode_t bits =
        (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if (flags & O_CREAT)
        note('C');
    return (flags & O_CREAT) && step() ? -1 : __real_openat64(at, path, flags, bits);
}

ssize_t __real_pread64(int fd, void *to, size_t n, off_t at);
ssize_t __wrap_pread64(int fd, void *to, size_t n, off_t at);
ssize_t __wrap_pread64(int fd, void *to, size_t n, off_t at)
{
    return step() ? -1 : __real_pread64(fd, to, n > 7 ? n - 3 : n, at); /* short reads too */
}

ssize_t __real_writev(int fd, const struct iovec *parts, int n);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int n);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int n)
{
    if (step())
        return -1;
    if (parts[0].iov_len > 5) /* short writes too */
        return __real_writev(fd, &(struct iovec){parts[0].iov_base, 5}, 1);
    return __real_writev(fd, parts, n);
}

/* No step: a delivery alone does without. */
static int fail_start; /* of the n-th from here, 0 none */

int __real_sync_file_range(int fd, off_t at, off_t n, unsigned flags);
int __wrap_sync_file_range(int fd, off_t at, off_t n, unsigned flags);
int __wrap_sync_file_range(int fd, off_t at, off_t n, unsigned flags)
{
    if (fail_start && --fail_start == 0) {
        errno = EIO;
        return -1;
    }
    return __real_sync_file_range(fd, at, n, flags);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    note('F');
    return step() ? -1 : __real_fdatasync(fd);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    note_flush(fd);
    return step() ? -1 : __real_fsync(fd);
}

int __real_linkat(int from, const char *old, int to, const char *new, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *new, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *new, int flags)
{
    note('L');
    return step() ? -1 : __real_linkat(from, old, to, new, flags);
}

int __real_renameat(int from, const char *old, int to, const char *new);
int __wrap_renameat(int from, const char *old, int to, const char *new);
int __wrap_renameat(int from, const char *old, int to, const char *new)
{
    note('R');
    return step() ? -1 : __real_renameat(from, old, to, new);
}

int __real_mkdirat(int at, const char *name, mode_t bits);
int __wrap_mkdirat(int at, const char *name, mode_t bits);
int __wrap_mkdirat(int at, const char *name, mode_t bits)
{
    return step() ? -1 : __real_mkdirat(at, name, bits);
}

/* ---- tests ---- */

static void delivers(void **state)
{
    struct fixture *f = *state;
    struct delivery v = to_alice(f);
    char want[256];

    assert_int_equal(deliver_one(f, &v), 0);
    assert_false(v.again);
    assert_whole(f);
    snprintf(want, sizeof(want), "1795384219.%s.mail.example.test,S=%zu,W=%zu", f->id.text,
             sizeof(TOP LETTER) - 1, sizeof(TOP LETTER) - 1 + 7);
    assert_string_equal(v.name, want);
    assert_int_equal(v.stored, sizeof(TOP LETTER) - 1);
    assert_true(world_has(&f->w, ALICE "/posta-folder"));
    assert_true(world_has(&f->w, ALICE "/posta-user"));
    assert_int_equal(world_count(&f->w, "mail/.deliver", NULL), 1);
}

static void again_after_all_went_well(void **state)
{
    struct fixture *f = *state;
    struct delivery v = to_alice(f);

    assert_int_equal(deliver_one(f, &v), 0);
    v = to_alice(f);
    assert_int_equal(deliver_one(f, &v), 0);
    assert_true(v.again);
    assert_whole(f);
}

/* The user read it, or deleted it, before the queue asked again. */
static void again_after_the_user_moved_it(void **state)
{
    struct fixture *f = *state;
    struct delivery v = to_alice(f);
    char from[WORLD_BYTES], done[WORLD_BYTES], staged[WORLD_BYTES], cur[WORLD_BYTES];

    assert_int_equal(deliver_one(f, &v), 0);
    snprintf(from, sizeof(from), ALICE "/new/%s", v.name);
    snprintf(cur, sizeof(cur), ALICE "/cur/%s:2,FS", v.name);
    rename_in(f, from, cur);
    snprintf(done, sizeof(done), "mail/.deliver/%s.7.done", f->id.text);
    snprintf(staged, sizeof(staged), "mail/.deliver/%s.7", f->id.text);
    rename_in(f, done, staged); /* as a crash before the last step leaves it */
    open_again(f);
    v = to_alice(f);
    assert_int_equal(deliver_one(f, &v), 0);
    assert_true(v.again);
    assert_int_equal(copies(f), 1);
    assert_true(world_has(&f->w, done));
    assert_int_equal(unlinkat(f->w.fd, cur, 0), 0);
    v = to_alice(f);
    assert_int_equal(deliver_one(f, &v), 0);
    assert_int_equal(copies(f), 0);
}

static void clean(struct fixture *f)
{
    deliver_close(f->d);
    f->d = NULL;
    world_done(&f->w);
    world_init(&f->w);
    open_again(f);
}

/* In a child, which ends at the step. false: it came to its end. */
static bool ended_at(struct fixture *f, int at)
{
    int status;

    deliver_close(f->d);
    f->d = NULL;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct delivery v = to_alice(f);

        f->d = deliver_open(f->w.dir, "mail.example.test", NULL);
        mode = END;
        steps_left = at;
        _exit(f->d && deliver_one(f, &v) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
    return WEXITSTATUS(status) == 77;
}

/* X01: for each step, with a new mailbox and with one that is there */
static void x01_ends_at_each_step(void **state)
{
    struct fixture *f = *state;
    bool ended = true;
    int at;

    for (at = 0; ended; at++) {
        struct delivery v = to_alice(f);

        clean(f);
        ended = ended_at(f, at);
        assert_true(copies(f) <= 1);
        if (copies(f) == 1)
            assert_whole(f);
        open_again(f);
        assert_int_equal(deliver_one(f, &v), 0);
        assert_whole(f);
        assert_int_equal(world_count(&f->w, "mail/.deliver", NULL), 1);
    }
    assert_true(at > 25);
}

/* X03: ended at each step, and again at each step of the second attempt */
static void x03_ends_twice(void **state)
{
    struct fixture *f = *state;

    for (int first = 0; first < 12; first++) {
        for (int second = 0; second < 12; second++) {
            struct delivery warm = to_alice(f), v = to_alice(f);

            clean(f);
            warm.id.text[ID_LETTERS - 1] = 'z';
            warm.user.id = 8;
            assert_int_equal(deliver_one(f, &warm), 0); /* the directories are there */
            ended_at(f, first);
            ended_at(f, second);
            open_again(f);
            assert_int_equal(deliver_one(f, &v), 0);
            assert_int_equal(copies(f), 2);
        }
    }
}

/* X04, X05, X09: each call fails once; the letter is refused or delivered, and delivered after
 * that. */
static void each_call_fails(struct fixture *f, int code, int want)
{
    int at, failed = 0;

    for (at = 0;; at++) {
        struct delivery v = to_alice(f);

        clean(f);
        mode = FAIL;
        steps_left = at;
        fail_with = code;
        int r = deliver_one(f, &v);
        mode = RUN;
        if (steps_left >= 0)
            break;
        if (r != 0) {
            failed++;
            assert_true(r == want || r == -code);
            assert_true(v.err.text[0] != '\0');
            assert_false(v.over_quota);
        }
        assert_true(copies(f) <= 1);
        v = to_alice(f);
        assert_int_equal(deliver_one(f, &v), 0);
        assert_whole(f);
        assert_int_equal(world_count(&f->w, "mail/.deliver", NULL), 1);
    }
    assert_true(failed > 20);
}

static void x05_no_space_at_each_call(void **state)
{
    each_call_fails(*state, ENOSPC, E_NO_SPACE);
}

static void x09_errors_at_each_call(void **state)
{
    each_call_fails(*state, EIO, -EIO);
}

/* X05: what failed leaves nothing behind */
static void x05_nothing_stays(void **state)
{
    struct fixture *f = *state;
    struct delivery v = to_alice(f), warm = to_alice(f);

    warm.id.text[ID_LETTERS - 1] = 'z';
    assert_int_equal(deliver_one(f, &warm), 0);
    for (int at = 0; at < 8; at++) {
        mode = FAIL;
        steps_left = at;
        fail_with = ENOSPC;
        v = to_alice(f);
        int r = deliver_one(f, &v);
        mode = RUN;
        if (r == 0)
            break;
        assert_int_equal(copies(f), 1);
        assert_int_equal(world_count(&f->w, "mail/.deliver", NULL), 1);
    }
}

static void x10_interrupted(void **state)
{
    struct fixture *f = *state;
    struct delivery warm = to_alice(f), v;

    warm.id.text[ID_LETTERS - 1] = 'z';
    assert_int_equal(deliver_one(f, &warm), 0);
    for (int at = 1; at < 4; at++) { /* reads and writes */
        mode = FAIL;
        steps_left = at;
        fail_with = EINTR;
        v = to_alice(f);
        v.id.text[ID_LETTERS - 1] = (char)('a' + at);
        assert_int_equal(deliver_one(f, &v), 0);
        mode = RUN;
    }
}

static ino_t ino_of(const struct fixture *f, const char *path)
{
    struct stat st;

    assert_int_equal(fstatat(f->w.fd, path, &st, 0), 0);
    return st.st_ino;
}

/* Each step is durable before the next is made; the directories are flushed once for all. */
/* The flush that follows need not tell it again. */
static void x09_the_disk_tells_it_at_the_start(void **state)
{
    struct fixture *f = *state;
    struct delivery v = to_alice(f), u = v, w = v;

    v.id.text[ID_LETTERS - 1] = 'a';
    u.id.text[ID_LETTERS - 1] = 'b';
    w.id.text[ID_LETTERS - 1] = 'c';
    fail_start = 2;
    deliver_batch(f->d, (struct delivery *[]){&v, &u, &w}, 3);
    assert_int_equal(v.result, 0);
    assert_int_equal(u.result, -EIO);
    assert_int_equal(w.result, 0);
    assert_int_equal(deliver_one(f, &u), 0);
    assert_false(u.again);
}

static void order_of_writes(void **state)
{
    struct fixture *f = *state;
    struct delivery v = to_alice(f), u, w;

    assert_int_equal(deliver_one(f, &v), 0);
    deliver_ino = ino_of(f, "mail/.deliver");
    new_ino = ino_of(f, ALICE "/new");
    memset(done_steps, 0, sizeof(done_steps));
    v.id.text[ID_LETTERS - 1] = 'z';
    assert_int_equal(deliver_one(f, &v), 0);
    assert_string_equal(done_steps, "CFDLNRD");

    memset(done_steps, 0, sizeof(done_steps));
    u = v;
    w = v;
    v.id.text[ID_LETTERS - 1] = 'a';
    u.id.text[ID_LETTERS - 1] = 'b';
    w.id.text[ID_LETTERS - 1] = 'c';
    deliver_batch(f->d, (struct delivery *[]){&v, &u, &w}, 3);
    assert_string_equal(done_steps, "CCCFFFDLLLNRRRD");

    memset(done_steps, 0, sizeof(done_steps));
    v.id.text[ID_LETTERS - 1] = 'd';
    v.staged = false;
    assert_int_equal(deliver_one(f, &v), 0);
    assert_string_equal(done_steps, "CFRN");
}

int main(void)
{
#define DELIVER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        DELIVER_TEST(delivers),
        DELIVER_TEST(again_after_all_went_well),
        DELIVER_TEST(again_after_the_user_moved_it),
        DELIVER_TEST(x01_ends_at_each_step),
        DELIVER_TEST(x03_ends_twice),
        DELIVER_TEST(x05_no_space_at_each_call),
        DELIVER_TEST(x09_errors_at_each_call),
        DELIVER_TEST(x05_nothing_stays),
        DELIVER_TEST(x10_interrupted),
        DELIVER_TEST(x09_the_disk_tells_it_at_the_start),
        DELIVER_TEST(order_of_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
