/*
 * Plays tests/transcripts/ against the session in memory, each twice: with what the client says
 * between two replies in one piece, and cut into single bytes. README.md there has the format.
 */
#include "tests/unit/dialogue.h"
#include "tests/unit/smtp_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { STEP_BYTES = 60000 };

struct player {
    struct oracle o;
    const char *name;
    int line;
    bool bytes; /* cut into single bytes                  */
    bool skip;  /* this dialogue is not one to be cut     */
    bool tls_first;
    struct buf to;       /* said by the client, not fed yet        */
    struct buf from;     /* said by the server, not compared yet   */
    struct buf greeting; /* the last answer to EHLO        */
    struct buf want;     /* the letter that should have come       */
    struct arena arena;
    enum smtp_want last;
};

static void complain(const struct player *p, const char *what, struct str got)
{
    print_error("%s:%d%s: %s; got \"%.*s\"\n", p->name, p->line, p->bytes ? " (bytes)" : "",
                what, STR_ARGS(str_first(got, 300)));
    fail();
}

/* A connection begins with the first thing that is said. */
static void start(struct player *p)
{
    if (p->o.s)
        return;
    p->o.s = smtp_server_new(&p->o.config, p->tls_first);
    p->last = oracle_turn(&p->o, &p->from);
}

static void flush(struct player *p)
{
    struct str to = buf_str(&p->to);
    size_t step = p->bytes ? 1 : STEP_BYTES;

    if (to.n)
        start(p);
    while (to.n && p->last == SMTP_WANT_INPUT) {
        smtp_server_feed(p->o.s, str_first(to, step));
        to = str_skip(to, to.n < step ? to.n : step);
        p->last = oracle_turn(&p->o, &p->from);
    }
    buf_clear(&p->to);
}

static void expect_reply(struct player *p, struct str want, bool exact)
{
    struct str from, line;

    start(p);
    flush(p);
    from = buf_str(&p->from);
    line = str_first(from, str_find(from, '\r'));
    if (line.n == from.n)
        complain(p, "a reply is missing", from);
    if (exact ? !str_eq(line, want) : !str_starts(line, want))
        complain(p, "not the reply", line);
    buf_drop(&p->from, line.n + 2);
}

/* The answer to EHLO: its lines leave p->from and are kept for @lacks. */
static void take_greeting(struct player *p)
{
    struct str line;

    flush(p);
    buf_clear(&p->greeting);
    do {
        struct str from = buf_str(&p->from);

        line = str_first(from, str_find(from, '\r'));
        if (line.n == from.n || !str_starts(line, STR("250")) || line.n < 4)
            complain(p, "no answer to EHLO", from);
        bool more = line.p[3] == '-';
        buf_addf(&p->greeting, " %.*s", STR_ARGS(str_skip(line, 4)));
        buf_drop(&p->from, line.n + 2);
        if (!more)
            break;
    } while (true);
    buf_add_byte(&p->greeting, ' ');
}

static bool greeting_has(const struct player *p, struct str keyword)
{
    struct str all = buf_str(&p->greeting);

    for (; all.n; all = str_skip(all, 1)) {
        struct str s = str_skip(all, 1);

        if (all.p[0] == ' ' && scan_word(&s, keyword) && scan_byte(&s, ' '))
            return true;
    }
    return false;
}

static void set_option(struct player *p, struct str name, struct str value)
{
    struct smtp_server_config *c = &p->o.config;
    uint32_t n = 0;
    struct str rest = value;

    scan_u32(&rest, UINT32_MAX, &n);
    value = arena_dup(&p->arena, value);
    if (str_eq(name, STR("hostname")))
        c->hostname = value;
    else if (str_eq(name, STR("size")))
        c->size_max = n;
    else if (str_eq(name, STR("recipients")))
        c->recipients_max = n;
    else if (str_eq(name, STR("auth")))
        c->auth_mechanisms = value;
    else if (str_eq(name, STR("clear_auth")))
        c->auth_needs_tls = false;
    else if (str_eq(name, STR("anyone_may_send")))
        c->mail_needs_auth = false;
    else if (str_eq(name, STR("mail_needs_tls")))
        c->mail_needs_tls = true;
    else if (str_eq(name, STR("no_starttls")))
        c->starttls = false;
    else if (str_eq(name, STR("no_dsn")))
        c->dsn = false;
    else
        complain(p, "an option that is none", name);
}

static void hang_up(struct player *p)
{
    if (buf_str(&p->from).n)
        complain(p, "more was said than expected", buf_str(&p->from));
    smtp_server_free(p->o.s);
    p->o.s = NULL;
}

static void set_door(struct player *p, struct str door)
{
    enum smtp_kind kind;

    p->tls_first = str_eq(door, STR("msa_tls"));
    if (str_eq(door, STR("msa")) || p->tls_first)
        kind = SMTP_SUBMIT;
    else if (str_eq(door, STR("mta")))
        kind = SMTP_RECEIVE;
    else if (str_eq(door, STR("queue")))
        kind = SMTP_QUEUE;
    else
        kind = SMTP_LMTP;
    if (p->o.s)
        hang_up(p);
    oracle_done(&p->o);
    oracle_init(&p->o, kind);
}

static void check_letter(struct player *p)
{
    if (p->want.n && !str_eq(buf_str(&p->want), buf_str(&p->o.kept)))
        complain(p, "not the letter", buf_str(&p->o.kept));
    buf_clear(&p->want);
}

static void check_number(struct player *p, struct str text, unsigned got)
{
    uint32_t n = 0;

    scan_u32(&text, UINT32_MAX, &n);
    if (n != got) {
        print_error("%s:%d: %u, not %u\n", p->name, p->line, got, n);
        fail();
    }
}

static void check_text(struct player *p, struct str want, struct buf *got)
{
    if (!str_eq(want, buf_str(got)))
        complain(p, "not the envelope", buf_str(got));
}

static void expect_close(struct player *p)
{
    flush(p);
    if (p->last != SMTP_WANT_CLOSE)
        complain(p, "the session should have been closed", buf_str(&p->from));
    smtp_server_feed(p->o.s, STR("NOOP\r\n"));
    oracle_turn(&p->o, &p->from);
    hang_up(p);
}

static void start_tls(struct player *p)
{
    flush(p);
    if (p->last != SMTP_WANT_STARTTLS)
        complain(p, "no TLS was asked for", buf_str(&p->from));
    smtp_server_tls_started(p->o.s);
    p->last = oracle_turn(&p->o, &p->from);
}

static void add_names(struct player *p, struct str *list, size_t *n, struct str names)
{
    while (names.n && *n < ORACLE_NAMES)
        list[(*n)++] = arena_dup(&p->arena, dialogue_word(&names));
}

static void directive(struct player *p, struct str text)
{
    struct str name = dialogue_word(&text);
    struct oracle *o = &p->o;

    if (str_eq(name, STR("on"))) {
        set_door(p, text);
    } else if (str_eq(name, STR("set"))) {
        name = dialogue_word(&text);
        set_option(p, name, text);
    } else if (str_eq(name, STR("user"))) {
        o->users[o->nusers] = arena_dup(&p->arena, dialogue_word(&text));
        o->passwords[o->nusers++] = arena_dup(&p->arena, text);
    } else if (str_eq(name, STR("mailbox"))) {
        add_names(p, o->boxes, &o->nboxes, text);
    } else if (str_eq(name, STR("full"))) {
        add_names(p, o->full, &o->nfull, text);
    } else if (str_eq(name, STR("starttls"))) {
        start_tls(p);
    } else if (str_eq(name, STR("greeted"))) {
        take_greeting(p);
        while (text.n)
            if (!greeting_has(p, dialogue_word(&text)))
                complain(p, "EHLO does not announce all", buf_str(&p->greeting));
    } else if (str_eq(name, STR("lacks"))) {
        if (greeting_has(p, text))
            complain(p, "EHLO announces it", buf_str(&p->greeting));
    } else if (str_eq(name, STR("close"))) {
        expect_close(p);
    } else if (str_eq(name, STR("again"))) {
        flush(p);
        hang_up(p);
    } else if (str_eq(name, STR("letters"))) {
        flush(p);
        check_letter(p);
        check_number(p, text, o->letters);
    } else if (str_eq(name, STR("cancels"))) {
        flush(p);
        check_number(p, text, o->cancels);
    } else if (str_eq(name, STR("from"))) {
        check_text(p, text, &o->sender);
    } else if (str_eq(name, STR("to"))) {
        check_text(p, text, &o->recipients);
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
    char who;

    if (line.n == 0 || line.p[0] == '#')
        return;
    who = line.p[0];
    line = str_skip(line, 1);
    if (who == '@') {
        directive(p, line);
        return;
    }
    if (scan_byte(&line, '*'))
        scan_u32(&line, 10000, &times);
    char kind = line.n ? line.p[0] : ' ';
    line = line.n > 1 ? str_skip(line, line.p[1] == ' ' ? 2 : 1) : STR("");
    for (; times > 0; times--) {
        if (who == 'S') {
            expect_reply(p, line, kind == '=');
        } else if (who == 'L') {
            buf_add(&p->want, line);
            buf_add_byte(&p->want, '\n');
        } else if (who == 'C') {
            dialogue_unescape(&p->to, line);
            buf_add(&p->to, kind == '>' ? STR("") : STR("\r\n"));
        } else {
            complain(p, "a line that is none", line);
        }
    }
}

static void play(const char *name, struct str text, bool bytes)
{
    struct player p = {.name = name, .bytes = bytes};
    struct str line;

    oracle_init(&p.o, SMTP_RECEIVE);
    arena_init(&p.arena);
    buf_init(&p.to, 256 << 20);
    buf_init(&p.from, 64 << 20);
    buf_init(&p.want, 64 << 20);
    buf_init(&p.greeting, 1 << 16);
    while (text.n && !p.skip) {
        line = str_first(text, str_find(text, '\n'));
        text = str_skip(text, line.n < text.n ? line.n + 1 : line.n);
        p.line++;
        play_line(&p, line);
    }
    if (!p.skip)
        flush(&p);
    if (!p.skip && p.from.n)
        complain(&p, "more was said than expected", buf_str(&p.from));
    oracle_done(&p.o);
    arena_done(&p.arena);
    buf_done(&p.to);
    buf_done(&p.from);
    buf_done(&p.want);
    buf_done(&p.greeting);
}

static int only_smtp(const struct dirent *e)
{
    struct str name = str_c(e->d_name);

    return str_starts(name, STR("smtp-")) || str_starts(name, STR("lmtp-"));
}

int main(void)
{
    return dialogue_play_all(only_smtp, play);
}
