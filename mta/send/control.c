#include "mta/send/control.h"

#include "base/xtext.h"
#include "mta/send/probe.h"
#include "net/conn.h"
#include "smtp/grammar.h"
#include "sys/log.h"

#include <stdlib.h>
#include <unistd.h>

/*
 *   IDLE ─ PROBE ─▶ PROBING ─ its result ─▶ IDLE
 */
struct control {
    struct send *send;
    struct conn *conn;
    struct buf in, out;
    struct arena arena; /* of a command */
    struct probe probe;
    struct delivery *delivery; /* NULL: idle */
    unsigned lines;
    bool closing;
};

static void *control_make(void *arg, struct conn *c)
{
    struct control *ctl = calloc(1, sizeof(*ctl));
    uid_t uid = (uid_t)-1;
    pid_t pid;

    if (!ctl)
        abort();
    ctl->send = arg;
    ctl->conn = c;
    buf_init(&ctl->in, CONN_READ_BYTES + CONTROL_LINE_BYTES);
    buf_init(&ctl->out, PROBE_ANSWER_BYTES);
    arena_init(&ctl->arena);
    ctl->send->sessions++;
    if (!conn_peer_cred(c, &uid, &pid) || (uid != 0 && uid != geteuid())) {
        buf_addf(&ctl->out, "ERR send.ctl is for uid 0 and uid %u, not for uid %lld\n",
                 (unsigned)geteuid(), (long long)(int)uid);
        ctl->closing = true;
    }
    return ctl;
}

static void end_probe(struct control *ctl)
{
    if (!ctl->delivery)
        return;
    delivery_free(ctl->delivery);
    ctl->delivery = NULL;
    probe_done(&ctl->probe);
}

static void control_free(void *p)
{
    struct control *ctl = p;
    struct send *s = ctl->send;

    end_probe(ctl);
    buf_done(&ctl->in);
    buf_done(&ctl->out);
    arena_done(&ctl->arena);
    free(ctl);
    s->sessions--;
    send_drained(s);
}

/* ---- PROBE ---- */

static void told(void *arg)
{
    struct control *ctl = arg;

    ctl->lines++;
    conn_wake(ctl->conn);
}

static void done(void *arg, struct delivery *d)
{
    struct control *ctl = arg;

    probe_end(&ctl->probe, &delivery_results(d)[0]);
    end_probe(ctl);
    buf_addf(&ctl->out, "OK %u\n", ctl->lines);
    conn_wake(ctl->conn);
}

/* "to=…" becomes "TO:<…>", and is read as RCPT's argument is. */
static bool argument(struct control *ctl, struct str word, const char *name, struct str *out)
{
    struct buf b;

    buf_init(&b, CONTROL_LINE_BYTES);
    buf_addf(&b, "%s:<", name);
    bool good = str_eq(word, STR("<>")) || xtext_decode(&b, word);
    buf_add_byte(&b, '>');
    *out = arena_dup(&ctl->arena, buf_str(&b));
    buf_done(&b);
    return good;
}

struct envelope {
    struct smtp_mail mail;
    struct smtp_rcpt rcpt;
};

static bool parse(struct control *ctl, struct str words, struct envelope *e)
{
    struct str word, mail = STR("FROM:<>"), rcpt = STR("");
    struct smtp_reply why;

    for (words = str_trim(words); words.n; words = str_trim(words)) {
        bool good = scan_until(&words, ' ', &word);

        if (good && scan_word(&word, STR("to=")))
            good = argument(ctl, word, "TO", &rcpt);
        else if (good && scan_word(&word, STR("from=")))
            good = argument(ctl, word, "FROM", &mail);
        else
            good = false;
        if (!good)
            return false;
    }
    return smtp_parse_mail(&ctl->arena, mail, 0, &e->mail, &why) &&
           smtp_parse_rcpt(&ctl->arena, rcpt, 0, &e->rcpt, &why) &&
           str_find(e->rcpt.forward_path, '@') < e->rcpt.forward_path.n;
}

static void cmd_probe(struct control *ctl, struct str words)
{
    struct envelope e;

    arena_reset(&ctl->arena);
    if (!parse(ctl, words, &e)) {
        buf_add(&ctl->out, STR("ERR an address is not understood\n"));
        return;
    }
    ctl->lines = 0;
    probe_init(&ctl->probe, &ctl->out, told, ctl);
    ctl->delivery = delivery_new(ctl->send, &(struct delivery_order){.mail = e.mail,
                                                                     .rcpts = &e.rcpt,
                                                                     .n = 1,
                                                                     .flags = STR_LIT(""),
                                                                     .done = done,
                                                                     .arg = ctl,
                                                                     .probe = &ctl->probe});
}

/* ---- the session ---- */

static void run_line(struct control *ctl, struct str line)
{
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (scan_word_nocase(&line, STR("PROBE ")))
        cmd_probe(ctl, line);
    else
        buf_add(&ctl->out, STR("ERR the command here is PROBE\n"));
}

static bool take_line(struct control *ctl)
{
    struct str in = buf_str(&ctl->in);
    char copy[CONTROL_LINE_BYTES];
    size_t n = str_find(in, '\n');

    if (n > CONTROL_LINE_BYTES) {
        buf_add(&ctl->out, STR("ERR the line is too long\n"));
        ctl->closing = true;
        return false;
    }
    if (n == in.n)
        return false;
    memcpy(copy, in.p, n);
    buf_drop(&ctl->in, n + 1);
    run_line(ctl, (struct str){copy, n});
    return true;
}

/* Not TURN_BUSY: each step leaves at once, and a peer that goes is noticed. */
static enum turn control_turn(void *p, struct conn *c)
{
    struct control *ctl = p;

    (void)c;
    while (!ctl->closing && !ctl->delivery && take_line(ctl))
        continue;
    if (buf_failed(&ctl->in) || buf_failed(&ctl->out) ||
        (ctl->send->draining && !ctl->delivery))
        ctl->closing = true;
    return ctl->closing ? TURN_CLOSE : TURN_READ;
}

static void control_feed(void *p, struct str in)
{
    buf_add(&((struct control *)p)->in, in);
}

static struct str control_output(const void *p)
{
    return buf_str(&((const struct control *)p)->out);
}

static void control_sent(void *p, size_t n)
{
    buf_drop(&((struct control *)p)->out, n);
}

static void control_closed(void *p, struct conn *c)
{
    (void)c;
    end_probe(p);
}

static const struct conn_protocol control_protocol = {
    .feed = control_feed,
    .turn = control_turn,
    .output = control_output,
    .sent = control_sent,
    .closed = control_closed,
    .free = control_free,
};

void control_options(struct send *s, struct listen_options *o)
{
    *o = (struct listen_options){
        .conn = {.protocol = &control_protocol},
        .make = control_make,
        .arg = s,
        .busy = STR("ERR too many connections\n"),
        .connections_max = CONTROL_CONNECTIONS,
    };
}

/* No letter waits for it. */
static void give_up(void *arg, struct conn *c, void *session)
{
    struct control *ctl = session;

    (void)arg;
    if (ctl->delivery) {
        end_probe(ctl);
        buf_add(&ctl->out, STR("ERR posta-mta-send is going down\n"));
    }
    conn_wake(c);
}

void control_drain(struct send *s)
{
    conn_each(s->program->loop, &control_protocol, give_up, NULL);
}
