/*
 * decide - what an intake makes of what others said, without any I/O: results
 * of a hand-over, answers of authd, what a mailbox is.
 */
#ifndef POSTA_INTAKE_DECIDE_H
#define POSTA_INTAKE_DECIDE_H

#include "smtp/client.h"
#include "users/auth.h"
#include "users/users.h"

/* What becomes of the file in spool/in after a hand-over. */
enum decide_file {
    DECIDE_DROP,  /* it is still ours, and not wanted any more */
    DECIDE_LEAVE, /* it is the queue's, answered or not        */
};

/* The queue's results for one letter. *reply is what the client is told; its text may be the
 * queue's, and lives as long as that. With 250 the caller puts its own words. */
enum decide_file decide_handover(const struct smtp_client_rcpt *rcpts, size_t n,
                                 struct smtp_reply *reply);

/* A recipient who is known here or not: 250, 550 5.1.1 and so on. `relay` says whether the
 * client may send elsewhere. */
struct smtp_reply decide_recipient(enum users_kind kind, bool relay);

/* For AUTH_BAD, AUTH_TEMP and AUTH_DISABLED. */
struct smtp_reply decide_auth_failed(enum auth_status status);

/* Is a letter of `bytes` after `ms` slower than allowed? The first grace_ms do not count (R03).
 */
bool decide_too_slow(uint64_t bytes, uint64_t ms, uint64_t grace_ms, uint32_t bytes_per_second);

#endif
