/*
 * APPEND: what stands in the folder afterwards, what is refused, and that nothing is lost, torn
 * or left behind when it is given up or stopped at any step.
 */
#include "copy_world.h"
#include "db/db.h"
#include "store/index_sql.h"
#include "store/mailbox_impl.h"

static struct append *open_append(struct fixture *f, const char *folder, int want)
{
    struct append *a = NULL;

    assert_int_equal(append_open(f->all, f->maildir, str_c(folder), 100, 0, 0, &a, NULL), want);
    return a;
}

static void read_letter(struct fixture *f, const char *path, struct buf *text)
{
    char name[256];

    assert_int_equal(world_count(&f->w, arena_printf(&f->a, MAILDIR "/%s/cur", path).p, name),
                     1);
    world_read(&f->w, arena_printf(&f->a, MAILDIR "/%s/cur/%s", path, name).p, text);
}

static void appends(void **state)
{
    struct fixture *f = *state;
    struct str words[] = {STR_LIT("$Forwarded"), STR_LIT("work"), STR_LIT("$forwarded")};
    struct append *a = open_append(f, "inbox", 0);
    uint32_t uid, uidvalidity;
    struct buf text;
    struct stat st;
    char name[256];

    assert_int_equal(append_add(a, STR(LETTER), NULL), 0);
    assert_int_equal(append_commit(a, NAME_SEEN | NAME_FLAGGED, words, 3, 1000000000, &uid,
                                   &uidvalidity, NULL),
                     0);
    append_free(a);
    assert_int_equal(uid, 1);
    assert_string_equal(letters(f, "INBOX"), "1:SF:$Forwarded:work ");
    assert_int_equal(in_tmp(f, "."), 0);
    buf_init(&text, 1 << 20);
    read_letter(f, ".", &text);
    assert_string_equal(buf_c(&text), STORED);
    buf_done(&text);
    assert_int_equal(world_count(&f->w, MAILDIR "/cur", name), 1);
    assert_non_null(strstr(name, ",S=22,W=25,P="));
    assert_int_equal(fstatat(f->w.fd, arena_printf(&f->a, MAILDIR "/cur/%s", name).p, &st, 0),
                     0);
    assert_int_equal(st.st_mtim.tv_sec, 1000000000);
    delete_index(f);
    assert_string_equal(letters(f, "INBOX"), "1:SF:$Forwarded:work ");
    assert_true(append(f, "INBOX") > 1);
}

/* I19: line ends wherever the pieces are cut; NUL; nothing at all */
static void i19_bytes(void **state)
{
    static const struct {
        struct str in;
        const char *want;
    } rows[] = {
        {STR_LIT(""),                 ""              },
        {STR_LIT("a\r\nb\r\n"),       "a\nb\n"        },
        {STR_LIT("a\nb\r\n\n"),       "a\nb\n\n"      },
        {STR_LIT("a\rb\r\rc\r\r\nd"), "a\rb\r\rc\r\nd"},
        {STR_LIT("a\r"),              "a\r"           },
        {STR_LIT("\r\n\r"),           "\n\r"          },
    };
    struct fixture *f = *state;
    uint32_t uid, uidvalidity;
    struct buf text;

    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        for (size_t cut = 0; cut <= rows[i].in.n; cut++) {
            again(f);
            struct append *a = open_append(f, "INBOX", 0);
            assert_int_equal(append_add(a, str_first(rows[i].in, cut), NULL), 0);
            assert_int_equal(append_add(a, str_skip(rows[i].in, cut), NULL), 0);
            assert_int_equal(append_commit(a, 0, NULL, 0, INT64_MIN, &uid, &uidvalidity, NULL),
                             0);
            append_free(a);
            read_letter(f, ".", &text);
            assert_int_equal(buf_str(&text).n, strlen(rows[i].want));
            assert_memory_equal(buf_str(&text).p, rows[i].want, strlen(rows[i].want));
        }
    }
    again(f);
    struct append *a = open_append(f, "INBOX", 0);
    assert_int_equal(append_add(a, STR("a\0b"), NULL), E_SYNTAX);
    assert_int_equal(append_add(a, STR("c"), NULL), E_SYNTAX);
    assert_int_equal(append_commit(a, 0, NULL, 0, 0, &uid, &uidvalidity, NULL), E_SYNTAX);
    append_free(a);
    assert_int_equal(in_cur(f, "."), 0);
    assert_int_equal(in_tmp(f, "."), 0);
    buf_done(&text);
}

/* More than a block, in pieces of all sizes. */
static void large_letters(void **state)
{
    struct fixture *f = *state;
    struct append *a = open_append(f, "INBOX", 0);
    uint32_t uid, uidvalidity;
    struct buf text;
    size_t n = 0;
    char line[100];

    for (int i = 0; i < 5000; i++) {
        int length = snprintf(line, sizeof(line), "%d %.*s\r\n", i, i % 80,
                              "................................................................"
                              "....................");
        n += (size_t)length - 1;
        assert_int_equal(append_add(a, (struct str){line, (size_t)length}, NULL), 0);
    }
    assert_int_equal(append_commit(a, 0, NULL, 0, 1000000000, &uid, &uidvalidity, NULL), 0);
    append_free(a);
    buf_init(&text, 1 << 20);
    read_letter(f, ".", &text);
    assert_int_equal(buf_str(&text).n, n);
    assert_true(str_starts(buf_str(&text), STR("0 \n1 .\n2 ..\n")));
    buf_done(&text);
}

/* I19: the quota, by octets and by letters; what is not committed does not count */
static void i19_quota(void **state)
{
    struct fixture *f = *state;
    struct append *a, *other;
    uint32_t uid, uidvalidity;
    struct str box = f->maildir;

    assert_int_equal(append_open(f->all, box, STR("INBOX"), 101, 100, 0, &a, NULL), E_NO_SPACE);
    assert_int_equal(append_open(f->all, box, STR("INBOX"), 60, 100, 0, &a, NULL), 0);
    assert_int_equal(append_open(f->all, box, STR("INBOX"), 60, 100, 0, &other, NULL),
                     E_NO_SPACE);
    append_free(a);
    assert_int_equal(append_open(f->all, box, STR("INBOX"), 60, 100, 1, &a, NULL), 0);
    assert_int_equal(append_add(a, STR(LETTER), NULL), 0);
    assert_int_equal(append_commit(a, 0, NULL, 0, 0, &uid, &uidvalidity, NULL), 0);
    append_free(a);
    assert_int_equal(append_open(f->all, box, STR("INBOX"), 1, 0, 1, &a, NULL), E_NO_SPACE);
    assert_int_equal(append_open(f->all, box, STR("INBOX"), 1, 0, 2, &a, NULL), 0);
    append_free(a);
    append_free(NULL);
}

static void i21_keywords(void **state)
{
    struct fixture *f = *state;
    struct str words[FOLDER_KEYWORDS + 1];
    struct append *a = open_append(f, "INBOX", 0);
    uint32_t uid, uidvalidity;

    for (size_t i = 0; i <= FOLDER_KEYWORDS; i++)
        words[i] = arena_printf(&f->a, "k%zu", i);
    assert_int_equal(append_add(a, STR(LETTER), NULL), 0);
    assert_int_equal(
        append_commit(a, 0, words, FOLDER_KEYWORDS + 1, 0, &uid, &uidvalidity, NULL), E_LIMIT);
    append_free(a);
    assert_int_equal(in_cur(f, "."), 0);
    assert_int_equal(in_tmp(f, "."), 0);
}

/* X39: the folder is deleted, renamed or made again while the letter comes */
static void x39_folder_changes(void **state)
{
    struct fixture *f = *state;
    struct append *a;
    uint32_t uid, uidvalidity;

    open_append(f, "a", E_NOT_FOUND);
    open_append(f, "../x", E_NOT_FOUND);
    assert_int_equal(create(f, "a"), 0);
    a = open_append(f, "a", 0);
    assert_int_equal(append_add(a, STR(LETTER), NULL), 0);
    assert_int_equal(folders_delete(f->all, f->maildir, STR("a"), NULL), 0);
    assert_int_equal(append_commit(a, 0, NULL, 0, 0, &uid, &uidvalidity, NULL), E_NOT_FOUND);
    append_free(a);
    assert_int_equal(create(f, "a"), 0);
    a = open_append(f, "a", 0);
    assert_int_equal(append_add(a, STR(LETTER), NULL), 0);
    assert_int_equal(folders_rename(f->all, f->maildir, STR("a"), STR("b"), NULL), 0);
    assert_int_equal(append_commit(a, 0, NULL, 0, 0, &uid, &uidvalidity, NULL), E_NOT_FOUND);
    append_free(a);
    assert_int_equal(in_tmp(f, ".b"), 0);
    assert_int_equal(in_cur(f, ".b"), 0);
    assert_int_equal(litter(f, ".", "posta-gone."), 0);
}

/* Two flushes a letter, once the folder's marks are there. */
static void flushes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(append(f, "INBOX"), 1);
    for (uint32_t i = 2; i < 20; i++) {
        steps_flushes = 0;
        assert_int_equal(append(f, "INBOX"), i);
        assert_int_equal(steps_flushes, 2);
    }
}

static void put_tmp(struct fixture *f, const char *name, time_t age)
{
    const char *path = arena_printf(&f->a, MAILDIR "/tmp/%s", name).p;
    struct timespec times[2] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};

    world_write(&f->w, path, STR("x"));
    assert_int_equal(utimensat(f->w.fd, path, times, 0), 0);
}

/* What others are at stays; what we left goes at once. */
static void sweeps_tmp(void **state)
{
    struct fixture *f = *state;
    struct append *a = open_append(f, "INBOX", 0);

    put_tmp(f, "posta-append.0000000000000000000000x", 0);
    put_tmp(f, "1.2.other", 0);
    put_tmp(f, "3.4.other", 40 * 3600);
    append_free(open_append(f, "INBOX", 0));
    /* the old one has been changed just now, as its inode says */
    assert_int_equal(in_tmp(f, "."), 3);
    append_free(a);
    assert_int_equal(in_tmp(f, "."), 2);
}

/* I20: given up at each octet */
static void i20_cut(void **state)
{
    struct fixture *f = *state;

    for (size_t cut = 0; cut <= sizeof(LETTER) - 1; cut++) {
        struct append *a = open_append(f, "INBOX", 0);

        assert_int_equal(append_add(a, str_first(STR(LETTER), cut), NULL), 0);
        append_free(a);
        assert_int_equal(in_tmp(f, "."), 0);
    }
    assert_string_equal(letters(f, "INBOX"), "");
}

/* X02: a power cut takes the last rows of index.db with it; names and UIDs stay. */
static void x02_rows_are_lost(void **state)
{
    struct fixture *f = *state;
    struct index *x;

    assert_int_equal(append(f, "INBOX"), 1);
    assert_int_equal(append(f, "INBOX"), 2);
    assert_int_equal(mailboxes_take(f->all, f->maildir, &x, NULL), 0);
    assert_int_equal(db_exec(x->db,
                             "UPDATE folder SET boot = 'another', uidnext = 2, letters = 1;"
                             "DELETE FROM message WHERE id & 4294967295 = 2",
                             NULL),
                     0);
    mailboxes_give(f->all, x, 0);
    restart(f);
    assert_string_equal(letters(f, "INBOX"), "1:S 2:S ");
    assert_true(append(f, "INBOX") > 2);
}

static void append_one(void *arg)
{
    struct fixture *f = arg;

    f->all = mailboxes_new(f->w.dir, f->w.dir, "mail.example.test");
    _exit(append_text(f, "a", STR(LETTER), NAME_SEEN, "work") ? 0 : 1);
}

/* X01: ended at each step, then once more */
static void x01_ends_at_each_step(void **state)
{
    struct fixture *f = *state;
    bool ended = true;
    int at;

    for (at = 0; ended; at++) {
        again(f);
        assert_int_equal(create(f, "a"), 0);
        assert_int_equal(append(f, "a"), 1);
        ended = steps_end_at(at, append_one, f);
        int n = in_cur(f, ".a");
        assert_true(n == 1 || n == 2);
        const char *now = letters(f, "a");
        if (n == 1)
            assert_string_equal(now, "1:S ");
        else
            assert_non_null(strstr(now, ":S:work "));
        assert_true(ended || n == 2);
        delete_index(f);
        assert_string_equal(letters(f, "a"), now); /* the names alone say the same */
        uint32_t uid = append(f, "a");
        assert_true(uid > (uint32_t)n);
        assert_int_equal(in_cur(f, ".a"), n + 1);
        assert_int_equal(in_tmp(f, ".a"), 0);
    }
    assert_true(at > 6);
}

/* A step fails: a letter, or none, and nothing is left. */
static void failures(void **state)
{
    struct fixture *f = *state;
    uint32_t uid = 0;

    for (int at = 0; uid == 0; at++) {
        again(f);
        assert_int_equal(create(f, "a"), 0);
        assert_int_equal(append(f, "a"), 1);
        steps_mode = STEPS_FAIL;
        steps_left = at;
        uid = append_text(f, "a", STR(LETTER), NAME_SEEN, "work");
        steps_mode = STEPS_RUN;
        assert_int_equal(in_cur(f, ".a"), uid ? 2 : 1);
        assert_string_equal(uid ? "1:S 2:S:work " : "1:S ", letters(f, "a"));
        append_free(open_append(f, "a", 0));
        assert_int_equal(in_tmp(f, ".a"), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(appends, setup, teardown),
        cmocka_unit_test_setup_teardown(i19_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(large_letters, setup, teardown),
        cmocka_unit_test_setup_teardown(i19_quota, setup, teardown),
        cmocka_unit_test_setup_teardown(i21_keywords, setup, teardown),
        cmocka_unit_test_setup_teardown(x39_folder_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(flushes, setup, teardown),
        cmocka_unit_test_setup_teardown(sweeps_tmp, setup, teardown),
        cmocka_unit_test_setup_teardown(i20_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(x01_ends_at_each_step, setup, teardown),
        cmocka_unit_test_setup_teardown(x02_rows_are_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(failures, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
