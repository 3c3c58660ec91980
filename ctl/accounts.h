/*
 * accounts - `posta domain …`, `posta alias …`, `posta user …`: changes of users.db, shown to
 * the running system at once by a new snapshot.
 */
#ifndef POSTA_CTL_ACCOUNTS_H
#define POSTA_CTL_ACCOUNTS_H

#include "ctl/cli.h"
#include "users/users_edit.h"

enum cli_status domain_add(struct cli *c, const struct args *a);
enum cli_status domain_del(struct cli *c, const struct args *a);
enum cli_status domain_list(struct cli *c, const struct args *a);
enum cli_status alias_add(struct cli *c, const struct args *a);
enum cli_status alias_del(struct cli *c, const struct args *a);
enum cli_status alias_list(struct cli *c, const struct args *a);
enum cli_status user_add(struct cli *c, const struct args *a);
enum cli_status user_del(struct cli *c, const struct args *a);
enum cli_status user_passwd(struct cli *c, const struct args *a);
enum cli_status user_list(struct cli *c, const struct args *a);
enum cli_status user_quota(struct cli *c, const struct args *a);

extern const struct args_option user_add_options[], user_passwd_options[], user_quota_options[];

/* Opens users.db; NULL after the reason was printed into *status. */
struct users_edit *accounts_open(struct cli *c, enum cli_status *status);
/* Publishes where `rc` is good, closes, and says what went wrong. */
enum cli_status accounts_close(struct users_edit *e, int rc, struct err *err);

#endif
