/*
 * program_impl - the inside of a program, for program.c, program_fds.c and program_link.c
 * alone.
 */
#ifndef POSTA_NET_PROGRAM_IMPL_H
#define POSTA_NET_PROGRAM_IMPL_H

#include "net/program.h"

enum {
    PROGRAM_FDS = 128,       /* inherited at most, and in one control message */
    PROGRAM_NAME_BYTES = 64, /* of a descriptor                               */
    PROGRAM_PEM_BYTES = 1 << 20,
    PROGRAM_FAULT_BYTES = 64 * 1024,
};

/* Descriptors with names; those that were taken are -1. */
struct program_fds {
    unsigned n;
    int fd[PROGRAM_FDS];
    char name[PROGRAM_FDS][PROGRAM_NAME_BYTES];
};

struct running {
    struct program p;
    const char *config_file; /* alone: what -c said */
    struct buf chain, key;
    int control; /* -1: alone */
    struct watch *link;
    struct timer *limit; /* of draining */
    struct timer *look;  /* who watches */
    unsigned terms;      /* SIGTERMs */
    int status;
};

/* ---- program_fds.c ---- */
void fds_inherit(struct program_fds *f);
void fds_add(struct program_fds *f, struct str name, int fd); /* too many: closed */
int fds_take(struct program_fds *f, const char *name);        /* -1: none        */
void fds_close(struct program_fds *f);
/* The descriptor's whole content, from its start; the descriptor is closed. */
int fds_read(int fd, struct buf *to, struct err *err);
/* Gives each socket that is left to the program, or binds for it when there are none. */
int sockets_serve(struct running *r, struct program_fds *f, bool bind_alone, struct err *err);

/* ---- program.c ---- */
/* What is in `f` takes the place of what we run with; the rest of `f` are new sockets. */
int program_reload(struct running *r, struct program_fds *f, struct err *err);
void program_drain(struct running *r);

/* ---- program_link.c ---- */
void link_open(struct running *r, int fd);
void link_close(struct running *r);
void link_say(struct running *r, const char *text);

#endif
