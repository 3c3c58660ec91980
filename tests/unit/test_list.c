#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct thing {
    int n;
    struct list link;
};

static int sum(struct list *head)
{
    int v = 0;

    LIST_EACH(head, at)
    v = v * 10 + LIST_OF(at, struct thing, link)->n;
    return v;
}

static void keeps_order(void **state)
{
    struct thing t[4] = {{.n = 1}, {.n = 2}, {.n = 3}, {.n = 4}};
    struct list head;

    (void)state;
    list_init(&head);
    assert_true(list_empty(&head));
    assert_int_equal(sum(&head), 0);
    for (int i = 0; i < 4; i++)
        list_append(&head, &t[i].link);
    assert_false(list_empty(&head));
    assert_int_equal(sum(&head), 1234);
    list_remove(&t[1].link);
    assert_int_equal(sum(&head), 134);
    list_remove(&t[1].link); /* a second time changes nothing */
    assert_int_equal(sum(&head), 134);
    list_append(&head, &t[1].link);
    assert_int_equal(sum(&head), 1342);
}

static void the_body_may_remove(void **state)
{
    struct thing t[4] = {{.n = 1}, {.n = 2}, {.n = 3}, {.n = 4}};
    struct list head;

    (void)state;
    list_init(&head);
    for (int i = 0; i < 4; i++)
        list_append(&head, &t[i].link);
    LIST_EACH(&head, at)
    if (LIST_OF(at, struct thing, link)->n % 2)
        list_remove(at);
    assert_int_equal(sum(&head), 24);
    LIST_EACH(&head, at)
    list_remove(at);
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order),
        cmocka_unit_test(the_body_may_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
