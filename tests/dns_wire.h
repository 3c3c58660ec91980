/* dns_wire - rdata from text, for the tests that answer questions themselves. */
#ifndef POSTA_TESTS_DNS_WIRE_H
#define POSTA_TESTS_DNS_WIRE_H

#include "base/buf.h"
#include "dns/record.h"

/* "a.b" as labels; "" and "." are the root. Nothing is checked: bad ones are wanted too. */
static inline void wire_name(struct buf *out, struct str name)
{
    struct str label;

    while (scan_until(&name, '.', &label)) {
        buf_add_byte(out, (char)label.n);
        buf_add(out, label);
        scan_byte(&name, '.');
    }
    buf_add_byte(out, '\0');
}

/* MX "10 mail.example"; A, AAAA (an IPv4 address there is a mapped one); else a name. */
static inline struct str wire_rdata(struct arena *a, enum dns_type type, const char *text)
{
    struct str in = str_c(text), rdata;
    uint32_t preference;
    struct buf out;
    struct ip ip;

    buf_init(&out, 4096);
    if (type == DNS_MX && scan_u32(&in, UINT16_MAX, &preference) && scan_byte(&in, ' ')) {
        buf_add_byte(&out, (char)(preference >> 8));
        buf_add_byte(&out, (char)(preference & 0xff));
        wire_name(&out, in);
    } else if (ip_parse(in, &ip) && type == DNS_AAAA && !ip.v6) {
        buf_add(&out, STR("\0\0\0\0\0\0\0\0\0\0\377\377"));
        buf_add(&out, (struct str){(char *)ip.bytes, IP_V4_BYTES});
    } else if (ip_parse(in, &ip)) {
        buf_add(&out, (struct str){(char *)ip.bytes,
                                   ip.v6 ? (size_t)IP_V6_BYTES : (size_t)IP_V4_BYTES});
    } else {
        wire_name(&out, in);
    }
    rdata = arena_dup(a, buf_str(&out));
    buf_done(&out);
    return rdata;
}

#endif
