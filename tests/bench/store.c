/*
 * store - how long mailboxes of many letters take: milliseconds a step, on standard output.
 *
 *   bench_store DIRECTORY [LETTERS [OCTETS]]
 *
 * DIRECTORY must not be there; it is left behind.
 */
#include "base/defer.h"
#include "store/index.h"
#include "store/mailbox.h"
#include "store/maildir.h"
#include "store/name.h"
#include "store/search.h"
#include "sys/clock.h"

#include <fcntl.h>
#include <sys/stat.h>

#define ALICE "mail/example.test/alice"

enum { PORTION = 1000, WARM = 1000, STEP = 10000 };

static struct mailboxes *all;
static struct mailbox *box;
static char *state_dir;
static unsigned letters = 100000, octets = 4096;

static void die(const char *what, const struct err *err)
{
    fprintf(stderr, "%s: %s\n", what, err->text);
    exit(1);
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void tell(const char *what, double since)
{
    printf("%-44s %9.2f ms\n", what, now_ms() - since);
    fflush(stdout);
}

static size_t print_letter(char *to, unsigned i)
{
    size_t n = (size_t)snprintf(
        to, octets,
        "Return-Path: <sender%u@example.org>\nDelivered-To: alice@example.test\n"
        "Received: from a.example.org by mail.example.test with ESMTPS id %u;\n"
        "\tMon, 23 Nov 2026 00:00:00 +0000\nFrom: Sender %u <sender%u@example.org>\n"
        "To: Alice <alice@example.test>\nSubject: Letter number %u\n"
        "Message-ID: <%u.letter@example.org>\nDate: Mon, 23 Nov 2026 00:00:00 +0000\n"
        "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=\"=_%u\"\n\n"
        "--=_%u\nContent-Type: text/plain; charset=utf-8\n\nHello\n"
        "--=_%u\nContent-Type: text/html; charset=utf-8\n\n<p>Hello</p>\n",
        i, i, i, i, i, i, i, i, i);

    for (; n < octets - 16; n++)
        to[n] = n % 72 == 0 ? '\n' : 'x';
    return n + (size_t)snprintf(to + n, 64, "\n--=_%u--\n", i % 1000);
}

static void fill(void)
{
    char *text = malloc((size_t)octets + 64), path[512];
    struct err err = {0};
    DEFER(close_fd) int at = -1;

    mkdir(state_dir, 0700);
    at = open(state_dir, O_RDONLY | O_DIRECTORY);
    if (maildir_make(at, ALICE, &err) < 0)
        die("make", &err);
    for (unsigned i = 0; i < letters; i++) {
        snprintf(path, sizeof(path), ALICE "/cur/%u.M%uP1.foreign.example:2,%s", 1700000000 + i,
                 i, i % 3 ? "S" : "");
        DEFER(close_fd) int fd = openat(at, path, O_WRONLY | O_CREAT, 0600);
        size_t n = print_letter(text, i);
        if (write(fd, text, n) != (ssize_t)n)
            exit(1);
    }
    free(text);
    sync();
}

static void begin(enum mailbox_mode mode)
{
    struct err err = {0};

    if (mailbox_begin(box, mode, &err) < 0)
        die("begin", &err);
}

static void end(void)
{
    struct err err = {0};

    if (mailbox_end(box, &err) < 0)
        die("end", &err);
}

static void open_all(void)
{
    struct err err = {0};

    all = mailboxes_new(state_dir, state_dir, "mail.example.test");
    if (mailbox_open(all, STR(ALICE), STR("INBOX"), &box, &err) < 0)
        die("open", &err);
}

static void close_all(void)
{
    mailbox_close(box);
    mailboxes_free(all);
}

static void look(const char *what)
{
    struct mailbox_state st;
    struct err err = {0};
    double t = now_ms();

    open_all();
    begin(MAILBOX_READ);
    if (mailbox_state(box, 0, &st, &err) < 0)
        die("state", &err);
    end();
    tell(what, t);
    if (st.exists != letters)
        printf("but there are %u\n", st.exists);
    close_all();
}

static void scan(const char *what, unsigned want)
{
    struct err err = {0};
    struct message m;
    double t = now_ms();
    unsigned n = 0;

    begin(MAILBOX_READ);
    if (mailbox_scan(box, NULL, 0, want, &err) < 0)
        die("scan", &err);
    while (mailbox_next(box, &m, &err) > 0)
        n += !m.gone;
    mailbox_scan_end(box);
    end();
    tell(what, t);
    if (n != letters)
        printf("but there were %u: %s\n", n, err.text);
}

static unsigned run_search(struct search *s)
{
    struct uidset among = {0}, hits = {0};
    struct err err = {0};
    uint64_t modseq = 0;
    int more;

    uidset_add(&among, 1, letters);
    do {
        begin(MAILBOX_READ);
        more = search_run(s, box, &among, STEP, &hits, &modseq, &err);
        end();
        if (more < 0)
            die("search", &err);
    } while (more);
    unsigned n = uidset_count(&hits);
    uidset_done(&among);
    uidset_done(&hits);
    return n;
}

/* UNSEEN is left out where there is none. */
static void search(const char *what, bool unseen, struct search_key key)
{
    struct search_key seen = {.op = SEARCH_FLAGS, .mask = NAME_SEEN};
    struct search_key not = {.op = SEARCH_NOT, .kids = &seen, .next = &key};
    struct search_key tree = {.op = SEARCH_AND, .kids = unseen ? &not : &key};
    struct arena a;
    char text[64];
    double t = now_ms();

    arena_init(&a);
    struct search *s = search_new(&tree, &a);
    unsigned n = run_search(s);
    search_done(s);
    arena_done(&a);
    snprintf(text, sizeof(text), "SEARCH %s: %u", what, n);
    tell(text, t);
}

static void searches(void)
{
    struct search_key subject = {
        .op = SEARCH_HEADER, .field = STR_LIT("Subject"), .text = STR_LIT("number 7777")};
    struct search_key odd = {.op = SEARCH_HEADER, .field = STR_LIT("X-Odd")};
    struct search_key body = {.op = SEARCH_BODY, .text = STR_LIT("nowhere")};

    search("UNSEEN", true, (struct search_key){.op = SEARCH_ALL});
    search("SUBJECT", false, subject);
    search("UNSEEN SUBJECT", true, subject);
    search("HEADER X-Odd, not kept", false, odd);
    search("BODY", false, body);
}

static void warm(void)
{
    struct mailbox_state st;
    double t = now_ms();

    for (int i = 0; i < WARM; i++) {
        begin(MAILBOX_READ);
        mailbox_state(box, 0, &st, NULL);
        end();
    }
    tell("1,000 times begin, state, end", t);
    t = now_ms();
    begin(MAILBOX_READ);
    mailbox_state(box, STATE_FIRST_UNSEEN, &st, NULL);
    end();
    tell("state with the first unseen", t);
}

static void uids(void)
{
    struct uidset set;
    double t = now_ms();

    uidset_init(&set);
    begin(MAILBOX_READ);
    mailbox_uids(box, 1, &set, NULL);
    end();
    tell("all UIDs", t);
    uidset_done(&set);
}

static void store(const char *what, uint32_t n, uint32_t flags)
{
    struct err err = {0};
    double t = now_ms();

    for (uint32_t from = 1; from <= n; from += PORTION) {
        struct uidset set, modified;
        uint64_t modseq;

        uidset_init(&set);
        uidset_init(&modified);
        uidset_add(&set, from, from + PORTION - 1);
        begin(MAILBOX_WRITE);
        if (mailbox_store(box, &set, STORE_ADD, (struct mailbox_flags){.flags = flags},
                          UINT64_MAX, &modified, &modseq, &err) < 0)
            die("store", &err);
        end();
        uidset_done(&set);
    }
    tell(what, t);
}

static void expunge(void)
{
    struct err err = {0};
    struct uidset gone;

    store("store \\Deleted on 1,000", PORTION, NAME_TRASHED);
    sync(); /* what the renames left to be flushed is not its own */
    double t = now_ms();
    uidset_init(&gone);
    begin(MAILBOX_WRITE);
    if (mailbox_expunge(box, NULL, &gone, &err) < 0)
        die("expunge", &err);
    end();
    tell("expunge 1,000", t);
    letters -= uidset_count(&gone);
    uidset_done(&gone);
}

static void touch_cur(void)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/" ALICE "/cur", state_dir);
    utimensat(AT_FDCWD, path, NULL, 0);
}

int main(int argc, char **argv)
{
    char maildir[512];

    if (argc < 2)
        return 2;
    state_dir = argv[1];
    if (argc > 2)
        letters = (unsigned)strtoul(argv[2], NULL, 10);
    if (argc > 3)
        octets = (unsigned)strtoul(argv[3], NULL, 10);
    fill();
    printf("%u letters of %u octets\n", letters, octets);
    look("foreign names at first sight");
    snprintf(maildir, sizeof(maildir), "%s/" ALICE, state_dir);
    index_delete(maildir);
    look("cold: no index, our own names");
    look("warm: open the index, begin, state, end");
    touch_cur();
    look("all names of cur/ looked at again");
    open_all();
    warm();
    uids();
    scan("flags of all", 0);
    scan("internal dates, cold", WANT_INTERNALDATE);
    scan("internal dates, warm", WANT_INTERNALDATE);
    scan("envelopes and structures, cold", WANT_ENVELOPE | WANT_BODYSTRUCTURE);
    scan("envelopes and structures, warm", WANT_ENVELOPE | WANT_BODYSTRUCTURE);
    scan("headers, warm", WANT_HEADER);
    searches();
    scan("flags of all, with all of it in the index", 0);
    store("store \\Flagged on all, 1,000 at a time", letters, NAME_FLAGGED);
    scan("flags of all, each with its mod-sequence", 0);
    expunge();
    close_all();
    return 0;
}
