#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tls/selfsigned.h"
#include "tls/tls.h"

#include <time.h>

static void it_serves_and_names_all(void **state)
{
    static const char *const names[] = {"mail.example.test", "example.test"};
    struct buf cert, key, found;
    struct tls_context *c;
    struct err err;
    int64_t ends, now = time(NULL);

    (void)state;
    buf_init(&cert, 65536);
    buf_init(&key, 65536);
    buf_init(&found, 65536);
    assert_int_equal(selfsigned_make(names[0], names, 2, &cert, &key, &err), 0);
    c = tls_context_server(buf_str(&cert), buf_str(&key), "smtp", "test", &err);
    assert_non_null(c);
    tls_context_unref(c);
    assert_int_equal(selfsigned_expiry(buf_str(&cert), &ends, &found, &err), 0);
    assert_string_equal(buf_c(&found), "mail.example.test, example.test");
    assert_true(ends > now + (int64_t)(SELFSIGNED_DAYS - 1) * 86400);
    assert_true(ends < now + (int64_t)(SELFSIGNED_DAYS + 1) * 86400);
    buf_done(&cert);
    buf_done(&key);
    buf_done(&found);
}

static void two_are_never_the_same(void **state)
{
    static const char *const names[] = {"a.test"};
    struct buf a, b, key;
    struct err err;

    (void)state;
    buf_init(&a, 65536);
    buf_init(&b, 65536);
    buf_init(&key, 65536);
    assert_int_equal(selfsigned_make("a.test", names, 1, &a, &key, &err), 0);
    buf_clear(&key);
    assert_int_equal(selfsigned_make("a.test", names, 1, &b, &key, &err), 0);
    assert_false(str_eq(buf_str(&a), buf_str(&b)));
    /* The key of the second is not that of the first. */
    assert_null(tls_context_server(buf_str(&a), buf_str(&key), "smtp", "test", &err));
    buf_done(&a);
    buf_done(&b);
    buf_done(&key);
}

static void what_is_no_certificate_is_refused(void **state)
{
    struct buf names;
    struct err err;
    int64_t ends;

    (void)state;
    buf_init(&names, 1024);
    assert_int_equal(selfsigned_expiry(STR("nonsense"), &ends, &names, &err), E_SYNTAX);
    buf_done(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_serves_and_names_all),
        cmocka_unit_test(two_are_never_the_same),
        cmocka_unit_test(what_is_no_certificate_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
