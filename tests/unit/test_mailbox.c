/*
 * Mailboxes as IMAP sees them: what others put into the Maildir, take away and rename is taken
 * in, UIDs stay, changes are told by mod-sequences.
 */
#include "mailbox_world.h"

/* ---- letters seen for the first time ---- */

static void takes_new_letters(void **state)
{
    struct fixture *f = *state;
    struct mailbox_state st;
    char name[256];

    put(f, "new/1000.b.host,S=14,W=17", LETTER);
    put(f, "new/1000.a.host,S=14,W=17", LETTER);
    put(f, "new/999.z.host", LETTER);
    begin(f, MAILBOX_READ);
    st = state_of(f, STATE_FIRST_UNSEEN | STATE_OCTETS);
    assert_int_equal(st.exists, 3);
    assert_int_equal(st.recent, 3);
    assert_int_equal(st.unseen, 3);
    assert_int_equal(st.uidnext, 4);
    assert_int_equal(st.first_unseen, 1);
    assert_int_equal(st.octets, 3 * 17);
    assert_true(st.highestmodseq > 0);
    end(f);
    assert_int_equal(world_count(&f->w, ALICE "/new", NULL), 0);
    assert_int_equal(world_count(&f->w, ALICE "/cur", NULL), 3);
    assert_rows(f, "1 2 3");
    snprintf(name, sizeof(name), "cur/999.z.host,S=14,P=%u.1:2,", st.uidvalidity);
    assert_true(has(f, name));
    snprintf(name, sizeof(name), "cur/1000.a.host,S=14,W=17,P=%u.2:2,", st.uidvalidity);
    assert_true(has(f, name));
}

static void stays_the_same(void **state)
{
    struct fixture *f = *state;

    put(f, "new/1000.a.host", LETTER);
    put(f, "cur/999.b.host:2,FS", LETTER);
    assert_rows(f, "1FS 2");
    open_again(f);
    assert_rows(f, "1FS 2");
    lose_index(f);
    assert_rows(f, "1FS 2");
    put(f, "new/998.c.host", LETTER);
    begin(f, MAILBOX_READ);
    assert_true(state_of(f, 0).uidnext > 3);
    end(f);
    assert_int_equal(rows(f, NULL, 0, 0), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(takes_new_letters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stays_the_same, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
