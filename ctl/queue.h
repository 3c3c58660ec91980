/*
 * queue - `posta queue …` and `posta trace`: what the queue tells over queue.ctl, for people
 * and as JSON.
 */
#ifndef POSTA_CTL_QUEUE_H
#define POSTA_CTL_QUEUE_H

#include "ctl/cli.h"

enum cli_status queue_list(struct cli *c, const struct args *a);
enum cli_status queue_show(struct cli *c, const struct args *a);
enum cli_status queue_retry(struct cli *c, const struct args *a);
enum cli_status queue_hold(struct cli *c, const struct args *a);
enum cli_status queue_release(struct cli *c, const struct args *a);
enum cli_status queue_delete(struct cli *c, const struct args *a);
enum cli_status queue_flush(struct cli *c, const struct args *a);
enum cli_status queue_trace(struct cli *c, const struct args *a);

extern const struct args_option queue_change_options[]; /* --all --yes */
extern const struct args_option queue_list_options[];

/* Asks queue.ctl; what goes wrong is printed and told by *status. Negative, or the number
 * behind OK. `object` may be NULL. */
int queue_ask(struct cli *c, const char *command, void (*object)(void *arg, struct str json),
              void *arg, enum cli_status *status);
/* What it says, printed as one array. */
enum cli_status queue_ask_json(struct cli *c, const char *command);

/* `sendmail -bp` and mailq. */
int queue_list_all(const char *config_path);

#endif
