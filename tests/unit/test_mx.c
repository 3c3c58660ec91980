/* Zones as tables; the questions of a road are answered from them by hand. */
#include "dns/mx.h"
#include "dns_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { RECORDS_MAX = 4, PENDING_MAX = 64 };

static const struct str our_names[] = {STR_LIT("Mail.Us"), STR_LIT("us")};
static struct ip our_addresses[2];
static const struct mx_self self = {our_names, 2, our_addresses, 2, false};
static struct arena arena;

static const struct {
    const char *word;
    enum dns_code code;
} failures[] = {
    {"NXDOMAIN", DNS_NXDOMAIN},
    {"SERVFAIL", DNS_SERVFAIL},
    {"TIMEOUT",  DNS_TIMEOUT },
    {"BOGUS",    DNS_BOGUS   },
};

/* One line: NAME TYPE DATA; `~` before the type: not validated; `@90` behind it: the TTL. DATA
 * may be a failure. NAME CNAME NAME tells where a chain ends. */
static void read_line(struct str line, const struct mx_question *q, struct dns_answer *a,
                      struct str *records)
{
    static const struct str types[] = {
        [DNS_A] = STR_LIT("A"), [DNS_MX] = STR_LIT("MX"), [DNS_AAAA] = STR_LIT("AAAA")};
    struct str name, word;
    bool insecure;

    line = str_trim(line);
    assert_true(scan_until(&line, ' ', &name) && scan_byte(&line, ' '));
    if (!str_eq(name, q->name))
        return;
    if (scan_word(&line, STR("CNAME "))) {
        a->name = line;
        return;
    }
    insecure = scan_byte(&line, '~');
    assert_true(scan_until(&line, ' ', &word) && scan_byte(&line, ' '));
    size_t at = str_find(word, '@');
    struct str ttl = str_skip(word, at);
    if (!str_eq(str_first(word, at), types[q->type]))
        return;
    a->secure = !insecure;
    if (scan_byte(&ttl, '@'))
        assert_true(scan_u32(&ttl, UINT32_MAX, &a->ttl));
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
        if (str_eq(line, str_c(failures[i].word))) {
            a->code = failures[i].code;
            return;
        }
    a->code = DNS_FOUND;
    assert_true(a->n < RECORDS_MAX);
    records[a->n++] = wire_rdata(&arena, q->type, arena_dup(&arena, line).p);
}

/* What the zone does not know is NODATA. */
static struct dns_answer answer_from(const char *zone, const struct mx_question *q)
{
    struct str *records = ARENA_ARRAY(&arena, struct str, RECORDS_MAX), in = str_c(zone), line;
    struct dns_answer a = {
        .code = DNS_NODATA, .secure = true, .ttl = 300, .name = q->name, .records = records};

    while (scan_until(&in, ';', &line)) {
        read_line(line, q, &a, records);
        scan_byte(&in, ';');
    }
    return a;
}

static void play(struct mx *m, const char *zone, bool backwards)
{
    struct mx_question q, pending[PENDING_MAX];
    enum mx_step step;
    size_t n = 0;

    for (;;) {
        while ((step = mx_next(m, &q)) == MX_ASK) {
            assert_true(n < MX_QUESTIONS);
            assert_true(dns_name_valid(q.name));
            pending[n++] = q;
        }
        if (step == MX_DONE)
            break;
        assert_true(n > 0);
        size_t at = backwards ? n - 1 : 0;
        struct dns_answer a = answer_from(zone, &pending[at]);
        mx_answer(m, pending[at].number, &a);
        mx_answer(m, pending[at].number, &a); /* a second time: not counted */
        memmove(&pending[at], &pending[at + 1], (n - at - 1) * sizeof(*pending));
        n--;
    }
    assert_int_equal(n, 0);
    assert_int_equal(mx_next(m, &q), MX_DONE);
}

/* "host=address,address host=…" or "550 5.1.2" */
static const char *road(const char *zone, const char *domain, uint64_t seed, bool backwards,
                        const struct mx_self *us)
{
    static char text[8192];
    struct mx *m = mx_new(str_c(domain), us, seed);
    struct buf out;

    play(m, zone, backwards);
    const struct mx_result *r = mx_result(m);
    buf_init(&out, sizeof(text) - 1);
    if (r->n == 0)
        buf_addf(&out, "%u %.*s", r->code, STR_ARGS(r->status));
    for (size_t i = 0; i < r->n; i++) {
        buf_addf(&out, "%s%.*s%s", i ? " " : "", STR_ARGS(r->hosts[i].name),
                 r->hosts[i].secure ? "!" : "");
        for (size_t k = 0; k < r->hosts[i].n; k++) {
            char ip[IP_TEXT_BYTES];

            buf_addf(&out, "%c%s", k ? ',' : '=', ip_text(&r->hosts[i].addresses[k], ip).p);
        }
    }
    snprintf(text, sizeof(text), "%s", buf_c(&out));
    buf_done(&out);
    mx_free(m);
    return text;
}

/* RFC 5321 5.1, RFC 7505, and the rows of HOSTILE.md's chapter on DNS. */
static void roads(void **state)
{
    /* clang-format off */
    static const struct {
        const char *id, *domain, *want, *zone;
    } rows[] = {
        {"by preference", "d", "a!=192.0.2.1 b!=192.0.2.2",
         "d MX 20 b; d MX 10 a; a A 192.0.2.1; b A 192.0.2.2"},
        {"both families take turns", "d", "a!=2001:db8::1,192.0.2.1,2001:db8::2,192.0.2.2,192.0.2.3",
         "d MX 20 a; a A 192.0.2.1; a A 192.0.2.2; a A 192.0.2.3; a AAAA 2001:db8::1; "
         "a AAAA 2001:db8::2"},
        {"no MX: the domain itself", "D", "d!=192.0.2.1", "d A 192.0.2.1"},
        {"U-labels", "b\xc3\xbc" "cher", "a!=192.0.2.1", "xn--bcher-kva MX 1 a; a A 192.0.2.1"},
        {"a literal", "[192.0.2.9]", "[192.0.2.9]=192.0.2.9", ""},
        {"a literal of six", "[IPv6:2001:db8::9]", "[IPv6:2001:db8::9]=2001:db8::9", ""},
        {"a literal that is us", "[127.0.0.1]", "550 5.4.6", ""},
        {"not a domain", "a..b", "550 5.1.2", ""},
        {"the same host twice", "d", "a!=192.0.2.1", "d MX 20 a; d MX 10 A; a A 192.0.2.1"},
        {"D01 null MX", "d", "556 5.1.10", "d MX 0 ."},
        {"D01 null MX among others", "d", "a!=192.0.2.1", "d MX 0 .; d MX 10 a; a A 192.0.2.1"},
        {"D02 an MX that is a CNAME", "d", "a!=192.0.2.1",
         "d MX 10 a; a A 192.0.2.1; a CNAME real"},
        {"D02 a chain without end", "d", "450 4.4.3",
         "d MX 10 a; a A SERVFAIL; a AAAA SERVFAIL"},
        {"D03 loopback", "d", "550 5.4.6", "d MX 10 a; a A 127.0.0.1"},
        {"D03 nowhere", "d", "550 5.4.6", "d MX 10 a; a A 0.0.0.0"},
        {"D03 loopback of six", "d", "550 5.4.6", "d MX 10 a; a AAAA ::1"},
        {"D03 mapped", "d", "550 5.4.6", "d MX 10 a; a AAAA ::ffff:192.0.2.77"},
        {"D03 our address without MX", "d", "550 5.4.6", "d A 192.0.2.77"},
        {"D03 our name", "d", "550 5.4.6", "d MX 10 mail.us; d MX 10 a; a A 192.0.2.1"},
        {"D03 only what is better than we are", "d", "a!=192.0.2.1",
         "d MX 30 c; d MX 10 a; d MX 20 us; d MX 20 b; a A 192.0.2.1; b A 192.0.2.2; "
         "c A 192.0.2.3"},
        {"D03 the same by address", "d", "a!=192.0.2.1",
         "d MX 30 c; d MX 10 a; d MX 20 x; d MX 20 b; a A 192.0.2.1; b A 192.0.2.2; "
         "x A 192.0.2.3; x A 192.0.2.77; c A 192.0.2.3"},
        {"D03 the better one is not to be had now", "d", "450 4.4.3",
         "d MX 10 a; d MX 20 us; a A TIMEOUT"},
        {"D03 the better one does not exist", "d", "550 5.4.6", "d MX 10 a; d MX 20 us"},
        {"D04 NXDOMAIN", "d", "550 5.1.2", "d MX NXDOMAIN"},
        {"D04 NODATA", "d", "550 5.4.4", ""},
        {"D04 SERVFAIL", "d", "450 4.4.3", "d MX SERVFAIL"},
        {"D04 timeout", "d", "450 4.4.3", "d MX TIMEOUT"},
        {"D04 no MX, and no answer for addresses", "d", "450 4.4.3", "d A SERVFAIL"},
        {"D04 one family answers", "d", "d!=192.0.2.1", "d A 192.0.2.1; d AAAA SERVFAIL"},
        {"D04 no MX host exists", "d", "550 5.4.4",
         "d MX 1 a; d MX 2 b; a A NXDOMAIN; a AAAA NXDOMAIN"},
        {"D04 one MX host exists not, the other not now", "d", "450 4.4.3",
         "d MX 1 a; d MX 2 b; a A NXDOMAIN; b A TIMEOUT"},
        {"bogus defers", "d", "450 4.7.5", "d MX BOGUS"},
        {"a bogus address defers", "d", "450 4.7.5", "d MX 1 a; a A BOGUS"},
        {"one bogus address spoils its host alone", "d", "b!=192.0.2.2",
         "d MX 1 a; d MX 2 b; a A 192.0.2.1; a AAAA BOGUS; b A 192.0.2.2"},
        {"D07 what cannot be read is not there", "d", "a!=192.0.2.1",
         "d MX nonsense; d MX 7 a; d MX 5 a b; a A 192.0.2.1; a A 2001:db8::1; "
         "a AAAA 192.0.2.1"},
        {"D07 nothing can be read", "d", "550 5.4.4", "d MX nonsense"},
        {"an address that is nobody's", "d", "a!=192.0.2.1",
         "d MX 7 a; a A 224.0.0.1; a A 192.0.2.1; a AAAA fe80::1"},
        {"insecure addresses", "d", "a=192.0.2.1", "d MX 7 a; a ~A 192.0.2.1"},
        {"one insecure address", "d", "a=2001:db8::1,192.0.2.1",
         "d MX 7 a; a A 192.0.2.1; a ~AAAA 2001:db8::1"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int backwards = 0; backwards < 2; backwards++) {
            const char *got = road(rows[i].zone, rows[i].domain, i, backwards, &self);

            if (strcmp(got, rows[i].want) != 0)
                fail_msg("%s: %s", rows[i].id, got);
        }
}

static void loopback_of_others(void **state)
{
    static const char zone[] = "d MX 10 a; d MX 20 b; a A 127.0.0.2; b A 192.0.2.77";
    struct mx_self lab = self;

    (void)state;
    lab.loopback_is_others = true;
    assert_string_equal(road(zone, "d", 1, false, &lab), "a!=127.0.0.2");
    assert_true(ip_parse(STR("127.0.0.2"), &our_addresses[1]));
    assert_string_equal(road(zone, "d", 1, false, &lab), "550 5.4.6");
    our_addresses[1] = our_addresses[0];
}

/* All that a road tells besides. */
static void details(void **state)
{
    static const char zone[] = "d ~MX@90 10 a; a A@60 192.0.2.1; a CNAME real; a AAAA@70 "
                               "2001:db8::1; a CNAME real; e AAAA 2001:db8::1";
    struct mx *m = mx_new(STR("d"), &self, 1);
    const struct mx_result *r = mx_result(m);

    (void)state;
    play(m, zone, false);
    assert_false(r->secure || r->implied);
    assert_int_equal(r->ttl, 60);
    assert_true(r->hosts[0].secure);
    assert_int_equal(r->hosts[0].preference, 10);
    assert_true(str_eq(r->hosts[0].expanded, STR("real")));
    mx_free(m);
    m = mx_new(STR("e"), &self, 1);
    play(m, zone, false);
    assert_true(mx_result(m)->secure && mx_result(m)->implied);
    mx_free(m);
    mx_free(NULL);
}

/* Each of three equals is first about as often. */
static void lots(void **state)
{
    static const char zone[] =
        "d MX 1 a; d MX 1 b; d MX 1 c; a A 192.0.2.1; b A 192.0.2.2; c A 192.0.2.3";
    unsigned first[3] = {0};

    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++)
        first[road(zone, "d", seed, false, &self)[0] - 'a']++;
    for (int i = 0; i < 3; i++)
        assert_in_range(first[i], 70, 130);
}

/* `n` MX records, each host with `each` addresses a family: D02, and the caps at -1, 0, +1. */
static const struct mx_result *play_many(struct mx *m, size_t n, size_t each)
{
    struct str *list = ARENA_ARRAY(&arena, struct str, n),
               *v4 = ARENA_ARRAY(&arena, struct str, each),
               *v6 = ARENA_ARRAY(&arena, struct str, each);
    struct mx_question q;
    enum mx_step step;
    char text[64];

    for (size_t i = 0; i < n; i++) {
        snprintf(text, sizeof(text), "%zu h%zu", 60000 - i, i);
        list[i] = wire_rdata(&arena, DNS_MX, text);
    }
    for (size_t i = 0; i < each; i++) {
        snprintf(text, sizeof(text), "192.0.2.%zu", i + 1);
        v4[i] = wire_rdata(&arena, DNS_A, text);
        snprintf(text, sizeof(text), "2001:db8::%zx", i + 1);
        v6[i] = wire_rdata(&arena, DNS_AAAA, text);
    }
    while ((step = mx_next(m, &q)) != MX_DONE) {
        assert_int_equal(step, MX_ASK);
        struct dns_answer a = {.code = DNS_FOUND, .name = q.name, .records = list, .n = n};
        if (q.type != DNS_MX) {
            a.records = q.type == DNS_A ? v4 : v6;
            a.n = each;
        }
        mx_answer(m, q.number, &a);
    }
    return mx_result(m);
}

static void caps(void **state)
{
    static const struct {
        size_t records, each, hosts, addresses;
    } rows[] = {
        {49,   3, 49, 6},
        {50,   4, 50, 8},
        {51,   5, 50, 8},
        {1000, 9, 50, 8},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mx *m = mx_new(STR("d"), &self, i);
        const struct mx_result *r = play_many(m, rows[i].records, rows[i].each);

        assert_int_equal(r->n, rows[i].hosts);
        for (size_t k = 0; k < r->n; k++) {
            assert_int_equal(r->hosts[k].n, rows[i].addresses);
            assert_int_equal(r->hosts[k].preference, 60001 - rows[i].records + k);
        }
        mx_free(m);
    }
}

/* Numbers that were never asked, and an end in the middle. */
static void out_of_place(void **state)
{
    static const unsigned numbers[] = {0, 1, 2, 3, 100, UINT32_MAX};
    const struct dns_answer nothing = {.code = DNS_NODATA};
    struct mx *m = mx_new(STR("d"), &self, 1);
    struct mx_question q;

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        mx_answer(m, numbers[i], &nothing);
    assert_int_equal(mx_next(m, &q), MX_ASK);
    assert_int_equal(mx_next(m, &q), MX_WAIT);
    mx_answer(m, 1, &nothing);
    assert_int_equal(mx_next(m, &q), MX_WAIT);
    mx_answer(m, 0, &nothing);
    assert_int_equal(mx_next(m, &q), MX_ASK);
    mx_answer(m, 2, &nothing);
    mx_answer(m, 0, &nothing);
    assert_int_equal(mx_next(m, &q), MX_ASK);
    assert_int_equal(mx_next(m, &q), MX_WAIT);
    mx_free(m);
}

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    for (int i = 0; i < 2; i++)
        if (!ip_parse(STR("192.0.2.77"), &our_addresses[i]))
            return -1;
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
        cmocka_unit_test(roads),   cmocka_unit_test(loopback_of_others),
        cmocka_unit_test(details), cmocka_unit_test(lots),
        cmocka_unit_test(caps),    cmocka_unit_test(out_of_place),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
