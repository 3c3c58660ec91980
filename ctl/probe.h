/*
 * probe - `posta probe`: what would become of a letter, step by step, without sending one.
 *
 * Addresses of ours are looked up in the snapshot of users.db, as the queue does; for others
 * posta-mta-send is asked (send.ctl), which does all that it does for a letter but the letter.
 */
#ifndef POSTA_CTL_PROBE_H
#define POSTA_CTL_PROBE_H

#include "ctl/cli.h"

extern const struct args_option probe_options[];
enum cli_status probe_run(struct cli *c, const struct args *a);

#endif
