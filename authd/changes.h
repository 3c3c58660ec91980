/*
 * changes - new passwords and users that go: hashed on one pool, written by another, many with
 * one flush.
 */
#ifndef POSTA_AUTHD_CHANGES_H
#define POSTA_AUTHD_CHANGES_H

#include "authd/accounts.h"
#include "net/jobs.h"
#include "users/auth.h"

enum { CHANGES_MAX = 10000, CHANGES_BATCH = 64 };

struct changes;

struct changes_options {
    struct loop *loop;
    struct accounts *accounts; /* used by the writing thread alone */
    unsigned hash_threads;
    void (*answer)(void *owner,
                   const struct auth_answer *a); /* on the loop, when it is durable */
};

struct changes *changes_new(const struct changes_options *o);
void changes_free(struct changes *c);

/* For AUTH_VERB_PASSWD and AUTH_VERB_REMOVE: true with an answer at once where nothing can be
 * done, false when it comes later. */
bool changes_take(struct changes *c, void *owner, const struct auth_request *r,
                  struct auth_answer *a);
/* The owner has gone: what is under way is still done, and answered to nobody. */
void changes_forget(struct changes *c, const void *owner);
unsigned changes_open(const struct changes *c);

#endif
