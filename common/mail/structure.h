/*
 * structure - the MIME tree of a letter (RFC 2045, 2046): what BODYSTRUCTURE tells (RFC 3501
 * 7.4.2) and where each part lies, found in one pass over the bytes.
 *
 * Never fails: broken MIME becomes text/plain or application/octet-stream as RFC 2045 5.2 says,
 * what is nested or repeated beyond the limits is opaque (M01, M02, M06, M07). Linear time;
 * memory by the number of parts, not by size.
 *
 * Offsets count octets of the file as it lies there. Its first line says whether it has LF or,
 * as foreign files may, CRLF; a CR before LF among LFs is text.
 */
#ifndef POSTA_MAIL_STRUCTURE_H
#define POSTA_MAIL_STRUCTURE_H

#include "base/arena.h"
#include "base/buf.h"

enum {
    STRUCTURE_DEPTH = 100,
    STRUCTURE_PARTS = 10000,
    STRUCTURE_PARAMS = 100,           /* a field's */
    STRUCTURE_BOUNDARY_BYTES = 255,   /* RFC 2046 5.1.1 says 70; no more is compared */
    STRUCTURE_HEADER_BYTES = 1 << 20, /* of one part; what follows is not looked at (M03) */
    STRUCTURE_LANGUAGES = 50,
    STRUCTURE_ENVELOPES_BYTES = 16 << 20, /* of all letters in a letter; then they are NIL */
};

/* RFC 2231's continuations are joined, not decoded: name "filename*", value "utf-8''%41". */
struct part_param {
    struct str name, value;
};

struct part_params {
    struct part_param *p;
    unsigned n;
};

struct part {
    struct part *parent, *next,
        *kids; /* kids of multipart; of message/rfc822 the one letter inside */
    unsigned nkids;
    struct str type, subtype; /* as written in the letter, default filled in */
    struct part_params params;
    struct str id, description, transfer_encoding; /* p is NULL where there is none */
    struct str md5, disposition, location;
    struct part_params disposition_params;
    struct str *languages;
    unsigned nlanguages;
    struct str envelope; /* of the letter inside message/rfc822: envelope_print()'s text; "" is
                            one of NILs */

    uint64_t header_at; /* its MIME head; the whole letter's head for the top part */
    uint64_t body_at;   /* = header_at + octets of the head with the empty line     */
    uint64_t body_end;
    uint64_t header_lf, body_lf; /* LFs that become CRLF: wire octets are octets + lf */
    uint64_t body_lines;         /* RFC 3501's "size of the body in text lines" */
};

static inline uint64_t part_header_wire(const struct part *p)
{
    return p->body_at - p->header_at + p->header_lf;
}

static inline uint64_t part_body_wire(const struct part *p)
{
    return p->body_end - p->body_at + p->body_lf;
}

bool part_is(const struct part *p, const char *type,
             const char *subtype); /* NULL: any; ASCII case apart */

/* ---- reading: feed the letter in pieces cut anywhere, from its first octet ---- */
struct structure_reader;

struct structure_reader *structure_reader_new(struct arena *a); /* the tree lives in `a` */
void structure_reader_feed(struct structure_reader *r, struct str piece);
struct part *structure_reader_end(struct structure_reader *r); /* frees r; never NULL */

struct part *structure_parse(struct str letter, struct arena *a);

/* ---- telling and keeping ---- */
void structure_print(struct buf *out, const struct part *top,
                     bool extended); /* BODYSTRUCTURE; else BODY */

/* A form to keep: packed and unpacked again it prints the same. NULL for what is not one. */
void structure_pack(struct buf *out, const struct part *top);
struct part *structure_unpack(struct str packed, struct arena *a);

/* The part that a section's numbers name (RFC 3501 6.4.5: 1 of a letter that is not multipart
 * is its body; numbers go through message/rfc822). NULL where there is none. n 0: top. */
const struct part *structure_find(const struct part *top, const uint32_t *numbers, unsigned n);

#endif
