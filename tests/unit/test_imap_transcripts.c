/*
 * Plays tests/transcripts/imap-*.txt against the session and the store's side of it, on a
 * Maildir in a directory of its own, each twice: with what the client says between two answers
 * in one piece, and cut into single bytes. README.md there has the format.
 */
#include "imapd/session.h"
#include "tests/imap_work_world.h"
#include "tests/unit/dialogue.h"

enum { TALK_BYTES = 4 << 20, VARIABLES = 26, VARIABLE_BYTES = 24 };

/* A session of alice's with its work. */
struct seat {
    struct imap_session *s;
    struct work *work;
    struct buf from; /* said by the server, not compared */
    enum imap_want last;
};

struct player {
    struct imap_world f;
    struct imap_config config;
    struct seat main, other;
    const char *name;
    int line;
    bool bytes, skip, tls_first;
    struct buf to; /* said by the client, not fed */
    char variables[VARIABLES][VARIABLE_BYTES];
    struct buf letter; /* the one that L lines add to */
    bool in_letter;
    char letter_path[WORLD_BYTES];
    uint64_t quota_octets, letter_at; /* seconds since 1970 */
    unsigned letters;
};

static void complain(const struct player *p, const char *what, struct str got)
{
    print_error("%s:%d%s: %s; got \"%.*s\"\n", p->name, p->line, p->bytes ? " (bytes)" : "",
                what, STR_ARGS(str_first(got, 600)));
    fail();
}

/* ---- the world ---- */

/* message = [authzid] NUL authcid NUL passwd */
static bool knows(struct str plain)
{
    struct str name;

    if (!scan_byte(&plain, '\0') || !scan_until(&plain, '\0', &name) ||
        !scan_byte(&plain, '\0'))
        return false;
    return str_eq(name, STR("alice@example.test")) && str_eq(plain, STR("wonderland"));
}

static void log_in(struct player *p, struct seat *seat, const struct imap_request *r)
{
    struct work_user alice = {.maildir = STR(ALICE),
                              .address = STR("alice@example.test"),
                              .quota_octets = p->quota_octets};
    struct err err = {0};

    if (r->auth.cancelled)
        return;
    if (!r->auth.has_response) {
        imap_answer_challenge(seat->s, STR(""));
    } else if (!knows(r->auth.response)) {
        imap_answer_refused(seat->s, IMAP_BAD);
    } else {
        if (folders_make_usual(p->f.all, STR(ALICE), &err) < 0)
            fail_msg("%s", err.text);
        seat->work = work_new(p->f.all, &alice);
        imap_answer_login(seat->s);
    }
}

static void work(struct seat *seat, const struct imap_request *r)
{
    struct work_result result;
    struct buf out;

    buf_init(&out, WORK_STEP_BYTES);
    enum work_state state = work_step(seat->work, &r->work, &out, &result);
    imap_answer_work(seat->s, &out, state, &result);
    buf_done(&out);
}

static void turn(struct player *p, struct seat *seat)
{
    const struct imap_request *r;

    for (;;) {
        seat->last = imap_next(seat->s, &r);
        if (seat->last == IMAP_WANT_LOGIN) {
            log_in(p, seat, r);
            continue;
        }
        if (seat->last == IMAP_WANT_WORK) {
            work(seat, r);
            continue;
        }
        buf_add(&seat->from, imap_output(seat->s));
        imap_sent(seat->s, imap_output(seat->s).n);
        if (seat->last != IMAP_WANT_FLUSH)
            break;
    }
    imap_rest(seat->s);
}

static void sit_down(struct player *p, struct seat *seat, bool tls)
{
    if (seat->s)
        return;
    seat->s = imap_new(&p->config, tls);
    turn(p, seat);
}

static void get_up(struct seat *seat)
{
    imap_free(seat->s);
    work_free(seat->work);
    seat->s = NULL;
    seat->work = NULL;
    buf_clear(&seat->from);
}

/* ---- the client's lines ---- */

/* "\#{x}" is the number that was found there. */
static void insert_variables(const struct player *p, struct buf *out, struct str text)
{
    while (text.n) {
        struct str s = text;

        if (scan_word(&s, STR("\\#{")) && s.n > 1 && s.p[1] == '}') {
            buf_addf(out, "%s", p->variables[(s.p[0] - 'a') % VARIABLES]);
            text = str_skip(s, 2);
        } else {
            buf_add_byte(out, text.p[0]);
            text = str_skip(text, 1);
        }
    }
}

static void add_line(struct player *p, struct buf *to, struct str line, bool end)
{
    struct buf text;

    buf_init(&text, TALK_BYTES);
    insert_variables(p, &text, line);
    dialogue_unescape(to, buf_str(&text));
    buf_add(to, end ? STR("\r\n") : STR(""));
    buf_done(&text);
}

static void flush(struct player *p)
{
    struct str to = buf_str(&p->to);

    if (to.n)
        sit_down(p, &p->main, p->tls_first);
    while (to.n && p->main.last == IMAP_WANT_INPUT) {
        struct str part = str_first(to, p->bytes ? 1 : to.n);

        imap_feed(p->main.s, part);
        to = str_skip(to, part.n);
        turn(p, &p->main);
    }
    buf_clear(&p->to);
}

/* ---- the server's lines ---- */

/* "\#": digits, "\#{x}": digits that are kept, "\?": anything; the rest as it stands. */
static bool match(struct player *p, struct str text, struct str want, bool exact)
{
    struct str number = text;

    while (want.n && !str_starts(want, STR("\\#")) && !str_starts(want, STR("\\?"))) {
        if (text.n == 0 || text.p[0] != want.p[0])
            return false;
        text = str_skip(text, 1);
        want = str_skip(want, 1);
    }
    if (want.n == 0)
        return !exact || text.n == 0;
    if (scan_word(&want, STR("\\?"))) {
        for (size_t n = 0; n <= text.n; n++)
            if (match(p, str_skip(text, n), want, exact))
                return true;
        return false;
    }
    scan_word(&want, STR("\\#"));
    number.n = 0;
    number.p = text.p;
    while (text.n && ascii_is_digit(text.p[0])) {
        text = str_skip(text, 1);
        number.n++;
    }
    if (scan_byte(&want, '{')) {
        snprintf(p->variables[(want.p[0] - 'a') % VARIABLES], VARIABLE_BYTES, "%.*s",
                 STR_ARGS(number));
        want = str_skip(want, 2);
    }
    return number.n && match(p, text, want, exact);
}

static void expect(struct player *p, struct str want, bool exact)
{
    sit_down(p, &p->main, p->tls_first);
    flush(p);
    struct str from = buf_str(&p->main.from), line = str_first(from, str_find(from, '\r'));
    if (line.n == from.n)
        complain(p, "an answer is missing", from);
    if (!match(p, line, want, exact))
        complain(p, "not the answer", line);
    buf_drop(&p->main.from, line.n + 2);
}

static void hang_up(struct player *p)
{
    if (buf_str(&p->main.from).n)
        complain(p, "more was said than expected", buf_str(&p->main.from));
    get_up(&p->main);
}

static void expect_close(struct player *p)
{
    flush(p);
    if (p->main.last != IMAP_WANT_CLOSE)
        complain(p, "the session should have been closed", buf_str(&p->main.from));
    hang_up(p);
}

static void start_tls(struct player *p)
{
    flush(p);
    if (p->main.last != IMAP_WANT_STARTTLS)
        complain(p, "no TLS was asked for", buf_str(&p->main.from));
    imap_tls_started(p->main.s);
    turn(p, &p->main);
}

/* ---- the other session ---- */

static void other_says(struct player *p, struct str line)
{
    struct seat *o = &p->other;
    struct buf to;

    if (!o->s) {
        sit_down(p, o, true);
        imap_feed(o->s, STR("o LOGIN alice@example.test wonderland\r\n"));
        turn(p, o);
    }
    buf_clear(&o->from);
    buf_init(&to, TALK_BYTES);
    buf_add(&to, STR("o "));
    add_line(p, &to, line, true);
    imap_feed(o->s, buf_str(&to));
    turn(p, o);
    buf_done(&to);
    if (!strstr(buf_c(&o->from), "o OK"))
        complain(p, "the other session was refused", buf_str(&o->from));
    if (p->main.s && p->main.last == IMAP_WANT_INPUT) {
        imap_notice(p->main.s);
        turn(p, &p->main);
    }
}

static void other_command(struct player *p, const char *verb, struct str name)
{
    struct buf line;

    buf_init(&line, 1000);
    buf_addf(&line, "%s \"%.*s\"", verb, STR_ARGS(name));
    other_says(p, buf_str(&line));
    buf_done(&line);
}

/* Without the folders that each user gets at the first login. */
static void remove_usual(struct player *p)
{
    static const struct str names[] = {STR_LIT("Archive"), STR_LIT("Drafts"), STR_LIT("Junk"),
                                       STR_LIT("Sent"), STR_LIT("Trash")};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        other_command(p, "DELETE", names[i]);
        other_command(p, "UNSUBSCRIBE", names[i]);
    }
}

/* ---- letters ---- */

/* "@letter", "@letter flags=FS in=Sent at=837596665": by another program; with flags= in cur/.
 */
static void begin_letter(struct player *p, struct str words)
{
    struct str flags = STR(""), in = STR(""), word;
    bool seen = false;
    char folder[WORLD_BYTES / 2] = "";

    p->letter_at = 1000000000 + p->letters;
    while ((word = dialogue_word(&words)).n) {
        if (scan_word(&word, STR("flags="))) {
            seen = true;
            flags = word;
        } else if (scan_word(&word, STR("in="))) {
            in = word;
        } else if (!scan_word(&word, STR("at=")) ||
                   !scan_u64(&word, UINT32_MAX, &p->letter_at)) {
            complain(p, "a letter with what", word);
        }
    }
    if (in.n)
        snprintf(folder, sizeof(folder), ".%.*s/", STR_ARGS(in));
    for (char *c = folder; *c; c++)
        *c = *c == '/' && c[1] ? '.' : *c;
    p->letters++;
    snprintf(p->letter_path, sizeof(p->letter_path), ALICE "/%s%s/%llu.M%u.elsewhere%s%.*s",
             folder, seen ? "cur" : "new", (unsigned long long)p->letter_at, p->letters,
             seen ? ":2," : "", STR_ARGS(flags));
    p->in_letter = true;
    buf_clear(&p->letter);
}

static void end_letter(struct player *p)
{
    struct timespec times[] = {{.tv_sec = (time_t)p->letter_at},
                               {.tv_sec = (time_t)p->letter_at}};

    if (!p->in_letter)
        return;
    p->in_letter = false;
    world_write(&p->f.w, p->letter_path, buf_str(&p->letter));
    assert_int_equal(utimensat(p->f.w.fd, p->letter_path, times, 0), 0);
}

/* ---- a file ---- */

static void set_door(struct player *p, struct str door)
{
    p->tls_first = str_eq(door, STR("imapd_tls"));
    if (!p->tls_first && !str_eq(door, STR("imapd")))
        complain(p, "a door that is none", door);
}

static void set_option(struct player *p, struct str text)
{
    struct str name = dialogue_word(&text);

    if (str_eq(name, STR("clear_auth")))
        p->config.clear_auth = true;
    else if (!str_eq(name, STR("quota")) || !scan_u64(&text, UINT64_MAX, &p->quota_octets))
        complain(p, "an option that is none", name);
}

static void directive(struct player *p, struct str text)
{
    struct str name = dialogue_word(&text);

    if (str_eq(name, STR("on"))) {
        set_door(p, text);
    } else if (str_eq(name, STR("set"))) {
        set_option(p, text);
    } else if (str_eq(name, STR("letter"))) {
        begin_letter(p, text);
    } else if (str_eq(name, STR("folder"))) {
        other_command(p, "CREATE", text);
    } else if (str_eq(name, STR("bare"))) {
        remove_usual(p);
    } else if (str_eq(name, STR("login"))) {
        expect(p, STR("* OK "), false);
        add_line(p, &p->to, STR("login LOGIN alice@example.test wonderland"), true);
        expect(p, STR("login OK "), false);
    } else if (str_eq(name, STR("starttls"))) {
        start_tls(p);
    } else if (str_eq(name, STR("close"))) {
        expect_close(p);
    } else if (str_eq(name, STR("again"))) {
        flush(p);
        hang_up(p);
    } else if (str_eq(name, STR("whole"))) {
        p->skip = p->bytes;
    } else if (!str_eq(name, STR("memory"))) {
        complain(p, "a directive that is none", name);
    }
}

/* "C*20: text" is said 20 times. */
static void play_line(struct player *p, struct str line)
{
    uint32_t times = 1;

    if (line.n == 0 || line.p[0] == '#')
        return;
    char who = line.p[0];
    line = str_skip(line, 1);
    if (who != 'L')
        end_letter(p);
    if (who == '@') {
        directive(p, line);
        return;
    }
    if (scan_byte(&line, '*'))
        scan_u32(&line, 100000, &times);
    char kind = line.n ? line.p[0] : ' ';
    line = line.n > 1 ? str_skip(line, line.p[1] == ' ' ? 2 : 1) : STR("");
    for (; times > 0; times--) {
        if (who == 'S') {
            expect(p, line, kind == '=');
        } else if (who == 'L') {
            dialogue_unescape(&p->letter, line);
            buf_add(&p->letter, kind == '>' ? STR("") : STR("\n"));
        } else if (who == 'C') {
            add_line(p, &p->to, line, kind != '>');
        } else if (who == 'O') {
            flush(p);
            other_says(p, line);
        } else {
            complain(p, "a line that is none", line);
        }
    }
}

static void player_init(struct player *p, const char *name, bool bytes)
{
    *p = (struct player){.name = name, .bytes = bytes};
    imap_world_init(&p->f);
    p->config = (struct imap_config){.starttls = true,
                                     .auth_failures = 3,
                                     .bad_commands = 20,
                                     .junk_commands = 100,
                                     .letter_bytes = 50 << 20,
                                     .version = "1"};
    buf_init(&p->to, TALK_BYTES);
    buf_init(&p->letter, TALK_BYTES);
    buf_init(&p->main.from, TALK_BYTES);
    buf_init(&p->other.from, TALK_BYTES);
}

static void player_done(struct player *p)
{
    get_up(&p->main);
    get_up(&p->other);
    buf_done(&p->to);
    buf_done(&p->letter);
    buf_done(&p->main.from);
    buf_done(&p->other.from);
    imap_world_done(&p->f);
}

static void play(const char *name, struct str text, bool bytes)
{
    struct player p;

    player_init(&p, name, bytes);
    while (text.n && !p.skip) {
        struct str line = str_first(text, str_find(text, '\n'));

        text = str_skip(text, line.n < text.n ? line.n + 1 : line.n);
        p.line++;
        play_line(&p, line);
    }
    if (!p.skip) {
        flush(&p);
        if (p.main.s)
            hang_up(&p);
    }
    player_done(&p);
}

static int only_imap(const struct dirent *e)
{
    return str_starts(str_c(e->d_name), STR("imap-"));
}

int main(void)
{
    return dialogue_play_all(only_imap, play);
}
