/*
 * folder - posta-folder and posta-user: the small text files that hold what
 * the names of letters cannot (FORMAT.md).
 *
 * Parsing and printing are pure. Lines whose word we do not know are kept as
 * they are. Strings point into the text or the arena.
 */
#ifndef POSTA_STORE_FOLDER_H
#define POSTA_STORE_FOLDER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define FOLDER_FILE      "posta-folder"
#define FOLDER_USER_FILE "posta-user"

enum {
    FOLDER_VERSION = 1,
    FOLDER_KEYWORDS = 26, /* a letter each in names          */
    FOLDER_KEYWORD_BYTES = 255,
    FOLDER_MAILBOXID_BYTES = 255, /* RFC 8474 4.1                    */
};

struct folder {
    uint32_t uidvalidity;
    struct str mailboxid;
    uint32_t uidnext;                     /* every UID given is below it         */
    uint64_t modseq;                      /* every mod-sequence given is below it */
    struct str keywords[FOLDER_KEYWORDS]; /* empty: the letter is free */
    struct str rest;                      /* lines for others, each with its LF  */
};

struct folder_use {
    struct str use, name; /* "\\Sent" (RFC 6154) and the folder that is for it */
};

struct folder_user {
    uint32_t uidvalidity; /* the last one given out */
    struct str *subscribed;
    size_t nsubscribed;
    struct folder_use *uses;
    size_t nuses;
    bool usual; /* the usual folders have been made, or were not wanted: never again */
    /* a RENAME under way: `renaming` are the old names, in the order in which they are renamed
     * (store/rename.h) */
    struct str rename_from, rename_to;
    struct str *renaming;
    size_t nrenaming;
    struct str rest;
};

/* E_VERSION, E_CORRUPT. */
int folder_parse(struct str text, struct arena *a, struct folder *out, struct err *err);
void folder_print(struct buf *out, const struct folder *f);
int folder_user_parse(struct str text, struct arena *a, struct folder_user *out,
                      struct err *err);
void folder_user_print(struct buf *out, const struct folder_user *u);

/* The files in the directory `at`: E_NOT_FOUND where there is none. */
int folder_load(int at, struct arena *a, struct folder *out, struct err *err);
int folder_store(int at, const struct folder *f, struct err *err);  /* durable after 0 */
int folder_create(int at, const struct folder *f, struct err *err); /* E_EXISTS */
int folder_user_load(int at, struct arena *a, struct folder_user *out, struct err *err);
int folder_user_store(int at, const struct folder_user *u, struct err *err);
int folder_user_create(int at, const struct folder_user *u, struct err *err);
/* After E_CORRUPT or E_LIMIT, under maildir_lock(): it stands aside as posta-user.broken, and
 * one can be made anew. False: it does not. */
bool folder_user_put_aside(int at, int why);

#endif
