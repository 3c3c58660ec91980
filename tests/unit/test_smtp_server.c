/* What a dialogue does not show: the session's promises to its program. */
#include "tests/unit/smtp_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const bool yes = true;

static struct oracle o;
static struct buf said;

static void begin(enum smtp_kind kind)
{
    oracle_init(&o, kind);
    buf_init(&said, 64 << 20);
    o.s = smtp_server_new(&o.config, false);
}

static void end(void)
{
    oracle_done(&o);
    buf_done(&said);
}

static enum smtp_want say(const char *text)
{
    smtp_server_feed(o.s, str_c(text));
    return oracle_turn(&o, &said);
}

static bool ends_with(const char *text)
{
    struct str want = str_c(text), got = buf_str(&said);

    return got.n >= want.n && str_eq(str_skip(got, got.n - want.n), want);
}

/* The next thing the session asks, its output taken. */
static enum smtp_want ask(const struct smtp_request **req)
{
    enum smtp_want want = smtp_server_next(o.s, req);
    struct str out = smtp_server_output(o.s);

    buf_add(&said, out);
    smtp_server_sent(o.s, out.n);
    return want;
}

/* C12: before anything was said or heard, the last word is the only one. */
static void test_c12_end_in_the_place_of_the_greeting(void **state)
{
    (void)state;
    begin(SMTP_RECEIVE);
    smtp_server_end(o.s, SMTP_REPLY(521, "5.5.1", "wait"));
    assert_int_equal(oracle_turn(&o, &said), SMTP_WANT_CLOSE);
    assert_true(str_eq(buf_str(&said), STR("521 5.5.1 wait\r\n")));
    end();
    begin(SMTP_RECEIVE);
    say("NOOP\r\n");
    smtp_server_end(o.s, SMTP_REPLY(421, "4.3.2", "bye"));
    assert_int_equal(say("NOOP\r\n"), SMTP_WANT_CLOSE);
    assert_true(str_starts(buf_str(&said), STR("220 ")) && ends_with("421 4.3.2 bye\r\n"));
    end();
}

/* A job that comes back after the time was over finds nobody. */
static void test_answers_after_the_end(void **state)
{
    const struct smtp_request *req;

    (void)state;
    begin(SMTP_RECEIVE);
    say("EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\n");
    smtp_server_feed(o.s, STR("DATA\r\n"));
    assert_int_equal(ask(&req), SMTP_WANT_LETTER);
    smtp_answer(o.s, SMTP_REPLY(354, "", "go on"));
    smtp_server_feed(o.s, STR("x\r\n.\r\n"));
    assert_int_equal(ask(&req), SMTP_WANT_BODY);
    smtp_answer_body(o.s);
    assert_int_equal(ask(&req), SMTP_WANT_COMMIT);
    smtp_server_end(o.s, SMTP_REPLY(421, "4.4.2", "too slow"));
    smtp_answer(o.s, SMTP_REPLY(250, "2.0.0", "Ok"));
    assert_int_equal(ask(&req), SMTP_WANT_CLOSE);
    assert_true(ends_with("421 4.4.2 too slow\r\n"));
    end();
}

/* A client that does not read is not listened to. */
static void test_unread_replies_stop_the_session(void **state)
{
    const struct smtp_request *req;
    size_t before;

    (void)state;
    begin(SMTP_QUEUE);
    for (int i = 0; i < 20000; i++)
        smtp_server_feed(o.s, STR("NOOP\r\n"));
    assert_int_equal(smtp_server_next(o.s, &req), SMTP_WANT_INPUT);
    before = smtp_server_output(o.s).n;
    assert_in_range(before, SMTP_OUTPUT_BYTES, SMTP_OUTPUT_BYTES + 100);
    assert_int_equal(smtp_server_next(o.s, &req), SMTP_WANT_INPUT);
    assert_int_equal(smtp_server_output(o.s).n, before);
    assert_int_equal(oracle_turn(&o, &said), SMTP_WANT_INPUT);
    assert_int_equal(said.n, 20000 * STR("250 2.0.0 yes\r\n").n +
                                 STR("220 mail.example.test ESMTP posta\r\n").n);
    end();
}

/* C03: a long line is handed on in pieces, and nothing is kept. */
static void test_c03_body_in_pieces(void **state)
{
    static char piece[60000];
    const struct smtp_request *req;
    uint64_t got = 0;

    (void)state;
    begin(SMTP_RECEIVE);
    o.config.size_max = 0;
    say("EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\n");
    say("DATA\r\n");
    memset(piece, 'x', sizeof(piece));
    for (int i = 0; i < 1000; i++) {
        smtp_server_feed(o.s, (struct str){piece, sizeof(piece)});
        while (ask(&req) == SMTP_WANT_BODY) {
            assert_true(req->body.n <= SMTP_BODY_CHUNK_BYTES + 1);
            got += req->body.n;
            smtp_answer_body(o.s);
        }
    }
    assert_int_equal(got, 1000 * sizeof(piece));
    say("\r\n.\r\n");
    assert_int_equal(smtp_server_wire_size(o.s), 1000 * sizeof(piece) + 2);
    assert_true(ends_with("\r\n") && o.letters == 1);
    end();
}

static void test_idle_and_in_data(void **state)
{
    (void)state;
    begin(SMTP_RECEIVE);
    oracle_turn(&o, &said);
    assert_true(smtp_server_idle(o.s));
    say("EH");
    assert_false(smtp_server_idle(o.s));
    say("LO x\r\n");
    assert_true(smtp_server_idle(o.s) && smtp_server_esmtp(o.s));
    assert_true(str_eq(smtp_server_helo(o.s), STR("x")));
    say("MAIL FROM:<a@b.example>\r\n");
    assert_false(smtp_server_idle(o.s));
    say("RCPT TO:<bob@example.test>\r\n");
    say("DATA\r\n");
    assert_true(smtp_server_in_data(o.s));
    say("x\r\n");
    assert_true(smtp_server_in_data(o.s));
    say(".\r\n");
    assert_true(smtp_server_idle(o.s) && !smtp_server_in_data(o.s));
    end();
}

/* U19: what is heard can be logged. */
static void test_u19_heard(void **state)
{
    struct str heard;

    (void)state;
    begin(SMTP_SUBMIT);
    o.config.auth_needs_tls = false;
    o.config.transcript = &yes;
    say("EHLO x\r\nAUTH PLAIN AGEAYg==\r\n");
    heard = smtp_server_heard(o.s);
    assert_true(str_eq(heard, STR("EHLO x\nAUTH PLAIN ***\n")));
    assert_int_equal(smtp_server_heard(o.s).n, 0);
    say("AUTH LOGIN\r\n");
    say("YWxpY2U=\r\nd29uZGVybGFuZA==\r\n");
    heard = smtp_server_heard(o.s);
    assert_true(str_eq(heard, STR("AUTH LOGIN ***\n***\n***\n")));
    assert_true(ends_with("235 2.7.0 Authentication successful\r\n"));
    assert_true(str_eq(smtp_server_user(o.s), STR("alice")));
    end();
}

static void test_auth_says_whether_there_was_a_response(void **state)
{
    const struct smtp_request *req;

    (void)state;
    begin(SMTP_SUBMIT);
    o.config.auth_needs_tls = false;
    say("EHLO x\r\n");
    smtp_server_feed(o.s, STR("auth plain\r\n"));
    assert_int_equal(ask(&req), SMTP_WANT_AUTH);
    assert_true(req->auth.first && !req->auth.has_response);
    assert_true(str_eq(req->auth.mechanism, STR("PLAIN")));
    smtp_answer_auth_challenge(o.s, STR(""));
    smtp_server_feed(o.s, STR("\r\n"));
    assert_int_equal(ask(&req), SMTP_WANT_AUTH);
    assert_true(!req->auth.first && req->auth.has_response && req->auth.response.n == 0);
    smtp_answer_auth_failed(o.s, SMTP_REPLY(454, "4.7.0", "later"));
    smtp_server_feed(o.s, STR("AUTH PLAIN =\r\n"));
    assert_int_equal(ask(&req), SMTP_WANT_AUTH);
    assert_true(req->auth.first && req->auth.has_response && req->auth.response.n == 0);
    end();
}

/* While the accounts cannot be asked nobody may ask for ever: each attempt costs authd work. */
static void test_logins_without_an_answer_end(void **state)
{
    const struct smtp_request *req;
    unsigned n = 0;

    (void)state;
    begin(SMTP_SUBMIT);
    o.config.auth_needs_tls = false;
    say("EHLO x\r\n");
    for (; n <= SMTP_JUNK_COMMANDS; n++) {
        smtp_server_feed(o.s, STR("AUTH PLAIN AGEAYg==\r\n"));
        if (ask(&req) != SMTP_WANT_AUTH)
            break;
        smtp_answer_auth_failed(o.s, SMTP_REPLY(454, "4.7.0", "later"));
    }
    assert_int_equal(n, SMTP_JUNK_COMMANDS - 1); /* one was EHLO */
    assert_true(ends_with("421 4.7.0 too many commands without a letter\r\n"));
    end();
}

/* What the program is told of MAIL and RCPT. */
static void test_parameters(void **state)
{
    const struct smtp_request *req;

    (void)state;
    begin(SMTP_LMTP);
    say("LHLO x\r\n");
    smtp_server_feed(
        o.s, STR("MAIL FROM:<\"a\"@b.example> SIZE=12 BODY=8BITMIME AUTH=e+3Dmc2@c.example "
                 "RET=HDRS ENVID=a+2Bb\r\n"));
    assert_int_equal(ask(&req), SMTP_WANT_MAIL);
    assert_true(str_eq(req->mail.reverse_path, STR("a@b.example")));
    assert_int_equal(req->mail.size, 12);
    assert_int_equal(req->mail.body, SMTP_BODY_8BITMIME);
    assert_true(str_eq(req->mail.auth, STR("e=mc2@c.example")));
    assert_int_equal(req->mail.ret, SMTP_RET_HDRS);
    assert_true(str_eq(req->mail.envid, STR("a+b")));
    smtp_answer(o.s, SMTP_REPLY(250, "2.1.0", "Ok"));
    smtp_server_feed(o.s, STR("RCPT TO:<@r.example:bob@example.test> NOTIFY=SUCCESS,DELAY "
                              "ORCPT=rfc822;b+2Bx@d.example\r\n"));
    assert_int_equal(ask(&req), SMTP_WANT_RCPT);
    assert_true(str_eq(req->rcpt.forward_path, STR("bob@example.test")));
    assert_int_equal(req->rcpt.notify, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY);
    assert_true(str_eq(req->rcpt.orcpt, STR("rfc822;b+x@d.example")));
    smtp_answer(o.s, SMTP_REPLY(250, "2.1.5", "Ok"));
    smtp_server_feed(o.s, STR("VRFY bob\r\n"));
    assert_int_equal(ask(&req), SMTP_WANT_VRFY);
    assert_true(str_eq(req->text, STR("bob")));
    end();
}

static void test_limits_from_the_configuration(void **state)
{
    (void)state;
    begin(SMTP_RECEIVE);
    smtp_server_free(o.s);
    o.config.bad_commands_max = 2;
    o.s = smtp_server_new(&o.config, false);
    assert_int_equal(say("WHAT\r\nWHAT\r\n"), SMTP_WANT_INPUT);
    assert_int_equal(say("WHAT\r\n"), SMTP_WANT_CLOSE);
    assert_true(ends_with("421 4.7.0 too many errors\r\n"));
    end();
    begin(SMTP_QUEUE); /* none between our boxes */
    for (int i = 0; i < 1000; i++)
        assert_int_equal(say("WHAT\r\nNOOP\r\n"), SMTP_WANT_INPUT);
    end();
}

/* ---- replies ---- */

static void test_reply_print(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    smtp_reply_print(&b, SMTP_REPLY(550, "5.1.1", "no <a\r\n250 b\0\x1b\xc3>"));
    assert_true(str_eq(buf_str(&b), STR("550 5.1.1 no <a??250 b?\?\?>\r\n")));
    buf_clear(&b);
    smtp_reply_print(&b, SMTP_REPLY(354, "", ""));
    assert_true(str_eq(buf_str(&b), STR("354 \r\n")));
    buf_done(&b);
}

static const struct {
    int code;
    struct str text, enhanced, rest;
} replies[] = {
    {250, STR_LIT("2.0.0 Ok"),    STR_LIT("2.0.0"),   STR_LIT("Ok")         },
    {250, STR_LIT("2.0.0"),       STR_LIT("2.0.0"),   STR_LIT("")           },
    {550, STR_LIT("2.0.0 no"),    STR_LIT(""),        STR_LIT("2.0.0 no")   },
    {550, STR_LIT("5.7.123 no"),  STR_LIT("5.7.123"), STR_LIT("no")         },
    {550, STR_LIT("5.7.1234 no"), STR_LIT(""),        STR_LIT("5.7.1234 no")},
    {550, STR_LIT("5.7.1-no"),    STR_LIT(""),        STR_LIT("5.7.1-no")   },
    {550, STR_LIT("5.7 no"),      STR_LIT(""),        STR_LIT("5.7 no")     },
    {421, STR_LIT(""),            STR_LIT(""),        STR_LIT("")           },
    {451, STR_LIT("4.3.0 a\nb"),  STR_LIT("4.3.0"),   STR_LIT("a\nb")       },
};

static void test_reply_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        struct smtp_reply r = smtp_reply_parse(replies[i].code, replies[i].text);

        assert_int_equal(r.code, replies[i].code);
        if (!str_eq(r.enhanced, replies[i].enhanced) || !str_eq(r.text, replies[i].rest))
            fail_msg("%zu: %.*s|%.*s", i, STR_ARGS(r.enhanced), STR_ARGS(r.text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c12_end_in_the_place_of_the_greeting),
        cmocka_unit_test(test_answers_after_the_end),
        cmocka_unit_test(test_unread_replies_stop_the_session),
        cmocka_unit_test(test_c03_body_in_pieces),
        cmocka_unit_test(test_idle_and_in_data),
        cmocka_unit_test(test_u19_heard),
        cmocka_unit_test(test_auth_says_whether_there_was_a_response),
        cmocka_unit_test(test_logins_without_an_answer_end),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_limits_from_the_configuration),
        cmocka_unit_test(test_reply_print),
        cmocka_unit_test(test_reply_parse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
