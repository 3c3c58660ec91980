/*
 * Two clients of one mailbox who only believe what they are told: after any order of commands,
 * deliveries and expunges, what each believes is so (I30). The second one asks for
 * mod-sequences. Also where transactions fail at their end.
 */
#include "imap_work_world.h"

#include <errno.h>

enum { LETTERS_MAX = 200, ROUNDS = 6, TURNS = 150 };

struct belief {
    uint32_t uid; /* 0: not heard yet */
    bool flags_known;
    uint32_t flags;  /* bit n: words[n] */
    uint64_t modseq; /* 0: not heard yet */
};

struct believer {
    struct client c;
    struct belief letters[LETTERS_MAX];
    uint32_t n;
};

static const struct str words[] = {STR_LIT("\\Answered"), STR_LIT("\\Flagged"),
                                   STR_LIT("\\Deleted"),  STR_LIT("\\Seen"),
                                   STR_LIT("\\Draft"),    STR_LIT("$Work")};

enum { WORDS = sizeof(words) / sizeof(words[0]) };

/* ---- a disk that is full now and then ---- */

int __real_mailbox_end(struct mailbox *b, struct err *err);
int __wrap_mailbox_end(struct mailbox *b, struct err *err);

static unsigned fault_every; /* 0: never */

int __wrap_mailbox_end(struct mailbox *b, struct err *err)
{
    if (!fault_every || (unsigned)rand() % fault_every)
        return __real_mailbox_end(b, err);
    mailbox_abort(b);
    return err_set(err, -ENOSPC, "the disk is full");
}

/* ---- what they hear ---- */

static uint32_t hear_flags(struct str *in)
{
    uint32_t flags = 0;

    while (!scan_byte(in, ')')) {
        bool known = scan_word(in, STR("\\Recent"));

        for (unsigned i = 0; i < WORDS && !known; i++)
            if ((known = scan_word(in, words[i])))
                flags |= UINT32_C(1) << i;
        assert_true(known);
        scan_byte(in, ' ');
    }
    return flags;
}

static void hear_fetch(struct belief *l, struct str in)
{
    uint32_t uid;

    if (scan_word(&in, STR("UID "))) {
        assert_true(scan_u32(&in, UINT32_MAX, &uid));
        if (l->uid)
            assert_int_equal(uid, l->uid);
        l->uid = uid;
        scan_byte(&in, ' ');
    }
    if (scan_word(&in, STR("FLAGS ("))) {
        l->flags = hear_flags(&in);
        l->flags_known = true;
        l->modseq = 0;
        scan_byte(&in, ' ');
    }
    if (scan_word(&in, STR("MODSEQ ("))) {
        assert_true(scan_u64(&in, UINT64_MAX, &l->modseq));
        assert_true(scan_byte(&in, ')'));
    }
    assert_true(str_eq(in, STR(")")));
}

static void hear_line(struct believer *b, struct str line, bool may_expunge)
{
    uint32_t n;

    if (!scan_word(&line, STR("* ")) || !scan_u32(&line, UINT32_MAX, &n))
        return;
    if (str_eq(line, STR(" EXISTS"))) {
        assert_true(n >= b->n && n <= LETTERS_MAX);
        while (b->n < n)
            b->letters[b->n++] = (struct belief){0};
    } else if (str_eq(line, STR(" EXPUNGE"))) {
        assert_true(may_expunge);
        assert_in_range(n, 1, b->n);
        memmove(&b->letters[n - 1], &b->letters[n], (b->n - n) * sizeof(b->letters[0]));
        b->n--;
    } else if (scan_word(&line, STR(" FETCH ("))) {
        assert_in_range(n, 1, b->n);
        hear_fetch(&b->letters[n - 1], line);
    }
}

static void say(struct believer *b, const char *command, bool may_expunge)
{
    struct str out, line;

    client_run(&b->c, command);
    out = buf_str(&b->c.out);
    while (out.n) {
        assert_true(scan_until(&out, '\n', &line));
        scan_byte(&out, '\n');
        hear_line(b, line, may_expunge);
    }
    assert_int_not_equal(b->c.result.status, WORK_BAD);
}

/* ---- what they do ---- */

static uint32_t below(uint32_t n)
{
    return (uint32_t)rand() % n;
}

static void store(struct believer *b, uint32_t first, uint32_t last)
{
    unsigned word = below(WORDS);
    bool add = below(2), silent = below(2);
    char command[128];

    snprintf(command, sizeof(command), "STORE %u:%u %cFLAGS%s (%s)", first, last,
             add ? '+' : '-', silent ? ".SILENT" : "", words[word].p);
    for (uint32_t i = first; i <= last && silent; i++)
        b->letters[i - 1].flags = add ? b->letters[i - 1].flags | UINT32_C(1) << word
                                      : b->letters[i - 1].flags & ~(UINT32_C(1) << word);
    say(b, command, false);
    for (uint32_t i = first; i <= last && b->c.result.status != WORK_OK; i++)
        b->letters[i - 1].flags_known = false; /* done or not, he cannot know */
}

static void by_uid(struct believer *b, const char *what)
{
    struct belief *l = &b->letters[below(b->n)];
    char command[128];

    snprintf(command, sizeof(command), what, l->uid);
    if (l->uid)
        say(b, command, true);
}

static void by_number(struct believer *b, const char *what, bool may_expunge)
{
    uint32_t first = below(b->n) + 1, last = first + below(b->n - first + 1);
    char command[128];

    snprintf(command, sizeof(command), what, first, last);
    say(b, command, may_expunge);
}

static void do_something(struct imap_world *f, struct believer *b)
{
    uint32_t first = b->n ? below(b->n) + 1 : 0;

    switch (b->n ? below(14) : 13) {
    case 0:
    case 1:
        by_number(b, "FETCH %u:%u (UID FLAGS)", false);
        break;
    case 2:
    case 3:
    case 4:
    case 5:
        store(b, first, first + below(b->n - first + 1));
        break;
    case 6:
        by_uid(b, "UID STORE %u +FLAGS (\\Draft $Work)");
        break;
    case 7:
        by_uid(b, "UID FETCH %u (FLAGS)");
        break;
    case 8:
        by_uid(b, "UID EXPUNGE %u");
        break;
    case 9:
        say(b, "EXPUNGE", true);
        break;
    case 10:
        by_number(b, b->n > 20 ? "MOVE %u:%u Box" : "COPY %u:%u Box", true);
        break;
    case 11:
        if (b->n < LETTERS_MAX / 4)
            by_number(b, "COPY %u:%u INBOX", true);
        break;
    case 12:
        say(b, "NOOP", true);
        break;
    default:
        for (uint32_t n = below(4); n; n--)
            imap_world_put(f, ".", STR("Subject: x\n\ntext\n"));
        say(b, "NOOP", true);
        break;
    }
}

/* ---- what is so ---- */

static void assert_so(const struct believer *b, const struct believer *truth)
{
    assert_int_equal(b->n, truth->n);
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->letters[i].uid)
            assert_int_equal(b->letters[i].uid, truth->letters[i].uid);
        if (b->letters[i].flags_known)
            assert_int_equal(b->letters[i].flags, truth->letters[i].flags);
        if (b->c.condstore && b->letters[i].modseq)
            assert_int_equal(b->letters[i].modseq, truth->letters[i].modseq);
    }
}

static void round_of(struct imap_world *f, unsigned seed, unsigned faults)
{
    static struct believer b[2], truth;

    srand(seed);
    for (int i = 0; i < 2; i++) {
        b[i] = (struct believer){.n = 0};
        client_init(&b[i].c, f, 0);
        say(&b[i], "SELECT INBOX", false);
    }
    say(&b[0], "CREATE Box", false);
    b[1].c.condstore = true;
    fault_every = faults;
    for (int turn = 0; turn < TURNS; turn++)
        do_something(f, &b[below(2)]);
    fault_every = 0;
    truth = (struct believer){.n = 0};
    client_init(&truth.c, f, 0);
    say(&truth, "EXAMINE INBOX", false);
    if (truth.n)
        say(&truth, "FETCH 1:* (UID FLAGS MODSEQ)", false);
    for (int i = 0; i < 2; i++) {
        say(&b[i], "NOOP", true);
        assert_so(&b[i], &truth);
        say(&b[i], "NOOP", true);
        assert_string_equal(buf_c(&b[i].c.out), "OK\n");
        client_done(&b[i].c);
    }
    client_done(&truth.c);
}

static void rounds(unsigned faults)
{
    for (unsigned seed = 0; seed < ROUNDS; seed++) {
        struct imap_world f;

        imap_world_init(&f);
        round_of(&f, seed, faults);
        imap_world_done(&f);
    }
}

static void test_races(void **state)
{
    (void)state;
    rounds(0);
}

static void test_races_with_faults(void **state)
{
    (void)state;
    rounds(5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_races),
        cmocka_unit_test(test_races_with_faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
