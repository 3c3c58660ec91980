/* Codes in whatever surroundings, and what they mean. */
#include "smtp/codes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void found_in_any_line(void **state)
{
    static const struct {
        const char *line;
        int code;
        const char *status, *word;
    } rows[] = {
        {"450 4.7.1",                                                                           450, "4.7.1",  ""           },
        {"4.7.1",                                                                               0,   "4.7.1",  ""           },
        {"x.7.26",                                                                              0,   "x.7.26", ""           },
        {"550",                                                                                 550, "",       ""           },
        {"250-mx.example.net Hello [192.0.2.250]",                                              250, "",       ""           },
        {"550-5.7.26 Your email has been blocked because the sender is unauthenticated. gsmtp",
         550,                                                                                        "5.7.26", ""           },
        {"421-4.7.28 [192.0.2.1      15] Our system has detected an unusual rate of mail",      421,
         "4.7.28",                                                                                             ""           },
        {"Remote Server returned '550 5.4.1 Recipient address rejected: Access denied. "
         "AS(201806281)'",                                                             550, "5.4.1",  ""           },
        {"451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77714)",          451,
         "4.7.500",                                                                                            ""           },
        {"smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address "
         "lookup",                                                                     550, "5.1.10", ""           },
        {"host mx1.b.test[192.0.2.7] said: 452 4.2.2 The email account is over quota (in reply "
         "to RCPT TO command)",                                                        452, "4.2.2",  ""           },
        {"5.1.2.3 is an address",                                                               0,   "",       ""           },
        {"192.0.2.250 and 10.5.5.0",                                                            0,   "",       ""           },
        {"id 5501 or a550 or 550b",                                                             0,   "",       ""           },
        {"699 and 260 and 100",                                                                 0,   "",       ""           },
        {"a1 NO [TRYCREATE] no such mailbox",                                                   0,   "",       "TRYCREATE"  },
        {"* OK [UIDVALIDITY 12] ok",                                                            0,   "",       "UIDVALIDITY"},
        {"-ERR [IN-USE] locked",                                                                0,   "",       "IN-USE"     },
        {"-ERR [AUTH] wrong",                                                                   0,   "",       "AUTH"       },
        {"SYS/TEMP",                                                                            0,   "",       "SYS/TEMP"   },
        {"overquota",                                                                           0,   "",       "overquota"  },
        {"[NOSUCHCODE]",                                                                        0,   "",       ""           },
        {"5.",                                                                                  0,   "",       ""           },
        {"5.1.",                                                                                0,   "",       ""           },
        {"5.1.1234",                                                                            0,   "",       ""           },
        {"[",                                                                                   0,   "",       ""           },
        {"",                                                                                    0,   "",       ""           },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct codes c;
        bool found = codes_find(str_c(rows[i].line), &c);

        if (found != (rows[i].code || *rows[i].status || *rows[i].word) ||
            c.code != rows[i].code || !str_eq(c.status, str_c(rows[i].status)) ||
            !str_eq(c.word, str_c(rows[i].word)))
            fail_msg("\"%s\": %d %.*s %.*s", rows[i].line, c.code, STR_ARGS(c.status),
                     STR_ARGS(c.word));
    }
}

static void each_has_its_meaning(void **state)
{
    (void)state;
    for (int code = 0; code < 1000; code++) {
        const struct code_row *row = code_of_reply(code);
        char text[4];

        snprintf(text, sizeof(text), "%03d", code);
        if (row)
            assert_string_equal(row->code, text);
    }
    assert_non_null(code_of_reply(556));
    assert_null(code_of_reply(-1));
    assert_string_equal(code_of_status(STR("5.1.10"))->where, "RFC 7505 4.1");
    assert_string_equal(code_of_status(STR("4.7.30"))->where, "RFC 8689 4.2.1");
    assert_string_equal(code_of_status(STR("x.7.25"))->where, "RFC 7372 3.3");
    assert_null(code_of_status(STR("4.7.500")));
    assert_null(code_of_status(STR("")));
    assert_string_equal(code_of_subject(STR("4.7.500"))->code, "x.7");
    assert_null(code_of_subject(STR("4.9.1")));
    assert_null(code_of_subject(STR("4")));
    assert_string_equal(code_of_word(STR("in-use"), true)->code, "IN-USE");
    assert_null(code_of_word(STR("IN-USE"), false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_in_any_line),
        cmocka_unit_test(each_has_its_meaning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
