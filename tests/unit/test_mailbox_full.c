/*
 * Mailboxes on a full disk: SQLite finds no block that its files do not have yet. What is known
 * can be read, and letters can be thrown away, so that there is room again.
 */
#include "mailbox_world.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static _Atomic bool full;

/* SQLite writes with nothing else. It makes its -shm anew out of the blocks that it had. */
static bool is_there(int fd, off_t end)
{
    char link[64], path[WORLD_BYTES];
    struct stat st;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path));
    if (n > 4 && memcmp(path + n - 4, "-shm", 4) == 0)
        return true;
    return fstat(fd, &st) == 0 && end <= (off_t)st.st_blocks * 512;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    if (full && !is_there(fd, at + (off_t)n)) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, p, n, at);
}

enum { LETTERS = 10 };

static int end_test(void **state)
{
    full = false;
    return tear_down(state);
}

static void put_letters(struct fixture *f, int first, int last, const char *text)
{
    char name[160], path[WORLD_BYTES];

    for (int i = first; i <= last; i++) {
        snprintf(name, sizeof(name), "new/%d.%0100d.host", i, i);
        world_write(&f->w, path_in(path, name), str_c(text));
    }
    tick(f);
}

static void rest(struct fixture *f)
{
    mailboxes_rest(f->all, UINT64_MAX);
}

static int try_begin(struct fixture *f, enum mailbox_mode mode)
{
    struct err err = {0};

    return mailbox_begin(f->b, mode, &err);
}

/* As a client goes on asking. */
static int delete_first(struct fixture *f, uint32_t last)
{
    struct uidset set = {0}, gone = {0};
    int r = -1;

    uidset_add(&set, 1, last);
    for (int i = 0; i < 3 && r < 0; i++) {
        if ((r = try_begin(f, MAILBOX_WRITE)) < 0)
            continue;
        r = mailbox_store(f->b, &set, STORE_ADD, (struct mailbox_flags){NAME_TRASHED, 0},
                          UINT64_MAX, NULL, NULL, NULL);
        if (r == 0)
            r = mailbox_expunge(f->b, &set, &gone, NULL);
        if (r == 0)
            r = mailbox_end(f->b, NULL);
        else
            mailbox_abort(f->b);
    }
    uidset_done(&set);
    uidset_done(&gone);
    return r;
}

/* The log is as long as a busy index lets it become. */
static void throws_away(void **state)
{
    struct fixture *f = *state;

    put_letters(f, 1, LETTERS, LETTER);
    assert_int_equal(rows(f, NULL, 0, 0), LETTERS);
    rest(f);
    full = true;
    for (uint32_t uid = 1; uid < LETTERS; uid++)
        assert_int_equal(delete_first(f, uid), 0);
    assert_rows(f, "10");
    full = false;
    assert_rows(f, "10");
}

/* No news can be taken in: they wait. */
static void reads_what_is_known(void **state)
{
    struct fixture *f = *state;

    put_letters(f, 1, LETTERS, LETTER);
    assert_int_equal(rows(f, NULL, 0, 0), LETTERS);
    put_letters(f, LETTERS + 1, 4000, LETTER);
    full = true;
    assert_int_equal(rows(f, NULL, 0, WANT_ENVELOPE), LETTERS);
    assert_int_equal(try_begin(f, MAILBOX_WRITE), E_NO_SPACE);
    full = false;
    assert_int_equal(rows(f, NULL, 0, 0), 4000);
}

/* SQLite gives up the transaction when what was found in files does not fit: nothing of it is
 * half there, and the index is not taken for broken. */
static void gives_up_as_a_whole(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    struct message m;
    struct stat before, after;
    char path[WORLD_BYTES];
    struct err err = {0};
    int r;

    buf_init(&text, 1 << 20);
    for (int i = 0; i < 100; i++)
        buf_addf(&text, "Received: by %0100d\nReferences: %0100d\n", i, i);
    buf_add(&text, STR("\nx\n"));
    put_letters(f, 1, 400, buf_c(&text));
    buf_done(&text);
    assert_int_equal(rows(f, NULL, 0, 0), 400);
    assert_int_equal(fstatat(f->w.fd, path_in(path, INDEX_FILE), &before, 0), 0);
    full = true;
    begin(f, MAILBOX_WRITE);
    assert_int_equal(mailbox_scan(f->b, NULL, 0, WANT_HEADER, &err), 0);
    while ((r = mailbox_next(f->b, &m, &err)) > 0)
        ;
    if (r == 0)
        r = mailbox_end(f->b, &err);
    else
        mailbox_abort(f->b);
    assert_int_equal(r, E_NO_SPACE);
    full = false;
    assert_int_equal(fstatat(f->w.fd, path_in(path, INDEX_FILE), &after, 0), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(rows(f, NULL, 0, 0), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(throws_away, set_up, end_test),
        cmocka_unit_test_setup_teardown(reads_what_is_known, set_up, end_test),
        cmocka_unit_test_setup_teardown(gives_up_as_a_whole, set_up, end_test),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
