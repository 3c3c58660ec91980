/*
 * charset - text of any charset as UTF-8 (iconv inside), and text folded so that equal means
 * "the same to a person who searches".
 *
 * Never fails on bytes: what is not valid becomes U+FFFD (M08). Both go over text in pieces:
 * cut anywhere, the result is the same. The charsets are those of a table and no others: a
 * stranger names them, and each may load code into the process. Labels mean what programs that
 * wrote them meant: "iso-8859-1" is windows-1252, "gb2312" is GB 18030 (as the WHATWG's
 * Encoding Standard has it). Pure; converters that are not in use are kept for the process, one
 * a charset.
 */
#ifndef POSTA_MAIL_CHARSET_H
#define POSTA_MAIL_CHARSET_H

#include "base/buf.h"

enum {
    CHARSET_NAME_BYTES = 64,
    CHARSET_HELD_BYTES = 16,     /* of a sequence that is not whole yet; none is so long */
    CHARSET_ISLAND_BYTES = 4096, /* beyond ASCII, folded at once */
};

/* Is there such a charset? UTF-7 is not one (I13: text in it hides what it says). "" and
 * "us-ascii" are, and read as UTF-8. */
bool charset_known(struct str name);

/* ---- to UTF-8 ---- */
struct charset;

struct charset_reader {
    const struct charset *charset; /* NULL: UTF-8, or unknown */
    void *converter;
    bool unknown;
    unsigned n;
    char held[CHARSET_HELD_BYTES];
};

/* Of an unknown charset octets above 0x7f become U+FFFD each. */
void charset_reader_init(struct charset_reader *r, struct str name);
void charset_reader_feed(struct charset_reader *r, struct buf *out, struct str in);
void charset_reader_end(struct charset_reader *r, struct buf *out); /* begins again with feed */
void charset_reader_done(struct charset_reader *r);

void charset_to_utf8(struct buf *out, struct str charset, struct str in); /* all of `in` */

/* ---- folded for comparing ----
 * RFC 3501 6.4.4 wants case aside for ASCII; here it is for all of Unicode, with canonical
 * composition (like RFC 5051 without its titlecase map). The text is UTF-8; what is not becomes
 * U+FFFD. White space runs, with the CRLF of folding, become one space. */
struct charset_folder {
    struct buf held; /* what a combining mark might still follow */
    bool space;      /* the last that came out is one            */
};

void charset_folder_init(struct charset_folder *f);
void charset_folder_feed(struct charset_folder *f, struct buf *out, struct str in);
void charset_folder_end(struct charset_folder *f, struct buf *out); /* begins again with feed */
void charset_folder_done(struct charset_folder *f);

void charset_fold(struct buf *out, struct str in); /* all of `in` */

/* The same for a short text that is all ASCII, without memory: the octets of it in `to`, which
 * has room for in.n; SIZE_MAX where it is not ASCII. */
size_t charset_fold_ascii(char *to, struct str in);

#endif
