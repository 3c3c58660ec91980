#include "dns/ip.h"

#include "base/buf.h"

#include <netinet/in.h>

enum { REVERSE_BYTES = 2 * 2 * IP_V6_BYTES + sizeof("ip6.arpa") };

bool ip_from_bytes(struct str bytes, struct ip *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct ip ip = {.v6 = bytes.n == IP_V6_BYTES};

    if (!ip.v6 && bytes.n != IP_V4_BYTES)
        return false;
    if (ip.v6 && memcmp(bytes.p, mapped, sizeof(mapped)) == 0)
        return ip_from_bytes(str_skip(bytes, sizeof(mapped)), out);
    memcpy(ip.bytes, bytes.p, bytes.n);
    *out = ip;
    return true;
}

bool ip_parse(struct str text, struct ip *out)
{
    char c[IP_TEXT_BYTES], bytes[IP_V6_BYTES];

    if (text.n >= sizeof(c) || memchr(text.p, '\0', text.n))
        return false;
    memcpy(c, text.p, text.n);
    c[text.n] = '\0';
    if (inet_pton(AF_INET, c, bytes) == 1)
        return ip_from_bytes((struct str){bytes, IP_V4_BYTES}, out);
    if (inet_pton(AF_INET6, c, bytes) == 1)
        return ip_from_bytes((struct str){bytes, IP_V6_BYTES}, out);
    return false;
}

bool ip_parse_literal(struct str text, struct ip *out)
{
    struct str inside;

    if (!scan_byte(&text, '[') || !scan_until(&text, ']', &inside) || text.n != 1)
        return false;
    bool tagged = scan_word_nocase(&inside, STR("IPv6:"));
    /* the tag and the form must agree */
    return tagged == (str_find(inside, ':') < inside.n) && ip_parse(inside, out);
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
    return a->v6 == b->v6 && memcmp(a->bytes, b->bytes, IP_V6_BYTES) == 0;
}

bool ip_is_here(const struct ip *ip)
{
    if (!ip->v6)
        return ip->bytes[0] == 0 || ip->bytes[0] == 127;
    for (int i = 0; i < IP_V6_BYTES - 1; i++)
        if (ip->bytes[i])
            return false;
    return ip->bytes[IP_V6_BYTES - 1] <= 1;
}

bool ip_is_nobody(const struct ip *ip)
{
    if (!ip->v6)
        return ip->bytes[0] >= 224;
    return ip->bytes[0] == 0xff || (ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80);
}

struct str ip_text(const struct ip *ip, char to[IP_TEXT_BYTES])
{
    return str_c(inet_ntop(ip->v6 ? AF_INET6 : AF_INET, ip->bytes, to, IP_TEXT_BYTES));
}

socklen_t ip_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (ip->v6) {
        struct sockaddr_in6 *to = (struct sockaddr_in6 *)(void *)out;

        to->sin6_family = AF_INET6;
        to->sin6_port = htons(port);
        memcpy(&to->sin6_addr, ip->bytes, IP_V6_BYTES);
        return sizeof(*to);
    }
    struct sockaddr_in *to = (struct sockaddr_in *)(void *)out;
    to->sin_family = AF_INET;
    to->sin_port = htons(port);
    memcpy(&to->sin_addr, ip->bytes, IP_V4_BYTES);
    return sizeof(*to);
}

struct str ip_reverse_name(struct arena *a, const struct ip *ip)
{
    struct buf out;

    buf_init(&out, REVERSE_BYTES);
    for (int i = (ip->v6 ? IP_V6_BYTES : IP_V4_BYTES) - 1; i >= 0; i--)
        if (ip->v6)
            buf_addf(&out, "%x.%x.", ip->bytes[i] & 15, ip->bytes[i] >> 4);
        else
            buf_addf(&out, "%u.", ip->bytes[i]);
    buf_add(&out, ip->v6 ? STR("ip6.arpa") : STR("in-addr.arpa"));
    struct str name = arena_dup(a, buf_str(&out));
    buf_done(&out);
    return name;
}
