/*
 * fetch_impl - the texts of a FETCH: which octets of a letter a section names
 * (fetch_section.c), and how they reach the wire (fetch_text.c). For work_fetch.c and its
 * tests.
 */
#ifndef POSTA_IMAPD_FETCH_IMPL_H
#define POSTA_IMAPD_FETCH_IMPL_H

#include "imapd/work_impl.h"
#include "mail/structure.h"

#include <sys/types.h>

enum {
    FETCH_SMALL_BYTES = 262144, /* texts up to here are read whole, and so sized exactly */
    FETCH_CHUNK_BYTES = 65536,  /* larger ones are read in such pieces */
    FETCH_FIRST_BYTES = 16384,  /* in which most heads end */
};

/* A letter whose texts are being told. Its strings live in its own arena, its file stays open,
 * so that it can be left in the middle of a literal. */
struct letter {
    struct arena arena;
    struct buf chosen; /* fields that an item chose */
    bool open;         /* under way */
    uint32_t uid;
    uint64_t size, vsize;
    struct str header; /* fields that are kept */
    bool has_header;
    struct part *top;
    int fd;
    bool crlf, damaged; /* it is not as long as it should be */
    bool other;         /* read whole, it is not as many octets on the wire as was said */
    bool has_head;
    uint64_t head_end, head_wire; /* where the head ends in the file */
    unsigned item;                /* the next one */
    bool streaming;
    struct {
        uint64_t from; /* where the text begins */
        uint64_t at, end;
        uint64_t wire; /* what `at` is on the wire, behind `from` */
        uint64_t skip, left;
        char last;
        bool whole; /* all of the letter was asked for */
    } stream;
};

void letter_init(struct letter *l);
void letter_close(struct letter *l); /* for the next one */
void letter_done(struct letter *l);

/* ---- sections ---- */

/* Where a text lies in the file, or the text itself, valid until the next section_find(). */
struct text {
    enum { TEXT_NIL, TEXT_BYTES, TEXT_RANGE } kind;
    struct str bytes;
    uint64_t at, end;
    uint64_t wire; /* octets of the range on the wire */
};

/* What mailbox_scan() must give for an item. */
unsigned section_want(const struct fetch_item *item);
/* `BODY[1.HEADER.FIELDS (Subject)]<0>` */
void section_print(struct buf *out, const struct fetch_item *item);
/* May read the letter's head. Negative: it cannot be read. */
int section_find(struct letter *l, const struct fetch_item *item, struct text *out);

/* ---- the wire ---- */

/* Octets of `in` as they go over the wire, with CRLF line ends: in a file with LF each LF
 * becomes CRLF; in one with CRLF those that stand alone (FORMAT.md). *last is the octet before.
 */
uint64_t wire_count(struct str in, bool crlf, char last);
/* Into `to`, where wire_count() octets have room; returns what stands behind them. NUL cannot
 * be in a literal (RFC 3501 4.3.1): 0x80 stands for it. */
char *wire_write(char *to, struct str in, bool crlf, char last);

/* pread() until `room` is full or the file ends. -errno. */
ssize_t letter_read(const struct letter *l, char *to, size_t room, uint64_t at);

/* " {n}\r\n" and the text, or NIL; what is large only begins: letter->streaming. */
void text_tell(struct step *s, struct letter *l, const struct fetch_item *item,
               const struct text *text);
/* Goes on with it: true when it is done, false when `out` is full. */
bool text_stream(struct step *s, struct letter *l);

#endif
