/*
 * pop3_world - plays the outside world for a POP3 session: one user, some letters in memory,
 * TLS in name only. Unit tests, transcripts and the fuzz target share it.
 */
#ifndef POSTA_TESTS_POP3_WORLD_H
#define POSTA_TESTS_POP3_WORLD_H

#include "pop3d/session.h"

enum { WORLD_LETTERS = 16 };

struct pop3_world {
    struct pop3_config config;
    struct str user, password;
    struct str letters[WORLD_LETTERS];
    uint64_t octets[WORLD_LETTERS];
    bool removed[WORLD_LETTERS];
    bool gone[WORLD_LETTERS];
    uint32_t n;
    size_t piece_bytes; /* of a letter, in one answer */
    enum pop3_refusal refusal;
    bool refuses, commit_fails, commits;
    bool tells_tls; /* world_turn() returns at STLS: the handshake is the caller's */
    unsigned logins, letter_ends;
    size_t at; /* in the letter under way */
};

static inline void world_init(struct pop3_world *w)
{
    *w = (struct pop3_world){
        .config = {.clear_auth = true,
                   .auth_failures = 3,
                   .bad_commands = 20,
                   .junk_commands = 100},
        .user = STR("alice@example.test"),
        .password = STR("secret"),
        .piece_bytes = POP3_PIECE_BYTES,
    };
}

static inline void world_letter(struct pop3_world *w, struct str text)
{
    w->letters[w->n] = text;
    w->octets[w->n] = text.n;
    for (size_t i = 0; i < text.n; i++)
        w->octets[w->n] += text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r');
    w->n++;
}

/* message = [authzid] NUL authcid NUL passwd */
static inline bool world_knows(const struct pop3_world *w, struct str plain)
{
    return scan_byte(&plain, '\0') && scan_word_nocase(&plain, w->user) &&
           scan_byte(&plain, '\0') && str_eq(plain, w->password);
}

static inline void world_login(struct pop3_world *w, struct pop3_session *s,
                               const struct pop3_request *r)
{
    uint64_t octets = 0;

    if (r->auth.cancelled)
        return;
    if (!r->auth.has_response) {
        pop3_answer_challenge(s, STR(""));
        return;
    }
    w->logins++;
    if (w->refuses || !world_knows(w, r->auth.response)) {
        pop3_answer_refused(s, w->refuses ? w->refusal : POP3_BAD);
        return;
    }
    for (uint32_t i = 0; i < w->n; i++)
        octets += w->octets[i];
    pop3_answer_maildrop(s, w->n, octets);
}

static inline void world_entries(struct pop3_world *w, struct pop3_session *s,
                                 const struct pop3_request *r)
{
    static const char *const names[] = {"one",   "two",   "three", "four", "five", "six",
                                        "seven", "eight", "nine",  "ten",  "11",   "12",
                                        "13",    "14",    "15",    "16"};

    for (uint32_t i = r->first, end = r->first + r->count; i < end; i++)
        pop3_answer_entry(s, w->octets[i], str_c(names[i]));
}

static inline void world_read(struct pop3_world *w, struct pop3_session *s,
                              const struct pop3_request *r)
{
    struct str text = w->letters[r->first];

    if (r->start)
        w->at = 0;
    struct str piece = str_first(str_skip(text, w->at), w->piece_bytes);
    w->at += piece.n;
    if (w->gone[r->first])
        pop3_answer_no_letter(s, true);
    else
        pop3_answer_letter(s, piece, w->at == text.n);
}

static inline void world_commit(struct pop3_world *w, struct pop3_session *s,
                                const struct pop3_request *r)
{
    for (uint32_t i = 0; i < w->n && !w->commit_fails; i++)
        w->removed[i] = r->marked[i];
    w->commits = true;
    pop3_answer_commit(s, !w->commit_fails);
}

/* Answers until the session wants bytes, wants to close, or (with `drain`) has output to be
 * sent. */
static inline enum pop3_want world_turn(struct pop3_world *w, struct pop3_session *s,
                                        struct buf *log)
{
    const struct pop3_request *r;

    for (;;) {
        enum pop3_want want = pop3_next(s, &r);

        switch (want) {
        case POP3_WANT_LOGIN:
            world_login(w, s, r);
            break;
        case POP3_WANT_ENTRIES:
            world_entries(w, s, r);
            break;
        case POP3_WANT_LETTER:
            world_read(w, s, r);
            break;
        case POP3_WANT_LETTER_END:
            w->letter_ends++;
            break;
        case POP3_WANT_COMMIT:
            world_commit(w, s, r);
            break;
        case POP3_WANT_STLS:
            if (!w->tells_tls) {
                pop3_tls_started(s);
                break;
            }
            __attribute__((fallthrough));
        case POP3_WANT_FLUSH:
        case POP3_WANT_INPUT:
        case POP3_WANT_CLOSE:
            buf_add(log, pop3_output(s));
            pop3_sent(s, pop3_output(s).n);
            if (want != POP3_WANT_FLUSH)
                return want;
            break;
        }
    }
}

#endif
