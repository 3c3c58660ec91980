#include "sys/files_max.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>

#include <cmocka.h>

enum { FEW = 100 };

static uint64_t now(void)
{
    struct rlimit files;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    return files.rlim_cur;
}

static void more_than_all_connections(void **state)
{
    struct config_limits limits = {.connections = 4000};

    (void)state;
    assert_true(files_max_wanted(&limits) >= 2 * 4000 + 256);
}

/* The last one: a limit that was lowered stays so for who is not root. */
static void raised_as_far_as_may_be(void **state)
{
    struct rlimit files;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = FEW;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    assert_int_equal(files_max_raise(FEW), files.rlim_max);
    assert_int_equal(now(), files.rlim_max);
    files.rlim_cur = files.rlim_max = FEW;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    assert_int_equal(files_max_raise(2 * FEW), now());
    assert_true(now() == FEW || now() == 2 * FEW); /* not every root may */
    assert_int_equal(files_max_raise(UINT64_C(1) << 40), now());
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_than_all_connections),
        cmocka_unit_test(raised_as_far_as_may_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
