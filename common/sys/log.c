#include "sys/log.h"

#include "base/ascii.h"
#include "sys/clock.h"
#include "sys/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { KINDS = 64, STAMP_BYTES = 25 };

/* How a line goes out without ever waiting. */
enum sink {
    SINK_FILE,   /* a write never waits                                           */
    SINK_OWN,    /* our own description of the pipe or terminal, non-blocking      */
    SINK_SHARED, /* O_NONBLOCK would change it for others too: ask poll() first    */
    SINK_SOCKET, /* journald's                                                    */
};

static struct {
    char process[32];
    long pid;
    atomic_int level;
    atomic_bool json;
    int fd;
    enum sink sink;
    atomic_uint lines_per_second;
    atomic_ullong dropped;
    bool transcripts, dialogues; /* dialogues: these or who watches; of the loop's thread */
} state = {.process = "posta",
           .level = LOG_INFO,
           .fd = STDERR_FILENO,
           .sink = SINK_SHARED,
           .lines_per_second = LOG_LINES_PER_SECOND};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* What one event has used of its second. Events share a slot when their names hash alike: the
 * limit is then a little lower for both. */
static struct kind {
    uint64_t second;
    uint32_t lines, dropped;
} kinds[KINDS];
static pthread_mutex_t kinds_lock = PTHREAD_MUTEX_INITIALIZER;

static void find_sink(void)
{
    struct stat st;

    state.fd = STDERR_FILENO;
    state.sink = SINK_SHARED;
    if (fstat(STDERR_FILENO, &st) < 0)
        return;
    if (S_ISREG(st.st_mode))
        state.sink = SINK_FILE;
    if (S_ISSOCK(st.st_mode))
        state.sink = SINK_SOCKET;
    if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
        int fd =
            open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        if (fd >= 0) {
            state.fd = fd;
            state.sink = SINK_OWN;
        }
    }
}

void log_open(const char *process, enum log_level level, bool json)
{
    if (state.fd != STDERR_FILENO)
        close(state.fd);
    snprintf(state.process, sizeof(state.process), "%s", process);
    state.pid = (long)getpid();
    state.level = level;
    state.json = json;
    find_sink();
    signal(SIGPIPE, SIG_IGN);
}

enum log_level log_level_named(const char *name)
{
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
        if (strcmp(level_names[i], name) == 0)
            return (enum log_level)i;
    return LOG_INFO;
}

void log_limit(uint32_t lines_per_second)
{
    state.lines_per_second = lines_per_second;
}

const bool *log_dialogues(void)
{
    return &state.dialogues;
}

void log_transcripts(bool on)
{
    state.transcripts = on;
    state.dialogues = on || watch_on();
}

void log_look(const char *run_dir)
{
    watch_look(run_dir, state.process);
    state.dialogues = state.transcripts || watch_on();
}

bool log_on(enum log_level level)
{
    return (int)level <= state.level;
}

uint64_t log_dropped(void)
{
    return state.dropped;
}

void log_escape(struct buf *out, struct str s)
{
    size_t plain = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (ascii_is_print(c) && c != '\\')
            continue;
        buf_add(out, (struct str){s.p + plain, i - plain});
        plain = i + 1;
        if (c == '\\')
            buf_add(out, STR("\\\\"));
        else
            buf_addf(out, "\\x%02x", (unsigned char)c);
    }
    buf_add(out, str_skip(s, plain));
}

/* A line under construction: what does not fit is cut. */
struct line {
    char bytes[LOG_LINE_BYTES];
    size_t n;
    bool cut;
};

static const char json_end[] = "\"}\n";
enum { TAIL_BYTES = sizeof("...") - 1 + sizeof(json_end) - 1 };

static void put(struct line *l, const char *p, size_t n)
{
    if (l->cut || n > sizeof(l->bytes) - TAIL_BYTES - l->n) {
        l->cut = true;
        return;
    }
    memcpy(l->bytes + l->n, p, n);
    l->n += n;
}

static void put_c(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

/* As log_escape(); inside JSON the backslashes and quotes once more, so that both forms say the
 * same. */
static void put_text(struct line *l, struct str s, bool json)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        const char escaped[] = {'\\', '\\', 'x', hex[c >> 4], hex[c & 15]};

        if (c == '"' && json)
            put(l, "\\\"", 2);
        else if (c == '\\')
            put(l, "\\\\\\\\", json ? 4 : 2);
        else if (ascii_is_print((char)c))
            put(l, s.p + i, 1);
        else
            put(l, escaped + !json, json ? 5 : 4);
    }
}

/* "2026-11-22T21:31:25.123Z" */
static void put_time(struct line *l)
{
    uint64_t ms = clock_wall_ms();
    time_t second = (time_t)(ms / 1000);
    struct tm tm;
    char stamp[64];

    gmtime_r(&second, &tm);
    int n =
        snprintf(stamp, sizeof(stamp), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms % 1000));
    put(l, stamp, n > 0 ? (size_t)n : 0);
}

static void line_begin(struct line *l, enum log_level level, const struct id *id,
                       const char *event, bool json)
{
    char head[128];

    l->n = 0;
    l->cut = false;
    if (json)
        put_c(l, "{\"time\":\"");
    put_time(l);
    snprintf(head, sizeof(head),
             json ? "\",\"process\":\"%s\",\"pid\":%ld,\"level\":\"%s\"" : " %s[%ld] %s",
             state.process, state.pid, level_names[level]);
    put_c(l, head);
    if (id) {
        put_c(l, json ? ",\"id\":\"" : " ");
        put(l, id->text, ID_LETTERS);
        put_c(l, json ? "\"" : "");
    }
    put_c(l, json ? ",\"event\":\"" : ": ");
    put_c(l, event);
}

static ssize_t write_once(const char *p, size_t n)
{
    struct pollfd ask = {.fd = state.fd, .events = POLLOUT};

    if (state.sink == SINK_SOCKET)
        return send(state.fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (state.sink == SINK_SHARED && (poll(&ask, 1, 0) != 1 || !(ask.revents & POLLOUT))) {
        errno = EAGAIN;
        return -1;
    }
    return write(state.fd, p, n);
}

/* One write a line. What is not taken at once is lost and counted. */
static void line_end(struct line *l, bool json)
{
    const char *end = json ? json_end : "\n";
    size_t n = strlen(end);
    ssize_t done;

    if (l->cut) {
        memcpy(l->bytes + l->n, "...", 3);
        l->n += 3;
    }
    memcpy(l->bytes + l->n, end, n);
    l->n += n;
    do {
        done = write_once(l->bytes, l->n);
    } while (done < 0 && errno == EINTR);
    if (done != (ssize_t)l->n)
        state.dropped++;
}

static void print(enum log_level level, const struct id *id, const char *event, struct str text)
{
    bool json = state.json;
    struct line l;

    line_begin(&l, level, id, event, json);
    if (json)
        put_c(&l, "\",\"text\":\"");
    else if (text.n)
        put_c(&l, " ");
    put_text(&l, text, json);
    line_end(&l, json);
}

static struct kind *kind_of(const char *event)
{
    uint32_t h = 2166136261U; /* FNV-1a; the words are ours, not a stranger's */

    for (const char *p = event; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619U;
    return &kinds[h % KINDS];
}

/* True when one more line of this event may go out; *missed: how many could not before it. */
static bool within_limit(const char *event, uint32_t *missed)
{
    uint32_t limit = state.lines_per_second;
    uint64_t second = clock_steady_ms() / 1000;
    bool may = true;

    *missed = 0;
    if (limit == 0)
        return true;
    pthread_mutex_lock(&kinds_lock);
    struct kind *k = kind_of(event);
    if (k->second != second) {
        *missed = k->dropped;
        *k = (struct kind){.second = second};
    }
    if (k->lines < limit) {
        k->lines++;
    } else {
        k->dropped++;
        state.dropped++;
        may = false;
    }
    pthread_mutex_unlock(&kinds_lock);
    return may;
}

void log_event(enum log_level level, const struct id *id, const char *event, const char *fmt,
               ...)
{
    char text[LOG_LINE_BYTES];
    uint32_t missed = 0;
    va_list ap;

    if (watch_on() && level <= LOG_INFO) {
        va_start(ap, fmt);
        int n = vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        if (n >= 0)
            watch_event(
                level_names[level], id, event,
                (struct str){text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1});
    }
    if (!log_on(level) || (!id && !within_limit(event, &missed)))
        return;
    if (missed) {
        int n =
            snprintf(text, sizeof(text), "%u lines \"%s\" left out: more than %u in a second",
                     missed, event, state.lines_per_second);
        print(LOG_WARN, NULL, "log-limit", (struct str){text, (size_t)n});
    }
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    print(level, id, event,
          (struct str){text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1});
}

void log_transcript(const char *session, char direction, struct str line)
{
    bool json = state.json;
    struct line l;

    line_begin(&l, LOG_INFO, NULL, "line", json);
    put_c(&l, json ? "\",\"session\":\"" : " ");
    put_text(&l, str_c(session), json);
    put_c(&l, json ? "\",\"direction\":\"" : " ");
    put(&l, &direction, 1);
    put_c(&l, json ? "\",\"text\":\"" : " ");
    put_text(&l, line, json);
    line_end(&l, json);
}

void log_dialogue(const char *session, char direction, struct str lines)
{
    watch_lines(session, direction, lines);
    while (lines.n && state.transcripts) {
        struct str line = str_first(lines, str_find(lines, '\n'));

        lines = str_skip(lines, line.n < lines.n ? line.n + 1 : line.n);
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        log_transcript(session, direction, line);
    }
}
