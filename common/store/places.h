/*
 * places - the new/ directories that letters were lately delivered into, kept
 * open so that a letter costs no open() and close(), with what their quota has
 * left. For several threads.
 *
 * Usage is counted by listing the mailbox and kept by adding what is delivered;
 * it is counted again when it is old, and before a letter is refused. So a letter costs no
 * listing, and mail that others remove or add is noticed within QUOTA_FRESH_MS.
 */
#ifndef POSTA_STORE_PLACES_H
#define POSTA_STORE_PLACES_H

#include "base/err.h"
#include "users/users.h"

enum {
    PLACES_MAX = 256,        /* kept open                                         */
    PLACES_TRUST_MS = 1000,  /* then: is it still the directory of that name?      */
    QUOTA_FRESH_MS = 60000,  /* then usage is counted again                       */
    QUOTA_RECOUNT_MS = 2000, /* a full mailbox is not counted more often than this */
};

struct places;
struct place;

/* `root` is the state directory, borrowed. */
struct places *places_new(int root);
void places_free(struct places *p);

/* The place of this user, made where it is missing; places_put() gives it back. */
int places_get(struct places *p, const struct user *user, struct place **out, struct err *err);
void places_put(struct places *p, struct place *place);
int place_new_dir(const struct place *place); /* fd of new/ */
/* It has been taken away under us: the next places_get() opens it anew. */
void places_forget(struct places *p, struct place *place);

/* Counts a letter of `octets` in, or E_NO_SPACE. */
int places_reserve(struct places *p, struct place *place, const struct user *user,
                   uint64_t octets, struct err *err);
void places_give_back(struct places *p, struct place *place,
                      uint64_t octets); /* it did not come to be */
/* As far as it is known without looking: is there no room for `octets` more? */
bool places_full(struct places *p, const struct user *user, uint64_t octets);

#endif
