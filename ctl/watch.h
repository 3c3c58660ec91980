/*
 * watch - `posta watch`: what all processes of one or several systems say, hear and do, as it
 * happens. Listens in run_dir/watch/ (sys/watch.h); ends with Ctrl-C.
 *
 *   12:31:25.123 msa         1f2c  C: MAIL FROM:<alice@example.test>
 *   12:31:25.124 msa         1f2c  S: 250 2.1.0 Ok
 *   12:31:25.131 mta-queue   01m8…  queued from <alice@example.test> …
 *
 * A filter shows the sessions in which its word is said, from their first line on, and the
 * events about it: lines that came before the word are kept until then, a bounded number of
 * them.
 */
#ifndef POSTA_CTL_WATCH_H
#define POSTA_CTL_WATCH_H

#include "ctl/cli.h"

enum {
    WATCH_SYSTEMS = 8,
    WATCH_PROCESSES = 512,
    WATCH_SESSIONS = 1000,    /* that a filter remembers; the oldest goes        */
    WATCH_KEPT_BYTES = 32768, /* of one of them, before its word is said         */
};

extern const struct args_option watch_options[];
enum cli_status watch_run(struct cli *c, const struct args *a);

#endif
