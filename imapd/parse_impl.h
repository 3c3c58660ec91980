/*
 * parse_impl - the arguments of each command, a function each: what parse.c's table points at.
 *
 * *in stands behind the command's name, before the SP where there is one. A parser reads all of
 * its arguments; parse.c sees that nothing is left. It may set *why where the table's words for
 * how the command is written would not tell what is wrong.
 */
#ifndef POSTA_IMAPD_PARSE_IMPL_H
#define POSTA_IMAPD_PARSE_IMPL_H

#include "imapd/parse.h"
#include "imapd/scan.h"

/* parse_login.c: before there is a user */
bool parse_login(struct str *in, struct arena *a, struct command *out, const char **why);
bool parse_authenticate(struct str *in, struct arena *a, struct command *out, const char **why);
bool parse_id(struct str *in, struct arena *a, struct command *out, const char **why);
bool parse_enable(struct str *in, struct arena *a, struct command *out, const char **why);

/* parse_mailbox.c */
bool parse_mailbox(struct str *in, struct arena *a, struct command *out, const char **why);
bool parse_select(struct str *in, struct arena *a, struct command *out, const char **why);
bool parse_create(struct str *in, struct arena *a, struct command *out, const char **why);
bool parse_rename(struct str *in, struct arena *a, struct command *out, const char **why);
bool parse_status(struct str *in, struct arena *a, struct command *out, const char **why);
bool parse_quota(struct str *in, struct arena *a, struct command *out, const char **why);
bool parse_setquota(struct str *in, struct arena *a, struct command *out, const char **why);
/* status-att *(SP status-att) in parentheses: also LIST's */
bool scan_status_items(struct str *in, unsigned *items);

/* parse_list.c */
bool parse_list(struct str *in, struct arena *a, struct command *out, const char **why);
bool parse_lsub(struct str *in, struct arena *a, struct command *out, const char **why);

/* parse_fetch.c */
bool parse_fetch(struct str *in, struct arena *a, struct command *out, const char **why);

/* parse_search.c */
bool parse_search(struct str *in, struct arena *a, struct command *out, const char **why);

/* parse_letters.c: what else is done to letters */
bool parse_store(struct str *in, struct arena *a, struct command *out, const char **why);
bool parse_copy(struct str *in, struct arena *a, struct command *out, const char **why);
bool parse_expunge(struct str *in, struct arena *a, struct command *out, const char **why);
bool parse_append_arguments(struct str *in, struct arena *a, struct command *out,
                            const char **why);

#endif
