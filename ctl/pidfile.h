/*
 * pidfile - run_dir/posta.pid: the supervisor's pid, and the lock that lets only one of them
 * live.
 *
 * The lock is on the open file and ends with the process, however it ends; a file left behind
 * means nothing.
 */
#ifndef POSTA_CTL_PIDFILE_H
#define POSTA_CTL_PIDFILE_H

#include "base/err.h"

#include <sys/types.h>

/* A descriptor that holds the lock as long as it is open. E_BUSY: "posta runs already, as
 * process 123". */
int pidfile_take(const char *run_dir, struct err *err);
/* Another pid in the same file (after a fork). */
int pidfile_write(int fd, struct err *err);
void pidfile_drop(int fd);

/* The pid of the supervisor that holds the lock; 0 when there is none; negative when that
 * cannot be known. */
pid_t pidfile_holder(const char *run_dir, struct err *err);
/* run_dir/posta.children: locked as long as one of the supervisor's processes lives, for each
 * holds the descriptor. After a supervisor that was killed, this waits at most `seconds` for
 * the end of what it left behind: ports and databases are theirs until then. */
int pidfile_children(const char *run_dir, unsigned seconds, struct err *err);

/* Waits until nobody holds it; 0, or E_BUSY after `seconds`. */
int pidfile_wait_gone(const char *run_dir, unsigned seconds, struct err *err);

#endif
