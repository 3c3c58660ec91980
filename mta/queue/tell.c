#include "mta/queue/tell.h"

#include "mta/queue/flags.h"
#include "sys/clock.h"
#include "sys/log.h"

/* Of a letter that waits: the first hops alone, since very many may. The log has all. */
enum { HOP_BYTES = 1024, HOP_HEAD_BYTES = 40, WAITING_BYTES = 256 };

/* ---- journeys ---- */

static void add_hop(struct queue_letter *l, const char *box, struct str words)
{
    if (!l->journey.max)
        buf_init(&l->journey, TRACE_JOURNEY_BYTES);
    if (l->journey.n + words.n + 64 < TRACE_JOURNEY_BYTES)
        trace_add_hop(&l->journey, clock_wall_ms(), box, words);
}

/* What the box before said about the letter with XSPOOL. */
static void arrival_hop(struct buf *text, const struct queue_letter *l)
{
    static const struct {
        const char *key, *before;
    } parts[] = {
        {"user", " from "},
        {"peer", " at "  },
        {"helo", " as "  },
        {"tls",  " over "}
    };
    struct str via, value;
    struct arena a;
    struct buf words;

    arena_init(&a);
    buf_init(&words, HOP_BYTES);
    if (!flags_find(l->env.flags, "via", &a, &via) || !via.n)
        via = STR("queue");
    buf_add(&words, str_eq(via, STR("queue")) ? STR("written here") : STR("accepted"));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (flags_find(l->env.flags, parts[i].key, &a, &value) && value.n)
            buf_addf(&words, "%s%.*s", parts[i].before, STR_ARGS(str_first(value, 200)));
    if (l->env.parent.text[0])
        buf_addf(&words, ", about %s", l->env.parent.text);
    struct str box = arena_printf(&a, "%.*s", STR_ARGS(str_first(via, 20)));
    trace_add_hop(text, id_ms(&l->env.id), box.p, buf_str(&words));
    buf_done(&words);
    arena_done(&a);
}

void tell_journey(struct buf *text, const struct queue_letter *l)
{
    struct buf words;

    arrival_hop(text, l);
    buf_init(&words, HOP_BYTES);
    buf_addf(&words, "queued from <%.*s> for %u recipient%s, %llu bytes",
             STR_ARGS(str_first(l->env.mail.reverse_path, 320)), (unsigned)l->nrcpts,
             l->nrcpts == 1 ? "" : "s", (unsigned long long)l->env.size);
    trace_add_hop(text, l->env.arrived_ms, "queue", buf_str(&words));
    buf_done(&words);
    if (l->journey.max)
        buf_add(text, buf_str(&l->journey));
}

void tell_ended(struct service *s, const struct queue_letter *l)
{
    struct buf text;

    if (!s->trace)
        return;
    buf_init(&text, TRACE_TEXT_BYTES);
    tell_journey(&text, l);
    trace_add(s->trace, &l->env.id, &l->env.parent, clock_wall_ms(), buf_str(&text));
    buf_done(&text);
}

/* ---- events ---- */

void tell_queued(struct service *s, const struct queue_letter *l)
{
    (void)s;
    log_event(LOG_INFO, &l->env.id, "queued", "from <%.*s> size=%llu recipients=%u%s%s",
              STR_ARGS(l->env.mail.reverse_path), (unsigned long long)l->env.size,
              (unsigned)l->nrcpts, l->env.parent.text[0] ? " about=" : "", l->env.parent.text);
}

static void tell(struct queue_letter *l, enum log_level level, const char *box,
                 const char *event, struct str words)
{
    struct buf hop;

    log_event(level, &l->env.id, event, "%.*s", STR_ARGS(words));
    buf_init(&hop, HOP_BYTES + 32);
    buf_addf(&hop, "%s %.*s", event, STR_ARGS(words));
    add_hop(l, box, buf_str(&hop));
    buf_done(&hop);
}

static struct str who(const struct queue_letter *l, uint32_t rcpt)
{
    return str_first(l->rcpts[rcpt].address, 320);
}

void tell_delivered(struct service *s, struct queue_letter *l, uint32_t rcpt, struct str words)
{
    struct buf b;

    s->delivered++;
    buf_init(&b, HOP_BYTES);
    buf_addf(&b, "to <%.*s>: %.*s", STR_ARGS(who(l, rcpt)), STR_ARGS(str_first(words, 500)));
    tell(l, LOG_INFO, l->rcpts[rcpt].local ? "mda" : "send", "delivered", buf_str(&b));
    buf_done(&b);
}

static void add_wait(struct buf *b, const struct queue_letter *l, uint32_t rcpt,
                     uint64_t wait_ms, struct str words)
{
    buf_addf(b, "to <%.*s>: %.*s; next try in %llu s", STR_ARGS(who(l, rcpt)),
             STR_ARGS(str_first(words, 500)), (unsigned long long)((wait_ms + 999) / 1000));
}

void tell_deferred(struct service *s, struct queue_letter *l, uint32_t rcpt, uint64_t wait_ms,
                   struct str words)
{
    struct buf b;

    s->deferred++;
    buf_init(&b, HOP_BYTES);
    add_wait(&b, l, rcpt, wait_ms, words);
    if (l->journey.n + b.n + HOP_HEAD_BYTES < WAITING_BYTES)
        tell(l, LOG_INFO, "queue", "deferred", buf_str(&b));
    else
        log_event(LOG_INFO, &l->env.id, "deferred", "%.*s", STR_ARGS(buf_str(&b)));
    buf_done(&b);
}

void tell_passed(const struct queue_letter *l, uint32_t rcpt, uint64_t wait_ms,
                 struct str words)
{
    struct buf b;

    buf_init(&b, HOP_BYTES);
    add_wait(&b, l, rcpt, wait_ms, words);
    log_event(LOG_INFO, &l->env.id, "waits", "%.*s", STR_ARGS(buf_str(&b)));
    buf_done(&b);
}

void tell_failed(struct service *s, struct queue_letter *l, uint32_t rcpt, const char *event,
                 struct str words, const struct id *report)
{
    struct buf b;

    s->failed++;
    buf_init(&b, HOP_BYTES);
    buf_addf(&b, "to <%.*s>: %.*s; %s%s", STR_ARGS(who(l, rcpt)),
             STR_ARGS(str_first(words, 500)), report ? "told by letter " : "nobody is told",
             report ? report->text : "");
    tell(l, LOG_WARN, "queue", event, buf_str(&b));
    buf_done(&b);
}

void tell_reported(struct queue_letter *l, uint32_t rcpt, const char *what,
                   const struct id *report)
{
    struct buf b;

    buf_init(&b, HOP_BYTES);
    buf_addf(&b, "to <%.*s>: %s; %s%s", STR_ARGS(who(l, rcpt)), what,
             report ? "told by letter " : "nobody is told", report ? report->text : "");
    tell(l, LOG_INFO, "queue", "reported", buf_str(&b));
    buf_done(&b);
}
