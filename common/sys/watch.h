/*
 * watch - tells who looks on, live, what this process says, hears and does.
 *
 *   `posta watch` ── listens on run_dir/watch/NAME (SOCK_SEQPACKET) ◀── connect ── each process
 *
 * One packet has one or more JSON objects, a line each:
 *
 *   {"time", "process", "pid", "kind": "line", "session", "direction": "<" | ">", "text"}
 *   {"time", "process", "pid", "kind": "event", "level", "id", "event", "text"}
 *   {"time", "process", "pid", "kind": "hello"}
 *   {"time", "process", "pid", "kind": "lost", "n"}    packets that found no room, in all
 *
 * Nothing here ever waits: who reads too slowly misses packets, which are counted. Where nobody
 * looks on this costs a stat() a second (watch_look). Only listeners of root and of our own uid
 * are told: the directory is theirs alone, and the socket's other end is asked who it is.
 * Secrets are never passed in, as in log.h. All may be called from any thread.
 */
#ifndef POSTA_SYS_WATCH_H
#define POSTA_SYS_WATCH_H

#include "base/id.h"

enum {
    WATCH_LISTENERS = 16,
    WATCH_LOOK_MS = 1000,       /* between two looks at the directory      */
    WATCH_PACKET_BYTES = 65536, /* longer ones are lost                    */
    WATCH_TEXT_BYTES = 4096,    /* of a line; the rest is left out         */
    WATCH_DIR_MODE = 0750,
};

/* Whom to tell: reads run_dir/watch/ where it has changed, and some seconds after that. */
void watch_look(const char *run_dir, const char *process);
/* Is anybody told at the moment? Stays valid, and changes. */
bool watch_on(void);

void watch_lines(const char *session, char direction, struct str lines);
void watch_event(const char *level, const struct id *id, const char *event, struct str text);

#endif
