/*
 * services - the processes that make a whole posta: what each is called, who it runs as, what
 * it listens on. One row each, in the order of their start; they are stopped from the outside
 * in (`layer`).
 */
#ifndef POSTA_CTL_SERVICES_H
#define POSTA_CTL_SERVICES_H

#include "sys/config.h"

#include <stdbool.h>
#include <sys/types.h>

enum { SERVICE_SOCKETS = 3, SERVICE_LAYERS = 3 };

#define SERVICE_GROUP "posta"

struct service_socket {
    const char *name; /* in LISTEN_FDNAMES; for a Unix socket its file in run_dir */
    struct config_list (*addresses)(const struct config *c); /* NULL: a Unix socket */
    const char *key;                                         /* "msa.listen", for messages */
    mode_t mode;                                             /* of a Unix socket    */
};

struct service {
    const char *name;   /* of the program: "posta-msa"                          */
    const char *folder; /* where it lies in the build tree: "msa"               */
    const char *user;   /* when root starts posta                               */
    bool workers;       /* as many as the configuration says, counted in shared */
    bool tls;
    unsigned layer; /* stopped in this order: 0 faces the network           */
    struct service_socket sockets[SERVICE_SOCKETS]; /* up to one with name NULL  */
};

extern const struct service services[]; /* up to one with name NULL */

/* posta.ctl, the supervisor's own, and what everybody in the group may reach. */
extern const struct service_socket supervisor_socket;

/* How many processes of it `c` asks for. */
unsigned service_count(const struct service *s, const struct config *c);
/* Has it anything to listen on? A service with none is not started. */
bool service_wanted(const struct service *s, const struct config *c);

/* The program's file, found beside our own, in the build tree or in libexec. */
int service_program(const struct service *s, char *path, size_t room);

#endif
