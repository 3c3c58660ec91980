/*
 * encoding - what MIME does to bytes: the transfer encodings of a body (RFC 2045 6) and the
 * encoded words of a field (RFC 2047).
 *
 * Decoders take their input in pieces, cut anywhere, and never fail: what is not of the
 * encoding is passed over (RFC 2045 6.7, 6.8), as every reader of mail does.
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
    ENCODING_UNKNOWN
};

/* The value of Content-Transfer-Encoding; empty is 7bit. */
enum encoding encoding_of(struct str value);

struct decoder {
    enum encoding encoding;
    uint32_t bits; /* base64: what is not whole yet        */
    unsigned n;    /* how many of them, or octets in `held` */
    char held[80]; /* quoted-printable: white space or "=X" that may go on */
};

void decoder_init(struct decoder *d, enum encoding encoding);
void decoder_feed(struct decoder *d, struct buf *out, struct str in);
void decoder_end(struct decoder *d, struct buf *out);

/* A field's value as UTF-8: unfolded, encoded words decoded (RFC 2047 6.2: white space between
 * two of them goes), raw octets above 0x7f taken as UTF-8 or U+FFFD. Control characters that
 * come out of encoded words become U+FFFD: never parsed again as a field (M09). */
void encoded_words_decode(struct buf *out, struct str value);

#endif
