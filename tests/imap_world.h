/*
 * imap_world - plays the outside world for an IMAP session: one user, TLS in name only, and a
 * store that knows nothing but says what a store would. Unit tests and the fuzz target share
 * it.
 */
#ifndef POSTA_TESTS_IMAP_WORLD_H
#define POSTA_TESTS_IMAP_WORLD_H

#include "imapd/session.h"

enum { WORLD_LETTER_BYTES = 1 << 20 };

struct imap_world {
    struct imap_config config;
    struct str user, password;
    enum imap_refusal refusal;
    bool refuses;
    bool tells_tls;    /* world_turn() returns at STARTTLS: the handshake is the caller's */
    bool keeps_output; /* WANT_FLUSH is the caller's too */
    unsigned logins, cancels, letters, steps;
    enum verb verb;       /* of the last command */
    bool condstore;       /* as it was told with it */
    bool takes_away;      /* the mailbox is gone with the next command */
    bool full;            /* APPEND: NO [OVERQUOTA] at once */
    unsigned fails_after; /* APPEND: NO after so many pieces; 0: never */
    unsigned more;        /* steps that a FETCH takes */
    size_t step_bytes;    /* what each of them says */
    struct buf letter;    /* the last one */
    bool selected;
};

static inline void world_init(struct imap_world *w)
{
    *w = (struct imap_world){
        .config = {.clear_auth = true,
                   .auth_failures = 3,
                   .bad_commands = 20,
                   .junk_commands = 100,
                   .letter_bytes = WORLD_LETTER_BYTES,
                   .version = "1"},
        .user = STR("alice@example.test"),
        .password = STR("secret"),
        .more = 1,
    };
    buf_init(&w->letter, WORLD_LETTER_BYTES);
}

static inline void world_done(struct imap_world *w)
{
    buf_done(&w->letter);
}

/* message = [authzid] NUL authcid NUL passwd */
static inline bool world_knows(const struct imap_world *w, struct str plain)
{
    return scan_byte(&plain, '\0') && scan_word_nocase(&plain, w->user) &&
           scan_byte(&plain, '\0') && str_eq(plain, w->password);
}

static inline void world_login(struct imap_world *w, struct imap_session *s,
                               const struct imap_request *r)
{
    if (r->auth.cancelled) {
        w->cancels++;
        return;
    }
    if (!r->auth.has_response) {
        imap_answer_challenge(s, STR(""));
        return;
    }
    w->logins++;
    if (w->refuses || !world_knows(w, r->auth.response))
        imap_answer_refused(s, w->refuses ? w->refusal : IMAP_BAD);
    else
        imap_answer_login(s);
}

/* Takes the letter to its end, or says NO where it was told to. */
static inline enum work_state world_append(struct imap_world *w, const struct work_request *r,
                                           struct work_result *result)
{
    if (r->append_cancel)
        return WORK_DONE;
    result->status = WORK_NO;
    if (r->append_begin) {
        buf_clear(&w->letter);
        w->steps = 0;
        result->code = w->full ? STR("OVERQUOTA") : STR("TRYCREATE");
        return w->full || str_eq(r->command->mailbox, STR("nowhere")) ? WORK_DONE : WORK_MORE;
    }
    buf_add(&w->letter, r->append_piece);
    if (!r->append_end) {
        result->code = STR("OVERQUOTA");
        return w->fails_after && ++w->steps >= w->fails_after ? WORK_DONE : WORK_MORE;
    }
    w->letters++;
    *result = (struct work_result){.code = STR("APPENDUID 1 2")};
    return WORK_DONE;
}

static inline enum work_state world_fetch(struct imap_world *w, struct buf *out)
{
    buf_addf(out, "* 1 FETCH (UID 1)\r\n");
    for (size_t i = 0; i + 8 <= w->step_bytes; i += 8)
        buf_add(out, STR("* text\r\n"));
    if (++w->steps < w->more)
        return WORK_MORE;
    w->steps = 0;
    return WORK_DONE;
}

static inline enum work_state world_step(struct imap_world *w, const struct work_request *r,
                                         struct buf *out, struct work_result *result)
{
    const struct command *c = r->command;

    w->verb = c->verb;
    w->condstore = r->condstore;
    *result = (struct work_result){.text = STR("")};
    if (w->takes_away && w->selected) {
        w->selected = false;
        result->closed = true;
        return WORK_DONE;
    }
    if (c->verb == VERB_APPEND)
        return world_append(w, r, result);
    if (c->verb == VERB_FETCH)
        return world_fetch(w, out);
    if (c->verb == VERB_SELECT || c->verb == VERB_EXAMINE) {
        result->closed = w->selected;
        result->selected = w->selected = str_eq(c->mailbox, STR("INBOX"));
        result->status = w->selected ? WORK_OK : WORK_NO;
        result->code = w->selected ? STR("READ-WRITE") : STR("NONEXISTENT");
    } else if (c->verb == VERB_CLOSE || c->verb == VERB_UNSELECT) {
        result->closed = true;
        w->selected = false;
    } else if (c->verb == VERB_SYNC) {
        buf_add(out, STR("* 2 EXISTS\r\n"));
    }
    return WORK_DONE;
}

static inline void world_work(struct imap_world *w, struct imap_session *s,
                              const struct imap_request *r)
{
    struct work_result result;
    struct buf out;

    buf_init(&out, WORK_STEP_BYTES);
    enum work_state state = world_step(w, &r->work, &out, &result);
    imap_answer_work(s, &out, state, &result);
    buf_done(&out);
}

/* Answers until the session wants bytes, wants to close, or what the caller wants to see. */
static inline enum imap_want world_turn(struct imap_world *w, struct imap_session *s,
                                        struct buf *log)
{
    const struct imap_request *r;

    for (;;) {
        enum imap_want want = imap_next(s, &r);

        switch (want) {
        case IMAP_WANT_LOGIN:
            world_login(w, s, r);
            continue;
        case IMAP_WANT_WORK:
            world_work(w, s, r);
            continue;
        case IMAP_WANT_STARTTLS:
            if (w->tells_tls)
                break;
            imap_tls_started(s);
            continue;
        case IMAP_WANT_FLUSH:
        case IMAP_WANT_INPUT:
        case IMAP_WANT_CLOSE:
            break;
        }
        if (want == IMAP_WANT_FLUSH && w->keeps_output)
            return want;
        buf_add(log, imap_output(s));
        imap_sent(s, imap_output(s).n);
        if (want != IMAP_WANT_FLUSH)
            return want;
    }
}

#endif
