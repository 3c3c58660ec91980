/*
 * client - one attempt to log in at another server (RFC 4422; Cyrus SASL inside).
 *
 * PLAIN, LOGIN and SCRAM: Cyrus takes the strongest that the server offers. A password that
 * could be read on the way leaves only where the caller says that it may (TLS, or a route that
 * wants none): otherwise just SCRAM is left, which shows nobody the password (RFC 5802 9).
 *
 * A SCRAM step hashes as often as the server asks; Cyrus refuses more than 65,536 rounds.
 */
#ifndef POSTA_SASL_CLIENT_H
#define POSTA_SASL_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

/* Once a process. `log` is told what Cyrus complains about; may be NULL. */
int sasl_clients_init(void (*log)(void *arg, const char *text), void *arg, struct err *err);
void sasl_clients_done(void);

struct sasl_login {
    struct str service;    /* "smtp" */
    struct str host;       /* whom we talk to */
    struct str mechanisms; /* as the server offers them: by spaces */
    struct str user, password;
    bool clear_allowed;
};

enum sasl_client_says {
    SASL_CLIENT_SEND,   /* `response` goes to the server; then its answer comes */
    SASL_CLIENT_FAILED, /* no mechanism that may be used, or the server is not what it says */
};

struct sasl_client;

struct sasl_client *sasl_client_open(const struct sasl_login *l);
void sasl_client_free(struct sasl_client *c); /* wipes; accepts NULL */

/* The first response may be none: then the mechanism is said alone. Both are valid as long as
 * the client, the response until the next step. */
enum sasl_client_says sasl_client_begin(struct sasl_client *c, struct str *mechanism,
                                        bool *has_response, struct str *response);
enum sasl_client_says sasl_client_answer(struct sasl_client *c, struct str challenge,
                                         struct str *response);

/* The server said yes. False where the mechanism has not seen that it knows the password too
 * (RFC 5802 3: the server's signature): then it is somebody else. */
bool sasl_client_accepts(struct sasl_client *c);

#endif
