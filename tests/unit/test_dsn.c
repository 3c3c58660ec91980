#include "mail/dsn.h"

#include "mail/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID "01m82kt3d80000000000000"

static const struct str letter = STR_LIT("Received: from x\n"
                                         "From: alice@d\n"
                                         "Subject: Dinner\n"
                                         "\tat my place\n"
                                         "\n"
                                         "At eight?\n");

static const struct dsn_rcpt failed = {
    .original = STR_LIT("rfc822;team@d"),
    .final = STR_LIT("bob@example.test"),
    .action = DSN_FAILED,
    .status = STR_LIT("5.1.1"),
    .code = 550,
    .diagnostic = STR_LIT("no such user here"),
    .remote = STR_LIT("mx.example.test"),
    .ip = STR_LIT("192.0.2.7"),
    .said = true,
    .last_try_s = 1795384217,
};

static struct dsn sample(const struct dsn_rcpt *rcpts, size_t n)
{
    static const uint8_t zeros[8];
    struct dsn d = {
        .boundary = STR_LIT("b0undary"),
        .hostname = STR_LIT("mail.d"),
        .to = STR_LIT("alice@d"),
        .now_s = 1795384217,
        .envid = STR_LIT("QQ314159"),
        .arrived_s = 1795384200,
        .rcpts = rcpts,
        .nrcpts = n,
        .letter = letter,
        .whole = true,
    };

    id_make(&d.id, 1795384217000, zeros);
    d.about = d.id;
    return d;
}

static void a_failure_whole(void **state)
{
    struct dsn d = sample(&failed, 1);
    struct buf b;

    (void)state;
    buf_init(&b, 100000);
    dsn_print(&b, &d);
    assert_string_equal(
        buf_c(&b), "From: Mail Delivery System <MAILER-DAEMON@mail.d>\n"
                   "To: <alice@d>\n"
                   "Subject: Undelivered: Dinner at my place\n"
                   "Date: Sun, 22 Nov 2026 21:50:17 +0000\n"
                   "Message-ID: <" ID "@mail.d>\n"
                   "Auto-Submitted: auto-replied\n"
                   "MIME-Version: 1.0\n"
                   "Content-Type: multipart/report; report-type=delivery-status;\n"
                   "\tboundary=\"b0undary\"\n"
                   "\n"
                   "This is a report in several parts (RFC 6522); the first is for you.\n"
                   "\n"
                   "--b0undary\n"
                   "Content-Type: text/plain; charset=utf-8\n"
                   "\n"
                   "This is the mail system at mail.d. It is about this message of yours:\n"
                   "\n"
                   "    Subject:    Dinner at my place\n"
                   "    Came to us: Sun, 22 Nov 2026 21:50:00 +0000\n"
                   "\n"
                   "Your message could not be delivered to this recipient, and will not be "
                   "tried\n"
                   "again:\n"
                   "\n"
                   "<bob@example.test>\n"
                   "    (you wrote to <team@d>)\n"
                   "    There is no mailbox of that name.\n"
                   "    Check the address for typing errors. If it is right, ask that person "
                   "in\n"
                   "    another way for the address of today.\n"
                   "    The server mx.example.test [192.0.2.7] said:\n"
                   "        550 5.1.1 no such user here\n"
                   "\n"
                   "Your message is attached.\n"
                   "\n"
                   "--b0undary\n"
                   "Content-Type: message/delivery-status\n"
                   "\n"
                   "Original-Envelope-Id: QQ314159\n"
                   "Reporting-MTA: dns; mail.d\n"
                   "X-Posta-Queue-Id: " ID "\n"
                   "Arrival-Date: Sun, 22 Nov 2026 21:50:00 +0000\n"
                   "\n"
                   "Original-Recipient: rfc822; team@d\n"
                   "Final-Recipient: rfc822; bob@example.test\n"
                   "Action: failed\n"
                   "Status: 5.1.1\n"
                   "Remote-MTA: dns; mx.example.test\n"
                   "Diagnostic-Code: smtp; 550 5.1.1 no such user here\n"
                   "Last-Attempt-Date: Sun, 22 Nov 2026 21:50:17 +0000\n"
                   "\n"
                   "--b0undary\n"
                   "Content-Type: message/rfc822\n"
                   "\n"
                   "Received: from x\n"
                   "From: alice@d\n"
                   "Subject: Dinner\n"
                   "\tat my place\n"
                   "\n"
                   "At eight?\n"
                   "\n"
                   "--b0undary--\n");
    buf_done(&b);
}

/* The report's fields, those of each recipient in turn, without the text around them. */
static void check_status(const struct dsn *d, const char *want)
{
    static const char start[] = "Content-Type: message/delivery-status\n\n";
    struct buf b;

    buf_init(&b, 1000000);
    dsn_print(&b, d);
    const char *from = strstr(buf_c(&b), start), *to;
    assert_non_null(from);
    from += sizeof(start) - 1;
    to = strstr(from, "\n--");
    assert_non_null(to);
    assert_true(str_eq((struct str){from, (size_t)(to - from)}, str_c(want)));
    buf_done(&b);
}

static void several_outcomes(void **state)
{
    struct dsn_rcpt rcpts[] = {
        {.final = STR_LIT("a@d"), .action = DSN_DELIVERED},
        {                            .final = STR_LIT("b@d"),
         .action = DSN_DELAYED,
         .retry_until_s = 1795384217,
         .diagnostic = STR_LIT("the mailbox is busy")},
        {                                  .final = STR_LIT("c@d"),
         .action = DSN_FAILED,
         .code = 452,
         .status = STR_LIT("nonsense")},
        {                                                                   .final = STR_LIT("\xc3\xbc@d"),                       .action = DSN_RELAYED,                 .status = STR_LIT("2.1.9")},
        {.final = STR_LIT("e@d"),                       .action = DSN_EXPANDED,                        .original = STR_LIT("no type")},
    };
    struct dsn d = sample(rcpts, 3);

    (void)state;
    d.envid = STR("");
    check_status(&d, "Reporting-MTA: dns; mail.d\n"
                     "X-Posta-Queue-Id: " ID "\n"
                     "Arrival-Date: Sun, 22 Nov 2026 21:50:00 +0000\n"
                     "\n"
                     "Final-Recipient: rfc822; a@d\nAction: delivered\nStatus: 2.0.0\n"
                     "\n"
                     "Final-Recipient: rfc822; b@d\nAction: delayed\nStatus: 4.0.0\n"
                     "Diagnostic-Code: x-posta; the mailbox is busy\n"
                     "Will-Retry-Until: Sun, 22 Nov 2026 21:50:17 +0000\n"
                     "\n"
                     "Final-Recipient: rfc822; c@d\nAction: failed\nStatus: 4.0.0\n"
                     "Diagnostic-Code: smtp; 452 \n");

    struct header_field f;
    struct buf b;
    d = sample(rcpts + 3, 2);
    buf_init(&b, 100000);
    dsn_print(&b, &d);
    assert_true(header_find(buf_str(&b), STR("Subject"), &f));
    assert_true(str_eq(f.value, STR(" Passed on: Dinner at my place")));
    assert_true(header_find(buf_str(&b), STR("Content-Transfer-Encoding"), &f));
    assert_non_null(strstr(buf_c(&b), "\nFinal-Recipient: utf-8; \xc3\xbc@d\n"));
    assert_non_null(strstr(buf_c(&b), "Status: 2.1.9\n"));
    assert_null(strstr(buf_c(&b), "Original-Recipient"));
    buf_done(&b);
}

static void only_the_head(void **state)
{
    struct dsn d = sample(&failed, 1);
    struct buf b;

    (void)state;
    d.whole = false;
    buf_init(&b, 100000);
    dsn_print(&b, &d);
    assert_non_null(
        strstr(buf_c(&b), "Content-Type: text/rfc822-headers\n\nReceived: from x\n"));
    assert_null(strstr(buf_c(&b), "At eight?"));
    buf_clear(&b);
    d.letter = STR(""); /* it could not be read */
    dsn_print(&b, &d);
    assert_null(strstr(buf_c(&b), "rfc822-headers"));
    assert_non_null(strstr(buf_c(&b), "--b0undary--\n"));
    buf_done(&b);
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

/* O03: whatever another server said, each of its fields is one line, nothing in it is a control
 * character, and the parts are as many as ever. */
static void o03_hostile_words(void **state)
{
    static char all[256], big[65536];
    struct dsn_rcpt r = failed;
    struct dsn d = sample(&r, 1);
    struct buf b;

    (void)state;
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i % 97 == 0 ? '\n' : i % 89 ? 'x' : '\x1b');
    struct str hostile[] = {
        {all, sizeof(all)},
        {big, sizeof(big)},
        STR_LIT("x\r\n\r\n--b0undary--\r\nSubject: y"),
        STR_LIT("x\n\nFinal-Recipient: rfc822; root@d\nAction: delivered")
    };
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        r.diagnostic = r.remote = r.original = r.status = d.envid = hostile[i];
        r.original = i % 2 ? STR("a\nb;c\nd") : hostile[i];
        buf_init(&b, 100000);
        dsn_print(&b, &d);
        assert_false(buf_failed(&b));
        const char *text = buf_c(&b);
        assert_int_equal(strlen(text), b.n); /* no NUL */
        assert_int_equal(count(text, "\n--b0undary"), 4);
        assert_int_equal(count(text, "\nFinal-Recipient: "), 1);
        assert_int_equal(count(text, "\nAction: "), 1);
        assert_int_equal(count(text, "\nSubject: "), 2); /* the report's and the letter's */
        for (size_t k = 0; k < b.n; k++)
            assert_true(text[k] == '\n' || text[k] == '\t' ||
                        ((unsigned char)text[k] >= ' ' && text[k] != 0x7f));
        for (const char *at = text, *end; (end = strchr(at, '\n')); at = end + 1)
            assert_true(end - at <= 998);
        buf_done(&b);
    }
}

/* The words of another server are whole, wherever they stand: in the text and in the field,
 * which is folded (RFC 3464 2.1). */
static void long_words_are_whole(void **state)
{
    static const char prefix[] = "Diagnostic-Code: smtp; 550 5.1.1 ";
    struct dsn_rcpt r = failed;
    struct dsn d = sample(&r, 1);
    struct header_field f;
    struct arena a;
    struct buf b, words;

    (void)state;
    buf_init(&words, DSN_TEXT_BYTES);
    for (unsigned i = 0; words.n < 3400; i++)
        buf_addf(&words, "%sword%u", i ? " " : "", i);
    buf_add(&words, STR(" https://a.test/"));
    for (unsigned i = 0; i < 300; i++)
        buf_add_byte(&words, 'u');
    r.diagnostic = buf_str(&words);
    buf_init(&b, 100000);
    dsn_print(&b, &d);
    const char *at = strstr(buf_c(&b), prefix);
    assert_non_null(at);
    struct str rest = {at, b.n - (size_t)(at - b.p)};
    assert_true(header_next(&rest, &f));
    arena_init(&a);
    struct str value = header_unfold(&a, f.value);
    assert_true(
        str_eq(str_skip(value, sizeof(prefix) - sizeof("Diagnostic-Code: ")), buf_str(&words)));
    assert_non_null(strstr(buf_c(&b), "\n        550 5.1.1 word0 word1 word2"));
    assert_non_null(strstr(buf_c(&b), "\n        https://a.test/uuu"));
    for (const char *line = buf_c(&b), *end; (end = strchr(line, '\n')); line = end + 1)
        assert_true(end - line <= 400);
    arena_done(&a);
    buf_done(&words);
    buf_done(&b);
}

static const char *text_of(struct buf *b, const struct dsn *d)
{
    buf_clear(b);
    dsn_print(b, d);
    assert_false(buf_failed(b));
    return buf_c(b);
}

static void has(const char *text, const char *what)
{
    assert_non_null(text);
    if (!strstr(text, what))
        fail_msg("no \"%s\" in:\n%s", what, text);
}

static void a_delay_says_how_long_and_until_when(void **state)
{
    struct dsn_rcpt r = {
        .final = STR_LIT("bob@b.test"),
        .action = DSN_DELAYED,
        .status = STR_LIT("4.4.1"),
        .diagnostic = STR_LIT("no connection in time"),
        .remote = STR_LIT("mx.b.test"),
        .ip = STR_LIT("2001:db8::7"),
        .last_try_s = 1795398600,
        .retry_until_s = 1795816200,
    };
    struct dsn d = sample(&r, 1);
    struct buf b;

    (void)state;
    d.now_s = d.arrived_s + 4 * 3600;
    d.whole = false;
    buf_init(&b, 100000);
    const char *text = text_of(&b, &d);
    has(text, "\nSubject: Delayed: Dinner at my place\n");
    has(text, "\nYour message has not reached this recipient yet:\n\n<bob@b.test>\n"
              "    The mail server of that domain does not answer.\n"
              "    It has been tried for 4 hours, and is tried until\n"
              "    Fri, 27 Nov 2026 21:50:00 +0000.\n"
              "    What we saw at mx.b.test [2001:db8::7]:\n"
              "        no connection in time\n");
    has(text, "\nYou need not do anything, and should not send it again:");
    has(text, "\nThe head of your message is attached.\n");
    check_status(&d, "Original-Envelope-Id: QQ314159\n"
                     "Reporting-MTA: dns; mail.d\n"
                     "X-Posta-Queue-Id: " ID "\n"
                     "Arrival-Date: Sun, 22 Nov 2026 21:50:00 +0000\n"
                     "\n"
                     "Final-Recipient: rfc822; bob@b.test\nAction: delayed\nStatus: 4.4.1\n"
                     "Diagnostic-Code: x-posta; no connection in time\n"
                     "Last-Attempt-Date: Mon, 23 Nov 2026 01:50:00 +0000\n"
                     "Will-Retry-Until: Fri, 27 Nov 2026 21:50:00 +0000\n");
    buf_done(&b);
}

static void what_was_given_up_says_for_how_long(void **state)
{
    static const struct {
        int64_t age_s;
        const char *want;
    } rows[] = {
        {5 * 86400, "    It has been tried for 5 days.\n"    },
        {90 * 60,   "    It has been tried for 90 minutes.\n"},
        {1,         "    It has been tried for 1 second.\n"  },
        {-100,      "    It has been tried for 0 seconds.\n" },
    };
    struct dsn_rcpt r = failed;
    struct dsn d = sample(&r, 1);
    struct buf b;

    (void)state;
    r.code = 452;
    r.status = STR("4.2.2");
    buf_init(&b, 100000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        d.now_s = d.arrived_s + rows[i].age_s;
        has(text_of(&b, &d), "    The mailbox is full.\n");
        has(buf_c(&b), rows[i].want);
    }
    buf_done(&b);
}

/* The report's own subject is made of words of the letter's; what cannot stand there does not.
 */
static void subjects(void **state)
{
    static const char many[] =
        "Subject: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb "
        "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\n"
        " dddddddddddddddddd\n\n";
    static const struct {
        const char *letter, *title, *shown;
    } rows[] = {
        {"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\n",
         "Undelivered: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",                                        "    Subject:    Gr=C3=BC=C3=9Fe\n" },
        {"Subject: =?utf-8?q?a=0ABcc:_x?=\n\n",
         "Undelivered: =?utf-8?q?a=0ABcc:_x?=",                                             "    Subject:    a=EF=BF=BDBcc: x\n"},
        {"Subject: gr\xc3\xbcn\n\n",                 "Your message could not be delivered",
         "    Subject:    gr=C3=BCn\n"                                                                                          },
        {"Subject:\n\n",                             "Your message could not be delivered", "    Subject:    \n"                },
        {"X: y\n\n",                                 "Your message could not be delivered", "    Came to us:"                   },
        {"Subject: a\x1b[31mb\n\n",                  "Your message could not be delivered",
         "Subject:    a=EF=BF=BD[31mb\n"                                                                                        },
        {many,                                       "Undelivered:\n aaaaaaaa",             "    Subject:    aaaaaaa"           },
    };
    struct dsn d = sample(&failed, 1);
    struct header_field f;
    struct buf b, want;

    (void)state;
    buf_init(&b, 100000);
    buf_init(&want, 1000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        d.letter = str_c(rows[i].letter);
        text_of(&b, &d);
        assert_true(header_find(buf_str(&b), STR("Subject"), &f));
        buf_clear(&want);
        buf_addf(&want, "\nSubject: %s", rows[i].title);
        has(buf_c(&b), buf_c(&want));
        has(buf_c(&b), rows[i].shown);
    }
    has(buf_c(&b), "cccc ...\nDate: "); /* the last row: as many words as there is room for */
    buf_done(&want);
    buf_done(&b);
}

/* A letter with lines that may not stand in one cannot come back as such. */
static void letters_that_cannot_come_back(void **state)
{
    static char longest[2000];
    struct dsn d = sample(&failed, 1);
    struct buf b;

    (void)state;
    memset(longest, 'z', sizeof(longest));
    memcpy(longest, "Subject: x\n\n", 12);
    buf_init(&b, 100000);
    d.letter = (struct str){longest, 12 + 998};
    has(text_of(&b, &d), "Content-Type: message/rfc822\n");
    d.letter = (struct str){longest, 12 + 999};
    has(text_of(&b, &d), "Content-Type: text/rfc822-headers\n\nSubject: x\n\n\n--");
    d.letter = STR("Subject: x\n\na\rb\n");
    has(text_of(&b, &d), "Content-Type: text/rfc822-headers\n\nSubject: x\n\n\n--");
    d.letter = (struct str){"Subject: x\0y\rz\n\nb\n", 19};
    has(text_of(&b, &d), "Content-Type: text/rfc822-headers\n\nSubject: x?y?z\n\n\n--");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_whole),
        cmocka_unit_test(several_outcomes),
        cmocka_unit_test(only_the_head),
        cmocka_unit_test(o03_hostile_words),
        cmocka_unit_test(long_words_are_whole),
        cmocka_unit_test(a_delay_says_how_long_and_until_when),
        cmocka_unit_test(what_was_given_up_says_for_how_long),
        cmocka_unit_test(subjects),
        cmocka_unit_test(letters_that_cannot_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
