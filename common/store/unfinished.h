/*
 * unfinished - files in tmp/ that are being written: named by us and locked, so that whoever
 * finds one that nobody holds may remove it at once; and what others left is removed when it is
 * 36 hours old, as every Maildir program does it.
 */
#ifndef POSTA_STORE_UNFINISHED_H
#define POSTA_STORE_UNFINISHED_H

#include "base/err.h"
#include "base/id.h"

#define UNFINISHED_PREFIX "posta-append."

enum {
    UNFINISHED_NAME_BYTES = sizeof(UNFINISHED_PREFIX) + ID_LETTERS,
    UNFINISHED_OLD_S = 36 * 60 * 60,
};

struct unfinished {
    struct id id;
    int fd; /* locked as long as it is open */
    char name[UNFINISHED_NAME_BYTES];
};

int unfinished_make(struct unfinished *u, int tmp, struct err *err);
void unfinished_sweep(int tmp);

#endif
