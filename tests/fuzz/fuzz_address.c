/*
 * Properties: what the scanner takes for a path, a slow reference written from the ABNF takes
 * too, and the other way round; a scan that fails moves nothing; the canonical form parses to
 * itself; an address out of a list is a mailbox.
 */
#include "base/ascii.h"
#include "base/utf8.h"
#include "mail/address.h"

#include <stdlib.h>

/* ---- the reference: can s[i, j) be derived from the rule? ---- */

static bool ref_atext(struct str s)
{
    uint32_t point;

    if (s.n == 1)
        return ascii_is_alnum(s.p[0]) || (s.p[0] && strchr("!#$%&'*+-/=?^_`{|}~", s.p[0]));
    return s.n > 1 && ascii_is_8bit(s.p[0]) && scan_utf8(&s, &point) && s.n == 0;
}

static size_t ref_char(struct str s)
{
    struct str rest = s;
    uint32_t point;

    return scan_utf8(&rest, &point) ? s.n - rest.n : 1;
}

static bool ref_dot_string(struct str s)
{
    bool after_atext = false;

    while (s.n) {
        size_t n = ref_char(s);

        if (s.p[0] == '.') {
            if (!after_atext)
                return false;
            after_atext = false;
        } else {
            if (!ref_atext(str_first(s, n)))
                return false;
            after_atext = true;
        }
        s = str_skip(s, n);
    }
    return after_atext;
}

static bool ref_quoted(struct str s)
{
    if (s.n < 2 || s.p[0] != '"' || s.p[s.n - 1] != '"')
        return false;
    for (s = (struct str){s.p + 1, s.n - 2}; s.n;) {
        size_t n = ref_char(s);

        if (n == 1 && s.p[0] == '\\') {
            if (s.n < 2 || s.p[1] < 32 || s.p[1] > 126)
                return false;
            n = 2;
        } else if (n == 1 && (!ascii_is_print(s.p[0]) || s.p[0] == '"')) {
            return false;
        }
        s = str_skip(s, n);
    }
    return true;
}

static bool ref_domain(struct str s)
{
    if (s.n == 0 || s.n > ADDRESS_DOMAIN_BYTES || !utf8_valid(s))
        return false;
    for (;;) {
        struct str label = str_first(s, str_find(s, '.'));

        if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
            return false;
        for (size_t i = 0; i < label.n; i++)
            if (!ascii_is_alnum(label.p[i]) && label.p[i] != '-' && !ascii_is_8bit(label.p[i]))
                return false;
        if (label.n == s.n)
            return true;
        s = str_skip(s, label.n + 1);
    }
}

static bool ref_literal(struct str s)
{
    struct str out;

    return scan_address_literal(&s, &out) && s.n == 0;
}

static bool ref_mailbox(struct str s)
{
    for (size_t i = 0; i < s.n && i <= ADDRESS_LOCAL_BYTES; i++) {
        struct str local = str_first(s, i), domain = str_skip(s, i + 1);

        if (s.p[i] == '@' && (ref_dot_string(local) || ref_quoted(local)) &&
            (ref_domain(domain) || ref_literal(domain)))
            return true;
    }
    return false;
}

static bool ref_route(struct str s)
{
    for (;;) {
        struct str hop = str_first(s, str_find(s, ','));

        if (hop.n < 2 || hop.p[0] != '@' || !ref_domain(str_skip(hop, 1)))
            return false;
        if (hop.n == s.n)
            return true;
        s = str_skip(s, hop.n + 1);
    }
}

static bool ref_path(struct str s)
{
    if (s.n < 2 || s.p[0] != '<' || s.p[s.n - 1] != '>')
        return false;
    s = (struct str){s.p + 1, s.n - 2};
    if (ref_mailbox(s))
        return true;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == ':' && ref_route(str_first(s, i)) && ref_mailbox(str_skip(s, i + 1)))
            return true;
    return false;
}

/* ---- the properties ---- */

static void check_canonical(struct arena *a, struct str address)
{
    struct str again = STR("");

    if (!address_parse(a, address, &again) || !str_eq(address, again))
        abort();
    if (address_local(address).n + 1 + address_domain(address).n != address.n)
        abort();
}

static void check_path(struct arena *a, struct str in)
{
    struct mailbox m;
    struct str rest = in;
    bool good = scan_forward_path(&rest, &m);
    bool postmaster = str_eq_nocase(in, STR("<postmaster>"));

    if (!good && (rest.p != in.p || rest.n != in.n))
        abort();
    if ((good && rest.n == 0) != (ref_path(in) || postmaster))
        abort();
    if (good && m.domain.n)
        check_canonical(a, mailbox_canonical(a, &m));
    rest = in;
    if (!scan_reverse_path(&rest, &m) && rest.n != in.n)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size < 4096 ? size : 4096};
    struct address *v = NULL;
    struct arena a;
    size_t n = 0;

    arena_init(&a);
    check_path(&a, in);
    if (address_list_parse(&a, in, 100, &v, &n))
        for (size_t i = 0; i < n; i++)
            check_canonical(&a, v[i].address);
    arena_done(&a);
    return 0;
}
