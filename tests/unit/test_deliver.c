/*
 * Staged delivery: what stands in the mailbox afterwards, and that a stop or a
 * failure at any system call never leads to a lost, a torn or a second copy.
 *
 * The system calls that change something are wrapped by the linker: each is a step,
 * at which the process can be ended or the call made to fail.
 */
#include "store/deliver.h"

#include "store_world.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define ALICE  "mail/example.test/alice"
#define LETTER "Subject: hello\n\nHello Alice,\n\nthis is a letter.\n"
#define TOP    "Return-Path: <bob@example.test>\nDelivered-To: alice@example.test\n"

/* ---- steps ---- */

enum mode { RUN, END, FAIL };

static enum mode mode;
static int steps_left, fail_with, steps_taken;

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

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    return step() ? -1 : __real_fdatasync(fd);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    return step() ? -1 : __real_fsync(fd);
}

int __real_linkat(int from, const char *old, int to, const char *new, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *new, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *new, int flags)
{
    return step() ? -1 : __real_linkat(from, old, to, new, flags);
}

int __real_renameat(int from, const char *old, int to, const char *new);
int __wrap_renameat(int from, const char *old, int to, const char *new);
int __wrap_renameat(int from, const char *old, int to, const char *new)
{
    return step() ? -1 : __real_renameat(from, old, to, new);
}

int __real_mkdirat(int at, const char *name, mode_t bits);
int __wrap_mkdirat(int at, const char *name, mode_t bits);
int __wrap_mkdirat(int at, const char *name, mode_t bits)
{
    return step() ? -1 : __real_mkdirat(at, name, bits);
}

/* ---- a world with a letter ---- */

struct fixture {
    struct world w;
    struct deliver *d;
    struct id id;
    int source;
};

static void open_again(struct fixture *f)
{
    struct err err;

    deliver_close(f->d);
    f->d = deliver_open(f->w.dir, "mail.example.test", &err);
    assert_non_null(f->d);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    mode = RUN;
    world_init(&f->w);
    assert_int_equal(mkdirat(f->w.fd, "spool", 0700), 0);
    assert_int_equal(mkdirat(f->w.fd, "spool/in", 0700), 0);
    assert_int_equal(mkdirat(f->w.fd, "spool/msg", 0700), 0);
    id_make(&f->id, UINT64_C(1795384219123), (const uint8_t[8]){1, 2, 3, 4, 5, 6, 7, 8});
    world_write(&f->w, "letter", STR(LETTER));
    f->source = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(f->source >= 0);
    int fd = openat(f->w.fd, "letter", O_RDONLY | O_CLOEXEC);
    assert_true(dup2(fd, f->source) >= 0);
    close(fd);
    open_again(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    mode = RUN;
    deliver_close(f->d);
    close(f->source);
    world_done(&f->w);
    free(f);
    return 0;
}

static struct user alice(void)
{
    return (struct user){
        .id = 7, .address = STR("alice@example.test"), .maildir = STR(ALICE), .enabled = true};
}

static struct delivery to_alice(const struct fixture *f)
{
    return (struct delivery){.id = f->id,
                             .staged = true,
                             .source = f->source,
                             .size = sizeof(LETTER) - 1,
                             .user = alice(),
                             .reverse_path = STR("bob@example.test"),
                             .delivered_to = STR("alice@example.test")};
}

static struct delivery from_memory(const struct fixture *f, struct str text)
{
    struct delivery v = to_alice(f);

    v.source = -1;
    v.text = text;
    v.size = text.n;
    return v;
}

static int deliver_one(struct fixture *f, struct delivery *v)
{
    deliver_batch(f->d, &v, 1);
    return v->result;
}

/* All copies of the letter, wherever they are. */
static int copies(const struct fixture *f)
{
    int in_new = world_count(&f->w, ALICE "/new", NULL);
    int in_cur = world_count(&f->w, ALICE "/cur", NULL);

    return (in_new > 0 ? in_new : 0) + (in_cur > 0 ? in_cur : 0);
}

static void assert_whole(const struct fixture *f)
{
    char name[256], path[WORLD_BYTES];
    struct buf text;

    assert_int_equal(world_count(&f->w, ALICE "/new", name), 1);
    snprintf(path, sizeof(path), ALICE "/new/%s", name);
    buf_init(&text, 1 << 20);
    world_read(&f->w, path, &text);
    assert_true(str_eq(buf_str(&text), STR(TOP LETTER)));
    buf_done(&text);
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

static void one_letter_twice_in_a_batch(void **state)
{
    struct fixture *f = *state;
    struct delivery v = to_alice(f), u = to_alice(f);

    u.delivered_to = STR("alice+detail@example.test");
    deliver_batch(f->d, (struct delivery *[]){&v, &u}, 2);
    assert_int_equal(v.result, 0);
    assert_int_equal(u.result, 0);
    assert_int_equal(copies(f), 1);
}

static void rename_in(const struct fixture *f, const char *from, const char *to)
{
    assert_int_equal(__real_renameat(f->w.fd, from, f->w.fd, to), 0);
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

static void m14_forged_return_path(void **state)
{
    struct fixture *f = *state;
    struct delivery v =
        from_memory(f, STR("return-PATH : <evil@x>\n\tand more\nSubject: a\n"
                           "Return-Path: <evil@y>\nDelivered-To: someone@else\n\n"
                           "Return-Path: stays\n"));
    char path[WORLD_BYTES];
    struct buf text;

    assert_int_equal(deliver_one(f, &v), 0);
    snprintf(path, sizeof(path), ALICE "/new/%s", v.name);
    buf_init(&text, 1 << 20);
    world_read(&f->w, path, &text);
    assert_true(str_eq(buf_str(&text), STR(TOP "Subject: a\nDelivered-To: someone@else\n\n"
                                               "Return-Path: stays\n")));
    buf_done(&text);
}

static void a26_own_delivered_to(void **state)
{
    struct fixture *f = *state;
    struct delivery v =
        from_memory(f, STR("Subject: a\nDELIVERED-To:  Alice@Example.Test \n\n"));

    assert_int_equal(deliver_one(f, &v), E_LOOP);
    assert_int_equal(copies(f), 0);
    assert_int_equal(world_count(&f->w, "mail/.deliver", NULL), 0);
    v = from_memory(f, STR("Subject: a\n\nDelivered-To: alice@example.test\n"));
    assert_int_equal(deliver_one(f, &v), 0);
}

static void long_letter(void **state)
{
    struct fixture *f = *state;
    enum { N = 3 * 1024 * 1024 + 17 };
    DEFER(free_mem) char *text = malloc(N);
    char path[WORLD_BYTES];
    struct buf got;
    uint64_t lf = 0;

    assert_non_null(text);
    for (size_t i = 0; i < N; i++) {
        text[i] = i % 61 == 0 ? '\n' : (char)('a' + i % 23);
        lf += text[i] == '\n';
    }
    text[0] = 'S';
    lf--;
    world_write(&f->w, "long", (struct str){text, N});
    DEFER(close_fd) int fd = openat(f->w.fd, "long", O_RDONLY | O_CLOEXEC);
    struct delivery v = to_alice(f);

    v.source = fd;
    v.size = N;
    assert_int_equal(deliver_one(f, &v), 0);
    snprintf(path, sizeof(path), ",S=%zu,W=%zu", N + sizeof(TOP) - 1, N + sizeof(TOP) + 1 + lf);
    assert_non_null(strstr(v.name, path));
    snprintf(path, sizeof(path), ALICE "/new/%s", v.name);
    buf_init(&got, 1 << 24);
    world_read(&f->w, path, &got);
    assert_true(str_eq(str_skip(buf_str(&got), sizeof(TOP) - 1), (struct str){text, N}));
    buf_done(&got);

    v = to_alice(f); /* one that is shorter than it was said to be */
    v.id.text[ID_LETTERS - 1] = 'z';
    v.source = fd;
    v.size = N + 1;
    assert_int_equal(deliver_one(f, &v), E_CORRUPT);
    assert_int_equal(copies(f), 1);
}

static void quotas(void **state)
{
    struct fixture *f = *state;
    struct delivery v = to_alice(f);
    const uint64_t one = sizeof(LETTER) - 1;

    v.user.quota_letters = 2;
    for (char c = 'a'; c <= 'c'; c++) {
        v.id.text[ID_LETTERS - 1] = c;
        assert_int_equal(deliver_one(f, &v), c < 'c' ? 0 : E_NO_SPACE);
        assert_int_equal(v.over_quota, c == 'c');
    }
    assert_true(deliver_full(f->d, &v.user, 1));
    assert_int_equal(copies(f), 2);
    assert_int_equal(world_count(&f->w, "mail/.deliver", NULL), 2);

    /* opened again it knows nothing, and counts */
    open_again(f);
    assert_false(deliver_full(f->d, &v.user, 1));
    v.user.quota_letters = 0;
    v.user.quota_bytes = 2 * (one + sizeof(TOP) - 1) + one;
    assert_int_equal(deliver_one(f, &v), 0);
    v.id.text[ID_LETTERS - 1] = 'd';
    assert_int_equal(deliver_one(f, &v), E_NO_SPACE);
    v.user.quota_bytes = 1; /* less than a letter */
    assert_int_equal(deliver_one(f, &v), E_NO_SPACE);
}

static void without_an_id_of_the_queue(void **state)
{
    struct fixture *f = *state;
    struct delivery v = from_memory(f, STR(LETTER));

    v.staged = false;
    assert_int_equal(deliver_one(f, &v), 0);
    assert_whole(f);
    assert_int_equal(world_count(&f->w, "mail/.deliver", NULL), 0);
    assert_int_equal(deliver_unswept(f->d), 0);
}

static void sweeps(void **state)
{
    struct fixture *f = *state;
    struct delivery v = to_alice(f);
    struct err err;
    struct spool *s = spool_open(f->w.dir, &err);
    char msg[WORLD_BYTES], left[WORLD_BYTES];

    assert_non_null(s);
    snprintf(msg, sizeof(msg), "spool/msg/%s", f->id.text);
    world_write(&f->w, msg, STR(LETTER));
    assert_int_equal(deliver_one(f, &v), 0);
    assert_int_equal(deliver_sweep(f->d, s, 10), 0);
    open_again(f);
    assert_int_equal(deliver_unswept(f->d), 1);
    assert_int_equal(deliver_sweep(f->d, s, 10), 0);
    assert_int_equal(unlinkat(f->w.fd, msg, 0), 0);
    snprintf(left, sizeof(left), "mail/.deliver/%s.9", f->id.text); /* of a crash */
    world_write(&f->w, left, STR("torn"));
    open_again(f);
    assert_int_equal(deliver_sweep(f->d, s, 10), 2);
    assert_int_equal(world_count(&f->w, "mail/.deliver", NULL), 0);
    assert_int_equal(copies(f), 1);
    spool_close(s);
}

static void f01_links_lead_nowhere(void **state)
{
    struct fixture *f = *state;
    struct delivery v = to_alice(f);

    assert_int_equal(deliver_one(f, &v), 0);
    rename_in(f, ALICE "/new", ALICE "/elsewhere");
    assert_int_equal(symlinkat("elsewhere", f->w.fd, ALICE "/new"), 0);
    open_again(f);
    v.id.text[ID_LETTERS - 1] = 'z';
    assert_true(deliver_one(f, &v) < 0);
    assert_int_equal(world_count(&f->w, ALICE "/elsewhere", NULL), 1);
    /* and the domain */
    rename_in(f, "mail/example.test", "mail/other.test");
    assert_int_equal(symlinkat("other.test", f->w.fd, "mail/example.test"), 0);
    assert_true(deliver_one(f, &v) < 0);
    v.user.maildir = STR("mail/../outside");
    assert_true(deliver_one(f, &v) < 0);
    assert_false(world_has(&f->w, "outside"));
}

/* Between two letters the Maildir is removed: it is made again. */
static void x39_mailbox_removed(void **state)
{
    struct fixture *f = *state;
    struct delivery v = to_alice(f);

    assert_int_equal(deliver_one(f, &v), 0);
    rename_in(f, "mail/example.test", "mail/gone");
    assert_int_equal(nftw("/nonexistent", world_remove, 1, 0), -1);
    char path[WORLD_BYTES];
    snprintf(path, sizeof(path), "%s/mail/gone", f->w.dir);
    assert_int_equal(nftw(path, world_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
    v.id.text[ID_LETTERS - 1] = 'z';
    assert_int_equal(deliver_one(f, &v), 0);
    assert_int_equal(copies(f), 1);
}

static void one_process_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct err err;

    assert_null(deliver_open(f->w.dir, "mail.example.test", &err));
    assert_int_equal(err.code, E_BUSY);
}

/* ---- two threads with the same letters ---- */

enum { THREADS = 3, LETTERS = 40 };

static void *deliver_all(void *arg)
{
    struct fixture *f = arg;
    struct delivery all[LETTERS], *batch[LETTERS];

    for (int i = 0; i < LETTERS; i++) {
        all[i] = to_alice(f);
        all[i].id.text[ID_LETTERS - 1] = (char)('0' + i % 10);
        all[i].id.text[ID_LETTERS - 2] = (char)('0' + i / 10);
        batch[i] = &all[i];
    }
    for (int i = 0; i < LETTERS; i += 10)
        deliver_batch(f->d, batch + i, 10);
    for (int i = 0; i < LETTERS; i++)
        if (all[i].result != 0)
            return arg;
    return NULL;
}

static void threads_deliver_once(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[THREADS];
    void *failed;

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, deliver_all, f), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(copies(f), LETTERS);
}

/* What a letter costs when the mailbox is known. */
static void few_system_calls(void **state)
{
    struct fixture *f = *state;
    struct delivery v = to_alice(f);

    assert_int_equal(deliver_one(f, &v), 0);
    steps_taken = 0;
    v.id.text[ID_LETTERS - 1] = 'z';
    assert_int_equal(deliver_one(f, &v), 0);
    /* create, 2 reads and 2 to 4 writes as they are cut short here, flush, flush .deliver,
     * link, flush new/, rename, flush .deliver */
    assert_in_range(steps_taken, 8, 40);
}

int main(void)
{
#define DELIVER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        DELIVER_TEST(delivers),
        DELIVER_TEST(again_after_all_went_well),
        DELIVER_TEST(one_letter_twice_in_a_batch),
        DELIVER_TEST(again_after_the_user_moved_it),
        DELIVER_TEST(x01_ends_at_each_step),
        DELIVER_TEST(x03_ends_twice),
        DELIVER_TEST(x05_no_space_at_each_call),
        DELIVER_TEST(x09_errors_at_each_call),
        DELIVER_TEST(x05_nothing_stays),
        DELIVER_TEST(x10_interrupted),
        DELIVER_TEST(m14_forged_return_path),
        DELIVER_TEST(a26_own_delivered_to),
        DELIVER_TEST(long_letter),
        DELIVER_TEST(quotas),
        DELIVER_TEST(without_an_id_of_the_queue),
        DELIVER_TEST(sweeps),
        DELIVER_TEST(f01_links_lead_nowhere),
        DELIVER_TEST(x39_mailbox_removed),
        DELIVER_TEST(one_process_at_a_time),
        DELIVER_TEST(threads_deliver_once),
        DELIVER_TEST(few_system_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
