/*
 * files_max - how many descriptors a process may have.
 *
 * Strangers' connections and the files of users' letters are descriptors of the same process:
 * there must be far more of them than limits.connections, or who floods a port closes the
 * mailboxes.
 */
#ifndef POSTA_SYS_FILES_MAX_H
#define POSTA_SYS_FILES_MAX_H

#include "sys/config.h"

enum {
    FILES_DOORS = 2,  /* a server's ports: limits.connections holds for each */
    FILES_OWN = 1000, /* letters, folders, databases, sockets of ours        */
};

/* What a process wants with these limits. */
uint64_t files_max_wanted(const struct config_limits *limits);
/* Raises this process's limit, and that of the processes it starts, as far as it may: all to
 * the hard limit, root above it up to `wanted`. Returns what it is then. */
uint64_t files_max_raise(uint64_t wanted);

#endif
