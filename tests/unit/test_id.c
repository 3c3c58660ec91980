#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint8_t zeros[8], ones[8] = {255, 255, 255, 255, 255, 255, 255, 255};

static void order_is_the_order_of_time(void **state)
{
    static const uint64_t times[] = {
        0, 1, 31, 32, 1000, 1795384217000, 1795384217001, (UINT64_C(1) << 48) - 1};
    struct id before, now;

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        id_make(&now, times[i], i % 2 ? zeros : ones);
        assert_int_equal(strlen(now.text), ID_LETTERS);
        assert_int_equal(id_ms(&now), times[i]);
        if (i)
            assert_true(strcmp(before.text, now.text) < 0);
        before = now;
    }
}

static void random_bits_all_count(void **state)
{
    struct id a, b;

    (void)state;
    id_make(&a, 5, zeros);
    for (int bit = 0; bit < 64; bit++) {
        uint8_t random[8] = {0};

        random[bit / 8] = (uint8_t)(1 << bit % 8);
        id_make(&b, 5, random);
        assert_string_not_equal(a.text, b.text);
        assert_int_equal(id_ms(&b), 5);
    }
}

static void nothing_else_is_an_id(void **state)
{
    struct id id, back;
    char text[ID_LETTERS + 2];

    (void)state;
    id_make(&id, 1795384217000, ones);
    assert_true(id_parse(id_str(&id), &back));
    assert_string_equal(id.text, back.text);
    assert_false(id_parse(str_first(id_str(&id), ID_LETTERS - 1), &back));
    memcpy(text, id.text, ID_LETTERS);
    text[ID_LETTERS] = '0';
    assert_false(id_parse((struct str){text, ID_LETTERS + 1}, &back));
    assert_false(id_parse(STR(""), &back));
    for (const char *bad = "ilouAZ/.-_ \n\x80";; bad++) {
        for (size_t at = 0; at < ID_LETTERS; at++) {
            memcpy(text, id.text, ID_LETTERS);
            text[at] = *bad;
            assert_false(id_parse((struct str){text, ID_LETTERS}, &back));
        }
        if (!*bad)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_the_order_of_time),
        cmocka_unit_test(random_bits_all_count),
        cmocka_unit_test(nothing_else_is_an_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
