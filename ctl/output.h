/*
 * output - what commands print for people: tables and short notes; colour only on a terminal.
 *
 * Texts come from letters and peers: bytes that could drive a terminal are shown as \x1b.
 */
#ifndef POSTA_CTL_OUTPUT_H
#define POSTA_CTL_OUTPUT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdio.h>

enum { TABLE_COLUMNS = 10, OUTPUT_BYTES = 256 * 1024 * 1024, OUTPUT_SOME_BYTES = 64 * 1024 };

enum colour { PLAIN, GREEN, YELLOW, RED, BOLD, FAINT };

/* True on a terminal, unless NO_COLOR is set or TERM is "dumb". */
bool output_colour(int fd);
/* "\x1b[32m" …; "" when `on` is false. output_end() ends it. */
const char *output_begin(enum colour c, bool on);
const char *output_end(enum colour c, bool on);

/* Letters that a terminal shows as they are; everything else escaped. UTF-8 stays. */
void output_safe(struct buf *out, struct str s);
/* Columns on a terminal: code points, of text that output_safe() made. */
size_t output_width(struct str s);

/* How many columns the terminal has; 0 where it is none: lines are as long as they are. */
size_t output_columns(int fd);
/* Text that output_safe() made, from column `at` on; where `columns` is not 0 it goes on in
 * lines of its own from column `indent` on, broken at blanks. Ends without a newline. */
void output_wrapped(struct buf *out, struct str s, size_t at, size_t indent, size_t columns);

struct table {
    struct arena arena;
    size_t columns;
    const char *heads[TABLE_COLUMNS];
    bool right[TABLE_COLUMNS]; /* numbers stand at the right */
    struct table_row *first, *last;
};

/* `heads` ends with NULL; a head that starts with '>' is of a column of numbers. */
void table_init(struct table *t, const char *const *heads);
void table_done(struct table *t);
/* As many cells as columns. Copied and made safe. */
void table_add(struct table *t, enum colour colour, const struct str *cells);
size_t table_rows(const struct table *t);
void table_print(const struct table *t, struct buf *out, bool colour);

/* "1.5 MiB", "3 h 20 min", "2026-11-22 21:31:25": in the arena. */
struct str output_size(struct arena *a, uint64_t bytes);
struct str output_span(struct arena *a, uint64_t ms);
struct str output_moment(struct arena *a, uint64_t unix_ms);

/* Writes all of it, also through short writes. */
void output_write(int fd, struct buf *b);
/* The same once there is much of it: for listings without end. */
void output_some(int fd, struct buf *b);

#endif
