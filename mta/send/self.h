/*
 * self - the addresses at which this machine takes mail itself: what DNS leads to one of them
 * is led in a circle (RFC 5321 5.1; D03). Names are left to dns/mx.h, and so is loopback where
 * posta.conf does not name it.
 */
#ifndef POSTA_SEND_SELF_H
#define POSTA_SEND_SELF_H

#include "base/arena.h"
#include "dns/mx.h"
#include "sys/config.h"

/* Fills in the addresses, which live in `a`: those of mta.listen with the port that MX records
 * lead to; where that is every address, those of all interfaces as they are now. */
void self_addresses(const struct config *c, struct arena *a, struct mx_self *out);

#endif
