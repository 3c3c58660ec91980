/* Who a letter is really for: aliases followed to their ends, each end once. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "mta/queue/recipients.h"
#include "users/users_edit.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { CROWD = 40, MAX = 60 };

struct place {
    char dir[64];
    struct users *users;
    struct recipients r;
};

static void good(int rc, const struct err *err)
{
    if (rc < 0)
        fail_msg("%s", err->text);
}

static void add_alias(struct users_edit *e, const char *address, const char *target)
{
    struct err err;

    good(users_alias_add(e, str_c(address), str_c(target), &err), &err);
}

static int place_make(void **state)
{
    static const char *const users[] = {"alice@example.test", "bob@example.test"};
    struct place *p = calloc(1, sizeof(*p));
    struct users_edit *e;
    struct err err;
    struct arena a;
    char text[128];

    if (!p)
        abort();
    arena_init(&a);
    snprintf(p->dir, sizeof(p->dir), "/tmp/test-recipients-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(text, sizeof(text), "%s/pub", p->dir);
    assert_int_equal(mkdir(text, 0750), 0);
    good(users_edit_open(p->dir, &e, &err), &err);
    good(users_edit_begin(e, &err), &err);
    good(users_domain_add(e, STR("example.test"), &err), &err);
    for (size_t i = 0; i < 2; i++)
        good(users_user_add(e, str_c(users[i]), &a, NULL, &err), &err);
    add_alias(e, "info@example.test", "alice@example.test");
    add_alias(e, "info@example.test", "bob@example.test");
    add_alias(e, "info@example.test", "far@elsewhere.test");
    add_alias(e, "all@example.test", "info@example.test");
    add_alias(e, "one@example.test", "far@elsewhere.test");
    for (int i = 0; i < CROWD; i++) {
        snprintf(text, sizeof(text), "u%d@elsewhere.test", i);
        add_alias(e, "crowd@example.test", text);
    }
    good(users_edit_commit(e, &err), &err);
    good(users_publish(e, &err), &err);
    users_edit_close(e);
    p->users = users_open(p->dir, &err);
    assert_non_null(p->users);
    recipients_init(&p->r, MAX);
    arena_done(&a);
    *state = p;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    return remove(path);
}

static int place_remove(void **state)
{
    struct place *p = *state;

    recipients_done(&p->r);
    users_close(p->users);
    nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

static struct smtp_reply add(struct place *p, const char *path, const char *orcpt)
{
    struct smtp_rcpt rcpt = {
        .forward_path = str_c(path), .orcpt = str_c(orcpt), .notify = SMTP_NOTIFY_FAILURE};

    return recipients_add(&p->r, p->users, &rcpt);
}

static void check(const struct place *p, size_t at, const char *address, const char *orcpt,
                  bool local)
{
    const struct queue_address *to = &p->r.to[at];

    assert_true(at < p->r.n);
    assert_int_equal(to->number, at);
    assert_true(str_eq(to->address, str_c(address)));
    assert_true(str_eq(to->orcpt, str_c(orcpt)));
    assert_int_equal(to->local, local);
    assert_int_equal(to->notify, SMTP_NOTIFY_FAILURE);
}

static void a_mailbox_keeps_its_detail(void **state)
{
    struct place *p = *state;

    assert_int_equal(add(p, "Bob+News@example.test", "").code, 250);
    assert_int_equal(add(p, "far@elsewhere.test", "rfc822;x@y").code, 250);
    check(p, 0, "Bob+News@example.test", "", true);
    check(p, 1, "far@elsewhere.test", "rfc822;x@y", false);
}

static void an_alias_becomes_its_ends(void **state)
{
    struct place *p = *state;

    assert_int_equal(add(p, "all@example.test", "").code, 250);
    assert_int_equal(p->r.n, 3);
    check(p, 0, "alice@example.test", "rfc822;all@example.test", true);
    check(p, 1, "bob@example.test", "rfc822;all@example.test", true);
    check(p, 2, "far@elsewhere.test", "rfc822;all@example.test", false);
}

/* A stranger may name a long list as often as there are details: it is not followed again. */
static void an_alias_is_expanded_once(void **state)
{
    struct place *p = *state;
    struct users *users = p->users;

    assert_int_equal(add(p, "crowd@example.test", "").code, 250);
    p->users = NULL; /* nobody is asked */
    assert_int_equal(add(p, "Crowd+1@EXAMPLE.test", "").code, 250);
    assert_int_equal(add(p, "crowd+2@example.test", "").code, 250);
    p->users = users;
    assert_int_equal(p->r.n, CROWD);
    recipients_reset(&p->r);
    assert_int_equal(add(p, "crowd+3@example.test", "").code, 250);
    assert_int_equal(p->r.n, CROWD);
}

static void each_end_is_there_once(void **state)
{
    static const char *const same[] = {"bob@example.test",   "BOB@Example.Test",
                                       "bob+x@example.test", "info@example.test",
                                       "all@example.test",   "far@elsewhere.test"};
    struct place *p = *state;

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        assert_int_equal(add(p, same[i], "").code, 250);
    assert_int_equal(p->r.n, 3);
    check(p, 0, "bob@example.test", "", true); /* as it was first asked for */

    for (int round = 0; round < 2; round++) /* more than are looked at one by one */
        assert_int_equal(add(p, "crowd@example.test", "").code, 250);
    assert_int_equal(p->r.n, 3 + CROWD);
    assert_int_equal(add(p, "bob@example.test", "").code, 250);
    assert_int_equal(p->r.n, 3 + CROWD);
}

static void the_next_letter_begins_anew(void **state)
{
    struct place *p = *state;

    for (int round = 0; round < 3; round++) {
        assert_int_equal(add(p, "crowd@example.test", "").code, 250);
        assert_int_equal(add(p, "bob@example.test", "").code, 250);
        assert_int_equal(p->r.n, CROWD + 1);
        recipients_reset(&p->r);
        assert_int_equal(p->r.n, 0);
    }
}

static void strangers_of_our_domain_are_refused(void **state)
{
    struct place *p = *state;
    struct smtp_reply r = add(p, "nobody@example.test", "");

    assert_int_equal(r.code, 550);
    assert_true(str_eq(r.enhanced, STR("5.1.1")));
    assert_int_equal(p->r.n, 0);
}

/* RFC 3461 5.2.7.2 and 5.2.7.3: what is asked of an alias, and of its ends. */
static void aliases_and_notify(void **state)
{
    enum { F = SMTP_NOTIFY_FAILURE, D = SMTP_NOTIFY_DELAY, S = SMTP_NOTIFY_SUCCESS };
    static const struct {
        const char *path;
        unsigned notify, want;
        size_t expanded;
    } rows[] = {
        {"one@example.test",   S | F,             S | F,             0},
        {"one@example.test",   0,                 0,                 0},
        {"info@example.test",  S | F,             F,                 1},
        {"info@example.test",  S | F | D,         F | D,             1},
        {"info@example.test",  S,                 SMTP_NOTIFY_NEVER, 1},
        {"info@example.test",  SMTP_NOTIFY_NEVER, SMTP_NOTIFY_NEVER, 0},
        {"info@example.test",  0,                 0,                 0},
        {"alice@example.test", S,                 S,                 0},
        {"x@elsewhere.test",   S,                 S,                 0},
    };
    struct place *p = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct smtp_rcpt rcpt = {.forward_path = str_c(rows[i].path),
                                 .orcpt = STR_LIT("rfc822;Told@d"),
                                 .notify = rows[i].notify};

        recipients_reset(&p->r);
        assert_int_equal(recipients_add(&p->r, p->users, &rcpt).code, 250);
        if (p->r.nexpanded != rows[i].expanded)
            fail_msg("row %zu", i);
        for (size_t k = 0; k < p->r.n; k++) {
            assert_int_equal(p->r.to[k].notify, rows[i].want);
            assert_true(str_eq(p->r.to[k].orcpt, STR("rfc822;Told@d")));
        }
        if (rows[i].expanded) {
            assert_true(str_eq(p->r.expanded[0].forward_path, str_c(rows[i].path)));
            assert_true(str_eq(p->r.expanded[0].orcpt, STR("rfc822;Told@d")));
        }
    }
}

static void A10_postmaster_is_always_somebody(void **state)
{
    struct place *p = *state;

    assert_int_equal(add(p, "postmaster", "").code, 250);
    assert_int_equal(add(p, "POSTMASTER@example.test", "").code, 250);
    assert_int_equal(p->r.n, 1);
    assert_true(str_eq(p->r.to[0].address, STR("alice@example.test")));
}

static void there_is_a_most(void **state)
{
    struct place *p = *state;
    char path[64];

    for (int i = 0; i < MAX - CROWD; i++) {
        snprintf(path, sizeof(path), "v%d@elsewhere.test", i);
        assert_int_equal(add(p, path, "").code, 250);
    }
    assert_int_equal(add(p, "crowd@example.test", "").code, 250); /* exactly */
    assert_int_equal(p->r.n, MAX);
    assert_int_equal(add(p, "bob@example.test", "").code, 452);
    recipients_reset(&p->r);
    for (int i = 0; i <= MAX - CROWD; i++) {
        snprintf(path, sizeof(path), "v%d@elsewhere.test", i);
        assert_int_equal(add(p, path, "").code, 250);
    }
    assert_int_equal(add(p, "crowd@example.test", "").code, 452); /* one too many: none of it */
    assert_int_equal(p->r.n, MAX - CROWD + 1);
}

#define RECIPIENTS_TEST(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECIPIENTS_TEST(a_mailbox_keeps_its_detail),
        RECIPIENTS_TEST(an_alias_becomes_its_ends),
        RECIPIENTS_TEST(an_alias_is_expanded_once),
        RECIPIENTS_TEST(each_end_is_there_once),
        RECIPIENTS_TEST(the_next_letter_begins_anew),
        RECIPIENTS_TEST(strangers_of_our_domain_are_refused),
        RECIPIENTS_TEST(aliases_and_notify),
        RECIPIENTS_TEST(A10_postmaster_is_always_somebody),
        RECIPIENTS_TEST(there_is_a_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
