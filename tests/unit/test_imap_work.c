/* What each command says about a mailbox, on a Maildir in a directory of its own. */
#include "imap_work_world.h"

#define LETTER(subject, body)                                                   \
    STR("From: Ann <ann@example.test>\nTo: bob@example.test\nSubject: " subject \
        "\nDate: Mon, 7 Feb 2022 21:52:25 +0000\nMessage-ID: <" subject "@x.test>\n\n" body)

struct fixture {
    struct imap_world f;
    struct client c, d; /* two sessions of one user */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    imap_world_init(&f->f);
    client_init(&f->c, &f->f, 0);
    client_init(&f->d, &f->f, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    client_done(&f->c);
    client_done(&f->d);
    imap_world_done(&f->f);
    free(f);
    return 0;
}

static void put(struct fixture *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        imap_world_put(&f->f, ".", LETTER("one", "text\n"));
}

static void assert_has(struct client *c, const char *what)
{
    if (!strstr(buf_c(&c->out), what))
        fail_msg("no %s in\n%s", what, buf_c(&c->out));
}

static void assert_lacks(struct client *c, const char *what)
{
    if (strstr(buf_c(&c->out), what))
        fail_msg("%s in\n%s", what, buf_c(&c->out));
}

/* ---- SELECT and its kin ---- */

static void test_select(void **state)
{
    struct fixture *f = *state;

    put(f, 3);
    client_run(&f->c, "SELECT INBOX");
    assert_has(&f->c,
               "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\n"
               "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] ");
    assert_has(&f->c, "* 3 EXISTS\n* 3 RECENT\n* OK [UNSEEN 1] ");
    assert_has(&f->c, "* OK [UIDVALIDITY ");
    assert_has(&f->c, "* OK [UIDNEXT 4] ");
    assert_has(&f->c, "* OK [HIGHESTMODSEQ ");
    assert_has(&f->c, "\nOK [READ-WRITE]\n");
    assert_true(f->c.result.selected);
    /* recent to one session only (RFC 3501 2.3.2) */
    client_run(&f->d, "SELECT INBOX");
    assert_has(&f->d, "* 3 EXISTS\n* 0 RECENT\n");
    assert_says(&f->d, "CHECK", "OK\n");
    client_run(&f->d, "EXAMINE INBOX");
    assert_has(&f->d, "* OK [CLOSED] ");
    assert_has(&f->d, "* OK [PERMANENTFLAGS ()] ");
    assert_has(&f->d, "\nOK [READ-ONLY]\n");
    assert_true(f->d.result.read_only);
    assert_says(&f->d, "STORE 1 +FLAGS (\\Seen)", "NO [READ-ONLY]\n");
    assert_says(&f->d, "EXPUNGE", "NO [READ-ONLY]\n");
    assert_says(&f->d, "MOVE 1 Other", "NO [READ-ONLY]\n");
}

static void test_examine_claims_nothing(void **state)
{
    struct fixture *f = *state;

    put(f, 2);
    client_run(&f->c, "EXAMINE INBOX");
    assert_has(&f->c, "* 2 RECENT\n");
    client_run(&f->d, "SELECT INBOX");
    assert_has(&f->d, "* 2 RECENT\n");
}

static void test_select_missing_unselects(void **state)
{
    struct fixture *f = *state;

    client_run(&f->c, "SELECT INBOX");
    assert_says(&f->c, "SELECT Nowhere",
                "* OK [CLOSED] The mailbox before is closed\nNO [NONEXISTENT] (closed)\n");
    assert_false(f->c.result.selected);
    assert_says(&f->c, "FETCH 1 FLAGS", "BAD\n");
    assert_says(&f->c, "NOOP", "OK\n");
    assert_int_equal(work_folder(f->c.work).n, 0);
}

static void test_close(void **state)
{
    struct fixture *f = *state;

    put(f, 3);
    client_run(&f->c, "SELECT INBOX");
    client_run(&f->c, "STORE 2 +FLAGS.SILENT (\\Deleted)");
    assert_says(&f->c, "UNSELECT", "OK (closed)\n");
    client_run(&f->c, "EXAMINE INBOX");
    assert_has(&f->c, "* 3 EXISTS\n");
    assert_says(&f->c, "CLOSE", "OK (closed)\n");
    client_run(&f->c, "SELECT INBOX");
    assert_has(&f->c, "* 3 EXISTS\n");
    assert_says(&f->c, "CLOSE", "OK (closed)\n");
    client_run(&f->c, "SELECT INBOX");
    assert_has(&f->c, "* 2 EXISTS\n");
}

/* ---- FETCH ---- */

static void test_fetch(void **state)
{
    struct fixture *f = *state;

    put(f, 1);
    imap_world_put(&f->f, ".", LETTER("two", "a\nb\n"));
    client_run(&f->c, "SELECT INBOX");
    assert_says(&f->c, "FETCH 1:* (UID FLAGS)",
                "* 1 FETCH (UID 1 FLAGS (\\Recent))\n* 2 FETCH (UID 2 FLAGS (\\Recent))\nOK\n");
    assert_says(&f->c, "UID FETCH 2:9 (RFC822.SIZE)",
                "* 2 FETCH (UID 2 RFC822.SIZE 138)\nOK\n");
    assert_says(&f->c, "UID FETCH 7 FLAGS", "OK\n");
    assert_says(&f->c, "FETCH 3 FLAGS", "BAD\n");
    assert_says(&f->c, "FETCH 2 BODY.PEEK[TEXT]", "* 2 FETCH (BODY[TEXT] {6}\na\nb\n)\nOK\n");
    assert_says(&f->c,
                "FETCH 2 (BODY.PEEK[HEADER.FIELDS (subject X-None)] BODY.PEEK[TEXT]<1.2>)",
                "* 2 FETCH (BODY[HEADER.FIELDS (subject X-None)] {16}\nSubject: two\n\n "
                "BODY[TEXT]<1> {2}\n\n)\nOK\n");
    assert_says(&f->c, "FETCH 1 FLAGS", "* 1 FETCH (FLAGS (\\Recent))\nOK\n");
    client_run(&f->c, "FETCH 1 ENVELOPE");
    assert_has(
        &f->c,
        "* 1 FETCH (ENVELOPE (\"Mon, 7 Feb 2022 21:52:25 +0000\" \"one\" ((\"Ann\" NIL "
        "\"ann\" \"example.test\")) ((\"Ann\" NIL \"ann\" \"example.test\")) ((\"Ann\" "
        "NIL \"ann\" \"example.test\")) ((NIL NIL \"bob\" \"example.test\")) NIL NIL NIL "
        "\"<one@x.test>\"))\nOK\n");
    assert_says(
        &f->c, "FETCH 1 (BODY BODYSTRUCTURE)",
        "* 1 FETCH (BODY (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 6 "
        "1) BODYSTRUCTURE (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" "
        "6 1 NIL NIL NIL NIL))\nOK\n");
}

static void test_internaldate(void **state)
{
    struct fixture *f = *state;

    client_append(&f->c, "APPEND INBOX \" 7-Feb-2022 21:52:25 -0800\" ",
                  STR("Subject: x\r\n\r\ntext\r\n"), 100);
    client_run(&f->c, "SELECT INBOX");
    assert_says(&f->c, "FETCH 1 INTERNALDATE",
                "* 1 FETCH (INTERNALDATE \" 8-Feb-2022 05:52:25 +0000\")\nOK\n");
}

static void test_reading_marks_seen(void **state)
{
    struct fixture *f = *state;

    put(f, 3);
    client_run(&f->c, "SELECT INBOX");
    client_run(&f->d, "SELECT INBOX");
    assert_says(
        &f->c, "FETCH 1 BODY[TEXT]",
        "* 1 FETCH (BODY[TEXT] {6}\ntext\n)\n* 1 FETCH (FLAGS (\\Recent \\Seen))\nOK\n");
    assert_says(&f->c, "FETCH 1 BODY[TEXT]", "* 1 FETCH (BODY[TEXT] {6}\ntext\n)\nOK\n");
    assert_says(&f->c, "FETCH 2 (FLAGS RFC822.TEXT)",
                "* 2 FETCH (FLAGS (\\Recent \\Seen) RFC822.TEXT {6}\ntext\n)\n"
                "* 2 FETCH (FLAGS (\\Recent \\Seen))\nOK\n");
    client_run(&f->c, "FETCH 3 (BODY.PEEK[] RFC822.HEADER)");
    assert_lacks(&f->c, "Seen");
    assert_says(&f->d, "NOOP", "* 1 FETCH (FLAGS (\\Seen))\n* 2 FETCH (FLAGS (\\Seen))\nOK\n");
    client_run(&f->d, "EXAMINE INBOX");
    assert_says(&f->d, "FETCH 3 BODY[TEXT]", "* 3 FETCH (BODY[TEXT] {6}\ntext\n)\nOK\n");
}

static void test_changedsince(void **state)
{
    struct fixture *f = *state;
    uint64_t modseq;
    char text[128];

    put(f, 3);
    client_run(&f->c, "SELECT INBOX");
    modseq = client_number(&f->c, "[HIGHESTMODSEQ ");
    f->c.condstore = true;
    snprintf(text, sizeof(text), "FETCH 1:* FLAGS (CHANGEDSINCE %llu)",
             (unsigned long long)modseq);
    client_run(&f->c, text);
    assert_int_equal(client_number(&f->c, "* OK [HIGHESTMODSEQ "), modseq);
    assert_says(&f->c, text, "OK\n");
    client_run(&f->c, "STORE 2 +FLAGS (\\Flagged)");
    assert_true(client_number(&f->c, "* 2 FETCH (UID 2 FLAGS (\\Recent \\Flagged) MODSEQ (") >
                modseq);
    client_run(&f->c, text);
    assert_true(client_number(&f->c, "* 2 FETCH (FLAGS (\\Recent \\Flagged) MODSEQ (") >
                modseq);
    assert_lacks(&f->c, "* 1 FETCH");
}

/* ---- STORE ---- */

static void test_store(void **state)
{
    struct fixture *f = *state;

    put(f, 3);
    client_run(&f->c, "EXAMINE INBOX");
    client_run(&f->c, "SELECT INBOX");
    client_run(&f->d, "SELECT INBOX");
    assert_says(&f->d, "STORE 1:2 +FLAGS (\\Seen)",
                "* 1 FETCH (FLAGS (\\Seen))\n* 2 FETCH (FLAGS (\\Seen))\nOK\n");
    assert_says(&f->d, "STORE 1:2 +FLAGS (\\Seen)",
                "* 1 FETCH (FLAGS (\\Seen))\n* 2 FETCH (FLAGS (\\Seen))\nOK\n");
    assert_says(&f->d, "UID STORE 2 FLAGS (\\Draft \\Answered)",
                "* 2 FETCH (UID 2 FLAGS (\\Answered \\Draft))\nOK\n");
    assert_says(&f->d, "STORE 2 -FLAGS.SILENT (\\Draft)", "OK\n");
    assert_says(&f->d, "FETCH 2 FLAGS", "* 2 FETCH (FLAGS (\\Answered))\nOK\n");
    assert_says(&f->d, "NOOP", "OK\n");
    /* others hear of it, and SILENT keeps nothing of others' from us (RFC 3501 6.4.6) */
    assert_says(&f->c, "STORE 2:3 +FLAGS.SILENT (\\Flagged)",
                "* 2 FETCH (FLAGS (\\Recent \\Answered \\Flagged))\n"
                "* 1 FETCH (FLAGS (\\Recent \\Seen))\nOK\n");
    assert_says(
        &f->d, "NOOP",
        "* 2 FETCH (FLAGS (\\Answered \\Flagged))\n* 3 FETCH (FLAGS (\\Flagged))\nOK\n");
    assert_says(&f->d, "STORE 4 +FLAGS (\\Seen)", "BAD\n");
    assert_says(&f->d, "UID STORE 4 +FLAGS (\\Seen)", "OK\n");
}

static void test_keywords(void **state)
{
    struct fixture *f = *state;
    char text[64];

    put(f, 1);
    client_run(&f->c, "SELECT INBOX");
    client_run(&f->d, "SELECT INBOX");
    assert_says(&f->d, "STORE 1 -FLAGS ($Never)", "* 1 FETCH (FLAGS ())\nOK\n");
    client_run(&f->d, "STORE 1 +FLAGS ($Work)");
    assert_has(&f->d, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)\n");
    assert_has(&f->d, "* 1 FETCH (FLAGS ($Work))\nOK\n");
    client_run(&f->c, "NOOP");
    assert_has(&f->c, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)\n");
    assert_has(&f->c, "* 1 FETCH (FLAGS (\\Recent $Work))\nOK\n");
    for (int i = 1; i < 26; i++) {
        snprintf(text, sizeof(text), "STORE 1 FLAGS.SILENT (word%d)", i);
        client_run(&f->d, text);
    }
    assert_has(&f->d, " word25)] ");
    assert_says(&f->d, "STORE 1 FLAGS (more)", "NO [LIMIT]\n");
    assert_says(&f->d, "STORE 1 -FLAGS.SILENT (more)",
                "OK\n"); /* what nobody has, nobody loses */
    assert_says(&f->d, "FETCH 1 FLAGS", "* 1 FETCH (FLAGS (word25))\nOK\n");
}

static void test_unchangedsince(void **state)
{
    struct fixture *f = *state;
    uint64_t modseq;
    char text[128];

    put(f, 4);
    client_run(&f->c, "SELECT INBOX");
    modseq = client_number(&f->c, "[HIGHESTMODSEQ ");
    client_run(&f->d, "SELECT INBOX");
    client_run(&f->d, "STORE 2,4 +FLAGS.SILENT (\\Flagged)");
    f->c.condstore = true;
    snprintf(text, sizeof(text), "STORE 1:4 (UNCHANGEDSINCE %llu) +FLAGS.SILENT (\\Seen)",
             (unsigned long long)modseq);
    client_run(&f->c, text);
    assert_has(&f->c, "OK [MODIFIED 2,4]\n");
    assert_has(&f->c, "* 1 FETCH (UID 1 MODSEQ (");
    assert_has(&f->c, "* 2 FETCH (UID 2 FLAGS (\\Recent \\Flagged) MODSEQ (");
    assert_has(&f->c, "* 3 FETCH (UID 3 MODSEQ (");
    client_run(&f->c, "NOOP");
    assert_lacks(&f->c, "FETCH");
    client_run(&f->c, "UID STORE 1 (UNCHANGEDSINCE 0) +FLAGS (\\Draft)");
    assert_has(&f->c, "OK [MODIFIED 1]\n");
    client_run(&f->c, "FETCH 1:4 FLAGS");
    assert_has(&f->c, "* 1 FETCH (FLAGS (\\Recent \\Seen))\n"
                      "* 2 FETCH (FLAGS (\\Recent \\Flagged))\n");
}

/* More than goes into one transaction, and more than goes out at once. */
static void test_many(void **state)
{
    enum { MANY = 2 * WORK_STORE_LETTERS + 17 };
    struct fixture *f = *state;
    struct str in;
    unsigned n = 0;

    put(f, MANY);
    client_run(&f->c, "SELECT INBOX");
    client_run(&f->d, "SELECT INBOX");
    client_run(&f->c, "STORE 1:* +FLAGS.SILENT (\\Seen)");
    assert_string_equal(buf_c(&f->c.out), "OK\n");
    assert_true(f->c.steps >= 3);
    client_run(&f->d, "NOOP");
    in = buf_str(&f->d.out);
    for (uint32_t seq; scan_word(&in, STR("* ")); n++) {
        assert_true(scan_u32(&in, MANY, &seq));
        assert_int_equal(seq, n + 1);
        assert_true(scan_word(&in, STR(" FETCH (FLAGS (\\Seen))\n")));
    }
    assert_int_equal(n, MANY);
    assert_true(str_eq(in, STR("OK\n")));
    client_run(&f->d, "FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (From To Subject Date)])");
    assert_true(f->d.steps > 1);
    client_run(&f->d, "STORE 1:* +FLAGS (\\Deleted)");
    client_run(&f->d, "EXPUNGE");
    assert_has(&f->d, "* 1 EXPUNGE\nOK\n");
    client_run(&f->c, "NOOP");
    assert_has(&f->c, "* 1 EXPUNGE\nOK\n");
    assert_says(&f->c, "NOOP", "OK\n");
}

/* What others changed in a letter whose turn comes in a later transaction (RFC 3501 6.4.6), and
 * in one that is not asked for. */
static void test_many_of_others(void **state)
{
    enum { MANY = WORK_STORE_LETTERS + 4 };
    struct fixture *f = *state;

    put(f, MANY);
    client_run(&f->c, "SELECT INBOX");
    client_run(&f->d, "SELECT INBOX");
    client_run(&f->d, "STORE 7,1002,1004 +FLAGS.SILENT (\\Draft)");
    assert_says(&f->c, "STORE 1:1003 +FLAGS.SILENT (\\Seen)",
                "* 7 FETCH (FLAGS (\\Recent \\Seen \\Draft))\n"
                "* 1002 FETCH (FLAGS (\\Recent \\Seen \\Draft))\n"
                "* 1004 FETCH (FLAGS (\\Recent \\Draft))\nOK\n");
    assert_says(&f->c, "STORE 1:1003 -FLAGS.SILENT (\\Seen)", "OK\n");
    assert_says(&f->c, "NOOP", "OK\n");
}

/* ---- EXPUNGE, COPY, MOVE ---- */

static void test_expunge(void **state)
{
    struct fixture *f = *state;

    put(f, 5);
    client_run(&f->c, "SELECT INBOX");
    client_run(&f->d, "SELECT INBOX");
    client_run(&f->c, "STORE 2,3,5 +FLAGS.SILENT (\\Deleted)");
    assert_says(&f->c, "UID EXPUNGE 1:2", "* 2 EXPUNGE\nOK\n");
    assert_says(&f->c, "EXPUNGE", "* 4 EXPUNGE\n* 2 EXPUNGE\nOK\n");
    assert_says(&f->c, "EXPUNGE", "OK\n");
    /* the numbers of the other stand still until it may hear of it */
    assert_says(&f->d, "FETCH 4 (UID)", "* 4 FETCH (UID 4)\nOK\n");
    assert_says(&f->d, "FETCH 2:4 (UID)", "* 4 FETCH (UID 4)\nNO [EXPUNGEISSUED]\n");
    assert_says(&f->d, "STORE 2 +FLAGS (\\Seen)", "NO [EXPUNGEISSUED]\n");
    assert_says(&f->d, "COPY 1:2 INBOX",
                "* 5 EXPUNGE\n* 3 EXPUNGE\n* 2 EXPUNGE\nNO [EXPUNGEISSUED]\n");
    assert_says(&f->d, "FETCH 2 (UID)", "* 2 FETCH (UID 4)\nOK\n");
}

static void test_uid_commands_tell_expunges(void **state)
{
    struct fixture *f = *state;

    put(f, 3);
    client_run(&f->c, "SELECT INBOX");
    client_run(&f->d, "SELECT INBOX");
    client_run(&f->c, "STORE 2 +FLAGS.SILENT (\\Deleted)");
    client_run(&f->c, "EXPUNGE");
    assert_says(&f->d, "UID FETCH 1:* (UID)",
                "* 1 FETCH (UID 1)\n* 3 FETCH (UID 3)\n* 2 EXPUNGE\nOK\n");
}

static void test_copy(void **state)
{
    struct fixture *f = *state;
    char want[256];

    put(f, 3);
    client_run(&f->c, "SELECT INBOX");
    client_run(&f->c, "STORE 2 +FLAGS.SILENT (\\Flagged $Work)");
    assert_says(&f->c, "COPY 1 Nowhere", "NO [TRYCREATE]\n");
    assert_says(&f->c, "CREATE Box", "OK\n");
    client_run(&f->d, "STATUS Box (UIDVALIDITY)");
    uint64_t uidvalidity = client_number(&f->d, "UIDVALIDITY ");
    snprintf(want, sizeof(want), "OK [COPYUID %llu 2:3 1:2]\n",
             (unsigned long long)uidvalidity);
    assert_says(&f->c, "COPY 2:3 Box", want);
    assert_says(&f->c, "UID COPY 77 Box", "OK\n");
    assert_says(&f->c, "COPY 4 Box", "BAD\n");
    snprintf(want, sizeof(want), "* OK [COPYUID %llu 1 3] Moved\n* 1 EXPUNGE\nOK\n",
             (unsigned long long)uidvalidity);
    assert_says(&f->c, "MOVE 1 Box", want);
    assert_says(&f->c, "UID MOVE 3 Nowhere", "NO [TRYCREATE]\n");
    client_run(&f->d, "SELECT Box");
    assert_has(&f->d, "* 3 EXISTS\n");
    client_run(&f->d, "FETCH 1 (FLAGS BODY.PEEK[TEXT])");
    assert_has(&f->d, "\\Flagged");
    assert_has(&f->d, "$Work");
    assert_has(&f->d, "{6}\ntext\n");
}

/* ---- SEARCH ---- */

static void test_search(void **state)
{
    struct fixture *f = *state;

    client_run(&f->c, "SELECT INBOX");
    assert_says(&f->c, "SEARCH ALL", "* SEARCH\nOK\n");
    assert_says(&f->c, "SEARCH RETURN () ALL", "* ESEARCH (TAG \"t\")\nOK\n");
    put(f, 4);
    imap_world_put(&f->f, ".", LETTER("two", "other words\n"));
    client_run(&f->c, "NOOP");
    client_run(&f->d, "SELECT INBOX");
    client_run(&f->c, "STORE 2,4 +FLAGS.SILENT (\\Seen)");
    client_run(&f->c, "STORE 1 +FLAGS.SILENT (\\Deleted)");
    client_run(&f->c, "EXPUNGE");
    assert_says(&f->c, "SEARCH ALL", "* SEARCH 1 2 3 4\nOK\n");
    assert_says(&f->c, "UID SEARCH SEEN", "* SEARCH 2 4\nOK\n");
    assert_says(&f->c, "SEARCH 2:* UNSEEN", "* SEARCH 2 4\nOK\n");
    assert_says(&f->c, "SEARCH UID 3:9 NOT SEEN", "* SEARCH 2 4\nOK\n");
    assert_says(&f->c, "SEARCH OR SUBJECT two 1", "* SEARCH 1 4\nOK\n");
    assert_says(&f->c, "SEARCH BODY \"other words\"", "* SEARCH 4\nOK\n");
    assert_says(&f->c, "SEARCH RECENT", "* SEARCH 1 2 3 4\nOK\n");
    assert_says(&f->c, "SEARCH 9", "BAD\n");
    assert_says(&f->c, "SEARCH CHARSET x-bogus ALL", "NO [BADCHARSET (UTF-8 US-ASCII)]\n");
    assert_says(&f->c, "SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN",
                "* ESEARCH (TAG \"t\") MIN 2 MAX 4 COUNT 2 ALL 2,4\nOK\n");
    assert_says(&f->c, "UID SEARCH RETURN (ALL) ALL",
                "* ESEARCH (TAG \"t\") UID ALL 2:5\nOK\n");
    /* numbers of the other stand, letters that have gone match nothing */
    assert_says(
        &f->d, "SEARCH ALL",
        "* SEARCH 2 3 4 5\n* 2 FETCH (FLAGS (\\Seen))\n* 4 FETCH (FLAGS (\\Seen))\nOK\n");
    assert_says(&f->d, "SEARCH RECENT", "* SEARCH\nOK\n");
    assert_says(&f->d, "UID SEARCH UNSEEN", "* SEARCH 3 5\n* 1 EXPUNGE\nOK\n");
}

static void test_search_modseq(void **state)
{
    struct fixture *f = *state;
    uint64_t modseq;
    char text[128];

    put(f, 3);
    client_run(&f->c, "SELECT INBOX");
    modseq = client_number(&f->c, "[HIGHESTMODSEQ ");
    client_run(&f->c, "STORE 1 +FLAGS.SILENT (\\Seen)");
    client_run(&f->c, "STORE 3 +FLAGS.SILENT (\\Seen)");
    snprintf(text, sizeof(text), "SEARCH MODSEQ %llu", (unsigned long long)modseq + 1);
    client_run(&f->c, text);
    assert_true(client_number(&f->c, "* SEARCH 1 3 (MODSEQ ") > modseq);
    uint64_t highest = client_number(&f->c, "(MODSEQ ");
    snprintf(text, sizeof(text), "SEARCH RETURN (MIN) MODSEQ %llu",
             (unsigned long long)modseq + 1);
    client_run(&f->c, text);
    assert_true(client_number(&f->c, "* ESEARCH (TAG \"t\") MIN 1 MODSEQ ") < highest);
    assert_says(&f->c, "SEARCH MODSEQ 9223372036854775807", "* SEARCH\nOK\n");
}

/* ---- letters that nobody should have sent (I27) ---- */

/* atom / quoted / literal / "(" … ")": false where it is none of these. Without recursion,
 * since trees are deep. */
static bool scan_value(struct str *in)
{
    unsigned depth = 0;

    do {
        uint32_t n;

        if (scan_byte(in, ' '))
            continue;
        if (scan_byte(in, '(')) {
            depth++;
        } else if (scan_byte(in, ')')) {
            depth--;
        } else if (scan_byte(in, '"')) {
            while (in->n && in->p[0] != '"') {
                if (in->p[0] == '\r' || in->p[0] == '\n' || (in->p[0] == '\\' && in->n < 2))
                    return false;
                *in = str_skip(*in, in->p[0] == '\\' ? 2 : 1);
            }
            if (!scan_byte(in, '"'))
                return false;
        } else if (scan_byte(in, '{')) {
            if (!scan_u32(in, UINT32_MAX, &n) || !scan_word(in, STR("}\r\n")) || n > in->n)
                return false;
            *in = str_skip(*in, n);
        } else {
            size_t i = 0;

            while (i < in->n && !strchr(" ()\"{\r\n", in->p[i]))
                i++;
            if (!i)
                return false;
            *in = str_skip(*in, i);
        }
    } while (depth);
    return true;
}

static void repeat(struct buf *out, const char *text, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        buf_addf(out, text, i, i); /* each has two numbers */
}

static void put_hostile(struct fixture *f)
{
    static const struct {
        const char *head, *repeated, *tail;
        unsigned times;
    } rows[] = {
        {"Subject: M01\n",                                                          "Content-Type: multipart/mixed; boundary=b%u\n\n--b%u\n", "x\n",
         3000                                                                                                                                                                },
        {"Content-Type: multipart/digest; boundary=b\n\n",                          "--b\n\nSubject: %u %u\n\n",
         "--b--\n",                                                                                                                                                     12000},
        {"To: ",                                                                    "a%u@b.test,\n c%u <d@e.test>, ",                         "x\n\n",                  20000},
        {"Content-Type: text/plain",                                                ";\n name*%u*=x%u",                                       "\n\nbody\n",             5000 },
        {"From: ",                                                                  "((((<<<<\"\\%.0u%.0u",                                   "\nTo: :;:;\nCc: \"\n\n", 1000 },
        {"Subject: ",                                                               "=?utf-8?q?=0D=0A=00%u?= %.0u",                           "\n\n",                   20000},
        {"Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n----\n%.0u%.0u", "\n",                                                     "",
         1                                                                                                                                                                   },
        {"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; "
         "boundary=a\n\n--a\n\nx\n--a--\n",                                "%.0u%.0u",                                               "",                       1    },
        {"A\x80: b\nno colon\n: empty\n first\nSubject: \xff\xfe\"\\\r\r\n",        "%.0u%.0u",                                               "\n",
         1                                                                                                                                                                   },
    };
    struct buf text;

    buf_init(&text, 64 << 20);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&text);
        buf_add(&text, str_c(rows[i].head));
        repeat(&text, rows[i].repeated, rows[i].times);
        buf_add(&text, str_c(rows[i].tail));
        imap_world_put(&f->f, ".", buf_str(&text));
    }
    imap_world_put(&f->f, ".", STR("Subject: a\0b\n\0\n\n\0"));
    buf_done(&text);
}

static void test_hostile_letters(void **state)
{
    static const char *const commands[] = {
        "FETCH 1:* (BODYSTRUCTURE ENVELOPE)", "FETCH 1:* (BODY RFC822.SIZE)",
        "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (To Subject)] BODY.PEEK[1] BODY.PEEK[2.HEADER])",
        "FETCH 1:* BODY.PEEK[]"};
    struct fixture *f = *state;

    put_hostile(f);
    client_run(&f->c, "EXAMINE INBOX");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct str in = client_run_raw(&f->c, str_c(commands[i]));
        uint32_t n, letters = 0;

        while (scan_word(&in, STR("* "))) {
            assert_true(scan_u32(&in, 100, &n) && n == ++letters);
            assert_true(scan_word(&in, STR(" FETCH ")));
            assert_true(scan_value(&in) && scan_word(&in, STR("\r\n")));
        }
        assert_true(str_eq(in, STR("OK\n")));
        assert_int_equal(letters, 10);
    }
}

/* ---- what others did ---- */

static void test_news(void **state)
{
    struct fixture *f = *state;

    client_run(&f->c, "SELECT INBOX");
    client_run(&f->d, "EXAMINE INBOX");
    assert_says(&f->c, "NOOP", "OK\n");
    put(f, 2);
    assert_says(&f->c, "NOOP", "* 2 EXISTS\n* 2 RECENT\nOK\n");
    assert_says(&f->c, "NOOP", "OK\n");
    assert_says(&f->d, "NOOP", "* 2 EXISTS\n* 0 RECENT\nOK\n");
    put(f, 1);
    assert_string_equal(client_sync(&f->d), "* 3 EXISTS\r\n* 1 RECENT\r\nOK\n");
    assert_says(&f->c, "FETCH 1 (UID)", "* 1 FETCH (UID 1)\n* 3 EXISTS\n* 3 RECENT\nOK\n");
    assert_true(str_eq(work_folder(f->c.work), STR("INBOX")));
    assert_true(str_eq(work_maildir(f->c.work), STR(ALICE)));
    assert_true(work_modseq(f->c.work) > 0);
}

static void test_deleted_under_us(void **state)
{
    struct fixture *f = *state;

    client_run(&f->c, "CREATE Box");
    client_run(&f->c, "SELECT Box");
    client_run(&f->d, "SELECT Box");
    assert_says(&f->c, "DELETE Box", "OK (closed)\n");
    client_run(&f->d, "NOOP");
    assert_has(&f->d, "OK (closed)\n");
    client_run(&f->c, "CREATE Box");
    client_run(&f->c, "SELECT Box");
    client_run(&f->d, "DELETE Box");
    client_run(&f->d, "CREATE Box"); /* the same name, another mailbox */
    assert_says(&f->c, "FETCH 1:* FLAGS", "BAD\n");
    assert_says(&f->c, "UID FETCH 1:* FLAGS", "OK (closed)\n");
}

static void test_deleted_under_each_command(void **state)
{
    static const char *const commands[] = {
        "FETCH 1 (BODY[])", "STORE 1 +FLAGS (\\Seen)", "SEARCH ALL",     "COPY 1 INBOX",
        "MOVE 1 INBOX",     "UID COPY 1 Box",          "UID MOVE 1 Box", "EXPUNGE",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        client_run(&f->c, "CREATE Box");
        client_append(&f->c, "APPEND Box ", STR("Subject: 1\r\n\r\nx\r\n"), 100);
        client_run(&f->c, "SELECT Box");
        client_run(&f->d, "DELETE Box");
        client_run(&f->c, commands[i]);
        assert_has(&f->c, "NO [NONEXISTENT] (closed)\n");
    }
}

/* ---- folders ---- */

static void test_folders(void **state)
{
    struct fixture *f = *state;

    assert_says(&f->c, "LIST \"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"\nOK\n");
    assert_says(&f->c, "CREATE Archive/2026", "OK\n");
    assert_says(&f->c, "CREATE Archive/2026", "NO [ALREADYEXISTS]\n");
    assert_says(&f->c, "CREATE INBOX", "NO [ALREADYEXISTS]\n");
    assert_says(&f->c, "CREATE Post (USE (\\Sent))", "OK\n");
    assert_says(&f->c, "CREATE &ZeVnLIqe-", "OK\n");
    assert_says(&f->c, "CREATE a/../b", "NO [CANNOT]\n");
    assert_says(&f->c, "LIST \"\" *",
                "* LIST (\\HasNoChildren) \"/\" INBOX\n"
                "* LIST (\\HasChildren) \"/\" Archive\n"
                "* LIST (\\HasNoChildren) \"/\" Archive/2026\n"
                "* LIST (\\HasNoChildren \\Sent) \"/\" Post\n"
                "* LIST (\\HasNoChildren) \"/\" \"&ZeVnLIqe-\"\nOK\n");
    assert_says(&f->c, "DELETE INBOX", "NO [CANNOT]\n");
    assert_says(&f->c, "DELETE Archive", "OK\n");
    assert_says(&f->c, "LIST \"\" A%",
                "* LIST (\\NonExistent \\Noselect \\HasChildren) \"/\" Archive\nOK\n");
    assert_says(&f->c, "DELETE Archive", "NO [HASCHILDREN]\n");
    assert_says(&f->c, "SELECT Archive", "NO [NONEXISTENT]\n");
    assert_says(&f->c, "RENAME Archive/2026 \"Old ones\"", "OK\n");
    assert_says(&f->c, "LIST \"\" O*", "* LIST (\\HasNoChildren) \"/\" \"Old ones\"\nOK\n");
    assert_says(&f->c, "RENAME Nowhere x", "NO [NONEXISTENT]\n");
    assert_says(&f->c, "CREATE nil", "OK\n");
    assert_says(&f->c, "LIST \"\" nil", "* LIST (\\HasNoChildren) \"/\" \"nil\"\nOK\n");
    assert_says(&f->c, "RENAME Post \"Old ones\"", "NO [ALREADYEXISTS]\n");
}

static void test_list_extended(void **state)
{
    struct fixture *f = *state;

    client_run(&f->c, "CREATE Foo/Bar");
    client_run(&f->c, "CREATE Foo/Baz");
    client_run(&f->c, "CREATE Moo");
    client_run(&f->c, "SUBSCRIBE Foo/Baz");
    client_run(&f->c, "SUBSCRIBE Gone/Away");
    client_run(&f->c, "UNSUBSCRIBE INBOX");
    /* RFC 5258 5, example 8 */
    assert_says(
        &f->c, "LIST (SUBSCRIBED) \"\" *",
        "* LIST (\\HasNoChildren \\Subscribed) \"/\" Foo/Baz\n"
        "* LIST (\\NonExistent \\Noselect \\HasNoChildren \\Subscribed) \"/\" Gone/Away\n"
        "OK\n");
    assert_says(&f->c, "LIST (SUBSCRIBED) \"\" %", "OK\n");
    assert_says(&f->c, "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %",
                "* LIST (\\HasChildren) \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\n"
                "* LIST (\\NonExistent \\Noselect \\HasNoChildren) \"/\" Gone "
                "(\"CHILDINFO\" (\"SUBSCRIBED\"))\nOK\n");
    assert_says(&f->c, "LIST \"\" % RETURN (SUBSCRIBED CHILDREN)",
                "* LIST (\\HasNoChildren) \"/\" INBOX\n"
                "* LIST (\\HasChildren) \"/\" Foo\n"
                "* LIST (\\HasNoChildren) \"/\" Moo\nOK\n");
    assert_says(&f->c, "LSUB \"\" *",
                "* LSUB () \"/\" Foo/Baz\n* LSUB () \"/\" Gone/Away\nOK\n");
    assert_says(&f->c, "LSUB \"\" %",
                "* LSUB (\\Noselect) \"/\" Foo\n* LSUB (\\Noselect) "
                "\"/\" Gone\nOK\n");
    assert_says(&f->c, "UNSUBSCRIBE Foo/Baz", "OK\n");
    assert_says(&f->c, "LIST (SUBSCRIBED) \"\" Foo*", "OK\n");
}

static void test_status(void **state)
{
    struct fixture *f = *state;

    put(f, 2);
    client_run(&f->c, "CREATE Box");
    client_run(&f->d, "SELECT INBOX");
    client_run(&f->d, "STORE 2 +FLAGS.SILENT (\\Seen \\Deleted)");
    client_run(&f->c, "STATUS INBOX (MESSAGES RECENT UIDNEXT UNSEEN SIZE)");
    assert_string_equal(
        buf_c(&f->c.out),
        "* STATUS INBOX (MESSAGES 2 RECENT 0 UIDNEXT 3 UNSEEN 1 SIZE 276)\nOK\n");
    assert_says(&f->c, "STATUS Nowhere (MESSAGES)", "NO [NONEXISTENT]\n");
    assert_says(&f->c, "LIST \"\" * RETURN (STATUS (MESSAGES UNSEEN))",
                "* LIST (\\HasNoChildren) \"/\" INBOX\n* STATUS INBOX (MESSAGES 2 UNSEEN 1)\n"
                "* LIST (\\HasNoChildren) \"/\" Box\n* STATUS Box (MESSAGES 0 UNSEEN 0)\nOK\n");
}

/* ---- APPEND, quota ---- */

static void test_append(void **state)
{
    static const char letter[] = "Subject: x\r\n\r\nline\r\n.\r\nbare\nend";
    struct fixture *f = *state;

    client_run(&f->c, "SELECT INBOX");
    uint64_t uidvalidity = client_number(&f->c, "[UIDVALIDITY ");
    for (size_t piece = 1; piece <= sizeof(letter); piece += 7) {
        client_append(&f->c, "APPEND INBOX (\\Seen $Work) ", str_c(letter), piece);
        assert_int_equal(client_number(&f->c, "OK [APPENDUID "), uidvalidity);
        assert_has(&f->c, " EXISTS\r\n");
    }
    client_run(&f->c, "FETCH 2 (FLAGS BODY.PEEK[])");
    assert_has(&f->c, "$Work");
    assert_has(&f->c, "BODY[] {32}\nSubject: x\n\nline\n.\nbare\nend)\n");
    client_append(&f->c, "APPEND Nowhere ", str_c(letter), 100);
    assert_string_equal(buf_c(&f->c.out), "NO [TRYCREATE]\n");
    client_append(&f->c, "APPEND INBOX ", STR("a\0b"), 100);
    assert_string_equal(buf_c(&f->c.out), "NO [CANNOT]\n");
}

/* The client has gone in the middle of it (I20). */
static void test_append_cut(void **state)
{
    struct fixture *f = *state;
    struct command command = {.verb = VERB_APPEND, .mailbox = STR("INBOX")};
    struct work_request r = {
        .command = &command, .append_begin = true, .append_piece = STR("Subject: x\r\n")};
    struct buf out;

    command.append.octets = 100;
    buf_init(&out, WORLD_OUT_BYTES);
    assert_int_equal(work_step(f->c.work, &r, &out, &f->c.result), WORK_MORE);
    work_cancel(f->c.work);
    assert_int_equal(world_count(&f->f.w, ALICE "/tmp", NULL), 0);
    assert_int_equal(world_count(&f->f.w, ALICE "/cur", NULL), 0);
    client_run(&f->c, "SELECT INBOX");
    assert_has(&f->c, "* 0 EXISTS\n");
    buf_done(&out);
}

static void test_quota(void **state)
{
    struct fixture *f = *state;
    struct client poor;

    client_init(&poor, &f->f, 4096);
    assert_says(&poor, "GETQUOTAROOT INBOX",
                "* QUOTAROOT INBOX \"\"\n* QUOTA \"\" (STORAGE 0 4)\nOK\n");
    put(f, 9);
    assert_says(&poor, "GETQUOTA \"\"", "* QUOTA \"\" (STORAGE 2 4)\nOK\n");
    assert_says(&poor, "GETQUOTA other", "NO [NONEXISTENT]\n");
    assert_says(&poor, "GETQUOTAROOT Nowhere", "NO [NONEXISTENT]\n");
    assert_says(&poor, "SETQUOTA \"\" (STORAGE 9)", "NO [NOPERM]\n");
    assert_says(&f->c, "GETQUOTA \"\"", "* QUOTA \"\" ()\nOK\n");
    char big[8192];
    memset(big, 'x', sizeof(big));
    client_append(&poor, "APPEND INBOX ", (struct str){big, sizeof(big)}, 1000);
    assert_string_equal(buf_c(&poor.out), "NO [OVERQUOTA]\n");
    client_done(&poor);
    client_init(&poor, &f->f, 2048);
    client_run(&poor, "CREATE there");
    client_run(&poor, "SELECT INBOX");
    assert_says(&poor, "COPY 1:9 there", "NO [OVERQUOTA]\n");
    client_run(&poor, "MOVE 1:9 there");
    assert_has(&poor, "* OK [COPYUID ");
    client_done(&poor);
}

static void test_rest(void **state)
{
    struct fixture *f = *state;

    put(f, 2);
    client_run(&f->c, "SELECT INBOX");
    work_rest(f->c.work);
    assert_says(&f->c, "FETCH 2 (UID)", "* 2 FETCH (UID 2)\nOK\n");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_select),
        CASE(test_examine_claims_nothing),
        CASE(test_select_missing_unselects),
        CASE(test_close),
        CASE(test_fetch),
        CASE(test_internaldate),
        CASE(test_reading_marks_seen),
        CASE(test_changedsince),
        CASE(test_store),
        CASE(test_keywords),
        CASE(test_unchangedsince),
        CASE(test_many),
        CASE(test_many_of_others),
        CASE(test_expunge),
        CASE(test_uid_commands_tell_expunges),
        CASE(test_copy),
        CASE(test_search),
        CASE(test_search_modseq),
        CASE(test_hostile_letters),
        CASE(test_news),
        CASE(test_deleted_under_us),
        CASE(test_deleted_under_each_command),
        CASE(test_folders),
        CASE(test_list_extended),
        CASE(test_status),
        CASE(test_append),
        CASE(test_append_cut),
        CASE(test_quota),
        CASE(test_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
