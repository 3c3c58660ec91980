#include "sys/config_value.h"

#include "base/ascii.h"

#include <arpa/inet.h>

enum { HOST_NAME_BYTES = 253, LABEL_BYTES = 63 };

struct unit {
    char letter;
    uint64_t factor;
};

/* number [unit]: the product must fit into 63 bits. */
static bool with_unit(struct str s, const struct unit *units, size_t n, uint64_t *out)
{
    uint64_t v, factor = 1;

    if (!scan_u64(&s, INT64_MAX, &v))
        return false;
    for (size_t i = 0; i < n && s.n == 1; i++)
        if (s.p[0] == units[i].letter) {
            factor = units[i].factor;
            s = str_skip(s, 1);
        }
    if (s.n > 0 || v > INT64_MAX / factor)
        return false;
    *out = v * factor;
    return true;
}

bool config_size(struct str s, uint64_t *out)
{
    static const struct unit units[] = {
        {'K', UINT64_C(1) << 10},
        {'M', UINT64_C(1) << 20},
        {'G', UINT64_C(1) << 30},
        {'T', UINT64_C(1) << 40}
    };

    return with_unit(s, units, sizeof(units) / sizeof(units[0]), out);
}

bool config_time(struct str s, uint64_t *out)
{
    static const struct unit units[] = {
        {'s', 1     },
        {'m', 60    },
        {'h', 3600  },
        {'d', 86400 },
        {'w', 604800}
    };

    return with_unit(s, units, sizeof(units) / sizeof(units[0]), out);
}

bool config_bool(struct str s, bool *out)
{
    static const char *const words[] = {"false", "no", "off", "true", "yes", "on"};

    for (size_t i = 0; i < 6; i++)
        if (str_eq(s, str_c(words[i]))) {
            *out = i >= 3;
            return true;
        }
    return false;
}

static bool is_label(struct str s)
{
    if (s.n == 0 || s.n > LABEL_BYTES || s.p[0] == '-' || s.p[s.n - 1] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alnum(s.p[i]) && s.p[i] != '-')
            return false;
    return true;
}

bool config_host_name(struct str s)
{
    if (s.n > HOST_NAME_BYTES)
        return false;
    for (;;) {
        size_t n = str_find(s, '.');

        if (!is_label(str_first(s, n)))
            return false;
        if (n == s.n)
            return true;
        s = str_skip(s, n + 1);
    }
}

/* A literal address of either family, with a NUL behind it in `text`. */
static bool literal(struct str s, char *text, size_t room, uint8_t bytes[16], unsigned *size)
{
    char t[64];

    if (s.n == 0 || s.n >= sizeof(t) || s.n >= room || memchr(s.p, 0, s.n))
        return false;
    memcpy(t, s.p, s.n);
    t[s.n] = '\0';
    if (inet_pton(AF_INET, t, bytes) == 1)
        *size = 4;
    else if (inet_pton(AF_INET6, t, bytes) == 1)
        *size = 16;
    else
        return false;
    memcpy(text, t, s.n + 1);
    return true;
}

/* Cuts "host:port" or "[host]:port" at its last colon. */
static bool split_port(struct str s, struct str *host, bool *brackets, uint16_t *port)
{
    size_t at = s.n;
    uint32_t v;

    while (at > 0 && s.p[at - 1] != ':')
        at--;
    if (at < 2)
        return false;
    struct str digits = str_skip(s, at);
    if (!scan_u32(&digits, UINT16_MAX, &v) || digits.n > 0 || v == 0)
        return false;
    *host = str_first(s, at - 1);
    *brackets = host->n > 2 && host->p[0] == '[' && host->p[host->n - 1] == ']';
    if (*brackets)
        *host = (struct str){host->p + 1, host->n - 2};
    *port = (uint16_t)v;
    return true;
}

bool config_address(struct str s, struct config_address *out)
{
    struct config_address a = {.any = false};
    struct str host;
    bool brackets;
    uint8_t bytes[16];
    unsigned size;

    if (!split_port(s, &host, &brackets, &a.port))
        return false;
    if (str_eq(host, STR("*")) && !brackets) {
        a.any = true;
        a.host[0] = '*';
    } else if (!literal(host, a.host, sizeof(a.host), bytes, &size) ||
               (size == 16) != brackets) {
        return false;
    } else {
        a.v6 = brackets;
    }
    *out = a;
    return true;
}

bool config_host_port(struct str s, struct config_host_port *out)
{
    struct config_host_port h = {.port = 0};
    struct str host;
    bool brackets;
    uint8_t bytes[16];
    unsigned size;

    if (!split_port(s, &host, &brackets, &h.port))
        return false;
    if (brackets && (!literal(host, h.host, sizeof(h.host), bytes, &size) || size != 16))
        return false;
    if (!brackets && !config_host_name(host))
        return false;
    memcpy(h.host, host.p, host.n);
    *out = h;
    return true;
}

bool config_destination(struct str s, struct config_destination *out)
{
    struct config_destination d = {.lmtp = false};

    if (!config_host_port(s, &d.at)) { /* one may be called "lmtp" */
        d.lmtp = scan_word(&s, STR("lmtp:"));
        bool path = d.lmtp && s.n && s.p[0] == '/' && s.n <= CONFIG_SOCKET_BYTES;

        if (path)
            memcpy(d.path, s.p, s.n);
        else if (!d.lmtp || !config_host_port(s, &d.at))
            return false;
    }
    *out = d;
    return true;
}

bool config_network(struct str s, struct config_network *out)
{
    struct config_network n = {.bits = 0};
    char text[64];
    struct str address;

    if (!scan_until(&s, '/', &address) ||
        !literal(address, text, sizeof(text), n.bytes, &n.size))
        return false;
    n.bits = n.size * 8;
    if (scan_byte(&s, '/') && !scan_u32(&s, n.size * 8, &n.bits))
        return false;
    if (s.n > 0)
        return false;
    for (unsigned bit = n.bits; bit < n.size * 8;
         bit++) /* 10.1.2.3/8 is a slip, not a network */
        if (n.bytes[bit / 8] & (0x80 >> bit % 8))
            return false;
    *out = n;
    return true;
}

bool config_network_has(const struct config_network *n, const char *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    uint8_t all[16];
    const uint8_t *bytes = all;
    char text[64];
    unsigned size;

    if (!literal(str_c(address), text, sizeof(text), all, &size))
        return false;
    if (size == 16 && n->size == 4 && memcmp(all, mapped, sizeof(mapped)) == 0) {
        bytes = all + sizeof(mapped);
        size = 4;
    }
    if (size != n->size || memcmp(bytes, n->bytes, n->bits / 8) != 0)
        return false;
    unsigned rest = n->bits % 8;
    return rest == 0 || ((bytes[n->bits / 8] ^ n->bytes[n->bits / 8]) >> (8 - rest)) == 0;
}
