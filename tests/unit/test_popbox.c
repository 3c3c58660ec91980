/* An INBOX as POP3 sees it. */
#include "store/popbox.h"

#include "store/index.h"
#include "store/name.h"
#include "store_world.h"

#include <sys/socket.h>
#include <sys/un.h>

#define ALICE "mail/example.test/alice"

struct fixture {
    struct world w;
    char path[128];
    struct popbox *b;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    world_init(&f->w);
    snprintf(f->path, sizeof(f->path), "%s/" ALICE, f->w.dir);
    assert_int_equal(popbox_open(f->path, &f->b, NULL), 0); /* makes it */
    popbox_close(f->b);
    f->b = NULL;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    popbox_close(f->b);
    world_done(&f->w);
    free(f);
    return 0;
}

static void open_box(struct fixture *f)
{
    struct err err;

    popbox_close(f->b);
    f->b = NULL;
    assert_int_equal(popbox_open(f->path, &f->b, &err), 0);
}

static void put(struct fixture *f, const char *name, struct str text)
{
    char path[WORLD_BYTES];

    snprintf(path, sizeof(path), ALICE "/%s", name);
    world_write(&f->w, path, text);
}

static void move(struct fixture *f, const char *from, const char *to)
{
    char one[WORLD_BYTES], two[WORLD_BYTES];

    snprintf(one, sizeof(one), ALICE "/%s", from);
    snprintf(two, sizeof(two), ALICE "/%s", to);
    assert_int_equal(renameat(f->w.fd, one, f->w.fd, two), 0);
}

static void drop(struct fixture *f, const char *name)
{
    char path[WORLD_BYTES];

    snprintf(path, sizeof(path), ALICE "/%s", name);
    assert_int_equal(unlinkat(f->w.fd, path, 0), 0);
}

static void assert_uidl(struct fixture *f, uint32_t i, const char *want)
{
    char got[NAME_UIDL_BYTES + 1];
    struct str uidl = popbox_uidl(f->b, i);

    assert_in_range(uidl.n, 1, NAME_UIDL_BYTES);
    snprintf(got, sizeof(got), "%.*s", STR_ARGS(uidl));
    assert_string_equal(got, want);
}

static void assert_text(struct fixture *f, uint32_t i, struct str want, bool crlf)
{
    char text[256];
    bool is_crlf;
    DEFER(close_fd) int fd = popbox_read(f->b, i, &is_crlf, NULL);

    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof(text)), want.n);
    assert_memory_equal(text, want.p, want.n);
    assert_int_equal(is_crlf, crlf);
}

#define OURS(n) "1795384219.01m82kt5fk0g1r60m2060" #n ".mail.example.test"

static void empty(void **state)
{
    struct fixture *f = *state;

    open_box(f);
    assert_int_equal(popbox_count(f->b), 0);
    assert_int_equal(popbox_remove(f->b, NULL, NULL), 0);
    assert_true(world_has(&f->w, ALICE "/posta-folder"));
    assert_false(world_has(&f->w, ALICE "/" INDEX_FILE));
}

static void lists_in_order_and_moves_nothing(void **state)
{
    struct fixture *f = *state;

    put(f, "cur/" OURS(0g2) ",S=4,W=5:2,S", STR("bb\n\n"));
    put(f, "new/" OURS(0g1) ",S=3,W=4", STR("aa\n"));
    put(f, "new/900.foreign,S=2,W=3", STR("f\n"));
    open_box(f);
    assert_int_equal(popbox_count(f->b), 3);
    assert_uidl(f, 0, "900.foreign");
    assert_uidl(f, 1, OURS(0g1));
    assert_uidl(f, 2, OURS(0g2));
    assert_int_equal(popbox_size(f->b, 0), 3);
    assert_int_equal(popbox_size(f->b, 1), 4);
    assert_int_equal(popbox_size(f->b, 2), 5);
    assert_text(f, 1, STR("aa\n"), false);
    assert_text(f, 2, STR("bb\n\n"), false);
    assert_int_equal(world_count(&f->w, ALICE "/new", NULL), 2);
    assert_int_equal(world_count(&f->w, ALICE "/cur", NULL), 1);
}

/* P07: flags, the way from new/ to cur/, a lost index, a rename by mbsync */
static void p07_uidl_never_changes(void **state)
{
    struct fixture *f = *state;

    put(f, "new/" OURS(0g1) ",S=3,W=4", STR("aa\n"));
    put(f, "new/1.x y%", STR("aa\n"));
    for (int round = 0; round < 4; round++) {
        open_box(f);
        assert_int_equal(popbox_count(f->b), 2);
        assert_uidl(f, 0, "1.x%20y%25");
        assert_uidl(f, 1, OURS(0g1));
        popbox_close(f->b);
        f->b = NULL;
        if (round == 0) {
            move(f, "new/" OURS(0g1) ",S=3,W=4", "cur/" OURS(0g1) ",S=3,W=4,P=7.1:2,FSa");
            move(f, "new/1.x y%", "cur/1.x y%,U=5:2,");
        }
        if (round == 1)
            index_delete(f->path);
        if (round == 2)
            move(f, "cur/1.x y%,U=5:2,", "cur/1.x y%,S=3:2,R");
    }
}

static void uidls_of_odd_names(void **state)
{
    struct fixture *f = *state;
    char path[300], unique[201], first[NAME_UIDL_BYTES + 1];

    memset(unique, 'n', 200);
    unique[200] = '\0';
    snprintf(path, sizeof(path), "new/%s", unique);
    put(f, path, STR("x\n"));
    open_box(f);
    assert_int_equal(popbox_count(f->b), 1);
    struct str uidl = popbox_uidl(f->b, 0);
    assert_int_equal(uidl.n, 33);
    snprintf(first, sizeof(first), "%.*s", STR_ARGS(uidl));
    unique[199] = 'm';
    snprintf(path, sizeof(path), "new/%s", unique);
    put(f, path, STR("x\n"));
    open_box(f);
    assert_int_equal(popbox_count(f->b), 2);
    assert_uidl(f, 1, first);
    assert_false(str_eq(popbox_uidl(f->b, 0), str_c(first)));
}

static void copies_are_told_apart(void **state)
{
    struct fixture *f = *state;

    put(f, "new/1.a", STR("x\n"));
    put(f, "cur/1.a:2,S", STR("xy\n"));
    put(f, "cur/1.a:2,RS", STR("xyz\n"));
    for (int round = 0; round < 2; round++) {
        open_box(f);
        assert_int_equal(popbox_count(f->b), 3);
        assert_uidl(f, 0, "1.a");
        assert_uidl(f, 1, "1.a%~1");
        assert_uidl(f, 2, "1.a%~2");
        assert_int_equal(popbox_size(f->b, 0), 3);
        assert_int_equal(popbox_size(f->b, 1), 5);
        assert_int_equal(popbox_size(f->b, 2), 4);
    }
}

static void replace_index_by_directory(struct fixture *f)
{
    index_delete(f->path);
    assert_int_equal(mkdirat(f->w.fd, ALICE "/" INDEX_FILE, 0700), 0);
}

static void sizes_of_foreign_letters(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name;
        struct str text;
        uint64_t want;
        bool crlf;
    } rows[] = {
        {"new/1.a",      STR_LIT(""),                 0,  false},
        {"new/2.a",      STR_LIT("\n"),               2,  false},
        {"new/3.a",      STR_LIT("a\nb\n"),           6,  false},
        {"new/4.a",      STR_LIT("a\r\nb\r\n"),       6,  true },
        {"cur/5.a",      STR_LIT("a\r\nb\nc\r\n\nd"), 12, true },
        {"cur/6.a",      STR_LIT("a\nb\r\n"),         7,  false},
        {"cur/7.a,S=99", STR_LIT("no end"),           6,  false},
    };
    enum { N = sizeof(rows) / sizeof(*rows) };

    for (int i = 0; i < N; i++)
        put(f, rows[i].name, rows[i].text);
    /* read; from the index; with a broken index; without */
    for (int round = 0; round < 4; round++) {
        if (round == 2)
            put(f, INDEX_FILE,
                STR("this is no database, but it is long enough to look like one"));
        if (round == 3)
            replace_index_by_directory(f);
        open_box(f);
        assert_int_equal(popbox_count(f->b), N);
        for (uint32_t i = 0; i < N; i++) {
            assert_int_equal(popbox_size(f->b, i), rows[i].want);
            assert_text(f, i, rows[i].text, rows[i].crlf);
        }
    }
}

struct rows {
    int n;
    uint64_t size;
};

static void count_row(void *arg, const struct index_measure *m)
{
    struct rows *r = arg;

    r->n++;
    r->size += m->size;
}

static struct rows index_rows(struct fixture *f)
{
    struct rows r = {0};
    struct index *x;
    int64_t folder;

    assert_int_equal(index_open(f->path, &x, NULL), 0);
    assert_int_equal(index_find_folder(x, STR("INBOX"), &folder, NULL), 0);
    assert_int_equal(index_measures(x, folder, count_row, &r, NULL), 0);
    index_close(x);
    return r;
}

static void the_index_follows(void **state)
{
    struct fixture *f = *state;

    put(f, "new/1.a", STR("x\n"));
    put(f, "new/2.a", STR("yy\n"));
    put(f, "new/3.a", STR("zzz\n"));
    open_box(f);
    assert_int_equal(index_rows(f).n, 3);
    assert_int_equal(index_rows(f).size, 9);
    drop(f, "new/2.a");
    put(f, "new/4.a", STR("four\n"));
    open_box(f);
    assert_int_equal(index_rows(f).n, 3);
    assert_int_equal(index_rows(f).size, 11);
    assert_int_equal(popbox_size(f->b, 2), 6);
}

static void f02_oddities(void **state)
{
    struct fixture *f = *state;
    char path[300];
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    DEFER(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(mkfifoat(f->w.fd, ALICE "/new/1.fifo", 0600), 0);
    assert_int_equal(mkdirat(f->w.fd, ALICE "/new/2.dir", 0700), 0);
    assert_int_equal(symlinkat("/etc/passwd", f->w.fd, ALICE "/new/3.link"), 0);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/" ALICE "/new/4.s", f->w.dir);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    put(f, "new/5.new\nline", STR("x\n"));
    put(f, "new/.hidden", STR("x\n"));
    snprintf(path, sizeof(path), "new/%0255d", 6);
    put(f, path, STR("x\n"));
    put(f, "cur/7.good:2,", STR("x\n"));
    open_box(f);
    assert_int_equal(popbox_count(f->b), 1);
    assert_uidl(f, 0, "7.good");
}

/* F03: a terabyte of nothing is not read through. */
static void f03_sparse(void **state)
{
    struct fixture *f = *state;
    const off_t tera = (off_t)1 << 40;

    put(f, "new/1.sparse", STR("Subject: x\n"));
    DEFER(close_fd) int fd = openat(f->w.fd, ALICE "/new/1.sparse", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    if (ftruncate(fd, tera) < 0)
        skip();
    open_box(f);
    assert_int_equal(popbox_count(f->b), 1);
    assert_int_equal(popbox_size(f->b, 0), tera);
}

static void another_program_renames(void **state)
{
    struct fixture *f = *state;
    bool crlf;
    struct err err;

    put(f, "new/" OURS(0g1) ",S=3,W=4", STR("aa\n"));
    put(f, "new/2000000000.b", STR("bb\n"));
    put(f, "new/2000000001.c", STR("cc\n"));
    open_box(f);
    move(f, "new/" OURS(0g1) ",S=3,W=4", "cur/" OURS(0g1) ",S=3,W=4:2,S");
    move(f, "new/2000000000.b", "cur/2000000000.b,S=3:2,");
    drop(f, "new/2000000001.c");
    put(f, "new/1.late", STR("late\n"));
    assert_text(f, 0, STR("aa\n"), false);
    assert_text(f, 1, STR("bb\n"), false);
    assert_int_equal(popbox_read(f->b, 2, &crlf, &err), E_NOT_FOUND);
    assert_int_equal(popbox_read(f->b, 2, &crlf, &err), E_NOT_FOUND);
    assert_int_equal(popbox_count(f->b), 3);

    move(f, "cur/" OURS(0g1) ",S=3,W=4:2,S", "cur/" OURS(0g1) ",S=3,W=4:2,RS");
    assert_int_equal(popbox_remove(f->b, (const bool[]){true, false, true}, &err), 0);
    assert_int_equal(world_count(&f->w, ALICE "/cur", NULL), 1);
    assert_int_equal(world_count(&f->w, ALICE "/new", NULL), 1);
}

static void removes_what_is_marked(void **state)
{
    struct fixture *f = *state;

    put(f, "new/1.a", STR("x\n"));
    put(f, "new/2.a", STR("x\n"));
    put(f, "cur/3.a:2,S", STR("x\n"));
    open_box(f);
    assert_int_equal(popbox_remove(f->b, (const bool[]){false, true, true}, NULL), 0);
    open_box(f);
    assert_int_equal(popbox_count(f->b), 1);
    assert_uidl(f, 0, "1.a");
}

static void p08_one_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct popbox *second;
    struct err err;

    open_box(f);
    assert_int_equal(popbox_open(f->path, &second, &err), E_BUSY);
    popbox_close(f->b);
    f->b = NULL;
    assert_int_equal(popbox_open(f->path, &second, &err), 0);
    popbox_close(second);
}

static void f01_links(void **state)
{
    struct fixture *f = *state;
    struct popbox *b;

    move(f, "new", "elsewhere");
    assert_int_equal(symlinkat("elsewhere", f->w.fd, ALICE "/new"), 0);
    assert_true(popbox_open(f->path, &b, NULL) < 0);
}

static void no_mailbox_is_made_outside(void **state)
{
    struct popbox *b;

    (void)state;
    assert_true(popbox_open("/nonexistent/a/b/c", &b, NULL) < 0);
    assert_true(popbox_open("x", &b, NULL) < 0);
    assert_true(popbox_open("", &b, NULL) < 0);
}

/* By time, then by name; all of one size. */
static void assert_in_order(struct fixture *f)
{
    char before[NAME_UIDL_BYTES + 1] = "", now[NAME_UIDL_BYTES + 1];

    for (uint32_t i = 0; i < popbox_count(f->b); i++) {
        assert_int_equal(popbox_size(f->b, i), 20);
        snprintf(now, sizeof(now), "%.*s", STR_ARGS(popbox_uidl(f->b, i)));
        assert_true(strcmp(before, now) < 0);
        memcpy(before, now, sizeof(before));
    }
}

static void ten_thousand(void **state)
{
    struct fixture *f = *state;
    enum { N = 10000 };
    char name[64];

    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof(name), "new/%d.M1P%d.host,S=%d", 1000000000 + i / 100, i, 100);
        put(f, name, STR("Subject: x\n\ntext\n"));
    }
    for (int round = 0; round < 2; round++) {
        open_box(f);
        assert_int_equal(popbox_count(f->b), N);
        assert_in_order(f);
    }
    assert_int_equal(index_rows(f).n, N);
}

int main(void)
{
#define BOX_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        BOX_TEST(empty),
        BOX_TEST(lists_in_order_and_moves_nothing),
        BOX_TEST(p07_uidl_never_changes),
        BOX_TEST(uidls_of_odd_names),
        BOX_TEST(copies_are_told_apart),
        BOX_TEST(sizes_of_foreign_letters),
        BOX_TEST(the_index_follows),
        BOX_TEST(f02_oddities),
        BOX_TEST(f03_sparse),
        BOX_TEST(another_program_renames),
        BOX_TEST(removes_what_is_marked),
        BOX_TEST(p08_one_at_a_time),
        BOX_TEST(f01_links),
        BOX_TEST(no_mailbox_is_made_outside),
        BOX_TEST(ten_thousand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
