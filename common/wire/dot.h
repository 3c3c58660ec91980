/*
 * dot - the letter between DATA and the lone dot (RFC 5321 4.5.2), and the same
 * for POP3's multi-line answers (RFC 1939 3), both ways.
 *
 * Decoding turns wire CRLF into LF, one for one, and refuses bare CR, bare LF
 * and NUL: the flaw is remembered, bytes go on being swallowed until the real
 * end CRLF "." CRLF. Encoding turns LF into CRLF, stuffs dots and ends with
 * CRLF "." CRLF; a last line without LF gets one (POP3 and SMTP have no other way).
 * Where the text holds CR, CRLF stays one line end and a bare CR becomes one: no
 * bare CR or LF ever leaves.
 */
#ifndef POSTA_WIRE_DOT_H
#define POSTA_WIRE_DOT_H

#include "base/buf.h"

enum dot_flaw { DOT_CLEAN, DOT_BARE_LF, DOT_BARE_CR, DOT_NUL }; /* the first one counts */

struct dot_decoder {
    unsigned char state;
    enum dot_flaw flaw;
    uint64_t wire_n; /* octets decoded so far, with CRLF, without stuffing and end */
};

void dot_decoder_init(struct dot_decoder *d);
/* Takes bytes from *in and appends decoded ones to `out`; true when the end came (*in stands
 * behind it). Stops early when `out` holds more than out_max bytes or is full. Once there is a
 * flaw nothing is appended. */
bool dot_decode(struct dot_decoder *d, struct str *in, struct buf *out, size_t out_max);

struct dot_encoder {
    unsigned char state;
};

void dot_encoder_init(struct dot_encoder *e);
/* Appends at most 2 * in.n + 1 bytes, and the end at most 5. */
void dot_encode(struct dot_encoder *e, struct str in, struct buf *out);
void dot_encode_end(struct dot_encoder *e, struct buf *out);

/* How many octets `in` becomes on the wire: its bytes and one more for each LF. (No stuffing,
 * no end. A file that already has CRLF counts one too many for each.) */
uint64_t wire_size(struct str in);

#endif
