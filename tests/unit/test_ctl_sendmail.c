#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ctl/compose.h"

enum { WORDS = 10 };

static int parse(const char *const *in, const char **argv, struct sendmail_args *a,
                 struct err *err)
{
    int n = 0;

    for (; n < WORDS && in[n]; n++)
        argv[n] = in[n];
    return sendmail_args_parse(n, argv, a, err);
}

static void options_as_programs_write_them(void **state)
{
    static const struct {
        const char *in[WORDS];
        bool from_head, dot_is_text;
        const char *sender;
        size_t nrcpts;
    } rows[] = {
        {{"-t", "-i"},                                 true,  true,  NULL,  0},
        {{"-ti"},                                      true,  true,  NULL,  0},
        {{"-t", "-oi", "-fa@b", "-odb", "-oem"},       true,  true,  "a@b", 0},
        {{"-i", "-f", "a@b", "--", "-x@y"},            false, true,  "a@b", 1},
        {{"-oi", "-FCron", "-f<>", "root"},            false, true,  "<>",  1},
        {{"-G", "-i", "-r", "a@b", "x", "y"},          false, true,  "a@b", 2},
        {{"-v", "-bm", "-q", "-L", "tag", "-om", "x"}, false, false, NULL,  1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *argv[WORDS];
        struct sendmail_args a;
        struct err err;

        assert_int_equal(parse(rows[i].in, argv, &a, &err), 0);
        assert_int_equal(a.from_head, rows[i].from_head);
        assert_int_equal(a.dot_is_text, rows[i].dot_is_text);
        assert_int_equal(a.nrcpts, rows[i].nrcpts);
        if (rows[i].sender)
            assert_string_equal(a.sender, rows[i].sender);
        else
            assert_null(a.sender);
    }
}

static void modes_and_dsn(void **state)
{
    static const char *const smtp[WORDS] = {"-bs"}, *const queue[WORDS] = {"-bp"},
                             *const daemon[WORDS] = {"-bd"};
    static const char *const dsn[WORDS] = {"-Nsuccess,delay", "-R", "hdrs", "-V", "X1", "a@b"};
    static const char *const bad[][WORDS] = {
        {"-Nnever,delay"},
        {"-Noften"      },
        {"-N",            ""},
        {"-Rsome"              },
        {"-f"},
        {"-z"              },
        {"-tz"}
    };
    const char *argv[WORDS];
    struct sendmail_args a;
    struct err err;

    (void)state;
    assert_int_equal(parse(smtp, argv, &a, &err), 0);
    assert_int_equal(a.mode, SENDMAIL_SMTP);
    assert_int_equal(parse(queue, argv, &a, &err), 0);
    assert_int_equal(a.mode, SENDMAIL_QUEUE);
    assert_int_equal(parse(daemon, argv, &a, &err), E_SYNTAX);
    assert_int_equal(parse(dsn, argv, &a, &err), 0);
    assert_int_equal(a.notify, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY);
    assert_int_equal(a.ret, SMTP_RET_HDRS);
    assert_string_equal(a.envid, "X1");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(parse(bad[i], argv, &a, &err), E_SYNTAX);
}

/* ---- letters ---- */

struct world {
    struct arena arena;
    struct sendmail_args args;
    struct compose_context context;
    struct composed out;
    struct err err;
};

static const char *rcpts[WORDS];

static struct world *world(void)
{
    static struct world w;

    w = (struct world){
        .context = {.hostname = STR("mail.example.test"),
                    .origin = STR("example.test"),
                    .login = STR("alice"),
                    .rcpts_max = 5}
    };
    arena_init(&w.arena);
    memcpy(w.context.id.text, "01jd0000000000000000000", ID_LETTERS);
    w.args.rcpts = rcpts;
    return &w;
}

static int run(struct world *w, const char *letter)
{
    return compose(&w->arena, str_c(letter), &w->args, &w->context, &w->out, &w->err);
}

static void end(struct world *w)
{
    composed_done(&w->out);
    arena_done(&w->arena);
}

static const char whole[] =
    "Date: Thu, 1 Jan 1970 00:00:00 +0000\nFrom: a@b.test\nMessage-ID: <x@y>\n";

static void rcpts_come_from_the_head_and_bcc_goes(void **state)
{
    struct world *w = world();
    char letter[1024];

    (void)state;
    w->args.from_head = true;
    snprintf(letter, sizeof(letter),
             "%sTo: Bob <bob@example.test>,\n carol@example.test\nBCC: dave@example.test\nCc: "
             "BOB@example.test, "
             "eve\nSubject: x\n\nBcc: this is text\n",
             whole);
    assert_int_equal(run(w, letter), 0);
    assert_int_equal(w->out.nrcpts, 4);
    assert_string_equal(w->out.rcpts[0].p, "bob@example.test");
    assert_string_equal(w->out.rcpts[1].p, "carol@example.test");
    assert_string_equal(w->out.rcpts[2].p, "dave@example.test");
    assert_string_equal(w->out.rcpts[3].p, "eve@example.test");
    assert_string_equal(w->out.sender.p, "alice@example.test");
    snprintf(letter, sizeof(letter),
             "%sTo: Bob <bob@example.test>,\n carol@example.test\nCc: BOB@example.test, "
             "eve\nSubject: x\n\n"
             "Bcc: this is text\n",
             whole);
    assert_string_equal(buf_c(&w->out.letter), letter);
    end(w);
}

static void a_letter_sent_on_goes_to_the_resent_fields_alone(void **state)
{
    struct world *w = world();

    (void)state;
    w->args.from_head = true;
    assert_int_equal(run(w, "To: bob@example.test\nResent-To: carol@example.test\nResent-Bcc: "
                            "dave@example.test\n\nx\n"),
                     0);
    assert_int_equal(w->out.nrcpts, 2);
    assert_string_equal(w->out.rcpts[0].p, "carol@example.test");
    assert_string_equal(w->out.rcpts[1].p, "dave@example.test");
    assert_null(strstr(buf_c(&w->out.letter), "Resent-Bcc"));
    end(w);
}

static void what_is_missing_is_added_in_front(void **state)
{
    struct world *w = world();

    (void)state;
    w->args.nrcpts = 1;
    rcpts[0] = "bob@example.test";
    w->args.name = "Cron \"D\"\nBcc: x";
    assert_int_equal(run(w, "hello\nworld\n"), 0);
    assert_string_equal(buf_c(&w->out.letter),
                        "Date: Thu, 1 Jan 1970 00:00:00 +0000\n"
                        "From: \"Cron \\\"D\\\" Bcc: x\" <alice@example.test>\n"
                        "Message-ID: <01jd0000000000000000000@mail.example.test>\n"
                        "\n"
                        "hello\nworld\n");
    end(w);
}

static void the_null_sender(void **state)
{
    static const char *const forms[] = {"", "<>"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world *w = world();

        w->args.nrcpts = 1;
        rcpts[0] = "bob@example.test";
        w->args.sender = forms[i];
        assert_int_equal(run(w, whole), 0);
        assert_int_equal(w->out.sender.n, 0);
        end(w);
    }
}

/* F06 and its like: nothing of the command line gets into the dialogue. */
static void addresses_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {"a@b.test\nRCPT TO:<x@y.test>",
                                      "a@b.test\r",
                                      "a b@c.test",
                                      "a@",
                                      "@b",
                                      "a@b@c",
                                      "<a@b.test",
                                      "\"\"|/bin/sh",
                                      "a@b.test>"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct world *w = world();

        w->args.nrcpts = 1;
        rcpts[0] = "bob@example.test";
        w->args.sender = bad[i];
        assert_int_equal(run(w, whole), E_SYNTAX);
        end(w);
        w = world();
        w->args.nrcpts = 1;
        rcpts[0] = bad[i];
        assert_int_equal(run(w, whole), E_SYNTAX);
        end(w);
    }
}

static void no_recipient_and_too_many(void **state)
{
    struct world *w = world();

    (void)state;
    assert_int_equal(run(w, whole), E_NOT_FOUND);
    end(w);
    w = world();
    w->args.from_head = true;
    assert_int_equal(run(w, whole), E_NOT_FOUND);
    end(w);
    w = world();
    w->args.nrcpts = 1;
    rcpts[0] = "a@x.test,b@x.test,c@x.test,d@x.test,e@x.test,A@x.test";
    assert_int_equal(run(w, whole), 0);
    assert_int_equal(w->out.nrcpts, 5);
    end(w);
    w = world();
    w->args.nrcpts = 1;
    rcpts[0] = "a@x.test,b@x.test,c@x.test,d@x.test,e@x.test,f@x.test";
    assert_int_equal(run(w, whole), E_LIMIT);
    end(w);
}

static void ends_of_lines_and_of_the_letter(void **state)
{
    static const struct {
        const char *in, *want;
        bool dot_is_text;
    } rows[] = {
        {"Subject: x\r\n\r\na\r\n.\r\nb",         "Subject: x\n\na\n",       false},
        {"Subject: x\n\na\n.\nb",                 "Subject: x\n\na\n.\nb\n", true },
        {"From alice Thu Jan 1\nSubject: x\n\na", "Subject: x\n\na\n",       false},
        {"Subject: x",                            "Subject: x\n",            false},
        {"\nFrom x\n",                            "\nFrom x\n",              false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world *w = world();
        const char *made;

        w->args.nrcpts = 1;
        rcpts[0] = "bob@example.test";
        w->args.dot_is_text = rows[i].dot_is_text;
        assert_int_equal(run(w, rows[i].in), 0);
        made = buf_c(&w->out.letter);
        assert_true(w->out.letter.n >= strlen(rows[i].want));
        assert_string_equal(made + w->out.letter.n - strlen(rows[i].want), rows[i].want);
        end(w);
    }
}

/* What hides behind a bare CR is a field like any other. */
static void a_bare_cr_hides_no_field(void **state)
{
    struct world *w = world();

    (void)state;
    w->args.from_head = true;
    assert_int_equal(run(w, "To: bob@example.test\rBcc: eve@example.test\rX: y\r\rbody\r"), 0);
    assert_int_equal(w->out.nrcpts, 2);
    assert_null(strstr(buf_c(&w->out.letter), "Bcc"));
    assert_null(strchr(buf_c(&w->out.letter), '\r'));
    end(w);
}

static void the_size_on_the_wire_counts_crlf(void **state)
{
    struct world *w = world();
    uint64_t lines = 0;

    (void)state;
    w->args.nrcpts = 1;
    rcpts[0] = "bob@example.test";
    assert_int_equal(run(w, "Subject: \xc3\xbc\n\na\n"), 0);
    for (size_t i = 0; i < w->out.letter.n; i++)
        lines += buf_str(&w->out.letter).p[i] == '\n';
    assert_int_equal(w->out.wire_size, w->out.letter.n + lines);
    assert_true(w->out.eight_bit);
    assert_false(w->out.utf8);
    end(w);
}

static void names_get_the_domain_of_the_host(void **state)
{
    static const struct {
        struct str hostname;
        const char *want;
    } rows[] = {
        {STR_LIT("mail.example.org"), "example.org"  },
        {STR_LIT("a.b.example.org"),  "b.example.org"},
        {STR_LIT("example.org"),      "example.org"  },
        {STR_LIT("localhost"),        "localhost"    },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(compose_origin(rows[i].hostname).p, rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_as_programs_write_them),
        cmocka_unit_test(modes_and_dsn),
        cmocka_unit_test(rcpts_come_from_the_head_and_bcc_goes),
        cmocka_unit_test(a_letter_sent_on_goes_to_the_resent_fields_alone),
        cmocka_unit_test(what_is_missing_is_added_in_front),
        cmocka_unit_test(the_null_sender),
        cmocka_unit_test(addresses_that_are_none_are_refused),
        cmocka_unit_test(no_recipient_and_too_many),
        cmocka_unit_test(ends_of_lines_and_of_the_letter),
        cmocka_unit_test(names_get_the_domain_of_the_host),
        cmocka_unit_test(a_bare_cr_hides_no_field),
        cmocka_unit_test(the_size_on_the_wire_counts_crlf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
