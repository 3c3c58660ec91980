/* What send tells of a recipient: printed, read back, and what must not break either. */
#include "smtp/reply_reader.h"
#include "smtp/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct arena a;

static int set_up(void **state)
{
    (void)state;
    arena_init(&a);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&a);
    return 0;
}

static void printed(void **state)
{
    static const struct {
        struct result r;
        const char *want;
    } rows[] = {
        {{.reply = {550, STR_LIT("5.1.1"), STR_LIT("No such user")},
          .host = STR_LIT("mx.b.test"),
          .ip = STR_LIT("2001:db8::7"),
          .tls = STR_LIT("TLS1_3"),
          .mxset = STR_LIT("9f86d081"),
          .dsn = true,
          .said = true},
         "host=mx.b.test ip=2001:db8::7 tls=TLS1_3 mxset=9f86d081 dsn=yes said=yes : No such "
         "user"                                                                           },
        {{.reply = {451, STR_LIT("4.4.1"), STR_LIT("nobody answers")}}, ": nobody answers"},
        {{.reply = {250, STR_LIT("2.0.0"), STR_LIT("")}},               ":"               },
        {{.reply = {250, STR_LIT(""), STR_LIT("  a\tb\033[1m\xc3\xa4\r\nx ")},
          .host = STR_LIT("two words"),
          .tls = STR_LIT("\r\n250")},
         ": a?b?[1m????x"                                                                 }, /* O03 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct smtp_reply r = result_print(&rows[i].r, &a);
        struct str want = str_c(rows[i].want);

        if (!str_eq(r.text, want))
            print_message("%.*s\n", STR_ARGS(r.text));
        assert_true(str_eq(r.text, want));
        assert_int_equal(r.code, rows[i].r.reply.code);
    }
}

static void parsed(void **state)
{
    static const struct {
        const char *text, *host, *ip, *words;
        bool dsn, said;
    } rows[] = {
        {"host=mx.b.test ip=::1 dsn=yes said=yes : No such user", "mx.b.test", "::1",
         "No such user",                                                                                               true,  true },
        {"host=mx colour=red said=no : x : y",                    "mx",        "",    "x : y",                         false, false},
        {"Ok: queued as 17",                                      "",          "",    "Ok: queued as 17",              false, false},
        {"host=mx words without a colon",                         "",          "",    "host=mx words without a colon", false,
         false                                                                                                                     },
        {"host=a+20b ip=+ : x",                                   "",          "",    "host=a+20b ip=+ : x",           false, false},
        {"host=a+20b : x",                                        "",          "",    "x",                             false, false},
        {":",                                                     "",          "",    "",                              false, false},
        {"",                                                      "",          "",    "",                              false, false},
        {":x",                                                    "",          "",    ":x",                            false, false},
        {"host=m+78 : x",                                         "mx",        "",    "x",                             false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct result r =
            result_parse((struct smtp_reply){550, STR("5.0.0"), str_c(rows[i].text)}, &a);

        assert_true(str_eq(r.host, str_c(rows[i].host)));
        assert_true(str_eq(r.ip, str_c(rows[i].ip)));
        assert_true(str_eq(r.reply.text, str_c(rows[i].words)));
        assert_int_equal(r.dsn, rows[i].dsn);
        assert_int_equal(r.said, rows[i].said);
    }
}

/* However long the values are, the text is not cut on its way. */
static void the_longest_is_kept(void **state)
{
    static char h[2000], w[RESULT_TEXT_BYTES + 1];
    struct result r = {
        .reply = {550, STR_LIT("5.1.1"), {w, sizeof(w)}},
        .ip = {h,   RESULT_WORD_BYTES                  },
        .tls = {h,   RESULT_WORD_BYTES},
        .mxset = {h,   RESULT_WORD_BYTES                  },
        .dsn = true,
        .said = true
    };

    (void)state;
    memset(h, 'h', sizeof(h));
    memset(w, 'w', sizeof(w));
    for (int off = -1; off <= 1; off++) {
        r.host = (struct str){h, (size_t)(RESULT_HOST_BYTES + off)};
        struct smtp_reply p = result_print(&r, &a);
        struct result back = result_parse(p, &a);

        assert_true(p.text.n <= SMTP_REPLY_KEPT_BYTES);
        assert_int_equal(back.host.n, off > 0 ? 0 : r.host.n);
        assert_int_equal(back.reply.text.n, RESULT_TEXT_BYTES);
    }
    for (int off = -1; off <= 1; off++) { /* what is cut says so */
        r.reply.text.n = (size_t)(RESULT_TEXT_BYTES + off);
        struct str text = result_parse(result_print(&r, &a), &a).reply.text;
        bool dots = str_eq(str_skip(text, text.n - 3), STR("..."));

        assert_int_equal(dots, off > 0);
        assert_int_equal(text.n, off > 0 ? RESULT_TEXT_BYTES : r.reply.text.n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(printed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parsed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_longest_is_kept, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
