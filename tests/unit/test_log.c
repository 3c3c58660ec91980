#include "base/ascii.h"
#include "base/defer.h"
#include "sys/fs.h"
#include "sys/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { TEXT_BYTES = 1 << 24 };

static const struct id letter = {"01jd0000000000000000000"};

/* Descriptor 2 is somewhere else while a test runs. */
static int real_stderr, file;
static struct buf text;

static int catch_file(void **state)
{
    char path[] = "/tmp/posta-log-XXXXXX";

    (void)state;
    buf_init(&text, TEXT_BYTES);
    real_stderr = dup(STDERR_FILENO);
    file = mkstemp(path);
    if (file < 0 || real_stderr < 0 || unlink(path) < 0)
        return -1;
    return dup2(file, STDERR_FILENO) < 0;
}

static int let_go(void **state)
{
    (void)state;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    close(file);
    buf_done(&text);
    log_open("posta", LOG_INFO, false);
    log_limit(LOG_LINES_PER_SECOND);
    return 0;
}

/* What has been written, without its times. */
static const char *written(void)
{
    struct str rest, line;
    struct buf all;

    buf_init(&all, TEXT_BYTES);
    buf_clear(&text);
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    assert_int_equal(fs_read_all(file, &all, NULL), 0);
    for (rest = buf_str(&all); scan_until(&rest, '\n', &line); scan_byte(&rest, '\n')) {
        size_t at = line.p[0] == '{' ? str_find(line, 'Z') + 3 : str_find(line, 'Z') + 2;

        assert_true(at < line.n);
        buf_add(&text, str_skip(line, at));
        buf_add_byte(&text, '\n');
    }
    assert_int_equal(ftruncate(file, 0), 0);
    lseek(file, 0, SEEK_SET);
    buf_done(&all);
    return buf_c(&text);
}

static void same(const char *got, const char *fmt)
{
    char want[1024];

    snprintf(want, sizeof(want), fmt, (long)getpid());
    assert_string_equal(got, want);
}

static void test_text(void **state)
{
    (void)state;
    log_open("msa", LOG_INFO, false);
    log_event(LOG_INFO, &letter, "accepted", "from %s size=%d", "alice@example.test", 1234);
    same(written(),
         "msa[%ld] info 01jd0000000000000000000: accepted from alice@example.test size=1234\n");
    log_event(LOG_ERROR, NULL, "failed", "a\\b \x1b[31m \r\nforged line \xc3\xbc \x7f");
    same(written(),
         "msa[%ld] error: failed a\\\\b \\x1b[31m \\x0d\\x0aforged line \\xc3\\xbc \\x7f\n");
    log_event(LOG_WARN, NULL, "bare", "%s", "");
    same(written(), "msa[%ld] warn: bare\n");
}

static void test_time(void **state)
{
    struct buf all;

    (void)state;
    log_open("msa", LOG_INFO, false);
    log_event(LOG_INFO, NULL, "event", "x");
    buf_init(&all, TEXT_BYTES);
    lseek(file, 0, SEEK_SET);
    assert_int_equal(fs_read_all(file, &all, NULL), 0);
    const char *p = buf_c(&all);
    for (const char *form = "dddd-dd-ddTdd:dd:dd.dddZ "; *form; form++, p++)
        assert_true(*form == 'd' ? ascii_is_digit(*p) : *p == *form);
    buf_done(&all);
}

static void test_json(void **state)
{
    (void)state;
    log_open("mta", LOG_INFO, true);
    log_event(LOG_INFO, &letter, "accepted", "say \"hi\" \\ \n");
    same(
        written(),
        "\"process\":\"mta\",\"pid\":%ld,\"level\":\"info\",\"id\":\"01jd0000000000000000000\","
        "\"event\":\"accepted\",\"text\":\"say \\\"hi\\\" \\\\\\\\ \\\\x0a\"}\n");
    log_transcript("7", '<', STR("EHLO \"x\""));
    same(written(), "\"process\":\"mta\",\"pid\":%ld,\"level\":\"info\",\"event\":\"line\","
                    "\"session\":\"7\","
                    "\"direction\":\"<\",\"text\":\"EHLO \\\"x\\\"\"}\n");
}

static void test_transcript(void **state)
{
    (void)state;
    log_open("msa", LOG_ERROR, false);
    log_transcript("587/12", '>', STR("250 ok"));
    same(written(), "msa[%ld] info: line 587/12 > 250 ok\n");
}

static void test_levels(void **state)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    (void)state;
    for (int open = LOG_ERROR; open <= LOG_DEBUG; open++) {
        log_open("p", (enum log_level)open, false);
        assert_int_equal(log_level_named(names[open]), open);
        for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
            log_event((enum log_level)level, NULL, "event", "x");
            assert_int_equal(*written() != '\0', level <= open);
            assert_int_equal(log_on((enum log_level)level), level <= open);
        }
    }
}

/* The longest text that fits, one less, and one more, which is cut and says so; both forms stay
 * whole lines. */
static void test_long_lines(void **state)
{
    static char long_text[2 * LOG_LINE_BYTES];
    struct buf all;

    (void)state;
    memset(long_text, 'a', sizeof(long_text) - 1);
    buf_init(&all, TEXT_BYTES);
    for (int json = 0; json < 2; json++)
        for (int n = LOG_LINE_BYTES - 200; n <= LOG_LINE_BYTES + 200; n++) {
            log_open("p", LOG_INFO, json);
            log_event(LOG_INFO, &letter, "event", "%.*s", n, long_text);
            lseek(file, 0, SEEK_SET);
            buf_clear(&all);
            assert_int_equal(fs_read_all(file, &all, NULL), 0);
            struct str s = buf_str(&all);
            assert_true(s.n <= LOG_LINE_BYTES);
            assert_int_equal(str_find(s, '\n'), s.n - 1);
            bool cut = strstr(buf_c(&all), json ? "...\"}\n" : "...\n") != NULL;
            assert_true(cut || (json && str_eq(str_skip(s, s.n - 4), STR("a\"}\n"))) ||
                        (!json && str_eq(str_skip(s, s.n - 2), STR("a\n"))));
            assert_true(cut ? s.n > LOG_LINE_BYTES - 16 : n < LOG_LINE_BYTES);
            written();
        }
    buf_done(&all);
}

static size_t lines_of(const char *s, const char *what)
{
    size_t n = 0;

    for (; (s = strstr(s, what)); s++)
        n++;
    return n;
}

/* R07: the count is exact whatever second it happens in. */
static void test_R07_limit(void **state)
{
    uint64_t before = log_dropped();

    (void)state;
    log_open("p", LOG_INFO, false);
    log_limit(10);
    for (int i = 0; i < 1000; i++)
        log_event(LOG_INFO, NULL, "flood", "%d", i);
    size_t out = lines_of(written(), ": flood ");
    assert_true(out >= 10 && out < 1000);
    assert_int_equal(out + (log_dropped() - before), 1000);
    for (int i = 0; i < 100; i++)
        log_event(LOG_INFO, &letter, "flood", "%d",
                  i); /* a letter's lines are never left out */
    assert_int_equal(lines_of(written(), "flood"), 100);
    log_limit(0);
    for (int i = 0; i < 100; i++)
        log_event(LOG_INFO, NULL, "flood", "%d", i);
    assert_int_equal(lines_of(written(), "info: flood"), 100);
}

/* X07: a pipe that nobody reads, and one that nobody holds, cost lines and nothing else. */
static void test_X07_full_pipe(void **state)
{
    int ends[2];
    uint64_t before = log_dropped();

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    log_open("p", LOG_INFO, false);
    for (int i = 0; i < 5000; i++)
        log_event(LOG_INFO, &letter, "event", "%050d", i);
    uint64_t lost = log_dropped() - before;
    assert_true(lost > 0 && lost < 5000);
    assert_int_equal(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0); /* others share this one */
    close(ends[0]);
    before = log_dropped();
    log_event(LOG_INFO, &letter, "event", "x"); /* no SIGPIPE */
    assert_int_equal(log_dropped() - before, 1);
}

static void *write_lines(void *arg)
{
    for (int i = 0; i < 500; i++)
        log_event(LOG_INFO, &letter, "event", "%s %040d", (const char *)arg, i);
    return NULL;
}

/* Threads do not mix their lines: each is one write. */
static void test_threads(void **state)
{
    pthread_t t[4];
    static char names[4][2] = {"a", "b", "c", "d"};

    (void)state;
    log_open("p", LOG_INFO, false);
    fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, write_lines, names[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    const char *all = written();
    assert_int_equal(lines_of(all, "\n"), 2000);
    assert_int_equal(lines_of(all, ": event "), 2000);
    assert_int_equal(text.n % 2000, 0);
}

static void test_escape(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;

        buf_clear(&b);
        log_escape(&b, (struct str){&byte, 1});
        if (c == '\\')
            assert_string_equal(buf_c(&b), "\\\\");
        else if (c >= 0x20 && c < 0x7f)
            assert_true(str_eq(buf_str(&b), (struct str){&byte, 1}));
        else
            assert_true(b.n == 4 && str_starts(buf_str(&b), STR("\\x")));
    }
    buf_clear(&b);
    log_escape(&b, STR("a\nb\\c"));
    assert_string_equal(buf_c(&b), "a\\x0ab\\\\c");
    buf_done(&b);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, catch_file, let_go)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_text),      WITH(test_time),
        WITH(test_json),      WITH(test_transcript),
        WITH(test_levels),    WITH(test_long_lines),
        WITH(test_R07_limit), WITH(test_X07_full_pipe),
        WITH(test_threads),   cmocka_unit_test(test_escape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
