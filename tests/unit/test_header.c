#include "mail/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct str letter = STR_LIT("From old-mbox Mon Jan  1\n"
                                         "Received: one\n"
                                         "\tby two;\n"
                                         "  three\n"
                                         "Received : four\n"
                                         "no colon here\n"
                                         ": no name\n"
                                         "bad\x80name: x\n"
                                         "na me: x\n"
                                         "DELIVERED-TO:  Bob@d \n"
                                         "Subject:\n"
                                         "X-Last: a\0b: c\n"
                                         "\n"
                                         "Received: in the body\n"
                                         "Delivered-To: alice@d\n");

/* M10: what is no field is passed over. */
static void m10_fields_in_order(void **state)
{
    static const struct {
        struct str name, value, all;
    } want[] = {
        {STR_LIT("Received"),     STR_LIT(" one\n\tby two;\n  three"),
         STR_LIT("Received: one\n\tby two;\n  three\n")                                                  },
        {STR_LIT("Received"),     STR_LIT(" four"),                    STR_LIT("Received : four\n")      },
        {STR_LIT("DELIVERED-TO"), STR_LIT("  Bob@d "),                 STR_LIT("DELIVERED-TO:  Bob@d \n")},
        {STR_LIT("Subject"),      STR_LIT(""),                         STR_LIT("Subject:\n")             },
        {STR_LIT("X-Last"),       STR_LIT(" a\0b: c"),                 STR_LIT("X-Last: a\0b: c\n")      },
    };
    struct str in = letter;
    struct header_field f;

    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        assert_true(header_next(&in, &f));
        assert_true(str_eq(f.name, want[i].name));
        assert_true(str_eq(f.value, want[i].value));
        assert_true(str_eq(f.all, want[i].all));
    }
    assert_false(header_next(&in, &f));
    assert_int_equal(letter.n - in.n + 1, header_end(letter));
    assert_false(header_next(&in, &f));
}

static void finds_and_counts(void **state)
{
    struct header_field f;

    (void)state;
    assert_true(header_find(letter, STR("received"), &f));
    assert_true(str_eq(f.value, STR(" one\n\tby two;\n  three")));
    assert_false(header_find(letter, STR("From"), &f));
    assert_false(header_find(letter, STR(""), &f));
    assert_int_equal(header_count(letter, STR("RECEIVED")), 2);
    assert_int_equal(header_count(letter, STR("x")), 0);
    /* A26 */
    assert_true(header_has(letter, STR("Delivered-To"), STR("bob@D")));
    assert_false(header_has(letter, STR("Delivered-To"), STR("alice@d")));
    assert_false(header_has(letter, STR("Delivered-To"), STR("bob")));
}

static void where_the_body_is(void **state)
{
    static const struct {
        struct str in;
        size_t want;
    } rows[] = {
        {STR_LIT(""),                 0},
        {STR_LIT("\n"),               1},
        {STR_LIT("\nbody"),           1},
        {STR_LIT("a: b"),             4},
        {STR_LIT("a: b\n"),           5},
        {STR_LIT("a: b\n\nbody\n\n"), 6},
        {STR_LIT("a: b\r\n\r\nbody"), 8},
        {STR_LIT("a: b\n \n\nbody"),  8},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(header_end(rows[i].in), rows[i].want);
}

static void foreign_line_ends(void **state)
{
    struct str in = STR("a: b\r\n c\r\nd: e\r\n\r\nf: g\r\n");
    struct header_field f;
    struct arena a;

    (void)state;
    arena_init(&a);
    assert_true(header_next(&in, &f) && str_eq(f.value, STR(" b\r\n c")));
    assert_true(str_eq(header_unfold(&a, f.value), STR("b c")));
    assert_true(header_next(&in, &f) && str_eq(f.value, STR(" e")));
    assert_false(header_next(&in, &f));
    arena_done(&a);
}

static void odd_ends(void **state)
{
    struct str in = STR("a: b\n c"), empty = STR(""), folded = STR(" x\n\ty\na:\n");
    struct header_field f;
    struct arena a;

    (void)state;
    arena_init(&a);
    assert_true(header_next(&in, &f) && str_eq(f.value, STR(" b\n c")) && in.n == 0);
    assert_true(str_eq(header_unfold(&a, f.value), STR("b c")));
    assert_false(header_next(&in, &f));
    assert_false(header_next(&empty, &f));
    assert_true(header_next(&folded, &f) && str_eq(f.all, STR("a:\n")) && f.value.n == 0);
    assert_true(str_eq(header_unfold(&a, STR("")), STR("")));
    assert_true(str_eq(header_unfold(&a, STR(" \n ")), STR("")));
    arena_done(&a);
}

/* M03: behind the limit nothing is found, before it all is. */
static void m03_limit(void **state)
{
    char *text = malloc(HEADER_BYTES + 10);
    struct header_field f;

    (void)state;
    assert_non_null(text);
    for (int off = -1; off <= 1; off++) {
        size_t at = (size_t)(HEADER_BYTES - 5 + off);

        memset(text, 'x', HEADER_BYTES + 10);
        text[0] = ':';
        text[at - 1] = '\n';
        memcpy(text + at, "Ab: c\n\n", 7);
        assert_true(header_find((struct str){text, at + 7}, STR("ab"), &f));
        assert_int_equal(f.value.n, off <= 0 ? 2 : 1);
    }
    assert_false(header_find((struct str){text + 1, HEADER_BYTES}, STR("zz"), &f));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m10_fields_in_order),
        cmocka_unit_test(finds_and_counts),
        cmocka_unit_test(where_the_body_is),
        cmocka_unit_test(foreign_line_ends),
        cmocka_unit_test(odd_ends),
        cmocka_unit_test(m03_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
