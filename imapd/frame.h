/*
 * frame - where an IMAP command begins and ends: lines that go on behind literals (RFC
 * 3501 4.3, RFC 7888 for {n+}).
 *
 * Bytes are fed as they come. A command is handed out whole, its literals in it as they were
 * sent
 * ("{5}\r\nhello" stays so), and without its last CRLF. A lone LF ends no line. Where a literal
 * announces itself, whoever drives the frame decides: take it into the command, stream it, or
 * refuse the command. Pure.
 */
#ifndef POSTA_IMAPD_FRAME_H
#define POSTA_IMAPD_FRAME_H

#include "base/buf.h"

enum {
    FRAME_LINE_BYTES = 65536,      /* of a command without its literals, once logged in (I08) */
    FRAME_STRANGER_BYTES = 8192,   /* before: of a command with all of it                     */
    FRAME_COMMAND_BYTES = 1 << 20, /* with its literals                                       */
    FRAME_LITERALS = 1000,         /* a command (I07)                                         */
    FRAME_INPUT_BYTES = 262144,    /* fed and not yet taken                                   */
    FRAME_PIECE_BYTES = 65536,     /* of a streamed literal; the last one is shorter          */
};

enum frame_event {
    FRAME_MORE,    /* feed                                                                */
    FRAME_COMMAND, /* text: all of it; of one with a streamed literal what stands behind it */
    FRAME_LITERAL, /* text: the command so far with its "{n}"; octets, synchronizing, fits:
                      answer with frame_take(), frame_stream() or frame_refuse()           */
    FRAME_PIECE,   /* of a streamed literal: text; the last one when `last`                */
    FRAME_BAD,     /* a line with NUL or a bare CR or LF; text: as far as it was read (the tag);
                      the rest of the command is passed over                                  */
    FRAME_TOO_LONG, /* over a limit: say BYE and close; nothing more will come             */
};

struct frame {
    struct buf in;      /* fed, not yet looked at                        */
    struct buf command; /* gathered; what `text` points into             */
    struct str text;    /* valid until frame_next(), whatever is fed      */
    uint64_t octets;    /* of the literal; still to come while streaming  */
    uint32_t literals, line_bytes;
    size_t scanned; /* of `in`, without a line end */
    unsigned char state;
    bool synchronizing, last;
    bool fits;     /* FRAME_LITERAL: frame_take() is allowed */
    bool stranger; /* the lower limits; what was taken is wiped, as it may be a password */
    bool handed, skipping;
};

void frame_init(struct frame *f);
void frame_done(struct frame *f);
void frame_feed(struct frame *f, struct str in);
enum frame_event frame_next(struct frame *f);
void frame_take(struct frame *f);
void frame_stream(struct frame *f);
/* Synchronizing: the client will not send it; else it is passed over with the rest of the
 * command. Also allowed while it is streamed, up to the end of the command. */
void frame_refuse(struct frame *f);

/* A line that is not a command: the answer to a challenge, DONE. FRAME_COMMAND: *line without
 * CRLF, valid until the next call; FRAME_MORE, FRAME_BAD, and FRAME_TOO_LONG above `max`. */
enum frame_event frame_line(struct frame *f, size_t max, struct str *line);
void frame_trust(struct frame *f);      /* logged in: what was said until now is wiped */
void frame_restart(struct frame *f);    /* TLS: what was read ahead is gone (T02) */
bool frame_idle(const struct frame *f); /* nothing half read */
void frame_rest(struct frame *f);       /* gives idle memory back */

#endif
