/*
 * Texts of letters: every section of a nested letter, whole and in parts cut everywhere,
 * against the letter as one string with CRLF line ends, in which the wanted texts are marked.
 */
#include "imap_work_world.h"
#include "store/lines.h"

#include <sys/stat.h>

/* ---- a letter with marks: "{name" begins a text of this name, "}name" ends it ---- */

enum { MARKS_MAX = 64, LETTER_BYTES = 1 << 20 };

struct marked {
    char letter[LETTER_BYTES]; /* with LF */
    size_t n;
    struct {
        struct str name;
        size_t from, to; /* in `wire` */
    } marks[MARKS_MAX];
    unsigned nmarks;
    struct buf wire;
};

static void mark(struct marked *m, struct str name, bool begins)
{
    if (begins) {
        assert_true(m->nmarks < MARKS_MAX);
        m->marks[m->nmarks].name = name;
        m->marks[m->nmarks].from = m->wire.n;
        m->nmarks++;
        return;
    }
    for (unsigned i = 0; i < m->nmarks; i++)
        if (str_eq(m->marks[i].name, name))
            m->marks[i].to = m->wire.n;
}

/* A line with '@' in front is marks, each with a space behind it. */
static void read_marks(struct marked *m, struct str line)
{
    struct str word;

    while (scan_until(&line, ' ', &word)) {
        scan_byte(&line, ' ');
        mark(m, str_skip(word, 1), word.p[0] == '{');
    }
}

static void marked_init(struct marked *m, struct str source)
{
    struct str line;

    m->n = m->nmarks = 0;
    buf_init(&m->wire, 2 * LETTER_BYTES);
    while (source.n) {
        size_t n = str_find(source, '\n');

        line = str_first(source, n);
        source = str_skip(source, n + 1);
        if (scan_byte(&line, '@')) {
            read_marks(m, line);
            continue;
        }
        memcpy(m->letter + m->n, line.p, line.n);
        m->n += line.n;
        m->letter[m->n++] = '\n';
        buf_add(&m->wire, line);
        buf_add(&m->wire, STR("\r\n"));
    }
}

/* Without the line end before a boundary, which belongs to the boundary (RFC 2046 5.1.1): its
 * name ends in '-'. */
static struct str marked_text(const struct marked *m, unsigned i, struct str *name)
{
    size_t n = m->marks[i].to - m->marks[i].from;
    bool cut = m->marks[i].name.p[m->marks[i].name.n - 1] == '-';

    *name = str_first(m->marks[i].name, m->marks[i].name.n - cut);
    return (struct str){m->wire.p + m->marks[i].from, cut ? n - 2 : n};
}

/* As RFC 3501 6.4.5's example, with letters inside. */
static const struct str source = STR_LIT("@{ {HEADER \n"
                                         "From: a@example.test\n"
                                         "Subject: all\n"
                                         "  of it\n"
                                         "MIME-Version: 1.0\n"
                                         "Content-Type: multipart/mixed; boundary=one\n"
                                         "\n"
                                         "@}HEADER {TEXT \n"
                                         "preamble\n"
                                         "--one\n"
                                         "@{1.MIME \n"
                                         "Content-Type: text/plain; charset=utf-8\n"
                                         "Content-Transfer-Encoding: 8bit\n"
                                         "\n"
                                         "@}1.MIME {1- \n"
                                         "first part\n"
                                         "\n"
                                         "gr\xc3\xbc\xc3\x9f"
                                         "e\n"
                                         "@}1- \n"
                                         "--one\n"
                                         "@{2.MIME \n"
                                         "Content-Type: message/rfc822\n"
                                         "\n"
                                         "@}2.MIME {2- {2.HEADER \n"
                                         "Subject: inside\n"
                                         "To: b@example.test\n"
                                         "Content-Type: multipart/alternative; boundary=two\n"
                                         "\n"
                                         "@}2.HEADER {2.TEXT- \n"
                                         "--two\n"
                                         "@{2.1.MIME \n"
                                         "\n"
                                         "@}2.1.MIME {2.1- \n"
                                         "plain\n"
                                         "@}2.1- \n"
                                         "--two\n"
                                         "@{2.2.MIME \n"
                                         "Content-Type: text/html\n"
                                         "\n"
                                         "@}2.2.MIME {2.2- \n"
                                         "<p>html\n"
                                         "@}2.2- \n"
                                         "--two--\n"
                                         "after two\n"
                                         "@}2- }2.TEXT- \n"
                                         "--one\n"
                                         "@{3.MIME \n"
                                         "Content-Type: message/rfc822\n"
                                         "\n"
                                         "@}3.MIME {3- {3.HEADER \n"
                                         "Subject: not multipart\n"
                                         "\n"
                                         "@}3.HEADER {3.TEXT- {3.1- \n"
                                         "only text\n"
                                         "@}3- }3.TEXT- }3.1- \n"
                                         "--one--\n"
                                         "epilogue\n"
                                         "@} }TEXT \n");

/* ---- asking ---- */

struct fixture {
    struct imap_world f;
    struct client c;
    struct marked m;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    imap_world_init(&f->f);
    client_init(&f->c, &f->f, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    client_done(&f->c);
    imap_world_done(&f->f);
    buf_done(&f->m.wire);
    free(f);
    return 0;
}

/* "* 1 FETCH (BODY[1]<7> {5}\r\nhello)\r\nOK\n" */
static void assert_text(struct client *c, const char *item, const char *told, struct str want)
{
    char command[256];
    struct str in, got;
    uint32_t n = 0;

    snprintf(command, sizeof(command), "FETCH 1 %s", item);
    in = client_run_raw(c, str_c(command));
    if (!scan_word(&in, STR("* 1 FETCH (")) || !scan_word(&in, str_c(told)) ||
        !scan_word(&in, STR(" {")) || !scan_u32(&in, UINT32_MAX, &n) ||
        !scan_word(&in, STR("}\r\n")) || n > in.n)
        fail_msg("%s: %s", command, buf_c(&c->out));
    got = str_first(in, n);
    if (!str_eq(got, want))
        fail_msg("%s: %.*s\n--- wanted ---\n%.*s", command, STR_ARGS(got), STR_ARGS(want));
    in = str_skip(in, n);
    if (!str_eq(in, STR(")\r\nOK\n")))
        fail_msg("%s: %.*s", command, STR_ARGS(in));
}

static struct str slice(struct str s, size_t from, size_t n)
{
    return from < s.n ? str_first(str_skip(s, from), n) : STR("");
}

static void assert_section(struct client *c, struct str name, struct str want)
{
    char item[128], told[128];

    snprintf(item, sizeof(item), "BODY.PEEK[%.*s]", STR_ARGS(name));
    snprintf(told, sizeof(told), "BODY[%.*s]", STR_ARGS(name));
    assert_text(c, item, told, want);
    for (size_t from = 0; from <= want.n + 1; from += want.n > 200 ? 13 : 1) {
        static const size_t lengths[] = {1, 2, 7, 100000};

        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
            snprintf(item, sizeof(item), "BODY.PEEK[%.*s]<%zu.%zu>", STR_ARGS(name), from,
                     lengths[i]);
            snprintf(told, sizeof(told), "BODY[%.*s]<%zu>", STR_ARGS(name), from);
            assert_text(c, item, told, slice(want, from, lengths[i]));
        }
    }
}

static void assert_all_sections(struct fixture *f)
{
    client_run(&f->c, "EXAMINE INBOX");
    for (unsigned i = 0; i < f->m.nmarks; i++) {
        struct str name, text = marked_text(&f->m, i, &name);

        assert_section(&f->c, name, text);
    }
}

static void test_sections(void **state)
{
    struct fixture *f = *state;

    marked_init(&f->m, source);
    imap_world_put(&f->f, ".", (struct str){f->m.letter, f->m.n});
    assert_all_sections(f);
}

/* The same letter, as a foreign program leaves it with CRLF. */
static void test_sections_of_crlf(void **state)
{
    struct fixture *f = *state;

    marked_init(&f->m, source);
    imap_world_put(&f->f, ".", buf_str(&f->m.wire));
    assert_all_sections(f);
}

static void test_old_names(void **state)
{
    struct fixture *f = *state;

    marked_init(&f->m, source);
    imap_world_put(&f->f, ".", (struct str){f->m.letter, f->m.n});
    client_run(&f->c, "EXAMINE INBOX");
    for (unsigned i = 0; i < 3; i++) {
        static const char *const names[] = {"RFC822", "RFC822.HEADER", "RFC822.TEXT"};
        struct str name;

        assert_text(&f->c, names[i], names[i], marked_text(&f->m, i, &name));
    }
}

static void test_none(void **state)
{
    static const char *const names[] = {
        "4",      "1.1", "2.3",   "1.HEADER",   "2.1.TEXT", "2.2.1",
        "1.TEXT", "3.2", "3.1.1", "2.1.HEADER", "99999999", "1.1.1.1.1.1.1.1"};
    struct fixture *f = *state;

    marked_init(&f->m, source);
    imap_world_put(&f->f, ".", (struct str){f->m.letter, f->m.n});
    client_run(&f->c, "EXAMINE INBOX");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char command[128], want[128];

        snprintf(command, sizeof(command), "FETCH 1 BODY.PEEK[%s]", names[i]);
        snprintf(want, sizeof(want), "* 1 FETCH (BODY[%s] NIL)\nOK\n", names[i]);
        assert_says(&f->c, command, want);
    }
}

static void test_fields(void **state)
{
    struct fixture *f = *state;

    marked_init(&f->m, source);
    imap_world_put(&f->f, ".", (struct str){f->m.letter, f->m.n});
    client_run(&f->c, "EXAMINE INBOX");
    assert_text(&f->c, "BODY.PEEK[HEADER.FIELDS (SUBJECT)]", "BODY[HEADER.FIELDS (SUBJECT)]",
                STR("Subject: all\r\n  of it\r\n\r\n"));
    assert_text(&f->c, "BODY.PEEK[HEADER.FIELDS (mime-version subject)]",
                "BODY[HEADER.FIELDS (mime-version subject)]",
                STR("Subject: all\r\n  of it\r\nMIME-Version: 1.0\r\n\r\n"));
    assert_text(&f->c, "BODY.PEEK[HEADER.FIELDS.NOT (Subject From Content-Type)]",
                "BODY[HEADER.FIELDS.NOT (Subject From Content-Type)]",
                STR("MIME-Version: 1.0\r\n\r\n"));
    assert_text(&f->c, "BODY.PEEK[HEADER.FIELDS (X-None)]<1.1>",
                "BODY[HEADER.FIELDS (X-None)]<1>", STR("\n"));
    assert_text(&f->c, "BODY.PEEK[2.HEADER.FIELDS (To)]", "BODY[2.HEADER.FIELDS (To)]",
                STR("To: b@example.test\r\n\r\n"));
    assert_text(&f->c, "BODY.PEEK[3.HEADER.FIELDS.NOT (To)]<0.3>",
                "BODY[3.HEADER.FIELDS.NOT (To)]<0>", STR("Sub"));
}

/* A letter that is not multipart: 1 is its body. */
static void test_simple(void **state)
{
    struct fixture *f = *state;

    imap_world_put(&f->f, ".", STR("Subject: x\n\nbody\nno end"));
    client_run(&f->c, "EXAMINE INBOX");
    assert_section(&f->c, STR("1"), STR("body\r\nno end"));
    assert_section(&f->c, STR("TEXT"), STR("body\r\nno end"));
    assert_section(&f->c, STR("HEADER"), STR("Subject: x\r\n\r\n"));
    assert_section(&f->c, STR(""), STR("Subject: x\r\n\r\nbody\r\nno end"));
}

/* What no letter should be. */
static void test_odd_letters(void **state)
{
    static const struct {
        struct str letter, all, header, text;
    } rows[] = {
        {STR_LIT(""),                         STR_LIT(""),                           STR_LIT(""),               STR_LIT("")              },
        {STR_LIT("\n"),                       STR_LIT("\r\n"),                       STR_LIT("\r\n"),           STR_LIT("")              },
        {STR_LIT("Subject: x"),               STR_LIT("Subject: x"),                 STR_LIT("Subject: x"),     STR_LIT("")              },
        {STR_LIT("Subject: x\n"),             STR_LIT("Subject: x\r\n"),             STR_LIT("Subject: x\r\n"),
         STR_LIT("")                                                                                                                     },
        {STR_LIT("\n\n\n"),                   STR_LIT("\r\n\r\n\r\n"),               STR_LIT("\r\n"),           STR_LIT("\r\n\r\n")      },
        {STR_LIT("A: b\n\na\0b\n"),
         STR_LIT("A: b\r\n\r\na\x80"
                 "b\r\n"),
         STR_LIT("A: b\r\n\r\n"),
         STR_LIT("a\x80"
                 "b\r\n")                                                                                                                },
        {STR_LIT("A: b\r\n\r\none\ntwo\r\n"), STR_LIT("A: b\r\n\r\none\r\ntwo\r\n"),
         STR_LIT("A: b\r\n\r\n"),                                                                               STR_LIT("one\r\ntwo\r\n")},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("letter %zu\n", i);
        imap_world_put(&f->f, ".", rows[i].letter);
        client_run(&f->c, "SELECT INBOX");
        assert_section(&f->c, STR(""), rows[i].all);
        assert_section(&f->c, STR("HEADER"), rows[i].header);
        assert_section(&f->c, STR("TEXT"), rows[i].text);
        client_run(&f->c, "STORE 1 +FLAGS.SILENT (\\Deleted)");
        client_run(&f->c, "EXPUNGE");
    }
}

/* ---- large ones, which are sent across steps ---- */

static struct str make_large(struct fixture *f, size_t n)
{
    buf_init(&f->m.wire, 8 << 20);
    f->m.n = 0;
    for (unsigned line = 0; f->m.n + 100 < n; line++) {
        char text[100];
        int len = snprintf(text, sizeof(text), line ? "line %u%.*s\n" : "Subject: large\n\n",
                           line, (int)(line * 7 % 60),
                           "............................................................");

        memcpy(f->m.letter + f->m.n, text, (size_t)len);
        f->m.n += (size_t)len;
        for (int i = 0; i < len; i++) {
            if (text[i] == '\n')
                buf_add_byte(&f->m.wire, '\r');
            buf_add_byte(&f->m.wire, text[i]);
        }
    }
    return (struct str){f->m.letter, f->m.n};
}

static void test_large(void **state)
{
    static const size_t froms[] = {0, 1, 65535, 65536, 262143, 262144, 262145, 500000, 9999999};
    struct fixture *f = *state;
    struct str all;

    imap_world_put(&f->f, ".", make_large(f, 800000));
    all = buf_str(&f->m.wire);
    client_run(&f->c, "EXAMINE INBOX");
    assert_text(&f->c, "BODY.PEEK[]", "BODY[]", all);
    assert_true(f->c.steps > 3);
    assert_text(&f->c, "BODY.PEEK[TEXT]", "BODY[TEXT]", str_skip(all, 18));
    assert_text(&f->c, "BODY.PEEK[1]", "BODY[1]", str_skip(all, 18));
    for (size_t i = 0; i < sizeof(froms) / sizeof(froms[0]); i++) {
        char item[64], told[64];

        snprintf(item, sizeof(item), "BODY.PEEK[]<%zu.300001>", froms[i]);
        snprintf(told, sizeof(told), "BODY[]<%zu>", froms[i]);
        assert_text(&f->c, item, told, slice(all, froms[i], 300001));
    }
}

/* As mail programs read large letters: one piece after another. */
static void test_large_in_pieces(void **state)
{
    struct fixture *f = *state;
    struct str all;

    imap_world_put(&f->f, ".", make_large(f, 600000));
    all = buf_str(&f->m.wire);
    client_run(&f->c, "EXAMINE INBOX");
    for (size_t from = 0; from < all.n; from += 32767) {
        char item[64], told[64];

        snprintf(item, sizeof(item), "BODY.PEEK[TEXT]<%zu.32767>", from);
        snprintf(told, sizeof(told), "BODY[TEXT]<%zu>", from);
        assert_text(&f->c, item, told, slice(str_skip(all, 18), from, 32767));
    }
}

/* Many texts of one letter, none of them large: what waits to be sent stays small (I22). */
static void test_many_texts(void **state)
{
    enum { TEXTS = 20 };
    struct fixture *f = *state;
    struct buf want, items;

    imap_world_put(&f->f, ".", make_large(f, 200000));
    buf_init(&want, 8 << 20);
    buf_init(&items, 1024);
    buf_addf(&items, "FETCH 1 (");
    buf_addf(&want, "* 1 FETCH (");
    for (unsigned i = 0; i < TEXTS; i++) {
        buf_addf(&items, "%sBODY.PEEK[]", i ? " " : "");
        buf_addf(&want, "%sBODY[] {%zu}\r\n", i ? " " : "", f->m.wire.n);
        buf_add(&want, buf_str(&f->m.wire));
    }
    buf_addf(&items, ")");
    buf_addf(&want, ")\r\nOK\n");
    client_run(&f->c, "EXAMINE INBOX");
    assert_true(str_eq(client_run_raw(&f->c, buf_str(&items)), buf_str(&want)));
    assert_in_range(f->c.steps, TEXTS / 2, TEXTS + 1);
    buf_done(&want);
    buf_done(&items);
}

/* Several texts of one letter, then the next letter. */
static void test_large_and_more(void **state)
{
    struct fixture *f = *state;
    struct buf want;

    imap_world_put(&f->f, ".", make_large(f, 400000));
    imap_world_put(&f->f, ".", STR("Subject: y\n\nsmall\n"));
    buf_init(&want, 8 << 20);
    buf_addf(&want, "* 1 FETCH (UID 1 BODY[] {%zu}\r\n", f->m.wire.n);
    buf_add(&want, buf_str(&f->m.wire));
    buf_addf(&want, " BODY[HEADER] {18}\r\nSubject: large\r\n\r\n BODY[TEXT] {%zu}\r\n",
             f->m.wire.n - 18);
    buf_add(&want, str_skip(buf_str(&f->m.wire), 18));
    buf_add(&want,
            STR(")\r\n* 2 FETCH (UID 2 BODY[] {21}\r\nSubject: y\r\n\r\nsmall\r\n "
                "BODY[HEADER] {14}\r\nSubject: y\r\n\r\n BODY[TEXT] {7}\r\nsmall\r\n)\r\n"
                "OK\n"));
    client_run(&f->c, "EXAMINE INBOX");
    client_run_raw(&f->c, STR("FETCH 1:2 (UID BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT])"));
    assert_true(str_eq(buf_str(&f->c.out), buf_str(&want)));
    buf_done(&want);
}

/* ---- files that change under us (F03) ---- */

static void truncate_letter(struct fixture *f, off_t n)
{
    char name[256], path[WORLD_BYTES];

    assert_int_equal(world_count(&f->f.w, ALICE "/cur", name), 1);
    snprintf(path, sizeof(path), "%s/" ALICE "/cur/%s", f->f.w.dir, name);
    assert_int_equal(truncate(path, n), 0);
}

/* Before it is opened: it is shown as it is (X32). */
static void test_shrunk(void **state)
{
    struct fixture *f = *state;
    struct str in;
    uint32_t n;

    imap_world_put(&f->f, ".", make_large(f, 700000));
    client_run(&f->c, "EXAMINE INBOX");
    client_run(&f->c, "FETCH 1 (RFC822.SIZE BODYSTRUCTURE)");
    truncate_letter(f, 300000);
    in = client_run_raw(&f->c, STR("FETCH 1 BODY.PEEK[]"));
    assert_true(scan_word(&in, STR("* 1 FETCH (BODY[] {")));
    assert_true(scan_u32(&in, UINT32_MAX, &n) && scan_word(&in, STR("}\r\n")));
    assert_int_equal(n, 300000 + lines_lf((struct str){f->m.letter, 300000}));
    assert_memory_equal(in.p, f->m.wire.p, n);
    assert_true(str_eq(str_skip(in, n), STR(")\r\nOK\n")));
    truncate_letter(f, 10);
    client_run(&f->c, "FETCH 1 BODY.PEEK[1]");
    assert_string_equal(buf_c(&f->c.out), "* 1 FETCH (BODY[1] {0}\n)\nOK\n");
    client_run(&f->c, "FETCH 1 UID");
    assert_string_equal(buf_c(&f->c.out), "* 1 FETCH (UID 1)\nOK\n");
}

static void test_vanished(void **state)
{
    struct fixture *f = *state;
    char name[256], path[WORLD_BYTES];

    imap_world_put(&f->f, ".", STR("Subject: y\n\nsmall\n"));
    client_run(&f->c, "EXAMINE INBOX");
    assert_int_equal(world_count(&f->f.w, ALICE "/cur", name), 1);
    snprintf(path, sizeof(path), ALICE "/cur/%s", name);
    assert_int_equal(unlinkat(f->f.w.fd, path, 0), 0);
    assert_says(&f->c, "FETCH 1 BODY.PEEK[]", "NO [EXPUNGEISSUED]\n");
    assert_says(&f->c, "NOOP", "* 1 EXPUNGE\nOK\n");
}

/* The client has gone in the middle of a literal (I29). */
static void test_cancelled(void **state)
{
    struct fixture *f = *state;
    struct section section = {.text = SECTION_ALL};
    struct fetch_item item = {.what = FETCH_SECTION, .peek = true, .section = section};
    struct seqrange all = {1, 0};
    struct command command = {
        .verb = VERB_FETCH, .set = {&all, 1, false}
    };
    struct work_request r = {.command = &command};
    struct buf out;

    imap_world_put(&f->f, ".", make_large(f, 700000));
    client_run(&f->c, "EXAMINE INBOX");
    command.fetch.items = &item;
    command.fetch.n = 1;
    buf_init(&out, WORLD_OUT_BYTES);
    assert_int_equal(work_step(f->c.work, &r, &out, &f->c.result), WORK_MORE);
    assert_in_range(out.n, WORK_OUT_BYTES, 2 * WORK_OUT_BYTES);
    work_cancel(f->c.work);
    assert_says(&f->c, "FETCH 1 UID", "* 1 FETCH (UID 1)\nOK\n");
    buf_done(&out);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_sections),        CASE(test_sections_of_crlf),
        CASE(test_old_names),       CASE(test_none),
        CASE(test_fields),          CASE(test_simple),
        CASE(test_odd_letters),     CASE(test_large),
        CASE(test_large_in_pieces), CASE(test_large_and_more),
        CASE(test_many_texts),      CASE(test_shrunk),
        CASE(test_vanished),        CASE(test_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
