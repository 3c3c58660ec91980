#include "imapd/work_impl.h"

#include "base/mutf7.h"
#include "imapd/print.h"
#include "mail/envelope.h"
#include "sys/log.h"

#include <errno.h>
#include <stdlib.h>

/* How a command ends. EXPUNGE may not be said in FETCH, STORE and SEARCH, but in their UID
 * forms (RFC 3501 7.4.1). */
enum {
    BOX = 1, /* needs a selected mailbox */
    SYNC = 2,
    EXPUNGES = 4,
    EXPUNGES_BY_UID = 8,
};

struct verb_row {
    enum verb verb;
    unsigned how;
    enum work_state (*run)(struct step *s);
};

static const struct verb_row rows[] = {
    {VERB_NOOP,         SYNC | EXPUNGES,              work_nothing  },
    {VERB_CHECK,        BOX | SYNC | EXPUNGES,        work_nothing  },
    {VERB_SYNC,         SYNC | EXPUNGES,              work_nothing  },
    {VERB_SELECT,       0,                            work_select   },
    {VERB_EXAMINE,      0,                            work_select   },
    {VERB_CLOSE,        BOX,                          work_close    },
    {VERB_UNSELECT,     BOX,                          work_close    },
    {VERB_FETCH,        BOX | SYNC | EXPUNGES_BY_UID, work_fetch    },
    {VERB_STORE,        BOX | SYNC | EXPUNGES_BY_UID, work_store    },
    {VERB_SEARCH,       BOX | SYNC | EXPUNGES_BY_UID, work_search   },
    {VERB_COPY,         BOX | SYNC | EXPUNGES,        work_copy     },
    {VERB_MOVE,         BOX | SYNC | EXPUNGES,        work_copy     },
    {VERB_EXPUNGE,      BOX | SYNC | EXPUNGES,        work_expunge  },
    {VERB_LIST,         SYNC | EXPUNGES,              work_list     },
    {VERB_LSUB,         SYNC | EXPUNGES,              work_list     },
    {VERB_STATUS,       SYNC | EXPUNGES,              work_status   },
    {VERB_CREATE,       SYNC | EXPUNGES,              work_create   },
    {VERB_DELETE,       SYNC | EXPUNGES,              work_delete   },
    {VERB_RENAME,       SYNC | EXPUNGES,              work_rename   },
    {VERB_SUBSCRIBE,    SYNC | EXPUNGES,              work_subscribe},
    {VERB_UNSUBSCRIBE,  SYNC | EXPUNGES,              work_subscribe},
    {VERB_APPEND,       SYNC | EXPUNGES,              work_append   },
    {VERB_GETQUOTA,     SYNC | EXPUNGES,              work_quota    },
    {VERB_GETQUOTAROOT, SYNC | EXPUNGES,              work_quota    },
    {VERB_SETQUOTA,     SYNC | EXPUNGES,              work_quota    },
};

/* ---- results ---- */

enum work_state work_say(struct step *s, enum work_status status, struct str code,
                         const char *text)
{
    s->run->result.status = status;
    s->run->result.code = code;
    s->run->result.text = str_c(text);
    return WORK_DONE;
}

enum work_state work_ok(struct step *s, const char *text)
{
    return work_say(s, WORK_OK, STR(""), text);
}

struct failure {
    int code;
    struct str response; /* RFC 5530 */
    const char *text;
};

/* What a client may cause or mend. */
static const struct failure failures[] = {
    {E_NOT_FOUND, STR_LIT("NONEXISTENT"),   "There is no such mailbox"         },
    {E_EXISTS,    STR_LIT("ALREADYEXISTS"), "There is such a mailbox already"  },
    {E_SYNTAX,    STR_LIT("CANNOT"),        "That can never be"                },
    {E_LIMIT,     STR_LIT("LIMIT"),         "A limit has been reached"         },
    {E_NO_SPACE,  STR_LIT("OVERQUOTA"),     "There is no room for that"        },
    {E_DENIED,    STR_LIT("NOPERM"),        "That is not allowed"              },
    {E_BUSY,      STR_LIT("INUSE"),         "Somebody else is at it; try again"},
};

enum work_state work_fail(struct step *s, int code)
{
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
        if (failures[i].code == code)
            return work_say(s, WORK_NO, failures[i].response, failures[i].text);
    log_event(LOG_ERROR, NULL, "mailbox", "%s: %s", s->w->maildir, s->err.text);
    if (code == E_CORRUPT)
        return work_say(s, WORK_NO, STR("CORRUPTION"), "The mailbox cannot be read");
    if (code == -ENOSPC || code == -EDQUOT)
        return work_say(s, WORK_NO, STR("OVERQUOTA"), "There is no room for that");
    return work_say(s, WORK_NO, STR("UNAVAILABLE"), "The mailbox cannot be used just now");
}

/* ---- the mailbox, for a step ---- */

void work_drop_mailbox(struct work *w)
{
    mailbox_close(w->box);
    w->box = NULL;
    w->read_only = false;
    w->resume = (struct work_resume){0};
    view_done(&w->view);
}

void step_abort(struct step *s)
{
    if (s->begun)
        mailbox_abort(s->w->box);
    s->begun = false;
    s->run->own_upto = 0;
}

/* What was said since step_begin() is not true then. */
int step_end(struct step *s)
{
    if (!s->begun)
        return 0;
    s->begun = false;
    int code = mailbox_end(s->w->box, &s->err);
    if (code < 0) {
        s->out->n = s->mark;
        s->run->own_upto = 0;
        work_fail(s, code);
    }
    return code;
}

/* A folder that was made again under its name is another one (RFC 3501 2.3.1.1). */
static int look(struct step *s)
{
    int code = mailbox_state(s->w->box, 0, &s->state, &s->err);

    if (code == 0 && s->state.uidvalidity != s->w->view.uidvalidity)
        code = err_set(&s->err, E_NOT_FOUND, "the folder has been made again");
    return code;
}

int step_begin(struct step *s, enum mailbox_mode mode)
{
    int code;

    if (s->begun && (mode == MAILBOX_READ || s->mode == MAILBOX_WRITE))
        return 0;
    if ((code = step_end(s)) < 0)
        return code;
    s->mode = mode;
    s->mark = s->out->n;
    code = mailbox_begin(s->w->box, mode, &s->err);
    s->begun = code == 0;
    if (code == 0)
        code = look(s);
    if (code == 0) {
        work_tell_keywords(s);
        return 0;
    }
    step_abort(s);
    if (code == E_NOT_FOUND) {
        s->run->lost = true;
        work_drop_mailbox(s->w);
        work_say(s, WORK_NO, STR("NONEXISTENT"), "The selected mailbox is no more");
    } else {
        work_fail(s, code);
    }
    return code;
}

enum work_state work_give_up(struct step *s, int code)
{
    bool begun = s->begun;

    step_abort(s);
    if (begun)
        s->out->n = s->mark;
    return begun ? work_fail(s, code) : WORK_DONE;
}

/* ---- what commands share ---- */

enum work_state work_nothing(struct step *s)
{
    return work_ok(s, s->c->verb == VERB_CHECK ? "CHECK completed" : "NOOP completed");
}

bool work_resolve(struct step *s)
{
    struct run *run = s->run;

    if (run->started)
        return true;
    if (!view_resolve(&s->w->view, &s->c->set, s->c->uid, &run->asked)) {
        work_say(s, WORK_BAD, STR(""), "There is no letter with that number");
        return false;
    }
    uidset_copy(&run->todo, &run->asked);
    return true;
}

void work_quiet(struct run *run, uint32_t upto, uint64_t modseq)
{
    if (run->nquiet == run->quiet_room) {
        run->quiet_room = run->quiet_room ? run->quiet_room * 2 : 8;
        run->quiet = realloc(run->quiet, run->quiet_room * sizeof(*run->quiet));
        if (!run->quiet)
            abort();
    }
    run->quiet[run->nquiet++] = (struct quiet){upto, modseq};
}

/* ASTRING-CHAR (RFC 3501 9) but '&', which would be right and confuses some, as NIL would */
static bool is_atom(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("(){%*\"\\&", s.p[i]))
            return false;
    return s.n > 0 && !str_eq_nocase(s, STR("NIL"));
}

void work_print_mailbox(struct buf *out, struct str name)
{
    struct buf text;

    buf_init(&text, 8 * name.n + 8);
    mutf7_encode(&text, name, '\0');
    if (is_atom(buf_str(&text)))
        buf_add(out, buf_str(&text));
    else
        imap_string(out, buf_str(&text));
    buf_done(&text);
}

/* ---- a command ---- */

static const struct verb_row *row_of(enum verb verb)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].verb == verb)
            return &rows[i];
    return NULL;
}

/* All but what `result` points to. */
static void run_settle(struct run *run)
{
    if (run->state_done)
        run->state_done(run->state);
    run->state_done = NULL;
    uidset_done(&run->asked);
    uidset_done(&run->todo);
    uidset_done(&run->sync.rest);
    buf_done(&run->flags.text);
    free(run->quiet);
    run->quiet = NULL;
    run->over = true;
}

static void run_free(struct work *w)
{
    if (!w->run)
        return;
    run_settle(w->run);
    arena_done(&w->run->arena);
    free(w->run);
    w->run = NULL;
}

static struct run *run_new(const struct command *c)
{
    struct run *run = calloc(1, sizeof(*run));

    if (!run)
        abort();
    arena_init(&run->arena);
    buf_init(&run->flags.text, FOLDER_KEYWORDS * (FOLDER_KEYWORD_BYTES + 2));
    run->row = row_of(c->verb);
    return run;
}

void work_damaged(struct step *s)
{
    if (!s->run->damaged)
        log_event(LOG_ERROR, NULL, "mailbox", "%s: a letter cannot be read whole: %s",
                  s->w->maildir, s->err.text[0] ? s->err.text : "it is shorter than it was");
    s->run->damaged = true;
}

/* RFC 5530, RFC 2180 4.1.2: some of the letters are no more, which the client has not heard. */
static void tell_missing(struct step *s)
{
    struct run *run = s->run;
    bool gone = run->missing;

    if (run->damaged && run->result.status == WORK_OK)
        work_say(s, WORK_NO, STR("UNAVAILABLE"), "A letter could not be read whole");
    if (!gone && !s->c->uid && s->w->box && run->asked.n && s->w->view.gone.n) {
        uidset_intersect(&run->asked, &s->w->view.gone);
        gone = run->asked.n > 0;
    }
    if (!gone || run->result.status != WORK_OK || s->c->uid)
        return;
    work_say(s, WORK_NO, run->result.code, "Some of the letters are no more");
    if (!run->result.code.n)
        run->result.code = STR("EXPUNGEISSUED");
}

static enum work_state go_on(struct step *s)
{
    struct run *run = s->run;

    if (!run->row)
        return work_say(s, WORK_BAD, STR(""), "That is nothing for a mailbox");
    if (!run->started && (run->row->how & BOX) && !s->w->box)
        return work_say(s, WORK_BAD, STR(""), "No mailbox is selected");
    if (!run->syncing) {
        if (run->row->run(s) == WORK_MORE)
            return WORK_MORE;
        run->syncing = true;
    }
    if (!(run->row->how & SYNC) || !s->w->box || run->result.status == WORK_BAD)
        return WORK_DONE;
    return work_sync(s);
}

/* RFC 7162 3.1: the first command that enables it in a mailbox is told where it stands. */
static void begin_condstore(struct step *s)
{
    struct work *w = s->w;

    if (w->condstore || !s->r->condstore)
        return;
    w->condstore = true;
    if (w->box && s->c->verb != VERB_SELECT && s->c->verb != VERB_EXAMINE) {
        buf_add(s->out, STR("* OK [HIGHESTMODSEQ "));
        buf_add_number(s->out, w->view.modseq);
        buf_add(s->out, STR("] Mod-sequences are told from now on\r\n"));
    }
}

enum work_state work_step(struct work *w, const struct work_request *r, struct buf *out,
                          struct work_result *result)
{
    enum work_state state;
    struct step s = {.w = w, .r = r, .c = r->command, .out = out};

    if (w->run && w->run->over)
        run_free(w);
    if (!w->run)
        w->run = run_new(s.c);
    s.run = w->run;
    begin_condstore(&s);
    state = go_on(&s);
    s.run->started = true;
    if (step_end(&s) < 0)
        state = WORK_DONE;
    if (state == WORK_MORE)
        return state;
    tell_missing(&s);
    if (s.run->lost)
        s.run->result.closed = true;
    s.run->result.selected = w->box != NULL;
    s.run->result.read_only = w->read_only;
    *result = s.run->result;
    run_settle(s.run);
    return WORK_DONE;
}

bool work_tells_expunged(const struct step *s)
{
    unsigned how = s->run->row->how;

    return (how & EXPUNGES) || ((how & EXPUNGES_BY_UID) && s->c->uid);
}

/* ---- the session's side ---- */

struct work *work_new(struct mailboxes *all, const struct work_user *user)
{
    struct work *w = calloc(1, sizeof(*w));

    if (!w)
        abort();
    w->all = all;
    w->maildir = strndup(user->maildir.p, user->maildir.n);
    w->address = strndup(user->address.p, user->address.n);
    if (!w->maildir || !w->address)
        abort();
    w->quota_octets = user->quota_octets;
    w->quota_letters = user->quota_letters;
    view_init(&w->view);
    return w;
}

void work_free(struct work *w)
{
    if (!w)
        return;
    run_free(w);
    work_drop_mailbox(w);
    free(w->maildir);
    free(w->address);
    free(w);
}

void work_cancel(struct work *w)
{
    run_free(w);
}

void work_rest(struct work *w)
{
    if (w->run && w->run->over)
        run_free(w);
}

struct str work_maildir(const struct work *w)
{
    return w->box ? mailbox_maildir(w->box) : STR("");
}

struct str work_folder(const struct work *w)
{
    return w->box ? mailbox_folder(w->box) : STR("");
}

uint64_t work_modseq(const struct work *w)
{
    return w->view.modseq;
}
