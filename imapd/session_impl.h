/*
 * session_impl - what the parts of the IMAP session share: session.c frames, asks and takes
 * answers, the others know what commands do.
 */
#ifndef POSTA_IMAPD_SESSION_IMPL_H
#define POSTA_IMAPD_SESSION_IMPL_H

#include "imapd/frame.h"
#include "imapd/parse.h"
#include "imapd/session.h"

enum {
    MECHANISM_BYTES = 20,
    SECRET_BYTES = IMAP_AUTH_LINE_BYTES,
    IDLE_LINE_BYTES = 512,
    OUTPUT_MAX_BYTES = IMAP_OUTPUT_BYTES + WORK_STEP_BYTES,
};

/* What the next bytes are. */
enum mode {
    AT_COMMAND,
    IN_EXCHANGE,  /* the answer to a challenge          */
    IN_IDLE,      /* DONE                               */
    APPEND_ASKED, /* a letter announced; work has been asked whether it may come */
    APPENDING,    /* the letter                         */
    APPEND_ENDS,  /* work keeps it, or gives it up      */
    CLOSED,
};

struct imap_session {
    const struct imap_config *config;
    enum mode mode;
    enum imap_want want; /* IMAP_WANT_INPUT: nothing is asked */
    unsigned state;      /* enum parse_state */
    struct imap_request req;
    struct frame frame;
    struct buf out, heard, secret; /* secret: the octets of req.auth.response */
    struct arena arena;            /* of `command`                            */
    struct command command;
    const char *append_why; /* what is wrong behind the letter */
    uint32_t failures, bad;
    uint32_t early; /* commands before the login */
    bool tls, condstore, read_only;
    bool again;   /* the same work is to go on                */
    bool noticed; /* the mailbox may have changed, while idle */
    char mechanism[MECHANISM_BYTES];
    unsigned char tag_n;
    char tag[COMMAND_TAG_BYTES];
};

/* The tagged answer; `text` with a code in brackets where there is one. */
void session_ok(struct imap_session *s, const char *text);
void session_no(struct imap_session *s, const char *text);
/* BAD, untagged where there is no tag; some are mistakes, many are somebody trying. */
void session_bad(struct imap_session *s, const char *text);
/* NO, counted as a bad command. */
void session_refuse(struct imap_session *s, const char *text);
void session_bye(struct imap_session *s, const char *text);
void session_keep_tag(struct imap_session *s, struct str tag);
void session_wipe(struct buf *b);

/* The command goes to work. */
void session_want_work(struct imap_session *s);

/* session_any.c */
void session_print_capabilities(struct imap_session *s);
void cmd_capability(struct imap_session *s);
void cmd_noop(struct imap_session *s);
void cmd_logout(struct imap_session *s);
void cmd_id(struct imap_session *s);
void cmd_enable(struct imap_session *s);
void cmd_namespace(struct imap_session *s);
void cmd_setquota(struct imap_session *s);
void cmd_search(struct imap_session *s);

/* session_auth.c */
bool session_may_log_in(struct imap_session *s);
void cmd_starttls(struct imap_session *s);
void cmd_login(struct imap_session *s);
void cmd_authenticate(struct imap_session *s);
bool session_run_exchange(struct imap_session *s); /* false: more input is needed */

/* session_idle.c */
void cmd_idle(struct imap_session *s);
bool session_run_idle(struct imap_session *s);

/* session_append.c */
void session_append_literal(struct imap_session *s);
bool session_run_append(struct imap_session *s);
void session_append_answered(struct imap_session *s, enum work_state state,
                             const struct work_result *result);

/* session_work.c */
void session_work_done(struct imap_session *s, const struct work_result *result);

/* session_hear.c: what stands in a transcript */
void session_hear_command(struct imap_session *s, struct str text, enum verb verb);
void session_hear_line(struct imap_session *s, struct str line, bool secret);

#endif
