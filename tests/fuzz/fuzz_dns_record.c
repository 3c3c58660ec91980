/*
 * Properties: a name that is read may be asked for, and written again it is the octets it was
 * read from, in small letters; what is cut is refused or says no more than the whole; an
 * address survives its text.
 */
#include "base/ascii.h"
#include "dns/context.h"
#include "dns_wire.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 70000, SERVERS = 3 };

static void names(struct str in, struct arena *a)
{
    struct str rest = in, name;
    struct buf wire;

    if (!scan_wire_name(&rest, a, &name)) {
        assert(rest.p == in.p && rest.n == in.n);
        return;
    }
    assert(name.n == 0 || dns_name_valid(name));
    buf_init(&wire, DNS_WIRE_NAME_BYTES);
    wire_name(&wire, name);
    assert(!buf_failed(&wire) && wire.n == in.n - rest.n);
    for (size_t i = 0; i < wire.n; i++)
        assert(buf_str(&wire).p[i] == ascii_lower(in.p[i]));
    /* one octet less is none */
    struct str cut = str_first(in, wire.n - 1);
    assert(!scan_wire_name(&cut, a, &name));
    buf_done(&wire);
}

static void records(struct str in, struct arena *a)
{
    struct record_mx mx;
    struct record_tlsa tlsa;
    struct str text;
    struct ip ip, again;
    char shown[IP_TEXT_BYTES];

    if (record_mx(in, a, &mx))
        assert(mx.host.n == 0 || dns_name_valid(mx.host));
    if (record_host(in, a, &text))
        assert(dns_name_valid(text));
    if (record_txt(in, a, &text))
        assert(text.n < in.n);
    if (record_tlsa(in, &tlsa))
        assert(tlsa.data.n == in.n - 3 && tlsa.data.n > 0);
    if (record_ip(in, DNS_A, &ip) || record_ip(in, DNS_AAAA, &ip)) {
        assert(ip_parse(ip_text(&ip, shown), &again) && ip_eq(&ip, &again));
        assert(dns_name_valid(ip_reverse_name(a, &ip)));
    }
    if (ip_parse_literal(in, &ip))
        assert(in.p[0] == '[');
}

static void messages(struct str in)
{
    int whole = message_answers(in, DNS_CNAME);

    assert(whole >= -1 && whole <= UINT16_MAX);
    for (size_t n = 0; n < in.n && n < 64; n++) {
        int part = message_answers(str_first(in, in.n - 1 - n), DNS_CNAME);

        assert(part == -1 || part == whole);
    }
}

static void files(struct str in, struct arena *a)
{
    const char *servers[SERVERS];
    size_t n = resolv_conf_servers(in, a, servers, SERVERS);

    assert(n <= SERVERS);
    for (size_t i = 0; i < n; i++)
        assert(servers[i][0] && !strchr(servers[i], '\n') && !strchr(servers[i], ' '));
    assert(anchor_owner(in).n <= in.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size < INPUT_MAX ? size : INPUT_MAX};
    struct arena a;

    arena_init(&a);
    names(in, &a);
    records(in, &a);
    messages(in);
    files(in, &a);
    dns_name_valid(in);
    arena_done(&a);
    return 0;
}
