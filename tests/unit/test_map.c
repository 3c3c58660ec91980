#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint8_t secret[MAP_SECRET_BYTES] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                 8, 9, 10, 11, 12, 13, 14, 15};

/* The first and the last of the vectors that came with the hash: octets 0, 1, 2 … of growing
 * length. */
static void siphash_vectors(void **state)
{
    static const struct {
        size_t n;
        uint64_t want;
    } rows[] = {
        {0,  0x726fdb47dd0e0e31},
        {1,  0x74f839c593dc67fd},
        {7,  0xab0200f58b01d137},
        {8,  0x93f5f5799a932462},
        {15, 0xa129ca6149be45e5},
        {63, 0x958a324ceb064572},
    };
    char octets[64];

    (void)state;
    for (int i = 0; i < 64; i++)
        octets[i] = (char)i;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(siphash(secret, (struct str){octets, rows[i].n}), rows[i].want);
}

enum { ENTRIES = 2000 };

struct entry {
    char key[16];
    int seen;
};

static struct str key_of(const struct entry *e)
{
    return str_c(e->key);
}

static void puts_finds_and_removes(void **state)
{
    static struct entry entries[ENTRIES];
    struct entry *e;
    struct map m;

    (void)state;
    map_init(&m, secret);
    assert_null(map_get(&m, STR("x")));
    assert_null(map_remove(&m, STR("x")));
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(entries[i].key, sizeof(entries[i].key), "user%d", i);
        assert_null(map_put(&m, key_of(&entries[i]), &entries[i]));
    }
    assert_int_equal(m.n, ENTRIES);
    for (int i = 0; i < ENTRIES; i++)
        assert_ptr_equal(map_get(&m, key_of(&entries[i])), &entries[i]);
    assert_null(map_get(&m, STR("user")));
    assert_ptr_equal(map_put(&m, STR("user7"), &entries[0]), &entries[7]);
    assert_ptr_equal(map_put(&m, key_of(&entries[7]), &entries[7]), &entries[0]);
    for (int i = 0; i < ENTRIES; i += 2)
        assert_ptr_equal(map_remove(&m, key_of(&entries[i])), &entries[i]);
    for (int i = 0; i < ENTRIES; i++)
        assert_ptr_equal(map_get(&m, key_of(&entries[i])), i % 2 ? &entries[i] : NULL);
    for (size_t at = 0; (e = map_next(&m, &at));) {
        e->seen++;
        map_remove(&m, key_of(e));
    }
    for (int i = 0; i < ENTRIES; i++)
        assert_int_equal(entries[i].seen, i % 2);
    assert_int_equal(m.n, 0);
    map_done(&m);
    map_done(&m);
}

/* Entries that come and go do not fill the table with marks. */
static void room_does_not_grow_with_time(void **state)
{
    char keys[100][16];
    struct map m;

    (void)state;
    map_init(&m, secret);
    for (int i = 0; i < 100000; i++) {
        char *key = keys[i % 100];

        if (i >= 100)
            assert_non_null(map_remove(&m, str_c(key)));
        snprintf(key, sizeof(keys[0]), "%d", i);
        map_put(&m, str_c(key), key);
    }
    assert_int_equal(m.n, 100);
    assert_true(m.room <= 512);
    map_done(&m);
}

static void any_octets_are_a_key(void **state)
{
    int a, b, c;
    struct map m;

    (void)state;
    map_init(&m, secret);
    map_put(&m, (struct str){NULL, 0}, &a);
    map_put(&m, STR("\0"), &b);
    map_put(&m, STR("\0\0"), &c);
    assert_ptr_equal(map_get(&m, STR("")), &a);
    assert_ptr_equal(map_get(&m, STR("\0")), &b);
    assert_ptr_equal(map_get(&m, STR("\0\0")), &c);
    map_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_vectors),
        cmocka_unit_test(puts_finds_and_removes),
        cmocka_unit_test(room_does_not_grow_with_time),
        cmocka_unit_test(any_octets_are_a_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
