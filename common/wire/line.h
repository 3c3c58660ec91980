/*
 * line - cuts a stream into CRLF lines (framing: may stop in the middle).
 */
#ifndef POSTA_WIRE_LINE_H
#define POSTA_WIRE_LINE_H

#include "base/str.h"

enum line_result {
    LINE_MORE,     /* no end within `max` yet                                    */
    LINE_OK,       /* *line is the line without CRLF, *in moved past it           */
    LINE_TOO_LONG, /* more than `max` octets with CRLF and no end; *in untouched  */
    LINE_BAD,      /* a bare CR, a bare LF or a NUL stands before the end; *in untouched */
};

/* `scanned` (may be NULL) remembers between calls how much of *in holds no end, so that a line
 * that comes in single bytes is not searched from its start each time; 0 at first and reset on
 * LINE_OK. */
enum line_result line_take(struct str *in, size_t max, size_t *scanned, struct str *line);

#endif
