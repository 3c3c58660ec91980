/*
 * config_scan - the first reading of posta.conf: finds what the library would not tell.
 *
 * libconfuse 3.3 stops at the first unknown key, counts lines wrongly behind comments, takes no
 * comment inside a list, drops bytes it does not know and takes a string without its end for
 * good. So the text is read here once, by this grammar:
 *
 *   file      = *statement
 *   statement = name ("=" / "+=") value / name [title] "{" *statement "}"
 *   value     = atom / "{" [atom *("," atom)] [","] "}"
 *   atom      = 1*(ALPHA / DIGIT / one of "_-./:@%[]~") / DQUOTE text DQUOTE / "'" text "'"
 *
 * with "#" to the end of the line as comment and a backslash before a quote or a backslash in
 * double quotes. Comments, unknown keys, and what stands behind a syntax error are blanked out,
 * lines stay where they are: what is left is known, well formed, and goes to libconfuse.
 */
#ifndef POSTA_SYS_CONFIG_SCAN_H
#define POSTA_SYS_CONFIG_SCAN_H

#include "base/arena.h"
#include "sys/config_keys.h"

enum { CONFIG_FAULTS = 200, CONFIG_NESTING = 8 };

struct config_fault {
    int line; /* 0: of no one line */
    const char *text;
};

struct config_faults {
    struct arena *arena;
    struct config_fault list[CONFIG_FAULTS]; /* the first ones; `n` goes on counting */
    size_t n;
};

void config_fault(struct config_faults *f, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Changes the n bytes at `text`. */
void config_scan(char *text, size_t n, struct config_faults *faults);

const struct config_row *config_row_find(struct str section, struct str name);
/* "mta", "route" is the section "mta.route". NULL: there is none. */
const struct config_section *config_section_find(struct str parent, struct str name);

#endif
