/*
 * bind - listening sockets from the words of the configuration.
 *
 * "*:25" is both families (two sockets, so that an IPv4 peer is never shown as ::ffff:…),
 * "127.0.0.1:25" and "[::1]:25" one. Everything is non-blocking and close-on-exec. Used by the
 * supervisor, and by a program that runs alone.
 */
#ifndef POSTA_NET_BIND_H
#define POSTA_NET_BIND_H

#include "base/err.h"
#include "base/str.h"

#include <sys/types.h>

enum { BIND_SOCKETS = 2 }; /* most sockets of one address */

/* Returns how many sockets there are now in fds. A taken port is -EADDRINUSE. */
int bind_tcp(const char *where, int fds[BIND_SOCKETS], struct err *err);

/* Takes the place of a socket that nobody serves any more. Returns the descriptor. */
int bind_unix(const char *path, mode_t mode, struct err *err);

/* Is `where` such an address? Nothing is bound. */
bool bind_valid(const char *where, struct err *err);

#endif
