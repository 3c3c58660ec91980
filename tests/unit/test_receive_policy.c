#include "mta/receive/names.h"
#include "mta/receive/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct {
    const char *network, *address;
    bool in;
} networks[] = {
    {"127.0.0.0/8",    "127.0.0.1",     true },
    {"127.0.0.0/8",    "128.0.0.1",     false},
    {"192.0.2.128/25", "192.0.2.255",   true },
    {"192.0.2.128/25", "192.0.2.127",   false},
    {"192.0.2.1",      "192.0.2.1",     true },
    {"192.0.2.1",      "192.0.2.2",     false},
    {"0.0.0.0/0",      "203.0.113.9",   true },
    {"0.0.0.0/0",      "2001:db8::1",   false},
    {"2001:db8::/32",  "2001:db8:1::1", true },
    {"2001:db8::/32",  "2001:db9::1",   false},
    {"::1",            "::1",           true },
    {"127.0.0.0/8",    "",              false},
    {"127.0.0.0/33",   "127.0.0.1",     false},
    {"127.0.0.0/",     "127.0.0.1",     false},
    {"127.0.0.0/8x",   "127.0.0.1",     false},
    {"127.0.0",        "127.0.0.1",     false},
    {"",               "127.0.0.1",     false},
};

static void test_networks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
        if (receive_in_network(networks[i].network, networks[i].address) != networks[i].in)
            fail_msg("%s in %s", networks[i].address, networks[i].network);
}

static void test_relay_from(void **state)
{
    const char *items[] = {"10.0.0.0/8", "::1"};
    struct config c = {.mta = {.relay_from = {items, 2}}};

    (void)state;
    assert_true(receive_relays(&c, "10.1.2.3"));
    assert_true(receive_relays(&c, "::1"));
    assert_false(receive_relays(&c, "127.0.0.1"));
    c.mta.relay_from.n = 0;
    assert_false(receive_relays(&c, "10.1.2.3"));
}

/* A06, A09: for nobody but a login and a named network. */
static void test_relays_for_nobody(void **state)
{
    struct intake_recipient r = {STR(""), USERS_ELSEWHERE, false};

    (void)state;
    assert_int_equal(receive_recipient(&r).code, 554);
    r.relay = true;
    assert_int_equal(receive_recipient(&r).code, 250);
    r = (struct intake_recipient){STR("alice@example.test"), USERS_ELSEWHERE, false};
    assert_int_equal(receive_recipient(&r).code, 250);
    r = (struct intake_recipient){STR(""), USERS_UNKNOWN, true};
    assert_int_equal(receive_recipient(&r).code, 550);
}

static void test_sender(void **state)
{
    struct intake_sender s = {STR(""), STR("bob@example.test"), false};

    (void)state;
    assert_int_equal(receive_sender(&s).code, 250);
    s.user = STR("alice@example.test");
    assert_int_equal(receive_sender(&s).code, 553);
    s.own = true;
    assert_int_equal(receive_sender(&s).code, 250);
}

static void test_c13_offer(void **state)
{
    struct config c = {.lab = {.clear_auth = false}};
    struct smtp_server_config s = {.auth_mechanisms = STR("")};

    (void)state;
    receive_offer(&c, &s);
    assert_int_equal(s.auth_mechanisms.n, 0);
    assert_false(s.mail_needs_auth);
    c.lab.auth_on_25 = true;
    receive_offer(&c, &s);
    assert_true(s.auth_mechanisms.n && s.auth_needs_tls);
    c.lab.clear_auth = true;
    receive_offer(&c, &s);
    assert_false(s.auth_needs_tls);
}

static void test_whose_names_are_asked(void **state)
{
    static const struct {
        const char *address;
        bool is_private;
    } rows[] = {
        {"127.0.0.1",       true },
        {"10.255.1.1",      true },
        {"11.0.0.1",        false},
        {"172.15.255.255",  false},
        {"172.16.0.1",      true },
        {"172.31.255.1",    true },
        {"172.32.0.1",      false},
        {"192.168.1.1",     true },
        {"192.169.0.1",     false},
        {"169.254.1.1",     true },
        {"100.64.0.1",      true },
        {"100.127.9.9",     true },
        {"100.128.0.1",     false},
        {"8.8.8.8",         false},
        {"0.1.2.3",         true },
        {"::1",             true },
        {"::",              true },
        {"fd00::1",         true },
        {"fe80::1",         true },
        {"febf::1",         true },
        {"fec0::1",         false},
        {"2001:db8::1",     false},
        {"::ffff:10.0.0.1", true },
    };
    struct ip ip;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(ip_parse(str_c(rows[i].address), &ip));
        if (names_is_private(&ip) != rows[i].is_private)
            fail_msg("%s", rows[i].address);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks),          cmocka_unit_test(test_relay_from),
        cmocka_unit_test(test_relays_for_nobody), cmocka_unit_test(test_sender),
        cmocka_unit_test(test_c13_offer),         cmocka_unit_test(test_whose_names_are_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
