/*
 * logins - the exchanges under way: SASL on the loop, hashes on a pool of their own.
 *
 * A password that was right a moment ago is known without leaving the loop; any other one,
 * right or wrong, of a user who is there or not, pays for one hash and gets its answer
 * afterwards, in the same words (U08).
 */
#ifndef POSTA_AUTHD_LOGINS_H
#define POSTA_AUTHD_LOGINS_H

#include "authd/accounts.h"
#include "net/jobs.h"
#include "users/auth.h"

enum {
    LOGINS_MAX = 16384, /* exchanges open in all                                         */
    LOGINS_HASHES_MAX = 1000, /* waiting for their hash: some 20 s; then "try again later" */
};

struct logins;
struct login;

struct logins_options {
    struct loop *loop;
    struct accounts *accounts; /* read on the loop */
    unsigned hash_threads;
    /* Called on the loop for a step that waited for a hash; after anything but AUTH_CONTINUE
     * `l` is gone. `owner` is what login_begin() got. */
    void (*answer)(void *owner, struct login *l, const struct auth_answer *a);
};

struct logins *logins_new(const struct logins_options *o, struct err *err);
void logins_free(struct logins *ls);

/* Both return true with the answer at hand, false when it comes later. The login is over, and
 * its pointer void, after any answer but AUTH_CONTINUE. The answer's text lives until the next
 * call. */
bool login_begin(struct logins *ls, void *owner, uint32_t exchange, const struct auth_begin *b,
                 bool clear_allowed, struct login **out, struct auth_answer *a);
bool login_continue(struct login *l, struct str response, struct auth_answer *a);
void login_cancel(struct login *l);
bool login_waits(const struct login *l); /* for its hash: login_continue() may not be called */

/* The octets of its number, as a key: they live as long as the login. */
struct str login_key(const struct login *l);
unsigned logins_open(const struct logins *ls);
unsigned logins_remembered(const struct logins *ls);

#endif
