/* The addresses of a destination, and the name of their set. */
#include "mta/send/hosts.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void add(struct hosts *h, const char *name, const char *address)
{
    struct ip ip;

    assert_true(ip_parse(str_c(address), &ip));
    hosts_add(h, str_c(name), &ip, 25);
}

static void in_the_order_of_mx(void **state)
{
    struct ip first[2], second;
    struct mx_host hosts[2] = {
        {.name = STR_LIT("a.test"), .preference = 10, .addresses = first,   .n = 2},
        {.name = STR_LIT("b.test"), .preference = 20, .addresses = &second, .n = 1}
    };
    struct mx_result r = {.hosts = hosts, .n = 2};
    struct hosts h;

    (void)state;
    ip_parse(STR("2001:db8::1"), &first[0]);
    ip_parse(STR("192.0.2.1"), &first[1]);
    ip_parse(STR("192.0.2.2"), &second);
    hosts_init(&h);
    hosts_of_mx(&h, &r, 2525);
    assert_int_equal(h.n, 3);
    assert_string_equal(h.all[0].name, "a.test");
    assert_string_equal(h.all[0].ip, "2001:db8::1");
    assert_string_equal(h.all[1].ip, "192.0.2.1");
    assert_string_equal(h.all[2].name, "b.test");
    assert_int_equal(h.all[2].at.ss_family, AF_INET);
    assert_int_equal(((struct sockaddr_in *)&h.all[2].at)->sin_port, htons(2525));
}

static void no_more_than_the_limit(void **state)
{
    struct hosts h;

    (void)state;
    hosts_init(&h);
    for (int i = 0; i <= HOSTS; i++) {
        assert_int_equal(h.n, i);
        add(&h, "a.test", "192.0.2.1");
    }
    assert_int_equal(h.n, HOSTS);
}

static void a_set_is_its_names(void **state)
{
    struct hosts one, other, third;

    (void)state;
    hosts_init(&one);
    hosts_init(&other);
    hosts_init(&third);
    add(&one, "a.test", "192.0.2.1");
    add(&one, "a.test", "2001:db8::1");
    add(&one, "b.test", "192.0.2.2");
    add(&other, "B.test", "192.0.2.9");
    add(&other, "A.test", "192.0.2.8");
    add(&third, "a.test", "192.0.2.1");
    hosts_name_set(&one);
    hosts_name_set(&other);
    hosts_name_set(&third);
    assert_string_equal(one.set, other.set);
    assert_string_not_equal(one.set, third.set);
    assert_int_equal(strlen(one.set), HOST_SET_LETTERS);
}

/* Nobody finds names of his own that are called as those of others. Such pairs took seconds to
 * find while a set was a sum. */
static void a_set_is_not_forged(void **state)
{
    static const char *const pairs[][4] = {
        {"762483.test", "636578.test", "744222.test", "610319.test"},
        {"4d2aa2.test", "06fb17.test", "4d2a27.test", "06fbb2.test"},
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct hosts one, other;

        hosts_init(&one);
        hosts_init(&other);
        add(&one, pairs[i][0], "192.0.2.1");
        add(&one, pairs[i][1], "192.0.2.1");
        add(&other, pairs[i][2], "192.0.2.1");
        add(&other, pairs[i][3], "192.0.2.1");
        hosts_name_set(&one);
        hosts_name_set(&other);
        assert_string_not_equal(one.set, other.set);
    }
}

static void another_port_is_another_set(void **state)
{
    char seen[4][HOST_SET_LETTERS + 1];
    struct hosts h;
    struct ip ip;

    (void)state;
    ip_parse(STR("127.0.0.1"), &ip);
    for (int i = 0; i < 4; i++) {
        hosts_init(&h);
        if (i < 2)
            hosts_add(&h, STR("127.0.0.1"), &ip, (uint16_t)(25 + i));
        else
            hosts_add_unix(&h, i == 2 ? "/run/a" : "/run/b");
        hosts_name_set(&h);
        memcpy(seen[i], h.set, sizeof(seen[i]));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(seen[i], seen[k]);
    }
    hosts_init(&h);
    hosts_name_set(&h);
    assert_string_equal(h.set, "");
}

static void unix_sockets(void **state)
{
    char path[120] = "/";
    struct hosts h;

    (void)state;
    for (size_t n = 106; n <= 108; n++) {
        memset(path + 1, 'x', n - 1);
        path[n] = '\0';
        hosts_init(&h);
        hosts_add_unix(&h, path);
        assert_int_equal(h.n, n <= 107);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_order_of_mx),          cmocka_unit_test(no_more_than_the_limit),
        cmocka_unit_test(a_set_is_its_names),          cmocka_unit_test(a_set_is_not_forged),
        cmocka_unit_test(another_port_is_another_set), cmocka_unit_test(unix_sockets)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
