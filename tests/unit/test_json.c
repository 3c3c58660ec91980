#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/json.h"

static void strings_are_escaped(void **state)
{
    static const struct {
        struct str in;
        const char *want;
    } rows[] = {
        {STR_LIT(""),                         "\"\""                                          },
        {STR_LIT("plain /~"),                 "\"plain /~\""                                  },
        {STR_LIT("\"\\"),                     "\"\\\"\\\\\""                                  },
        {STR_LIT("\r\n\t\0\x1b\x7f"),         "\"\\u000d\\u000a\\u0009\\u0000\\u001b\\u007f\""},
        {STR_LIT("\xc3\xbc\xf0\x9f\x93\xac"), "\"\xc3\xbc\xf0\x9f\x93\xac\""                  },
        {STR_LIT("a\xff\xc3"),                "\"a\xef\xbf\xbd\xef\xbf\xbd\""                 },
    };
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&b);
        json_add_string(&b, rows[i].in);
        assert_string_equal(buf_c(&b), rows[i].want);
    }
    buf_clear(&b);
    json_add_member(&b, "name", STR("a\"b"));
    assert_string_equal(buf_c(&b), "\"name\": \"a\\\"b\", ");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(strings_are_escaped)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
