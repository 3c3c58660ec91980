/*
 * asking - the client of queue.ctl and posta.ctl: one command a line, the answer is one JSON
 * object a line and then "OK n" or "ERR text". Blocks, with a limit.
 */
#ifndef POSTA_CTL_ASKING_H
#define POSTA_CTL_ASKING_H

#include "base/buf.h"
#include "base/err.h"

enum { ASKING_SECONDS = 60, ASKING_LINE_BYTES = 16 * 1024 * 1024 };

struct asking;

/* E_UNAVAILABLE: nobody answers there. */
int asking_open(const char *run_dir, const char *socket, struct asking **out, struct err *err);
void asking_close(struct asking *a); /* accepts NULL */

/* Calls `object` for each line of the answer. The number behind OK, or a negative code:
 * E_DENIED and the words behind ERR when it was refused, E_UNAVAILABLE when the connection
 * broke. */
int asking_ask(struct asking *a, const char *command,
               void (*object)(void *arg, struct str json), void *arg, struct err *err);

/* Connects to a Unix socket, blocking, with time limits on it. A descriptor. */
int asking_connect(const char *path, unsigned seconds, struct err *err);

#endif
