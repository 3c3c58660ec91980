/*
 * notify - tells systemd how we are (sd_notify(3)'s protocol: one datagram to NOTIFY_SOCKET).
 * Elsewhere it does nothing.
 */
#ifndef POSTA_CTL_NOTIFY_H
#define POSTA_CTL_NOTIFY_H

void notify(const char *state);

#endif
