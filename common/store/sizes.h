/*
 * sizes - what the letters of a listing take on the wire, where their names do
 * not say so: from index.db, or by reading each once and telling index.db.
 */
#ifndef POSTA_STORE_SIZES_H
#define POSTA_STORE_SIZES_H

#include "store/listing.h"

/* Of the INBOX in the Maildir at this path. Never fails: what cannot be read counts as empty,
 * and an index that cannot be used is done without. */
void sizes_find(struct listing *list, const char *maildir, int new_fd, int cur_fd);

#endif
