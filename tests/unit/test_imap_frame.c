/*
 * A dialogue with the frame is told in one line of words: C:text a command, L:text{n} a literal
 * that is taken (sync) or L+, P:n a piece of a streamed one, B:text, T for too long.
 */
#include "imapd/frame.h"

#include "base/ascii.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LOG_BYTES = 4 << 20 };

enum decide { TAKE, STREAM, REFUSE };

static void show(struct buf *log, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_add_byte(log, ascii_shown(s.p[i]));
}

static bool log_event(struct frame *f, enum frame_event event, enum decide decide,
                      struct buf *log)
{
    static const char letters[] = "-CLPBT";

    if (event == FRAME_MORE)
        return false;
    buf_addf(log, "%s%c", buf_str(log).n ? " | " : "", letters[event]);
    if (event == FRAME_PIECE) {
        buf_addf(log, "%zu%s", f->text.n, f->last ? "." : "");
        return true;
    }
    if (event == FRAME_TOO_LONG)
        return false;
    if (event == FRAME_LITERAL && !f->synchronizing)
        buf_add_byte(log, '+');
    buf_add_byte(log, ':');
    show(log, f->text);
    if (event != FRAME_LITERAL)
        return true;
    if (decide == TAKE && f->fits)
        frame_take(f);
    else if (decide == STREAM)
        frame_stream(f);
    else
        frame_refuse(f);
    return true;
}

static void play(struct str in, size_t step, bool stranger, enum decide decide, struct buf *log)
{
    struct frame f;

    frame_init(&f);
    f.stranger = stranger;
    while (in.n) {
        struct str part = str_first(in, step);

        frame_feed(&f, part);
        in = str_skip(in, part.n);
        while (log_event(&f, frame_next(&f), decide, log))
            ;
    }
    frame_done(&f);
}

static void expect(struct str in, bool stranger, enum decide decide, struct str want)
{
    static const size_t steps[] = {SIZE_MAX, 1, 7};
    struct buf log;

    buf_init(&log, LOG_BYTES);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        buf_clear(&log);
        play(in, steps[i], stranger, decide, &log);
        if (!str_eq(buf_str(&log), want))
            fail_msg("step %zu, \"%.*s\": got \"%.*s\", want \"%.*s\"", steps[i],
                     STR_ARGS(str_first(in, 100)), STR_ARGS(buf_str(&log)), STR_ARGS(want));
    }
    buf_done(&log);
}

static void commands(void **state)
{
    static const struct {
        struct str in, want;
    } rows[] = {
        {STR_LIT("a NOOP\r\nb NOOP\r\n"),                        STR_LIT("C:a NOOP | C:b NOOP")               },
        {STR_LIT("a LOGIN {3}\r\nbob {2+}\r\nxx\r\nb NOOP\r\n"),
         STR_LIT("L:a LOGIN {3} | L+:a LOGIN {3}??bob {2+} | C:a LOGIN {3}??bob {2+}??xx | C:b "
                 "NOOP")                                                                                      },
        {STR_LIT("a X {0}\r\n\r\nb NOOP\r\n"),                   STR_LIT("L:a X {0} | C:a X {0}?? | C:b NOOP")},
        {STR_LIT("a X {4}\r\n\r\n{}\r\n"),                       STR_LIT("L:a X {4} | C:a X {4}????{}")       },
        {STR_LIT("\r\n"),                                        STR_LIT("C:")                                },
        {STR_LIT("a X ~{2}\r\nab\r\n"),                          STR_LIT("L:a X ~{2} | C:a X ~{2}??ab")       },
        {STR_LIT("a X \"{5}\"\r\n"),                             STR_LIT("C:a X \"{5}\"")                     },
        {STR_LIT("a X {02}\r\nab\r\n"),                          STR_LIT("L:a X {02} | C:a X {02}??ab")       },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect(rows[i].in, false, TAKE, rows[i].want);
}

/* What only looks like one is handed on as a line, that no grammar takes. */
static void i03_literals_that_are_none(void **state)
{
    static const struct str rows[] = {
        STR_LIT("a X {-1}"),  STR_LIT("a X {0x10}"), STR_LIT("a X {1e3}"), STR_LIT("a X { 5}"),
        STR_LIT("a X {5 }"),  STR_LIT("a X {5"),     STR_LIT("a X {}"),    STR_LIT("a X {+}"),
        STR_LIT("a X {5++}"), STR_LIT("a X 5}"),     STR_LIT("}"),         STR_LIT("{+5}"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf in, want;

        buf_init(&in, LOG_BYTES);
        buf_init(&want, LOG_BYTES);
        buf_addf(&in, "%.*s\r\nb NOOP\r\n", STR_ARGS(rows[i]));
        buf_addf(&want, "C:%.*s | C:b NOOP", STR_ARGS(rows[i]));
        expect(buf_str(&in), true, TAKE, buf_str(&want));
        buf_done(&in);
        buf_done(&want);
    }
}

static void flawed_lines(void **state)
{
    static const struct {
        struct str in, want;
    } rows[] = {
        {STR_LIT("a NO\0OP\r\nb NOOP\r\n"),                     STR_LIT("B:a NO?OP | C:b NOOP")}, /* I05 */
        {STR_LIT("a NO\nOP\r\nb NOOP\r\n"),                     STR_LIT("B:a NO?OP | C:b NOOP")},
        {STR_LIT("a NO\rOP\r\nb NOOP\r\n"),                     STR_LIT("B:a NO?OP | C:b NOOP")},
        {STR_LIT("a NOOP\nb NOOP\n"),                           STR_LIT("")                    },
        {STR_LIT("a\0 {3+}\r\n\r\nxy {1+}\r\nz\r\nb NOOP\r\n"),
         STR_LIT("B:a? {3+} | C:b NOOP")                                                       },
        {STR_LIT("a\0 {3}\r\nb NOOP\r\n"),                      STR_LIT("B:a? {3} | C:b NOOP") },
        {STR_LIT("a {1+}\r\nx\0\r\nb NOOP\r\n"),
         STR_LIT("L+:a {1+} | B:a {1+}??x? | C:b NOOP")                                        },
        {STR_LIT("a NOOP\r\r\nb NOOP\r\n"),                     STR_LIT("B:a NOOP? | C:b NOOP")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect(rows[i].in, false, TAKE, rows[i].want);
}

static void refused_literals(void **state)
{
    (void)state;
    expect(STR("a X {9}\r\nb NOOP\r\n"), false, REFUSE, STR("L:a X {9} | C:b NOOP"));
    expect(STR("a X {5+}\r\nb\r\nC {2+}\r\nyy x\r\nb NOOP\r\n"), false, REFUSE,
           STR("L+:a X {5+} | C:b NOOP"));
    /* the client that waits there has been answered already */
    expect(STR("a X {1+}\r\nb {5}\r\nb NOOP\r\n"), false, REFUSE,
           STR("L+:a X {1+} | C:b NOOP"));
    /* more than there are numbers for (I02) */
    expect(STR("a X {99999999999999999999}\r\nb NOOP\r\n"), false, TAKE,
           STR("L:a X {99999999999999999999} | C:b NOOP"));
    expect(STR("a X {0000000000000000000000000000005}\r\nb NOOP\r\n"), false, TAKE,
           STR("L:a X {0000000000000000000000000000005} | C:b NOOP"));
}

static void streamed_literals(void **state)
{
    struct buf in, want;

    (void)state;
    expect(STR("a X {3}\r\na\0\n\r\nb NOOP\r\n"), false, STREAM,
           STR("L:a X {3} | P3. | C: | C:b NOOP"));
    expect(STR("a X {0+}\r\n\r\nb NOOP\r\n"), false, STREAM,
           STR("L+:a X {0+} | P0. | C: | C:b NOOP"));
    expect(STR("a X {1+}\r\nx y\r\n"), false, STREAM, STR("L+:a X {1+} | P1. | C: y"));
    buf_init(&in, LOG_BYTES);
    buf_init(&want, LOG_BYTES);
    buf_addf(&in, "a X {%d+}\r\n", 2 * FRAME_PIECE_BYTES + 5);
    for (int i = 0; i < 2 * FRAME_PIECE_BYTES + 5; i++)
        buf_add_byte(&in, "\r\n{9+}"[i % 6]);
    buf_add(&in, STR("\r\nb NOOP\r\n"));
    buf_addf(&want, "L+:a X {%d+} | P%d | P%d | P5. | C: | C:b NOOP", 2 * FRAME_PIECE_BYTES + 5,
             FRAME_PIECE_BYTES, FRAME_PIECE_BYTES);
    expect(buf_str(&in), false, STREAM, buf_str(&want));
    buf_done(&in);
    buf_done(&want);
}

/* In the middle, or when its last piece is there: the rest is passed over. */
static void a_stream_given_up(void **state)
{
    for (size_t n = 0; n < 3; n++) {
        struct frame f;

        (void)state;
        frame_init(&f);
        f.stranger = false;
        frame_feed(&f, STR("a X {65537+}\r\n"));
        assert_int_equal(frame_next(&f), FRAME_LITERAL);
        frame_stream(&f);
        for (size_t i = 0; i < 65537; i += 17)
            frame_feed(&f, str_first(STR("\r\nx NOOP\r\n1234567"), 65537 - i));
        for (size_t i = 0; i < n; i++)
            assert_int_equal(frame_next(&f), FRAME_PIECE);
        if (n)
            assert_int_equal(f.last, n == 2);
        frame_refuse(&f);
        frame_feed(&f, STR(" {1+}\r\ny\r\nb NOOP\r\n"));
        assert_int_equal(frame_next(&f), FRAME_COMMAND);
        assert_true(str_eq(f.text, STR("b NOOP")));
        assert_int_equal(frame_next(&f), FRAME_MORE);
        assert_true(frame_idle(&f));
        frame_done(&f);
    }
}

/* A line of `n` octets with its CRLF, in pieces; what comes of it. */
static enum frame_event feed_line(bool stranger, size_t n)
{
    enum frame_event event;
    struct frame f;

    frame_init(&f);
    f.stranger = stranger;
    for (size_t i = 0; i < n; i++) {
        frame_feed(&f, i == n - 1 ? STR("\n") : i == n - 2 ? STR("\r") : STR("("));
        event = frame_next(&f);
        if (event != FRAME_MORE)
            break;
    }
    event = event == FRAME_MORE ? frame_next(&f) : event;
    frame_done(&f);
    return event;
}

static void i08_lines_have_an_end(void **state)
{
    (void)state;
    assert_int_equal(feed_line(true, FRAME_STRANGER_BYTES), FRAME_COMMAND);
    assert_int_equal(feed_line(true, FRAME_STRANGER_BYTES + 1), FRAME_TOO_LONG);
    assert_int_equal(feed_line(false, FRAME_LINE_BYTES), FRAME_COMMAND);
    assert_int_equal(feed_line(false, FRAME_LINE_BYTES + 1), FRAME_TOO_LONG);
}

/* 1 GB in one go is not kept, I06 neither: less than 64 KiB are. */
static void i06_floods(void **state)
{
    static const char *const words[] = {"(((((((((((((((", ")))))))))))))))",
                                        "{{{{{{{{{{{{{{{"};

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct frame f;

        frame_init(&f);
        for (size_t n = 0; n < 1000000; n += 16) {
            frame_feed(&f, str_c(words[i]));
            frame_next(&f);
        }
        assert_int_equal(frame_next(&f), FRAME_TOO_LONG);
        assert_true(f.in.cap + f.command.cap < 65536);
        frame_done(&f);
    }
}

static void too_much_at_once(void **state)
{
    struct frame f;

    (void)state;
    frame_init(&f);
    for (int i = 0; i < FRAME_INPUT_BYTES / 8 + 1; i++)
        frame_feed(&f, STR("a NOOP\r\n"));
    for (int i = 0; i < FRAME_INPUT_BYTES / 8; i++)
        assert_int_equal(frame_next(&f), FRAME_COMMAND);
    assert_int_equal(frame_next(&f), FRAME_TOO_LONG);
    frame_done(&f);
}

static void i01_literals_have_limits(void **state)
{
    static const struct {
        bool stranger, fits;
        unsigned long long octets;
    } rows[] = {
        {true,  true,  FRAME_STRANGER_BYTES - 20},
        {true,  false, FRAME_STRANGER_BYTES     },
        {true,  false, 4294967295ULL            },
        {false, true,  FRAME_COMMAND_BYTES - 20 },
        {false, false, FRAME_COMMAND_BYTES      },
        {false, false, 18446744073709551615ULL  },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame f;
        struct buf in;

        buf_init(&in, 100);
        buf_addf(&in, "a X {%llu+}\r\n", rows[i].octets);
        frame_init(&f);
        f.stranger = rows[i].stranger;
        frame_feed(&f, buf_str(&in));
        assert_int_equal(frame_next(&f), FRAME_LITERAL);
        assert_int_equal(f.fits, rows[i].fits);
        assert_true(f.octets == rows[i].octets);
        assert_true(f.in.cap + f.command.cap < 4096);
        frame_done(&f);
        buf_done(&in);
    }
}

static void i07_many_literals(void **state)
{
    struct frame f;
    int taken = 0;

    (void)state;
    frame_init(&f);
    f.stranger = false;
    frame_feed(&f, STR("a X"));
    for (;;) {
        frame_feed(&f, STR(" {1+}\r\nx"));
        assert_int_equal(frame_next(&f), FRAME_LITERAL);
        if (!f.fits)
            break;
        frame_take(&f);
        taken++;
    }
    assert_int_equal(taken, FRAME_LITERALS);
    frame_refuse(&f);
    frame_feed(&f, STR("\r\nb NOOP\r\n"));
    assert_int_equal(frame_next(&f), FRAME_COMMAND);
    assert_true(str_eq(f.text, STR("b NOOP")));
    frame_done(&f);
}

static void lines_that_are_no_command(void **state)
{
    struct str line;
    struct frame f;

    (void)state;
    frame_init(&f);
    frame_feed(&f, STR("a IDLE\r\nDO"));
    assert_int_equal(frame_next(&f), FRAME_COMMAND);
    assert_int_equal(frame_line(&f, 100, &line), FRAME_MORE);
    frame_feed(&f, STR("NE\r\nx{5+}\r\n\r\na\0\r\nb NOOP\r\n12345"));
    assert_int_equal(frame_line(&f, 100, &line), FRAME_COMMAND);
    assert_true(str_eq(line, STR("DONE")));
    assert_int_equal(frame_line(&f, 100, &line), FRAME_COMMAND);
    assert_true(str_eq(line, STR("x{5+}")));
    assert_int_equal(frame_line(&f, 100, &line), FRAME_COMMAND);
    assert_int_equal(line.n, 0);
    assert_int_equal(frame_line(&f, 100, &line), FRAME_BAD);
    assert_int_equal(frame_next(&f), FRAME_COMMAND);
    assert_true(str_eq(f.text, STR("b NOOP")));
    assert_int_equal(frame_line(&f, 5, &line), FRAME_TOO_LONG);
    assert_int_equal(frame_next(&f), FRAME_TOO_LONG);
    frame_done(&f);
}

static void t02_what_was_read_ahead_is_gone(void **state)
{
    struct frame f;

    (void)state;
    frame_init(&f);
    frame_feed(&f, STR("a STARTTLS\r\nb LOGIN u p\r\n"));
    assert_int_equal(frame_next(&f), FRAME_COMMAND);
    assert_false(frame_idle(&f));
    frame_restart(&f);
    assert_true(frame_idle(&f));
    assert_int_equal(frame_next(&f), FRAME_MORE);
    frame_done(&f);
}

static void an_idle_frame_holds_nothing(void **state)
{
    struct frame f;

    (void)state;
    frame_init(&f);
    frame_feed(&f, STR("a NOOP\r\n"));
    assert_int_equal(frame_next(&f), FRAME_COMMAND);
    frame_rest(&f);
    assert_null(f.in.p);
    assert_null(f.command.p);
    frame_feed(&f, STR("b NO"));
    assert_int_equal(frame_next(&f), FRAME_MORE);
    assert_false(frame_idle(&f));
    frame_rest(&f);
    frame_feed(&f, STR("OP\r\n"));
    assert_int_equal(frame_next(&f), FRAME_COMMAND);
    assert_true(str_eq(f.text, STR("b NOOP")));
    frame_done(&f);
}

/* Thousands of them may be connected (R01). */
static void a_stranger_holds_no_block(void **state)
{
    struct frame f;

    (void)state;
    frame_init(&f);
    for (size_t n = 0; n < FRAME_STRANGER_BYTES; n += sizeof("a NOOP\r\n") - 1)
        frame_feed(&f, STR("a NOOP\r\n"));
    while (frame_next(&f) == FRAME_COMMAND)
        ;
    assert_int_equal(f.in.cap, 0);
    frame_done(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands),
        cmocka_unit_test(i03_literals_that_are_none),
        cmocka_unit_test(flawed_lines),
        cmocka_unit_test(refused_literals),
        cmocka_unit_test(streamed_literals),
        cmocka_unit_test(a_stream_given_up),
        cmocka_unit_test(i08_lines_have_an_end),
        cmocka_unit_test(i06_floods),
        cmocka_unit_test(too_much_at_once),
        cmocka_unit_test(i01_literals_have_limits),
        cmocka_unit_test(i07_many_literals),
        cmocka_unit_test(lines_that_are_no_command),
        cmocka_unit_test(t02_what_was_read_ahead_is_gone),
        cmocka_unit_test(an_idle_frame_holds_nothing),
        cmocka_unit_test(a_stranger_holds_no_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
