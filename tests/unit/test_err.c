#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void says_what_and_why(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(err_set(&e, E_LIMIT, "%d letters", 3), E_LIMIT);
    assert_int_equal(e.code, E_LIMIT);
    assert_string_equal(e.text, "3 letters");
    errno = ENOENT;
    assert_int_equal(err_os(&e, "open %s", "x"), -ENOENT);
    assert_int_equal(e.code, -ENOENT);
    assert_string_equal(e.text, "open x: No such file or directory");
}

static void nobody_need_listen(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, E_BUSY, "x"), E_BUSY);
    errno = EACCES;
    assert_int_equal(err_os(NULL, "x"), -EACCES);
}

static void long_texts_are_cut(void **state)
{
    struct err e;

    (void)state;
    errno = EIO;
    assert_int_equal(err_os(&e, "%*s", 1000, "x"), -EIO);
    assert_int_equal(strlen(e.text), ERR_TEXT_BYTES - 1);
    err_set(&e, E_BUSY, "%*s", 1000, "x");
    assert_int_equal(strlen(e.text), ERR_TEXT_BYTES - 1);
    errno = EIO;
    err_os(&e, "%*s", ERR_TEXT_BYTES - 3, "x");
    assert_int_equal(strlen(e.text), ERR_TEXT_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_and_why),
        cmocka_unit_test(nobody_need_listen),
        cmocka_unit_test(long_texts_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
