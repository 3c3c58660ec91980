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
    .original = STR_LIT("rfc822;Bob@d"),
    .final = STR_LIT("bob@example.test"),
    .action = DSN_FAILED,
    .status = STR_LIT("5.1.1"),
    .code = 550,
    .diagnostic = STR_LIT("no such user here"),
    .remote = STR_LIT("mx.example.test"),
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
    assert_string_equal(buf_c(&b),
                        "From: Mail Delivery System <MAILER-DAEMON@mail.d>\n"
                        "To: <alice@d>\n"
                        "Subject: Your message could not be delivered\n"
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
                        "This is the mail system at mail.d.\n"
                        "\n"
                        "It is about your message\n"
                        "\n"
                        "    Subject: Dinner at my place\n"
                        "\n"
                        "which came here on Sun, 22 Nov 2026 21:50:00 +0000.\n"
                        "\n"
                        "Your message could not be delivered to:\n"
                        "\n"
                        "    <bob@example.test>\n"
                        "      The server mx.example.test said:\n"
                        "        no such user here\n"
                        "\n"
                        "It will not be tried again. Check the address, or ask that person in "
                        "another way, and\n"
                        "send the message once more if it is still wanted.\n"
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
                        "Original-Recipient: rfc822; Bob@d\n"
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
    assert_true(str_eq(f.value, STR(" Your message was passed on")));
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

static void long_reasons_are_wrapped(void **state)
{
    struct dsn_rcpt r = failed;
    struct dsn d = sample(&r, 1);
    struct buf b;

    (void)state;
    r.diagnostic = STR(
        "one two three four five six seven eight nine ten eleven twelve thirteen "
        "fourteen fifteen "
        "sixteeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeen");
    buf_init(&b, 100000);
    dsn_print(&b, &d);
    assert_non_null(strstr(
        buf_c(&b), "\n        one two three four five six seven eight nine ten eleven twelve\n"
                   "        thirteen fourteen fifteen\n"
                   "        sixteeeee"));
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_whole),
        cmocka_unit_test(several_outcomes),
        cmocka_unit_test(only_the_head),
        cmocka_unit_test(o03_hostile_words),
        cmocka_unit_test(long_reasons_are_wrapped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
