/*
 * imap_work_world - a Maildir in a directory of its own, and sessions whose commands are run as
 * imapd runs them, without a session.
 */
#ifndef POSTA_TESTS_IMAP_WORK_WORLD_H
#define POSTA_TESTS_IMAP_WORK_WORLD_H

#include "imapd/parse.h"
#include "imapd/work.h"
#include "store/maildir.h"
#include "store_world.h"

#define ALICE "mail/example.test/alice"

enum { WORLD_OUT_BYTES = 64 << 20 };

struct imap_world {
    struct world w;
    struct mailboxes *all;
    unsigned letters;
};

static inline void imap_world_init(struct imap_world *f)
{
    char run[WORLD_BYTES];
    struct err err = {0};

    *f = (struct imap_world){0};
    world_init(&f->w);
    snprintf(run, sizeof(run), "%s/run", f->w.dir);
    assert_int_equal(mkdirat(f->w.fd, "run", 0700), 0);
    if (maildir_make(f->w.fd, ALICE, &err) < 0)
        fail_msg("%s", err.text);
    f->all = mailboxes_new(f->w.dir, run, "host.test");
    assert_non_null(f->all);
}

static inline void imap_world_done(struct imap_world *f)
{
    mailboxes_free(f->all);
    world_done(&f->w);
}

/* In new/ of a folder's path ("." or ".Sent"), as another program would put it there. */
static inline void imap_world_put(struct imap_world *f, const char *path, struct str text)
{
    char name[WORLD_BYTES];

    snprintf(name, sizeof(name), ALICE "/%s/new/%u.M%u.host.test", path,
             1000000000 + f->letters, f->letters);
    f->letters++;
    world_write(&f->w, name, text);
}

/* ---- a session ---- */

struct client {
    struct work *work;
    struct buf out; /* untagged responses, then the result: "OK [CODE] text" */
    struct work_result result;
    unsigned steps;
    bool condstore;
};

static inline void client_init(struct client *c, struct imap_world *f, uint64_t quota_octets)
{
    struct work_user alice = {.maildir = STR(ALICE),
                              .address = STR("alice@example.test"),
                              .quota_octets = quota_octets};

    *c = (struct client){.work = work_new(f->all, &alice)};
    buf_init(&c->out, WORLD_OUT_BYTES);
}

static inline void client_done(struct client *c)
{
    work_free(c->work);
    buf_done(&c->out);
}

static inline void client_tell_result(struct client *c)
{
    static const char *const words[] = {"OK", "NO", "BAD"};
    const struct work_result *r = &c->result;

    buf_addf(&c->out, "%s", words[r->status]);
    if (r->code.n)
        buf_addf(&c->out, " [%.*s]", STR_ARGS(r->code));
    if (r->closed)
        buf_addf(&c->out, " (closed)");
    buf_addf(&c->out, "\n");
}

static inline void client_steps(struct client *c, struct work_request *r)
{
    struct buf out;
    enum work_state state;

    buf_init(&out, WORLD_OUT_BYTES);
    do {
        state = work_step(c->work, r, &out, &c->result);
        c->steps++;
        buf_add(&c->out, buf_str(&out));
        buf_clear(&out);
        assert_in_range(c->steps, 0, 100000);
    } while (state == WORK_MORE && (r->command->verb != VERB_APPEND || r->append_end));
    buf_done(&out);
    if (state == WORK_DONE)
        client_tell_result(c);
}

/* Runs "FETCH 1 FLAGS" and gives back all that was said, valid until the next one. */
static inline struct str client_run_raw(struct client *c, struct str text)
{
    struct arena a;
    struct buf line;
    struct command command;
    struct work_request r = {.command = &command, .condstore = c->condstore};
    const char *why = "";

    arena_init(&a);
    buf_init(&line, 1 << 20);
    buf_add(&line, STR("t "));
    buf_add(&line, text);
    buf_clear(&c->out);
    c->steps = 0;
    if (parse_command(buf_str(&line), &a, &command, &why))
        client_steps(c, &r);
    else
        buf_addf(&c->out, "BAD %s\n", why);
    buf_done(&line);
    arena_done(&a);
    return buf_str(&c->out);
}

/* The same without CR. */
static inline const char *client_run(struct client *c, const char *text)
{
    size_t n = 0;

    client_run_raw(c, str_c(text));
    for (size_t i = 0; i < c->out.n; i++)
        if (c->out.p[c->out.from + i] != '\r')
            c->out.p[c->out.from + n++] = c->out.p[c->out.from + i];
    c->out.n = n;
    return buf_c(&c->out);
}

static inline const char *client_sync(struct client *c)
{
    struct command command = {.verb = VERB_SYNC};
    struct work_request r = {.command = &command, .condstore = c->condstore};

    buf_clear(&c->out);
    client_steps(c, &r);
    return buf_c(&c->out);
}

/* `head` is "APPEND INBOX (\Seen) "; the letter comes in pieces of `piece` octets. */
static inline const char *client_append(struct client *c, const char *head, struct str letter,
                                        size_t piece)
{
    struct arena a;
    struct buf line;
    struct command command;
    struct work_request r = {.command = &command, .append_begin = true};
    const char *why = "";

    arena_init(&a);
    buf_init(&line, 1 << 20);
    buf_addf(&line, "t %s{%zu}", head, letter.n);
    buf_clear(&c->out);
    if (!parse_append(buf_str(&line), &a, &command, &why))
        fail_msg("%s", why);
    c->result.text = STR("");
    do {
        r.append_piece = str_first(letter, piece);
        letter = str_skip(letter, r.append_piece.n);
        r.append_end = letter.n == 0;
        client_steps(c, &r);
        r.append_begin = false;
    } while (!r.append_end && !c->result.text.n);
    buf_done(&line);
    arena_done(&a);
    return buf_c(&c->out);
}

#define assert_says(client, text, want) \
    assert_string_equal(client_run((client), (text)), (want))

/* The number behind `word` in what was said last. */
static inline uint64_t client_number(struct client *c, const char *word)
{
    const char *at = strstr(buf_c(&c->out), word);
    struct str in = str_c(at ? at + strlen(word) : "");
    uint64_t n = 0;

    if (!scan_u64(&in, UINT64_MAX, &n))
        fail_msg("no %s in %s", word, buf_c(&c->out));
    return n;
}

#endif
