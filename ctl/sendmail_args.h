/*
 * sendmail_args - the options of sendmail(8) as programs have used them for forty years. Pure.
 *
 * What is known and means nothing here (-odb, -oem, -v, -G, -L tag, -q …) is passed over; what
 * asks for something that posta does not do (-bd, -bt) is refused, so that nobody believes it
 * was done.
 */
#ifndef POSTA_CTL_SENDMAIL_ARGS_H
#define POSTA_CTL_SENDMAIL_ARGS_H

#include "base/err.h"
#include "smtp/envelope.h"

#include <stdbool.h>
#include <stddef.h>

enum sendmail_mode {
    SENDMAIL_LETTER, /* -bm: a letter from standard input     */
    SENDMAIL_SMTP,   /* -bs: SMTP on standard input and output */
    SENDMAIL_QUEUE,  /* -bp, mailq                            */
    SENDMAIL_ALIASES /* -bi, newaliases: nothing to do        */
};

struct sendmail_args {
    enum sendmail_mode mode;
    bool from_head;     /* -t                       */
    bool dot_is_text;   /* -i, -oi                  */
    const char *sender; /* -f, -r; NULL: who calls  */
    const char *name;   /* -F; NULL: none           */
    const char *envid;  /* -V                       */
    enum smtp_ret ret;  /* -R                       */
    unsigned notify;    /* -N                       */
    const char **rcpts; /* inside argv              */
    size_t nrcpts;
};

/* Sorts argv[0..argc) in place; argv[0] is the first argument, not the program. */
int sendmail_args_parse(int argc, const char **argv, struct sendmail_args *out,
                        struct err *err);

#endif
