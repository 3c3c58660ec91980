/* What a delivery makes of a letter and of the mailbox, where all goes well. */
#include "deliver_world.h"

#include <pthread.h>

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

/* A letter that is written where it stays: no copy is made of it. */
static void in_place(void **state)
{
    struct fixture *f = *state;
    struct delivery v = to_alice(f), u = to_alice(f);
    bool linkable;
    DEFER(close_fd) int fd = deliver_temporary(f->d, &linkable, NULL);
    char top[DELIVER_TOP_BYTES];
    struct str t = deliver_top(&v, top);

    assert_true(fd >= 0);
    if (!linkable)
        skip();
    assert_true(str_eq(t, STR(TOP)));
    assert_int_equal(write(fd, t.p, t.n), t.n);
    assert_int_equal(write(fd, LETTER, sizeof(LETTER) - 1), sizeof(LETTER) - 1);
    v.staged = u.staged = false;
    v.source = u.source = fd;
    v.source_at = u.source_at = t.n;
    v.in_place = true;
    v.lf = 7;
    u.user.id = 8;
    u.user.maildir = STR("mail/example.test/bob");
    u.delivered_to = STR("bob@example.test");
    deliver_batch(f->d, (struct delivery *[]){&u, &v}, 2);
    assert_int_equal(v.result, 0);
    assert_int_equal(u.result, 0);
    assert_whole(f);
    assert_non_null(strstr(v.name, ",S=113,W=120"));
    assert_non_null(strstr(u.name, ",S=111,W=118"));
    assert_int_equal(world_count(&f->w, "mail/example.test/bob/new", NULL), 1);
    assert_int_equal(world_count(&f->w, "mail/.deliver", NULL), 0);
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

/* More of them than are kept open. */
static void many_mailboxes(void **state)
{
    struct fixture *f = *state;
    enum { N = 260 };
    char maildir[64], path[WORLD_BYTES];

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            struct delivery v = to_alice(f);

            snprintf(maildir, sizeof(maildir), "mail/example.test/u%d", i);
            v.user.id = 100 + i;
            v.user.maildir = str_c(maildir);
            v.id.text[ID_LETTERS - 1] = (char)('a' + round);
            assert_int_equal(deliver_one(f, &v), 0);
        }
    }
    for (int i = 0; i < N; i++) {
        snprintf(path, sizeof(path), "mail/example.test/u%d/new", i);
        assert_int_equal(world_count(&f->w, path, NULL), 2);
    }
}

/* All folders count, from the names where they say it. */
static void quota_of_folders(void **state)
{
    struct fixture *f = *state;
    struct delivery v = to_alice(f);

    assert_int_equal(deliver_one(f, &v), 0);
    assert_int_equal(mkdirat(f->w.fd, ALICE "/.Sent", 0700), 0);
    assert_int_equal(mkdirat(f->w.fd, ALICE "/.Sent/cur", 0700), 0);
    world_write(&f->w, ALICE "/.Sent/cur/1.a,S=1000:2,S", STR("x"));
    world_write(&f->w, ALICE "/cur/2.a:2,", STR("0123456789"));
    open_again(f);
    v.user.quota_bytes = 1010 + sizeof(TOP LETTER) - 1 + sizeof(LETTER) - 1 - 1;
    v.id.text[ID_LETTERS - 1] = 'a';
    assert_int_equal(deliver_one(f, &v), E_NO_SPACE);
    open_again(f);
    v.user.quota_bytes++;
    assert_int_equal(deliver_one(f, &v), 0);
    open_again(f);
    v.user.quota_bytes = 0;
    v.user.quota_letters = 4;
    v.id.text[ID_LETTERS - 1] = 'b';
    assert_int_equal(deliver_one(f, &v), E_NO_SPACE);
}

int main(void)
{
#define DELIVER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        DELIVER_TEST(one_letter_twice_in_a_batch),
        DELIVER_TEST(m14_forged_return_path),
        DELIVER_TEST(a26_own_delivered_to),
        DELIVER_TEST(long_letter),
        DELIVER_TEST(quotas),
        DELIVER_TEST(without_an_id_of_the_queue),
        DELIVER_TEST(in_place),
        DELIVER_TEST(sweeps),
        DELIVER_TEST(f01_links_lead_nowhere),
        DELIVER_TEST(x39_mailbox_removed),
        DELIVER_TEST(one_process_at_a_time),
        DELIVER_TEST(threads_deliver_once),
        DELIVER_TEST(many_mailboxes),
        DELIVER_TEST(quota_of_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
