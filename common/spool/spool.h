/*
 * spool - letters as files: spool/in/ID while their writer owns them,
 * spool/msg/ID once the queue does. See DESIGN: "Who owns the file".
 *
 *   letter_new ── letter_add* ── letter_commit ──▶ in/ID durable ── XSPOOL ──▶ spool_take: msg/ID
 *       │                             │                                            │ spool_sync
 *       └── letter_drop ◀─────────────┘ error: never tried again            spool_remove
 *
 * Small letters are assembled in memory and written by one call; longer ones
 * stream into the file. Line ends are LF (the flag "raw" marks the exception).
 * A crash leaves in/ID (swept when old and not locked) or msg/ID without an
 * envelope (swept by the queue at start).
 */
#ifndef POSTA_SPOOL_H
#define POSTA_SPOOL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"

#include <sys/types.h>

enum { LETTER_MEMORY_BYTES = 256 * 1024 };

struct spool;

/* Opens state_dir/spool and its in/ and msg/ (made by `posta init`, or by spool_make). */
struct spool *spool_open(const char *state_dir, struct err *err);
void spool_close(struct spool *s);

/* Floor of free bytes and inodes; 0 or E_NO_SPACE. Looks at most once a second. */
int spool_room(struct spool *s, uint64_t bytes_min, uint64_t inodes_min, uint64_t now_ms, struct err *err);

/* ---- the writer's side ---- */
struct letter;

struct letter *letter_new(struct spool *s, const struct id *id);
/* `top` goes in front of the rest when the letter is committed (small) or must have been added first. */
void letter_add(struct letter *l, struct str bytes); /* remembers a failed write for commit */
bool letter_in_memory(const struct letter *l);       /* then letter_text() is all of it      */
struct str letter_text(const struct letter *l);
uint64_t letter_size(const struct letter *l);        /* octets so far, LF line ends          */
/* Writes and fsyncs; blocks: call it on a job. After 0 the file in/ID is whole and durable, locked by this
 * process until letter_free(). After an error the file is gone. Call once. */
int letter_commit(struct letter *l, struct str top, struct err *err);
/* Unlinks in/ID if it is still this writer's. */
void letter_drop(struct letter *l);
/* From here on the file is the queue's, whatever becomes of the connection. */
void letter_handed_over(struct letter *l);
void letter_free(struct letter *l); /* drops what was neither dropped nor handed over; accepts NULL */

/* ---- the queue's side ---- */
/* Checks id, openat2 beneath in/ without links, regular file, one link, owner `uid`, size; renames into msg/.
 * Not durable before spool_sync(). */
int spool_take(struct spool *s, const struct id *id, uid_t uid, uint64_t size, struct err *err);
int spool_sync(struct spool *s, struct err *err); /* one fsync of msg/ */
int spool_remove(struct spool *s, const struct id *id);
/* Unlinks each msg/ID for which keep() says no, and what is old and unlocked in in/. Returns how many. */
int spool_sweep(struct spool *s, bool (*keep)(void *arg, const struct id *id), void *arg, uint64_t now_ms,
                struct err *err);

/* ---- the borrower's side (mda, send, the queue's bounces, posta queue show) ---- */
int spool_read(struct spool *s, const struct id *id, uint64_t *size, struct err *err); /* an fd, yours to close */
bool spool_has(struct spool *s, const struct id *id); /* msg/ID is there; true also when that cannot be known */

#endif
