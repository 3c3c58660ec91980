#include "dns/context.h"
#include "dns_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;

static void is_str(struct str got, const char *want)
{
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
}

#define L63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"
#define L62 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgg"
#define L61 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffg"

static void names(void **state)
{
    static const struct {
        const char *name;
        bool ok;
    } rows[] = {
        {"example.org",                   true },
        {"a",                             true },
        {"_25._tcp.mail.example",         true },
        {"xn--bcher-kva.example",         true },
        {"-odd-.example",                 true },
        {"",                              false},
        {".",                             false},
        {"example.org.",                  false},
        {".example.org",                  false},
        {"a..b",                          false},
        {"a b",                           false},
        {"a\nb",                          false},
        {"b\xc3\xbc"
         "cher.example",         false},
        {L63 ".example",                  true },
        {L63 "g.example",                 false}, /* D06 */
        {L63 "." L63 "." L63 "." L61,     true }, /* 253 octets */
        {L63 "." L63 "." L63 "." L62,     false},
        {L63 "." L63 "." L63 "." L61 ".", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(dns_name_valid(str_c(rows[i].name)), rows[i].ok);
}

/* D06, D09: what a name on the wire may be. */
static void wire_names(void **state)
{
    static const struct {
        struct str wire;
        const char *text; /* NULL: refused */
    } rows[] = {
        {STR_LIT("\4Mail\7eXample\0"),                          "mail.example"             },
        {STR_LIT("\0"),                                         ""                         },
        {STR_LIT("\1a\0rest"),                                  "a"                        },
        {STR_LIT(""),                                           NULL                       },
        {STR_LIT("\4mail"),                                     NULL                       },
        {STR_LIT("\4mai"),                                      NULL                       },
        {STR_LIT("\300\14"),                                    NULL                       }, /* pointers: loop, forward */
        {STR_LIT("\4mail\300\0\0"),                             NULL                       },
        {STR_LIT("\100" L63 "x\0"),                             NULL                       }, /* a label of 64 */
        {STR_LIT("\77" L63 "\0"),                               L63                        },
        {STR_LIT("\4ma\nl\0"),                                  NULL                       },
        {STR_LIT("\4ma.l\0"),                                   NULL                       },
        {STR_LIT("\4ma;l\0"),                                   NULL                       },
        {STR_LIT("\4ma\0l\0"),                                  NULL                       },
        {STR_LIT("\77" L63 "\77" L63 "\77" L63 "\75" L61 "\0"), L63 "." L63 "." L63 "." L61},
        {STR_LIT("\77" L63 "\77" L63 "\77" L63 "\76" L62 "\0"), NULL                       }, /* 256 octets */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str in = rows[i].wire, out = STR("untouched");
        bool ok = scan_wire_name(&in, &arena, &out);

        assert_int_equal(ok, rows[i].text != NULL);
        if (ok)
            is_str(out, rows[i].text);
        else
            assert_true(in.p == rows[i].wire.p && out.n == 9);
    }
}

/* D07: rdata that is too short or too long. */
static void mail_exchangers(void **state)
{
    static const struct {
        struct str rdata;
        int preference; /* -1: ignored */
        const char *host;
    } rows[] = {
        {STR_LIT("\0\12\4mail\7example\0"), 10,    "mail.example"},
        {STR_LIT("\377\377\1a\0"),          65535, "a"           },
        {STR_LIT("\0\0\0"),                 0,     ""            }, /* D01 */
        {STR_LIT(""),                       -1,    NULL          },
        {STR_LIT("\0"),                     -1,    NULL          },
        {STR_LIT("\0\12"),                  -1,    NULL          },
        {STR_LIT("\0\12\4mail"),            -1,    NULL          },
        {STR_LIT("\0\12\1a\0x"),            -1,    NULL          },
    };
    struct record_mx mx;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(record_mx(rows[i].rdata, &arena, &mx), rows[i].preference >= 0);
        if (rows[i].preference < 0)
            continue;
        assert_int_equal(mx.preference, rows[i].preference);
        is_str(mx.host, rows[i].host);
    }
}

static void hosts_and_texts(void **state)
{
    struct str out;

    (void)state;
    assert_true(record_host(STR("\1a\1b\0"), &arena, &out));
    is_str(out, "a.b");
    assert_false(record_host(STR("\0"), &arena, &out));
    assert_false(record_host(STR("\1a\0\0"), &arena, &out));
    assert_false(record_host(STR("\3a\nb\0"), &arena, &out)); /* D09 */
    assert_true(record_txt(STR("\5v=spf\2 x\0"), &arena, &out));
    is_str(out, "v=spf x");
    assert_true(record_txt(STR("\0"), &arena, &out));
    is_str(out, "");
    assert_false(record_txt(STR(""), &arena, &out));
    assert_false(record_txt(STR("\5v=sp"), &arena, &out));
    assert_false(record_txt(STR("\1a\2b"), &arena, &out));
}

/* D07 */
static void tlsa(void **state)
{
    static const struct {
        uint8_t matching;
        size_t octets; /* of the rdata */
        bool ok;
    } rows[] = {
        {0, 0,  false},
        {0, 1,  false},
        {0, 3,  false},
        {0, 4,  true },
        {1, 3,  false},
        {1, 19, false},
        {1, 34, false},
        {1, 35, true },
        {1, 36, false},
        {2, 35, false},
        {2, 66, false},
        {2, 67, true },
        {2, 68, false},
        {9, 19, true }, /* a type to come: the
  caller knows that it
  cannot use it */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char bytes[80] = {3, 1, (char)rows[i].matching};
        struct record_tlsa t;

        assert_int_equal(record_tlsa((struct str){bytes, rows[i].octets}, &t), rows[i].ok);
        if (rows[i].ok) {
            assert_int_equal(t.usage, 3);
            assert_int_equal(t.selector, 1);
            assert_int_equal(t.matching, rows[i].matching);
            assert_int_equal(t.data.n, rows[i].octets - 3);
        }
    }
}

static void addresses(void **state)
{
    static const struct {
        const char *text;
        const char *shown; /* NULL: none */
        bool here, nobody;
    } rows[] = {
        {"192.0.2.1",        "192.0.2.1",       false, false},
        {"2001:DB8::1",      "2001:db8::1",     false, false},
        {"::ffff:192.0.2.1", "192.0.2.1",       false, false},
        {"::ffff:127.0.0.1", "127.0.0.1",       true,  false},
        {"127.9.9.9",        "127.9.9.9",       true,  false},
        {"0.0.0.0",          "0.0.0.0",         true,  false},
        {"0.1.2.3",          "0.1.2.3",         true,  false},
        {"::",               "::",              true,  false},
        {"::1",              "::1",             true,  false},
        {"::2",              "::2",             false, false},
        {"224.0.0.1",        "224.0.0.1",       false, true },
        {"255.255.255.255",  "255.255.255.255", false, true },
        {"ff02::1",          "ff02::1",         false, true },
        {"fe80::1",          "fe80::1",         false, true },
        {"febf::1",          "febf::1",         false, true },
        {"fec0::1",          "fec0::1",         false, false},
        {"10.0.0.1",         "10.0.0.1",        false, false}, /* private: as others */
        {"1.2.3",            NULL,              false, false},
        {"1.2.3.4 ",         NULL,              false, false},
        {"",                 NULL,              false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ip ip, again;
        char text[IP_TEXT_BYTES];

        assert_int_equal(ip_parse(str_c(rows[i].text), &ip), rows[i].shown != NULL);
        if (!rows[i].shown)
            continue;
        is_str(ip_text(&ip, text), rows[i].shown);
        assert_true(ip_parse(str_c(text), &again) && ip_eq(&ip, &again));
        assert_int_equal(ip_is_here(&ip), rows[i].here);
        assert_int_equal(ip_is_nobody(&ip), rows[i].nobody);
    }
}

static void literals(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        {"[192.0.2.1]",        true },
        {"[IPv6:2001:db8::1]", true },
        {"[ipv6:::1]",         true },
        {"[2001:db8::1]",      false},
        {"[IPv6:192.0.2.1]",   false},
        {"[192.0.2.1",         false},
        {"192.0.2.1",          false},
        {"[]",                 false},
        {"[1.2.3.4]x",         false},
    };
    struct ip ip;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(ip_parse_literal(str_c(rows[i].text), &ip), rows[i].ok);
}

static void address_forms(void **state)
{
    struct ip ip;
    struct sockaddr_storage sa;

    (void)state;
    assert_true(ip_parse(STR("192.0.2.1"), &ip));
    is_str(ip_reverse_name(&arena, &ip), "1.2.0.192.in-addr.arpa");
    assert_int_equal(ip_sockaddr(&ip, 25, &sa), sizeof(struct sockaddr_in));
    assert_int_equal(sa.ss_family, AF_INET);
    assert_true(ip_parse(STR("2001:db8::567:89ab"), &ip));
    is_str(ip_reverse_name(&arena, &ip),
           "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    assert_int_equal(ip_sockaddr(&ip, 25, &sa), sizeof(struct sockaddr_in6));
    assert_int_equal(((struct sockaddr_in6 *)(void *)&sa)->sin6_port, htons(25));
    assert_false(record_ip(STR("1234"), DNS_AAAA, &ip));
    assert_false(record_ip(STR("123"), DNS_A, &ip));
    assert_true(record_ip(STR("1234"), DNS_A, &ip));
}

#define HEAD(questions, answers) "\1\2\201\200\0" questions "\0" answers "\0\0\0\0"
#define QUESTION                 "\1a\0\0\1\0\1"
#define A_RECORD                 "\300\14\0\1\0\1\0\0\0\74\0\4\177\0\0\1"
#define CNAME_RECORD             "\300\14\0\5\0\1\0\0\0\74\0\3\1b\0"

/* D06 */
static void messages(void **state)
{
    static const struct {
        struct str message;
        int n; /* CNAMEs among its answers */
    } rows[] = {
        {STR_LIT(HEAD("\1",                                       "\0") QUESTION),                                          0},
        {STR_LIT(HEAD("\1",                                                       "\1") QUESTION A_RECORD),                                                                                               0},
        {STR_LIT(HEAD("\1",                                                      "\2") QUESTION CNAME_RECORD A_RECORD),                1},
        {STR_LIT(HEAD("\1","\1") QUESTION CNAME_RECORD A_RECORD),     1},
        {STR_LIT(HEAD("\1",                                       "\2") QUESTION CNAME_RECORD CNAME_RECORD "left over"),                                                                                              2},
        {STR_LIT(HEAD("\1",                                                       "\3") QUESTION CNAME_RECORD A_RECORD),                                                                                               -1},
        {STR_LIT(HEAD("\2",                                                      "\0") QUESTION),                 -1},
        {STR_LIT("\1\2\201\200\377\377\0\0\0\0\0\0" QUESTION),-1}, /* QDCOUNT 65535 */
        {STR_LIT(HEAD("\1",                                       "\1") QUESTION "\300\14\0\1\0\1\0\0\0\74\0\5\177\0\0\1"),                           -1},
        {STR_LIT(HEAD("\1",                                                       "\1") QUESTION "\300\14\0\1\0\1\0\0\0\74\377\377\177"),                                                            -1},
        {STR_LIT(HEAD("\1",                                                       "\1") QUESTION "\300"),                                                                                                                                                                            -1},
        {STR_LIT(HEAD("\1",                                                     "\1") QUESTION "\100" L63 "x\0\0\5\0\1\0\0\0\74\0\0"),                                                                                   -1},
        {STR_LIT(HEAD("\1","\1") QUESTION "\300\30\0\5\0\1\0\0\0\74\0\0"),1},
        {STR_LIT("\1\2\201\200\0\0\0\0\0\0\0"),                                       -1                  },
        {STR_LIT(""),                                                       -1                                                                                              },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(message_answers(rows[i].message, DNS_CNAME), rows[i].n);
}

static void resolv_conf(void **state)
{
    static const struct {
        const char *text, *first, *second;
    } rows[] = {
        {"nameserver 192.0.2.1\nnameserver\t2001:db8::1\n", "192.0.2.1",    "2001:db8::1"},
        {"# nameserver 192.0.2.1\nsearch a\n",              NULL,           NULL         },
        {"; x\nnameserver   192.0.2.1 # ours\n",            "192.0.2.1",    NULL         },
        {"nameserver fe80::1%eth0 \n",                      "fe80::1%eth0", NULL         },
        {"nameserver 192.0.2.1",                            "192.0.2.1",    NULL         },
        {"nameserver192.0.2.1\nnameserver ns.example\n",    NULL,           NULL         },
        {"\n\n\nnameserver 127.0.0.53\r\n",                 "127.0.0.53",   NULL         },
        {"nameserver\nnameserver \n",                       NULL,           NULL         },
        {"",                                                NULL,           NULL         },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *got[2] = {NULL, NULL};
        size_t n = resolv_conf_servers(str_c(rows[i].text), &arena, got, 2);

        assert_int_equal(n, (rows[i].first != NULL) + (rows[i].second != NULL));
        if (n > 0)
            assert_string_equal(got[0], rows[i].first);
        if (n > 1)
            assert_string_equal(got[1], rows[i].second);
    }
    const char *one[1];
    assert_int_equal(resolv_conf_servers(str_c(rows[0].text), &arena, one, 1), 1);
}

static void anchors(void **state)
{
    (void)state;
    is_str(anchor_owner(STR("test.\tIN DS 1 2 3 00\n")), "test.");
    is_str(anchor_owner(STR("; made today\n\n. IN DNSKEY 257 3 8 AA==\n")), ".");
    is_str(anchor_owner(STR("$TTL 300\nlab 3600 IN DS 1")), "lab");
    is_str(anchor_owner(STR("")), "");
    is_str(anchor_owner(STR("; nothing\n$TTL 3\n  \n")), "");
}

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(wire_names),
        cmocka_unit_test(mail_exchangers),
        cmocka_unit_test(hosts_and_texts),
        cmocka_unit_test(tlsa),
        cmocka_unit_test(addresses),
        cmocka_unit_test(literals),
        cmocka_unit_test(address_forms),
        cmocka_unit_test(messages),
        cmocka_unit_test(resolv_conf),
        cmocka_unit_test(anchors),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
