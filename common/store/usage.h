/*
 * usage - how full mailboxes are, remembered by a process that puts letters into them: counted
 * by listing (store/quota.h), kept by adding what is put in, counted again when that is old,
 * and before anything is refused. As mda does it (store/places.h). For several threads.
 */
#ifndef POSTA_STORE_USAGE_H
#define POSTA_STORE_USAGE_H

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum {
    USAGES_MAX = 256,        /* mailboxes remembered                                  */
    USAGE_FRESH_MS = 60000,  /* then it is counted again                              */
    USAGE_RECOUNT_MS = 2000, /* a full mailbox is not counted more often than this    */
};

struct usages;

struct usages *usages_new(void);
void usages_free(struct usages *u); /* accepts NULL */

struct usage_limits {
    uint64_t octets, letters; /* 0: none */
};

/* Counts letters in, or E_NO_SPACE. `maildir` lies below the directory `root`. */
int usages_reserve(struct usages *u, int root, struct str maildir, uint64_t octets,
                   uint64_t letters, struct usage_limits limits, struct err *err);
void usages_give_back(struct usages *u, struct str maildir, uint64_t octets,
                      uint64_t letters); /* they did not come to be */

#endif
