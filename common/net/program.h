/*
 * program - what every daemon of posta has in common: arguments, configuration, inherited
 * sockets, user, log, signals, the link to the supervisor.
 *
 *   int main(int argc, char **argv) { return program_main(argc, argv, &spec); }
 *
 * Started by the supervisor (or systemd), a process finds its sockets by LISTEN_FDS and
 * LISTEN_FDNAMES. Besides listening sockets (named as in the table below) the supervisor hands
 * over:
 *
 *   "config"    a memfd with the configuration's text      "tls-cert", "tls-key"   PEM bytes
 *   "shared"    the memfd of net/shared.h                  "control"               a
 * SOCK_SEQPACKET pair's end
 *
 * Started alone with -c FILE it reads the files itself and binds for itself.
 *
 * Control messages (a line of text, descriptors beside it): from the supervisor "reload" (with
 * config, tls-cert, tls-key) and "status"; from the child "ready", "reloaded", "refused TEXT",
 * and "status {json}". The end of the control link means the supervisor has gone: drain and
 * leave.
 *
 * SIGTERM: listeners close, idle sessions get their farewell, the rest limits.drain_seconds;
 * then exit 0.
 */
#ifndef POSTA_NET_PROGRAM_H
#define POSTA_NET_PROGRAM_H

#include "base/buf.h"
#include "net/listen.h"
#include "net/loop.h"
#include "net/shared.h"
#include "sys/config.h"

struct program_socket {
    const char *name; /* in LISTEN_FDNAMES: "msa", "msa-tls", "queue.sock" …; several fds may
                         share a name */
    /* Where to bind when alone: one of the two. */
    struct config_list (*addresses)(
        const struct config *c); /* "*:25", "127.0.0.1:2525", "[::1]:25" */
    const char *path;            /* below run_dir                       */
};

struct program {
    struct loop *loop;
    struct config
        *config; /* replaced on reload; what was parsed into it is not kept by others */
    struct shared *shared;
    struct str tls_chain, tls_key; /* PEM; empty where the program has no TLS */
    const struct program_spec *spec;
    void *state; /* the program's own */
};

struct program_spec {
    const char *name;                     /* "posta-msa"                                  */
    const char *about;                    /* for --help: one paragraph                    */
    const struct program_socket *sockets; /* up to one with name NULL                     */
    bool tls;                             /* wants certificate and key                    */
    int (*start)(struct program *p, struct err *err); /* before the first socket      */
    int (*serve)(struct program *p, const char *name, int fd,
                 struct err *err); /* a listening socket: yours */
    int (*reload)(struct program *p, const struct config *old,
                  struct err *err);   /* new config, certs are in p   */
    void (*drain)(struct program *p); /* close listeners, say goodbye to the idle; call
                                         program_drained() when empty */
    void (*stop)(struct program *p);  /* free all; the process ends after it          */
    void (*status)(struct program *p, struct buf *json); /* members: "\"sessions\": 3, …" */
};

int program_main(int argc, char **argv, const struct program_spec *spec);
void program_drained(struct program *p);

#endif
