/* Dialogues without the letters in them. */
#include "ctl/watch_gist.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void play(const char *process, const char *const *lines, const char *want)
{
    struct arena a;
    struct gist g;
    struct buf b;

    arena_init(&a);
    buf_init(&b, 65536);
    gist_init(&g, str_c(process));
    for (; *lines; lines++) {
        struct str out;

        if (gist_line(&g, (*lines)[0] == 'C', str_c(*lines + 2), &a, &out))
            buf_addf(&b, "%.*s\n", STR_ARGS(out));
    }
    assert_string_equal(buf_c(&b), want);
    buf_done(&b);
    arena_done(&a);
}

static void imap(void **state)
{
    static const char *const lines[] = {"C a FETCH 1 BODY[]",
                                        "S * 1 FETCH (BODY[] {12}",
                                        "S Subject: x",
                                        "S )",
                                        "S * 2 FETCH (BODY[] {0}",
                                        "S )",
                                        "S * 3 FETCH (BODY[] {3}",
                                        "S abc FLAGS ())",
                                        "S * 4 FETCH (BODY[1] {3}",
                                        "S abc BODY[2] {5}",
                                        "S secrex)",
                                        "S a OK {x}",
                                        "C ***",
                                        "S wonder BAD unknown",
                                        "C b NOOP",
                                        "S b OK",
                                        NULL};

    (void)state;
    play("imapd", lines,
         "a FETCH 1 BODY[]\n* 1 FETCH (BODY[] {12} \u2026 12 octets\n)\n"
         "* 2 FETCH (BODY[] {0} \u2026 0 octets\n)\n* 3 FETCH (BODY[] {3} \u2026 3 octets\n"
         " FLAGS ())\n* 4 FETCH (BODY[1] {3} \u2026 3 octets\n BODY[2] {5} \u2026 5 octets\n"
         "x)\na OK {x}\n***\n*** BAD unknown\nb NOOP\nb OK\n");
}

static void pop3(void **state)
{
    static const char *const lines[] = {
        "S +OK hello",  "C AUTH PLAIN", "S + ",      "C ***",    "S +OK in", "C RETR 1",
        "C LIST",       "C RETR 9",     "C TOP 1 0", "C LIST 1", "C QUIT",   "S +OK 20",
        "S Subject: x", "S ",           "S +OK x",   "S ..",     "S .",      "S +OK",
        "S 1 20",       "S .",          "S -ERR no", "S +OK",    "S secret", "S .",
        "S +OK 1 20",   "S +OK bye",    NULL};

    (void)state;
    play("pop3d", lines,
         "+OK hello\nAUTH PLAIN\n+ \n***\n+OK in\nRETR 1\nLIST\nRETR 9\nTOP 1 0\nLIST 1\nQUIT\n"
         "+OK 20\n\u2026 25 octets\n+OK\n1 20\n.\n-ERR no\n+OK\n\u2026 8 octets\n+OK 1 20\n"
         "+OK bye\n");
}

static void too_many_commands(void **state)
{
    struct arena a;
    struct gist g;
    struct str out;

    (void)state;
    arena_init(&a);
    gist_init(&g, STR("pop3d"));
    for (int i = 0; i <= GIST_COMMANDS; i++)
        assert_true(gist_line(&g, true, STR("RETR 1"), &a, &out));
    assert_false(gist_line(&g, false, STR("+OK"), &a, &out));
    assert_false(gist_line(&g, false, STR("a letter"), &a, &out));
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imap),
        cmocka_unit_test(pop3),
        cmocka_unit_test(too_many_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
