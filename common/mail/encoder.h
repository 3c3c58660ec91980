/*
 * encoder - the way back of encoding.h: octets into quoted-printable or base64 (RFC 2045 6.7,
 * 6.8), in pieces cut anywhere. LF line ends come out, and no line is longer than 76 octets.
 *
 * What goes in is text with LF (or CRLF) line ends, as letters lie in the spool. In
 * quoted-printable a line end stays one; in base64 it becomes the CRLF that it is on the wire.
 * With `binary` every octet is kept as it is.
 *
 * Decoded again it is the same (with CRLF line ends for base64).
 */
#ifndef POSTA_MAIL_ENCODER_H
#define POSTA_MAIL_ENCODER_H

#include "mail/encoding.h"

enum { ENCODER_LINE_BYTES = 76 };

struct encoder {
    enum encoding encoding; /* ENCODING_QP or ENCODING_BASE64            */
    bool binary;
    bool cr;         /* the last octet was CR                     */
    unsigned column; /* of the line that is being written         */
    char blank;      /* quoted-printable: SP or HTAB that may end its line */
    unsigned n;      /* base64: octets in `held`                  */
    char held[3];
};

void encoder_init(struct encoder *e, enum encoding encoding, bool binary);
void encoder_feed(struct encoder *e, struct buf *out, struct str in);
/* No line end comes behind the last octet, where there was none. */
void encoder_end(struct encoder *e, struct buf *out);

#endif
