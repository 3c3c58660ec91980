/* What the queue says of letters: the words of XSPOOL, lists, journeys and reports. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "mta/queue/bounce.h"
#include "mta/queue/flags.h"
#include "mta/queue/listing.h"
#include "mta/queue/trace.h"
#include "mta/queue/words.h"

#include <stdlib.h>

static const uint8_t secret[MAP_SECRET_BYTES] = {1, 2, 3};

static struct id id_of(uint64_t n)
{
    uint8_t r[8];
    struct id id;

    memcpy(r, &n, 8);
    id_make(&id, 1795384281125, r);
    return id;
}

/* ---- flags ---- */

static void words_are_found(void **state)
{
    static const struct {
        struct str flags;
        const char *key;
        const char *want; /* NULL: not there */
    } rows[] = {
        {STR_LIT("via=msa 8bit wire=12"), "via",   "msa" },
        {STR_LIT("via=msa 8bit wire=12"), "8bit",  ""    },
        {STR_LIT("via=msa 8bit wire=12"), "wire",  "12"  },
        {STR_LIT("via=msa 8bit wire=12"), "wir",   NULL  },
        {STR_LIT("via=msa 8bit wire=12"), "wires", NULL  },
        {STR_LIT("helo=a+20b+3D"),        "helo",  "a b="},
        {STR_LIT("helo=a+2"),             "helo",  NULL  }, /* not xtext */
        {STR_LIT("helo="),                "helo",  ""    },
        {STR_LIT("  a=1   b=2 "),         "b",     "2"   },
        {STR_LIT(""),                     "a",     NULL  },
        {STR_LIT("   "),                  "a",     NULL  },
        {STR_LIT("xvia=1 via=2"),         "via",   "2"   },
    };
    struct arena a;
    struct str value;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool found = flags_find(rows[i].flags, rows[i].key, &a, &value);

        if (found != (rows[i].want != NULL) || (found && !str_eq(value, str_c(rows[i].want))))
            fail_msg("row %zu", i);
    }
    arena_done(&a);
}

/* ---- letters ---- */

static struct queue_letter *letter(struct smtp_mail mail, size_t n)
{
    struct queue_envelope e = {.id = id_of(1),
                               .arrived_ms = 1795384281125,
                               .size = 77,
                               .mail = mail,
                               .flags = STR_LIT("via=msa")};
    struct queue_address to[2] = {
        {.address = STR_LIT("bob@example.test"), .local = true                         },
        {.number = 1,                            .address = STR_LIT("x@elsewhere.test")}
    };

    return queue_letter_new(&e, to, n);
}

static void a_listing_shows_what_is_open(void **state)
{
    struct queue *q = queue_new(secret);
    struct queue_letter *l = letter((struct smtp_mail){.reverse_path = STR_LIT("a\"b@d")}, 2);
    struct listing_now now = {1795384281125 + 61999, 5000, NULL, NULL};
    uint32_t rcpts[2];
    struct trip trip;
    struct buf b;
    size_t n;

    (void)state;
    buf_init(&b, 65536);
    queue_add(q, l);
    listing_letter(&b, l, &now, NULL);
    assert_string_equal(
        buf_c(&b),
        "{\"id\": \"01m82kw2150000000000001\", \"sender\": \"a\\\"b@d\", \"recipients\": ["
        "{\"address\": \"bob@example.test\", \"state\": \"due\", \"next_try\": null, "
        "\"why\": \"waits for its turn\", \"reply\": \"\"}, "
        "{\"address\": \"x@elsewhere.test\", \"state\": \"due\", \"next_try\": null, "
        "\"why\": \"waits for its turn\", \"reply\": \"\"}], "
        "\"held\": false, \"size\": 77, \"age\": 61}");
    queue_take(q, QUEUE_LOCAL, 0, NULL, rcpts, 2, &n);
    queue_take(q, QUEUE_FAR, 0, &trip, rcpts, 2, &n);
    queue_end(q, l, 0, QUEUE_DONE);
    queue_defer(q, l, 1, 5000 + 1000, STR("no \"road\""));
    buf_clear(&b);
    listing_letter(&b, l, &now, NULL);
    assert_null(strstr(buf_c(&b), "bob@"));
    assert_non_null(strstr(buf_c(&b), "\"state\": \"later\", \"next_try\": \"2026-11-22T"));
    assert_non_null(strstr(buf_c(&b), "\"reply\": \"no \\\"road\\\"\""));
    queue_hold(q, l, true);
    buf_clear(&b);
    listing_letter(&b, l, &now, &STR("Subject: x\n"));
    assert_non_null(strstr(buf_c(&b), "\"state\": \"held\", \"next_try\": null"));
    assert_non_null(strstr(buf_c(&b), "\"held\": true"));
    assert_non_null(strstr(buf_c(&b), "\"head\": \"Subject: x\\u000a\""));
    assert_non_null(strstr(buf_c(&b), "\"flags\": \"via=msa\""));
    queue_free(q);
    buf_done(&b);
}

static void a_recipient_waits_for_something(void **state)
{
    static const struct {
        const char *reply;
        uint64_t wait_ms;
        const char *want;
    } rows[] = {
        {"450 4.7.1 greylisted (mx1.example.net[192.0.2.1])",           12 * 60000,
         "next try in 12 min; mx1.example.net said: 450 4.7.1 greylisted"                                                           },
        {"451 4.4.1 no connection in time (at mx.a.test[2001:db8::1])", 180000,
         "waits: mx.a.test: 451 4.4.1 no connection in time; next try in 3 min"                                                     },
        {"450 wait (a bit) (x.test)",                                   1000,       "next try in 1 s; x.test said: 450 wait (a bit)"},
        {"451 4.4.3 no address",                                        3600000,    "next try in 1 h; 451 4.4.3 no address"         },
        {"451 4.4.3 no ()",                                             5400000,    "next try in 1 h 30 min; 451 4.4.3 no ()"       },
        {"(",                                                           0,          "next try in 0 s; ("                            },
        {")",                                                           0,          "next try in 0 s; )"                            },
        {"",                                                            59999,      "next try in 59 s"                              },
    };
    struct listing_now now = {1795384281125, 5000, NULL, NULL};
    struct buf b;

    (void)state;
    buf_init(&b, 65536);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct queue *q = queue_new(secret);
        struct queue_letter *l = letter((struct smtp_mail){.reverse_path = STR_LIT("a@b")}, 1);
        char want[300];
        uint32_t rcpts[2];
        size_t n;

        queue_add(q, l);
        queue_take(q, QUEUE_LOCAL, 0, NULL, rcpts, 2, &n);
        buf_clear(&b);
        listing_letter(&b, l, &now, NULL);
        assert_non_null(strstr(buf_c(&b), "\"why\": \"being tried now\""));
        queue_defer(q, l, 0, 5000 + rows[i].wait_ms, str_c(rows[i].reply));
        buf_clear(&b);
        listing_letter(&b, l, &now, NULL);
        snprintf(want, sizeof(want), "\"why\": \"%s\"", rows[i].want);
        if (!strstr(buf_c(&b), want))
            fail_msg("row %zu: %s", i, buf_c(&b));
        queue_hold(q, l, true);
        buf_clear(&b);
        listing_letter(&b, l, &now, NULL);
        assert_non_null(strstr(buf_c(&b), "\"why\": \"held by you\""));
        queue_free(q);
    }
    buf_done(&b);
}

static void five_are_ahead(const void *arg, const struct queue_rcpt *r,
                           struct listing_ahead *out)
{
    *out = *(const struct listing_ahead *)arg;
    (void)r;
}

static void a_turn_is_waited_for(void **state)
{
    static const struct {
        struct listing_ahead ahead;
        const char *want;
    } rows[] = {
        {{false, "posta-mda", 0},      "\"waits for its turn\""                                },
        {{false, "posta-mta-send", 1},
         "\"waits for its turn: 1 letter to example.test under way\""                          },
        {{false, "posta-mta-send", 5},
         "\"waits for its turn: 5 letters to example.test under way\""                         },
        {{true, "posta-mta-send", 5},  "\"waits for its turn: posta-mta-send does not answer\""},
    };
    struct queue_letter *l = letter((struct smtp_mail){.reverse_path = STR_LIT("a@b")}, 1);
    struct buf b;

    (void)state;
    buf_init(&b, 65536);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct listing_now now = {1795384281125, 5000, five_are_ahead, &rows[i].ahead};

        buf_clear(&b);
        listing_letter(&b, l, &now, NULL);
        if (!strstr(buf_c(&b), rows[i].want))
            fail_msg("row %zu: %s", i, buf_c(&b));
    }
    queue_letter_free(l);
    buf_done(&b);
}

static void letters_are_chosen(void **state)
{
    static const struct {
        const char *filter;
        bool good, wanted;
    } rows[] = {
        {"",                                true,  true },
        {"to=bob@example.test",             true,  true },
        {"to=EXAMPLE.test",                 true,  true },
        {"to=ample.test",                   true,  false},
        {"to=elsewhere.test",               true,  true },
        {"to=bob",                          true,  false},
        {"from=a@b",                        true,  true },
        {"from=b",                          true,  true },
        {"from=<>",                         true,  false},
        {" from=a@b  to=x@Elsewhere.test ", true,  true },
        {"from=c@b to=elsewhere.test",      true,  false},
        {"to=a+20b",                        true,  false},
        {"to=",                             false, false},
        {"to=+2",                           false, false},
        {"to=a to=b",                       false, false},
        {"what=a",                          false, false},
    };
    struct queue_letter *l = letter((struct smtp_mail){.reverse_path = STR_LIT("a@b")}, 2);
    struct queue_letter *bounce = letter((struct smtp_mail){.reverse_path = STR_LIT("")}, 1);
    struct listing_filter f;
    struct arena a;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool good = listing_filter_parse(str_c(rows[i].filter), &a, &f);

        if (good != rows[i].good || (good && listing_wanted(&f, l) != rows[i].wanted))
            fail_msg("row %zu", i);
    }
    assert_true(listing_filter_parse(STR("from=<>"), &a, &f));
    assert_true(listing_wanted(&f, bounce));
    queue_letter_free(l);
    queue_letter_free(bounce);
    arena_done(&a);
}

/* ---- journeys ---- */

static void a_journey_becomes_an_object_a_hop(void **state)
{
    struct id id = id_of(1);
    struct buf text, out;

    (void)state;
    buf_init(&text, 4096);
    buf_init(&out, 4096);
    trace_add_hop(&text, 1795384281125, "msa", STR("accepted\nfrom \"x\"\tand y"));
    trace_add_hop(&text, 0, "queue", STR(""));
    trace_print_hops(&out, &id, buf_str(&text));
    assert_string_equal(buf_c(&out), "{\"id\": \"01m82kw2150000000000001\", \"time\": "
                                     "\"2026-11-22T21:51:21.125Z\", \"box\": "
                                     "\"msa\", \"text\": \"accepted from \\\"x\\\" and y\"}\n"
                                     "{\"id\": \"01m82kw2150000000000001\", \"time\": "
                                     "\"1970-01-01T00:00:00.000Z\", \"box\": "
                                     "\"queue\", \"text\": \"\"}\n");
    buf_clear(&out);
    trace_print_hops(&out, &id, STR("not a hop\n12\tbox\n"));
    assert_int_equal(out.n, 0);
    buf_done(&text);
    buf_done(&out);
}

/* ---- bounces ---- */

/* RFC 3461 5.2: what NOTIFY asks for, by what became of the recipient. */
static void who_is_told_of_what(void **state)
{
    enum { F = SMTP_NOTIFY_FAILURE, D = SMTP_NOTIFY_DELAY, S = SMTP_NOTIFY_SUCCESS };
    static const struct {
        struct str sender, flags, auth;
        unsigned notify;
        bool deleted, failed, delayed, success;
    } rows[] = {
        {STR_LIT("a@d"), STR_LIT("via=msa"),                  STR_LIT("a@d"), 0,                 false, true,  true,  false},
        {STR_LIT("a@d"), STR_LIT("via=sendmail"),             STR_LIT(""),    0,                 false, true,  true,  false},
        {STR_LIT("a@d"), STR_LIT("via=msa"),                  STR_LIT("a@d"), F,                 false, true,  false, false},
        {STR_LIT("a@d"), STR_LIT("via=msa"),                  STR_LIT("a@d"), D,                 false, false, true,  false},
        {STR_LIT("a@d"), STR_LIT("via=msa"),                  STR_LIT("a@d"), S,                 false, false, false, true },
        {STR_LIT("a@d"), STR_LIT("via=msa"),                  STR_LIT("a@d"), F | D | S,         false, true,  true,
         true                                                                                                              },
        {STR_LIT("a@d"), STR_LIT("via=msa"),                  STR_LIT("a@d"), SMTP_NOTIFY_NEVER, false, false,
         false,                                                                                                       false},
        {STR_LIT("a@d"), STR_LIT("via=msa"),                  STR_LIT("a@d"), F | D | S,         true,  false, false,
         false                                                                                                             },
 /* A24 */
        {STR_LIT(""),    STR_LIT("via=msa"),                  STR_LIT("a@d"), 0,                 false, false, false, false},
        {STR_LIT(""),    STR_LIT("via=receive"),              STR_LIT(""),    F | D | S,         false, false, false,
         false                                                                                                             },
 /* a stranger, who can have written any name there: what must be, what is asked for */
        {STR_LIT("a@d"), STR_LIT("via=receive peer=::1"),     STR_LIT(""),    0,                 false, true,  false,
         false                                                                                                             },
        {STR_LIT("a@d"), STR_LIT("via=receive"),              STR_LIT(""),    D,                 false, false, true,  false},
        {STR_LIT("a@d"), STR_LIT("via=receive"),              STR_LIT("a@d"), 0,                 false, true,  true,  false},
        {STR_LIT("a@d"), STR_LIT("via=receive relay wire=1"), STR_LIT(""),    0,                 false, true,  true,
         false                                                                                                             },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct queue_letter *l =
            letter((struct smtp_mail){.reverse_path = rows[i].sender, .auth = rows[i].auth}, 1);
        unsigned n = rows[i].notify;

        l->env.flags = rows[i].flags;
        l->deleted = rows[i].deleted;
        if (bounce_wanted(l, n, DSN_FAILED) != rows[i].failed ||
            bounce_wanted(l, n, DSN_DELAYED) != rows[i].delayed ||
            bounce_wanted(l, n, DSN_DELIVERED) != rows[i].success ||
            bounce_wanted(l, n, DSN_RELAYED) != rows[i].success ||
            bounce_wanted(l, n, DSN_EXPANDED) != rows[i].success)
            fail_msg("row %zu", i);
        queue_letter_free(l);
    }
}

static void words_go_to_and_fro(void **state)
{
    static const struct {
        struct result r;
        const char *want;
    } rows[] = {
        {{.reply = {550, STR_LIT("5.1.1"), STR_LIT("No such user")},
          .host = STR_LIT("mx.b.test"),
          .ip = STR_LIT("192.0.2.7"),
          .said = true},
         "550 5.1.1 No such user (mx.b.test[192.0.2.7])"              },
        {{.reply = {451, STR_LIT("4.4.1"), STR_LIT("no connection in time")},
          .host = STR_LIT("mx.b.test"),
          .ip = STR_LIT("2001:db8::7"),
          .said = false},
         "451 4.4.1 no connection in time (at mx.b.test[2001:db8::7])"},
        {{.reply = {452, STR_LIT("4.2.2"), STR_LIT("this mailbox is full (quite full)")},
          .host = STR_LIT(""),
          .ip = STR_LIT(""),
          .said = true},
         "452 4.2.2 this mailbox is full (quite full)"                },
        {{.reply = {450, STR_LIT(""), STR_LIT("later")},
          .host = STR_LIT("mx.b.test"),
          .ip = STR_LIT(""),
          .said = true},
         "450 later (mx.b.test)"                                      },
    };
    static const char *const odd[] = {"",         "x",    "()",          " (",
                                      "451",      "451 ", "999 x",       "451 4.4.1 (a b)",
                                      "(x) said", "(x)",  "451 x ([1])", "451 x (a[1)"};
    struct buf b;

    (void)state;
    buf_init(&b, WORDS_BYTES);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct result *r = &rows[i].r;

        buf_clear(&b);
        words_print(&b, r);
        assert_string_equal(buf_c(&b), rows[i].want);
        struct result back = words_parse(buf_str(&b));
        assert_int_equal(back.reply.code, r->reply.code);
        assert_true(str_eq(back.reply.enhanced, r->reply.enhanced));
        assert_true(str_eq(back.reply.text, r->reply.text));
        assert_true(str_eq(back.host, r->host) && str_eq(back.ip, r->ip));
        assert_int_equal(back.said, r->said);
    }
    buf_done(&b);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        assert_int_equal(words_parse(str_c(odd[i])).host.n, 0);
}

/* What another server said may be part of words of ours: it names no host by that. */
static void words_without_a_host_never_have_one(void **state)
{
    static const char *const texts[] = {
        "not tried now, since the last try failed: mx.b.test[192.0.2.7]: busy (G1)",
        "busy (at mx.other.test[192.0.2.8])", "busy (x) (y)"};
    struct buf b;

    (void)state;
    buf_init(&b, WORDS_BYTES);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct result r = {
            .reply = {451, STR_LIT("4.4.1"), str_c(texts[i])},
            .host = STR_LIT(""),
            .ip = STR_LIT("")
        };

        buf_clear(&b);
        words_print(&b, &r);
        assert_int_equal(words_parse(buf_str(&b)).host.n, 0);
        assert_non_null(strstr(buf_c(&b), texts[i]));
    }
    buf_done(&b);
}

static struct str bounce_text(struct buf *out, enum dsn_action what, enum smtp_ret ret,
                              struct str flags, struct str original)
{
    struct queue_letter *l = letter((struct smtp_mail){.reverse_path = STR_LIT("a@d"),
                                                       .envid = STR_LIT("QQ314"),
                                                       .ret = ret},
                                    2);
    struct id id = id_of(2);
    struct dsn_rcpt r = {.final = l->rcpts[0].address,
                         .action = what,
                         .status = STR_LIT("5.1.1"),
                         .code = 550,
                         .diagnostic = STR_LIT("O03 \r\n\x1b[31m no"),
                         .remote = STR_LIT("mx.b.test"),
                         .said = true};

    l->env.flags = flags;
    struct bounce *b =
        bounce_new(l, what, &id, STR("mail.example.test"), STR("a@d"), 1795384282000);
    bounce_add(b, &r);
    r.final = l->rcpts[1].address;
    r.code = 0;
    bounce_add(b, &r);
    queue_letter_free(l); /* the report needs nothing of it any more */
    buf_clear(out);
    bounce_print(out, b, original);
    bounce_free(b);
    assert_false(buf_failed(out));
    return (struct str){buf_c(out), out->n};
}

static void a_bounce_says_what_failed_and_returns_the_letter(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4 << 20);
    struct str t = bounce_text(&out, DSN_FAILED, SMTP_RET_UNSET, STR("via=msa"),
                               STR("Subject: hi\n\nbody of it\n"));
    static const char *const must[] = {"MAILER-DAEMON@mail.example.test",
                                       "To: <a@d>",
                                       "multipart/report",
                                       "Original-Envelope-Id: QQ314",
                                       "Final-Recipient: rfc822; bob@example.test",
                                       "Final-Recipient: rfc822; x@elsewhere.test",
                                       "Action: failed",
                                       "Status: 5.1.1",
                                       "Diagnostic-Code: smtp; 550 5.1.1 O03",
                                       "Subject: hi",
                                       "body of it"};
    for (size_t i = 0; i < sizeof(must) / sizeof(must[0]); i++)
        if (!strstr(t.p, must[i]))
            fail_msg("no \"%s\" in:\n%s", must[i], t.p);
    assert_null(strchr(t.p, '\r'));
    assert_null(strchr(t.p, '\x1b'));
    buf_done(&out);
}

/* RFC 3461 4.3: only a failure brings the letter back, and a stranger's only to who asked. */
static void what_comes_back(void **state)
{
    static const struct {
        enum dsn_action what;
        enum smtp_ret ret;
        struct str flags;
        bool whole;
    } rows[] = {
        {DSN_FAILED,    SMTP_RET_UNSET, STR_LIT("via=msa"),           true },
        {DSN_FAILED,    SMTP_RET_FULL,  STR_LIT("via=msa"),           true },
        {DSN_FAILED,    SMTP_RET_HDRS,  STR_LIT("via=msa"),           false},
        {DSN_FAILED,    SMTP_RET_UNSET, STR_LIT("via=receive"),       false},
        {DSN_FAILED,    SMTP_RET_FULL,  STR_LIT("via=receive"),       true },
        {DSN_FAILED,    SMTP_RET_UNSET, STR_LIT("via=receive relay"), true },
        {DSN_DELAYED,   SMTP_RET_FULL,  STR_LIT("via=msa"),           false},
        {DSN_DELIVERED, SMTP_RET_FULL,  STR_LIT("via=msa"),           false},
        {DSN_RELAYED,   SMTP_RET_FULL,  STR_LIT("via=msa"),           false},
        {DSN_EXPANDED,  SMTP_RET_FULL,  STR_LIT("via=msa"),           false},
    };
    struct buf out;

    (void)state;
    buf_init(&out, 4 << 20);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str t = bounce_text(&out, rows[i].what, rows[i].ret, rows[i].flags,
                                   STR("Subject: hi\n\nits body"));

        if ((strstr(t.p, "its body") != NULL) != rows[i].whole ||
            !strstr(t.p, "\nSubject: hi\n"))
            fail_msg("row %zu", i);
    }
    buf_done(&out);
}

static void long_letters_return_the_head_alone(void **state)
{
    static char many[DSN_LETTER_BYTES + 1];
    struct str head = STR_LIT("Subject: hi\n\n"), too_long = {many, sizeof(many)};
    struct str longest = {many, DSN_LETTER_BYTES};
    struct buf out;

    (void)state;
    buf_init(&out, 4 << 20);
    memset(many, '\n', sizeof(many));
    memcpy(many, head.p, head.n);
    memcpy(many + head.n, "zzz", 3);
    bounce_text(&out, DSN_FAILED, SMTP_RET_FULL, STR("via=msa"), too_long);
    assert_null(strstr(out.p, "zzz"));
    assert_non_null(strstr(out.p, "Subject: hi"));
    bounce_text(&out, DSN_FAILED, SMTP_RET_FULL, STR("via=msa"), longest);
    assert_non_null(strstr(out.p, "zzz"));
    bounce_text(&out, DSN_FAILED, SMTP_RET_FULL, STR("via=msa"), STR("")); /* not to be read */
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_found),
        cmocka_unit_test(a_listing_shows_what_is_open),
        cmocka_unit_test(a_recipient_waits_for_something),
        cmocka_unit_test(a_turn_is_waited_for),
        cmocka_unit_test(letters_are_chosen),
        cmocka_unit_test(a_journey_becomes_an_object_a_hop),
        cmocka_unit_test(who_is_told_of_what),
        cmocka_unit_test(words_go_to_and_fro),
        cmocka_unit_test(words_without_a_host_never_have_one),
        cmocka_unit_test(a_bounce_says_what_failed_and_returns_the_letter),
        cmocka_unit_test(what_comes_back),
        cmocka_unit_test(long_letters_return_the_head_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
