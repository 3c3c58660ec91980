/*
 * supervisor - what `posta start` becomes: one process that binds every socket, starts each
 * program under its own user, starts again what dies, and hands on new configuration, keys and
 * sockets.
 *
 *   starting ──all serve──▶ serving ──SIGTERM, STOP──▶ stopping ──all gone──▶ status 0
 *       │                    │   ▲ SIGHUP, RELOAD: a bad configuration changes nothing
 *       └── one cannot be started: all are stopped, status 1
 *
 * It opens no letter and no database, and reads nothing from the network.
 */
#ifndef POSTA_CTL_SUPERVISOR_H
#define POSTA_CTL_SUPERVISOR_H

#include "base/buf.h"
#include "base/err.h"
#include "sys/config.h"

struct supervisor_options {
    const char *config_path; /* absolute                                             */
    const char *log_file;    /* NULL: the log stays on standard error                */
    int report;              /* "" and the end when all serve, else why not; -1: nobody waits */
};

/* Returns the exit status. */
int supervisor_run(const struct supervisor_options *o);

/* The configuration and the files that it names, read and checked. */
struct loaded {
    struct config *config;
    struct buf text, tls_chain, tls_key;
};

void loaded_init(struct loaded *l);
void loaded_done(struct loaded *l);
/* 0, or negative with every fault on a line of its own in `faults`. The first reads the
 * configuration without keys. */
int loaded_read_config(struct loaded *l, const char *config_path, struct buf *faults);
int loaded_read(struct loaded *l, const char *config_path, struct buf *faults);

#endif
