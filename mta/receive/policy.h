/*
 * policy - what port 25 makes of strangers, without any I/O: letters for our
 * users, and relaying for nobody but whom the configuration names.
 */
#ifndef POSTA_RECEIVE_POLICY_H
#define POSTA_RECEIVE_POLICY_H

#include "intake/intake.h"

void receive_offer(const struct config *c, struct smtp_server_config *out);

/* Anybody writes to us in any name; who has logged in (lab.auth_on_25) in his own. */
struct smtp_reply receive_sender(const struct intake_sender *s);
struct smtp_reply receive_recipient(const struct intake_recipient *r);

/* Is the address in one of mta.relay_from's networks? */
bool receive_relays(const struct config *c, const char *peer);
/* "192.0.2.0/24", "2001:db8::/32", or a single address. */
bool receive_in_network(const char *network, const char *address);

#endif
