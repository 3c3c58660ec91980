/*
 * work_impl - what the files of work share: the session's side of a mailbox, a command under
 * way, one step of it. For work*.c and fetch_*.c; nobody else includes it.
 *
 *   work_step() ──▶ the command's function, once a step, until it says WORK_DONE
 *               ──▶ work_sync(), the same way, where the command ends in it
 *
 * A step has the mailbox open (step_begin()) at most once in each mode, and work_step() closes
 * it. What a command must remember from step to step lies in struct run: the letters still to
 * do, and a state of its own.
 */
#ifndef POSTA_IMAPD_WORK_IMPL_H
#define POSTA_IMAPD_WORK_IMPL_H

#include "base/arena.h"
#include "base/err.h"
#include "imapd/view.h"
#include "imapd/work.h"

enum { WORK_CODE_BYTES = 65536 }; /* of a set in a response code; longer ones are left out */

/* How far the last piece of a large text came: the next one goes on from there. */
struct work_resume {
    uint32_t uid;            /* 0: none */
    char last;               /* octet before `at` */
    uint64_t from, at, wire; /* the text's begin in the file; `at` is `wire` octets on the wire
                                behind it */
};

struct work {
    struct mailboxes *all;
    char *maildir, *address;
    uint64_t quota_octets, quota_letters;
    struct mailbox *box; /* selected */
    struct view view;
    uint64_t keywords_told; /* a sum of their words */
    bool read_only, condstore;
    struct work_resume resume;
    struct run *run; /* a command under way, or the last one's words */
};

/* Changes of our own that need not be told: of the letters that were asked for, those up to
 * `upto` (and above the neighbour before) are known as they are at `modseq`. */
struct quiet {
    uint32_t upto;
    uint64_t modseq;
};

/* The text of a letter's flags, printed once for neighbours that have the same. */
struct flags_text {
    bool made, recent;
    uint32_t flags, keywords;
    struct buf text;
};

struct run {
    struct arena arena;
    const struct verb_row *row;
    bool over;    /* only `result` is still wanted */
    bool started; /* the command's function has been called */
    bool syncing;
    bool lost;    /* the selected mailbox has gone */
    bool missing; /* a letter that was asked for has gone */
    bool damaged; /* one could not be read whole */
    struct work_result result;
    struct uidset asked; /* command->set as UIDs */
    struct uidset todo;  /* of them, not done yet */
    struct flags_text flags;
    struct quiet *quiet;
    unsigned nquiet, quiet_room;
    uint64_t own_upto; /* changes of flags up to here are quiet or were told; 0: not known */
    struct {
        bool begun, scanned, told;
        uint64_t since, upto; /* mod-sequences */
        struct uidset rest;   /* flags are still to be told of these */
    } sync;
    void *state; /* the command's own, in `arena` */
    void (*state_done)(void *state);
};

struct step {
    struct work *w;
    struct run *run;
    const struct work_request *r;
    const struct command *c;
    struct buf *out;
    bool begun;
    enum mailbox_mode mode;
    size_t mark; /* out->n when it was begun */
    struct mailbox_state state;
    struct err err;
};

/* The selected mailbox, open for this step. On failure the command's result is set. */
int step_begin(struct step *s, enum mailbox_mode mode);
int step_end(struct step *s);
void step_abort(struct step *s);

/* For results: `code` and `text` are constant or in the run's arena. All return WORK_DONE. */
enum work_state work_say(struct step *s, enum work_status status, struct str code,
                         const char *text);
enum work_state work_ok(struct step *s, const char *text);
/* For a code of the store: its response code (RFC 5530), s->err into the log where the fault is
 * ours. */
enum work_state work_fail(struct step *s, int code);
/* A letter is there and cannot be read whole: the others are told, and the command says NO. */
void work_damaged(struct step *s);

/* The same in the middle of a step, which is undone; step_begin() may have set the result. */
enum work_state work_give_up(struct step *s, int code);

/* command->set as UIDs, at the first call; false: BAD, result set. */
bool work_resolve(struct step *s);
static inline bool work_full(const struct step *s)
{
    return s->out->n >= WORK_OUT_BYTES;
}

/* May EXPUNGE be said at the end of this command? */
bool work_tells_expunged(const struct step *s);

void work_drop_mailbox(struct work *w); /* nothing is selected any more */
void work_quiet(struct run *run, uint32_t upto, uint64_t modseq);
void work_print_mailbox(struct buf *out, struct str name); /* astring, modified UTF-7 */

/* ---- flags: work_flags.c ---- */

/* "(\Seen …)" of a letter, valid until the next call. */
struct str work_flags(struct step *s, uint32_t flags, uint32_t keywords, bool recent);
/* FLAGS and PERMANENTFLAGS where the folder's keywords are not those that were told last. */
void work_tell_keywords(struct step *s);
/* E_LIMIT: no letter is left for a keyword. Without `make` those that nobody has are passed
 * over. In MAILBOX_WRITE. */
int work_flags_of(struct step *s, const struct command_flags *f, bool make,
                  struct mailbox_flags *out);

/* "* 5 FETCH (" and what `what` names (enum fetch_what; only what costs no file), each with a
 * space in front but the first. False where nothing was printed but the parenthesis. */
bool work_letter_begin(struct step *s, const struct message *m, unsigned what);
void work_letter_end(struct step *s);

/* ---- the commands: one function a verb or family ---- */

enum work_state work_sync(struct step *s);
enum work_state work_nothing(struct step *s);
enum work_state work_select(struct step *s);
enum work_state work_close(struct step *s);
enum work_state work_fetch(struct step *s);
enum work_state work_store(struct step *s);
enum work_state work_copy(struct step *s);
enum work_state work_expunge(struct step *s);
enum work_state work_search(struct step *s);
enum work_state work_list(struct step *s);
enum work_state work_create(struct step *s);
enum work_state work_delete(struct step *s);
enum work_state work_rename(struct step *s);
enum work_state work_subscribe(struct step *s);
enum work_state work_status(struct step *s);
enum work_state work_append(struct step *s);
enum work_state work_quota(struct step *s);

/* "* STATUS name (…)" of a folder; also for LIST RETURN (STATUS …). */
int work_tell_status(struct step *s, struct str folder, unsigned items);

#endif
