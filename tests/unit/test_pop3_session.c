/* The POP3 session where a transcript is not enough: sizes, limits, back-pressure, cuts. */
#include "../pop3_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const bool yes = true;

static struct pop3_world w;
static struct pop3_session *s;
static struct buf said;

static int set_up(void **state)
{
    (void)state;
    world_init(&w);
    buf_init(&said, (size_t)64 << 20);
    s = pop3_new(&w.config, false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pop3_free(s);
    buf_done(&said);
    return 0;
}

static enum pop3_want send(struct str bytes)
{
    buf_clear(&said);
    pop3_feed(s, bytes);
    return world_turn(&w, s, &said);
}

static void log_in(void)
{
    send(STR("USER alice@example.test\r\nPASS secret\r\n"));
    assert_true(pop3_logged_in(s));
}

static bool said_starts(const char *words)
{
    return str_starts(buf_str(&said), str_c(words));
}

static bool said_ends(const char *words)
{
    struct str all = buf_str(&said), end = str_c(words);

    return all.n >= end.n && str_eq(str_skip(all, all.n - end.n), end);
}

static void test_p01_numbers(void **state)
{
    static const char *const bad[] = {
        "RETR 0",
        "RETR -1",
        "RETR 4294967297",
        "RETR 18446744073709551617",
        "RETR 3",
        "RETR 1x",
        "RETR",
        "LIST 0",
        "UIDL 99999999999999999999",
        "DELE 0",
        "TOP 1",
        "TOP 1 99999999999",
        "TOP 1 -1",
        "TOP 0 1",
        "TOP 1 1 1",
        "TOP 1 0x10",
        "RETR 1 2",
    };

    (void)state;
    world_letter(&w, STR("a: b\n\nc\n"));
    world_letter(&w, STR("a: b\n\nd\n"));
    log_in();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char line[64];

        snprintf(line, sizeof(line), "%s\r\n", bad[i]);
        assert_int_equal(send(str_c(line)), POP3_WANT_INPUT);
        assert_true(said_starts("-ERR "));
        assert_int_equal(str_find(buf_str(&said), '\n'), buf_str(&said).n - 1);
    }
    send(STR("DELE 1\r\n"));
    assert_true(said_starts("+OK"));
    send(STR("DELE 1\r\n"));
    assert_true(said_starts("-ERR"));
    send(STR("RETR 1\r\n"));
    assert_true(said_starts("-ERR"));
}

/* Feeds n bytes without a line end and says what came of it. */
static enum pop3_want flood(size_t n)
{
    static char bytes[POP3_LINE_BYTES + POP3_DISCARD_BYTES + 10];

    memset(bytes, 'x', sizeof(bytes));
    return send((struct str){bytes, n});
}

static void test_p02_line_limits(void **state)
{
    char line[POP3_LINE_BYTES + 1];

    (void)state;
    w.config.bad_commands = 100;
    memset(line, 'x', sizeof(line));
    memcpy(line, "USER ", 5);
    for (size_t n = POP3_LINE_BYTES - 1; n <= POP3_LINE_BYTES + 1; n++) {
        pop3_free(s);
        s = pop3_new(&w.config, false);
        send(STR(""));
        memset(line + 5, 'x', sizeof(line) - 5);
        line[n - 2] = '\r';
        line[n - 1] = '\n';
        assert_int_equal(send((struct str){line, n}), POP3_WANT_INPUT);
        assert_true(said_starts(n <= POP3_LINE_BYTES ? "+OK" : "-ERR line too long"));
        send(STR("CAPA\r\n"));
        assert_true(said_starts("+OK"));
    }
}

static void test_p02_endless_line(void **state)
{
    (void)state;
    assert_int_equal(flood(POP3_DISCARD_BYTES), POP3_WANT_INPUT);
    assert_int_equal(send(STR("\r\n")), POP3_WANT_CLOSE);
    assert_true(said_starts("-ERR line too long"));
}

static void test_p02_line_that_ends_in_time(void **state)
{
    (void)state;
    assert_int_equal(flood(POP3_DISCARD_BYTES - 2), POP3_WANT_INPUT);
    assert_int_equal(buf_str(&said).n, sizeof("+OK posta ready\r\n") - 1);
    assert_int_equal(send(STR("\r\nQUIT\r\n")), POP3_WANT_CLOSE);
    assert_true(str_eq(buf_str(&said), STR("-ERR line too long\r\n+OK bye\r\n")));
}

static void test_p03_user_and_pass(void **state)
{
    (void)state;
    send(STR(""));
    send(STR("PASS x\r\n"));
    assert_true(said_starts("-ERR"));
    w.password = STR(" two words ");
    send(STR("USER alice@example.test\r\nPASS  two words \r\n"));
    assert_true(pop3_logged_in(s));
    pop3_free(s);
    s = pop3_new(&w.config, false);
    send(STR(""));
    assert_int_equal(send(STR("USER a\0b\r\n")), POP3_WANT_CLOSE);
    assert_true(said_starts("-ERR"));
}

static void test_p04_stuffing(void **state)
{
    static const struct {
        struct str letter, wire;
    } rows[] = {
        {STR_LIT("a\n.\nb\n"),            STR_LIT("a\r\n..\r\nb\r\n.\r\n")     },
        {STR_LIT(".x\n"),                 STR_LIT("..x\r\n.\r\n")              },
        {STR_LIT("no end"),               STR_LIT("no end\r\n.\r\n")           },
        {STR_LIT("."),                    STR_LIT("..\r\n.\r\n")               },
        {STR_LIT(""),                     STR_LIT(".\r\n")                     },
        {STR_LIT("\n"),                   STR_LIT("\r\n.\r\n")                 },
        {STR_LIT("a\r.\rb\n"),            STR_LIT("a\r\n..\r\nb\r\n.\r\n")     },
        {STR_LIT("crlf\r\n.\r\nend\r\n"), STR_LIT("crlf\r\n..\r\nend\r\n.\r\n")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        world_letter(&w, rows[i].letter);
    for (w.piece_bytes = 1; w.piece_bytes <= 16; w.piece_bytes++) {
        pop3_free(s);
        s = pop3_new(&w.config, false);
        log_in();
        for (unsigned i = 0; i < w.n; i++) {
            char line[32];

            snprintf(line, sizeof(line), "RETR %u\r\n", i + 1);
            send(str_c(line));
            assert_true(said_starts("+OK"));
            struct str body = str_skip(buf_str(&said), str_find(buf_str(&said), '\n') + 1);
            assert_true(str_eq(body, rows[i].wire));
        }
    }
}

static void test_p05_gone_without_quit(void **state)
{
    (void)state;
    world_letter(&w, STR("a: b\n\nc\n"));
    log_in();
    send(STR("DELE 1\r\n"));
    assert_int_equal(pop3_marked(s), 1);
    pop3_end(s, NULL); /* the time is up: in silence */
    assert_int_equal(send(STR("QUIT\r\n")), POP3_WANT_CLOSE);
    assert_int_equal(buf_str(&said).n, 0);
    assert_false(w.commits);
}

static void test_p08_in_use(void **state)
{
    (void)state;
    w.refuses = true;
    w.refusal = POP3_IN_USE;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(send(STR("USER alice@example.test\r\nPASS secret\r\n")),
                         POP3_WANT_INPUT);
        assert_true(said_ends("-ERR [IN-USE] another session has the maildrop\r\n"));
    }
    w.refuses = false;
    log_in();
}

/* A million letters: the answer is streamed, the session holds no list. */
static void test_p09_a_million_letters(void **state)
{
    enum { COUNT = 1000000 };
    const struct pop3_request *r;
    uint32_t next = 0;
    size_t most = 0, bytes = 0;

    (void)state;
    send(STR(""));
    pop3_feed(s, STR("USER alice@example.test\r\nPASS secret\r\nUIDL\r\n"));
    assert_int_equal(pop3_next(s, &r), POP3_WANT_LOGIN);
    pop3_answer_maildrop(s, COUNT, COUNT);
    for (enum pop3_want want; (want = pop3_next(s, &r)) != POP3_WANT_INPUT;) {
        if (want == POP3_WANT_FLUSH) {
            size_t n = pop3_output(s).n;

            most = n > most ? n : most;
            bytes += n;
            pop3_sent(s, n);
            continue;
        }
        assert_int_equal(want, POP3_WANT_ENTRIES);
        assert_int_equal(r->first, next);
        assert_true(r->count > 0 && r->count <= POP3_ENTRIES);
        assert_true(r->uidl);
        next += r->count;
        for (uint32_t left = r->count; left; left--)
            pop3_answer_entry(
                s, 0,
                STR("0123456789012345678901234567890123456789012345678901234567890123456789"));
    }
    assert_int_equal(next, COUNT);
    assert_true(most < 2 * (size_t)POP3_OUTPUT_BYTES);
    assert_true(bytes > (size_t)COUNT * POP3_UIDL_BYTES);
}

static void test_p10_unknown(void **state)
{
    (void)state;
    send(STR(""));
    send(STR("APOP alice@example.test c4c9334bac560ecc979e58001b3e22fb\r\n"));
    assert_true(said_starts("-ERR"));
    send(STR("AUTH\r\n"));
    assert_true(said_starts("-ERR"));
    send(STR("AUTH  PLAIN\r\n"));
    assert_true(said_starts("-ERR"));
    send(STR("AUTH KERBEROS_V4\r\n"));
    assert_true(said_starts("-ERR"));
    send(STR("AUTH CRAM-MD5\r\n"));
    assert_true(said_starts("-ERR"));
    assert_int_equal(w.logins, 0);
}

static void test_t03_command_behind_stls(void **state)
{
    (void)state;
    w.config.stls = true;
    w.config.clear_auth = false;
    send(STR(""));
    assert_int_equal(send(STR("STLS\r\nUSER u\r\n")), POP3_WANT_CLOSE);
    assert_true(said_ends("-ERR nothing may follow STLS before TLS has begun\r\n"));
}

static void test_t20_no_password_in_clear(void **state)
{
    static const char *const tries[] = {
        "USER alice@example.test\r\n",
        "PASS secret\r\n",
        "AUTH PLAIN\r\n",
        "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=\r\n",
    };

    (void)state;
    w.config.stls = true;
    w.config.clear_auth = false;
    send(STR(""));
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        send(str_c(tries[i]));
        assert_true(said_starts("-ERR"));
    }
    assert_int_equal(w.logins, 0);
    send(STR("STLS\r\n"));
    log_in();
}

static void test_u01_long_response(void **state)
{
    static char line[POP3_AUTH_LINE_BYTES + 10];
    struct buf response;

    (void)state;
    buf_init(&response, sizeof(line));
    for (size_t n = POP3_AUTH_LINE_BYTES - 1; n <= POP3_AUTH_LINE_BYTES + 1; n++) {
        pop3_free(s);
        s = pop3_new(&w.config, false);
        assert_int_equal(send(STR("AUTH PLAIN\r\n")), POP3_WANT_INPUT);
        assert_true(said_ends("+ \r\n"));
        memset(line, 'A', n - 2);
        memcpy(line + n - 2, "\r\n", 2);
        enum pop3_want want = send((struct str){line, n});
        assert_int_equal(want, n <= POP3_AUTH_LINE_BYTES ? POP3_WANT_INPUT : POP3_WANT_CLOSE);
        assert_true(said_starts("-ERR"));
    }
    buf_done(&response);
}

static void test_u02_bad_base64(void **state)
{
    static const char *const bad[] = {
        "A", "AAA=A", "====", "AA==AA==", "-_AA", "AA A", " AAAA"};

    (void)state;
    w.config.bad_commands = 100;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char line[64];

        snprintf(line, sizeof(line), "AUTH PLAIN\r\n%s\r\nNOOP\r\n", bad[i]);
        send(str_c(line));
        assert_true(said_ends("-ERR that is not base64\r\n-ERR log in first\r\n"));
        snprintf(line, sizeof(line), "AUTH PLAIN %s\r\n", bad[i]);
        send(str_c(line));
        assert_true(said_starts("-ERR that is not base64\r\n"));
    }
    assert_int_equal(w.logins, 0);
}

static void test_u07_three_wrong_passwords(void **state)
{
    (void)state;
    send(STR(""));
    assert_int_equal(send(STR("USER alice@example.test\r\nPASS a\r\n")), POP3_WANT_INPUT);
    assert_int_equal(send(STR("USER alice@example.test\r\nPASS b\r\n")), POP3_WANT_INPUT);
    assert_int_equal(send(STR("USER alice@example.test\r\nPASS c\r\nNOOP\r\n")),
                     POP3_WANT_CLOSE);
    assert_true(said_ends("-ERR [AUTH] name or password is wrong\r\n"));
    assert_int_equal(w.logins, 3);
}

static void test_limits_before_login(void **state)
{
    enum pop3_want want = POP3_WANT_INPUT;
    unsigned n;

    (void)state;
    for (n = 0; want == POP3_WANT_INPUT; n++)
        want = send(STR("CAPA\r\n"));
    assert_int_equal(n, w.config.junk_commands + 1);
    pop3_free(s);
    s = pop3_new(&w.config, false);
    want = POP3_WANT_INPUT;
    for (n = 0; want == POP3_WANT_INPUT; n++)
        want = send(STR("XYZZY\r\n"));
    assert_int_equal(n, w.config.bad_commands);
}

static void test_a_browser_is_sent_away(void **state)
{
    (void)state;
    assert_int_equal(send(STR("GET / HTTP/1.1\r\nUSER alice@example.test\r\n")),
                     POP3_WANT_CLOSE);
    assert_true(said_ends("-ERR this is POP3\r\n"));
}

/* A client that does not read is asked for nothing more. */
static void test_back_pressure(void **state)
{
    static char letter[1 << 20];
    const struct pop3_request *r;

    (void)state;
    memset(letter, '.', sizeof(letter));
    for (size_t i = 0; i < sizeof(letter); i += 2)
        letter[i] = '\n';
    world_letter(&w, (struct str){letter, sizeof(letter)});
    log_in();
    pop3_feed(s, STR("RETR 1\r\nRETR 1\r\n"));
    enum pop3_want want;
    while ((want = pop3_next(s, &r)) != POP3_WANT_FLUSH) {
        if (want == POP3_WANT_ENTRIES)
            world_entries(&w, s, r);
        else
            world_read(&w, s, r);
    }
    assert_true(pop3_output(s).n <= POP3_OUTPUT_BYTES + 2 * POP3_PIECE_BYTES + 600);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pop3_next(s, &r), POP3_WANT_FLUSH);
    assert_int_equal(send(STR("NOOP\r\n")), POP3_WANT_INPUT);
    assert_true(said_ends(".\r\n+OK done\r\n"));
}

static void test_a_letter_that_goes(void **state)
{
    const struct pop3_request *r;

    (void)state;
    world_letter(&w, STR("a: b\n\nc\n"));
    w.gone[0] = true;
    log_in();
    assert_int_equal(send(STR("RETR 1\r\nNOOP\r\n")), POP3_WANT_INPUT);
    assert_true(said_starts("-ERR the message has gone\r\n+OK"));
    /* in its middle nothing can be said */
    w.gone[0] = false;
    w.piece_bytes = 3;
    pop3_feed(s, STR("RETR 1\r\n"));
    assert_int_equal(pop3_next(s, &r), POP3_WANT_ENTRIES);
    world_entries(&w, s, r);
    assert_int_equal(pop3_next(s, &r), POP3_WANT_LETTER);
    world_read(&w, s, r);
    assert_int_equal(pop3_next(s, &r), POP3_WANT_LETTER);
    pop3_answer_no_letter(s, false);
    assert_int_equal(pop3_next(s, &r), POP3_WANT_CLOSE);
}

/* TOP stops reading where it has enough. */
static void test_top_reads_no_more_than_it_needs(void **state)
{
    (void)state;
    world_letter(&w, STR("a: b\nc: d\n\n1\n2\n3\n"));
    w.piece_bytes = 1;
    log_in();
    send(STR("TOP 1 0\r\n"));
    assert_true(said_ends("octets\r\na: b\r\nc: d\r\n\r\n.\r\n"));
    assert_int_equal(w.letter_ends, 1);
    assert_int_equal(w.at, sizeof("a: b\nc: d\n\n") - 1);
    send(STR("TOP 1 2\r\n"));
    assert_true(said_ends("\r\n\r\n1\r\n2\r\n.\r\n"));
    send(STR("TOP 1 3\r\n"));
    assert_true(said_ends("\r\n\r\n1\r\n2\r\n3\r\n.\r\n"));
    send(STR("TOP 1 4294967295\r\n"));
    assert_true(said_ends("\r\n\r\n1\r\n2\r\n3\r\n.\r\n"));
}

/* What is written down shows no secret. */
static void test_u19_transcript(void **state)
{
    static const struct {
        struct str said, heard;
    } rows[] = {
        {STR_LIT("USER alice\r\n"),           STR_LIT("USER alice\n")    },
        {STR_LIT("pass secret\r\n"),          STR_LIT("pass ***\n")      },
        {STR_LIT("AUTH PLAIN AGEAYg==\r\n"),  STR_LIT("AUTH PLAIN ***\n")},
        {STR_LIT("AUTH  PLAIN AGEAYg==\r\n"), STR_LIT("AUTH  ***\n")     },
        {STR_LIT("AUTH LOGIN AGEAYg==\r\n"),  STR_LIT("AUTH LOGIN ***\n")},
        {STR_LIT("AUTH PLAIN\r\n"),           STR_LIT("AUTH PLAIN\n")    },
        {STR_LIT("AGEAYg==\r\n"),             STR_LIT("***\n")           },
        {STR_LIT("NOOP\r\nNOOP\r\n"),         STR_LIT("NOOP\nNOOP\n")    },
        {STR_LIT("alice secret\r\n"),         STR_LIT("***\n")           },
    };
    const struct pop3_request *r;

    (void)state;
    w.config.transcript = &yes;
    w.config.auth_failures = 10;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pop3_feed(s, rows[i].said);
        pop3_next(s, &r);
        assert_true(str_eq(pop3_heard(s), rows[i].heard));
        send(STR(""));
    }
}

static void test_idle_and_rest(void **state)
{
    (void)state;
    send(STR(""));
    assert_true(pop3_idle(s));
    send(STR("US"));
    assert_false(pop3_idle(s));
    send(STR("ER alice@example.test\r\nPASS secret\r\n"));
    assert_true(pop3_idle(s));
    pop3_rest(s);
    send(STR("NOOP\r\n"));
    assert_true(said_starts("+OK"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_p01_numbers),
        TEST(test_p02_line_limits),
        TEST(test_p02_endless_line),
        TEST(test_p02_line_that_ends_in_time),
        TEST(test_p03_user_and_pass),
        TEST(test_p04_stuffing),
        TEST(test_p05_gone_without_quit),
        TEST(test_p08_in_use),
        TEST(test_p09_a_million_letters),
        TEST(test_p10_unknown),
        TEST(test_t03_command_behind_stls),
        TEST(test_t20_no_password_in_clear),
        TEST(test_u01_long_response),
        TEST(test_u02_bad_base64),
        TEST(test_u07_three_wrong_passwords),
        TEST(test_limits_before_login),
        TEST(test_a_browser_is_sent_away),
        TEST(test_back_pressure),
        TEST(test_a_letter_that_goes),
        TEST(test_top_reads_no_more_than_it_needs),
        TEST(test_u19_transcript),
        TEST(test_idle_and_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
