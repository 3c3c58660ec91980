/*
 * shared - what must be counted once for all workers: connections by address, failures and
 * rates by address.
 *
 * A table of fixed size in a memfd that the supervisor makes and every worker maps; atomics
 * only. Slots are taken by open addressing over a keyed hash of the address (IPv6 by /64); when
 * the neighbourhood is full, the slot that has been quiet longest is taken over, so a flood of
 * addresses makes counting coarse, never wrong for those that are connected. What a dead worker
 * had counted is taken back (counts are kept by worker).
 */
#ifndef POSTA_NET_SHARED_H
#define POSTA_NET_SHARED_H

#include "base/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    SHARED_SLOTS = 16384,
    SHARED_WORKERS = 64,
    SHARED_PEERS_ENOUGH =
        20, /* connections until it says something that they have one address */
};

struct shared;

int shared_create(struct err *err); /* the memfd, for the supervisor */
struct shared *shared_open(int fd, unsigned worker,
                           struct err *err); /* fd < 0: private to this process */
void shared_close(struct shared *s);
void shared_worker_gone(struct shared *s,
                        unsigned worker); /* supervisor: takes its counts back */

/* Counts a connection; false (and not counted) above `max`. */
bool shared_connect(struct shared *s, const char *address, unsigned max);
void shared_disconnect(struct shared *s, const char *address);

/* Failed logins: adds one, returns how many in about the last minute. */
unsigned shared_failure(struct shared *s, const char *address, uint64_t now_ms);
unsigned shared_failures(struct shared *s, const char *address, uint64_t now_ms);

/* Whom connections come from, over all processes; loopback does not count. */
void shared_peer(struct shared *s, const char *address);
/* The private address (RFC 1918, RFC 4193) that SHARED_PEERS_ENOUGH connections and all others
 * came from: what stands before posta hides who they are. False where it is not so. */
bool shared_lone_peer(const struct shared *s, char address[INET6_ADDRSTRLEN]);

#endif
