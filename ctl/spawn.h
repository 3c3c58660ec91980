/*
 * spawn - one process of ours: its descriptors named by LISTEN_FDS and LISTEN_FDNAMES, its
 * user, its place in the shared table, and the promise that it does not outlive the supervisor.
 */
#ifndef POSTA_CTL_SPAWN_H
#define POSTA_CTL_SPAWN_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

enum { SPAWN_FDS = 128 };

struct spawn {
    const char *path; /* of the program                              */
    const char *name; /* argv[0]                                     */
    bool as_user;     /* become uid and gid                           */
    uid_t uid;
    gid_t gid;
    unsigned worker;
    int input;          /* its standard input; 0: /dev/null */
    int log;            /* its standard error; 0: ours */
    int fds[SPAWN_FDS]; /* not owned: the caller closes its own       */
    const char *names[SPAWN_FDS];
    unsigned n;
};

void spawn_add(struct spawn *s, const char *name, int fd);

/* The pid, or negative. A program that cannot be executed ends with status 127 and says why. */
pid_t spawn_start(const struct spawn *s, struct err *err);

/* Bytes in a sealed memfd, for a child to read. */
int spawn_memfd(const char *name, const void *bytes, size_t n, struct err *err);

#endif
