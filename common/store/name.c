#include "store/name.h"

#include "base/ascii.h"

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20) | (c == 0x7f);
}

static bool may_be_letter(struct str s)
{
    if (s.n == 0 || s.n > NAME_BYTES || s.p[0] == '.' || s.p[0] == ':')
        return false;
    if (str_find(s, ':') > NAME_BYTES - NAME_INFO_BYTES)
        return false;
    bool bad = false;
    for (size_t i = 0; i < s.n; i++) /* to the end: so the compiler looks at many at once */
        bad |= is_control(s.p[i]) | (s.p[i] == '/');
    return !bad;
}

/* "," ( "S" / "W" ) "=" 1*DIGIT */
static bool scan_octets(struct str *in, char letter, uint64_t *out)
{
    struct str s = *in;
    uint64_t v;

    if (!scan_byte(&s, ',') || !scan_byte(&s, letter) || !scan_byte(&s, '=') ||
        !scan_u64(&s, INT64_MAX, &v) || (s.n && s.p[0] != ','))
        return false;
    *in = s;
    *out = v;
    return true;
}

/* ",P=" uidvalidity "." uid, both from 1 */
static bool scan_uid(struct str *in, uint32_t *uidvalidity, uint32_t *uid)
{
    struct str s = *in;
    uint32_t v, u;

    if (!scan_word(&s, STR(",P=")) || !scan_u32(&s, UINT32_MAX, &v) || !scan_byte(&s, '.') ||
        !scan_u32(&s, UINT32_MAX, &u) || v == 0 || u == 0 || (s.n && s.p[0] != ','))
        return false;
    *in = s;
    *uidvalidity = v;
    *uid = u;
    return true;
}

/* mbsync's; the meaning is its own, but it is no part of what is unique. */
static bool scan_mbsync(struct str *in)
{
    struct str s = *in;
    uint64_t v;

    if (!scan_word(&s, STR(",U=")) || !scan_u64(&s, UINT64_MAX, &v) || (s.n && s.p[0] != ','))
        return false;
    *in = s;
    return true;
}

/* One field that we know, for the first time; false also where it is there already. */
static bool scan_field(struct str *in, struct name *n)
{
    if (!n->has_size && scan_octets(in, 'S', &n->size))
        return n->has_size = true;
    if (!n->has_vsize && scan_octets(in, 'W', &n->vsize))
        return n->has_vsize = true;
    if (!n->has_uid && scan_uid(in, &n->uidvalidity, &n->uid))
        return n->has_uid = true;
    return false;
}

static void keep_field(struct str *in, struct name *n)
{
    size_t length = 1 + str_find(str_skip(*in, 1), ',');

    memcpy(n->others + n->others_n, in->p, length);
    n->others_n += length;
    *in = str_skip(*in, length);
}

/* What stands before the first field that we know. */
static struct str scan_unique(struct str *in)
{
    struct str whole = *in;
    struct str s = str_skip(whole, str_find(whole, ','));
    uint64_t v;
    uint32_t a, b;

    while (s.n) {
        struct str at = s;

        if (scan_octets(&at, 'S', &v) || scan_octets(&at, 'W', &v) || scan_uid(&at, &a, &b) ||
            scan_mbsync(&at))
            break;
        s = str_skip(s, 1 + str_find(str_skip(s, 1), ','));
    }
    *in = s;
    return str_first(whole, whole.n - s.n);
}

/* ":2," *( ALPHA ); other octets mean nothing to anyone. Another version's info is not ours to
 * read. */
static void parse_info(struct str s, struct name *n)
{
    n->has_info = scan_word(&s, STR(":2,"));
    if (!n->has_info)
        return;
    for (size_t i = 0; i < s.n; i++) {
        if (ascii_is_upper(s.p[i]))
            n->flags |= NAME_FLAG(s.p[i]);
        else if (ascii_is_lower(s.p[i]))
            n->keywords |= UINT32_C(1) << (s.p[i] - 'a');
    }
}

bool name_parse(struct str s, struct name *out)
{
    if (!may_be_letter(s))
        return false;

    size_t colon = str_find(s, ':');
    struct str base = str_first(s, colon);

    out->has_size = out->has_vsize = out->has_uid = out->has_info = false;
    out->size = out->vsize = 0;
    out->uidvalidity = out->uid = out->flags = out->keywords = 0;
    out->others_n = 0;
    out->unique = scan_unique(&base);
    if (out->unique.n == 0)
        return false;
    while (base.n)
        if (!scan_field(&base, out))
            keep_field(&base, out);
    parse_info(str_skip(s, colon), out);
    return true;
}

static void print_letters(struct buf *out, uint32_t bits, char first)
{
    for (int i = 0; i < 26; i++)
        if (bits & (UINT32_C(1) << i))
            buf_add_byte(out, (char)(first + i));
}

void name_print(struct buf *out, const struct name *n)
{
    buf_add(out, n->unique);
    if (n->has_size)
        buf_addf(out, ",S=%llu", (unsigned long long)n->size);
    if (n->has_vsize)
        buf_addf(out, ",W=%llu", (unsigned long long)n->vsize);
    if (n->has_uid)
        buf_addf(out, ",P=%u.%u", n->uidvalidity, n->uid);
    buf_add(out, (struct str){n->others, n->others_n});
    if (!n->has_info)
        return;
    buf_add(out, STR(":2,"));
    print_letters(out, n->flags, 'A');
    print_letters(out, n->keywords, 'a');
}

uint32_t name_uid(const struct name *n, uint32_t uidvalidity)
{
    return n->has_uid && n->uidvalidity == uidvalidity ? n->uid : 0;
}

uint64_t name_time(const struct name *n)
{
    struct str s = n->unique;
    uint64_t seconds;

    return scan_u64(&s, INT64_MAX, &seconds) ? seconds : 0;
}

void name_host(struct buf *out, struct str host)
{
    size_t used = 0;

    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        bool plain = ascii_is_print(c) && c != ' ' && c != '/' && c != ':' && c != ',';
        size_t takes = plain ? 1 : 4;

        if (used + takes > NAME_HOST_BYTES)
            return;
        if (plain)
            buf_add_byte(out, c);
        else
            buf_addf(out, "\\%03o", (unsigned char)c);
        used += takes;
    }
}

struct str name_unique(char to[NAME_BYTES + 1], const struct id *id, struct str host)
{
    int n = snprintf(to, NAME_BYTES + 1, "%llu.%s.%.*s", (unsigned long long)(id_ms(id) / 1000),
                     id->text, STR_ARGS(str_first(host, NAME_HOST_BYTES)));

    return (struct str){to, (size_t)n};
}

void name_new(struct buf *out, const struct id *id, struct str host, uint64_t size,
              uint64_t vsize)
{
    char unique[NAME_BYTES + 1];

    buf_add(out, name_unique(unique, id, host));
    buf_addf(out, ",S=%llu,W=%llu", (unsigned long long)size, (unsigned long long)vsize);
}

/* Two mixes of 64 bits each (FNV-1a from two starts, finished as murmur3 does). Names are made
 * on this machine; where two are equal all the same, the one who lists them tells them apart.
 */
static uint64_t mix(struct str s, uint64_t h)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ (h >> 33);
}

void name_uidl_hash(struct buf *out, struct str s)
{
    buf_addf(out, "%%%016llx%016llx", (unsigned long long)mix(s, UINT64_C(0xcbf29ce484222325)),
             (unsigned long long)mix(s, UINT64_C(0x9ae16a3b2f90404f)));
}

static bool stands_in_uidl(char c)
{
    return ascii_is_print(c) && c != ' ' && c != '%';
}

/* '%' begins what we made, so a name that has one itself is made too. */
void name_uidl(struct buf *out, struct str unique)
{
    size_t plain = 0;

    for (size_t i = 0; i < unique.n; i++)
        plain += stands_in_uidl(unique.p[i]);
    if (plain + 3 * (unique.n - plain) > NAME_UIDL_BYTES) {
        name_uidl_hash(out, unique);
        return;
    }
    if (plain == unique.n) {
        buf_add(out, unique);
        return;
    }
    for (size_t i = 0; i < unique.n; i++) {
        if (stands_in_uidl(unique.p[i]))
            buf_add_byte(out, unique.p[i]);
        else
            buf_addf(out, "%%%02x", (unsigned char)unique.p[i]);
    }
}
