/*
 * init - `posta init` and `posta check`: a system made ready, and looked over.
 */
#ifndef POSTA_CTL_INIT_H
#define POSTA_CTL_INIT_H

#include "ctl/cli.h"

enum cli_status init_run(struct cli *c, const struct args *a);
enum cli_status check_run(struct cli *c, const struct args *a);

extern const struct args_option init_options[];

#endif
