#include "msa/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DATE       "Date: Sun, 22 Nov 2026 21:50:17 +0000\n"
#define MESSAGE_ID "Message-ID: <01k9zq4h8c0000000000000000@mail.example.test>\n"

static const struct {
    struct str head, want;
} mended[] = {
  /* nothing to do: nothing is touched */
    {STR_LIT("Date: x\nMessage-Id: <y>\nTo: a\n b\n\n"),
     STR_LIT("Date: x\nMessage-Id: <y>\nTo: a\n b\n\n")                                                      },
    {STR_LIT("From: a\n\n"),                                              STR_LIT("@DATE@@ID@From: a\n\n")   },
    {STR_LIT("DATE: x\nFrom: a\n\n"),                                     STR_LIT("@ID@DATE: x\nFrom: a\n\n")},
 /* M15 */
    {STR_LIT("Date: x\nMessage-ID: <y>\nBcc: eve@example.test,\n mallory@example.test\nTo: "
             "a\nbcc :\n\n"),
     STR_LIT("Date: x\nMessage-ID: <y>\nTo: a\n\n")                                                          },
    {STR_LIT("Bcc: eve@example.test\nDate: x\nMessage-ID: <y>\n\n"),
     STR_LIT("Date: x\nMessage-ID: <y>\n\n")                                                                 },
    {STR_LIT("Date: x\nMessage-ID: <y>\nResent-Bcc: eve@example.test\n"),
     STR_LIT("Date: x\nMessage-ID: <y>\n")                                                                   },
 /* no head at all: ours gets an end */
    {STR_LIT("Hello.\n"),                                                 STR_LIT("@DATE@@ID@\nHello.\n")    },
    {STR_LIT(""),                                                         STR_LIT("@DATE@@ID@\n")            },
    {STR_LIT("\n"),                                                       STR_LIT("@DATE@@ID@\n")            },
};

static struct str expand(struct arena *a, struct str want, struct str id_field)
{
    struct buf b;
    struct str s;

    buf_init(&b, 10000);
    while (want.n) {
        if (scan_word(&want, STR("@DATE@"))) {
            buf_add(&b, STR(DATE));
        } else if (scan_word(&want, STR("@ID@"))) {
            buf_add(&b, id_field);
        } else {
            buf_add_byte(&b, want.p[0]);
            want = str_skip(want, 1);
        }
    }
    s = arena_dup(a, buf_str(&b));
    buf_done(&b);
    return s;
}

static void test_m15_mend(void **state)
{
    const uint8_t random[8] = {0};
    struct arena a;
    struct id id;
    struct buf out;

    (void)state;
    arena_init(&a);
    id_make(&id, 1, random);
    buf_init(&out, 100000);
    struct str field = arena_printf(&a, "Message-ID: <%s@mail.example.test>\n", id.text);
    for (size_t i = 0; i < sizeof(mended) / sizeof(mended[0]); i++) {
        const struct intake_head h = {mended[i].head, &id, STR("mail.example.test"),
                                      1795384217};
        struct str want = expand(&a, mended[i].want, field);

        buf_clear(&out);
        msa_mend(&out, &h);
        if (!str_eq(buf_str(&out), want))
            fail_msg("%zu: %.*s", i, STR_ARGS(buf_str(&out)));
    }
    buf_done(&out);
    arena_done(&a);
}

static void test_u18_sender(void **state)
{
    const struct intake_sender own = {STR("alice@example.test"), STR("alice@example.test"),
                                      true};
    const struct intake_sender other = {STR("alice@example.test"), STR("bob@example.test"),
                                        false};
    const struct intake_sender none = {STR("alice@example.test"), STR(""), false};

    (void)state;
    assert_int_equal(msa_sender(&own).code, 250);
    assert_int_equal(msa_sender(&other).code, 553);
    assert_true(str_eq(msa_sender(&other).enhanced, STR("5.7.1")));
    assert_int_equal(msa_sender(&none).code, 250);
}

static void test_recipient(void **state)
{
    struct intake_recipient r = {STR("alice@example.test"), USERS_ELSEWHERE, false};

    (void)state;
    assert_int_equal(msa_recipient(&r).code, 250);
    r.kind = USERS_UNKNOWN;
    assert_int_equal(msa_recipient(&r).code, 550);
    r = (struct intake_recipient){STR(""), USERS_ELSEWHERE, false};
    assert_int_equal(msa_recipient(&r).code, 554);
}

static void test_t20_offer(void **state)
{
    struct config c = {.lab = {.clear_auth = false}};
    struct smtp_server_config s = {.starttls = true};

    (void)state;
    msa_offer(&c, &s);
    assert_true(s.mail_needs_auth && s.auth_needs_tls && s.auth_mechanisms.n);
    c.lab.clear_auth = true;
    msa_offer(&c, &s);
    assert_true(s.mail_needs_auth && !s.auth_needs_tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_m15_mend),
        cmocka_unit_test(test_u18_sender),
        cmocka_unit_test(test_recipient),
        cmocka_unit_test(test_t20_offer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
