#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ctl/json.h"

static void values_are_read(void **state)
{
    struct arena a;
    struct json *j;

    (void)state;
    arena_init(&a);
    j = json_parse(&a, STR(" {\"s\": \"a\\n\\\"\\u00fc\\ud83d\\udcec\", \"n\": 12, \"t\": "
                           "true, \"l\": [1, {}, null]} \n"));
    assert_non_null(j);
    assert_string_equal(json_text(j, "s").p, "a\n\"\xc3\xbc\xf0\x9f\x93\xac");
    assert_int_equal(json_u64(j, "n"), 12);
    assert_string_equal(json_text(j, "n").p, "12");
    assert_true(json_true(j, "t"));
    assert_int_equal(json_get(j, "l")->first->next->kind, JSON_OBJECT);
    assert_null(json_get(j, "none"));
    assert_int_equal(json_text(j, "l").n, 0);
    assert_int_equal(json_u64(NULL, "x"), 0);
    arena_done(&a);
}

static void what_is_no_value_is_refused(void **state)
{
    static const char *const rows[] = {
        "",          "{",      "}",        "[1,]",    "{\"a\"}",
        "{\"a\": }", "{a: 1}", "\"a",      "\"\\x\"", "\"\\u12g4\"",
        "tru",       "1 2",    "\"a\nb\"", "[1 2]",   "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
    };
    struct arena a;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_null(json_parse(&a, str_c(rows[i])));
    arena_done(&a);
}

static void half_a_surrogate_becomes_a_replacement(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a);
    assert_string_equal(json_parse(&a, STR("\"\\ud83dx\""))->text.p, "\xef\xbf\xbdx");
    assert_string_equal(json_parse(&a, STR("\"\\ud83d\\u0041\""))->text.p, "\xef\xbf\xbd"
                                                                           "A");
    arena_done(&a);
}

static void members_are_written(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    buf_add_byte(&b, '{');
    json_put_member(&b, "a", STR("x\"\n"));
    json_put_u64(&b, "n", 7);
    json_put_bool(&b, "t", false);
    json_put_name(&b, "l");
    buf_add(&b, STR("[]}"));
    assert_string_equal(buf_c(&b),
                        "{\"a\": \"x\\\"\\u000a\", \"n\": 7, \"t\": false, \"l\": []}");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(what_is_no_value_is_refused),
        cmocka_unit_test(half_a_surrogate_becomes_a_replacement),
        cmocka_unit_test(members_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
