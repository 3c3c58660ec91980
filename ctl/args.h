/*
 * args - the words of a command line, sorted into options and arguments.
 *
 * Options may stand anywhere before "--": --json, --wait 5, --wait=5, -N 5, -N5. What a command
 * takes is a table; what is not in it is refused with a message that says what would be right.
 * Pure: nothing is printed here.
 */
#ifndef POSTA_CTL_ARGS_H
#define POSTA_CTL_ARGS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { ARGS_OPTIONS = 16, ARGS_REPEATS = 16 };

struct args_option {
    const char *name;  /* "--wait"                          */
    char letter;       /* 'w', or 0                         */
    const char *value; /* "SECONDS"; NULL: takes no value   */
    const char *about; /* for --help                        */
};

struct args {
    const char *options[ARGS_OPTIONS]; /* by place in the table: NULL not given, "" given, or
                                          its value */
    const char **words; /* the rest, in order; inside the argv that was given            */
    size_t n;
    /* An option that was given before: its place, and what it said then. The last one counts.
     */
    struct {
        int at;
        const char *value;
    } repeats[ARGS_REPEATS];
    size_t nrepeats;
};

/* Sorts argv[0..argc) in place. `table` ends with a name NULL; it has at most ARGS_OPTIONS
 * rows. */
int args_parse(int argc, const char **argv, const struct args_option *table, struct args *out,
               struct err *err);

/* "10", "10K", "10M", "10G", "10T": bytes. The whole text, or false. */
bool args_bytes(const char *text, unsigned long long *out);
bool args_number(const char *text, unsigned long long max, unsigned long long *out);

#endif
