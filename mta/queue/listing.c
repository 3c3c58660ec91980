#include "mta/queue/listing.h"

#include "base/json.h"
#include "base/xtext.h"
#include "mta/queue/trace.h"
#include "mta/queue/words.h"

enum { WHY_BYTES = 2048, FILTER_BYTES = 1024 };

static const char *state_of(const struct queue_letter *l, const struct queue_rcpt *r)
{
    if (r->state == QUEUE_TRYING)
        return "trying";
    if (l->env.held)
        return "held";
    return r->state == QUEUE_DUE ? "due" : "later";
}

static void add_next_try(struct buf *out, const struct queue_letter *l,
                         const struct queue_rcpt *r, const struct listing_now *now)
{
    buf_add(out, STR("\"next_try\": "));
    if (r->state != QUEUE_LATER || l->env.held) {
        buf_add(out, STR("null, "));
        return;
    }
    uint64_t wait = r->next_ms > now->steady_ms ? r->next_ms - now->steady_ms : 0;
    buf_add_byte(out, '"');
    trace_print_time(out, now->wall_ms + wait);
    buf_add(out, STR("\", "));
}

/* ---- why it is still here ---- */

/* The last words (words.h), taken apart, the code with the text. */
struct words {
    struct str text, host;
    bool said; /* by that host */
};

static struct words words_of(struct str reply)
{
    struct words w = {.text = reply};
    size_t open = reply.n;

    while (open && reply.p[open - 1] != '(')
        open--;
    if (!words_parse(reply).host.n)
        return w;
    w.host = (struct str){reply.p + open, reply.n - open - 1};
    w.said = !scan_word(&w.host, STR("at "));
    w.host = str_first(w.host, str_find(w.host, '['));
    w.text = str_trim(str_first(reply, open - 1));
    return w;
}

static void add_span(struct buf *out, uint64_t ms)
{
    unsigned long long s = ms / 1000, min = (s + 30) / 60;

    if (s < 60)
        buf_addf(out, "%llu s", s);
    else if (min < 60)
        buf_addf(out, "%llu min", min);
    else if (min % 60)
        buf_addf(out, "%llu h %llu min", min / 60, min % 60);
    else
        buf_addf(out, "%llu h", min / 60);
}

static void why_later(struct buf *out, const struct queue_rcpt *r,
                      const struct listing_now *now)
{
    struct words w = words_of(str_c(r->reply ? r->reply : ""));
    bool silent = w.host.n && !w.said;

    if (silent)
        buf_addf(out, "waits: %.*s: %.*s; ", STR_ARGS(w.host), STR_ARGS(w.text));
    buf_add(out, STR("next try in "));
    add_span(out, r->next_ms > now->steady_ms ? r->next_ms - now->steady_ms : 0);
    if (w.said)
        buf_addf(out, "; %.*s said: %.*s", STR_ARGS(w.host), STR_ARGS(w.text));
    else if (!silent && w.text.n)
        buf_addf(out, "; %.*s", STR_ARGS(w.text));
}

static void why_due(struct buf *out, const struct queue_rcpt *r, const struct listing_now *now)
{
    struct listing_ahead ahead = {0};

    if (now->ahead)
        now->ahead(now->arg, r, &ahead);
    buf_add(out, STR("waits for its turn"));
    if (ahead.away)
        buf_addf(out, ": %s does not answer", ahead.process);
    else if (ahead.letters)
        buf_addf(out, ": %u letter%s to %.*s under way", ahead.letters,
                 ahead.letters == 1 ? "" : "s", STR_ARGS(queue_domain(r)));
}

static void add_why(struct buf *out, const struct queue_letter *l, const struct queue_rcpt *r,
                    const struct listing_now *now)
{
    struct buf why;

    buf_init(&why, WHY_BYTES);
    if (r->state == QUEUE_TRYING)
        buf_add(&why, STR("being tried now"));
    else if (l->env.held)
        buf_add(&why, STR("held by you"));
    else if (r->state == QUEUE_DUE)
        why_due(&why, r, now);
    else
        why_later(&why, r, now);
    json_add_member(out, "why", buf_str(&why));
    buf_done(&why);
}

static void add_rcpt(struct buf *out, const struct queue_letter *l, const struct queue_rcpt *r,
                     const struct listing_now *now, bool all)
{
    buf_add_byte(out, '{');
    json_add_member(out, "address", r->address);
    json_add_member(out, "state", str_c(state_of(l, r)));
    add_next_try(out, l, r, now);
    add_why(out, l, r, now);
    if (all) {
        json_add_member(out, "asked", r->orcpt);
        buf_addf(out, "\"tries\": %u, ", (unsigned)r->tries);
    }
    buf_add(out, STR("\"reply\": "));
    json_add_string(out, str_c(r->reply ? r->reply : ""));
    buf_add_byte(out, '}');
}

void listing_letter(struct buf *out, const struct queue_letter *l,
                    const struct listing_now *now, const struct str *head)
{
    uint64_t age = now->wall_ms > l->env.arrived_ms ? now->wall_ms - l->env.arrived_ms : 0;
    const char *comma = "";

    buf_add_byte(out, '{');
    json_add_member(out, "id", id_str(&l->env.id));
    json_add_member(out, "sender", l->env.mail.reverse_path);
    buf_add(out, STR("\"recipients\": ["));
    for (uint32_t i = 0; i < l->nrcpts; i++)
        if (l->rcpts[i].state < QUEUE_DONE) {
            buf_add(out, str_c(comma));
            add_rcpt(out, l, &l->rcpts[i], now, head != NULL);
            comma = ", ";
        }
    buf_add(out, STR("], "));
    if (head) {
        json_add_member(out, "parent", str_c(l->env.parent.text));
        json_add_member(out, "submitted_by", l->env.mail.auth);
        json_add_member(out, "flags", l->env.flags);
        buf_add(out, STR("\"arrived\": \""));
        trace_print_time(out, l->env.arrived_ms);
        buf_add(out, STR("\", "));
        json_add_member(out, "head", *head);
    }
    buf_addf(out, "\"held\": %s, ", l->env.held ? "true" : "false");
    buf_addf(out, "\"size\": %llu, \"age\": %llu}", (unsigned long long)l->env.size,
             (unsigned long long)(age / 1000));
}

/* ---- which ---- */

static bool decode(struct str word, struct arena *a, struct str *out)
{
    struct buf b;

    buf_init(&b, FILTER_BYTES);
    bool good = xtext_decode(&b, word) && b.n;
    *out = arena_dup(a, buf_str(&b));
    buf_done(&b);
    return good;
}

bool listing_filter_parse(struct str text, struct arena *a, struct listing_filter *out)
{
    struct listing_filter f = {
        {"", 0},
        {"", 0}
    };
    struct str word;

    for (text = str_trim(text); text.n; text = str_trim(text)) {
        struct str *to;

        if (!scan_until(&text, ' ', &word))
            return false;
        if (scan_word(&word, STR("to=")))
            to = &f.to;
        else if (scan_word(&word, STR("from=")))
            to = &f.from;
        else
            return false;
        if (to->n || !decode(word, a, to))
            return false;
    }
    *out = f;
    return true;
}

/* The whole of an address, or all behind its "@". */
static bool is_at(struct str address, struct str wanted)
{
    size_t at = address.n;

    if (str_eq_nocase(address, wanted))
        return true;
    while (at && address.p[at - 1] != '@')
        at--;
    return at && str_eq_nocase(str_skip(address, at), wanted);
}

static bool has_recipient(const struct queue_letter *l, struct str wanted)
{
    for (uint32_t i = 0; i < l->nrcpts; i++)
        if (l->rcpts[i].state < QUEUE_DONE && is_at(l->rcpts[i].address, wanted))
            return true;
    return false;
}

bool listing_wanted(const struct listing_filter *f, const struct queue_letter *l)
{
    struct str sender = l->env.mail.reverse_path;

    if (f->from.n && !is_at(sender.n ? sender : STR("<>"), f->from))
        return false;
    return f->to.n == 0 || has_recipient(l, f->to);
}
