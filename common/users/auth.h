/*
 * auth - the client of auth.sock: forwards SASL exchanges to authd.
 *
 * Lines in both directions, CRLF-free ('\n'), fields by TAB, octets in base64
 * ("-" for none, "=" for empty), each with the number of its exchange:
 *
 *   C: AUTH n service mechanism peer-address binding-name binding-data has-tls response
 *   C: CONT n response
 *   C: CANCEL n
 *   S: CONT n challenge
 *   S: OK n user
 *   S: FAIL n (bad | temp | disabled)  text
 *
 * Administration (only for uid 0 and the owner of the state directory; authd says which uid it saw):
 *
 *   C: PASSWD n user password        S: OK n user
 *   C: REMOVE n user                 S: OK n user
 *   C: STATUS n                      S: OK n key=value …
 *
 * This header is the pure half: it prints and parses lines. The connection lives in net/auth_link.h.
 */
#ifndef POSTA_USERS_AUTH_H
#define POSTA_USERS_AUTH_H

#include "base/buf.h"

enum { AUTH_LINE_BYTES = 32768 };

struct auth_begin {
    struct str service;      /* "smtp", "imap", "pop3"                */
    struct str mechanism;    /* upper case                            */
    struct str peer;         /* address; "" for Unix sockets          */
    struct str binding_name; /* "" in clear                           */
    struct str binding;      /* octets                                */
    bool tls;
    bool has_response;
    struct str response;     /* octets                                */
};

enum auth_status { AUTH_CONTINUE, AUTH_OK, AUTH_BAD, AUTH_TEMP, AUTH_DISABLED };

struct auth_answer {
    uint32_t exchange;
    enum auth_status status;
    struct str text; /* AUTH_CONTINUE: challenge octets; AUTH_OK: the user; else words; points into `scratch` */
};

void auth_print_begin(struct buf *out, uint32_t exchange, const struct auth_begin *b);
void auth_print_continue(struct buf *out, uint32_t exchange, struct str response);
void auth_print_cancel(struct buf *out, uint32_t exchange);
/* One line without its '\n'. */
bool auth_parse_answer(struct str line, struct buf *scratch, struct auth_answer *out);

#endif
