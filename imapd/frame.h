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
    FRAME_LINE_BYTES = 65536, /* of a command without its literals, once logged in (I08) */
    FRAME_STRANGER_LINE_BYTES = 8192, /* before */
    FRAME_COMMAND_BYTES = 1 << 20, /* with its literals; 8 KiB before login                  */
    FRAME_LITERALS = 1000,         /* a command (I07)                                        */
    FRAME_INPUT_BYTES = 262144,    /* fed and not yet taken                                  */
};

enum frame_event {
    FRAME_MORE,    /* feed                                                          */
    FRAME_COMMAND, /* text: all of it; valid until frame_next()                      */
    FRAME_LITERAL, /* text: the command so far with "{n}"; octets, synchronizing: answer with
                      frame_take(), frame_stream() or frame_refuse()                  */
    FRAME_PIECE,   /* of a streamed literal: text; the last one when `last`          */
    FRAME_BAD, /* a line that is no command: bad literal syntax (I03), NUL; told once, the rest
                  of the command is passed over. text: what is known of it (the tag)  */
    FRAME_TOO_LONG, /* over a limit: say BYE and close                                 */
};

struct frame {
    struct buf in;      /* fed, not yet looked at   */
    struct buf command; /* gathered                 */
    struct str text;
    uint64_t octets; /* of the literal, still to come while streaming */
    uint32_t literals;
    bool synchronizing, last;
    bool stranger; /* the lower limits */
    int state;     /* frame.c's own */
    size_t scanned;
};

void frame_init(struct frame *f);
void frame_done(struct frame *f);
void frame_feed(struct frame *f, struct str in);
enum frame_event frame_next(struct frame *f);
void frame_take(struct frame *f);
void frame_stream(struct frame *f); /* pieces come as FRAME_PIECE, then the rest of the command
                                       as FRAME_COMMAND */
void frame_refuse(struct frame *f); /* synchronizing: the client will not send it; else it is
                                       passed over with the rest of the command */

/* A line that is not a command: the answer to a challenge, DONE. True: *line without CRLF,
 * valid until the next call. */
bool frame_line(struct frame *f, struct str *line);
void frame_restart(struct frame *f);    /* TLS: what was read ahead is gone (T02) */
bool frame_idle(const struct frame *f); /* nothing half read */
void frame_rest(struct frame *f);       /* gives idle memory back */

#endif
