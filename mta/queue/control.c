#include "mta/queue/control.h"

#include "base/defer.h"
#include "mail/header.h"
#include "mta/queue/delivery.h"
#include "mta/queue/listing.h"
#include "mta/queue/tell.h"
#include "sys/clock.h"

#include <stdlib.h>
#include <unistd.h>

/*
 *   IDLE ─ LIST ─▶ LISTING ─ all shown ─▶ IDLE
 *    │
 *    └─ SHOW, TRACE, HOLD, RELEASE, DELETE ─▶ WAITING (a job, trace.db, the journal) ─▶ IDLE
 */
enum control_state { CONTROL_IDLE, CONTROL_LISTING, CONTROL_WAITING, CONTROL_CLOSING };

struct control {
    struct service *service;
    struct conn *conn;
    enum control_state state;
    struct buf in, out;
    struct queue_cursor cursor;
    struct arena arena; /* of the filter                   */
    struct listing_filter filter;
    unsigned count;   /* of what was done or shown       */
    unsigned pending; /* operations in the journal       */
    struct id id;     /* SHOW, TRACE: of what            */
    struct service_job reading;
    struct buf head;
    struct trace_query query;
};

static void *must_alloc(void *p)
{
    if (!p)
        abort();
    return p;
}

static void *control_make(void *arg, struct conn *c)
{
    struct control *ctl = must_alloc(calloc(1, sizeof(*ctl)));
    uid_t uid = (uid_t)-1;
    pid_t pid;

    ctl->service = arg;
    ctl->conn = c;
    buf_init(&ctl->in, CONN_READ_BYTES + CONTROL_LINE_BYTES);
    buf_init(&ctl->out, CONTROL_ANSWER_BYTES);
    buf_init(&ctl->head, CONTROL_HEAD_BYTES);
    buf_init(&ctl->query.answer, TRACE_ANSWER_BYTES);
    arena_init(&ctl->arena);
    ctl->service->sessions++;
    if (!conn_peer_cred(c, &uid, &pid) || (uid != 0 && uid != geteuid())) {
        buf_addf(&ctl->out, "ERR queue.ctl is for uid 0 and uid %u, not for uid %lld\n",
                 (unsigned)geteuid(), (long long)(int)uid);
        ctl->state = CONTROL_CLOSING;
    }
    return ctl;
}

static void control_free(void *p)
{
    struct control *ctl = p;
    struct service *s = ctl->service;

    queue_cursor_stop(&ctl->cursor);
    buf_done(&ctl->in);
    buf_done(&ctl->out);
    buf_done(&ctl->head);
    buf_done(&ctl->query.answer);
    arena_done(&ctl->arena);
    free(ctl);
    s->sessions--;
    service_drained(s);
}

static struct listing_now now_of(struct service *s)
{
    return (struct listing_now){clock_wall_ms(), loop_now_ms(s->loop), delivery_ahead,
                                s->delivery};
}

static void say_ok(struct control *ctl)
{
    buf_addf(&ctl->out, "OK %u\n", ctl->count);
    ctl->state = CONTROL_IDLE;
}

static void say_error(struct control *ctl, const char *why)
{
    buf_addf(&ctl->out, "ERR %s\n", why);
    ctl->state = CONTROL_IDLE;
}

/* ---- LIST, SHOW ---- */

static void cmd_list(struct control *ctl, struct str arg)
{
    arena_reset(&ctl->arena);
    if (!listing_filter_parse(arg, &ctl->arena, &ctl->filter)) {
        say_error(ctl, "LIST takes to=WORD and from=WORD");
        return;
    }
    queue_cursor_start(ctl->service->queue, &ctl->cursor);
    ctl->count = 0;
    ctl->state = CONTROL_LISTING;
}

static void list_more(struct control *ctl)
{
    struct listing_now now = now_of(ctl->service);

    while (ctl->out.n < CONTROL_OUTPUT_BYTES) {
        struct queue_letter *l = queue_cursor_next(ctl->service->queue, &ctl->cursor);

        if (!l) {
            queue_cursor_stop(&ctl->cursor);
            say_ok(ctl);
            return;
        }
        if (!listing_wanted(&ctl->filter, l))
            continue;
        listing_letter(&ctl->out, l, &now, NULL);
        buf_add_byte(&ctl->out, '\n');
        ctl->count++;
    }
}

static void read_head(struct service_job *j)
{
    struct control *ctl = LIST_OF(j, struct control, reading);
    uint64_t size;
    DEFER(close_fd) int fd = spool_read(ctl->service->spool, &ctl->id, &size, NULL);
    char *to = fd < 0 ? NULL : buf_room(&ctl->head, CONTROL_HEAD_BYTES);
    ssize_t n = to ? pread(fd, to, CONTROL_HEAD_BYTES, 0) : 0;

    if (n > 0)
        buf_grown(&ctl->head, (size_t)n);
}

static void head_read(struct job *job)
{
    struct service_job *j = JOB_OF(job, struct service_job, job);
    struct control *ctl = LIST_OF(j, struct control, reading);
    struct queue_letter *l = queue_find(ctl->service->queue, &ctl->id);
    struct str head = buf_str(&ctl->head);

    if (!l) {
        say_error(ctl, "it has just left the queue");
        return;
    }
    struct listing_now now = now_of(ctl->service);
    head = str_first(head, header_end(head));
    listing_letter(&ctl->out, l, &now, &head);
    buf_add_byte(&ctl->out, '\n');
    buf_done(&ctl->head);
    ctl->count = 1;
    say_ok(ctl);
}

static void cmd_show(struct control *ctl, struct str arg)
{
    if (!id_parse(arg, &ctl->id) || !queue_find(ctl->service->queue, &ctl->id)) {
        say_error(ctl, "there is no such letter in the queue");
        return;
    }
    ctl->state = CONTROL_WAITING;
    buf_clear(&ctl->head);
    ctl->reading.work = read_head;
    conn_job(ctl->conn, ctl->service->writers, &ctl->reading.job, head_read);
}

/* ---- RETRY, HOLD, RELEASE, DELETE, FLUSH ---- */

static void committed(struct journal_op *op)
{
    struct control *ctl = op->arg;

    journal_settle_free(LIST_OF(op, struct journal_settle, op));
    if (--ctl->pending)
        return;
    say_ok(ctl);
    conn_wake(ctl->conn);
    conn_release(ctl->conn); /* may free the session */
}

static void commit(struct control *ctl, struct journal_settle *j)
{
    j->op.done = committed;
    j->op.arg = ctl;
    if (ctl->pending++ == 0)
        conn_hold(ctl->conn);
    ctl->state = CONTROL_WAITING;
    service_settle(ctl->service, j, true);
}

static void retry_one(struct control *ctl, struct queue_letter *l)
{
    queue_retry(ctl->service->queue, l, false);
}

static void flush_one(struct control *ctl, struct queue_letter *l)
{
    queue_retry(ctl->service->queue, l, true);
}

static void set_held(struct control *ctl, struct queue_letter *l, bool held)
{
    struct journal_settle *j = journal_settle_new(l);

    queue_hold(ctl->service->queue, l, held);
    j->held = held;
    commit(ctl, j);
}

static void hold_one(struct control *ctl, struct queue_letter *l)
{
    set_held(ctl, l, true);
}

static void release_one(struct control *ctl, struct queue_letter *l)
{
    set_held(ctl, l, false);
}

static void delete_one(struct control *ctl, struct queue_letter *l)
{
    struct journal_settle *j = delivery_delete(ctl->service, l);

    if (j)
        commit(ctl, j);
}

static void on_letters(struct control *ctl, struct str which,
                       void (*fn)(struct control *ctl, struct queue_letter *l))
{
    struct service *s = ctl->service;
    struct queue_letter *l;
    struct id id;

    ctl->count = 0;
    if (str_eq(which, STR("*"))) {
        queue_cursor_start(s->queue, &ctl->cursor);
        for (; (l = queue_cursor_next(s->queue, &ctl->cursor)); ctl->count++)
            fn(ctl, l);
        queue_cursor_stop(&ctl->cursor);
    } else if (id_parse(which, &id) && (l = queue_find(s->queue, &id))) {
        fn(ctl, l);
        ctl->count = 1;
    } else {
        say_error(ctl, "there is no such letter in the queue");
        return;
    }
    if (!ctl->pending)
        say_ok(ctl);
    service_run(s);
}

static void cmd_retry(struct control *ctl, struct str arg)
{
    on_letters(ctl, arg, retry_one);
}

static void cmd_hold(struct control *ctl, struct str arg)
{
    on_letters(ctl, arg, hold_one);
}

static void cmd_release(struct control *ctl, struct str arg)
{
    on_letters(ctl, arg, release_one);
}

static void cmd_delete(struct control *ctl, struct str arg)
{
    on_letters(ctl, arg, delete_one);
}

static void cmd_flush(struct control *ctl, struct str arg)
{
    (void)arg;
    delivery_hope(ctl->service->delivery);
    on_letters(ctl, STR("*"), flush_one);
}

/* ---- TRACE, STATUS ---- */

static void trace_one(struct control *ctl, const struct queue_letter *l)
{
    struct buf text;

    buf_init(&text, TRACE_TEXT_BYTES);
    tell_journey(&text, l);
    trace_print_hops(&ctl->out, &l->env.id, buf_str(&text));
    buf_done(&text);
    ctl->count++;
}

/* The letter where it is in the queue, and what it gave rise to. */
static void trace_queue(struct control *ctl)
{
    struct queue *q = ctl->service->queue;
    struct queue_letter *l = queue_find(q, &ctl->id);

    if (l)
        trace_one(ctl, l);
    queue_cursor_start(q, &ctl->cursor);
    while ((l = queue_cursor_next(q, &ctl->cursor)))
        if (memcmp(l->env.parent.text, ctl->id.text, ID_LETTERS) == 0)
            trace_one(ctl, l);
    queue_cursor_stop(&ctl->cursor);
}

static void end_trace(struct control *ctl)
{
    if (ctl->query.answer.n)
        ctl->count++;
    buf_add(&ctl->out, buf_str(&ctl->query.answer));
    buf_done(&ctl->query.answer);
    trace_queue(ctl);
    if (ctl->count)
        say_ok(ctl);
    else
        say_error(ctl, "nothing is known of such a letter");
}

static void traced(struct trace_query *q)
{
    struct control *ctl = LIST_OF(q, struct control, query);

    end_trace(ctl);
    conn_wake(ctl->conn);
    conn_release(ctl->conn); /* may free the session */
}

static void cmd_trace(struct control *ctl, struct str arg)
{
    if (!id_parse(arg, &ctl->id)) {
        say_error(ctl, "TRACE wants the id of a letter");
        return;
    }
    ctl->count = 0;
    if (!ctl->service->trace) {
        end_trace(ctl);
        return;
    }
    ctl->state = CONTROL_WAITING;
    ctl->query.id = ctl->id;
    ctl->query.done = traced;
    conn_hold(ctl->conn);
    trace_find(ctl->service->trace, &ctl->query);
}

static void cmd_status(struct control *ctl, struct str arg)
{
    (void)arg;
    buf_add_byte(&ctl->out, '{');
    service_status(ctl->service, &ctl->out);
    buf_add(&ctl->out, STR("}\n"));
    ctl->count = 1;
    say_ok(ctl);
}

/* ---- the session ---- */

static const struct command {
    struct str name;
    enum { NO_ARGUMENT, MAY_ARGUMENT, ARGUMENT } argument;
    void (*run)(struct control *ctl, struct str arg);
} commands[] = {
    {STR_LIT("LIST"),    MAY_ARGUMENT, cmd_list   },
    {STR_LIT("SHOW"),    ARGUMENT,     cmd_show   },
    {STR_LIT("RETRY"),   ARGUMENT,     cmd_retry  },
    {STR_LIT("HOLD"),    ARGUMENT,     cmd_hold   },
    {STR_LIT("RELEASE"), ARGUMENT,     cmd_release},
    {STR_LIT("DELETE"),  ARGUMENT,     cmd_delete },
    {STR_LIT("FLUSH"),   NO_ARGUMENT,  cmd_flush  },
    {STR_LIT("TRACE"),   ARGUMENT,     cmd_trace  },
    {STR_LIT("STATUS"),  NO_ARGUMENT,  cmd_status },
};

static void run_line(struct control *ctl, struct str line)
{
    struct str name;

    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (!scan_until(&line, ' ', &name))
        name = STR("");
    struct str arg = str_trim(line);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (!str_eq_nocase(name, commands[i].name))
            continue;
        if (commands[i].argument == (arg.n ? NO_ARGUMENT : ARGUMENT))
            say_error(ctl, arg.n ? "no argument is wanted" : "which letter?");
        else
            commands[i].run(ctl, arg);
        return;
    }
    say_error(ctl, "LIST, SHOW, RETRY, HOLD, RELEASE, DELETE, FLUSH, TRACE or STATUS");
}

static bool take_line(struct control *ctl)
{
    struct str in = buf_str(&ctl->in), line;
    size_t n = str_find(in, '\n');
    char copy[CONTROL_LINE_BYTES];

    if (n > CONTROL_LINE_BYTES) {
        buf_add(&ctl->out, STR("ERR the line is too long\n"));
        ctl->state = CONTROL_CLOSING;
        return false;
    }
    if (n == in.n)
        return false;
    memcpy(copy, in.p, n);
    line = (struct str){copy, n};
    buf_drop(&ctl->in, n + 1);
    run_line(ctl, line);
    return true;
}

static enum turn control_turn(void *p, struct conn *c)
{
    struct control *ctl = p;

    (void)c;
    for (;;) {
        if (ctl->state == CONTROL_CLOSING)
            return TURN_CLOSE;
        if (ctl->state == CONTROL_WAITING)
            return TURN_BUSY;
        if (ctl->out.n >= CONTROL_OUTPUT_BYTES)
            return TURN_READ; /* comes again when it has left */
        if (ctl->state == CONTROL_LISTING)
            list_more(ctl);
        else if (!take_line(ctl) && ctl->state == CONTROL_IDLE)
            return ctl->service->draining ? TURN_CLOSE : TURN_READ;
    }
}

static void control_feed(void *p, struct str in)
{
    struct control *ctl = p;

    buf_add(&ctl->in, in);
}

static struct str control_output(const void *p)
{
    return buf_str(&((const struct control *)p)->out);
}

static void control_sent(void *p, size_t n)
{
    buf_drop(&((struct control *)p)->out, n);
}

static const struct conn_protocol control_protocol = {
    .feed = control_feed,
    .turn = control_turn,
    .output = control_output,
    .sent = control_sent,
    .free = control_free,
};

void control_options(struct service *s, struct listen_options *o)
{
    *o = (struct listen_options){
        .conn = {.protocol = &control_protocol},
        .make = control_make,
        .arg = s,
        .busy = STR("ERR too many connections\n"),
        .connections_max = 64,
    };
}

static void wake(void *arg, struct conn *c, void *session)
{
    (void)arg, (void)session;
    conn_wake(c);
}

void control_drain(struct service *s)
{
    conn_each(s->loop, &control_protocol, wake, NULL);
}
