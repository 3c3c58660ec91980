/* The keys that are kept of a password serve SCRAM-SHA-256 (RFC 7677): Cyrus's own client logs
 * in with them. */
#include "sasl/exchange.h"
#include "sasl/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sasl/sasl.h>

static const unsigned char salt[PASSWORD_SALT_BYTES] = "0123456789abcde";

static bool verifiers(void *arg, struct str user, struct buf *out)
{
    (void)arg;
    if (!str_eq(user, STR("a@example.test")))
        return false;
    password_scram(STR("secret"), salt, out);
    return true;
}

static int simple(void *context, int id, const char **result, unsigned *n)
{
    (void)context;
    (void)id;
    *result = "a@example.test";
    if (n)
        *n = (unsigned)strlen(*result);
    return SASL_OK;
}

static int secret(sasl_conn_t *conn, void *context, int id, sasl_secret_t **out)
{
    (void)conn;
    (void)id;
    *out = context;
    return SASL_OK;
}

typedef int (*callback)(void);
#define CALLBACK(function) ((callback)(void (*)(void))(function))

static enum sasl_ask log_in(const char *password)
{
    union {
        sasl_secret_t secret;
        char room[sizeof(sasl_secret_t) + 64];
    } s;
    const sasl_callback_t callbacks[] = {
        {SASL_CB_AUTHNAME, CALLBACK(simple), NULL     },
        {SASL_CB_USER,     CALLBACK(simple), NULL     },
        {SASL_CB_PASS,     CALLBACK(secret), &s.secret},
        {SASL_CB_LIST_END, NULL,             NULL     },
    };
    struct sasl_exchange *x = sasl_exchange_new(
        &(struct sasl_begin){.service = STR("smtp"), .mechanism = STR("SCRAM-SHA-256")});
    struct sasl_said said = {.challenge = STR("")};
    enum sasl_ask ask = SASL_ASK_RESPONSE;
    sasl_conn_t *client = NULL;
    const char *out = NULL, *mechanism;
    unsigned n = 0;

    s.secret.len = strlen(password);
    memcpy(s.secret.data, password, s.secret.len + 1);
    assert_int_equal(sasl_client_new("smtp", "posta", NULL, NULL, callbacks, 0, &client),
                     SASL_OK);
    int r = sasl_client_start(client, "SCRAM-SHA-256", NULL, &out, &n, &mechanism);
    while ((r == SASL_OK || r == SASL_CONTINUE) && ask == SASL_ASK_RESPONSE) {
        ask = sasl_exchange_step(x, true, (struct str){out ? out : "", out ? n : 0}, &said);
        assert_int_not_equal(ask, SASL_ASK_PASSWORD);
        if (ask == SASL_ASK_RESPONSE)
            r = sasl_client_step(client, said.challenge.p, (unsigned)said.challenge.n, NULL,
                                 &out, &n);
    }
    if (ask == SASL_SAYS_YES)
        assert_true(str_eq(said.user, STR("a@example.test")));
    sasl_dispose(&client);
    sasl_exchange_free(x);
    return ask;
}

static void test_right(void **state)
{
    (void)state;
    assert_int_equal(log_in("secret"), SASL_SAYS_YES);
}

static void test_wrong(void **state)
{
    (void)state;
    assert_int_equal(log_in("secreT"), SASL_SAYS_NO);
}

static int set_up(void **state)
{
    static const struct sasl_owner owner = {.mechanisms = "SCRAM-SHA-256",
                                            .verifiers = verifiers};

    (void)state;
    return sasl_exchange_init(&owner, NULL) == 0 && sasl_client_init(NULL) == SASL_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    sasl_exchange_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),
        cmocka_unit_test(test_wrong),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
