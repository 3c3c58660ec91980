/*
 * header - the fields in the head of a letter (RFC 5322 2.2), with LF line
 * ends; CRLF of foreign files is understood.
 *
 * Lines that are no field (no colon, nothing before it, folded from nowhere)
 * are passed over. All functions look at no more than HEADER_BYTES.
 */
#ifndef POSTA_HEADER_H
#define POSTA_HEADER_H

#include "base/arena.h"
#include "base/str.h"

enum { HEADER_BYTES = 1024 * 1024 };

struct header_field {
    struct str name;  /* without white space before the colon                          */
    struct str value; /* behind the colon, with its folding, without the last line end  */
    struct str all;   /* the whole field with its last line end                         */
};

/* Where the body begins: behind the first empty line, or the end of `letter` where there is
 * none. */
size_t header_end(struct str letter);

/* The next field; false at the empty line or the end. `*in` starts as the letter or its head.
 */
bool header_next(struct str *in, struct header_field *field);

/* The first field of that name. */
bool header_find(struct str letter, struct str name, struct header_field *field);
size_t header_count(struct str letter, struct str name);

/* Is there a field of that name with just this value (ASCII case apart)? Delivered-To:
 * <address>. */
bool header_has(struct str letter, struct str name, struct str value);

/* One line, without white space at its ends. */
struct str header_unfold(struct arena *a, struct str value);

#endif
