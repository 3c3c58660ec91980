/*
 * prompt - a password from the terminal, twice and unseen, or from standard input.
 */
#ifndef POSTA_CTL_PROMPT_H
#define POSTA_CTL_PROMPT_H

#include "ctl/cli.h"

/* A C string of at most room - 1 bytes, never empty; the caller wipes it. */
enum cli_status prompt_password(const struct cli *c, bool from_stdin, char *password,
                                size_t room);

#endif
