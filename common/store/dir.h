/*
 * dir - directories below mail/: opened without following a link (F01), listed
 * without a stat() an entry, and the small text files in them.
 */
#ifndef POSTA_STORE_DIR_H
#define POSTA_STORE_DIR_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* `path` below the directory `at`; a symbolic link or ".." anywhere in it is -ELOOP or -EXDEV.
 */
int dir_open(int at, const char *path, struct err *err);

/* Makes it where it is missing; its entry is durable after 0 (it was there) or 1 (it is new).
 */
int dir_make(int at, const char *name, struct err *err);

/* rename(2) that replaces nothing: E_EXISTS, E_NOT_FOUND. Not yet durable. */
int dir_rename_new(int at, const char *from, const char *to, struct err *err);

/* The entries of a directory in the order of the file system, without those that begin with a
 * dot. */
enum { DIR_SCAN_BYTES = 128 * 1024 };
struct dir_scan {
    int fd; /* borrowed */
    char *block;
    size_t at, n;
};

/* From its first entry, however often `fd` has been read before. */
int dir_scan_init(struct dir_scan *s, int fd, struct err *err);
void dir_scan_done(struct dir_scan *s);
/* 1: *name (with a NUL behind it, valid until the next call) is a regular file; 0: the end.
 * What is not a regular file is passed over (F02). */
int dir_scan_next(struct dir_scan *s, struct str *name, struct err *err);

/* ---- small text files ---- */
enum { DIR_TEXT_BYTES = 1 << 20 };

/* E_NOT_FOUND where it is missing, E_LIMIT above DIR_TEXT_BYTES. */
int dir_read_text(int at, const char *name, struct arena *a, struct str *out, struct err *err);
/* A new file in the place of the old one; durable after 0, the old one untouched after an
 * error. */
int dir_replace_text(int at, const char *name, struct str text, struct err *err);
/* The same where there is none yet; E_EXISTS otherwise. */
int dir_create_text(int at, const char *name, struct str text, struct err *err);

/* All of it, whatever the system calls an interruption (X10). */
int dir_write(int fd, struct str bytes, struct err *err);

#endif
