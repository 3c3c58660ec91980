/*
 * tree - the folders of state_dir and run_dir, with their owners and rights
 * (docs/architecture.md: Rights).
 *
 * Without root everything is the caller's; the rights are the same.
 */
#ifndef POSTA_CTL_TREE_H
#define POSTA_CTL_TREE_H

#include "base/buf.h"
#include "base/err.h"
#include "sys/config.h"

#include <sys/types.h>

/* Makes what is not there and sets owners and rights right; each thing done is told, in words,
 * to `did`. */
int tree_make(const struct config *c, void (*did)(const char *what), struct err *err);

/* run_dir is made when it is missing (it is often on a tmpfs). As root *group is that of
 * SERVICE_GROUP, else -1. */
int tree_run_dir(const struct config *c, gid_t *group, struct err *err);

/* What would make every process fail: missing folders, two file systems. Words say what to do.
 */
int tree_ready(const struct config *c, struct err *err);

/* Everything that is not as it should be, a line each; returns how many. */
unsigned tree_check(const struct config *c, struct buf *faults);

#endif
