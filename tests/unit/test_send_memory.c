/* Who has a letter already. */
#include "mta/send/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct id one = {"01m82kw2150000000000001"}, two = {"01m82kw2150000000000002"};

static void known_and_not(void **state)
{
    struct memory *m = memory_new();
    struct result r = {
        .reply = {250, STR_LIT("2.0.0"), STR_LIT("kept")},
        .host = STR_LIT("mx.test"),
        .ip = STR_LIT("::1"),
        .tls = STR_LIT("TLS1_3"),
        .mxset = STR_LIT(""),
        .said = true
    };

    (void)state;
    assert_null(memory_find(m, &one, STR("a@b.test")));
    memory_add(m, &one, STR("a@b.test"), &r);
    memory_add(m, &one, STR("a@b.test"), &r);
    const struct result *got = memory_find(m, &one, STR("a@b.test"));
    assert_non_null(got);
    assert_int_equal(got->reply.code, 250);
    assert_true(str_eq(got->reply.text, STR("kept")) && str_eq(got->host, r.host) && got->said);
    assert_null(memory_find(m, &two, STR("a@b.test")));
    assert_null(memory_find(m, &one, STR("A@b.test")));
    assert_null(memory_find(m, &one, STR("")));
    memory_free(m);
    memory_free(NULL);
}

static void the_oldest_goes(void **state)
{
    struct memory *m = memory_new();
    static char words[MEMORY_TEXT_BYTES + 1];
    struct result r = {
        .reply = {250, STR_LIT(""), {words, sizeof(words)}}
    };
    char address[32];

    (void)state;
    memset(words, 'x', sizeof(words));
    for (int i = 0; i <= MEMORY_RECIPIENTS; i++) {
        if (i == MEMORY_RECIPIENTS)
            assert_non_null(memory_find(m, &one, STR("0@b.test")));
        snprintf(address, sizeof(address), "%d@b.test", i);
        memory_add(m, &one, str_c(address), &r);
    }
    assert_null(memory_find(m, &one, STR("0@b.test")));
    assert_non_null(memory_find(m, &one, STR("1@b.test")));
    assert_int_equal(memory_find(m, &one, STR("1@b.test"))->reply.text.n, MEMORY_TEXT_BYTES);
    memory_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_and_not),
                                       cmocka_unit_test(the_oldest_goes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
