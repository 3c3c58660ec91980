/*
 * program - what every daemon of posta has in common: arguments, configuration, inherited
 * sockets, log, signals, the link to the supervisor.
 *
 *   int main(int argc, char **argv) { return program_main(argc, argv, &spec); }
 *
 * Started by the supervisor (or systemd), a process finds its sockets by LISTEN_PID, LISTEN_FDS
 * and LISTEN_FDNAMES. Besides listening sockets (named as in the program's table) the
 * supervisor hands over:
 *
 *   "config"    a memfd with the configuration's text      "tls-cert", "tls-key"   PEM bytes
 *   "shared"    the memfd of net/shared.h                  "control"    a SOCK_SEQPACKET's end
 *
 * and POSTA_WORKER, the process's number in the shared table. A socket whose name is not in the
 * table (systemd's default is the unit's name) is known by its port or path as configured, else
 * by its place. Started alone with -c FILE a process reads the files itself; without inherited
 * sockets it binds for itself.
 *
 * Control messages (a text a packet, descriptors beside it): from the supervisor "reload NAME
 * NAME …", one name for each descriptor, in order (config, tls-cert, tls-key, new sockets), and
 * "status"; from the child "ready", "reloaded", "refused TEXT", and "status {json}". The end of
 * the control link means the supervisor has gone: drain and leave.
 *
 * SIGTERM: listeners close, idle sessions get their farewell, the rest limits.drain_seconds;
 * then exit 0. A second one: at once. SIGHUP, when alone: the configuration and the keys are
 * read again; addresses to listen on stay as they are.
 */
#ifndef POSTA_NET_PROGRAM_H
#define POSTA_NET_PROGRAM_H

#include "base/buf.h"
#include "net/listen.h"
#include "net/loop.h"
#include "net/shared.h"
#include "sys/config.h"

enum { PROGRAM_CONTROL_BYTES = 4096 }; /* of one control message */

struct program_socket {
    const char
        *name; /* in LISTEN_FDNAMES: "msa", "msa-tls", "queue.sock" …; several may share it */
    /* Where to bind when alone: one of the two. */
    struct config_list (*addresses)(const struct config *c); /* "*:25", "127.0.0.1:2525" */
    const char *path;                                        /* below run_dir            */
    mode_t mode; /* of the path; 0: 0660. Who may do what is decided by SO_PEERCRED */
};

struct program {
    struct loop *loop;
    struct config *config;         /* replaced on reload: keep no pointer into the old one */
    struct shared *shared;         /* never NULL: private to this process when alone     */
    struct str tls_chain, tls_key; /* PEM; empty where the program has no TLS            */
    const struct program_spec *spec;
    void *state; /* the program's own */
    bool draining;
};

/* Any of the functions but start and serve may be NULL. */
struct program_spec {
    const char *name;                                 /* "posta-msa"                   */
    const char *about;                                /* for --help: one paragraph     */
    const struct program_socket *sockets;             /* up to one with name NULL      */
    bool tls;                                         /* wants certificate and key     */
    int (*start)(struct program *p, struct err *err); /* before the first socket */
    /* A listening socket: yours from here on, also when it fails. */
    int (*serve)(struct program *p, const char *name, int fd, struct err *err);
    /* New config and keys are in p; where this fails the old ones are put back. */
    int (*reload)(struct program *p, const struct config *old, struct err *err);
    /* Close listeners, say goodbye to the idle; call program_drained() when empty. NULL: at
     * once. */
    void (*drain)(struct program *p);
    void (*stop)(
        struct program *p); /* free all; the process ends after it. Also after a failed start */
    void (*status)(struct program *p, struct buf *json); /* members: "\"sessions\": 3, …" */
};

int program_main(int argc, char **argv, const struct program_spec *spec);
void program_drained(struct program *p);
void program_stop(struct program *p); /* cannot go on: ends the process with status 1 */

#endif
