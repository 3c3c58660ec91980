/* explain - `posta explain`: what the codes in an answer mean, where that is written, and what
 * can be done. Knows tables alone and asks nobody. */
#ifndef POSTA_CTL_EXPLAIN_H
#define POSTA_CTL_EXPLAIN_H

#include "ctl/cli.h"

enum cli_status explain_run(struct cli *c, const struct args *a);

#endif
