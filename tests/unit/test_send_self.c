/* At which addresses we take mail: what posta.conf says, and what the interfaces have. */
#include "mta/send/self.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the interfaces, in the place of the machine's ---- */

static struct sockaddr_in eth0 = {.sin_family = AF_INET}, lo = {.sin_family = AF_INET};
static struct sockaddr_in6 eth0_6 = {.sin6_family = AF_INET6};
static struct ifaddrs list[4]; /* the first one without an address */
static bool silent;

int getifaddrs(struct ifaddrs **out)
{
    *out = list;
    return silent ? -1 : 0;
}

void freeifaddrs(struct ifaddrs *all)
{
    assert_ptr_equal(all, list);
}

/* ---- */

static const char *told(const char *mta)
{
    static char text[300];
    char conf[300];
    struct mx_self self = {0};
    struct arena a;
    struct buf faults;

    snprintf(conf, sizeof(conf), "mta { %s }", mta);
    arena_init(&a);
    buf_init(&faults, 10000);
    struct config *c = config_parse(str_c(conf), "f", &faults);
    assert_non_null(c);
    self_addresses(c, &a, &self);
    text[0] = '\0';
    for (size_t i = 0; i < self.addresses_n; i++) {
        char ip[IP_TEXT_BYTES];

        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s ",
                 STR_ARGS(ip_text(&self.addresses[i], ip)));
    }
    config_free(c);
    buf_done(&faults);
    arena_done(&a);
    return text;
}

static void where_we_listen(void **state)
{
    static const char all[] = "192.0.2.77 2001:db8::77 ";

    (void)state;
    assert_string_equal(told(""), all);
    assert_string_equal(told("listen = {\"0.0.0.0:25\"}"), all);
    assert_string_equal(told("listen = {\"[::]:25\"}"), all);
    assert_string_equal(told("listen = {\"198.51.100.1:25\", \"[2001:db8::1]:25\"}"),
                        "198.51.100.1 2001:db8::1 ");
    assert_string_equal(told("listen = {\"*:2525\"}"), ""); /* no MX record leads there */
    assert_string_equal(told("listen = {\"*:2525\"} port = 2525"), all);
    assert_string_equal(told("listen = {\"127.0.0.1:25\", \"*:26\"}"), "127.0.0.1 ");
    assert_string_equal(told("listen = {}"), "");
}

static void interfaces_that_nobody_tells(void **state)
{
    (void)state;
    silent = true;
    assert_string_equal(told(""), "");
    assert_string_equal(told("listen = {\"198.51.100.1:25\"}"), "198.51.100.1 ");
    silent = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_we_listen),
        cmocka_unit_test(interfaces_that_nobody_tells),
    };

    inet_pton(AF_INET, "127.0.0.1", &lo.sin_addr);
    inet_pton(AF_INET, "192.0.2.77", &eth0.sin_addr);
    inet_pton(AF_INET6, "2001:db8::77", &eth0_6.sin6_addr);
    for (size_t i = 0; i + 1 < sizeof(list) / sizeof(list[0]); i++)
        list[i].ifa_next = &list[i + 1];
    list[1].ifa_addr = (void *)&lo;
    list[2].ifa_addr = (void *)&eth0;
    list[3].ifa_addr = (void *)&eth0_6;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
