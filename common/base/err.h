/*
 * err - why something failed, for a person.
 *
 * Functions return 0 for good or a negative code: -errno, one of libuv's
 * (which are -errno too, or -3000 to -4095), or one of ours from E_BASE down.
 * Their last argument takes the reason. Libraries return, programs log, once.
 */
#ifndef POSTA_ERR_H
#define POSTA_ERR_H

enum {
    E_BASE = -5000,
    E_SYNTAX = E_BASE - 1,      /* the text is not what its grammar says       */
    E_LIMIT = E_BASE - 2,       /* a named limit was reached                   */
    E_NOT_FOUND = E_BASE - 3,   /* no such user, letter, mailbox               */
    E_EXISTS = E_BASE - 4,      /* there is one already                        */
    E_DENIED = E_BASE - 5,      /* asked for by whom may not                   */
    E_BUSY = E_BASE - 6,        /* somebody else holds it; try again           */
    E_UNAVAILABLE = E_BASE - 7, /* a part of posta or a database is away       */
    E_CORRUPT = E_BASE - 8,     /* what is on disk cannot be trusted           */
    E_VERSION = E_BASE - 9,     /* written by a newer posta                    */
    E_NO_SPACE = E_BASE - 10,   /* disk or quota                               */
    E_LOOP = E_BASE - 11,       /* aliases or letters go round in a circle     */
};

enum { ERR_TEXT_BYTES = 256 };

struct err {
    int code;
    char text[ERR_TEXT_BYTES]; /* no full stop, no newline */
};

/* Both store and return the code; `err` may be NULL. err_os() takes it from
 * errno and puts its meaning behind the text. */
int err_set(struct err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int err_os(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
