#include "intake/decide.h"

static const struct smtp_reply try_again = {451, STR_LIT("4.3.0"),
                                            STR_LIT("the queue is away; try again later")};

/* The queue takes all recipients of a letter or none. Where it took some alone, the client is
 * told to come again: a second copy for those is better than none for the others. */
enum decide_file decide_handover(const struct smtp_client_rcpt *rcpts, size_t n,
                                 struct smtp_reply *reply)
{
    bool taken = false, refused = false, open = false;
    struct smtp_reply no = try_again;

    for (size_t i = 0; i < n; i++) {
        const struct smtp_client_rcpt *r = &rcpts[i];

        if (r->phase == SMTP_PHASE_HANDED) {
            open = true;
        } else if (r->phase == SMTP_PHASE_START) {
            refused = true;
        } else if (smtp_reply_class(r->reply) == 2) {
            taken = true;
        } else {
            if (!refused || smtp_reply_class(r->reply) == 4)
                no = r->reply;
            refused = true;
        }
    }
    if (taken && !refused && !open)
        *reply = SMTP_REPLY(250, "2.0.0", "Ok");
    else if (open || taken)
        *reply = try_again;
    else
        *reply = no;
    return taken || open ? DECIDE_LEAVE : DECIDE_DROP;
}

struct smtp_reply decide_recipient(enum users_kind kind, bool relay)
{
    switch (kind) {
    case USERS_MAILBOX:
    case USERS_ALIAS:
        return SMTP_REPLY(250, "2.1.5", "Ok");
    case USERS_UNKNOWN:
        return SMTP_REPLY(550, "5.1.1", "no such user here");
    case USERS_LOOP:
        return SMTP_REPLY(554, "5.4.6", "the aliases of this address go round in a circle");
    case USERS_BROKEN:
        return SMTP_REPLY(451, "4.3.0", "the list of users cannot be read; try again later");
    case USERS_ELSEWHERE:
        break;
    }
    return relay ? SMTP_REPLY(250, "2.1.5", "Ok")
                 : SMTP_REPLY(554, "5.7.1", "relay access denied");
}

/* One answer for a wrong name, a wrong password and a closed account: who asks learns nothing.
 */
struct smtp_reply decide_auth_failed(enum auth_status status)
{
    if (status == AUTH_TEMP)
        return SMTP_REPLY(454, "4.7.0", "logins cannot be checked now; try again later");
    return SMTP_REPLY(535, "5.7.8", "authentication failed");
}

bool decide_too_slow(uint64_t bytes, uint64_t ms, uint64_t grace_ms, uint32_t bytes_per_second)
{
    return ms > grace_ms && bytes < (ms - grace_ms) / 1000 * bytes_per_second;
}
