/*
 * Two sessions of one user over a real Maildir. A line of the input is a command without its
 * tag; '!' in front makes it the second session's, '+' a letter to be appended.
 *
 * Properties: each command has exactly one tagged answer; what is said is responses (RFC 3501
 * 9) and nothing else; sequence numbers are those of letters that were told of, EXISTS never
 * falls, and EXPUNGE never comes in FETCH, STORE and SEARCH (RFC 3501 7.4.1).
 */
#include "imap_text.h"

#include "base/buf.h"
#include "base/defer.h"
#include "imapd/session.h"
#include "store/folders.h"
#include "store/maildir.h"
#include "sys/log.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAILDIR "mail/example.test/alice"

enum {
    SEATS = 2,
    COMMANDS = 60,
    LINE_BYTES = 2000,
    OUT_BYTES = 64 << 20,
    PATH_BYTES = 200,
    STEPS = 100000,
    TELL_OF_NONE = -1, /* no mailbox is selected */
};

static const char *const letters[] = {
    "Subject: one\n\nsaffron\n",
    "From: A <a@example.test>\nSubject: =?utf-8?q?zw=C3=B6lf?=\nMIME-Version: 1.0\n"
    "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nfirst\n--b\nContent-Type: "
    "message/rfc822\n\nSubject: inside\n\nanise\n--b--\n",
    "Subject: three\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\ncumin\r\n",
};

struct seat {
    struct imap_session *s;
    struct work *work;
    struct buf out; /* said, not looked at yet */
    int64_t exists;
    bool closed;
    char tag[16];     /* of the command under way; "" for none */
    bool no_expunges; /* it is one in which none may be told */
    bool selecting;   /* EXISTS is that of another mailbox   */
};

struct world {
    char dir[PATH_BYTES];
    int root;
    struct mailboxes *all;
    struct imap_config config;
    struct seat seats[SEATS];
    unsigned commands;
};

/* ---- the world ---- */

static void put_letter(const struct world *w, size_t i)
{
    char path[PATH_BYTES];
    size_t n = strlen(letters[i]);

    snprintf(path, sizeof(path), MAILDIR "/new/%zu.M%zu.host.test", 1000000000 + i, i);
    DEFER(close_fd) int fd = openat(w->root, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, letters[i], n) == (ssize_t)n);
}

static void world_init(struct world *w)
{
    const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    char run[PATH_BYTES + 8];

    *w = (struct world){
        .config = {.clear_auth = true,
                   .auth_failures = 3,
                   .bad_commands = UINT32_MAX,
                   .junk_commands = UINT32_MAX,
                   .letter_bytes = 1 << 20,
                   .version = "1"}
    };
    snprintf(w->dir, sizeof(w->dir), "%s/posta-fuzz-XXXXXX", tmp);
    must(mkdtemp(w->dir) != NULL);
    w->root = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(w->root >= 0 && mkdirat(w->root, "mail", 0700) == 0 &&
         mkdirat(w->root, "run", 0700) == 0);
    must(maildir_make(w->root, MAILDIR, NULL) == 0);
    for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++)
        put_letter(w, i);
    snprintf(run, sizeof(run), "%s/run", w->dir);
    w->all = mailboxes_new(w->dir, run, "host.test");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static void world_done(struct world *w)
{
    for (unsigned i = 0; i < SEATS; i++) {
        imap_free(w->seats[i].s);
        work_free(w->seats[i].work);
        buf_done(&w->seats[i].out);
    }
    mailboxes_free(w->all);
    close_fd(&w->root);
    nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- what is said ---- */

/* Anything a response is made of, up to the line's end or the list's: words, strings, lists,
 * codes in brackets. */
static void take_data(struct str *in, char end)
{
    while (in->n && in->p[0] != end && in->p[0] != '\r') {
        if (take_string(in))
            continue;
        char c = in->p[0];

        must(c >= ' ' && c != 0x7f && c != ')');
        *in = str_skip(*in, 1);
        if (c == '(') {
            take_data(in, ')');
            must(scan_byte(in, ')'));
        }
    }
}

static void take_line_end(struct str *in)
{
    must(scan_word(in, STR("\r\n")));
}

/* resp-text: what is behind OK, NO, BAD, BYE */
static void take_text(struct str *in)
{
    while (in->n && in->p[0] != '\r') {
        must(in->p[0] >= ' ' && in->p[0] != 0x7f);
        *in = str_skip(*in, 1);
    }
    take_line_end(in);
}

static void take_number(struct seat *t, uint32_t n, struct str *in)
{
    if (scan_word(in, STR("EXISTS"))) {
        must(t->selecting || (t->exists != TELL_OF_NONE && n >= t->exists));
        t->selecting = false;
        t->exists = n;
    } else if (scan_word(in, STR("RECENT"))) {
        must(n <= t->exists);
    } else if (scan_word(in, STR("EXPUNGE"))) {
        must(!t->no_expunges && n >= 1 && n <= t->exists);
        t->exists--;
    } else {
        must(scan_word(in, STR("FETCH (")) && n >= 1 && n <= t->exists);
        take_data(in, ')');
        must(scan_byte(in, ')'));
    }
    take_line_end(in);
}

static void take_untagged(struct seat *t, struct str *in)
{
    static const struct str texts[] = {STR_LIT("OK "), STR_LIT("NO "), STR_LIT("BAD "),
                                       STR_LIT("BYE ")};
    uint32_t n;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (scan_word(in, texts[i])) {
            take_text(in);
            return;
        }
    if (scan_u32(in, UINT32_MAX, &n)) {
        must(scan_byte(in, ' '));
        take_number(t, n, in);
        return;
    }
    take_data(in, '\0');
    take_line_end(in);
}

static void take_answer(struct seat *t, struct str *in)
{
    must(t->tag[0] && scan_word(in, str_c(t->tag)) && scan_byte(in, ' '));
    must(scan_word(in, STR("OK ")) || scan_word(in, STR("NO ")) || scan_word(in, STR("BAD ")));
    take_text(in);
    t->tag[0] = '\0';
}

static void look(struct seat *t)
{
    struct str in = buf_str(&t->out);

    while (in.n) {
        if (scan_word(&in, STR("* ")))
            take_untagged(t, &in);
        else if (scan_word(&in, STR("+ ")))
            take_text(&in);
        else
            take_answer(t, &in);
    }
    buf_clear(&t->out);
}

/* ---- what is done ---- */

static void work(struct seat *t, const struct imap_request *r)
{
    struct work_result result;
    struct buf out;

    buf_init(&out, OUT_BYTES);
    enum work_state state = work_step(t->work, &r->work, &out, &result);
    imap_answer_work(t->s, &out, state, &result);
    if (state == WORK_DONE && !work_folder(t->work).n)
        t->exists = TELL_OF_NONE;
    buf_done(&out);
}

static void turn(struct world *w, struct seat *t)
{
    static const struct work_user alice = {.maildir = STR_LIT(MAILDIR),
                                           .address = STR_LIT("alice@example.test")};
    const struct imap_request *r;

    for (unsigned i = 0;; i++) {
        enum imap_want want = imap_next(t->s, &r);

        must(i < STEPS);
        if (want == IMAP_WANT_LOGIN) {
            t->work = work_new(w->all, &alice);
            imap_answer_login(t->s);
        } else if (want == IMAP_WANT_WORK) {
            work(t, r);
        }
        buf_add(&t->out, imap_output(t->s));
        imap_sent(t->s, imap_output(t->s).n);
        if (want == IMAP_WANT_CLOSE)
            t->closed = true;
        if (want == IMAP_WANT_CLOSE || want == IMAP_WANT_INPUT)
            break;
    }
    imap_rest(t->s);
    look(t);
}

static void sit_down(struct world *w, struct seat *t)
{
    buf_init(&t->out, OUT_BYTES);
    t->exists = TELL_OF_NONE;
    t->s = imap_new(&w->config, false);
    snprintf(t->tag, sizeof(t->tag), "l");
    imap_feed(t->s, STR("l LOGIN alice secret\r\n"));
    turn(w, t);
    must(!t->tag[0] && t->work);
}

static bool begins_with(struct str line, struct str word)
{
    return line.n >= word.n && str_eq_nocase(str_first(line, word.n), word);
}

static void say(struct world *w, struct seat *t, struct str line, struct str letter)
{
    struct buf text;

    t->no_expunges = begins_with(line, STR("FETCH")) || begins_with(line, STR("STORE")) ||
                     begins_with(line, STR("SEARCH"));
    t->selecting = begins_with(line, STR("SELECT")) || begins_with(line, STR("EXAMINE"));
    snprintf(t->tag, sizeof(t->tag), "a%u", w->commands);
    buf_init(&text, 4 * LINE_BYTES);
    buf_addf(&text, "%s %.*s", t->tag, STR_ARGS(line));
    if (letter.p)
        buf_addf(&text, "{%zu+}\r\n%.*s", letter.n, STR_ARGS(letter));
    buf_add(&text, STR("\r\n"));
    imap_feed(t->s, buf_str(&text));
    buf_done(&text);
    turn(w, t);
    if (imap_idling(t->s)) {
        imap_notice(t->s);
        turn(w, t);
        imap_feed(t->s, STR("DONE\r\n"));
        turn(w, t);
    }
    must(!t->tag[0] || t->closed);
}

/* A line that no byte makes anything but one command: literals are for '+' alone. */
static struct str tame(struct str line, char to[LINE_BYTES])
{
    size_t n = line.n < LINE_BYTES - 1 ? line.n : LINE_BYTES - 1;

    for (size_t i = 0; i < n; i++)
        to[i] = line.p[i] && line.p[i] != '\r' && line.p[i] != '{' ? line.p[i] : ' ';
    return (struct str){to, n};
}

static void command(struct world *w, struct str line)
{
    static const struct str folders[] = {STR_LIT("APPEND INBOX "), STR_LIT("APPEND a ")};
    char room[LINE_BYTES];
    struct seat *t = &w->seats[scan_byte(&line, '!')];
    bool letter = scan_byte(&line, '+');

    line = tame(line, room);
    if (!t->s)
        sit_down(w, t);
    if (t->closed || line.n == 0)
        return;
    w->commands++;
    if (letter)
        say(w, t, folders[line.n % 2], line);
    else
        say(w, t, line, (struct str){0});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size}, line;
    struct world w;

    log_open("fuzz", LOG_ERROR, false);
    log_limit(1);
    world_init(&w);
    while (in.n && w.commands < COMMANDS) {
        size_t n = str_find(in, '\n');

        line = str_first(in, n);
        in = str_skip(in, n < in.n ? n + 1 : n);
        command(&w, line);
    }
    world_done(&w);
    return 0;
}
