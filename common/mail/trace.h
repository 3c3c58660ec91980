/*
 * trace - the fields that tell a letter's way: Received and Return-Path (RFC
 * 5321 4.4), Delivered-To, and the Message-ID that a submission lacks.
 *
 * LF line ends. What strangers said is cut short and stripped of everything
 * that could end a field, a comment or a line.
 */
#ifndef POSTA_TRACE_H
#define POSTA_TRACE_H

#include "base/buf.h"
#include "base/id.h"

enum { TRACE_WORD_BYTES = 255 }; /* of a name or cipher that goes into a field */

struct trace_received {
    struct str helo; /* as the client said it; "" where it did not          */
    struct str rdns; /* its verified name; "" prints "unknown"              */
    struct str ip;   /* "192.0.2.1", "2001:db8::1"; "" for a Unix socket     */
    struct str user; /* who logged in; printed only where show_user is set  */
    bool show_user;
    struct str by;   /* our name                                            */
    struct str with; /* trace_protocol()                                    */
    struct id id;
    struct str tls_version, tls_cipher; /* "" in clear */
    int tls_bits;
    struct str
        rcpt; /* the only recipient; "" where there are more: none may learn of the others */
    int64_t now_s;
};

/* "ESMTPSA" and its like: RFC 3848, RFC 6531 4.3. */
struct str trace_protocol(bool lmtp, bool extended, bool smtputf8, bool tls, bool auth);

void trace_received_print(struct buf *out, const struct trace_received *t);
void trace_return_path_print(struct buf *out, struct str reverse_path);
void trace_delivered_to_print(struct buf *out, struct str address);
void trace_message_id_print(struct buf *out, const struct id *id,
                            struct str hostname); /* the field */

#endif
