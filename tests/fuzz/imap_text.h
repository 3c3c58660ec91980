/* imap_text.h - is this text what IMAP may carry (RFC 3501 4, 9)? Aborts where it is not. */
#ifndef POSTA_FUZZ_IMAP_TEXT_H
#define POSTA_FUZZ_IMAP_TEXT_H

#include "base/str.h"

#include <stdlib.h>

static inline void must(bool good)
{
    if (!good)
        abort();
}

static inline void take_quoted(struct str *in)
{
    for (*in = str_skip(*in, 1); in->n && in->p[0] != '"'; *in = str_skip(*in, 1)) {
        if (in->p[0] == '\\') {
            *in = str_skip(*in, 1);
            must(in->n && (in->p[0] == '"' || in->p[0] == '\\'));
        }
        must(in->p[0] && in->p[0] != '\r' && in->p[0] != '\n' &&
             (unsigned char)in->p[0] < 0x80);
    }
    must(scan_byte(in, '"'));
}

static inline void take_literal(struct str *in)
{
    uint64_t n = 0;

    must(scan_byte(in, '{') && scan_u64(in, in->n, &n) && scan_word(in, STR("}\r\n")) &&
         n <= in->n);
    must(n == 0 || !memchr(in->p, '\0', n));
    *in = str_skip(*in, n);
}

static inline bool take_string(struct str *in)
{
    if (in->n && in->p[0] == '"')
        take_quoted(in);
    else if (in->n && in->p[0] == '{')
        take_literal(in);
    else
        return false;
    return true;
}

static inline void take_nstring(struct str *in)
{
    must(scan_word(in, STR("NIL")) || take_string(in));
}

/* address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"; lists have one or more
 */
static inline void take_addresses(struct str *in)
{
    if (scan_word(in, STR("NIL")))
        return;
    must(scan_byte(in, '('));
    do {
        must(scan_byte(in, '('));
        for (unsigned i = 0; i < 4; i++) {
            must(i == 0 || scan_byte(in, ' '));
            take_nstring(in);
        }
        must(scan_byte(in, ')'));
    } while (in->n && in->p[0] == '(');
    must(scan_byte(in, ')'));
}

static inline void take_envelope(struct str *in)
{
    must(scan_byte(in, '('));
    for (unsigned i = 0; i < 10; i++) {
        must(i == 0 || scan_byte(in, ' '));
        if (i >= 2 && i <= 7)
            take_addresses(in);
        else
            take_nstring(in);
    }
    must(scan_byte(in, ')'));
}

#endif
