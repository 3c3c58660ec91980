/*
 * reason - what a server's refusal means, in words for a person: from the enhanced status (RFC
 * 3463), the reply code (RFC 5321 4.2) and, where both say little, from words that servers are
 * known to use.
 */
#ifndef POSTA_REASON_H
#define POSTA_REASON_H

#include "base/str.h"

struct reason {
    struct str what;   /* one sentence: what happened                     */
    struct str advice; /* what can be done when it will not be tried again */
};

/* Never NULL. `code` 0: no server said anything; `status` "" or not of RFC 3463's form: the
 * code alone counts. */
const struct reason *reason_find(int code, struct str status, struct str text);

#endif
