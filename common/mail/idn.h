/*
 * idn - international domain names, as DNS and servers without SMTPUTF8 want them: A-labels in
 * the place of U-labels (RFC 5890 2.3.2, RFC 5891 5; mapped before as Unicode's UTS 46 says,
 * because people type capital letters). RFC 6531 3.2 looks names up in this form.
 */
#ifndef POSTA_MAIL_IDN_H
#define POSTA_MAIL_IDN_H

#include "base/arena.h"
#include "base/str.h"

/* `domain` in ASCII and small letters: one that is ASCII keeps its labels, whatever they are.
 * False where it cannot be a domain name. Lives as long as `a`. */
bool domain_to_ascii(struct arena *a, struct str domain, struct str *out);

#endif
