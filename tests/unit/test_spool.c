/* The life of a letter's file, and what becomes of it when calls fail, are cut short or never
 * happen. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/defer.h"
#include "spool/spool.h"
#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* ---- seams: the linker prefers these to libc's ---- */

static struct {
    size_t at_most;     /* bytes of one write; 0: as asked       */
    unsigned interrupt; /* every n-th write is interrupted first */
    unsigned calls, syncs;
    bool prepare;      /* letters are prepared, then committed */
    unsigned prepared; /* how often the disk was asked to begin */
    int fail_prepare;  /* errno of the next one               */
    int fail_sync;     /* errno of the next fsync             */
    int fail_write;    /* errno of the n-th write from here   */
    unsigned fail_write_in;
} io;

static ssize_t seam_writev(int fd, const struct iovec *v, int n)
{
    struct iovec one;

    io.calls++;
    if (io.interrupt && io.calls % io.interrupt == 0) {
        errno = EINTR;
        return -1;
    }
    if (io.fail_write && io.fail_write_in-- == 0) {
        errno = io.fail_write;
        return -1;
    }
    if (io.at_most) {
        one = v[0];
        if (one.iov_len > io.at_most)
            one.iov_len = io.at_most;
        v = &one;
        n = 1;
    }
    return syscall(SYS_writev, fd, v, n);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    return seam_writev(fd, v, n);
}

ssize_t write(int fd, const void *p, size_t n)
{
    struct iovec v = {(void *)(uintptr_t)p, n};

    return fd > 2 ? seam_writev(fd, &v, 1) : syscall(SYS_write, fd, p, n);
}

int sync_file_range(int fd, off_t at, off_t n, unsigned flags)
{
    io.prepared++;
    if (io.fail_prepare) {
        errno = io.fail_prepare;
        io.fail_prepare = 0;
        return -1;
    }
    return (int)syscall(SYS_sync_file_range, fd, at, n, flags);
}

int fsync(int fd)
{
    io.syncs++;
    if (io.fail_sync) {
        errno = io.fail_sync;
        io.fail_sync = 0;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

/* ---- a spool of its own for each test ---- */

struct place {
    char dir[64];
    struct spool *s;
    struct err err;
    struct id id;
};

static int place_make(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    if (!p)
        abort();
    memset(&io, 0, sizeof(io));
    snprintf(p->dir, sizeof(p->dir), "/tmp/test-spool-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    assert_int_equal(spool_make(p->dir, &p->err), 0);
    assert_int_equal(spool_make(p->dir, &p->err), 0); /* twice does no harm */
    p->s = spool_open(p->dir, &p->err);
    assert_non_null(p->s);
    clock_new_id(&p->id);
    *state = p;
    return 0;
}

static int place_prepare(void **state)
{
    place_make(state);
    io.prepare = true;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    return remove(path);
}

static int place_remove(void **state)
{
    struct place *p = *state;

    memset(&io, 0, sizeof(io));
    spool_close(p->s);
    nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

static void path_of(const struct place *p, const char *box, const struct id *id, char out[128])
{
    if (strcmp(box, "in") == 0)
        snprintf(out, 128, "%s/spool/in/%c/%s", p->dir, id->text[ID_LETTERS - 1], id->text);
    else
        snprintf(out, 128, "%s/spool/%s/%s", p->dir, box, id->text);
}

static bool is_in(const struct place *p, const char *box)
{
    char path[128];

    path_of(p, box, &p->id, path);
    return access(path, F_OK) == 0;
}

static struct str read_file(const struct place *p, const char *box, struct buf *b)
{
    char path[128];

    path_of(p, box, &p->id, path);
    DEFER(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (;;) {
        char *to = buf_room(b, 65536);
        assert_non_null(to);
        ssize_t n = read(fd, to, 65536);
        assert_true(n >= 0);
        if (n == 0)
            return buf_str(b);
        buf_grown(b, (size_t)n);
    }
}

static void age_file(const struct place *p, const char *box, time_t by_seconds)
{
    struct timespec t[2] = {{.tv_sec = (time_t)(clock_wall_ms() / 1000) + by_seconds}, {0}};
    char path[128];

    t[1] = t[0];
    path_of(p, box, &p->id, path);
    assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
}

/* A letter of n bytes in chunks of `chunk`, committed with a top. */
static int write_letter(struct place *p, size_t n, size_t chunk, struct letter **out)
{
    DEFER(free_mem) char *bytes = malloc(n + 1);
    struct letter *l = letter_new(p->s, &p->id);

    if (!bytes)
        abort();
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)('a' + i % 23);
    letter_set_top(l, STR("Received: from here\n"));
    for (size_t at = 0; at < n; at += chunk)
        letter_add(l, (struct str){bytes + at, n - at < chunk ? n - at : chunk});
    if (io.prepare)
        letter_prepare(l);
    int rc = letter_commit(l, STR(""), &p->err);
    *out = l;
    return rc;
}

static void check_text(const struct place *p, const char *box, size_t n)
{
    struct str top = STR("Received: from here\n"), all;
    struct buf b;

    buf_init(&b, 64 << 20);
    all = read_file(p, box, &b);
    assert_int_equal(all.n, n + top.n);
    assert_true(str_starts(all, top));
    all = str_skip(all, top.n);
    for (size_t i = 0; i < n; i++)
        if (all.p[i] != (char)('a' + i % 23))
            fail_msg("byte %zu of %zu is wrong", i, n);
    buf_done(&b);
}

/* ---- tests ---- */

static void a_small_letter_is_one_write(void **state)
{
    struct place *p = *state;
    struct letter *l;

    assert_int_equal(write_letter(p, 4096, 1000, &l), 0);
    assert_int_equal(io.calls, 1);
    assert_int_equal(io.syncs, 1);
    assert_int_equal(letter_size(l), 4096 + 20);
    check_text(p, "in", 4096);
    assert_int_equal(spool_take(p->s, &p->id, getuid(), letter_size(l), &p->err), 0);
    letter_handed_over(l);
    letter_free(l);
    assert_false(is_in(p, "in"));
    check_text(p, "msg", 4096);
    assert_int_equal(spool_sync(p->s, &p->err), 0);

    uint64_t size = 0;
    int fd = spool_read(p->s, &p->id, &size, &p->err);
    assert_true(fd >= 0);
    assert_int_equal(size, 4096 + 20);
    close(fd);
    assert_true(spool_has(p->s, &p->id));
    assert_int_equal(spool_remove(p->s, &p->id), 0);
    assert_int_equal(spool_remove(p->s, &p->id), 0); /* it has gone: as wanted */
    assert_false(spool_has(p->s, &p->id));
    assert_int_equal(spool_read(p->s, &p->id, &size, &p->err), E_NOT_FOUND);
}

static void memory_ends_at_its_limit(void **state)
{
    struct place *p = *state;
    static const int off[] = {-1, 0, 1};

    for (size_t i = 0; i < 3; i++) {
        size_t n = (size_t)(LETTER_MEMORY_BYTES + off[i]);
        DEFER(free_mem) char *bytes = calloc(1, n);
        struct letter *l = letter_new(p->s, &p->id);

        letter_set_top(l, STR("top\n"));
        letter_add(l, (struct str){bytes, n});
        assert_int_equal(letter_in_memory(l), off[i] <= 0);
        assert_int_equal(letter_text(l).n, off[i] <= 0 ? n : 0);
        assert_int_equal(letter_size(l), n + 4);
        letter_set_top(l, STR("top two\n"));
        assert_int_equal(letter_commit(l, STR(""), &p->err), 0);
        assert_int_equal(letter_size(l), n + (off[i] <= 0 ? 8 : 4));
        letter_free(l);
        assert_false(is_in(p, "in"));
    }
}

static void long_letters_stream(void **state)
{
    static const size_t chunks[] = {1, 1000, 16384, 65536, 300000};

    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        struct place *p = *state;
        struct letter *l;
        size_t n = chunks[i] == 1 ? LETTER_MEMORY_BYTES + 10 : 1000003;

        assert_int_equal(write_letter(p, n, chunks[i], &l), 0);
        check_text(p, "in", n);
        letter_free(l);
        assert_false(is_in(p, "in"));
    }
}

static void an_empty_letter_is_a_file_too(void **state)
{
    struct place *p = *state;
    struct letter *l = letter_new(p->s, &p->id);

    assert_int_equal(letter_commit(l, STR(""), &p->err), 0);
    assert_true(is_in(p, "in"));
    assert_int_equal(spool_take(p->s, &p->id, getuid(), 0, &p->err), 0);
    letter_handed_over(l);
    letter_free(l);
}

static void what_is_dropped_leaves_nothing(void **state)
{
    struct place *p = *state;
    struct letter *l = letter_new(p->s, &p->id);

    letter_free(l); /* never written */
    letter_free(NULL);
    assert_int_equal(write_letter(p, 10, 10, &l), 0);
    letter_drop(l);
    assert_false(is_in(p, "in"));
    letter_drop(l);
    letter_free(l);
    assert_int_equal(write_letter(p, 10, 10, &l), 0);
    letter_free(l); /* neither dropped nor handed over */
    assert_false(is_in(p, "in"));
    assert_int_equal(write_letter(p, 10, 10, &l), 0);
    letter_handed_over(l);
    letter_free(l);
    assert_true(is_in(p, "in")); /* the queue's */
}

/* A name that is there already is somebody's: it is neither written nor unlinked. */
static void an_id_is_used_once(void **state)
{
    struct place *p = *state;
    struct letter *a, *b;

    assert_int_equal(write_letter(p, 10, 10, &a), 0);
    assert_int_equal(write_letter(p, 20, 10, &b), -EEXIST);
    letter_free(b);
    check_text(p, "in", 10);
    assert_int_equal(spool_take(p->s, &p->id, getuid(), letter_size(a), &p->err), 0);
    letter_handed_over(a);
    letter_free(a);
    assert_int_equal(write_letter(p, 20, 10, &b), 0);
    assert_int_equal(spool_take(p->s, &p->id, getuid(), letter_size(b), &p->err), E_EXISTS);
    letter_free(b);
    check_text(p, "msg", 10);
}

/* What is prepared is all with the kernel, and the flush is still to come. */
static void preparing_begins_with_the_writing(void **state)
{
    struct place *p = *state;
    struct letter *l = letter_new(p->s, &p->id);

    letter_set_top(l, STR("Received: from here\n"));
    letter_add(l, STR("abcde"));
    letter_prepare(l);
    check_text(p, "in", 5);
    assert_int_equal(letter_size(l), 25);
    assert_int_equal(io.prepared, 1);
    assert_int_equal(io.syncs, 0);
    letter_prepare(l); /* twice does no harm */
    assert_int_equal(letter_commit(l, STR(""), &p->err), 0);
    assert_int_equal(io.calls, 1);
    assert_int_equal(io.syncs, 1);
    check_text(p, "in", 5);
    letter_free(l);
    assert_false(is_in(p, "in"));
    l = letter_new(p->s, &p->id);
    letter_prepare(l);
    letter_free(l); /* nobody waits for it any more */
    assert_false(is_in(p, "in"));
}

/* What the disk says then it need not say again: a block without a place is thrown away. */
static void X09_what_preparing_tells_is_final(void **state)
{
    static const int errors[] = {EIO, ENOSPC, EDQUOT}, unable[] = {ENOSYS, EINVAL, EPERM};
    struct place *p = *state;
    struct letter *l;

    for (size_t i = 0; i < 3; i++) {
        l = letter_new(p->s, &p->id);
        letter_add(l, STR("abcde"));
        io.fail_prepare = errors[i];
        letter_prepare(l);
        io.syncs = 0;
        assert_int_equal(letter_commit(l, STR(""), &p->err), i ? E_NO_SPACE : -EIO);
        assert_int_equal(io.syncs, 0);
        assert_false(is_in(p, "in"));
        letter_free(l);
    }
    for (size_t i = 0; i < 3; i++) { /* the flush will do */
        l = letter_new(p->s, &p->id);
        letter_add(l, STR("abcde"));
        io.fail_prepare = unable[i];
        letter_prepare(l);
        assert_int_equal(letter_commit(l, STR(""), &p->err), 0);
        letter_free(l);
    }
}

static void X10_short_and_interrupted_writes_change_nothing(void **state)
{
    static const size_t sizes[] = {4096, LETTER_MEMORY_BYTES + 777};

    for (size_t i = 0; i < 2; i++) {
        struct place *p = *state;
        struct letter *l;

        io.at_most = i ? 4099 : 7;
        io.interrupt = 3;
        assert_int_equal(write_letter(p, sizes[i], 9000, &l), 0);
        check_text(p, "in", sizes[i]);
        letter_free(l);
    }
}

static void X09_a_failed_sync_is_final(void **state)
{
    static const size_t sizes[] = {4096, LETTER_MEMORY_BYTES + 777};

    for (size_t i = 0; i < 2; i++) {
        struct place *p = *state;
        struct letter *l;

        io.syncs = 0;
        io.fail_sync = EIO;
        assert_int_equal(write_letter(p, sizes[i], 9000, &l), -EIO);
        assert_non_null(strstr(p->err.text, "sync"));
        assert_int_equal(io.syncs, 1);
        assert_false(is_in(p, "in"));
        letter_free(l);
        io.fail_sync = EIO;
        assert_int_equal(spool_sync(p->s, &p->err), -EIO);
    }
}

/* At every write of a long letter, and of a short one: one clear error, nothing left. */
static void X04_a_full_disk_leaves_nothing(void **state)
{
    static const int errors[] = {ENOSPC, EDQUOT, EFBIG, EIO};
    struct place *p = *state;
    struct letter *l;

    for (size_t e = 0; e < 4; e++)
        for (unsigned at = 0;; at++) {
            io.fail_write = errors[e];
            io.fail_write_in = at;
            int rc = write_letter(p, 600000, 65536, &l);
            letter_free(l);
            assert_false(is_in(p, "in"));
            if (rc == 0) {
                assert_true(at > 3);
                break;
            }
            assert_int_equal(rc, errors[e] == EIO ? -EIO : E_NO_SPACE);
        }
    io.fail_write_in = 0;
    assert_int_equal(write_letter(p, 10, 10, &l), -EIO);
    letter_free(l);
    assert_false(is_in(p, "in"));
}

static void X04_a_file_size_limit_is_met(void **state)
{
    struct place *p = *state;
    struct rlimit old, less;
    struct letter *l;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    less = old;
    less.rlim_cur = 3000;
    setrlimit(RLIMIT_FSIZE, &less);
    int rc = write_letter(p, 4096, 4096, &l);
    setrlimit(RLIMIT_FSIZE, &old);
    letter_free(l);
    assert_int_equal(rc, E_NO_SPACE);
    assert_false(is_in(p, "in"));
}

static void room_is_measured_once_a_second(void **state)
{
    struct place *p = *state;

    assert_int_equal(spool_room(p->s, 0, 0, 5000, &p->err), 0);
    assert_int_equal(spool_room(p->s, UINT64_MAX, 0, 5001, &p->err), E_NO_SPACE);
    assert_int_equal(spool_room(p->s, 0, UINT64_MAX, 5001, &p->err), E_NO_SPACE);
    assert_int_equal(spool_room(p->s, 1, 1, 9000, &p->err), 0);
}

static void only_what_was_told_is_taken(void **state)
{
    struct place *p = *state;
    struct letter *l;
    char in[128], other[128];
    struct id none;

    assert_int_equal(write_letter(p, 100, 100, &l), 0);
    assert_int_equal(spool_take(p->s, &p->id, getuid(), 119, &p->err), E_DENIED);
    assert_int_equal(spool_take(p->s, &p->id, getuid(), 121, &p->err), E_DENIED);
    assert_int_equal(spool_take(p->s, &p->id, getuid() + 1, 120, &p->err), E_DENIED);
    clock_new_id(&none);
    assert_int_equal(spool_take(p->s, &none, getuid(), 120, &p->err), E_NOT_FOUND);

    path_of(p, "in", &p->id, in);
    path_of(p, "in", &none, other);
    assert_int_equal(link(in, other), 0);
    assert_int_equal(spool_take(p->s, &p->id, getuid(), 120, &p->err), E_DENIED);
    unlink(other);
    assert_int_equal(symlink(in, other), 0);
    assert_int_equal(spool_take(p->s, &none, getuid(), 120, &p->err), E_DENIED);
    unlink(other);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_int_equal(spool_take(p->s, &none, getuid(), 0, &p->err), E_DENIED);
    unlink(other);
    assert_int_equal(spool_take(p->s, &p->id, getuid(), 120, &p->err), 0);
    letter_handed_over(l);
    letter_free(l);
}

/* What stands in msg/ is opened only when it is a file. */
static void a_borrower_follows_no_link(void **state)
{
    struct place *p = *state;
    char path[128];
    uint64_t size;

    path_of(p, "msg", &p->id, path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(spool_read(p->s, &p->id, &size, &p->err), -ELOOP);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(spool_read(p->s, &p->id, &size, &p->err), E_CORRUPT);
}

static bool keep_none(void *arg, const struct id *id)
{
    (void)arg, (void)id;
    return false;
}

static bool keep_one(void *arg, const struct id *id)
{
    return memcmp(arg, id, sizeof(*id)) == 0;
}

static int sweep(struct place *p, bool (*keep)(void *arg, const struct id *id))
{
    return spool_sweep(p->s, keep, &p->id, clock_wall_ms(), &p->err);
}

static void in_is_swept_when_old_and_unlocked(void **state)
{
    struct place *p = *state;
    struct letter *l;

    assert_int_equal(write_letter(p, 10, 10, &l), 0);
    age_file(p, "in", -7200);
    assert_int_equal(sweep(p, keep_none), 0); /* old, but its writer lives */
    letter_handed_over(l);
    letter_free(l);
    age_file(p, "in", -10);
    assert_int_equal(sweep(p, keep_none), 0); /* free, but young */
    age_file(p, "in", -7200);
    assert_int_equal(sweep(p, keep_none), 1);
    assert_false(is_in(p, "in"));

    assert_int_equal(write_letter(p, 10, 10, &l), 0);
    letter_handed_over(l);
    letter_free(l);
    age_file(p, "in", 86400 * 365); /* a clock was wrong */
    assert_int_equal(sweep(p, keep_none), 1);
}

static void msg_is_swept_by_its_envelopes(void **state)
{
    struct place *p = *state;
    struct letter *l;

    assert_int_equal(write_letter(p, 10, 10, &l), 0);
    assert_int_equal(spool_take(p->s, &p->id, getuid(), letter_size(l), &p->err), 0);
    letter_handed_over(l);
    letter_free(l);
    assert_int_equal(sweep(p, keep_one), 0);
    assert_true(is_in(p, "msg"));
    assert_int_equal(sweep(p, keep_none), 1);
    assert_false(is_in(p, "msg"));
}

static void borrowers_can_read_whatever_the_umask(void **state)
{
    struct place *p = *state;
    mode_t old = umask(077);
    struct spool *s = spool_open(p->dir, &p->err);
    struct letter *l = letter_new(s, &p->id);
    struct stat st;
    char path[128];

    assert_int_equal(letter_commit(l, STR("x"), &p->err), 0);
    path_of(p, "in", &p->id, path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    letter_free(l);
    spool_close(s);
    umask(old);
}

static void a_missing_spool_is_told(void **state)
{
    struct place *p = *state;

    assert_null(spool_open("/nowhere/at/all", &p->err));
    assert_int_equal(p->err.code, -ENOENT);
}

#define SPOOL_TEST(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
#define PREPARED_TEST(f)                                     \
    {                                                        \
#        f "_prepared", f, place_prepare, place_remove, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(a_small_letter_is_one_write),
        SPOOL_TEST(memory_ends_at_its_limit),
        SPOOL_TEST(long_letters_stream),
        SPOOL_TEST(an_empty_letter_is_a_file_too),
        SPOOL_TEST(what_is_dropped_leaves_nothing),
        SPOOL_TEST(an_id_is_used_once),
        SPOOL_TEST(X10_short_and_interrupted_writes_change_nothing),
        SPOOL_TEST(X09_a_failed_sync_is_final),
        SPOOL_TEST(X04_a_full_disk_leaves_nothing),
        SPOOL_TEST(X04_a_file_size_limit_is_met),
        SPOOL_TEST(preparing_begins_with_the_writing),
        SPOOL_TEST(X09_what_preparing_tells_is_final),
        PREPARED_TEST(long_letters_stream),
        PREPARED_TEST(what_is_dropped_leaves_nothing),
        PREPARED_TEST(an_id_is_used_once),
        PREPARED_TEST(X10_short_and_interrupted_writes_change_nothing),
        PREPARED_TEST(X09_a_failed_sync_is_final),
        PREPARED_TEST(X04_a_full_disk_leaves_nothing),
        PREPARED_TEST(X04_a_file_size_limit_is_met),
        SPOOL_TEST(room_is_measured_once_a_second),
        SPOOL_TEST(only_what_was_told_is_taken),
        SPOOL_TEST(a_borrower_follows_no_link),
        SPOOL_TEST(in_is_swept_when_old_and_unlocked),
        SPOOL_TEST(msg_is_swept_by_its_envelopes),
        SPOOL_TEST(borrowers_can_read_whatever_the_umask),
        SPOOL_TEST(a_missing_spool_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
