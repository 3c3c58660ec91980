#include "ctl/explain.h"

#include "ctl/json.h"
#include "ctl/output.h"
#include "mail/reason.h"
#include "smtp/codes.h"

#include <unistd.h>

enum { LINE_BYTES = 64 * 1024, CODE_COLUMNS = 10, HEAD_COLUMNS = 14 };

struct explaining {
    struct cli *cli;
    size_t columns;
    bool begun;
};

/* "450       the mailbox is not available now … (RFC 5321 4.2.3)" */
static void tell_code(struct explaining *e, struct str code, const struct code_row *row)
{
    struct cli *c = e->cli;

    if (c->json) {
        buf_add(&c->out, e->begun ? STR(", {") : STR("{"));
        json_put_member(&c->out, "code", code);
        json_put_member(&c->out, "meaning", str_c(row->meaning));
        json_put_member(&c->out, "where", str_c(row->where));
        buf_add_byte(&c->out, '}');
        e->begun = true;
        return;
    }
    buf_addf(&c->out, "%s%-*.*s%s  ", output_begin(BOLD, c->colour), CODE_COLUMNS,
             STR_ARGS(code), output_end(BOLD, c->colour));
    output_wrapped(&c->out, arena_printf(&c->arena, "%s (%s)", row->meaning, row->where),
                   CODE_COLUMNS + 2, CODE_COLUMNS + 2, e->columns);
    buf_add_byte(&c->out, '\n');
}

static void tell_head(struct explaining *e, const char *head, struct str words)
{
    struct cli *c = e->cli;

    if (!words.n)
        return;
    buf_addf(&c->out, "%-*s", HEAD_COLUMNS, head);
    output_wrapped(&c->out, words, HEAD_COLUMNS, HEAD_COLUMNS, e->columns);
    buf_add_byte(&c->out, '\n');
}

static struct str class_words(int class)
{
    switch (class) {
    case 2:
        return STR("It is a yes: nothing has to be done.");
    case 3:
        return STR("It is a question: the server waits for what comes next.");
    case 4:
        return STR("Not now: the sending server tries again by itself, posta for "
                   "limits.queue_life_seconds; `posta queue list` says when.");
    default:
        return STR("No, and for good: it is not tried again, and the sender is told.");
    }
}

static int class_of(const struct codes *k)
{
    if (k->code)
        return k->code / 100;
    return k->status.n && k->status.p[0] != 'x' && k->status.p[0] != 'X' ? k->status.p[0] - '0'
                                                                         : 0;
}

static void tell_codes(struct explaining *e, const struct codes *k)
{
    static const struct code_row unknown = {
        "", "no RFC knows this code; its first digit counts", "RFC 5321 4.2.1"};
    static const struct code_row own = {
        "", "a number of that system's own; the second one tells what it is about",
        "RFC 3463 2"};
    struct arena *a = &e->cli->arena;

    if (k->code) {
        const struct code_row *row = code_of_reply(k->code);

        tell_code(e, arena_printf(a, "%d", k->code), row ? row : &unknown);
    }
    if (k->status.n) {
        const struct code_row *row = code_of_status(k->status);
        const struct code_row *subject = code_of_subject(k->status);

        tell_code(e, k->status, row ? row : &own);
        if (!row && subject)
            tell_code(e, str_c(subject->code), subject);
    }
    if (k->word.n)
        tell_code(e, k->word, code_of_word(k->word, k->pop3));
}

/* What happened and what to do, where it is about letters. */
static void tell_reason(struct explaining *e, const struct codes *k, struct str line)
{
    int class = class_of(k);
    const struct reason *r = class >= 4 ? reason_find(k->code, k->status, line) : NULL;
    struct str what = r ? r->what : STR(""), advice = r ? r->advice : STR("");
    struct cli *c = e->cli;

    if (c->json) {
        buf_add_byte(&c->out, ']');
        json_put_member(&c->out, "what", what);
        json_put_member(&c->out, "next", class ? class_words(class) : STR(""));
        json_put_member(&c->out, "advice", advice);
        return;
    }
    if (class)
        buf_add_byte(&c->out, '\n');
    tell_head(e, "What it is", what);
    tell_head(e, "What follows", class ? class_words(class) : STR(""));
    tell_head(e, class == 4 ? "If it stays" : "What to do", advice);
}

enum cli_status explain_run(struct cli *c, const struct args *args)
{
    struct explaining e = {.cli = c, .columns = output_columns(STDOUT_FILENO)};
    struct codes k;
    struct buf line;

    buf_init(&line, LINE_BYTES);
    for (size_t i = 0; i < args->n; i++)
        buf_addf(&line, "%s%s", i ? " " : "", args->words[i]);
    struct str text = arena_dup(&c->arena, buf_str(&line));
    bool found = !buf_failed(&line) && codes_find(text, &k);

    buf_done(&line);
    if (!found)
        return cli_fail(CLI_REFUSED,
                        "there is no code in that: one looks like 550, 5.1.1 or [TRYCREATE]");
    if (c->json)
        buf_add(&c->out, STR("{\"codes\": ["));
    tell_codes(&e, &k);
    tell_reason(&e, &k, text);
    if (c->json)
        buf_add(&c->out, STR("}\n"));
    return CLI_DONE;
}
