/*
 * log - one line an event, to standard error (the supervisor's, journald's).
 *
 *   2026-11-22T21:31:25.123Z msa[812] info 01jd…: accepted from alice@example.test size=1234
 *
 * or the same as one JSON object. Bytes that could confuse a reader are escaped (\x1b). Secrets
 * are never passed in. Lines of one kind from one place are limited (R07); what was dropped is
 * counted and told. A full or slow log never stops the service: writes are non-blocking, drops
 * are counted (X07).
 */
#ifndef POSTA_SYS_LOG_H
#define POSTA_SYS_LOG_H

#include "base/buf.h"
#include "base/id.h"
#include "base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

enum {
    LOG_LINE_BYTES = 4096, /* with its end; so much a pipe takes whole or not at all; longer
                              lines are cut, marked "..." */
    LOG_LINES_PER_SECOND = 1000,
};

/* Call it before rights are dropped (again to change level or form): it looks at what
 * descriptor 2 is and ignores SIGPIPE. Without it lines go out as "posta" at LOG_INFO. */
void log_open(const char *process, enum log_level level, bool json);
/* "error", "warn", "info", "debug"; anything else is LOG_INFO. */
enum log_level log_level_named(const char *name);
/* Lines a second of one event; those about a letter (with an id) are not limited. 0: no limit.
 */
void log_limit(uint32_t lines_per_second);
bool log_on(enum log_level level);

/* `id` may be NULL. `event` is one constant word, for machines ("accepted", "delivered"); the
 * text is for people. */
void log_event(enum log_level level, const struct id *id, const char *event, const char *fmt,
               ...) __attribute__((format(printf, 4, 5)));

/* Are dialogues wanted: by log.transcript, or because somebody watches (watch.h)? Stays valid
 * for the life of the process, and changes. */
const bool *log_dialogues(void);
/* log.transcript. */
void log_transcripts(bool on);
/* Now and then: who watches? */
void log_look(const char *run_dir);

/* With log.transcript: one line of a dialogue, '<' from the peer or '>' to it; `session` tells
 * apart. Secrets are replaced by the caller. */
void log_transcript(const char *session, char direction, struct str line);
/* Several lines, each with LF or CRLF; to who watches, too. */
void log_dialogue(const char *session, char direction, struct str lines);

/* Lines that were not written: over the limit, or because nobody took them. */
uint64_t log_dropped(void);

/* Visible ASCII as it is, a backslash twice, everything else as \xNN: what stands in a line. */
void log_escape(struct buf *out, struct str s);

#endif
