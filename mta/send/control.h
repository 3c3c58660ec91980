/*
 * control - send.ctl: what `posta probe` asks. One command a line; the answer is one JSON
 * object a line, as each step is done, and then "OK n" or "ERR text".
 *
 *   PROBE to=ADDRESS [from=ADDRESS]    the words in xtext (RFC 3461 4); from=<> for none
 *
 * The steps are those of probe.h. One who goes away in the middle ends the probe.
 */
#ifndef POSTA_SEND_CONTROL_H
#define POSTA_SEND_CONTROL_H

#include "mta/send/send.h"

enum { CONTROL_LINE_BYTES = 2048, CONTROL_CONNECTIONS = 16 };

void control_options(struct send *s, struct listen_options *o);
void control_drain(struct send *s);

#endif
