/* The envelope of a report: where the sender's address leads to, and when that is not known. */
#include "mta/queue/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- in the place of the users ---- */

static enum users_kind kind;

void __wrap_users_refresh(struct users *u, uint64_t now_ms);
void __wrap_users_refresh(struct users *u, uint64_t now_ms)
{
    (void)u, (void)now_ms;
}

uint64_t __wrap_loop_now_ms(const struct loop *l);
uint64_t __wrap_loop_now_ms(const struct loop *l)
{
    (void)l;
    return 1;
}

enum users_kind __wrap_users_find(struct users *u, struct str address, struct arena *a,
                                  struct user *out);
enum users_kind __wrap_users_find(struct users *u, struct str address, struct arena *a,
                                  struct user *out)
{
    (void)u, (void)a;
    *out = (struct user){.address = address};
    return kind;
}

/* ---- the tests ---- */

static struct queue_letter *letter(struct smtp_mail mail)
{
    struct queue_envelope e = {.mail = mail, .flags = STR_LIT("via=msa")};
    struct queue_address to = {
        .address = STR_LIT("x@far.test"), .orcpt = STR_LIT(""), .reply = STR_LIT("")};

    e.mail.reverse_path = STR("bob@far.test");
    e.mail.auth = e.mail.envid = STR("");
    return queue_letter_new(&e, &to, 1);
}

/* 8 where the report is one of eight bits, 7 where not; or the code. */
static int made(struct smtp_mail mail)
{
    struct settings settings = {.smtp.hostname = STR_LIT("mail.example.test")};
    struct service s = {.settings = &settings};
    struct queue_letter *about = letter(mail), *report;
    struct bounce *b;
    int r = report_new(&s, about, DSN_FAILED, &b, &report);

    if (r == 1) {
        r = report->env.mail.body == SMTP_BODY_8BITMIME ? 8 : 7;
        assert_int_equal(report->env.mail.reverse_path.n, 0);
        assert_int_equal(report->rcpts[0].notify, SMTP_NOTIFY_NEVER);
        bounce_free(b);
        queue_letter_free(report);
    }
    queue_letter_free(about);
    return r;
}

/* Who cannot be found now may be found later; who is nobody hears of nothing. */
static void who_is_told(void **state)
{
    static const struct {
        enum users_kind kind;
        int want;
    } rows[] = {
        {USERS_ELSEWHERE, 7            },
        {USERS_MAILBOX,   7            },
        {USERS_UNKNOWN,   0            },
        {USERS_LOOP,      0            },
        {USERS_BROKEN,    E_UNAVAILABLE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        kind = rows[i].kind;
        assert_int_equal(made((struct smtp_mail){.body = SMTP_BODY_7BIT}), rows[i].want);
    }
}

/* Addresses beyond ASCII stand in the report as they are. */
static void eight_bits(void **state)
{
    (void)state;
    kind = USERS_ELSEWHERE;
    assert_int_equal(made((struct smtp_mail){.body = SMTP_BODY_8BITMIME}), 8);
    assert_int_equal(made((struct smtp_mail){.body = SMTP_BODY_7BIT, .smtputf8 = true}), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_is_told),
                                       cmocka_unit_test(eight_bits)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
