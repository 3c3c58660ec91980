/* Our client logs in at our server, by each mechanism, and lets no password go in clear. */
#include "sasl/client.h"
#include "sasl/exchange.h"
#include "sasl/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const unsigned char salt[PASSWORD_SALT_BYTES] = "0123456789abcde";

static bool verifiers(void *arg, struct str user, struct buf *out)
{
    (void)arg;
    if (!str_eq(user, STR("a@example.test")))
        return false;
    password_scram(STR("secret"), salt, out);
    return true;
}

struct attempt {
    const char *mechanisms, *user, *password;
    bool clear_allowed;
    const char *want; /* the mechanism used, then "yes" or "no"; "none": nothing was said */
};

/* Until one of them has said its last; what became of it is appended. */
static void talk(struct sasl_client *c, struct sasl_exchange *x, bool has, struct str response,
                 struct buf *log)
{
    for (;;) {
        struct sasl_said said;
        enum sasl_ask ask = sasl_exchange_step(x, has, response, &said);

        if (ask == SASL_ASK_PASSWORD)
            ask = sasl_exchange_verdict(x, str_eq(said.password, STR("secret")), &said);
        if (ask != SASL_ASK_RESPONSE) {
            bool yes = ask == SASL_SAYS_YES;

            buf_addf(log, " %s", yes && sasl_client_accepts(c) ? "yes" : "no");
            return;
        }
        if (sasl_client_answer(c, said.challenge, &response) == SASL_CLIENT_FAILED) {
            buf_addf(log, " gave up");
            return;
        }
        has = true;
    }
}

static void log_in(const struct attempt *t, struct buf *log)
{
    struct sasl_client *c = sasl_client_open(&(struct sasl_login){
        .service = STR("smtp"),
        .host = STR("mx.test"),
        .mechanisms = str_c(t->mechanisms),
        .user = str_c(t->user),
        .password = str_c(t->password),
        .clear_allowed = t->clear_allowed,
    });
    struct str mechanism, response;
    bool has;

    if (sasl_client_begin(c, &mechanism, &has, &response) == SASL_CLIENT_FAILED) {
        buf_addf(log, "none");
    } else {
        struct sasl_exchange *x = sasl_exchange_new(&(struct sasl_begin){
            .service = STR("smtp"), .mechanism = mechanism, .clear_allowed = true});

        buf_add(log, mechanism);
        talk(c, x, has, response, log);
        sasl_exchange_free(x);
    }
    sasl_client_free(c);
}

static void attempts(void **state)
{
    static char longest[1025];
    const struct attempt rows[] = {
        {"PLAIN LOGIN",               "a@example.test", "secret", true,  "PLAIN yes"        },
        {"LOGIN",                     "a@example.test", "secret", true,  "LOGIN yes"        },
        {"PLAIN LOGIN SCRAM-SHA-256", "a@example.test", "secret", true,  "SCRAM-SHA-256 yes"},
        {"SCRAM-SHA-256",             "a@example.test", "secret", false, "SCRAM-SHA-256 yes"},
        {"SCRAM-SHA-256",             "a@example.test", "wrong",  false, "SCRAM-SHA-256 no" },
        {"PLAIN",                     "a@example.test", "wrong",  true,  "PLAIN no"         },
        {"PLAIN LOGIN",               "a@example.test", "secret", false, "none"             },
        {"GSSAPI XOAUTH2",            "a@example.test", "secret", true,  "none"             },
        {"ANONYMOUS EXTERNAL",        "a@example.test", "secret", true,  "none"             },
        {"",                          "a@example.test", "secret", true,  "none"             },
        {"PLAIN",                     "a@example.test", longest,  true,  "PLAIN no"         },
    };

    (void)state;
    memset(longest, 'x', sizeof(longest) - 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf log;

        buf_init(&log, 1000);
        log_in(&rows[i], &log);
        assert_string_equal(buf_c(&log), rows[i].want);
        buf_done(&log);
    }
}

/* RFC 5802 5: who says yes without the password's keys is not the server. */
static void a_false_server(void **state)
{
    struct sasl_client *c = sasl_client_open(&(struct sasl_login){
        .service = STR("smtp"),
        .host = STR("mx.test"),
        .mechanisms = STR("SCRAM-SHA-256"),
        .user = STR("a"),
        .password = STR("secret"),
    });
    struct str mechanism, response;
    bool has;

    (void)state;
    assert_int_equal(sasl_client_begin(c, &mechanism, &has, &response), SASL_CLIENT_SEND);
    assert_false(sasl_client_accepts(c));
    assert_int_equal(sasl_client_answer(c, STR("r=bogus,s=YWJj,i=4096"), &response),
                     SASL_CLIENT_FAILED);
    assert_false(sasl_client_accepts(c));
    sasl_client_free(c);
}

/* Only so many rounds are hashed for a server. */
static void too_many_rounds(void **state)
{
    struct sasl_client *c = sasl_client_open(&(struct sasl_login){
        .service = STR("smtp"),
        .host = STR("mx.test"),
        .mechanisms = STR("SCRAM-SHA-256"),
        .user = STR("a"),
        .password = STR("secret"),
    });
    struct str mechanism, response, nonce;
    struct buf challenge;
    bool has;

    (void)state;
    assert_int_equal(sasl_client_begin(c, &mechanism, &has, &response), SASL_CLIENT_SEND);
    nonce = str_skip(response, response.n - str_c(strstr(response.p, "r=")).n);
    buf_init(&challenge, 1000);
    buf_add(&challenge, nonce);
    buf_add(&challenge, STR("x,s=YWJj,i=2000000000"));
    assert_int_equal(sasl_client_answer(c, buf_str(&challenge), &response), SASL_CLIENT_FAILED);
    buf_done(&challenge);
    sasl_client_free(c);
}

static int set_up(void **state)
{
    static const struct sasl_owner owner = {.mechanisms = "PLAIN LOGIN SCRAM-SHA-256",
                                            .verifiers = verifiers};

    (void)state;
    return sasl_exchange_init(&owner, NULL) == 0 && sasl_clients_init(NULL, NULL, NULL) == 0
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    sasl_clients_done();
    sasl_exchange_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempts),
        cmocka_unit_test(a_false_server),
        cmocka_unit_test(too_many_rounds),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
