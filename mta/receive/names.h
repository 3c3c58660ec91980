/*
 * names - what receive asks DNS about strangers: the name of a client's address, which counts
 * only when it leads back to that address (D09), and whether a sender's domain has a null MX
 * (RFC 7505; D01).
 *
 *   PTR of the address ─▶ of each name, at most NAMES_OF_ADDRESS, A or AAAA
 *                      ─▶ the first that fits
 *
 * Nothing starts before the first question; a failure to start is told once, and then nobody is
 * asked. Names that DNS could not say safely (dns/record.h) are none.
 */
#ifndef POSTA_RECEIVE_NAMES_H
#define POSTA_RECEIVE_NAMES_H

#include "dns/ip.h"
#include "intake/intake.h"

enum { NAMES_OF_ADDRESS = 4 };

extern const struct intake_names receive_names;

/* Loopback, private, shared, link-local: nobody's in the world. */
bool names_is_private(const struct ip *ip);

#endif
