/* What refusals mean, for a person: by status, by code, by words. */
#include "mail/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void known_refusals(void **state)
{
    static const struct {
        int code;
        struct str status, text;
        const char *what;
    } rows[] = {
        {550, STR_LIT("5.1.1"),    STR_LIT("x"),                                   "There is no mailbox of that name" },
        {550, STR_LIT(""),         STR_LIT("User unknown"),                        "There is no mailbox of that name" },
        {550, STR_LIT("5.1.2"),    STR_LIT("there is no such domain"),
         "There is no such mail domain"                                                                               },
        {556, STR_LIT("5.1.10"),   STR_LIT("null MX"),                             "That domain takes no mail"        },
        {556, STR_LIT(""),         STR_LIT(""),                                    "That domain takes no mail"        },
        {452, STR_LIT("4.2.2"),    STR_LIT("x"),                                   "The mailbox is full"              },
        {552, STR_LIT(""),         STR_LIT("over QUOTA"),                          "The mailbox is full"              },
        {552, STR_LIT("5.3.4"),    STR_LIT("x"),                                   "The message is too large"         },
        {552, STR_LIT(""),         STR_LIT("x"),                                   "The message is too large"         },
        {450, STR_LIT("4.7.1"),    STR_LIT("Greylisted, see ..."),
         "The other side lets senders that"                                                                           },
        {451, STR_LIT(""),         STR_LIT("graylisting in action"),
         "The other side lets senders that"                                                                           },
        {554, STR_LIT("5.7.1"),    STR_LIT("Spam message rejected"),
         "The other side refused it as suspected"                                                                     },
        {550, STR_LIT(""),         STR_LIT("192.0.2.1 listed at blocklist.d"),
         "The other side refused it as suspected"                                                                     },
        {554, STR_LIT("5.7.1"),    STR_LIT("Relay access denied"),
         "The other side does not handle"                                                                             },
        {550, STR_LIT("5.7.1"),    STR_LIT("no"),                                  "The rules of the other side"      },
        {451, STR_LIT("4.7.4"),    STR_LIT("no STARTTLS"),                         "An encrypted connection"          },
        {530, STR_LIT("5.7.0"),    STR_LIT("Must issue a STARTTLS command first"),
         "An encrypted connection"                                                                                    },
        {451, STR_LIT("4.7.5"),    STR_LIT("handshake"),                           "The encrypted connection"         },
        {0,   STR_LIT("4.4.1"),    STR_LIT("no connection in time"),
         "The mail server of that domain does not answer"                                                             },
        {0,   STR_LIT("4.4.2"),    STR_LIT("no answer in time"),
         "The connection to the mail server"                                                                          },
        {0,   STR_LIT("4.4.3"),    STR_LIT("DNS"),                                 "The name service (DNS)"           },
        {0,   STR_LIT("5.4.4"),    STR_LIT("no MX"),                               "That domain has no mail server"   },
        {0,   STR_LIT("4.4.7"),    STR_LIT(""),                                    "The time for delivering it"       },
        {554, STR_LIT("5.4.6"),    STR_LIT(""),                                    "The message went round"           },
        {550, STR_LIT("5.2.1"),    STR_LIT(""),                                    "The mailbox is there, but"        },
        {554, STR_LIT("5.6.3"),    STR_LIT(""),                                    "The message has something in it"  },
        {421, STR_LIT(""),         STR_LIT("busy"),                                "The other side is not able"       },
        {451, STR_LIT("4.3.0"),    STR_LIT(""),                                    "The other side is not able"       },
        {550, STR_LIT(""),         STR_LIT("no"),                                  "The other side refused it."       },
        {599, STR_LIT("5.0.0"),    STR_LIT("\x1b[31m"),                            "The other side refused it."       },
        {450, STR_LIT("nonsense"), STR_LIT("no"),                                  "It could not be delivered for the"},
        {0,   STR_LIT("4.0.0"),    STR_LIT(""),                                    "It could not be delivered for the"},
        {0,   STR_LIT("5.0.0"),    STR_LIT(""),                                    "The other side refused it."       },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct reason *r = reason_find(rows[i].code, rows[i].status, rows[i].text);

        if (!str_starts(r->what, str_c(rows[i].what)))
            fail_msg("row %zu: %.*s", i, STR_ARGS(r->what));
        assert_true(r->advice.n > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
