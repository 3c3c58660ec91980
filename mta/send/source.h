/*
 * source - the bytes of a letter for one server: as they lie in the spool, or made into seven
 * bits (mail/recode.h) in a file of cache/send that has no name. Opened and read on workers; a
 * short one is kept in memory.
 */
#ifndef POSTA_SEND_SOURCE_H
#define POSTA_SEND_SOURCE_H

#include "base/buf.h"
#include "base/err.h"
#include "spool/spool.h"

#include <stdatomic.h>

enum { SOURCE_MEMORY_BYTES = 256 * 1024 };

struct source {
    atomic_uint holders;
    int fd;          /* -1: all of it is in `text` */
    struct buf text; /* when it is short           */
    uint64_t size, wire_size;
};

struct source_wish {
    struct spool *spool;
    int cache; /* an fd of cache/send, or -1 */
    struct id id;
    uint64_t size;      /* that it must have                            */
    uint64_t wire_size; /* of the original; 0: it is counted            */
    bool seven_bits;    /* where it has more                            */
    bool always;        /* and also for what lines of text cannot hold  */
};

/* Blocks. One holder. NULL with E_SYNTAX: it cannot be made into seven bits. */
struct source *source_open(const struct source_wish *w, struct err *err);
struct source *source_hold(struct source *s);
void source_release(struct source *s); /* accepts NULL */

/* Blocks where the source is long. How many octets, 0 at the end, -errno. */
ssize_t source_read(const struct source *s, uint64_t at, char *to, size_t room);

#endif
