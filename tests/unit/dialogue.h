/*
 * dialogue - what the players of tests/transcripts have in common. README.md there has the
 * format.
 */
#ifndef POSTA_TESTS_DIALOGUE_H
#define POSTA_TESTS_DIALOGUE_H

#include "base/arena.h"
#include "base/ascii.h"
#include "base/buf.h"
#include "base/defer.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { DIALOGUE_BYTES = 1 << 20 };

static inline unsigned char dialogue_hex_digit(char c)
{
    if (ascii_is_digit(c))
        return (unsigned char)(c - '0');
    return (unsigned char)((ascii_lower(c) - 'a' + 10) & 15);
}

/* \r \n \t \0 \\ \xHH and \*N{text} */
static inline void dialogue_unescape(struct buf *out, struct str text)
{
    struct str again;
    uint32_t n;

    while (text.n) {
        if (!scan_byte(&text, '\\')) {
            buf_add_byte(out, text.p[0]);
            text = str_skip(text, 1);
        } else if (scan_byte(&text, 'r')) {
            buf_add_byte(out, '\r');
        } else if (scan_byte(&text, 'n')) {
            buf_add_byte(out, '\n');
        } else if (scan_byte(&text, 't')) {
            buf_add_byte(out, '\t');
        } else if (scan_byte(&text, '0')) {
            buf_add_byte(out, '\0');
        } else if (scan_byte(&text, '\\')) {
            buf_add_byte(out, '\\');
        } else if (text.n > 2 && scan_byte(&text, 'x')) {
            buf_add_byte(out, (char)(dialogue_hex_digit(text.p[0]) << 4 |
                                     dialogue_hex_digit(text.p[1])));
            text = str_skip(text, 2);
        } else if (scan_byte(&text, '*') && scan_u32(&text, 100000000, &n) &&
                   scan_byte(&text, '{') && scan_until(&text, '}', &again) &&
                   scan_byte(&text, '}')) {
            while (n-- > 0)
                dialogue_unescape(out, again);
        } else {
            fail_msg("an escape that is none");
        }
    }
}

static inline struct str dialogue_word(struct str *in)
{
    struct str w = STR("");

    *in = str_trim(*in);
    scan_until(in, ' ', &w);
    *in = str_trim(*in);
    return w;
}

/* The file's text; the caller's. */
static inline struct buf dialogue_read(const char *name)
{
    char path[4096];
    struct buf text;
    size_t n;

    snprintf(path, sizeof(path), "%s/tests/transcripts/%s", TEST_SOURCE_ROOT, name);
    DEFER(close_file) FILE *f = fopen(path, "rb");
    assert_non_null(f);
    buf_init(&text, DIALOGUE_BYTES);
    do {
        char *to = buf_room(&text, 4096);
        assert_non_null(to);
        n = fread(to, 1, 4096, f);
        buf_grown(&text, n);
    } while (n > 0);
    return text;
}

/* One dialogue, what the client says between two answers whole or in single bytes. */
typedef void dialogue_play_fn(const char *name, struct str text, bool bytes);

static dialogue_play_fn *dialogue_play;

static inline void dialogue_test(void **state)
{
    const char *name = *state;
    struct buf text = dialogue_read(name);

    dialogue_play(name, buf_str(&text), false);
    dialogue_play(name, buf_str(&text), true);
    buf_done(&text);
}

/* A test for each of tests/transcripts that is wanted. */
static inline int dialogue_play_all(int (*wanted)(const struct dirent *e),
                                    dialogue_play_fn *play)
{
    struct dirent **names;
    int n = scandir(TEST_SOURCE_ROOT "/tests/transcripts", &names, wanted, alphasort);

    if (n <= 0)
        return 1;
    struct CMUnitTest *tests = calloc((size_t)n, sizeof(*tests));
    if (!tests)
        return 1;
    dialogue_play = play;
    for (int i = 0; i < n; i++) {
        tests[i].name = names[i]->d_name;
        tests[i].test_func = dialogue_test;
        tests[i].initial_state = names[i]->d_name;
    }
    int failed = _cmocka_run_group_tests("transcripts", tests, (size_t)n, NULL, NULL);
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    free(tests);
    return failed;
}

#endif
