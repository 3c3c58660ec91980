/*
 * Mailboxes as IMAP sees them: what others put into the Maildir, take away and rename is taken
 * in, UIDs stay, changes are told by mod-sequences.
 */
#include "mailbox_world.h"

#include "mail/envelope.h"
#include "mail/structure.h"
#include "store/digest.h"
#include "store/lines.h"
#include "store/mailbox_impl.h"
#include "store/mailboxes_impl.h"
#include "store/maildir.h"

#include <sys/socket.h>
#include <sys/un.h>

#define MADE "S=14,W=17"

static struct mailbox_state peek(struct fixture *f)
{
    begin(f, MAILBOX_READ);
    struct mailbox_state st = state_of(f, STATE_FIRST_UNSEEN);
    end(f);
    return st;
}

static struct uidset set_of(const char *text)
{
    struct uidset s;
    struct str in = str_c(text);
    uint32_t a, b;

    uidset_init(&s);
    while (scan_u32(&in, UINT32_MAX, &a)) {
        b = a;
        if (scan_byte(&in, ':'))
            scan_u32(&in, UINT32_MAX, &b);
        uidset_add(&s, a, b);
        scan_byte(&in, ',');
    }
    return s;
}

static const char *text_of(const struct uidset *s)
{
    static char text[4096];
    struct buf b;

    buf_init(&b, sizeof(text) - 1);
    uidset_print(&b, s);
    snprintf(text, sizeof(text), "%s", buf_c(&b));
    buf_done(&b);
    return text;
}

static void assert_since(struct fixture *f, uint64_t modseq, const char *changed,
                         const char *gone)
{
    struct uidset set;
    struct err err = {0};

    uidset_init(&set);
    begin(f, MAILBOX_READ);
    rows_now(f, NULL, modseq, 0);
    assert_string_equal(f->text, changed);
    assert_int_equal(mailbox_expunged_since(f->b, modseq, &set, &err), 0);
    assert_string_equal(text_of(&set), gone);
    end(f);
    uidset_done(&set);
}

/* Three letters, UIDs 1 to 3. */
static struct mailbox_state three(struct fixture *f)
{
    put(f, "new/1.a.host," MADE, LETTER);
    put(f, "new/2.b.host," MADE, LETTER);
    put(f, "new/3.c.host," MADE, LETTER);
    return peek(f);
}

static uint64_t store(struct fixture *f, const char *uids, enum mailbox_store how,
                      uint32_t flags, uint32_t keywords, uint64_t unchangedsince,
                      const char *modified)
{
    struct uidset set = set_of(uids), left;
    struct err err = {0};
    uint64_t modseq = 0;

    uidset_init(&left);
    begin(f, MAILBOX_WRITE);
    if (mailbox_store(f->b, &set, how, (struct mailbox_flags){flags, keywords}, unchangedsince,
                      &left, &modseq, &err) != 0)
        fail_msg("%s", err.text);
    end(f);
    assert_string_equal(text_of(&left), modified);
    uidset_done(&set);
    uidset_done(&left);
    return modseq;
}

static void expunge(struct fixture *f, const char *among, const char *want)
{
    struct uidset set = set_of(among ? among : ""), gone;
    struct err err = {0};

    uidset_init(&gone);
    begin(f, MAILBOX_WRITE);
    if (mailbox_expunge(f->b, among ? &set : NULL, &gone, &err) != 0)
        fail_msg("%s", err.text);
    end(f);
    assert_string_equal(text_of(&gone), want);
    uidset_done(&set);
    uidset_done(&gone);
}

/* ---- letters seen for the first time ---- */

static void takes_new_letters(void **state)
{
    struct fixture *f = *state;
    struct mailbox_state st;
    char name[256];

    put(f, "new/1000.b.host," MADE, LETTER);
    put(f, "new/1000.a.host," MADE, LETTER);
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
    snprintf(name, sizeof(name), "cur/1000.a.host," MADE ",P=%u.2:2,", st.uidvalidity);
    assert_true(has(f, name));
}

static void stays_the_same(void **state)
{
    struct fixture *f = *state;
    uint32_t uidvalidity;

    put(f, "new/1000.a.host", LETTER);
    put(f, "cur/999.b.host:2,FS", LETTER);
    assert_rows(f, "1FS 2");
    uidvalidity = peek(f).uidvalidity;
    open_again(f);
    assert_rows(f, "1FS 2");
    lose_index(f);
    assert_rows(f, "1FS 2");
    put(f, "new/998.c.host", LETTER);
    assert_true(peek(f).uidnext > 3);
    assert_int_equal(rows(f, NULL, 0, 0), 3);
    assert_int_equal(peek(f).uidvalidity, uidvalidity);
}

/* RFC 3501 2.3.2: recent to one session only. */
static void recent_to_the_first(void **state)
{
    struct fixture *f = *state;
    uint32_t first;

    put(f, "cur/1.old.host:2,S", LETTER);
    three(f);
    assert_int_equal(peek(f).recent, 3);
    begin(f, MAILBOX_WRITE);
    assert_int_equal(mailbox_claim_recent(f->b, &first, NULL), 0);
    end(f);
    assert_int_equal(first, 2);
    assert_int_equal(peek(f).recent, 0);
    put(f, "new/4.d.host", LETTER);
    assert_int_equal(peek(f).recent, 1);
    open_again(f);
    assert_int_equal(peek(f).recent, 1);
}

/* F02 */
static void leaves_alone_what_is_no_letter(void **state)
{
    struct fixture *f = *state;
    char path[WORLD_BYTES], name[300] = "new/";

    assert_int_equal(mkfifoat(f->w.fd, path_in(path, "new/1.fifo.host"), 0600), 0);
    assert_int_equal(mkdirat(f->w.fd, path_in(path, "new/2.dir.host"), 0700), 0);
    assert_int_equal(symlinkat("/etc/passwd", f->w.fd, path_in(path, "new/3.link.host")), 0);
    assert_int_equal(symlinkat("/etc/passwd", f->w.fd, path_in(path, "cur/3.link.host:2,S")),
                     0);
    put(f, "new/4.line\nfeed.host", LETTER);
    put(f, "new/.hidden", LETTER);
    memset(name + 4, 'x', 255);
    put(f, name, LETTER);
    put(f, "new/5.letter.host", LETTER);
    assert_rows(f, "1");
    assert_int_equal(world_count(&f->w, ALICE "/new", NULL), 5);
    assert_rows(f, "1");
}

/* A name with no room for a UID keeps its own; the index alone knows the UID. */
static void very_long_names(void **state)
{
    struct fixture *f = *state;
    char name[300] = "cur/7.", to[300];

    memset(name + 6, 'x', 230);
    memcpy(name + 236, ".host", 6);
    put(f, name, LETTER);
    put(f, "new/1.a.host", LETTER);
    assert_rows(f, "1 2");
    open_again(f);
    assert_rows(f, "1 2");
    store(f, "1:2", STORE_ADD, NAME_SEEN | NAME_FLAGGED, 0, UINT64_MAX, "");
    assert_rows(f, "1FS 2FS");
    snprintf(to, sizeof(to), "%s:2,FS", name);
    assert_true(has(f, to));
    move(f, to, name);
    assert_rows(f, "1FS 2");
}

/* F01 */
static void follows_no_links(void **state)
{
    static const char *const dirs[] = {"new", "cur"};
    struct fixture *f = *state;
    struct err err = {0};
    char path[WORLD_BYTES], to[WORLD_BYTES];

    assert_int_equal(mkdirat(f->w.fd, "elsewhere", 0700), 0);
    world_write(&f->w, "elsewhere/1.a.host", STR(LETTER));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(unlinkat(f->w.fd, path_in(path, dirs[i]), AT_REMOVEDIR), 0);
        snprintf(to, sizeof(to), "%s/elsewhere", f->w.dir);
        assert_int_equal(symlinkat(to, f->w.fd, path), 0);
        assert_true(mailbox_begin(f->b, MAILBOX_READ, &err) < 0);
        assert_int_equal(unlinkat(f->w.fd, path, 0), 0);
        assert_int_equal(mkdirat(f->w.fd, path, 0700), 0);
    }
    assert_true(world_has(&f->w, "elsewhere/1.a.host"));
    assert_rows(f, "");
}

/* ---- other programs ---- */

static void flags_changed_by_others(void **state)
{
    struct fixture *f = *state;
    struct mailbox_state st = three(f);
    char from[WORLD_BYTES], to[WORLD_BYTES];

    name_of(f, 2, from);
    snprintf(to, sizeof(to), "%.*sFSb", (int)strlen(from), from);
    move(f, from, to);
    assert_rows(f, "1 2FSb 3");
    assert_since(f, st.highestmodseq, "2FSb", "");
    st = peek(f);
    assert_int_equal(st.unseen, 2);
    assert_int_equal(st.first_unseen, 1);
    /* in an order that is not ours, with letters that we do not know, and back */
    snprintf(from, sizeof(from), "%.*sSXFb", (int)strlen(to) - 3, to);
    move(f, to, from);
    assert_rows(f, "1 2FSXb 3");
    store(f, "2", STORE_REMOVE, NAME_SEEN, 0, UINT64_MAX, "");
    assert_rows(f, "1 2FXb 3");
    open_again(f);
    lose_index(f);
    assert_rows(f, "1 2FXb 3");
}

static void taken_away_by_others(void **state)
{
    struct fixture *f = *state;
    struct mailbox_state st = three(f);
    char name[WORLD_BYTES];

    name_of(f, 2, name);
    take_away(f, name);
    assert_rows(f, "1 3");
    assert_since(f, st.highestmodseq, "", "2");
    assert_int_equal(peek(f).exists, 2);
    put(f, name, LETTER); /* out of a backup: its UID was told gone */
    assert_rows(f, "1 3 4");
    put(f, "new/5.e.host", LETTER);
    assert_rows(f, "1 3 4 5");
}

/* cp: two files with one UID in their names */
static void copied_by_others(void **state)
{
    struct fixture *f = *state;
    char name[WORLD_BYTES], copy[WORLD_BYTES];

    three(f);
    name_of(f, 2, name);
    snprintf(copy, sizeof(copy), "%sS", name);
    put(f, copy, LETTER);
    assert_rows(f, "1 2 3 4S");
    snprintf(copy, sizeof(copy), "cur/9.other.host%s", strchr(name, ','));
    put(f, copy, LETTER);
    assert_rows(f, "1 2 3 4S 5");
    lose_index(f);
    assert_rows(f, "1 2 3 4S 5");
}

/* ---- a P= that another program dropped ---- */
static void names_without_uid(void **state)
{
    struct fixture *f = *state;
    char name[WORLD_BYTES];

    three(f);
    name_of(f, 2, name);
    move(f, name, "cur/2.b.host:2,S");
    assert_rows(f, "1 2S 3");
    assert_false(has(f, "cur/2.b.host:2,S"));
    lose_index(f);
    assert_rows(f, "1 2S 3");
}

/* One that was never given stands nobody's way (I32). */
static void foreign_uids_mean_nothing(void **state)
{
    struct fixture *f = *state;
    uint32_t v = three(f).uidvalidity;
    char name[WORLD_BYTES];

    snprintf(name, sizeof(name), "cur/4.d.host,P=%u.4294967290:2,", v);
    put(f, name, LETTER);
    snprintf(name, sizeof(name), "cur/5.e.host,P=%u.1:2,", v + 1);
    put(f, name, LETTER);
    assert_rows(f, "1 2 3 4 5");
    lose_index(f);
    assert_rows(f, "1 2 3 4 5");
    assert_true(peek(f).uidnext < 10000);
}

/* posta-folder is from a backup that was made while mail came: a letter has a UID above its
 * mark. That one and those behind it never come again, also when all that knows of them has
 * gone. */
static void uids_above_the_mark(void **state)
{
    struct fixture *f = *state;
    uint32_t v = three(f).uidvalidity;
    char name[WORLD_BYTES], want[64];

    snprintf(name, sizeof(name), "cur/4.d.host,P=%u.%u:2,", v, 4 * MAILBOX_MARK_UIDS);
    put(f, name, LETTER);
    put(f, "new/5.e.host", LETTER);
    snprintf(want, sizeof(want), "1 2 3 %u %u", 4 * MAILBOX_MARK_UIDS,
             4 * MAILBOX_MARK_UIDS + 1);
    assert_rows(f, want);
    take_away(f, name);
    name_of(f, 4 * MAILBOX_MARK_UIDS + 1, name);
    take_away(f, name);
    lose_index(f);
    open_again(f);
    assert_true(peek(f).uidnext > 4 * MAILBOX_MARK_UIDS + 1);
    assert_rows(f, "1 2 3");
}

/* The process that renamed it ended before it could commit. */
static void uids_of_an_unfinished_transaction(void **state)
{
    struct fixture *f = *state;
    uint32_t v = three(f).uidvalidity;
    char name[WORLD_BYTES];

    snprintf(name, sizeof(name), "cur/0.d.host," MADE ",P=%u.7:2,S", v);
    put(f, name, LETTER);
    assert_rows(f, "1 2 3 7S");
    put(f, "new/9.x.host", LETTER);
    assert_rows(f, "1 2 3 7S 8");
}

/* ---- X31: what is broken or lost ---- */

static void assert_made_again(struct fixture *f, uint32_t uidvalidity)
{
    assert_rows(f, "1 2FS 3");
    assert_int_equal(peek(f).uidvalidity, uidvalidity);
}

static void x31_the_index_is_broken(void **state)
{
    struct fixture *f = *state;
    char path[WORLD_BYTES];
    static char junk[65536];
    uint32_t v = three(f).uidvalidity;
    DEFER(close_fd) int fd = -1;

    store(f, "2", STORE_ADD, NAME_SEEN | NAME_FLAGGED, 0, UINT64_MAX, "");
    memset(junk, 0x5a, sizeof(junk));
    put(f, INDEX_FILE, "not a database");
    assert_made_again(f, v);
    close_box(f);
    fd = openat(f->w.fd, path_in(path, INDEX_FILE), O_RDWR | O_CLOEXEC);
    for (off_t at = 0; at < 200000; at += 8192) { /* pages of the open file, and of a new one */
        open_box(f, "INBOX");
        assert_made_again(f, v);
        close_fd(&fd);
        fd = openat(f->w.fd, path, O_RDWR | O_CLOEXEC);
        assert_true(pwrite(fd, junk, 4096, at + 100) > 0);
        struct err err = {0};
        for (int i = 0; i < 3; i++) {
            if (mailbox_begin(f->b, MAILBOX_READ, &err) == 0)
                mailbox_end(f->b, &err);
        }
        close_box(f);
        assert_int_equal(unlinkat(f->w.fd, path, 0), 0); /* its -wal and -shm stay */
    }
    open_box(f, "INBOX");
    assert_made_again(f, v);
}

static void x31_posta_folder_is_lost(void **state)
{
    struct fixture *f = *state;
    uint32_t v = three(f).uidvalidity, bit;

    begin(f, MAILBOX_WRITE);
    assert_int_equal(mailbox_keyword(f->b, STR("$Junk"), true, &bit, NULL), 0);
    end(f);
    assert_int_equal(bit, 0);
    store(f, "2", STORE_ADD, NAME_SEEN | NAME_FLAGGED, 0, UINT64_MAX, "");
    take_away(f, FOLDER_FILE);
    assert_made_again(f, v);
    assert_true(has(f, FOLDER_FILE));
    put(f, FOLDER_FILE, "nonsense");
    assert_made_again(f, v);
    assert_true(has(f, FOLDER_FILE ".broken"));
    begin(f, MAILBOX_READ);
    assert_int_equal(mailbox_keyword(f->b, STR("$junk"), false, &bit, NULL), 0);
    assert_int_equal(mailbox_keyword(f->b, STR("other"), false, &bit, NULL), E_NOT_FOUND);
    end(f);
    put(f, FOLDER_FILE, "posta-folder 2\n"); /* a newer posta's is not touched */
    struct err err = {0};
    assert_int_equal(mailbox_begin(f->b, MAILBOX_READ, &err), E_VERSION);
}

static void x31_both_are_lost(void **state)
{
    struct fixture *f = *state;
    uint32_t v = three(f).uidvalidity;

    take_away(f, FOLDER_FILE);
    lose_index(f);
    assert_rows(f, "1 2 3");
    struct mailbox_state st = peek(f);
    assert_true(st.uidvalidity > v);
    v = st.uidvalidity;
    open_again(f);
    assert_rows(f, "1 2 3");
    assert_int_equal(peek(f).uidvalidity, v);
}

/* The system went down: index.db and flags may be back at what they were. */
static void after_a_start_of_the_system(void **state)
{
    struct fixture *f = *state;
    struct mailbox_state before = three(f), after;
    struct uidset gone;
    struct err err = {0};

    store(f, "2", STORE_ADD, NAME_SEEN, 0, UINT64_MAX, "");
    before = peek(f);
    f->all->boot[0] ^= 1;
    after = peek(f);
    assert_int_equal(after.uidvalidity, before.uidvalidity);
    assert_true(after.highestmodseq > before.highestmodseq);
    assert_true(after.uidnext > before.uidnext);
    uidset_init(&gone);
    begin(f, MAILBOX_READ);
    assert_int_equal(mailbox_expunged_since(f->b, before.highestmodseq, &gone, &err),
                     E_NOT_FOUND);
    assert_int_equal(rows_now(f, NULL, before.highestmodseq, 0), 3);
    end(f);
    after = peek(f);
    assert_rows(f, "1 2S 3");
    assert_int_equal(peek(f).uidnext, after.uidnext);
}

/* The marks in posta-folder are above all that was ever told. */
static void marks_are_raised_in_time(void **state)
{
    struct fixture *f = *state;
    struct mailbox_state st = three(f);
    char name[64];

    for (int i = 0; i < MAILBOX_MARK_MODSEQS + 10; i++)
        store(f, "2", i % 2 ? STORE_REMOVE : STORE_ADD, NAME_SEEN, 0, UINT64_MAX, "");
    assert_true(peek(f).highestmodseq > st.highestmodseq + MAILBOX_MARK_MODSEQS);
    st = peek(f);
    lose_index(f);
    assert_true(peek(f).highestmodseq > st.highestmodseq);
    for (int i = 0; i < MAILBOX_MARK_UIDS + 10; i++) {
        snprintf(name, sizeof(name), "new/%d.x.host", 1000 + i);
        put(f, name, "x\n");
    }
    st = peek(f);
    lose_index(f);
    assert_true(peek(f).highestmodseq > st.highestmodseq);
    assert_true(peek(f).uidnext >= st.uidnext);
}

static void made_again_under_the_same_name(void **state)
{
    struct fixture *f = *state;
    uint32_t v = three(f).uidvalidity;
    char path[WORLD_BYTES];
    struct err err = {0};

    assert_int_equal(mkdirat(f->w.fd, path_in(path, ".Box"), 0700), 0);
    close_box(f);
    open_box(f, "Box");
    assert_rows(f, "");
    put(f, ".Box/cur/1.a.host", LETTER);
    assert_rows(f, "1");
    assert_true(peek(f).uidvalidity > v);
    v = peek(f).uidvalidity;
    assert_int_equal(renameat(f->w.fd, path, f->w.fd, "gone"), 0);
    assert_int_equal(mailbox_begin(f->b, MAILBOX_READ, &err), E_NOT_FOUND);
    assert_int_equal(mkdirat(f->w.fd, path, 0700), 0);
    assert_rows(f, "");
    assert_true(peek(f).uidvalidity > v);
}

/* ---- reading ---- */

static void scans_sets(void **state)
{
    static const struct {
        const char *uids, *want;
    } cases[] = {
        {"1",                               "1"             },
        {"2:3",                             "2 3"           },
        {"1,3,5,7,9",                       "1 3 5 7 9"     },
        {"1:2,9:20",                        "1 2 9 10"      },
        {"11:4294967295",                   ""              },
        {"4:4294967295",                    "4 5 6 7 8 9 10"},
        {"10,4294967294",                   "10"            },
        {"2,4,6,8,10,12,14,16,18,20,22,24", "2 4 6 8 10"    },
    };
    struct fixture *f = *state;
    char name[64];

    for (int i = 1; i <= 10; i++) {
        snprintf(name, sizeof(name), "new/%d.a.host", i);
        put(f, name, LETTER);
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct uidset set = set_of(cases[i].uids);

        rows(f, &set, 0, 0);
        assert_string_equal(f->text, cases[i].want);
        rows(f, &set, 0, WANT_SIZE | WANT_INTERNALDATE | WANT_IDS);
        assert_string_equal(f->text, cases[i].want);
        uidset_done(&set);
    }
    struct uidset none;
    uidset_init(&none);
    assert_int_equal(rows(f, &none, 0, 0), 0);
}

#define FOREIGN "subject: folded\r\n line\r\nX-Odd: y\r\nTo: a@b.example\r\n\r\nbody\r\n"

static struct message first_row(struct fixture *f, unsigned want)
{
    struct message m = {0};
    struct err err = {0};

    assert_int_equal(mailbox_scan(f->b, NULL, 0, want, &err), 0);
    assert_int_equal(mailbox_next(f->b, &m, &err), 1);
    return m;
}

/* Found in the file once, then from the index. */
static void finds_out_what_is_wanted(void **state)
{
    struct fixture *f = *state;
    const struct timespec then[2] = {{.tv_sec = 1234567890}, {.tv_sec = 1234567890}};
    char name[WORLD_BYTES], path[WORLD_BYTES];

    put(f, "cur/1.a.host:2,", FOREIGN);
    utimensat(f->w.fd, path_in(path, "cur/1.a.host:2,"), then, 0);
    for (int i = 0; i < 3; i++) {
        begin(f, MAILBOX_READ);
        struct message m = first_row(f, WANT_SIZE | WANT_INTERNALDATE | WANT_HEADER);
        assert_false(m.gone);
        assert_int_equal(m.size, sizeof(FOREIGN) - 1);
        assert_int_equal(m.vsize, sizeof(FOREIGN) - 1);
        assert_true(m.crlf);
        assert_true(m.header_complete);
        assert_int_equal(m.internaldate, 1234567890);
        assert_true(str_eq(m.header, STR("subject: folded\n line\nTo: a@b.example\n")));
        end(f);
        if (i == 1) /* nothing is read any more */
            world_write(&f->w, path_in(path, (name_of(f, 1, name), name)), STR("x"));
    }
}

/* In one piece or in many, cold or kept: the same as the letter's structure and envelope. */
static void finds_out_structures(void **state)
{
    static const size_t sizes[] = {300, DIGEST_WHOLE_BYTES - 1, DIGEST_WHOLE_BYTES,
                                   3 * DIGEST_WHOLE_BYTES + 17};
    struct fixture *f = *state;
    char name[64];

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct buf text, envelope, structure, parts;
        struct arena a;

        arena_init(&a);
        buf_init(&text, 2 << 20);
        buf_init(&envelope, 1 << 20);
        buf_init(&structure, 1 << 20);
        buf_init(&parts, 1 << 20);
        buf_addf(&text,
                 "From: a@b.example\nSubject: %zu\nMIME-Version: 1.0\n"
                 "Content-Type: multipart/mixed; boundary=x\n\n--x\n\n",
                 sizes[i]);
        while (buf_str(&text).n < sizes[i] - 90)
            buf_addf(&text, "%070zu\n", buf_str(&text).n);
        buf_add(&text, STR("\n--x\nContent-Type: image/png\n\nzz\n--x--\n"));
        while (buf_str(&text).n < sizes[i])
            buf_add_byte(&text, '\n');
        struct part *top = structure_parse(buf_str(&text), &a);
        envelope_print(&envelope, buf_str(&text), &a);
        structure_print(&structure, top, true);
        structure_pack(&parts, top);
        snprintf(name, sizeof(name), "new/%zu.a.host", i);
        put(f, name, buf_c(&text));
        for (int look = 0; look < 2; look++) {
            struct uidset set = {0};
            struct message m;

            uidset_add(&set, (uint32_t)i + 1, (uint32_t)i + 1);
            begin(f, MAILBOX_READ);
            assert_int_equal(
                mailbox_scan(f->b, &set, 0,
                             WANT_ENVELOPE | WANT_BODYSTRUCTURE | WANT_PARTS | WANT_SIZE, NULL),
                0);
            assert_int_equal(mailbox_next(f->b, &m, NULL), 1);
            assert_false(m.gone);
            assert_true(str_eq(m.envelope, buf_str(&envelope)));
            assert_true(str_eq(m.bodystructure, buf_str(&structure)));
            assert_true(str_eq(m.parts, buf_str(&parts)));
            assert_int_equal(m.vsize, buf_str(&text).n + lines_lf(buf_str(&text)));
            end(f);
            uidset_done(&set);
        }
        buf_done(&text);
        buf_done(&envelope);
        buf_done(&structure);
        buf_done(&parts);
        arena_done(&a);
    }
}

/* More than is held in memory at once is written on the way, and the scan goes on behind it. */
static void finds_out_much(void **state)
{
    enum { MANY = 300, LONG = 6000 };
    struct fixture *f = *state;
    char name[64], text[LONG + 64];
    struct message m;

    for (int i = 0; i < MANY; i++) {
        int n = snprintf(text, sizeof(text), "Subject: ");
        memset(text + n, 'x', LONG);
        snprintf(text + n + LONG, 32, "%d\n\nbody\n", i);
        snprintf(name, sizeof(name), "new/%d.a.host", 1000 + i);
        put(f, name, text);
    }
    for (int look = 0; look < 2; look++) {
        int n = 0;

        begin(f, MAILBOX_READ);
        assert_int_equal(mailbox_scan(f->b, NULL, 0, WANT_HEADER | WANT_ENVELOPE, NULL), 0);
        for (; mailbox_next(f->b, &m, NULL) > 0; n++) {
            assert_int_equal(m.uid, n + 1);
            assert_int_equal(strtol(m.header.p + 9 + LONG, NULL, 10), n);
            assert_true(m.envelope.n > LONG);
        }
        assert_int_equal(n, MANY);
        end(f);
        if (look == 0)
            for (int i = 1; i <= MANY; i++) {
                char path[WORLD_BYTES], in[WORLD_BYTES];

                name_of(f, (uint32_t)i, path);
                world_write(&f->w, path_in(in, path), STR("nothing is read again"));
            }
    }
}

/* Of a head of any length: as when all of the letter is read, which happens only when more than
 * the header is wanted, and leaves what is kept of the header as it is. */
static void finds_out_headers_alone(void **state)
{
    static const size_t heads[] = {100,
                                   DIGEST_HEAD_BYTES - 1,
                                   DIGEST_HEAD_BYTES,
                                   DIGEST_HEAD_BYTES + 1,
                                   DIGEST_WHOLE_BYTES + DIGEST_HEAD_BYTES - 1,
                                   DIGEST_WHOLE_BYTES + DIGEST_HEAD_BYTES,
                                   2 * DIGEST_WHOLE_BYTES + 1};
    enum { N = sizeof(heads) / sizeof(*heads) };
    static const struct str want = STR_LIT("To: me\nSubject: x\n");
    struct fixture *f = *state;
    struct message m;
    struct buf text;
    char name[64];

    buf_init(&text, 4 * DIGEST_WHOLE_BYTES);
    for (size_t i = 0; i < N; i++) {
        buf_clear(&text);
        buf_add(&text, STR("To: me\n"));
        while (buf_str(&text).n + 13 + 80 < heads[i])
            buf_addf(&text, "X-A: %070zu\n", buf_str(&text).n);
        buf_addf(&text, "X-A: %0*d\nSubject: x\n\n", (int)(heads[i] - buf_str(&text).n - 18),
                 1);
        assert_int_equal(buf_str(&text).n, heads[i]);
        buf_addf(&text, "Cc: body\n%0*d\n", i % 2 ? DIGEST_HEAD_BYTES : 1, 1);
        snprintf(name, sizeof(name), "new/%zu.a.host", i);
        put(f, name, buf_c(&text));
    }
    for (unsigned look = 0; look < 4; look++) {
        unsigned wanted = look < 2 ? WANT_HEADER : WANT_HEADER | WANT_ENVELOPE | WANT_SIZE;

        begin(f, MAILBOX_READ);
        assert_int_equal(mailbox_scan(f->b, NULL, 0, wanted, NULL), 0);
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(mailbox_next(f->b, &m, NULL), 1);
            assert_true(m.header_complete);
            assert_true(str_eq(m.header, want));
            assert_int_equal(m.envelope.n > 0, look >= 2);
        }
        end(f);
    }
    buf_done(&text);
}

static void header_that_is_too_long(void **state)
{
    struct fixture *f = *state;
    static char letter[MESSAGE_HEADER_BYTES * 3];

    memset(letter, 'x', sizeof(letter) - 1);
    memcpy(letter, "Subject: short\nTo: ", 19);
    memcpy(letter + MESSAGE_HEADER_BYTES + 100, "\nCc: me\n\nbody", 13);
    put(f, "new/1.a.host", letter);
    for (int i = 0; i < 2; i++) {
        begin(f, MAILBOX_READ);
        struct message m = first_row(f, WANT_HEADER);
        assert_false(m.header_complete);
        assert_true(str_eq(m.header, STR("Subject: short\n")));
        end(f);
    }
}

static void keeps_the_usual_fields(void **state)
{
    static const char *const kept[] = {"Subject", "BCC", "x-uniform-type-identifier",
                                       "Message-ID", "to"};
    static const char *const left[] = {"Subjec", "Subjects", "", "Received", "zz", "x-uniform"};

    (void)state;
    for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
        assert_true(message_header_keeps(str_c(kept[i])));
    for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++)
        assert_false(message_header_keeps(str_c(left[i])));
}

/* F03: another program renames, removes, replaces between the row and the file */
static void files_that_change_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct message m;
    struct err err = {0};
    char name[WORLD_BYTES], to[WORLD_BYTES], path[WORLD_BYTES];
    struct letter_file file;

    three(f);
    begin(f, MAILBOX_READ);
    m = first_row(f, WANT_SIZE);
    name_of(f, 2, name);
    snprintf(to, sizeof(to), "%sT", name);
    move(f, name, to);
    int fd = mailbox_letter(f->b, 2, &file, &err);
    assert_true(fd >= 0);
    assert_false(file.crlf);
    assert_int_equal(file.octets, strlen(LETTER));
    close(fd);
    name_of(f, 3, name);
    take_away(f, name);
    assert_int_equal(mkfifoat(f->w.fd, path_in(path, name), 0600), 0);
    assert_int_equal(mailbox_letter(f->b, 3, &file, &err), E_NOT_FOUND);
    assert_int_equal(mailbox_letter(f->b, 77, &file, &err), E_NOT_FOUND);
    assert_int_equal(mailbox_next(f->b, &m, &err), 1); /* as it was when we began */
    assert_int_equal(m.uid, 2);
    assert_int_equal(m.flags, 0);
    end(f);
    assert_rows(f, "1 2T");
}

static void gone_before_it_is_read(void **state)
{
    struct fixture *f = *state;
    struct message m;
    char name[WORLD_BYTES], path[WORLD_BYTES];

    three(f);
    name_of(f, 1, name);
    begin(f, MAILBOX_READ);
    take_away(f, name);
    m = first_row(f, WANT_HEADER | WANT_SIZE);
    assert_true(m.gone);
    assert_int_equal(mailbox_next(f->b, &m, NULL), 1);
    assert_false(m.gone);
    assert_true(str_eq(m.header, STR("Subject: x\n")));
    end(f);
    name_of(f, 3, name); /* a sparse one */
    assert_int_equal(
        truncate((snprintf(path, sizeof(path), "%s/" ALICE "/%s", f->w.dir, name), path),
                 INT64_C(1) << 40),
        0);
    begin(f, MAILBOX_READ);
    m = first_row(f, WANT_HEADER);
    assert_int_equal(mailbox_next(f->b, &m, NULL), 1);
    assert_true(m.gone);
    end(f);
}

/* ---- which there are ---- */

/* Listed, and as the rows have it; `want` of the UIDs. */
static void assert_uids(struct fixture *f, const char *want, uint32_t first_unseen)
{
    struct uidset set;
    struct err err = {0};

    uidset_init(&set);
    begin(f, MAILBOX_READ);
    assert_int_equal(mailbox_uids(f->b, 1, &set, &err), 0);
    assert_string_equal(text_of(&set), want);
    assert_int_equal(uidset_count(&set), state_of(f, 0).exists);
    assert_int_equal(state_of(f, STATE_FIRST_UNSEEN).first_unseen, first_unseen);
    end(f);
    uidset_done(&set);
}

/* What the last look found is followed by what has changed since. */
static void knows_which_there_are(void **state)
{
    struct fixture *f = *state;
    char second[WORLD_BYTES], name[WORLD_BYTES];

    assert_uids(f, "", 0);
    three(f);
    assert_uids(f, "1:3", 1);
    put(f, "new/4.d.host," MADE, LETTER);
    put(f, "new/5.e.host," MADE, LETTER);
    assert_uids(f, "1:5", 1);
    name_of(f, 2, second);
    take_away(f, second);
    assert_uids(f, "1,3:5", 1); /* listed, */
    assert_uids(f, "1,3:5", 1); /* and remembered */
    store(f, "1,3", STORE_ADD, NAME_SEEN, 0, UINT64_MAX, "");
    assert_uids(f, "1,3:5", 4);
    store(f, "4", STORE_ADD, NAME_SEEN | NAME_TRASHED, 0, UINT64_MAX, "");
    assert_uids(f, "1,3:5", 5);
    store(f, "3", STORE_REMOVE, NAME_SEEN, 0, UINT64_MAX, "");
    assert_uids(f, "1,3:5", 3);
    put(f, "new/6.f.host," MADE, LETTER);
    expunge(f, NULL, "4");
    assert_uids(f, "1,3,5:6", 3);
    name_of(f, 5, name);
    take_away(f, name); /* as many as before, but others */
    put(f, second, LETTER);
    assert_uids(f, "1,3,6:7", 3);
    assert_rows(f, "1S 3 6 7");
}

/* The mod-sequence of a transaction that was given up is another one's later. */
static void remembers_nothing_undone(void **state)
{
    struct fixture *f = *state;
    char name[WORLD_BYTES], before[WORLD_BYTES];
    struct uidset first = {0};
    struct err err = {0};

    three(f);
    name_of(f, 1, before);
    uidset_add(&first, 1, 1);
    begin(f, MAILBOX_WRITE);
    assert_int_equal(mailbox_store(f->b, &first, STORE_ADD,
                                   (struct mailbox_flags){.flags = NAME_SEEN}, UINT64_MAX, NULL,
                                   NULL, &err),
                     0);
    assert_int_equal(state_of(f, STATE_FIRST_UNSEEN).first_unseen, 2);
    mailbox_abort(f->b);
    name_of(f, 1, name);
    move(f, name, before);
    store(f, "2", STORE_ADD, NAME_SEEN, 0, UINT64_MAX, "");
    assert_uids(f, "1:3", 1);
    uidset_done(&first);
}

/* ---- changing ---- */

static void stores_flags(void **state)
{
    struct fixture *f = *state;
    struct mailbox_state st = three(f);
    char name[WORLD_BYTES];

    uint64_t one = store(f, "1:2", STORE_ADD, NAME_SEEN, 0, UINT64_MAX, "");
    assert_true(one > st.highestmodseq);
    assert_rows(f, "1S 2S 3");
    assert_int_equal(peek(f).unseen, 1);
    assert_int_equal(peek(f).first_unseen, 3);
    name_of(f, 1, name);
    assert_string_equal(strchr(name, ':'), ":2,S");
    assert_since(f, st.highestmodseq, "1S 2S", "");
    /* what changes nothing is no change */
    assert_int_equal(store(f, "1:3", STORE_REMOVE, NAME_DRAFT, 0, UINT64_MAX, ""), one);
    assert_int_equal(peek(f).highestmodseq, one);
    uint64_t two = store(f, "2:3", STORE_SET, NAME_TRASHED | NAME_FLAGGED, 0, UINT64_MAX, "");
    assert_int_equal(two, one + 1);
    assert_rows(f, "1S 2FT 3FT");
    assert_since(f, one, "2FT 3FT", "");
    assert_int_equal(peek(f).deleted, 2);
    /* RFC 7162 3.1.3: those changed since are left alone and told */
    store(f, "1:3", STORE_ADD, NAME_REPLIED, 0, one, "2:3");
    assert_rows(f, "1RS 2FT 3FT");
    store(f, "1:9,20:30", STORE_REMOVE, NAME_REPLIED | NAME_FLAGGED, 0, UINT64_MAX, "");
    assert_rows(f, "1S 2T 3T");
    lose_index(f);
    assert_rows(f, "1S 2T 3T");
}

static void stores_keywords(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    uint32_t bit;
    char word[32];

    three(f);
    begin(f, MAILBOX_WRITE);
    for (uint32_t i = 0; i < FOLDER_KEYWORDS; i++) {
        snprintf(word, sizeof(word), "word%u", i);
        assert_int_equal(mailbox_keyword(f->b, str_c(word), true, &bit, &err), 0);
        assert_int_equal(bit, i);
    }
    assert_int_equal(mailbox_keyword(f->b, STR("more"), true, &bit, &err), E_LIMIT);
    assert_int_equal(mailbox_keyword(f->b, STR("WORD7"), true, &bit, &err), 0);
    assert_int_equal(bit, 7);
    end(f);
    store(f, "2", STORE_ADD, NAME_SEEN, 1, UINT64_MAX, "");
    uint64_t modseq = peek(f).highestmodseq;
    store(f, "2", STORE_ADD, 0, 1u << 7, UINT64_MAX, "");
    assert_since(f, modseq, "2Sah", "");
    lose_index(f);
    open_again(f);
    assert_rows(f, "1 2Sah 3");
    begin(f, MAILBOX_READ);
    assert_true(str_eq(state_of(f, 0).keywords[7], STR("word7")));
    end(f);
}

/* An aborted change leaves names that the next look takes for changes of others. */
static void aborted_changes(void **state)
{
    struct fixture *f = *state;
    struct mailbox_state st = three(f);
    struct uidset set = set_of("1:2"), ignored;
    uint64_t modseq;

    uidset_init(&ignored);
    begin(f, MAILBOX_WRITE);
    assert_int_equal(mailbox_store(f->b, &set, STORE_ADD,
                                   (struct mailbox_flags){.flags = NAME_TRASHED}, UINT64_MAX,
                                   &ignored, &modseq, NULL),
                     0);
    mailbox_abort(f->b);
    tick(f);
    assert_rows(f, "1T 2T 3");
    assert_since(f, st.highestmodseq, "1T 2T", "");
    begin(f, MAILBOX_WRITE);
    assert_int_equal(mailbox_expunge(f->b, NULL, &ignored, NULL), 0);
    mailbox_abort(f->b);
    tick(f);
    assert_rows(f, "3");
    assert_since(f, st.highestmodseq, "", "1:2");
    uidset_done(&set);
    uidset_done(&ignored);
}

static void stores_where_others_rename(void **state)
{
    struct fixture *f = *state;
    struct uidset set = set_of("1:3"), ignored;
    char name[WORLD_BYTES], to[WORLD_BYTES];
    uint64_t modseq;

    uidset_init(&ignored);
    three(f);
    begin(f, MAILBOX_WRITE);
    name_of(f, 2, name);
    snprintf(to, sizeof(to), "%sF", name);
    move(f, name, to);
    name_of(f, 1, name);
    take_away(f, name);
    assert_int_equal(mailbox_store(f->b, &set, STORE_ADD,
                                   (struct mailbox_flags){.flags = NAME_SEEN}, UINT64_MAX,
                                   &ignored, &modseq, NULL),
                     0);
    end(f);
    assert_rows(f, "2FS 3S");
    uidset_done(&set);
}

static void expunges(void **state)
{
    struct fixture *f = *state;
    struct mailbox_state st = three(f);

    store(f, "1,3", STORE_ADD, NAME_TRASHED, 0, UINT64_MAX, "");
    expunge(f, "2", "");
    expunge(f, "2:3", "3");
    assert_rows(f, "1T 2");
    expunge(f, NULL, "1");
    assert_rows(f, "2");
    assert_int_equal(world_count(&f->w, ALICE "/cur", NULL), 1);
    assert_since(f, st.highestmodseq, "", "1,3");
    st = peek(f);
    assert_int_equal(st.exists, 1);
    assert_int_equal(st.deleted, 0);
    assert_int_equal(st.uidnext, 4);
    put(f, "new/9.x.host", LETTER);
    assert_rows(f, "2 4");
}

/* X32: cut since it was named. The row says what it is, the name stays, and it is told once. */
static void damaged_letters(void **state)
{
    struct fixture *f = *state;
    struct uidset all = {0};
    char name[WORLD_BYTES];
    struct message m;
    uint64_t modseq;

    put(f, "new/1.x.host,S=14,W=17", "Subj");
    put(f, "new/2.x.host,S=14,W=17", LETTER);
    for (int i = 0; i < 2; i++) {
        begin(f, MAILBOX_READ);
        assert_int_equal(mailbox_scan(f->b, NULL, 0, WANT_SIZE | WANT_ENVELOPE, NULL), 0);
        assert_int_equal(mailbox_next(f->b, &m, NULL), 1);
        assert_int_equal(m.size, 4);
        assert_int_equal(m.vsize, 4);
        assert_int_equal(mailbox_next(f->b, &m, NULL), 1);
        assert_int_equal(m.vsize, 17);
        mailbox_scan_end(f->b);
        end(f);
        assert_int_equal(mailboxes_damaged(f->all), 1);
    }
    begin(f, MAILBOX_WRITE);
    assert_int_equal(state_of(f, STATE_OCTETS).octets, 4 + 17);
    uidset_add(&all, 1, 2);
    assert_int_equal(mailbox_store(f->b, &all, STORE_ADD,
                                   (struct mailbox_flags){.flags = NAME_FLAGGED}, UINT64_MAX,
                                   NULL, &modseq, NULL),
                     0);
    end(f);
    assert_rows(f, "1F 2F");
    name_of(f, 1, name);
    assert_non_null(strstr(name, ",S=14,W=17,"));
    name_of(f, 2, name);
    move(f, name, "cur/2.renamed,S=14,W=17:2,");
    assert_rows(f, "1F 3");
    uidset_done(&all);
}

/* Line ends of both kinds, counted as others do: the row has our count, and nothing is wrong.
 */
static void counted_by_others(void **state)
{
    struct fixture *f = *state;
    struct message m;

    put(f, "new/1.x.host,S=18,W=20", "Subject: x\n\nx\r\ny\r\n");
    put(f, "new/2.x.host,S=18,W=23", "Subject: x\n\nx\r\ny\r\n");
    begin(f, MAILBOX_READ);
    assert_int_equal(mailbox_scan(f->b, NULL, 0, WANT_ENVELOPE, NULL), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mailbox_next(f->b, &m, NULL), 1);
        assert_int_equal(m.vsize, 22);
    }
    mailbox_scan_end(f->b);
    end(f);
    assert_int_equal(mailboxes_damaged(f->all), 1); /* the second one's is no count at all */
}

/* Between opening a folder and looking at it somebody deletes it. */
static void deleted_under_our_hands(void **state)
{
    struct fixture *f = *state;
    struct index *x;
    struct boxfolder b;

    assert_int_equal(mkdirat(f->w.fd, ALICE "/.a", 0700), 0);
    assert_int_equal(mailboxes_take(f->all, STR(ALICE), &x, NULL), 0);
    assert_int_equal(index_begin(x, NULL), 0);
    assert_int_equal(boxfolder_open(f->all, x, STR(ALICE), STR("a"), &b, NULL), 0);
    assert_int_equal(unlinkat(f->w.fd, ALICE "/.a", AT_REMOVEDIR), 0);
    assert_int_equal(boxfolder_take(&b, NULL), E_NOT_FOUND);
    boxfolder_close(&b);
    mailboxes_give(f->all, x, 0);
}

/* Only so many are remembered; who asks for older ones is told to compare. */
static void expunged_long_ago(void **state)
{
    struct fixture *f = *state;
    struct mailbox_state st = three(f);
    struct index *x;
    struct boxfolder b;
    struct uidset gone;
    uint64_t first = 0;

    assert_int_equal(mailboxes_take(f->all, STR(ALICE), &x, NULL), 0);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(index_begin(x, NULL), 0);
        assert_int_equal(boxfolder_open(f->all, x, STR(ALICE), STR("INBOX"), &b, NULL), 0);
        uidset_init(&gone);
        for (uint32_t uid = 10; uid < 10 + MAILBOX_EXPUNGED_ROWS; uid += 2)
            uidset_add(&gone, uid + i * 100000, uid + i * 100000);
        assert_int_equal(boxfolder_expunged(&b, &gone, NULL), 0);
        assert_int_equal(boxfolder_save(&b, NULL), 0);
        assert_int_equal(index_commit(x, NULL), 0);
        if (i == 0)
            first = b.row.modseq;
        boxfolder_close(&b);
        uidset_done(&gone);
    }
    mailboxes_give(f->all, x, 0);
    uidset_init(&gone);
    begin(f, MAILBOX_READ);
    assert_int_equal(mailbox_expunged_since(f->b, st.highestmodseq, &gone, NULL), E_NOT_FOUND);
    assert_int_equal(mailbox_expunged_since(f->b, first + 1, &gone, NULL), 0);
    assert_int_equal(uidset_count(&gone), MAILBOX_EXPUNGED_ROWS / 2);
    end(f);
    uidset_done(&gone);
}

/* I32 */
static void i32_no_uids_left(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    char text[256];

    uint32_t v = three(f).uidvalidity;
    snprintf(text, sizeof(text),
             "posta-folder 1\nuidvalidity %u\nmailboxid F1\nuidnext 4294967293\nmodseq 9000\n",
             v);
    put(f, FOLDER_FILE, text);
    put(f, "new/4.d.host", LETTER);
    put(f, "new/5.e.host", LETTER);
    assert_rows(f, "1 2 3 4294967293 4294967294");
    assert_int_equal(peek(f).uidnext, UINT32_MAX);
    put(f, "new/6.f.host", LETTER);
    assert_int_equal(mailbox_begin(f->b, MAILBOX_WRITE, &err), E_LIMIT);
    assert_true(has(f, "new/6.f.host"));
    assert_rows(f, "1 2 3 4294967293 4294967294"); /* what is known can be read */
    take_away(f, "new/6.f.host");
    lose_index(f);
    assert_rows(f, "1 2 3 4294967293 4294967294");
}

/* ---- several at once ---- */

static void two_processes(void **state)
{
    struct fixture *f = *state, other = *f;

    three(f);
    open_box(&other, "INBOX");
    assert_rows(&other, "1 2 3");
    store(&other, "2", STORE_ADD, NAME_SEEN, 0, UINT64_MAX, "");
    assert_rows(f, "1 2S 3");
    begin(f, MAILBOX_READ);
    store(&other, "2", STORE_ADD, NAME_TRASHED, 0, UINT64_MAX, "");
    expunge(&other, NULL, "2");
    rows_now(f, NULL, 0, 0); /* what it began with */
    assert_string_equal(f->text, "1 2S 3");
    end(f);
    assert_rows(f, "1 3");
    lose_index(f); /* under both */
    store(&other, "1", STORE_ADD, NAME_SEEN, 0, UINT64_MAX, "");
    assert_rows(f, "1S 3");
    close_box(&other);
}

static void tells_changes(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    DEFER(close_fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    char got[512], want[512];
    ssize_t n;

    assert_int_equal(mkdirat(f->w.fd, "change", 0700), 0);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/change/test", f->w.dir);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    three(f);
    n = recv(fd, got, sizeof(got) - 1, 0);
    assert_true(n > 0);
    while (recv(fd, got, sizeof(got) - 1, 0) > 0)
        ;
    uint64_t modseq = store(f, "1", STORE_ADD, NAME_SEEN, 0, UINT64_MAX, "");
    n = recv(fd, got, sizeof(got) - 1, 0);
    assert_true(n > 0);
    got[n] = '\0';
    snprintf(want, sizeof(want), ALICE "\tINBOX\t%llu\n", (unsigned long long)modseq);
    assert_string_equal(got, want);
    assert_rows(f, "1S 2 3");
    assert_true(recv(fd, got, sizeof(got) - 1, 0) < 0);
}

static void rests(void **state)
{
    struct fixture *f = *state;

    three(f);
    assert_int_equal(f->all->open, 1);
    mailboxes_rest(f->all, 0);
    assert_int_equal(f->all->open, 1);
    mailboxes_rest(f->all, UINT64_MAX / 2);
    assert_int_equal(f->all->open, 0);
    assert_rows(f, "1 2 3");
}

static void folder_names(void **state)
{
    struct fixture *f = *state;
    struct mailbox *b = NULL;
    struct err err = {0};

    assert_int_equal(mailbox_open(f->all, STR(ALICE), STR("None"), &b, &err), E_NOT_FOUND);
    assert_true(mailbox_open(f->all, STR(ALICE), STR("../x"), &b, &err) < 0);
    assert_true(mailbox_open(f->all, STR(ALICE), STR("a//b"), &b, &err) < 0);
    assert_int_equal(mailbox_open(f->all, STR(ALICE), STR("iNbOx"), &b, &err), 0);
    assert_true(str_eq(mailbox_folder(b), STR("INBOX")));
    assert_true(str_eq(mailbox_maildir(b), STR(ALICE)));
    mailbox_close(b);
    assert_int_equal(mailbox_open(f->all, STR("mail/example.test/bob"), STR("INBOX"), &b, &err),
                     0);
    assert_true(world_has(&f->w, "mail/example.test/bob/" FOLDER_FILE));
    mailbox_close(b);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(takes_new_letters),
        T(stays_the_same),
        T(recent_to_the_first),
        T(leaves_alone_what_is_no_letter),
        T(very_long_names),
        T(follows_no_links),
        T(flags_changed_by_others),
        T(taken_away_by_others),
        T(copied_by_others),
        T(names_without_uid),
        T(foreign_uids_mean_nothing),
        T(uids_above_the_mark),
        T(uids_of_an_unfinished_transaction),
        T(x31_the_index_is_broken),
        T(x31_posta_folder_is_lost),
        T(x31_both_are_lost),
        T(after_a_start_of_the_system),
        T(marks_are_raised_in_time),
        T(made_again_under_the_same_name),
        T(scans_sets),
        T(finds_out_what_is_wanted),
        T(finds_out_structures),
        T(finds_out_much),
        T(finds_out_headers_alone),
        T(header_that_is_too_long),
        cmocka_unit_test(keeps_the_usual_fields),
        T(files_that_change_meanwhile),
        T(gone_before_it_is_read),
        T(knows_which_there_are),
        T(remembers_nothing_undone),
        T(stores_flags),
        T(stores_keywords),
        T(aborted_changes),
        T(stores_where_others_rename),
        T(expunges),
        T(damaged_letters),
        T(counted_by_others),
        T(deleted_under_our_hands),
        T(expunged_long_ago),
        T(i32_no_uids_left),
        T(two_processes),
        T(tells_changes),
        T(rests),
        T(folder_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
