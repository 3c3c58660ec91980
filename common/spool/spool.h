/*
 * spool - letters as files: spool/in/x/ID while their writer owns them (x is
 * the last letter of the id), spool/msg/ID once the queue does. See DESIGN: "Who owns the
 * file".
 *
 *   letter_new ─ letter_add* ─ letter_commit ─▶ in/ID durable ─ XSPOOL ─▶ spool_take
 *       │                            │                                       │
 *       │                            │ error: never tried again           msg/ID
 *       └────── letter_drop ◀────────┘                                       │
 *                                                              spool_sync, spool_remove
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

/* in/ has a lane for each letter that an id can end in. On ext4 they lie apart on the disk, as
 * spool_spread() asks for before they are made: otherwise a new file is looked for among those
 * that were lately deleted nearby, which without a journal costs more than all else, and
 * whoever makes or takes a letter waits for whoever does so in the same directory. */
enum { SPOOL_LANES = 32 };
#define SPOOL_LANE_LETTERS "0123456789abcdefghjkmnpqrstvwxyz"
void spool_spread(
    int in); /* an fd of in/; where that cannot be had, nothing is lost but speed */

/* Makes what is missing of state_dir/spool (0711), in/ (0711) with its lanes (3730: who writes
 * there removes only its own, and all keeps the group that borrowers are in) and msg/ (0750).
 * Owner and group are the caller's business. */
int spool_make(const char *state_dir, struct err *err);

/* Opens state_dir/spool and its in/ and msg/. Call it before there are threads (it looks at the
 * umask). */
struct spool *spool_open(const char *state_dir, struct err *err);
void spool_close(struct spool *s);

/* Floor of free bytes and inodes; 0 or E_NO_SPACE. Looks at most once a second. */
int spool_room(struct spool *s, uint64_t bytes_min, uint64_t inodes_min, uint64_t now_ms,
               struct err *err);

/* ---- the writer's side ---- */
struct letter;

struct letter *letter_new(struct spool *s, const struct id *id);
void letter_add(struct letter *l, struct str bytes); /* remembers a failed write for commit */
bool letter_in_memory(const struct letter *l);       /* then letter_text() is all of it      */
struct str letter_text(const struct letter *l);
/* What goes in front of all: copied, may be set while the letter is in memory (it leaves when
 * what was added passes LETTER_MEMORY_BYTES: ask before adding). */
void letter_set_top(struct letter *l, struct str top);
uint64_t
letter_size(const struct letter *l); /* of the file, LF line ends: text so far and a top set */
/* Writes and fsyncs; blocks: call it on a job. `top` goes in front, in the place of
 * letter_set_top(), while the letter is in memory; empty for one that is not. After 0 the file
 * in/ID is whole and durable, locked by this process until letter_free(). After an error
 * (E_NO_SPACE or -errno) the file is gone. Call once. */
int letter_commit(struct letter *l, struct str top, struct err *err);
/* Who commits several calls this for each of them first: the disk then works on all while the
 * first is waited for. It promises nothing; letter_commit() tells what went wrong here. Blocks
 * as that does; letter_add() is over. */
void letter_prepare(struct letter *l);
/* Unlinks in/ID if it is still this writer's. */
void letter_drop(struct letter *l);
/* From here on the file is the queue's, whatever becomes of the connection. */
void letter_handed_over(struct letter *l);
void letter_free(
    struct letter *l); /* drops what was neither dropped nor handed over; accepts NULL */

/* ---- the queue's side ---- */
/* in/ID must be a regular file (no link is followed) with one link, of owner `uid` and of
 * `size`: then it is renamed into msg/, where only the queue writes. E_NOT_FOUND, E_DENIED,
 * E_EXISTS. Not durable before spool_sync(). */
int spool_take(struct spool *s, const struct id *id, uid_t uid, uint64_t size, struct err *err);
int spool_sync(struct spool *s, struct err *err); /* one fsync of msg/ */
int spool_remove(struct spool *s, const struct id *id);
/* Unlinks each msg/ID for which keep() says no, and what is old and unlocked in in/. Returns
 * how many. */
int spool_sweep(struct spool *s, bool (*keep)(void *arg, const struct id *id), void *arg,
                uint64_t now_ms, struct err *err);

/* ---- the borrower's side (mda, send, the queue's bounces, posta queue show) ---- */
int spool_read(struct spool *s, const struct id *id, uint64_t *size,
               struct err *err); /* an fd, yours to close */
bool spool_has(struct spool *s,
               const struct id *id); /* msg/ID is there; true also when that cannot be known */

#endif
