/*
 * Plays tests/transcripts/pop3-*.txt against the session in memory, each twice: with what the
 * client says between two answers in one piece, and cut into single bytes, the letters too.
 * README.md there has the format.
 */
#include "tests/pop3_world.h"
#include "tests/unit/dialogue.h"

enum { TALK_BYTES = 1 << 20 };

struct player {
    struct pop3_world w;
    struct pop3_session *s;
    const char *name;
    int line;
    bool bytes, skip, tls_first;
    struct buf to, from; /* said by the client, not fed; by the server, not compared */
    struct buf letters;  /* their text, end to end                                    */
    size_t letter_at;
    bool in_letter;
    struct arena arena;
    enum pop3_want last;
};

static void complain(const struct player *p, const char *what, struct str got)
{
    print_error("%s:%d%s: %s; got \"%.*s\"\n", p->name, p->line, p->bytes ? " (bytes)" : "",
                what, STR_ARGS(str_first(got, 300)));
    fail();
}

/* Answers all but STLS, which the dialogue tells. */
static void turn(struct player *p)
{
    p->last = world_turn(&p->w, p->s, &p->from);
}

static void start(struct player *p)
{
    if (p->s)
        return;
    p->s = pop3_new(&p->w.config, p->tls_first);
    turn(p);
}

static void flush(struct player *p)
{
    struct str to = buf_str(&p->to);

    if (to.n)
        start(p);
    while (to.n && p->last == POP3_WANT_INPUT) {
        struct str part = str_first(to, p->bytes ? 1 : to.n);

        pop3_feed(p->s, part);
        to = str_skip(to, part.n);
        turn(p);
    }
    buf_clear(&p->to);
}

static void expect(struct player *p, struct str want, bool exact)
{
    start(p);
    flush(p);
    struct str from = buf_str(&p->from), line = str_first(from, str_find(from, '\r'));
    if (line.n == from.n)
        complain(p, "an answer is missing", from);
    if (exact ? !str_eq(line, want) : !str_starts(line, want))
        complain(p, "not the answer", line);
    buf_drop(&p->from, line.n + 2);
}

static void hang_up(struct player *p)
{
    if (buf_str(&p->from).n)
        complain(p, "more was said than expected", buf_str(&p->from));
    pop3_free(p->s);
    p->s = NULL;
}

static void expect_close(struct player *p)
{
    flush(p);
    if (p->last != POP3_WANT_CLOSE)
        complain(p, "the session should have been closed", buf_str(&p->from));
    pop3_feed(p->s, STR("NOOP\r\n"));
    turn(p);
    hang_up(p);
}

static void start_tls(struct player *p)
{
    flush(p);
    if (p->last != POP3_WANT_STLS)
        complain(p, "no TLS was asked for", buf_str(&p->from));
    pop3_tls_started(p->s);
    turn(p);
}

static void set_door(struct player *p, struct str door)
{
    p->tls_first = str_eq(door, STR("pop3d_tls"));
    if (!p->tls_first && !str_eq(door, STR("pop3d")))
        complain(p, "a door that is none", door);
    p->w.config.stls = true;
    p->w.config.clear_auth = false;
}

static void end_letter(struct player *p)
{
    if (!p->in_letter)
        return;
    p->in_letter = false;
    world_letter(&p->w, arena_dup(&p->arena, str_skip(buf_str(&p->letters), p->letter_at)));
}

static void set_refusal(struct player *p, struct str why)
{
    static const struct {
        struct str word;
        enum pop3_refusal refusal;
    } all[] = {
        {STR_LIT("in-use"),   POP3_IN_USE  },
        {STR_LIT("temp"),     POP3_TEMP    },
        {STR_LIT("disabled"), POP3_DISABLED},
    };

    p->w.refuses = false;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (str_eq(why, all[i].word)) {
            p->w.refuses = true;
            p->w.refusal = all[i].refusal;
        }
}

/* "@remain 1 3": all others have been removed. */
static void check_remaining(struct player *p, struct str numbers)
{
    bool there[WORLD_LETTERS] = {false};

    flush(p);
    while (numbers.n) {
        struct str number = dialogue_word(&numbers);
        uint32_t n;

        if (!scan_u32(&number, p->w.n, &n) || n == 0)
            complain(p, "a letter that is none", number);
        there[n - 1] = true;
    }
    for (uint32_t i = 0; i < p->w.n; i++)
        if (there[i] == p->w.removed[i])
            complain(p, "not these letters remain", STR(""));
}

static void directive(struct player *p, struct str text)
{
    struct str name = dialogue_word(&text);
    uint32_t n;

    if (str_eq(name, STR("on"))) {
        set_door(p, text);
    } else if (str_eq(name, STR("set"))) {
        if (!str_eq(text, STR("clear_auth")))
            complain(p, "an option that is none", text);
        p->w.config.clear_auth = true;
    } else if (str_eq(name, STR("letter"))) {
        end_letter(p);
        p->in_letter = true;
        p->letter_at = buf_str(&p->letters).n;
    } else if (str_eq(name, STR("starttls"))) {
        start_tls(p);
    } else if (str_eq(name, STR("close"))) {
        expect_close(p);
    } else if (str_eq(name, STR("again"))) {
        flush(p);
        hang_up(p);
    } else if (str_eq(name, STR("remain"))) {
        check_remaining(p, text);
    } else if (str_eq(name, STR("refuse"))) {
        set_refusal(p, text);
    } else if (str_eq(name, STR("gone")) && scan_u32(&text, WORLD_LETTERS, &n) && n > 0) {
        p->w.gone[n - 1] = true;
    } else if (str_eq(name, STR("full_disk"))) {
        p->w.commit_fails = true;
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
        scan_u32(&line, 10000, &times);
    char kind = line.n ? line.p[0] : ' ';
    line = line.n > 1 ? str_skip(line, line.p[1] == ' ' ? 2 : 1) : STR("");
    for (; times > 0; times--) {
        if (who == 'S') {
            expect(p, line, kind == '=');
        } else if (who == 'L') {
            dialogue_unescape(&p->letters, line);
            buf_add(&p->letters, kind == '>' ? STR("") : STR("\n"));
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

    world_init(&p.w);
    p.w.tells_tls = true;
    p.w.password = STR("wonderland");
    p.w.piece_bytes = bytes ? 1 : POP3_PIECE_BYTES;
    set_door(&p, STR("pop3d"));
    arena_init(&p.arena);
    buf_init(&p.to, TALK_BYTES);
    buf_init(&p.from, TALK_BYTES);
    buf_init(&p.letters, TALK_BYTES);
    while (text.n && !p.skip) {
        struct str line = str_first(text, str_find(text, '\n'));

        text = str_skip(text, line.n < text.n ? line.n + 1 : line.n);
        p.line++;
        play_line(&p, line);
    }
    if (!p.skip)
        flush(&p);
    if (!p.skip && buf_str(&p.from).n)
        complain(&p, "more was said than expected", buf_str(&p.from));
    pop3_free(p.s);
    arena_done(&p.arena);
    buf_done(&p.to);
    buf_done(&p.from);
    buf_done(&p.letters);
}

static int only_pop3(const struct dirent *e)
{
    return str_starts(str_c(e->d_name), STR("pop3-"));
}

int main(void)
{
    return dialogue_play_all(only_pop3, play);
}
