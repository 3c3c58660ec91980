/*
 * COPY and MOVE: what stands in both folders afterwards, and that a stop at any step leaves all
 * copies or none (I31), and each moved letter in one folder.
 */
#include "copy_world.h"

#include "store/mailbox_impl.h"

/* With the sets printed: "uidvalidity from>to", or the code. */
static const char *copy(struct fixture *f, const char *from, uint32_t first, uint32_t last,
                        const char *to, bool move)
{
    struct mailbox *b = begin(f, from, MAILBOX_WRITE);
    struct mailbox_copied done;
    struct uidset uids;
    struct buf text;

    if (!b)
        return "none";
    uidset_init(&uids);
    uidset_add(&uids, first, last);
    int r = mailbox_copy(b, &uids, str_c(to), move, &done, NULL);
    uidset_done(&uids);
    if (r < 0) {
        mailbox_abort(b);
        mailbox_close(b);
        return arena_printf(&f->a, "%d", r).p;
    }
    if (end(b) < 0)
        return "not ended";
    buf_init(&text, 4096);
    uidset_print(&text, &done.from);
    buf_add_byte(&text, '>');
    uidset_print(&text, &done.to);
    const char *out = arena_dup(&f->a, buf_str(&text)).p;
    buf_done(&text);
    uidset_done(&done.from);
    uidset_done(&done.to);
    return out;
}

/* Four letters in INBOX: seen, flagged, with keywords, plain. */
static void four(struct fixture *f)
{
    assert_int_equal(append_text(f, "INBOX", STR(LETTER), NAME_SEEN, NULL), 1);
    assert_int_equal(append_text(f, "INBOX", STR(LETTER), NAME_FLAGGED, "one"), 2);
    assert_int_equal(append_text(f, "INBOX", STR(LETTER), 0, "two"), 3);
    assert_int_equal(append_text(f, "INBOX", STR(LETTER), 0, NULL), 4);
}

#define FOUR "1:S 2:F:one 3::two 4: "

static void copies(void **state)
{
    struct fixture *f = *state;

    four(f);
    assert_int_equal(create(f, "a"), 0);
    assert_int_equal(append_text(f, "a", STR(LETTER), 0, "two"), 1);
    assert_string_equal(copy(f, "INBOX", 1, 1, "a", false), "1>2");
    assert_string_equal(copy(f, "INBOX", 1, 100, "a", false), "1:4>3:6");
    assert_string_equal(letters(f, "INBOX"), FOUR);
    const char *want = "1::two 2:S 3:S 4:F:one 5::two 6: ";
    assert_string_equal(letters(f, "a"), want);
    assert_int_equal(litter(f, ".a", "posta-cop"), 0);
    delete_index(f);
    assert_string_equal(letters(f, "a"), want);
    assert_string_equal(letters(f, "INBOX"), FOUR);
    assert_string_equal(copy(f, "INBOX", 1, 100, "b", false),
                        arena_printf(&f->a, "%d", E_NOT_FOUND).p);
    assert_string_equal(copy(f, "INBOX", 1, 100, "../a", false),
                        arena_printf(&f->a, "%d", E_NOT_FOUND).p);
    assert_string_equal(copy(f, "INBOX", 10, 100, "a", false), ">");
}

static void moves(void **state)
{
    struct fixture *f = *state;

    four(f);
    assert_int_equal(create(f, "a"), 0);
    assert_string_equal(copy(f, "INBOX", 2, 3, "a", true), "2:3>1:2");
    assert_string_equal(letters(f, "INBOX"), "1:S 4: ");
    assert_string_equal(letters(f, "a"), "1:F:one 2::two ");
    assert_string_equal(copy(f, "INBOX", 4, 4, "a", true), "4>3");
    assert_string_equal(copy(f, "a", 1, 3, "inbox", true), "1:3>5:7");
    assert_string_equal(letters(f, "INBOX"), "1:S 5:F:one 6::two 7: ");
    assert_string_equal(letters(f, "a"), "");
    delete_index(f);
    assert_string_equal(letters(f, "INBOX"), "1:S 5:F:one 6::two 7: ");
    assert_int_equal(in_cur(f, ".a"), 0);
}

/* Who synchronizes is told what has gone. */
static void moved_ones_are_expunged(void **state)
{
    struct fixture *f = *state;
    struct mailbox_state was, now;
    struct uidset gone;
    struct mailbox *b;

    four(f);
    assert_int_equal(create(f, "a"), 0);
    b = begin(f, "INBOX", MAILBOX_READ);
    assert_int_equal(mailbox_state(b, 0, &was, NULL), 0);
    assert_int_equal(end(b), 0);
    assert_string_equal(copy(f, "INBOX", 2, 3, "a", true), "2:3>1:2");
    b = begin(f, "INBOX", MAILBOX_READ);
    assert_int_equal(mailbox_state(b, 0, &now, NULL), 0);
    assert_true(now.highestmodseq > was.highestmodseq);
    assert_int_equal(now.exists, 2);
    uidset_init(&gone);
    assert_int_equal(mailbox_expunged_since(b, was.highestmodseq, &gone, NULL), 0);
    assert_int_equal(uidset_count(&gone), 2);
    assert_true(uidset_has(&gone, 2) && uidset_has(&gone, 3));
    uidset_done(&gone);
    assert_int_equal(end(b), 0);
}

static void same_folder(void **state)
{
    struct fixture *f = *state;

    four(f);
    assert_string_equal(copy(f, "INBOX", 2, 3, "inbox", false), "2:3>5:6");
    assert_string_equal(letters(f, "INBOX"), FOUR "5:F:one 6::two ");
    assert_string_equal(copy(f, "INBOX", 1, 2, "INBOX", true), "1:2>7:8");
    assert_string_equal(letters(f, "INBOX"), "3::two 4: 5:F:one 6::two 7:S 8:F:one ");
    delete_index(f);
    assert_string_equal(letters(f, "INBOX"), "3::two 4: 5:F:one 6::two 7:S 8:F:one ");
}

static void no_keyword_is_left(void **state)
{
    struct fixture *f = *state;

    four(f);
    assert_int_equal(create(f, "a"), 0);
    for (int i = 0; i < FOLDER_KEYWORDS - 1; i++)
        assert_true(append_text(f, "a", STR(LETTER), 0, arena_printf(&f->a, "k%d", i).p));
    assert_string_equal(copy(f, "INBOX", 1, 4, "a", false), "1:4>26:29");
    assert_non_null(strstr(letters(f, "a"), "26:S 27:F:one 28: 29: "));
}

/* EMAILID stays (RFC 8474 5.1). */
static const char *emailids(struct fixture *f, const char *folder)
{
    struct mailbox *b = begin(f, folder, MAILBOX_READ);
    struct message m;
    struct str all = STR("");

    assert_int_equal(mailbox_scan(b, NULL, 0, WANT_IDS, NULL), 0);
    while (mailbox_next(b, &m, NULL) > 0)
        all = arena_printf(&f->a, "%.*s%s ", STR_ARGS(all), m.emailid);
    mailbox_scan_end(b);
    assert_int_equal(end(b), 0);
    return all.p;
}

static void emailids_stay(void **state)
{
    struct fixture *f = *state;

    four(f);
    assert_int_equal(create(f, "a"), 0);
    assert_int_equal(create(f, "b"), 0);
    const char *ids = emailids(f, "INBOX");
    copy(f, "INBOX", 1, 4, "a", false);
    assert_string_equal(emailids(f, "a"), ids);
    copy(f, "a", 1, 4, "b", true);
    assert_string_equal(emailids(f, "b"), ids);
    copy(f, "b", 1, 4, "a", false);
    assert_string_equal(emailids(f, "a"), ids);
}

static void without_links(void **state)
{
    static const int codes[] = {EMLINK, EXDEV, EPERM};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        again(f);
        four(f);
        assert_int_equal(create(f, "a"), 0);
        steps_no_links = codes[i];
        assert_string_equal(copy(f, "INBOX", 2, 2, "a", false), "2>1");
        assert_string_equal(copy(f, "INBOX", 1, 4, "a", false), "1:4>2:5");
        steps_no_links = 0;
        assert_string_equal(letters(f, "a"), "1:F:one 2:S 3:F:one 4::two 5: ");
        assert_int_equal(in_tmp(f, ".a"), 0);
    }
}

/* A moved letter is durable in its new place before it goes from the old one. */
static void order_of_flushes(void **state)
{
    struct fixture *f = *state;
    struct stat from, to;

    for (int apart = 0; apart <= 1; apart++) {
        again(f);
        four(f);
        assert_int_equal(create(f, "a"), 0);
        assert_int_equal(fstatat(f->w.fd, MAILDIR "/cur", &from, 0), 0);
        assert_int_equal(fstatat(f->w.fd, MAILDIR "/.a/cur", &to, 0), 0);
        memset(&steps_dirs, 0, sizeof(steps_dirs));
        steps_dirs.from = from.st_ino;
        steps_dirs.to = to.st_ino;
        steps_dirs.apart = apart;
        assert_string_equal(copy(f, "INBOX", 1, 2, "a", true), "1:2>1:2");
        assert_string_equal(steps_dirs.done, apart ? "tUtUtf" : "tf");
        memset(&steps_dirs, 0, sizeof(steps_dirs));
        assert_string_equal(letters(f, "a"), "1:S 2:F:one ");
        assert_string_equal(letters(f, "INBOX"), "3::two 4: ");
        assert_int_equal(in_tmp(f, ".a"), 0);
    }
}

static void quota(void **state)
{
    struct fixture *f = *state;
    struct mailbox_copied done;
    struct uidset uids;
    struct mailbox *b;

    four(f);
    assert_int_equal(create(f, "a"), 0);
    uidset_init(&uids);
    uidset_add(&uids, 1, 4);
    b = begin(f, "INBOX", MAILBOX_WRITE);
    mailbox_limit(b, 0, 7);
    assert_int_equal(mailbox_copy(b, &uids, STR("a"), false, &done, NULL), E_NO_SPACE);
    mailbox_abort(b);
    mailbox_close(b);
    assert_string_equal(letters(f, "a"), "");
    b = begin(f, "INBOX", MAILBOX_WRITE);
    mailbox_limit(b, 0, 7);
    assert_int_equal(mailbox_copy(b, &uids, STR("a"), true, &done, NULL), 0);
    uidset_done(&done.from);
    uidset_done(&done.to);
    assert_int_equal(end(b), 0);
    uidset_done(&uids);
    assert_int_equal(in_cur(f, ".a"), 4);
}

/* Another program renames one and removes one while the transaction is open. */
static void foreign_changes(void **state)
{
    struct fixture *f = *state;
    struct mailbox_copied done;
    struct uidset uids;

    for (int move = 0; move < 2; move++) {
        again(f);
        four(f);
        assert_int_equal(create(f, "a"), 0);
        struct mailbox *b = begin(f, "INBOX", MAILBOX_WRITE);
        DEFER(close_dir) DIR *d = fdopendir(openat(f->w.fd, MAILDIR "/cur", O_RDONLY));
        struct dirent *e;
        assert_non_null(d);
        while ((e = readdir(d))) {
            if (strstr(e->d_name, ".1:2,S"))
                renameat(
                    dirfd(d), e->d_name, dirfd(d),
                    arena_printf(&f->a, "%.*sFS", (int)strlen(e->d_name) - 1, e->d_name).p);
            if (strstr(e->d_name, ".4:2,"))
                unlinkat(dirfd(d), e->d_name, 0);
        }
        uidset_init(&uids);
        uidset_add(&uids, 1, 4);
        assert_int_equal(mailbox_copy(b, &uids, STR("a"), move, &done, NULL), 0);
        assert_int_equal(uidset_count(&done.from), 3);
        assert_int_equal(uidset_count(&done.to), 3);
        uidset_done(&done.from);
        uidset_done(&done.to);
        uidset_done(&uids);
        assert_int_equal(end(b), 0);
        assert_string_equal(letters(f, "a"), "1:SF 2:F:one 3::two ");
        assert_string_equal(letters(f, "INBOX"), move ? "" : "1:SF 2:F:one 3::two ");
    }
}

static void rename_inbox(void **state)
{
    struct fixture *f = *state;

    four(f);
    assert_int_equal(folders_rename(f->all, f->maildir, STR("inbox"), STR("old/mail"), NULL),
                     0);
    assert_string_equal(letters(f, "INBOX"), "");
    assert_string_equal(letters(f, "old/mail"), FOUR);
    assert_int_equal(folders_rename(f->all, f->maildir, STR("INBOX"), STR("old"), NULL),
                     E_EXISTS);
    assert_int_equal(append(f, "INBOX"), 5);
}

/* The rows go with the folder: nothing is read again, UIDs and mod-sequences stay. */
static void rows_follow_folders(void **state)
{
    struct fixture *f = *state;
    struct mailbox_state was, now;
    struct mailbox *b;

    assert_int_equal(create(f, "a"), 0);
    assert_int_equal(append(f, "a"), 1);
    assert_int_equal(append(f, "a"), 2);
    b = begin(f, "a", MAILBOX_READ);
    assert_int_equal(mailbox_state(b, 0, &was, NULL), 0);
    assert_int_equal(end(b), 0);
    assert_int_equal(folders_rename(f->all, f->maildir, STR("a"), STR("b"), NULL), 0);
    assert_string_equal(letters(f, "a"), "none");
    assert_string_equal(letters(f, "b"), "1:S 2:S ");
    b = begin(f, "b", MAILBOX_READ);
    assert_int_equal(mailbox_state(b, 0, &now, NULL), 0);
    assert_int_equal(now.uidvalidity, was.uidvalidity);
    assert_int_equal(now.highestmodseq, was.highestmodseq);
    assert_int_equal(end(b), 0);
    assert_int_equal(folders_delete(f->all, f->maildir, STR("b"), NULL), 0);
    assert_int_equal(create(f, "b"), 0);
    assert_string_equal(letters(f, "b"), "");
}

/* mv, rm -r and mkdir by another program while a mailbox is open. */
static void foreign_folders(void **state)
{
    struct fixture *f = *state;
    struct mailbox *b;

    assert_int_equal(create(f, "a"), 0);
    assert_int_equal(create(f, "b"), 0);
    assert_int_equal(append(f, "a"), 1);
    assert_int_equal(append_text(f, "b", STR(LETTER), NAME_FLAGGED, NULL), 1);
    assert_int_equal(mailbox_open(f->all, f->maildir, STR("a"), &b, NULL), 0);
    assert_int_equal(renameat(f->w.fd, MAILDIR "/.a", f->w.fd, MAILDIR "/.c"), 0);
    assert_int_equal(mailbox_begin(b, MAILBOX_READ, NULL), E_NOT_FOUND);
    assert_string_equal(letters(f, "c"), "1:S ");
    assert_int_equal(renameat(f->w.fd, MAILDIR "/.b", f->w.fd, MAILDIR "/.a"), 0);
    assert_int_equal(mailbox_begin(b, MAILBOX_READ, NULL), 0);
    assert_int_equal(end(b), 0);
    assert_string_equal(letters(f, "a"), "1:F ");
    assert_int_equal(mkdirat(f->w.fd, MAILDIR "/.made", 0700), 0);
    assert_int_equal(mkdirat(f->w.fd, MAILDIR "/.made/cur", 0700), 0);
    assert_int_equal(mkdirat(f->w.fd, MAILDIR "/.made/new", 0700), 0);
    assert_int_equal(mkdirat(f->w.fd, MAILDIR "/.made/tmp", 0700), 0);
    assert_int_equal(append(f, "made"), 1);
    /* by now UIDs begin above what was reserved for .b */
    assert_true(strncmp(copy(f, "made", 1, 1, "a", true), "1>", 2) == 0);
    assert_int_equal(in_cur(f, ".a"), 2);
    assert_int_equal(strncmp(letters(f, "a"), "1:F ", 4), 0);
}

/* ---- somebody is faster ---- */

static struct fixture *whose;

static void make_anew(void)
{
    struct fixture other = *whose;

    other.all = mailboxes_new(other.w.dir, other.w.dir, "mail.example.test");
    assert_int_equal(folders_delete(other.all, other.maildir, STR("a"), NULL), 0);
    assert_int_equal(create(&other, "a"), 0);
    assert_int_equal(append(&other, "a"), 1);
    assert_int_equal(append(&other, "a"), 2);
    mailboxes_free(other.all);
}

/* Who waits for the index works on the folder that has the name then. */
static void made_anew_while_one_waits(void **state)
{
    struct fixture *f = *state;
    struct mailbox_state now;
    struct uidset gone;
    struct mailbox *b;

    whose = f;
    assert_int_equal(create(f, "a"), 0);
    assert_int_equal(append(f, "a"), 1);
    assert_string_equal(letters(f, "a"), "1:S ");
    steps_before_begin = make_anew;
    b = begin(f, "a", MAILBOX_WRITE);
    assert_non_null(b);
    assert_int_equal(mailbox_state(b, 0, &now, NULL), 0);
    assert_int_equal(now.exists, 2);
    assert_int_equal(end(b), 0);
    b = begin(f, "a", MAILBOX_READ);
    uidset_init(&gone);
    assert_int_equal(mailbox_expunged_since(b, 1, &gone, NULL), 0);
    assert_int_equal(uidset_count(&gone), 0);
    uidset_done(&gone);
    assert_int_equal(end(b), 0);
    assert_string_equal(letters(f, "a"), "1:S 2:S ");
}

static void rename_it(void)
{
    struct fixture other = *whose;

    other.all = mailboxes_new(other.w.dir, other.w.dir, "mail.example.test");
    assert_int_equal(folders_rename(other.all, other.maildir, STR("a"), STR("b"), NULL), 0);
    mailboxes_free(other.all);
}

static int find_row(struct fixture *f, const char *folder)
{
    struct index *x;
    int64_t id;

    assert_int_equal(mailboxes_take(f->all, f->maildir, &x, NULL), 0);
    int r = index_find_folder(x, str_c(folder), &id, NULL);
    mailboxes_give(f->all, x, 0);
    return r;
}

/* Another program's, as old as those of append(). */
static int append_foreign(struct fixture *f)
{
    const char *name = MAILDIR "/.a/new/1000000000.M1P1.h";
    const struct timespec old[] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};

    world_write(&f->w, name, STR(STORED));
    return utimensat(f->w.fd, name, old, 0);
}

/* Who waits for the index does not work on under a name that the folder has no more, and
 * leaves no row for it. */
static void renamed_while_one_waits(void **state)
{
    struct fixture *f = *state;
    struct mailbox *b;

    whose = f;
    for (int news = 0; news < 2; news++) {
        assert_int_equal(create(f, "a"), 0);
        assert_int_equal(append(f, "a"), 1);
        assert_string_equal(letters(f, "a"), "1:S ");
        assert_int_equal(mailbox_open(f->all, f->maildir, STR("a"), &b, NULL), 0);
        if (news)
            assert_int_equal(append_foreign(f), 0);
        steps_before_begin = rename_it;
        assert_int_equal(mailbox_begin(b, MAILBOX_WRITE, NULL), E_NOT_FOUND);
        mailbox_close(b);
        assert_int_equal(find_row(f, "a"), E_NOT_FOUND);
        assert_string_equal(letters(f, "b"), news ? "1:S 2: " : "1:S ");
        assert_int_equal(folders_delete(f->all, f->maildir, STR("b"), NULL), 0);
    }
}

/* ---- stopped at each step ---- */

struct stopped {
    struct fixture *f;
    uint32_t first, last;
    bool move;
};

static void copy_in_child(void *arg)
{
    struct stopped *s = arg;

    s->f->all = mailboxes_new(s->f->w.dir, s->f->w.dir, "mail.example.test");
    copy(s->f, "INBOX", s->first, s->last, "a", s->move);
}

static void open_child(void *arg)
{
    struct fixture *f = arg;

    f->all = mailboxes_new(f->w.dir, f->w.dir, "mail.example.test");
    letters(f, "a");
}

static void prepare(struct fixture *f)
{
    again(f);
    four(f);
    assert_int_equal(create(f, "a"), 0);
    assert_int_equal(append(f, "a"), 1);
}

/* I31, X01, X03: all or none, also where the one who completes it is stopped */
static void i31_copy_of_several(void **state)
{
    struct fixture *f = *state;
    bool ended = true;
    int at, alls = 0;

    for (at = 0; ended; at++) {
        prepare(f);
        ended = steps_end_at(at, copy_in_child, &(struct stopped){f, 1, 4, false});
        for (int second = 0; steps_end_at(second, open_child, f) && second < 20; second++)
            ;
        restart(f);
        const char *now = letters(f, "a");
        int n = in_cur(f, ".a");
        assert_true(n == 1 || n == 5);
        assert_string_equal(now, n == 1 ? "1:S " : "1:S 2:S 3:F:one 4::two 5: ");
        assert_int_equal(litter(f, ".a", "posta-cop"), 0);
        assert_string_equal(letters(f, "INBOX"), FOUR);
        assert_true(ended || n == 5);
        alls += n == 5;
        delete_index(f);
        assert_string_equal(letters(f, "a"), now);
        assert_int_equal(append(f, "a") > (uint32_t)n, true);
    }
    assert_true(at > 12);
    assert_true(alls > 5);
}

static void x01_copy_of_one(void **state)
{
    struct fixture *f = *state;
    bool ended = true;

    for (int at = 0; ended; at++) {
        prepare(f);
        ended = steps_end_at(at, copy_in_child, &(struct stopped){f, 2, 2, false});
        restart(f);
        int n = in_cur(f, ".a");
        assert_string_equal(letters(f, "a"), n == 1 ? "1:S " : "1:S 2:F:one ");
        assert_string_equal(letters(f, "INBOX"), FOUR);
        assert_true(ended || n == 2);
    }
}

static void i31_move(void **state)
{
    static const char *const inbox[] = {FOUR, "2:F:one 3::two 4: ", "3::two 4: ", "4: ", ""};
    static const char *const there[] = {"1:S ", "1:S 2:S ", "1:S 2:S 3:F:one ",
                                        "1:S 2:S 3:F:one 4::two ",
                                        "1:S 2:S 3:F:one 4::two 5: "};
    struct fixture *f = *state;
    bool ended = true;

    for (int at = 0; ended; at++) {
        prepare(f);
        ended = steps_end_at(at, copy_in_child, &(struct stopped){f, 1, 4, true});
        restart(f);
        int n = in_cur(f, ".a") - 1;
        assert_true(n >= 0 && n <= 4);
        assert_int_equal(in_cur(f, "."), 4 - n);
        assert_string_equal(letters(f, "INBOX"), inbox[n]);
        assert_string_equal(letters(f, "a"), there[n]);
        assert_true(ended || n == 4);
        delete_index(f);
        assert_string_equal(letters(f, "a"), there[n]);
    }
}

/* A step fails: all or none too, and nothing is left beside. */
static void failures(void **state)
{
    struct fixture *f = *state;
    bool done = false;

    for (int at = 0; !done; at++) {
        prepare(f);
        steps_mode = STEPS_FAIL;
        steps_left = at;
        done = strcmp(copy(f, "INBOX", 1, 4, "a", false), "1:4>2:5") == 0;
        steps_mode = STEPS_RUN;
        const char *now = letters(f, "a");
        int n = in_cur(f, ".a");
        assert_true(n == 1 || n == 5);
        assert_true(!done || n == 5);
        assert_string_equal(now, n == 1 ? "1:S " : "1:S 2:S 3:F:one 4::two 5: ");
        assert_int_equal(litter(f, ".a", "posta-cop"), 0);
        assert_string_equal(letters(f, "INBOX"), FOUR);
    }
}

/* Named as ours are, made by somebody else. */
static void strangers_among_the_copies(void **state)
{
    struct fixture *f = *state;

    four(f);
    assert_int_equal(create(f, "a"), 0);
    world_write(&f->w, MAILDIR "/.a/posta-copy.x", STR("not ours"));
    world_write(&f->w, MAILDIR "/.a/posta-copied.x", STR("not ours"));
    assert_int_equal(symlinkat("/", f->w.fd, MAILDIR "/.a/posta-copied.y"), 0);
    assert_string_equal(copy(f, "INBOX", 1, 4, "a", false), "1:4>1:4");
    assert_string_equal(letters(f, "a"), FOUR);
    assert_true(world_has(&f->w, MAILDIR "/.a/posta-copy.x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(copies, setup, teardown),
        cmocka_unit_test_setup_teardown(moves, setup, teardown),
        cmocka_unit_test_setup_teardown(moved_ones_are_expunged, setup, teardown),
        cmocka_unit_test_setup_teardown(same_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(no_keyword_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(emailids_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(without_links, setup, teardown),
        cmocka_unit_test_setup_teardown(order_of_flushes, setup, teardown),
        cmocka_unit_test_setup_teardown(quota, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(rename_inbox, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_follow_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(made_anew_while_one_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(renamed_while_one_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(i31_copy_of_several, setup, teardown),
        cmocka_unit_test_setup_teardown(x01_copy_of_one, setup, teardown),
        cmocka_unit_test_setup_teardown(i31_move, setup, teardown),
        cmocka_unit_test_setup_teardown(failures, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers_among_the_copies, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
