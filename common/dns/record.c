#include "dns/record.h"

#include "base/ascii.h"

enum {
    SHA256_BYTES = 32,
    SHA512_BYTES = 64,
    HEADER_BYTES = 12, /* RFC 1035 4.1.1 */
    POINTER_BITS = 0xc0,
};

static bool is_name_byte(char c)
{
    return ascii_is_alnum(c) || c == '-' || c == '_';
}

static bool is_label(struct str label)
{
    for (size_t i = 0; i < label.n; i++)
        if (!is_name_byte(label.p[i]))
            return false;
    return label.n > 0 && label.n <= DNS_LABEL_BYTES;
}

bool dns_name_valid(struct str name)
{
    struct str label;

    if (name.n == 0 || name.n > DNS_NAME_BYTES || name.p[name.n - 1] == '.')
        return false;
    while (name.n) {
        if (!scan_until(&name, '.', &label) || !is_label(label))
            return false;
        scan_byte(&name, '.');
    }
    return true;
}

static bool scan_octet(struct str *in, uint8_t *out)
{
    if (in->n == 0)
        return false;
    *out = (uint8_t)in->p[0];
    *in = str_skip(*in, 1);
    return true;
}

static bool scan_u16(struct str *in, uint16_t *out)
{
    if (in->n < 2)
        return false;
    *out = (uint16_t)((uint8_t)in->p[0] << 8 | (uint8_t)in->p[1]);
    *in = str_skip(*in, 2);
    return true;
}

/* An octet with the length and as many octets: a label, and a <character-string> */
static bool scan_counted(struct str *in, struct str *out)
{
    uint8_t n;
    struct str s = *in;

    if (!scan_octet(&s, &n) || s.n < n)
        return false;
    *out = str_first(s, n);
    *in = str_skip(s, n);
    return true;
}

/* <domain-name>        RFC 1035 3.1 */
bool scan_wire_name(struct str *in, struct arena *a, struct str *out)
{
    char text[DNS_WIRE_NAME_BYTES];
    size_t n = 0;
    struct str s = *in, label;

    for (;;) {
        if (!scan_counted(&s, &label))
            return false;
        if (label.n == 0)
            break;
        /* each label and its length, and the root's */
        if (!is_label(label) || n + label.n + 2 > DNS_WIRE_NAME_BYTES)
            return false;
        for (size_t i = 0; i < label.n; i++)
            text[n++] = ascii_lower(label.p[i]);
        text[n++] = '.';
    }
    *out = arena_dup(a, (struct str){text, n ? n - 1 : 0});
    *in = s;
    return true;
}

/* PREFERENCE EXCHANGE        RFC 1035 3.3.9 */
bool record_mx(struct str rdata, struct arena *a, struct record_mx *out)
{
    struct record_mx mx;

    if (!scan_u16(&rdata, &mx.preference) || !scan_wire_name(&rdata, a, &mx.host) ||
        rdata.n != 0)
        return false;
    *out = mx;
    return true;
}

bool record_ip(struct str rdata, enum dns_type type, struct ip *out)
{
    return rdata.n == (type == DNS_AAAA ? (size_t)IP_V6_BYTES : (size_t)IP_V4_BYTES) &&
           ip_from_bytes(rdata, out);
}

bool record_host(struct str rdata, struct arena *a, struct str *out)
{
    struct str name;

    if (!scan_wire_name(&rdata, a, &name) || rdata.n != 0 || name.n == 0)
        return false;
    *out = name;
    return true;
}

/* One or more <character-string>s        RFC 1035 3.3.14 */
bool record_txt(struct str rdata, struct arena *a, struct str *out)
{
    char *text = ARENA_ARRAY(a, char, rdata.n + 1);
    size_t n = 0;
    struct str part;

    if (rdata.n == 0)
        return false;
    while (rdata.n) {
        if (!scan_counted(&rdata, &part))
            return false;
        memcpy(text + n, part.p, part.n);
        n += part.n;
    }
    *out = (struct str){text, n};
    return true;
}

/* usage selector matching-type data        RFC 6698 2.1 */
bool record_tlsa(struct str rdata, struct record_tlsa *out)
{
    struct record_tlsa t;

    if (!scan_octet(&rdata, &t.usage) || !scan_octet(&rdata, &t.selector) ||
        !scan_octet(&rdata, &t.matching) || rdata.n == 0)
        return false;
    if ((t.matching == 1 && rdata.n != SHA256_BYTES) ||
        (t.matching == 2 && rdata.n != SHA512_BYTES))
        return false;
    t.data = rdata;
    *out = t;
    return true;
}

/* Over a name that may end in a pointer, which is not followed: no loop can catch us. */
static bool skip_name(struct str *in)
{
    struct str s = *in, label;

    for (;;) {
        if (s.n >= 2 && ((uint8_t)s.p[0] & POINTER_BITS) == POINTER_BITS) {
            *in = str_skip(s, 2);
            return true;
        }
        if (!scan_counted(&s, &label) || label.n > DNS_LABEL_BYTES)
            return false;
        if (label.n == 0) {
            *in = s;
            return true;
        }
    }
}

/* NAME TYPE CLASS TTL RDLENGTH RDATA        RFC 1035 4.1.3 */
static bool scan_record(struct str *in, uint16_t *type)
{
    uint16_t class, ttl[2], n;
    struct str s = *in;

    if (!skip_name(&s) || !scan_u16(&s, type) || !scan_u16(&s, &class) ||
        !scan_u16(&s, &ttl[0]) || !scan_u16(&s, &ttl[1]) || !scan_u16(&s, &n) || s.n < n)
        return false;
    *in = str_skip(s, n);
    return true;
}

int message_answers(struct str message, enum dns_type type)
{
    uint16_t head[HEADER_BYTES / 2], got;
    int n = 0;

    for (size_t i = 0; i < HEADER_BYTES / 2; i++)
        if (!scan_u16(&message, &head[i]))
            return -1;
    for (unsigned i = 0; i < head[2]; i++)
        if (!skip_name(&message) || !scan_u16(&message, &got) || !scan_u16(&message, &got))
            return -1;
    for (unsigned i = 0; i < head[3]; i++) {
        if (!scan_record(&message, &got))
            return -1;
        n += got == type;
    }
    return n;
}
