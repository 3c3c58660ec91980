/*
 * quota - how much a mailbox holds: letters and octets of new/ and cur/ of all
 * its folders, from the names where they say it.
 */
#ifndef POSTA_STORE_QUOTA_H
#define POSTA_STORE_QUOTA_H

#include "base/err.h"

#include <stdint.h>

struct quota_usage {
    uint64_t octets, letters;
};

/* The Maildir at `path` below `at`. What cannot be read counts as nothing. */
int quota_count(int at, const char *path, struct quota_usage *out, struct err *err);

#endif
