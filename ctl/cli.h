/*
 * cli - what every command of `posta` has in common: its row in the table, its options, the
 * configuration, and how it says that something went wrong.
 *
 * A command returns its exit status and has then said why, when it is not CLI_DONE.
 */
#ifndef POSTA_CTL_CLI_H
#define POSTA_CTL_CLI_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "ctl/args.h"
#include "sys/config.h"

enum cli_status { CLI_DONE = 0, CLI_REFUSED = 1, CLI_USAGE = 2, CLI_LATER = 75 };

struct cli {
    const char *config_path;
    struct config *config; /* NULL until cli_config() */
    struct arena arena;
    struct buf out; /* standard output, written when the command ends */
    bool json, colour;
    const struct command *command;
};

/* Options of every command come first in the table of each; its own follow from OPTION_OWN on.
 */
enum { OPTION_CONFIG, OPTION_JSON, OPTION_HELP, OPTION_OWN };

struct command {
    const char *words;                 /* "queue list"           */
    const char *usage;                 /* "ID …"                 */
    const char *about;                 /* one line               */
    const char *more;                  /* paragraphs for --help; may be NULL */
    const struct args_option *options; /* its own; may be NULL  */
    unsigned min, max;                 /* arguments                            */
    enum cli_status (*run)(struct cli *c, const struct args *a);
};

enum { CLI_MANY = 1000000 }; /* for `max` */

/* The configuration, read once. NULL after every fault has been printed. */
const struct config *cli_config(struct cli *c);

/* "posta: …" on standard error. Both return the status. */
enum cli_status cli_fail(enum cli_status status, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The reason in err, with what to do where that is known; CLI_LATER for what may pass by
 * itself. */
enum cli_status cli_err(const struct err *err);
enum cli_status cli_usage(const struct cli *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void cli_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Does option `at` (from OPTION_OWN) stand there? */
static inline bool cli_has(const struct args *a, int at)
{
    return a->options[at] != NULL;
}

/* state_dir, run_dir with something behind it; in c->arena. */
const char *cli_path(struct cli *c, const char *dir, const char *name);

#endif
