#include "mail/idn.h"

#include "base/ascii.h"
#include "mail/address.h"

#include <idn2.h>

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (ascii_is_8bit(s.p[i]))
            return false;
    return true;
}

static struct str lower(struct arena *a, struct str s)
{
    char *p = ARENA_ARRAY(a, char, s.n + 1);

    for (size_t i = 0; i < s.n; i++)
        p[i] = ascii_lower(s.p[i]);
    return (struct str){p, s.n};
}

bool domain_to_ascii(struct arena *a, struct str domain, struct str *out)
{
    enum { FLAGS = IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL };
    uint8_t *ascii;

    if (domain.n == 0 || domain.n > ADDRESS_DOMAIN_BYTES || memchr(domain.p, '\0', domain.n))
        return false;
    if (is_ascii(domain)) {
        *out = lower(a, domain);
        return true;
    }
    struct str copy = arena_dup(a, domain);
    if (idn2_lookup_u8((const uint8_t *)copy.p, &ascii, FLAGS) != IDN2_OK)
        return false;
    /* what is mapped to nothing can leave an empty label behind */
    struct str name = lower(a, str_c((char *)ascii)), rest = name, whole;
    idn2_free(ascii);
    if (!scan_domain(&rest, &whole) || rest.n)
        return false;
    *out = name;
    return true;
}
