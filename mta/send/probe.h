/*
 * probe - what a delivery does, told step by step, to nobody's letter: the same route, DNS,
 * hosts, TLS and login, MAIL and RCPT, and then QUIT. delivery.c and remote.c do the work and
 * tell it here; each step is a JSON object on a line.
 *
 *   {"step": "route" | "dns" | "connect" | "greeting" | "EHLO" | "STARTTLS" | "TLS" | "AUTH" |
 *            "MAIL" | "RCPT" …, "ok": true, "ms": 12, "host": "mx.b.test", "code": 250,
 *    "words": "…"}                         dns: "hosts", "dnssec"; TLS: "certificate"
 *   {"step": "end", "ok": …, "code": 250, "status": "2.1.5", "words": "A letter would be taken
 *    by mx.b.test"}
 */
#ifndef POSTA_SEND_PROBE_H
#define POSTA_SEND_PROBE_H

#include "mta/send/delivery.h"
#include "mta/send/steps.h"

enum {
    PROBE_STEP_MS = 20 * 1000,        /* nobody waits minutes for an answer here */
    PROBE_ANSWER_BYTES = 1024 * 1024, /* unread lines of one probe               */
};

struct probe {
    struct buf *out;
    void (*told)(void *arg); /* there is something in `out` */
    void *arg;
    uint64_t began_ms; /* the step that is under way         */
    bool connecting, handshaking, talking;
    struct steps steps;
    struct host host;
};

void probe_init(struct probe *p, struct buf *out, void (*told)(void *arg), void *arg);
void probe_done(struct probe *p);

/* ---- in this order, as delivery.c and remote.c come to it ---- */
void probe_route(struct probe *p, const struct route *r, const char *flaw);
void probe_hosts(struct probe *p, const struct route *r, const struct hosts *h,
                 struct smtp_reply why, struct str dnssec);
void probe_dial(struct probe *p, const struct host *h, bool clear);
void probe_connected(struct probe *p);
void probe_talk(struct probe *p, char direction, struct str lines); /* '<' heard, '>' said */
void probe_tls(struct probe *p, const struct conn *c, const struct tls_context *authorities,
               bool failed, struct str why);
/* That host is no use. What the server said itself has been told. */
void probe_lost(struct probe *p, struct smtp_reply why, bool said);
void probe_end(struct probe *p, const struct result *r);

#endif
