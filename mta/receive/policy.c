#include "mta/receive/policy.h"

#include "intake/decide.h"

#include <arpa/inet.h>

void receive_offer(const struct config *c, struct smtp_server_config *out)
{
    out->kind = SMTP_RECEIVE;
    if (c->lab.auth_on_25)
        out->auth_mechanisms = STR("PLAIN LOGIN");
    out->auth_needs_tls = !c->lab.clear_auth;
    out->dsn = c->mta.dsn;
}

struct smtp_reply receive_sender(const struct intake_sender *s)
{
    if (s->user.n == 0 || s->own || s->reverse_path.n == 0)
        return SMTP_REPLY(250, "2.1.0", "Ok");
    return SMTP_REPLY(553, "5.7.1", "that is not your address");
}

struct smtp_reply receive_recipient(const struct intake_recipient *r)
{
    return decide_recipient(r->kind, r->relay || r->user.n > 0);
}

/* 4 or 16 octets; 0 where it is no address. */
static size_t parse_address(struct str text, unsigned char *out)
{
    char c[INET6_ADDRSTRLEN];

    if (text.n >= sizeof(c))
        return 0;
    memcpy(c, text.p, text.n);
    c[text.n] = '\0';
    if (inet_pton(AF_INET, c, out) == 1)
        return sizeof(struct in_addr);
    return inet_pton(AF_INET6, c, out) == 1 ? sizeof(struct in6_addr) : 0;
}

static bool same_bits(const unsigned char *a, const unsigned char *b, uint32_t bits)
{
    uint32_t whole = bits / 8, rest = bits % 8;

    return memcmp(a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

bool receive_in_network(const char *network, const char *address)
{
    unsigned char net[sizeof(struct in6_addr)], peer[sizeof(struct in6_addr)];
    struct str rest = str_c(network), base;
    uint32_t bits;
    size_t n;

    if (!scan_until(&rest, '/', &base) || (n = parse_address(base, net)) == 0 ||
        parse_address(str_c(address), peer) != n)
        return false;
    bits = (uint32_t)n * 8;
    if (scan_byte(&rest, '/') && !scan_u32(&rest, (uint32_t)n * 8, &bits))
        return false;
    return rest.n == 0 && same_bits(net, peer, bits);
}

bool receive_relays(const struct config *c, const char *peer)
{
    for (size_t i = 0; i < c->mta.relay_from.n; i++)
        if (receive_in_network(c->mta.relay_from.items[i], peer))
            return true;
    return false;
}
