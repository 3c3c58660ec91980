/*
 * steps - one dialogue with a server, command by command: what was asked, what came back, how
 * long that took. Pure: fed with what is said and heard, in whatever pieces.
 *
 *     greeting ─▶ EHLO ─▶ [STARTTLS, EHLO] ─▶ [AUTH] ─▶ MAIL ─▶ RCPT ─▶ QUIT
 */
#ifndef POSTA_SEND_STEPS_H
#define POSTA_SEND_STEPS_H

#include "smtp/reply_reader.h"

enum { STEPS_PENDING = 8, STEP_NAME_BYTES = 9, STEP_LINE_BYTES = 600 };

struct step {
    const char *name; /* "greeting", or the command's verb                 */
    struct str asked; /* the command without CRLF; "" for a greeting       */
    int code;
    struct str heard; /* the reply's lines without codes, joined by '\n'   */
    uint64_t ms;
};

struct step_pending {
    char name[STEP_NAME_BYTES + 1];
    char line[STEP_LINE_BYTES];
    size_t n;
    uint64_t at_ms;
};

struct steps {
    struct step_pending pending[STEPS_PENDING]; /* the oldest first */
    size_t n;
    struct buf in;
    struct reply_reader reader;
    void (*done)(void *arg, const struct step *s);
    void *arg;
};

/* The greeting is waited for from `now_ms` on. */
void steps_init(struct steps *s, void (*done)(void *arg, const struct step *s), void *arg,
                uint64_t now_ms);
void steps_done(struct steps *s);

/* Whole lines, as smtp_client_said() gives them: an answer to a challenge is "***". */
void steps_said(struct steps *s, struct str lines, uint64_t now_ms);
void steps_heard(struct steps *s, struct str bytes, uint64_t now_ms);

/* What is waited for, and since when; "" where nothing is. */
const char *steps_waiting(const struct steps *s, uint64_t *since_ms);

#endif
