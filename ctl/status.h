/*
 * status - `posta start`, `stop`, `reload` and `status`: talking with the supervisor.
 */
#ifndef POSTA_CTL_STATUS_H
#define POSTA_CTL_STATUS_H

#include "ctl/cli.h"

enum cli_status run_start(struct cli *c, const struct args *a);
enum cli_status run_stop(struct cli *c, const struct args *a);
enum cli_status run_reload(struct cli *c, const struct args *a);
enum cli_status run_status(struct cli *c, const struct args *a);

extern const struct args_option run_start_options[], run_status_options[];

#endif
