/*
 * envelope - the ENVELOPE of RFC 3501 7.4.2, printed from a letter's head.
 *
 * The text is what goes over the wire, so that it can be kept and sent again. Strings that
 * a quoted string cannot hold (8-bit, CR) become literals; NUL, which no string can hold, is
 * passed over. White space at the ends and folding go; encoded words stay as they are. Of a
 * field that comes twice the first counts; address lists are joined (RFC 5322 4.5.3).
 */
#ifndef POSTA_MAIL_ENVELOPE_H
#define POSTA_MAIL_ENVELOPE_H

#include "base/arena.h"
#include "base/buf.h"

enum { ENVELOPE_ADDRESSES = 10000 }; /* a field; more are left out (M04) */

/* `head` is a letter or its head, LF or CRLF. Appends "(…)". Linear time; what it allocates in
 * `scratch` may go at once. */
void envelope_print(struct buf *out, struct str head, struct arena *scratch);

/* An nstring, as ENVELOPE and BODYSTRUCTURE need it: NIL where p is NULL, quoted or a literal.
 */
void imap_nstring(struct buf *out, struct str s);
void imap_string(struct buf *out, struct str s);

#endif
