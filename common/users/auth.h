/*
 * auth - what is said on auth.sock: the exchanges of SASL, forwarded to authd by the other
 * boxes.
 *
 * Lines in both directions, ended by '\n' alone, fields by TAB. `n` is the number of the
 * exchange, chosen by the client and free again after the last answer. Octets are in base64,
 * "-" for none and "=" for empty.
 *
 *   C: AUTH n service mechanism peer-address binding-name binding-octets (tls | clear)
 * response-octets C: CONT n response-octets C: CANCEL n S: CONT n challenge-octets S: OK n user
 *   S: FAIL n (bad | temp | disabled) text
 *
 * Administration (only for uid 0 and the owner of the state directory; authd says which uid it
 * saw):
 *
 *   C: PASSWD n user-octets password-octets   S: OK n user
 *   C: REMOVE n user-octets                   S: OK n user
 *   C: STATUS n                               S: OK n key=value key=value ...
 *
 * This header is the pure half: it prints and parses lines. The connection lives in
 * net/auth_link.h.
 */
#ifndef POSTA_USERS_AUTH_H
#define POSTA_USERS_AUTH_H

#include "base/buf.h"

enum {
    AUTH_LINE_BYTES = 32768,
    AUTH_TOKEN_BYTES = 64,      /* service, mechanism, peer, binding name            */
    AUTH_RESPONSE_BYTES = 12288 /* one response, decoded (RFC 4954 4, RFC 5034 4)    */
};

struct auth_begin {
    struct str service;      /* "smtp", "imap", "pop3"                */
    struct str mechanism;    /* upper case                            */
    struct str peer;         /* address; "" for Unix sockets          */
    struct str binding_name; /* "" in clear                           */
    struct str binding;      /* octets                                */
    bool tls;
    bool has_response;
    struct str response; /* octets                                */
};

enum auth_status { AUTH_CONTINUE, AUTH_OK, AUTH_BAD, AUTH_TEMP, AUTH_DISABLED };

struct auth_answer {
    uint32_t exchange;
    enum auth_status status;
    struct str text; /* AUTH_CONTINUE: challenge octets; AUTH_OK: the user; else words; points
                        into `scratch` */
};

enum auth_verb {
    AUTH_VERB_AUTH,
    AUTH_VERB_CONT,
    AUTH_VERB_CANCEL,
    AUTH_VERB_PASSWD,
    AUTH_VERB_REMOVE,
    AUTH_VERB_STATUS
};

struct auth_request {
    enum auth_verb verb;
    uint32_t exchange;
    struct auth_begin begin; /* AUTH           */
    struct str response;     /* CONT           */
    struct str user;         /* PASSWD, REMOVE */
    struct str password;     /* PASSWD         */
};

/* The client's lines. */
void auth_print_begin(struct buf *out, uint32_t exchange, const struct auth_begin *b);
void auth_print_continue(struct buf *out, uint32_t exchange, struct str response);
void auth_print_cancel(struct buf *out, uint32_t exchange);
void auth_print_passwd(struct buf *out, uint32_t exchange, struct str user,
                       struct str password);
void auth_print_remove(struct buf *out, uint32_t exchange, struct str user);
void auth_print_status(struct buf *out, uint32_t exchange);
/* The server's. Control characters in words and users become '?'. */
void auth_print_answer(struct buf *out, const struct auth_answer *a);

/* One line without its '\n'. The results point into `line` and `scratch`, whose limit is at
 * least AUTH_LINE_BYTES and which is cleared first; they may hold a password: wipe it. */
bool auth_parse_request(struct str line, struct buf *scratch, struct auth_request *out);
bool auth_parse_answer(struct str line, struct buf *scratch, struct auth_answer *out);

#endif
