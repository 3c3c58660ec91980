#include "mail/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { OUT_BYTES_MAX = 64 << 20 };

static struct buf out;
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    buf_init(&out, OUT_BYTES_MAX);
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_done(&out);
    arena_done(&arena);
    return 0;
}

static const char *envelope_of(struct str head)
{
    buf_clear(&out);
    envelope_print(&out, head, &arena);
    assert_false(buf_failed(&out));
    return buf_c(&out);
}

/* RFC 3501 7.4.2 */
static void envelopes(void **state)
{
    static const struct {
        struct str head;
        const char *want;
    } rows[] = {
        {STR_LIT(""),                                                                                     "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"},
        {STR_LIT(
             "Date: d\r\nSubject: s\r\nFrom: a@b\r\nSender: c@d\r\nReply-To: e@f\r\nTo: g@h\r\n"
             "Cc: i@j, k@l\r\nBcc: m@n\r\nIn-Reply-To: <o>\r\nMessage-ID: <p>\r\n\r\nSubject: "
             "body"),
         "(\"d\" \"s\" ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) ((NIL NIL \"e\" \"f\")) "
         "((NIL NIL \"g\" \"h\")) ((NIL NIL \"i\" \"j\")(NIL NIL \"k\" \"l\")) ((NIL NIL \"m\" "
         "\"n\")) "
         "\"<o>\" \"<p>\")"                                                                                                                          },
 /* Sender and Reply-To absent or empty are From; present but empty texts are "" */
        {STR_LIT("FROM: a@b\nsender: ;\nSubject:\nTo: ()\nDate: \t\n\n"),
         "(\"\" \"\" ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) "
         "NIL NIL NIL NIL "
         "NIL)"                                                                                                                                      },
 /* folding and ends; encoded words stay */
        {STR_LIT("Subject:  =?utf-8?q?a?=\n \t=?utf-8?q?b?= \r\n c  d\t\nIn-Reply-To: "
                 "<a>\n\t<b>\n\n"),
         "(NIL \"=?utf-8?q?a?= =?utf-8?q?b?= c  d\" NIL NIL NIL NIL NIL NIL \"<a> <b>\" NIL)"                                                        },
 /* quoted or literal; NUL goes */
        {STR_LIT("Subject: q\"\\q\nDate: j\xfc\n\n"),
         "({2}\r\nj\xfc \"q\\\"\\\\q\" NIL NIL NIL NIL NIL NIL NIL NIL)"                                                                             },
        {STR_LIT("Subject: \0a\0\0b\0\nDate: a\rb\n\n"),
         "({3}\r\na\rb {2}\r\nab NIL NIL NIL NIL NIL NIL NIL NIL)"                                                                                   },
 /* the first counts; address lists are one */
        {STR_LIT("Subject: a\nSubject: b\nTo: a@b\nTo:\nTo: c@d\n\n"),
         "(NIL \"a\" NIL NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")) NIL NIL NIL "
         "NIL)"                                                                                                                                      },
 /* M10 */
        {STR_LIT(
             " folded first\nno colon\n: no name\nSub\x80ject: x\nSubject : y\nFr om: a@b\n\n"),
         "(NIL \"y\" NIL NIL NIL NIL NIL NIL NIL NIL)"                                                                                               },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(envelope_of(rows[i].head), rows[i].want);
}

#define MISSING "\"MISSING_MAILBOX\" \"MISSING_DOMAIN\""

static const struct {
    const char *in, *want; /* of the field Bcc */
} lists[] = {
  /* RFC 5322 3.4 */
    {"a@b",                               "((NIL NIL \"a\" \"b\"))"                                                 },
    {" < a @ b > ",                       "((NIL NIL \"a\" \"b\"))"                                                 },
    {"Name <a@b>",                        "((\"Name\" NIL \"a\" \"b\"))"                                            },
    {"N.A. (x) O'Name <a@b> (y)",         "((\"N.A. O'Name\" NIL \"a\" \"b\"))"                                     },
    {"\"Na \\\"me\"  <a@b>",              "((\"Na \\\"me\" NIL \"a\" \"b\"))"                                       },
    {"\"a\" b\"c\" <a@b>",                "((\"a b c\" NIL \"a\" \"b\"))"                                           },
    {"\"a\n\tb\" <a@b>",                  "((\"a b\" NIL \"a\" \"b\"))"                                             },
    {"=?utf-8?q?x?= =?utf-8?q?y?= <a@b>",
     "((\"=?utf-8?q?x?= =?utf-8?q?y?=\" NIL \"a\" \"b\"))"                                                          },
    {"J\xfc <j\xfc@b\xfc>",               "(({2}\r\nJ\xfc NIL {2}\r\nj\xfc {2}\r\nb\xfc))"                          },
    {"\"a b\"@c, \"a\\\"b\"@c, \"\"@c",
     "((NIL NIL \"a b\" \"c\")(NIL NIL \"a\\\"b\" \"c\")(NIL NIL \"\" \"c\"))"                                      },
    {"a@[1.2.\n 3.4], a@[x",
     "((NIL NIL \"a\" \"[1.2. 3.4]\")(NIL NIL \"a\" \"MISSING_DOMAIN\"))"                                           },
    {"\"\" <a@b>",                        "((NIL NIL \"a\" \"b\"))"                                                 },
 /* the name of old: RFC 822's comment */
    {"a@b (Name (x) \\)\n y)",            "((\"Name (x) ) y\" NIL \"a\" \"b\"))"                                    },
    {"(x) a@b, (y) c@(z)d",               "((NIL NIL \"a\" \"b\")(\"z\" NIL \"c\" \"d\"))"                          },
    {"a@b ()",                            "((NIL NIL \"a\" \"b\"))"                                                 },
 /* groups */
    {"g h: a@b, c@d;, e@f",               "((NIL NIL \"g h\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL \"c\" "
                            "\"d\")(NIL NIL NIL NIL)(NIL NIL \"e\" \"f\"))"              },
    {"undisclosed-recipients:;",          "((NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL))"             },
    {"g: a@b; c@d",
     "((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)(NIL NIL \"c\" \"d\"))"                             },
    {"g: a@b",                            "((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL))"             },
    {"g: h: a@b;",                        "((NIL NIL \"g\" NIL)(NIL NIL \"h\" \"MISSING_DOMAIN\")(NIL NIL NIL NIL))"},
 /* RFC 5322 4.4: obsolete */
    {"a . \"b c\" . d @ e . f",           "((NIL NIL \"a.b c.d\" \"e.f\"))"                                         },
    {"N <@r1,,@r2:a@b>",                  "((\"N\" \"@r1,@r2\" \"a\" \"b\"))"                                       },
    {",,a@b,,c@d,",                       "((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))"                            },
 /* not quite addresses */
    {"a",                                 "((NIL NIL \"a\" \"MISSING_DOMAIN\"))"                                    },
    {"a b",                               "((\"a b\" NIL " MISSING "))"                                             },
    {"a b@c",                             "((\"a b\" NIL " MISSING "))"                                             },
    {"<a b@c>",                           "((NIL NIL \"a b\" \"c\"))"                                               },
    {"Name <>, <>",                       "((\"Name\" NIL " MISSING "))"                                            },
    {"@b, a@",                            "((NIL NIL \"MISSING_MAILBOX\" \"b\")(NIL NIL \"a\" \"MISSING_DOMAIN\"))" },
    {".a@b, a..b@c, a.@b",
     "((NIL NIL \".a\" \"b\")(NIL NIL \"a..b\" \"c\")(NIL NIL \"a.\" \"b\"))"                                       },
    {"a@b. , c@d..e",                     "((NIL NIL \"a\" \"b.\")(NIL NIL \"c\" \"d..e\"))"                        },
    {"Name <a@b",                         "((\"Name\" NIL \"a\" \"b\"))"                                            },
    {"Name <a@b> x, c@d",                 "((\"Name\" NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))"                       },
    {"a@b <c@d>, \"x, y\" e@f",           "((NIL NIL \"a\" \"b\")(\"x, y e\" NIL " MISSING "))"                     },
    {"[x] y <a@b>",                       "((\"[x] y\" NIL \"a\" \"b\"))"                                           },
    {"> a@b",                             "((NIL NIL \"a\" \"b\"))"                                                 },
    {"O\"Name <a@b>, \\ c@d",             "((\"O Name\" NIL \"a\" \"b\")(\"\\\\ c\" NIL " MISSING "))"              },
    {"a@b (never closed, c@d",            "((\"never closed, c@d\" NIL \"a\" \"b\"))"                               },
 /* M05 */
    {"((((",                              "NIL"                                                                     },
    {"<<<<",                              "NIL"                                                                     },
    {"(\\",                               "NIL"                                                                     },
    {":;:;",                              "NIL"                                                                     },
    {"\"",                                "NIL"                                                                     },
    {"",                                  "NIL"                                                                     },
    {";,;",                               "NIL"                                                                     },
    {"<@>",                               "NIL"                                                                     },
    {"\"\\",                              "((NIL NIL \"\\\\\" \"MISSING_DOMAIN\"))"                                 },
};

static void address_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct str head = arena_printf(&arena, "Bcc: %s\n\n", lists[i].in);
        struct str want =
            arena_printf(&arena, "(NIL NIL NIL NIL NIL NIL NIL %s NIL NIL)", lists[i].want);

        assert_string_equal(envelope_of(head), want.p);
    }
}

static unsigned count(const char *in, const char *what)
{
    unsigned n = 0;

    for (; (in = strstr(in, what)); in += strlen(what))
        n++;
    return n;
}

static struct str many(const char *before, const char *text, unsigned times)
{
    static struct buf b;

    buf_done(&b);
    buf_init(&b, OUT_BYTES_MAX);
    buf_add(&b, str_c(before));
    while (times--)
        buf_add(&b, str_c(text));
    return buf_str(&b);
}

static void m04_a_million_addresses(void **state)
{
    (void)state;
    assert_int_equal(count(envelope_of(many("Cc: ", "a@b,", 1000000)), "(NIL NIL \"a\" \"b\")"),
                     ENVELOPE_ADDRESSES);
    assert_int_equal(count(envelope_of(many("", "Cc: a@b\n", 100000)), "(NIL NIL \"a\" \"b\")"),
                     ENVELOPE_ADDRESSES);
    /* the mark at a group's end has its place; one is the beginning of ENVELOPE */
    assert_int_equal(count(envelope_of(many("Cc: g:", "a@b,", 1000000)), "(NIL NIL "),
                     ENVELOPE_ADDRESSES + 1);
    assert_int_equal(count(buf_c(&out), "(NIL NIL NIL NIL))"), 1);
    envelope_of(many("Cc: ", "g:;", 1000000));
    assert_int_equal(count(buf_c(&out), "(NIL NIL NIL NIL)"), ENVELOPE_ADDRESSES / 2);
}

/* M05: what could be looked at again for each of many */
static void m05_linear(void **state)
{
    static const char *texts[] = {"(",  "<",  "\"", "\\", "(\\", "\"a\\", "<@",  "@a,",
                                  "a:", ":;", "a.", "[",  "<(",  "\n ",   "a (", "\"x\" "};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        envelope_of(many("From: ", texts[i], (unsigned)(1000000 / strlen(texts[i]))));
}

static void strings(void **state)
{
    (void)state;
    imap_nstring(&out, (struct str){NULL, 0});
    imap_nstring(&out, STR(""));
    imap_nstring(&out, STR("a\tb\x7f"));
    imap_string(&out, STR("\n"));
    imap_string(&out, STR("\0"));
    assert_string_equal(buf_c(&out), "NIL\"\"\"a\tb\x7f\"{1}\r\n\n{0}\r\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(envelopes),  TEST(address_lists), TEST(m04_a_million_addresses),
        TEST(m05_linear), TEST(strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
