/* The client session against servers that are lists of lines. Tests are named after the rows of
 * hostile input they hold. */
#include "smtp_script.h"

#include "smtp/params.h"
#include "smtp/reply_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID "01m82kt3d80000000000000"

#define HELLO      "S: 220 mx ESMTP\nC: EHLO me\n"
#define PLAIN      HELLO "S: 250 mx\n"
#define PIPE       HELLO "S: 250-mx\nS: 250-PIPELINING\nS: 250 8BITMIME\n"
#define QUEUE      HELLO "S: 250-q\nS: 250-PIPELINING\nS: 250 XSPOOL\n"
#define LMTP       "S: 220 mda LMTP\nC: LHLO me\nS: 250-mda\nS: 250-PIPELINING\nS: 250 XSPOOL\n"
#define LMTP_PLAIN "S: 220 mda LMTP\nC: LHLO me\nS: 250-mda\nS: 250 PIPELINING\n"
#define BYE        "C: QUIT\nS: 221 bye\n"
#define ME         .config.hostname = STR_LIT("me")
#define ME_LMTP    ME, .config.lmtp = true
#define LOGIN      ME, .config.login = true
#define A          "C: RCPT TO:<a@d>\n"
#define AB         A "C: RCPT TO:<b@d>\n"
#define ABC        AB "C: RCPT TO:<c@d>\n"
#define FROM       "C: MAIL FROM:<s@d>\n"
#define XSPOOL     "C: XSPOOL " ID " 5\n"
#define LETTER     "C: hi\nC: .\n"
#define NOT_SMTP   "closed 451 4.5.0"

/* 400 times "u" */
#define MANY                                                                       \
    "dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1" \
    "dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1" \
    "dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1" \
    "dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1" \
    "dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1" \
    "dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1" \
    "dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1" \
    "dQ=="

static const struct script scripts[] = {
#include "smtp_client_scripts.inc"
};

static void dialogues(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        static const size_t steps[] = {SIZE_MAX, 1, 2, 7};

        for (size_t k = 0; k < 2 * sizeof(steps) / sizeof(steps[0]); k++) {
            struct script_run r;

            script_play(&r, &scripts[i], steps[k / 2], k % 2);
            if (strcmp(buf_c(&r.log), scripts[i].want))
                print_message("%zu, steps of %zu:\n%s\n", i, steps[k / 2], scripts[i].lines);
            assert_string_equal(buf_c(&r.log), scripts[i].want);
            script_done(&r);
        }
    }
}

/* Feeds what `make` appends, n times, behind a greeting; returns how the session ended. */
static int endless(struct str first, struct str again, size_t n, size_t *held)
{
    struct smtp_client_config config = {.hostname = STR("me")};
    struct smtp_client *c = smtp_client_new(&config);
    int code;

    *held = 0;
    smtp_client_feed(c, STR("220 mx\r\n"));
    smtp_client_next(c);
    smtp_client_sent(c, smtp_client_output(c).n);
    smtp_client_feed(c, first);
    for (; n && smtp_client_next(c) != SMTP_CLIENT_CLOSE; n--, ++*held)
        smtp_client_feed(c, again);
    code = smtp_client_error(c).code;
    smtp_client_free(c);
    return code;
}

static void o01_endless_reply(void **state)
{
    static char line[1000];
    size_t n;

    (void)state;
    assert_int_equal(endless(STR(""), STR("250-x\r\n"), 1000000, &n), 451);
    assert_int_equal(n, SMTP_REPLY_LINES + 1);
    memset(line, 'x', sizeof(line));
    memcpy(line, "250-", 4);
    line[sizeof(line) - 2] = '\r';
    line[sizeof(line) - 1] = '\n';
    assert_int_equal(endless(STR(""), (struct str){line, sizeof(line)}, 1000000, &n), 451);
    assert_int_equal(n, SMTP_REPLY_BYTES / sizeof(line) + 1);
}

/* O08: a line without an end, and a keyword behind much white space. */
static void o08_endless_line(void **state)
{
    size_t n;

    (void)state;
    assert_int_equal(endless(STR("250-"), STR("          "), 1000000, &n), 451);
    assert_true(n <= SMTP_REPLY_BYTES / 10 + 1);
    assert_int_equal(endless(STR("250-AUTH"), STR(" LOGIN     "), 1000000, &n), 451);
}

/* Limits of one reply at -1, 0, +1. */
static void reply_limits(void **state)
{
    (void)state;
    for (int off = -1; off <= 1; off++) {
        struct smtp_client_config config = {.hostname = STR("me")};
        struct smtp_client *c = smtp_client_new(&config);

        for (int i = 1; i < SMTP_REPLY_LINES + off; i++)
            smtp_client_feed(c, STR("220-x\r\n"));
        smtp_client_feed(c, STR("220 x\r\n"));
        assert_int_equal(smtp_client_next(c), off > 0 ? SMTP_CLIENT_CLOSE : SMTP_CLIENT_INPUT);
        smtp_client_free(c);

        static char text[SMTP_REPLY_BYTES + 1];
        size_t n = (size_t)(SMTP_REPLY_BYTES + off);
        memset(text, 'x', n);
        memcpy(text, "220 ", 4);
        memcpy(text + n - 2, "\r\n", 2);
        c = smtp_client_new(&config);
        smtp_client_feed(c, (struct str){text, n});
        assert_int_equal(smtp_client_next(c), off > 0 ? SMTP_CLIENT_CLOSE : SMTP_CLIENT_INPUT);
        smtp_client_free(c);
    }
}

static void a_long_reply_is_kept_short(void **state)
{
    static char text[20000];
    struct smtp_client_config config = {.hostname = STR("me")};
    struct smtp_client *c = smtp_client_new(&config);

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "554 5.7.1 ", 10);
    memcpy(text + sizeof(text) - 2, "\r\n", 2);
    smtp_client_feed(c, (struct str){text, sizeof(text)});
    assert_int_equal(smtp_client_next(c), SMTP_CLIENT_CLOSE);
    assert_int_equal(smtp_client_error(c).text.n, SMTP_REPLY_KEPT_BYTES);
    assert_true(str_eq(smtp_client_error(c).enhanced, STR("5.7.1")));
    smtp_client_free(c);
}

/* A letter of many chunks: asked for only while the peer takes it. */
static void a_body_waits_for_the_peer(void **state)
{
    static char chunk[SMTP_BODY_CHUNK_BYTES];
    struct smtp_client_config config = {.hostname = STR("me")};
    struct smtp_client_rcpt rcpt = {.rcpt.forward_path = STR("a@d")};
    struct smtp_transaction tx = {.mail.reverse_path = STR(""), .rcpts = &rcpt, .nrcpts = 1};
    struct smtp_client *c = smtp_client_new(&config);
    uint64_t sent = 0;

    (void)state;
    memset(chunk, 'x', sizeof(chunk));
    smtp_client_begin(c, &tx);
    static const char *const replies[] = {"220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n",
                                          "250 ok\r\n250 ok\r\n354 go\r\n"};
    for (int i = 0; i < 3; i++) {
        smtp_client_feed(c, str_c(replies[i]));
        enum smtp_client_want want = smtp_client_next(c);
        assert_int_equal(want, i < 2 ? SMTP_CLIENT_INPUT : SMTP_CLIENT_BODY);
        smtp_client_sent(c, smtp_client_output(c).n);
    }
    for (int i = 0; i < 100; i++) {
        assert_int_equal(smtp_client_next(c), SMTP_CLIENT_BODY);
        smtp_client_body(c, (struct str){chunk, sizeof(chunk)}, i == 99);
        assert_int_equal(rcpt.phase, i == 99 ? SMTP_PHASE_HANDED : SMTP_PHASE_START);
        assert_int_equal(smtp_client_next(c), SMTP_CLIENT_INPUT);
        smtp_client_feed(c, STR("")); /* nothing came */
        while (smtp_client_output(c).n) {
            size_t n = smtp_client_output(c).n;

            assert_true(n <= 2 * sizeof(chunk));
            n = n > 1000 ? n - 1000 : n;
            smtp_client_sent(c, n);
            sent += n;
        }
    }
    assert_int_equal(sent, 100 * sizeof(chunk) + 5);
    smtp_client_feed(c, STR("250 kept\r\n"));
    assert_int_equal(smtp_client_next(c), SMTP_CLIENT_DONE);
    assert_int_equal(rcpt.reply.code, 250);
    smtp_client_free(c);
}

/* What `posta probe` does: nothing of a letter leaves, and what RCPT says is the result. */
static void asked_only(void **state)
{
    static const struct {
        const char *ehlo, *replies[2];
        int codes[2];
    } rows[] = {
        {"250-mx\r\n250 PIPELINING\r\n", {"250 ok\r\n250 yes\r\n", "550 no\r\n"},  {250, 550}},
        {"250-mx\r\n250 PIPELINING\r\n", {"250 ok\r\n250 yes\r\n250 yes\r\n", ""}, {250, 250}},
        {"250-mx\r\n250 PIPELINING\r\n", {"450 no\r\n503 x\r\n", "503 x\r\n"},     {450, 450}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct smtp_client_rcpt rcpts[] = {{.rcpt.forward_path = STR("a@d")},
                                           {.rcpt.forward_path = STR("b@d")}};
        struct smtp_transaction tx = {
            .mail.reverse_path = STR(""), .rcpts = rcpts, .nrcpts = 2, .ask_only = true};
        struct smtp_client *c =
            smtp_client_new(&(struct smtp_client_config){.hostname = STR("me")});

        smtp_client_begin(c, &tx);
        smtp_client_feed(c, STR("220 mx\r\n"));
        smtp_client_next(c);
        smtp_client_sent(c, smtp_client_output(c).n);
        smtp_client_feed(c, str_c(rows[i].ehlo));
        smtp_client_next(c);
        assert_true(str_eq(smtp_client_output(c),
                           STR("MAIL FROM:<>\r\nRCPT TO:<a@d>\r\nRCPT TO:<b@d>\r\n")));
        smtp_client_sent(c, smtp_client_output(c).n);
        smtp_client_feed(c, str_c(rows[i].replies[0]));
        smtp_client_next(c);
        assert_int_equal(smtp_client_output(c).n, 0);
        smtp_client_feed(c, str_c(rows[i].replies[1]));
        if (*rows[i].replies[1])
            assert_int_equal(smtp_client_next(c), SMTP_CLIENT_DONE);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(rcpts[k].phase, SMTP_PHASE_ANSWERED);
            assert_int_equal(rcpts[k].reply.code, rows[i].codes[k]);
        }
        smtp_client_quit(c);
        assert_int_equal(smtp_client_next(c), SMTP_CLIENT_INPUT);
        assert_true(str_eq(smtp_client_output(c), STR("QUIT\r\n")));
        smtp_client_free(c);
    }
}

/* O06: an answer to the letter while the last octet of it, or of its name, has not left. */
static void o06_answer_before_the_last_octet_left(void **state)
{
    static const char *const replies[] = {"220 mx\r\n",
                                          "250-mx\r\n250-PIPELINING\r\n250 XSPOOL\r\n",
                                          "250 ok\r\n250 ok\r\n354 go\r\n"};

    (void)state;
    for (int xspool = 0; xspool <= 1; xspool++) {
        struct smtp_client_config config = {.hostname = STR("me")};
        struct smtp_client_rcpt rcpt = {.rcpt.forward_path = STR("a@d")};
        struct smtp_transaction tx = {
            .mail.reverse_path = STR(""), .rcpts = &rcpt, .nrcpts = 1, .xspool = xspool};
        struct smtp_client *c = smtp_client_new(&config);

        memset(tx.id.text, '0', ID_LETTERS);
        smtp_client_begin(c, &tx);
        for (int i = 0; i < 3 - xspool; i++) {
            smtp_client_feed(c, str_c(replies[i]));
            smtp_client_next(c);
            if (i < 2 - xspool)
                smtp_client_sent(c, smtp_client_output(c).n);
        }
        if (!xspool)
            smtp_client_sent(c, smtp_client_output(c).n);
        smtp_client_body(c, STR("hi\n"), true);
        smtp_client_sent(c, smtp_client_output(c).n - 1);
        smtp_client_feed(c, xspool ? STR("250 ok\r\n250 ok\r\n250 kept\r\n")
                                   : STR("250 kept\r\n"));
        assert_int_equal(smtp_client_next(c), SMTP_CLIENT_CLOSE);
        assert_int_equal(rcpt.phase, SMTP_PHASE_HANDED);
        assert_int_equal(smtp_client_error(c).code, 451);
        smtp_client_free(c);
    }
}

/* Who refuses a letter need not wait for its last octet; who takes it must. */
static void a_refusal_before_the_last_octet_left(void **state)
{
    static const char *const says[] = {"220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n",
                                       "250 ok\r\n250 ok\r\n354 go\r\n"};
    struct smtp_client_config config = {.hostname = STR("me")};
    struct smtp_client_rcpt rcpt = {.rcpt.forward_path = STR("a@d")};
    struct smtp_transaction tx = {.mail.reverse_path = STR(""), .rcpts = &rcpt, .nrcpts = 1};
    struct smtp_client *c = smtp_client_new(&config);

    (void)state;
    smtp_client_begin(c, &tx);
    for (int i = 0; i < 3; i++) {
        smtp_client_feed(c, str_c(says[i]));
        smtp_client_next(c);
        smtp_client_sent(c, smtp_client_output(c).n);
    }
    smtp_client_body(c, STR("hi\n"), true);
    smtp_client_sent(c, 1);
    smtp_client_feed(c, STR("552 5.3.4 too large\r\n"));
    assert_int_equal(smtp_client_next(c), SMTP_CLIENT_CLOSE);
    assert_int_equal(smtp_client_error(c).code, 552);
    assert_true(smtp_client_error_said(c));
    smtp_client_free(c);
}

/* A thousand recipients are said in pieces, none twice, none left out. */
static void many_recipients(void **state)
{
    enum { N = 1000 };
    static struct smtp_client_rcpt rcpts[N];
    static char addresses[N][220];
    struct smtp_client_config config = {.hostname = STR("me")};
    struct smtp_transaction tx = {
        .mail.reverse_path = STR("s@d"), .rcpts = rcpts, .nrcpts = N, .xspool = true};
    struct smtp_client *c = smtp_client_new(&config);
    size_t lines = 0, answered = 0;

    (void)state;
    for (int i = 0; i < N; i++) {
        snprintf(addresses[i], sizeof(addresses[i]), "%0200d@d", i);
        rcpts[i].rcpt.forward_path = str_c(addresses[i]);
    }
    memset(tx.id.text, '0', ID_LETTERS);
    smtp_client_begin(c, &tx);
    smtp_client_feed(c, STR("220 q\r\n"));
    smtp_client_next(c);
    smtp_client_sent(c, smtp_client_output(c).n);
    smtp_client_feed(c, STR("250-q\r\n250 XSPOOL\r\n"));
    while (smtp_client_next(c) == SMTP_CLIENT_INPUT) {
        struct str out = smtp_client_output(c);

        assert_true(out.n <= SMTP_OUTPUT_BYTES + 2 * sizeof(addresses[0]));
        for (size_t i = 0; i < out.n; i++)
            lines += out.p[i] == '\n';
        smtp_client_sent(c, out.n);
        if (answered < lines) {
            answered++;
            smtp_client_feed(c, STR("250 ok\r\n"));
        }
    }
    assert_int_equal(lines, N + 2);
    assert_int_equal(answered, N + 2);
    for (int i = 0; i < N; i++)
        assert_int_equal(rcpts[i].phase, SMTP_PHASE_ANSWERED);
    smtp_client_free(c);
}

static void rcpt_parameters(void **state)
{
    static const struct {
        struct smtp_rcpt rcpt;
        unsigned offers;
        const char *want;
    } rows[] = {
        {{STR_LIT("a@d"), STR_LIT("rfc822;a+b@d"), SMTP_NOTIFY_NEVER},                 0, "RCPT TO:<a@d>\r\n"                                  },
        {{STR_LIT("a@d"), STR_LIT("rfc822;a+b@d"), SMTP_NOTIFY_NEVER},
         SMTP_EXT_DSN,                                                                    "RCPT TO:<a@d> NOTIFY=NEVER ORCPT=rfc822;a+2Bb@d\r\n"},
        {{STR_LIT("\"a b\"@d"), STR_LIT(""), SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY},
         SMTP_EXT_DSN,                                                                    "RCPT TO:<\"a b\"@d> NOTIFY=SUCCESS,DELAY\r\n"       },
        {{STR_LIT("postmaster"), STR_LIT("no type"), 0},
         SMTP_EXT_DSN,                                                                    "RCPT TO:<postmaster>\r\n"                           },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;

        buf_init(&b, 1000);
        smtp_rcpt_print(&b, &rows[i].rcpt, rows[i].offers);
        assert_string_equal(buf_c(&b), rows[i].want);
        buf_done(&b);
    }
}

static void keywords(void **state)
{
    struct smtp_client_config config = {.hostname = STR("me")};
    struct smtp_client *c = smtp_client_new(&config);

    (void)state;
    smtp_client_feed(c, STR("220 mx\r\n"));
    smtp_client_next(c);
    smtp_client_sent(c, smtp_client_output(c).n);
    assert_false(smtp_client_offers(c, STR("DSN")));
    smtp_client_feed(c, STR("250-DSN\r\n250-\r\n250-Size 10\r\n250 x-own\r\n"));
    assert_int_equal(smtp_client_next(c), SMTP_CLIENT_READY);
    assert_false(smtp_client_offers(c, STR("DSN"))); /* that was its name */
    assert_true(smtp_client_offers(c, STR("SIZE")));
    assert_true(smtp_client_offers(c, STR("X-OWN")));
    assert_false(smtp_client_offers(c, STR("X")));
    smtp_client_free(c);
    smtp_client_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialogues),
        cmocka_unit_test(o01_endless_reply),
        cmocka_unit_test(o08_endless_line),
        cmocka_unit_test(reply_limits),
        cmocka_unit_test(a_long_reply_is_kept_short),
        cmocka_unit_test(a_body_waits_for_the_peer),
        cmocka_unit_test(asked_only),
        cmocka_unit_test(o06_answer_before_the_last_octet_left),
        cmocka_unit_test(a_refusal_before_the_last_octet_left),
        cmocka_unit_test(many_recipients),
        cmocka_unit_test(rcpt_parameters),
        cmocka_unit_test(keywords),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
