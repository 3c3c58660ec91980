/* Letters as they leave: short and long ones, as they are and in seven bits. */
#include "mta/send/source.h"

#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* The disk cannot read any more from the n-th read on; 0: it can. */
static int bad_from, reads;

ssize_t read(int fd, void *to, size_t n)
{
    reads++;
    if (bad_from && reads >= bad_from) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_read, fd, to, n > 5 ? n / 2 : n); /* short reads too */
}

#define HEAD "Content-Type: text/plain\n\n"

static char dir[] = "/tmp/posta-source-XXXXXX";
static struct spool *spool;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    struct err err;

    return mkdtemp(dir) && spool_make(dir, &err) == 0 && (spool = spool_open(dir, &err)) ? 0
                                                                                         : -1;
}

static int tear_down(void **state)
{
    (void)state;
    spool_close(spool);
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct source_wish put(struct str text)
{
    struct source_wish w = {.spool = spool, .cache = -1, .size = text.n};
    char path[200];

    clock_new_id(&w.id);
    snprintf(path, sizeof(path), "%s/spool/msg/%s", dir, w.id.text);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.p, text.n), (ssize_t)text.n);
    close(fd);
    return w;
}

static void read_all(const struct source *s, size_t step, struct buf *out)
{
    ssize_t n;
    char piece[4096];

    for (uint64_t at = 0; (n = source_read(s, at, piece, step)) > 0; at += (uint64_t)n)
        buf_add(out, (struct str){piece, (size_t)n});
    assert_int_equal(n, 0);
}

static void check(const struct source *s, struct str want)
{
    struct buf got;

    buf_init(&got, 16 << 20);
    read_all(s, 4096, &got);
    assert_true(str_eq(buf_str(&got), want));
    assert_int_equal(s->size, want.n);
    buf_done(&got);
}

/* In memory up to the limit, from the file above it. */
static void as_it_is(void **state)
{
    static char text[SOURCE_MEMORY_BYTES + 1];

    (void)state;
    memset(text, '\n', sizeof(text));
    for (size_t n = SOURCE_MEMORY_BYTES - 1; n <= SOURCE_MEMORY_BYTES + 1; n++) {
        struct source_wish w = put((struct str){text, n});
        struct err err;
        struct source *s = source_open(&w, &err);

        assert_non_null(s);
        assert_int_equal(s->fd >= 0, n > SOURCE_MEMORY_BYTES);
        assert_int_equal(s->wire_size, 2 * n);
        check(s, (struct str){text, n});
        source_hold(s);
        source_release(s);
        source_release(s);
    }
}

static void what_is_not_there(void **state)
{
    struct source_wish w = put(STR(HEAD "x\n"));
    struct err err = {0};

    (void)state;
    w.size++;
    assert_null(source_open(&w, &err));
    assert_int_equal(err.code, E_CORRUPT);
    clock_new_id(&w.id);
    assert_null(source_open(&w, &err));
    source_release(NULL);
}

/* X08: that letter waits, and nothing else. */
static void what_cannot_be_read(void **state)
{
    static char text[SOURCE_MEMORY_BYTES + 1];

    (void)state;
    memset(text, '\n', sizeof(text));
    for (unsigned i = 0; i < 6; i++) {
        struct source_wish w = put((struct str){text, sizeof(text) - i % 2});
        struct err err;

        w.seven_bits = i / 2 == 1;
        w.always = i / 2 == 2;
        bad_from = reads + 3;
        assert_null(source_open(&w, &err));
        bad_from = 0;
        assert_int_equal(err.code, -EIO);
    }
}

static void seven_bits(void **state)
{
    struct source_wish w = put(STR(HEAD "some words \xc3\xa4\n"));
    struct err err;

    (void)state;
    struct source *s = source_open(&w, &err);
    check(s, STR(HEAD "some words \xc3\xa4\n"));
    source_release(s);
    w.seven_bits = true;
    s = source_open(&w, &err);
    static const struct str want = STR_LIT(
        "Content-Type: text/plain\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n"
        "c29tZSB3b3JkcyDDpA0K");
    check(s, want);
    assert_int_equal(s->wire_size, want.n + 4);
    source_release(s);
    w = put(STR(HEAD "plain\n"));
    w.seven_bits = true;
    s = source_open(&w, &err);
    check(s, STR(HEAD "plain\n"));
    source_release(s);
}

static void not_to_be_made_so(void **state)
{
    struct source_wish w =
        put(STR("Content-Transfer-Encoding: x-uu\nContent-Type: a/b\n\n\xc3\xa4\n"));
    struct err err;

    (void)state;
    w.seven_bits = true;
    assert_null(source_open(&w, &err));
    assert_int_equal(err.code, E_SYNTAX);
}

/* A long one goes into a file; without a place for it, it waits. */
static void long_ones(void **state)
{
    struct buf text;
    struct err err;

    (void)state;
    buf_init(&text, 16 << 20);
    buf_add(&text, STR(HEAD));
    while (text.n < 2 * SOURCE_MEMORY_BYTES)
        buf_add(&text, STR("many words in one line, and one: \xc3\xa4\n"));
    struct source_wish w = put(buf_str(&text));
    w.seven_bits = true;
    assert_null(source_open(&w, &err));
    assert_int_equal(err.code, E_UNAVAILABLE);
    w.cache = open(dir, O_DIRECTORY | O_RDONLY);
    struct source *s = source_open(&w, &err);
    assert_non_null(s);
    assert_true(s->fd >= 0 && s->size > text.n);
    source_release(s);
    close(w.cache);
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_it_is),
        cmocka_unit_test(what_is_not_there),
        cmocka_unit_test(seven_bits),
        cmocka_unit_test(not_to_be_made_so),
        cmocka_unit_test(what_cannot_be_read),
        cmocka_unit_test(long_ones),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
