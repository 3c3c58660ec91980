/*
 * sockets - every listening socket of the system, bound by the supervisor: the only step that
 * needs root.
 *
 * A change is made in two steps, so that a configuration that cannot be had changes nothing:
 * sockets_prepare() binds what is new, then sockets_commit() takes it over and shuts down what
 * is wanted no more, or sockets_abandon() closes what was bound. What stays the same keeps its
 * descriptor, and the connections that wait in it.
 */
#ifndef POSTA_CTL_SOCKETS_H
#define POSTA_CTL_SOCKETS_H

#include "base/err.h"
#include "base/list.h"
#include "ctl/services.h"

enum {
    SOCKET_WHERE_BYTES = 128,
    SOCKETS_OF_A_KEY = 24
}; /* two keys, two families: below SPAWN_FDS */

struct socket {
    struct list link;
    const struct service *service; /* NULL: the supervisor's own */
    const char *name;
    char where[SOCKET_WHERE_BYTES]; /* "127.0.0.1:25", "queue.sock" */
    int fd;
    bool fresh;  /* bound since the last commit */
    bool wanted; /* by the configuration that is prepared */
};

struct sockets {
    struct list all;
};

void sockets_init(struct sockets *s);
/* Closes all; the files of Unix sockets go with unlink_in != NULL (run_dir). */
void sockets_done(struct sockets *s, const char *unlink_in);

/* Who owns Unix sockets, in group and user; -1 leaves them to the caller. */
int sockets_prepare(struct sockets *s, const struct config *c, gid_t group, struct err *err);
void sockets_commit(struct sockets *s); /* `fresh` stays until sockets_settled() */
void sockets_abandon(struct sockets *s);
void sockets_settled(struct sockets *s);

/* No new connections from outside; our own processes still reach each other while they end. */
void sockets_close_tcp(struct sockets *s);

int sockets_find(const struct sockets *s, const char *name); /* a descriptor, or -1 */

#endif
