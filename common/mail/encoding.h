/*
 * encoding - what MIME does to bytes: the transfer encodings of a body (RFC 2045 6) and the
 * encoded words of a field (RFC 2047).
 *
 * Decoders take their input in pieces, cut anywhere, and never fail: what is not of the
 * encoding is passed over in base64 and stays in quoted-printable (RFC 2045 6.7, 6.8), as every
 * reader of mail does. What comes out is never longer than what went in.
 */
#ifndef POSTA_MAIL_ENCODING_H
#define POSTA_MAIL_ENCODING_H

#include "base/buf.h"

enum encoding {
    ENCODING_7BIT,
    ENCODING_8BIT,
    ENCODING_BINARY,
    ENCODING_QP,
    ENCODING_BASE64,
    ENCODING_UNKNOWN /* read as it stands */
};

/* The value of Content-Transfer-Encoding; empty is 7bit. Comments in it are understood. */
enum encoding encoding_of(struct str value);

enum { DECODER_HELD_BYTES = 80 }; /* more white space than this before a line end is text */

struct decoder {
    enum encoding encoding;
    uint32_t bits;                 /* base64: what is not whole yet        */
    unsigned n;                    /* how many letters of it, or octets in `held` */
    char held[DECODER_HELD_BYTES]; /* quoted-printable: white space or "=X" that may go on */
};

void decoder_init(struct decoder *d, enum encoding encoding);
void decoder_feed(struct decoder *d, struct buf *out, struct str in);
void decoder_end(struct decoder *d, struct buf *out); /* begins again with feed */

/* A field's value as UTF-8: unfolded, encoded words decoded (RFC 2047 6.2: white space between
 * two of them goes), raw octets above 0x7f taken as UTF-8 or U+FFFD. Control characters but raw
 * HTABs become U+FFFD: what an encoded word hides is never parsed again as a field (M09).
 * Lenient where writers are: words inside of others, spaces in one, a character that is cut by
 * the end of one and goes on in the next. At most three times as long as `value`. */
void encoded_words_decode(struct buf *out, struct str value);

#endif
