/*
 * intake - queue.sock: letters handed over by name from msa and receive (XSPOOL), and by DATA
 * from sendmail and tests.
 *
 * Whoever may connect may leave a letter; the uid says what is believed beyond that: only our
 * own boxes hand over by name, and only posta-msa (and who runs the queue) says in whose name a
 * letter was submitted.
 *
 *   MAIL ─ is there room? ─▶ RCPT ─ aliases are followed, each final recipient once ─┐
 *       ┌────────────────────────────────────────────────────────────────────────────┘
 *       ├─▶ XSPOOL ──────────────────────▶ journal ─▶ 250
 *       └─▶ DATA ─▶ in/ID, on a job ─────────┘
 */
#ifndef POSTA_QUEUE_INTAKE_H
#define POSTA_QUEUE_INTAKE_H

#include "mta/queue/service.h"

void intake_options(struct service *s, struct listen_options *o);
/* Sessions that do nothing end, the others end after their transaction. */
void intake_drain(struct service *s);

#endif
