#include "tests/imap_world.h"

#include "imapd/session_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LOG_BYTES = 64 << 20 };

#define HELLO \
    "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE AUTH=PLAIN] posta ready\r\n"
#define USER_CAPABILITIES                                                                     \
    "CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE "  \
    "ESEARCH CONDSTORE LIST-EXTENDED LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE " \
    "QUOTA"
#define LOGIN_IN      "l LOGIN alice@example.test secret\r\n"
#define LOGGED_IN     "l OK [" USER_CAPABILITIES "] logged in\r\n"
#define SELECT_IN     LOGIN_IN "s SELECT INBOX\r\n"
#define SELECTED_HERE LOGGED_IN "s OK [READ-WRITE] done\r\n"

/* What is said from the greeting to the end, to `in` in pieces of `step`. */
struct talk {
    struct imap_world w;
    struct imap_session *s;
    struct buf log, heard;
    enum imap_want last;
};

static const bool yes = true;

static void talk_begin(struct talk *t)
{
    world_init(&t->w);
    t->w.tells_tls = true;
    buf_init(&t->log, LOG_BYTES);
    buf_init(&t->heard, LOG_BYTES);
    t->s = NULL;
}

static void talk_turn(struct talk *t)
{
    t->last = world_turn(&t->w, t->s, &t->log);
}

static void talk_start(struct talk *t)
{
    t->s = imap_new(&t->w.config, false);
    talk_turn(t);
}

static void talk_say(struct talk *t, struct str in, size_t step)
{
    while (in.n && t->last == IMAP_WANT_INPUT) {
        struct str part = str_first(in, step);

        imap_feed(t->s, part);
        in = str_skip(in, part.n);
        talk_turn(t);
    }
}

static void talk_end(struct talk *t)
{
    imap_free(t->s);
    world_done(&t->w);
    buf_done(&t->log);
    buf_done(&t->heard);
}

static void assert_log(struct talk *t, const char *want)
{
    struct str got = buf_str(&t->log);

    if (!str_eq(got, str_c(want)))
        fail_msg("got:\n%.*s\nwant:\n%s", STR_ARGS(str_first(got, 3000)), want);
    buf_clear(&t->log);
}

/* Whole, in single bytes, in sevens. */
static void expect_with(void (*change)(struct imap_world *w), struct str in, const char *want,
                        bool closed)
{
    static const size_t steps[] = {SIZE_MAX, 1, 7};

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct talk t;

        talk_begin(&t);
        if (change)
            change(&t.w);
        talk_start(&t);
        talk_say(&t, in, steps[i]);
        assert_log(&t, want);
        assert_int_equal(t.last, closed ? IMAP_WANT_CLOSE : IMAP_WANT_INPUT);
        talk_end(&t);
    }
}

static void expect(struct str in, const char *want)
{
    expect_with(NULL, in, want, false);
}

static void expect_close(struct str in, const char *want)
{
    expect_with(NULL, in, want, true);
}

static void any_state(void **state)
{
    (void)state;
    expect(STR("a CAPABILITY\r\nb NOOP\r\n"),
           HELLO "* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE AUTH=PLAIN\r\n"
                 "a OK that is what there is\r\nb OK done\r\n");
    expect_close(STR("a logout\r\nb NOOP\r\n"),
                 HELLO "* BYE until next time\r\na OK logged out\r\n");
    expect(STR("a ID (\"name\" \"x\")\r\n"),
           HELLO "* ID (\"name\" \"posta\" \"version\" \"1\")\r\na OK pleased to meet you\r\n");
    expect(STR(LOGIN_IN "a NAMESPACE\r\nb ENABLE X CONDSTORE\r\nc ENABLE X\r\n"),
           HELLO LOGGED_IN
           "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\na OK done\r\n"
           "* ENABLED CONDSTORE\r\nb OK enabled\r\n* ENABLED\r\nc OK enabled\r\n");
    expect(STR(LOGIN_IN "a SETQUOTA \"\" (STORAGE 1)\r\n"),
           HELLO LOGGED_IN "a NO [NOPERM] limits are set by who runs the server\r\n");
}

static void states(void **state)
{
    (void)state;
    expect(STR("a SELECT INBOX\r\nb FETCH 1 FLAGS\r\n"),
           HELLO "a BAD log in first\r\nb BAD log in first\r\n");
    expect(STR(LOGIN_IN "a LOGIN x y\r\nb FETCH 1 FLAGS\r\nc STARTTLS\r\n"),
           HELLO LOGGED_IN "a BAD you are logged in already\r\nb BAD select a mailbox first\r\n"
                           "c BAD you are logged in already\r\n");
    expect(STR(SELECT_IN "a FETCH 1 FLAGS\r\nb SELECT nowhere\r\nc CHECK\r\n"),
           HELLO SELECTED_HERE "* 1 FETCH (UID 1)\r\na OK done\r\n"
                               "b NO [NONEXISTENT] done\r\nc BAD select a mailbox first\r\n");
    expect(STR(SELECT_IN "a CLOSE\r\nb CHECK\r\n"),
           HELLO SELECTED_HERE "a OK done\r\nb BAD select a mailbox first\r\n");
}

static void words_for_bad_commands(void **state)
{
    (void)state;
    expect(STR("a FOO\r\n\r\n* NOOP\r\na\r\na LOGIN x\r\n"),
           HELLO "a BAD unknown command\r\n"
                 "* BAD a command begins with a tag, letters and digits, and a space\r\n"
                 "* BAD a command begins with a tag, letters and digits, and a space\r\n"
                 "* BAD a command begins with a tag, letters and digits, and a space\r\n"
                 "a BAD LOGIN takes a name and a password; 8-bit text goes into a literal\r\n");
    expect(STR("a NO\0OP\r\nb NOOP\r\n"),
           HELLO "a BAD lines end in CRLF, and hold no NUL, CR or LF\r\nb OK done\r\n");
    expect_close(STR("GET / HTTP/1.1\r\nHost: x\r\n"), HELLO "* BYE this is IMAP\r\n");
}

static void two_bad(struct imap_world *w)
{
    w->config.bad_commands = 2;
}

static void too_many_bad_commands(void **state)
{
    (void)state;
    expect_with(two_bad, STR("a FOO\r\nb NOOP\r\nc FOO\r\nd NOOP\r\n"),
                HELLO "a BAD unknown command\r\nb OK done\r\nc BAD unknown command\r\n"
                      "* BYE too many bad commands\r\n",
                true);
    /* who is logged in and gets things right now and then makes mistakes */
    expect_with(two_bad, STR(LOGIN_IN "a FOO\r\nb NOOP\r\nc FOO\r\nd NOOP\r\n"),
                HELLO LOGGED_IN
                "a BAD unknown command\r\nb OK done\r\nc BAD unknown command\r\n"
                "d OK done\r\n",
                false);
}

static void three_early(struct imap_world *w)
{
    w->config.junk_commands = 3;
}

static void too_much_before_the_login(void **state)
{
    (void)state;
    expect_with(three_early, STR("a NOOP\r\nb ID NIL\r\nc NOOP\r\nd NOOP\r\ne NOOP\r\n"),
                HELLO "a OK done\r\n* ID (\"name\" \"posta\" \"version\" \"1\")\r\n"
                      "b OK pleased to meet you\r\nc OK done\r\n"
                      "* BYE too many commands without a login\r\n",
                true);
    expect_with(
        three_early, STR("a NOOP\r\nb NOOP\r\n" LOGIN_IN "c NOOP\r\nd NOOP\r\ne NOOP\r\n"),
        HELLO "a OK done\r\nb OK done\r\n" LOGGED_IN "c OK done\r\nd OK done\r\ne OK done\r\n",
        false);
}

static void log_in(void **state)
{
    static const char *const good[] = {
        "l LOGIN \"alice@example.test\" \"secret\"\r\n",
        "l LOGIN {18+}\r\nalice@example.test {6+}\r\nsecret\r\n",
        "l AUTHENTICATE plain AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        expect(str_c(good[i]), HELLO LOGGED_IN);
    expect(STR("l LOGIN {18}\r\nalice@example.test {6}\r\nsecret\r\n"),
           HELLO "+ go on\r\n+ go on\r\n" LOGGED_IN);
    expect(STR("l AUTHENTICATE PLAIN\r\nAGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=\r\n"),
           HELLO "+ \r\n" LOGGED_IN);
    expect(STR("a AUTHENTICATE PLAIN\r\n*\r\nb AUTHENTICATE PLAIN\r\n!\r\nc NOOP\r\n"),
           HELLO "+ \r\na BAD cancelled\r\n+ \r\nb BAD that is not base64\r\nc OK done\r\n");
    expect(STR("a AUTHENTICATE PLAIN !\r\nb AUTHENTICATE CRAM-MD5\r\n"),
           HELLO "a BAD that is not base64\r\nb NO that mechanism is not offered\r\n");
    expect(STR("a AUTHENTICATE PLAIN =\r\n"),
           HELLO "a NO [AUTHENTICATIONFAILED] name or password is wrong\r\n");
    expect_close(STR("a LOGIN x y\r\nb LOGIN x y\r\nc LOGIN x y\r\nd LOGIN x y\r\n"),
                 HELLO "a NO [AUTHENTICATIONFAILED] name or password is wrong\r\n"
                       "b NO [AUTHENTICATIONFAILED] name or password is wrong\r\n"
                       "c NO [AUTHENTICATIONFAILED] name or password is wrong\r\n"
                       "* BYE too many wrong passwords\r\n");
}

static void away(struct imap_world *w)
{
    w->refuses = true;
    w->refusal = IMAP_TEMP;
}

static void off(struct imap_world *w)
{
    w->refuses = true;
    w->refusal = IMAP_DISABLED;
}

static void no_login_today(void **state)
{
    (void)state;
    expect_with(away, STR("a LOGIN x y\r\n"),
                HELLO "a NO [UNAVAILABLE] names cannot be looked up now, try again later\r\n",
                false);
    expect_with(off, STR("a LOGIN x y\r\n"),
                HELLO "a NO [CONTACTADMIN] the account is switched off\r\n", false);
}

static void in_clear(struct imap_world *w)
{
    w->config.clear_auth = false;
    w->config.starttls = true;
    w->config.transcript = &yes;
}

#define HELLO_CLEAR                                                                        \
    "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE STARTTLS LOGINDISABLED] posta " \
    "ready\r\n"
#define PRIVACY "NO [PRIVACYREQUIRED] send STARTTLS first: no password may travel in clear\r\n"

static void t20_no_password_in_clear(void **state)
{
    struct talk t;

    (void)state;
    expect_with(in_clear, STR("a LOGIN alice@example.test secret\r\n"),
                HELLO_CLEAR "a " PRIVACY, false);
    expect_with(in_clear, STR("a LOGIN {18}\r\nb NOOP\r\n"),
                HELLO_CLEAR "a " PRIVACY "b OK done\r\n", false);
    expect_with(in_clear, STR("a LOGIN {3+}\r\nbob {2+}\r\nxx\r\nb NOOP\r\n"),
                HELLO_CLEAR "a " PRIVACY "b OK done\r\n", false);
    expect_with(in_clear, STR("a AUTHENTICATE PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=\r\n"),
                HELLO_CLEAR "a " PRIVACY, false);
    talk_begin(&t);
    in_clear(&t.w);
    talk_start(&t);
    talk_say(&t, STR("a LOGIN alice@example.test secret\r\n"), SIZE_MAX);
    assert_int_equal(t.w.logins, 0);
    talk_end(&t);
}

static void t02_starttls(void **state)
{
    struct talk t;

    (void)state;
    talk_begin(&t);
    in_clear(&t.w);
    talk_start(&t);
    talk_say(&t, STR("a STARTTLS\r\nb LOGIN alice@example.test secret\r\n"), SIZE_MAX);
    assert_log(&t, HELLO_CLEAR "a BAD nothing may follow STARTTLS before TLS has begun\r\n"
                               "* BYE what came behind STARTTLS may be somebody else's\r\n");
    assert_int_equal(t.last, IMAP_WANT_CLOSE);
    assert_int_equal(t.w.logins, 0);
    talk_end(&t);

    talk_begin(&t);
    in_clear(&t.w);
    talk_start(&t);
    talk_say(&t, STR("a STARTTLS\r\n"), 1);
    assert_int_equal(t.last, IMAP_WANT_STARTTLS);
    imap_feed(t.s, STR("b LOGIN alice@example.test secret\r\n"));
    imap_tls_started(t.s);
    talk_turn(&t);
    assert_log(&t, HELLO_CLEAR "a OK begin TLS\r\n");
    talk_say(&t, STR("c CAPABILITY\r\nd STARTTLS\r\n" LOGIN_IN), SIZE_MAX);
    assert_log(&t, "* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE AUTH=PLAIN\r\n"
                   "c OK that is what there is\r\nd BAD TLS is there already\r\n" LOGGED_IN);
    talk_end(&t);
    expect(STR("a STARTTLS\r\n"), HELLO "a BAD TLS is not available\r\n");
}

static void i01_literals(void **state)
{
    (void)state;
    expect(STR("a LOGIN {4294967295}\r\nb NOOP\r\n"),
           HELLO "a BAD [TOOBIG] that is too much for a command\r\nb OK done\r\n");
    expect_close(STR("a LOGIN {4294967295+}\r\n"),
                 HELLO "* BYE [TOOBIG] that is too much for a command\r\n");
    expect_close(STR("a LOGIN {8192+}\r\n"),
                 HELLO "* BYE [TOOBIG] that is too much for a command\r\n");
    expect_close(STR("a FOO {8192+}\r\n"),
                 HELLO "* BYE [TOOBIG] that is too much for a command\r\n");
    expect(STR("a FOO {3+}\r\nabc\r\nb SELECT {5}\r\nc NOOP\r\n"),
           HELLO "a BAD unknown command\r\nb BAD log in first\r\nc OK done\r\n");
    expect(STR(LOGIN_IN "a SELECT {1048576}\r\nb NOOP\r\n"),
           HELLO LOGGED_IN "a BAD [TOOBIG] that is too much for a command\r\nb OK done\r\n");
    expect_close(STR(LOGIN_IN "a SELECT {1048577+}\r\n"),
                 HELLO LOGGED_IN "* BYE [TOOBIG] that is too much for a command\r\n");
    expect(STR(LOGIN_IN "a DELETE {5}\r\nINBOX\r\n"),
           HELLO LOGGED_IN "+ go on\r\na OK done\r\n");
}

static void i02_i03_sizes_that_are_none(void **state)
{
    static const char *const none[] = {"{-1}", "{0x10}", "{1e3}", "{ 5}", "{5 }", "{5", "{}"};

    (void)state;
    expect(STR(LOGIN_IN "a APPEND INBOX {9999999999999999999}\r\n"
                        "b APPEND INBOX {99999999999999999999}\r\nc NOOP\r\n"),
           HELLO LOGGED_IN "a NO [TOOBIG] the message is too large\r\n"
                           "b BAD [TOOBIG] a number is too large\r\nc OK done\r\n");
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        struct buf in;

        buf_init(&in, 200);
        buf_addf(&in, "a LOGIN %s\r\nb NOOP\r\n", none[i]);
        expect(buf_str(&in), HELLO
               "a BAD LOGIN takes a name and a password; 8-bit text goes into a literal\r\n"
               "b OK done\r\n");
        buf_done(&in);
    }
}

static void i04_i05_strings(void **state)
{
    (void)state;
    expect(STR("a LOGIN {3+}\r\na\0b x\r\nb LOGIN \"x\0y\" z\r\nc LOGIN \"\\\r\nd LOGIN "
               "\"a\rb\" x\r\n"
               "e LOGIN \"\xc3\xa4\" x\r\n"),
           HELLO "a BAD LOGIN takes a name and a password; 8-bit text goes into a literal\r\n"
                 "b BAD lines end in CRLF, and hold no NUL, CR or LF\r\n"
                 "c BAD LOGIN takes a name and a password; 8-bit text goes into a literal\r\n"
                 "d BAD lines end in CRLF, and hold no NUL, CR or LF\r\n"
                 "e BAD LOGIN takes a name and a password; 8-bit text goes into a literal\r\n");
}

static void flood(const char *head, char c, size_t n)
{
    struct talk t;

    talk_begin(&t);
    talk_start(&t);
    talk_say(&t, str_c(head), SIZE_MAX);
    for (size_t i = 0; i < n && t.last == IMAP_WANT_INPUT; i++)
        talk_say(&t, (struct str){&c, 1}, 1);
    assert_int_equal(t.last, IMAP_WANT_CLOSE);
    assert_log(&t, HELLO "* BYE [TOOBIG] the line is too long\r\n");
    talk_end(&t);
}

static void i06_i08_floods(void **state)
{
    (void)state;
    flood("", '(', 1000000);
    flood("", '{', 1000000);
    flood("a LOGIN \"", ')', 1000000);
    flood("", '\n', 1000000);
}

/* After 1,000 of them the command is over; what is passed over is not endless either. */
static void i07_many_literals(void **state)
{
    struct talk t;

    (void)state;
    talk_begin(&t);
    talk_start(&t);
    talk_say(&t, STR(LOGIN_IN "a LIST \"\" ("), SIZE_MAX);
    buf_clear(&t.log);
    for (int i = 0; i < 100000; i++)
        talk_say(&t, i ? STR(" {1+}\r\nx") : STR("{1+}\r\nx"), SIZE_MAX);
    assert_log(&t, "a BAD [TOOBIG] that is too much for a command\r\n"
                   "* BYE [TOOBIG] the line is too long\r\n");
    talk_end(&t);
}

static void append(void **state)
{
    (void)state;
    expect(STR(LOGIN_IN "a APPEND INBOX (\\Seen) {4}\r\na\r\nb\r\n"),
           HELLO LOGGED_IN "+ go on\r\na OK [APPENDUID 1 2] done\r\n");
    expect(STR(LOGIN_IN "a APPEND {5+}\r\nINBOX {4+}\r\na\r\nb\r\nb NOOP\r\n"),
           HELLO LOGGED_IN "a OK [APPENDUID 1 2] done\r\nb OK done\r\n");
    expect(STR(LOGIN_IN "a APPEND nowhere {4}\r\nb NOOP\r\n"),
           HELLO LOGGED_IN "a NO [TRYCREATE] done\r\nb OK done\r\n");
    expect(STR(LOGIN_IN "a APPEND nowhere {4+}\r\nabcd\r\nb NOOP\r\n"),
           HELLO LOGGED_IN "a NO [TRYCREATE] done\r\nb OK done\r\n");
    expect(STR(LOGIN_IN "a APPEND INBOX {1048577}\r\nb NOOP\r\n"),
           HELLO LOGGED_IN "a NO [TOOBIG] the message is too large\r\nb OK done\r\n");
    expect(STR(LOGIN_IN "a APPEND INBOX ~{4+}\r\nabcd\r\nb NOOP\r\n"),
           HELLO LOGGED_IN "a BAD literal8 is not offered: BINARY is no capability of this "
                           "server\r\nb OK done\r\n");
    expect(STR(LOGIN_IN "a APPEND INBOX (\\Recent) {4+}\r\nabcd\r\nb NOOP\r\n"),
           HELLO LOGGED_IN "a BAD APPEND takes a mailbox, perhaps flags and a date, and a "
                           "literal\r\nb OK done\r\n");
    expect(STR(LOGIN_IN "a APPEND INBOX text\r\n"), HELLO LOGGED_IN
           "a BAD APPEND takes a mailbox, perhaps flags and a date, and a literal\r\n");
    expect(STR("a APPEND INBOX {4+}\r\nabcd\r\nb NOOP\r\n"),
           HELLO "a BAD log in first\r\nb OK done\r\n");
    expect_close(STR(LOGIN_IN "a APPEND INBOX {2000000000+}\r\n"),
                 HELLO LOGGED_IN "a NO [TOOBIG] the message is too large\r\n"
                                 "* BYE [TOOBIG] that is too much to be passed over\r\n");
}

static void i19_no_octets(void **state)
{
    (void)state;
    expect(STR(LOGIN_IN "a APPEND INBOX {0}\r\nb APPEND INBOX {0+}\r\n\r\nc NOOP\r\n"),
           HELLO LOGGED_IN "a NO [CANNOT] a message of no octets is none\r\n"
                           "b NO [CANNOT] a message of no octets is none\r\nc OK done\r\n");
}

static void append_with_more_behind(void **state)
{
    (void)state;
    expect(STR(LOGIN_IN "a APPEND INBOX {2+}\r\nab x\r\nb NOOP\r\n"),
           HELLO LOGGED_IN "a BAD nothing may stand behind the message\r\nb OK done\r\n");
    expect(STR(LOGIN_IN "a APPEND INBOX {2+}\r\nab {2+}\r\ncd\r\nb NOOP\r\n"),
           HELLO LOGGED_IN "a BAD one message at a time: MULTIAPPEND is not offered\r\n"
                           "b OK done\r\n");
    expect(STR(LOGIN_IN "a APPEND INBOX {2+}\r\nab\0\r\nb NOOP\r\n"), HELLO LOGGED_IN
           "a BAD lines end in CRLF, and hold no NUL, CR or LF\r\nb OK done\r\n");
}

static void full(struct imap_world *w)
{
    w->full = true;
}

static void fails_after_one(struct imap_world *w)
{
    w->fails_after = 1;
}

/* A letter of three pieces, of which work takes so many. */
static void append_fails_on_the_way(void **state)
{
    struct buf in;

    (void)state;
    buf_init(&in, 1 << 20);
    buf_addf(&in, LOGIN_IN "a APPEND INBOX {200000+}\r\n");
    for (int i = 0; i < 200000; i++)
        buf_add_byte(&in, "\r\n{9+}"[i % 6]);
    buf_addf(&in, "\r\nb NOOP\r\n");
    expect_with(full, buf_str(&in), HELLO LOGGED_IN "a NO [OVERQUOTA] done\r\nb OK done\r\n",
                false);
    expect_with(fails_after_one, buf_str(&in),
                HELLO LOGGED_IN "a NO [OVERQUOTA] done\r\nb OK done\r\n", false);
    expect(buf_str(&in), HELLO LOGGED_IN "a OK [APPENDUID 1 2] done\r\nb OK done\r\n");
    buf_done(&in);
}

static void what_is_appended_arrives(void **state)
{
    struct talk t;
    struct buf letter;

    (void)state;
    talk_begin(&t);
    talk_start(&t);
    buf_init(&letter, 1 << 20);
    for (int i = 0; i < 150000; i++)
        buf_add_byte(&letter, (char)i);
    talk_say(&t, STR(LOGIN_IN "a APPEND INBOX {150000}\r\n"), SIZE_MAX);
    talk_say(&t, buf_str(&letter), 1000);
    talk_say(&t, STR("\r\n"), 1);
    assert_true(str_eq(buf_str(&t.w.letter), buf_str(&letter)));
    assert_int_equal(t.w.letters, 1);
    buf_done(&letter);
    talk_end(&t);
}

static void idle(void **state)
{
    struct talk t;

    (void)state;
    talk_begin(&t);
    talk_start(&t);
    talk_say(&t, STR(SELECT_IN "a IDLE\r\n"), SIZE_MAX);
    assert_log(&t, HELLO SELECTED_HERE "+ idling\r\n* 2 EXISTS\r\n");
    assert_true(imap_idling(t.s) && imap_idle(t.s));
    imap_notice(t.s);
    talk_turn(&t);
    assert_log(&t, "* 2 EXISTS\r\n");
    talk_say(&t, STR("DO"), SIZE_MAX);
    assert_false(imap_idle(t.s));
    talk_say(&t, STR("NE\r\nb NOOP\r\n"), SIZE_MAX);
    assert_log(&t, "a OK IDLE has ended\r\nb OK done\r\n");
    imap_notice(t.s);
    talk_turn(&t);
    assert_log(&t, "");
    talk_end(&t);
    expect(STR(LOGIN_IN "a IDLE\r\ndone\r\n"),
           HELLO LOGGED_IN "+ idling\r\na OK IDLE has ended\r\n");
}

/* Ten thousand of them may idle: each has itself, and no block beside it. */
static void i23_who_idles_holds_nothing(void **state)
{
    struct arena none;
    struct talk t;

    (void)state;
    talk_begin(&t);
    talk_start(&t);
    talk_say(&t, STR(SELECT_IN "a FETCH 1:9 (UID FLAGS)\r\nb IDLE\r\n"), SIZE_MAX);
    imap_notice(t.s);
    talk_turn(&t);
    assert_true(imap_idling(t.s));
    imap_rest(t.s);
    assert_int_equal(t.s->frame.in.cap, 0);
    assert_int_equal(t.s->frame.command.cap, 0);
    assert_int_equal(t.s->out.cap, 0);
    assert_int_equal(t.s->heard.cap, 0);
    assert_int_equal(t.s->secret.cap, 0);
    arena_init(&none);
    assert_memory_equal(&t.s->arena, &none, sizeof(none));
    talk_say(&t, STR("DONE\r\nc NOOP\r\n"), 1);
    assert_int_equal(t.last, IMAP_WANT_INPUT);
    talk_end(&t);
}

static void i23_idle_without_done(void **state)
{
    struct talk t;

    (void)state;
    expect(STR(LOGIN_IN "a IDLE\r\nFOO\r\nb NOOP\r\n"),
           HELLO LOGGED_IN "+ idling\r\na BAD IDLE ends with DONE\r\nb OK done\r\n");
    talk_begin(&t);
    talk_start(&t);
    talk_say(&t, STR(LOGIN_IN "a IDLE\r\n"), SIZE_MAX);
    buf_clear(&t.log);
    for (int i = 0; i < 1000; i++)
        talk_say(&t, STR("x"), 1);
    assert_log(&t, "* BYE [TOOBIG] the line is too long\r\n");
    assert_int_equal(t.last, IMAP_WANT_CLOSE);
    talk_end(&t);
}

static void gone(struct imap_world *w)
{
    w->takes_away = true;
}

static void the_mailbox_is_taken_away(void **state)
{
    struct talk t;

    (void)state;
    expect_with(gone, STR(SELECT_IN "a NOOP\r\nb NOOP\r\n"),
                HELLO SELECTED_HERE "a OK done\r\n* BYE the mailbox has been taken away\r\n",
                true);
    talk_begin(&t);
    talk_start(&t);
    talk_say(&t, STR(SELECT_IN "a IDLE\r\n"), SIZE_MAX);
    buf_clear(&t.log);
    t.w.takes_away = true;
    imap_notice(t.s);
    talk_turn(&t);
    assert_log(&t, "* BYE the mailbox has been taken away\r\n");
    talk_end(&t);
}

static void condstore(void **state)
{
    static const struct {
        const char *in;
        bool condstore;
    } rows[] = {
        {SELECT_IN "a FETCH 1 FLAGS\r\n",                              false},
        {LOGIN_IN "a ENABLE CONDSTORE\r\nb DELETE x\r\n",              true },
        {LOGIN_IN "a SELECT INBOX (CONDSTORE)\r\n",                    true },
        {LOGIN_IN "a STATUS x (HIGHESTMODSEQ)\r\n",                    true },
        {LOGIN_IN "a STATUS x (MESSAGES)\r\n",                         false},
        {LOGIN_IN "a LIST \"\" * RETURN (STATUS (HIGHESTMODSEQ))\r\n", true },
        {SELECT_IN "a FETCH 1 MODSEQ\r\nb NOOP\r\n",                   true },
        {SELECT_IN "a FETCH 1 FLAGS (CHANGEDSINCE 1)\r\n",             true },
        {SELECT_IN "a STORE 1 (UNCHANGEDSINCE 1) FLAGS ()\r\n",        true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct talk t;

        talk_begin(&t);
        talk_start(&t);
        talk_say(&t, str_c(rows[i].in), SIZE_MAX);
        assert_int_equal(t.w.condstore, rows[i].condstore);
        talk_end(&t);
    }
}

/* Nobody who has not logged in makes us keep much (I06). */
static void a_stranger_who_does_not_read(void **state)
{
    struct talk t;

    (void)state;
    talk_begin(&t);
    t.w.config.junk_commands = 4000;
    talk_start(&t);
    t.w.keeps_output = true;
    for (int i = 0; i < 4000; i++)
        imap_feed(t.s, STR("a CAPABILITY\r\n"));
    talk_turn(&t);
    assert_int_equal(t.last, IMAP_WANT_FLUSH);
    assert_in_range(imap_output(t.s).n, 1, IMAP_STRANGER_OUTPUT_BYTES + 500);
    t.w.keeps_output = false;
    buf_clear(&t.log);
    talk_turn(&t);
    assert_int_equal(t.last, IMAP_WANT_INPUT);
    talk_end(&t);
}

/* Work that says much is asked once more while what it said is being sent, then no more (I22).
 */
static void answers_wait_to_be_sent(void **state)
{
    struct talk t;

    (void)state;
    talk_begin(&t);
    talk_start(&t);
    t.w.keeps_output = true;
    t.w.more = 100;
    t.w.step_bytes = 100000;
    imap_feed(t.s, STR(SELECT_IN "a FETCH 1 FLAGS\r\n"));
    for (int i = 0; i < 1000; i++)
        imap_feed(t.s, STR("b FETCH 1 FLAGS\r\n"));
    talk_turn(&t);
    assert_int_equal(t.last, IMAP_WANT_FLUSH);
    assert_in_range(imap_output(t.s).n, IMAP_OUTPUT_BYTES, IMAP_OUTPUT_BYTES + 200000);
    assert_false(imap_idle(t.s));
    unsigned steps = t.w.steps;
    imap_sent(t.s, 50000);
    talk_turn(&t);
    assert_true(t.w.steps <= steps + 1);
    imap_end(t.s, "shutting down");
    talk_turn(&t);
    assert_int_equal(t.last, IMAP_WANT_CLOSE);
    talk_end(&t);
}

/* An answer that cannot be told in pieces, a SEARCH of a million letters, behind another. */
static void a_long_answer_behind_a_short_one(void **state)
{
    struct talk t;

    (void)state;
    talk_begin(&t);
    talk_start(&t);
    t.w.keeps_output = true;
    t.w.step_bytes = 7000000;
    imap_feed(t.s, STR(SELECT_IN "a NOOP\r\na FETCH 1 FLAGS\r\na NOOP\r\n"));
    talk_turn(&t);
    assert_int_equal(t.last, IMAP_WANT_FLUSH);
    assert_true(imap_output(t.s).n >= 7000000);
    talk_end(&t);
}

static void much_in_pieces(struct imap_world *w)
{
    w->more = 3;
}

static void work_in_steps(void **state)
{
    (void)state;
    expect_with(much_in_pieces, STR(SELECT_IN "a FETCH 1 FLAGS\r\nb NOOP\r\n"),
                HELLO SELECTED_HERE "* 1 FETCH (UID 1)\r\n* 1 FETCH (UID 1)\r\n"
                                    "* 1 FETCH (UID 1)\r\na OK done\r\nb OK done\r\n",
                false);
}

static void transcripts_keep_secrets(void **state)
{
    static const struct {
        const char *in, *heard;
    } rows[] = {
        {"a NOOP\r\n",                            "a NOOP\n"                  },
        {"a LOGIN alice@example.test secret\r\n", "a LOGIN ***\n"             },
        {"a LOGIN {1+}\r\nx {6+}\r\nsecret\r\n",  "a LOGIN ***\n"             },
        {"a LOGIN {9999999}\r\n",                 "a LOGIN ***\n"             },
        {"LOGIN alice secret\r\n",                "***\n"                     },
        {"alice secret\r\n",                      "***\n"                     },
        {"c2VjcmV0\r\n",                          "***\n"                     },
        {"a AUTHENTICATE PLAIN c2VjcmV0\r\n",     "a AUTHENTICATE PLAIN ***\n"},
        {"a ID ({1+}\r\nx {2+}\r\nyy)\r\n",       "a ID ({1+}\n {2+}\n)\n"    },
        {"a SELECT {3}\r\n",                      "a SELECT {3}\n"            },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct imap_request *r;
        struct talk t;

        talk_begin(&t);
        t.w.config.transcript = &yes;
        talk_start(&t);
        imap_feed(t.s, str_c(rows[i].in));
        imap_next(t.s, &r);
        if (!str_eq(imap_heard(t.s), str_c(rows[i].heard)))
            fail_msg("%s: %.*s", rows[i].in, STR_ARGS(imap_heard(t.s)));
        talk_end(&t);
    }
}

static void challenges_are_secret(void **state)
{
    const struct imap_request *r;
    struct talk t;

    (void)state;
    talk_begin(&t);
    t.w.config.transcript = &yes;
    talk_start(&t);
    talk_say(&t, STR("a AUTHENTICATE PLAIN\r\n"), SIZE_MAX);
    imap_feed(t.s, STR("c2VjcmV0\r\n"));
    assert_int_equal(imap_next(t.s, &r), IMAP_WANT_LOGIN);
    assert_true(str_eq(imap_heard(t.s), STR("***\n")));
    imap_answer_refused(t.s, IMAP_BAD);
    talk_end(&t);
}

static void i25_much_of_nothing(void **state)
{
    struct buf in, want;

    (void)state;
    buf_init(&in, 1 << 20);
    buf_init(&want, 1 << 20);
    buf_addf(&in, LOGIN_IN "a ENABLE");
    for (int i = 0; i < 20000; i++)
        buf_addf(&in, " X");
    buf_addf(&in, "\r\nb ID (\"x\" \"%0*d\")\r\nc NOOP\r\n", 20000, 1);
    buf_addf(&want, HELLO LOGGED_IN
             "a BAD ENABLE takes names of extensions\r\n"
             "b BAD ID takes NIL or fields and values: (\"name\" \"value\")\r\nc OK done\r\n");
    expect(buf_str(&in), buf_c(&want));
    buf_done(&in);
    buf_done(&want);
}

/* I29: LOGOUT inside a literal is text; a session may end anywhere. */
static void i29_ends_anywhere(void **state)
{
    static const struct str in = STR_LIT(
        SELECT_IN "a APPEND INBOX {8+}\r\nb LOGOUT\r\nc FETCH 1 FLAGS\r\nd IDLE\r\nDONE\r\n"
                  "e SELECT {5}\r\nINBOX\r\nf AUTHENTICATE PLAIN\r\n");

    (void)state;
    for (size_t n = 0; n <= in.n; n++) {
        struct talk t;

        talk_begin(&t);
        talk_start(&t);
        talk_say(&t, str_first(in, n), SIZE_MAX);
        assert_int_equal(t.last, IMAP_WANT_INPUT);
        imap_end(t.s, n % 2 ? "over" : NULL);
        talk_turn(&t);
        assert_int_equal(t.last, IMAP_WANT_CLOSE);
        talk_end(&t);
    }
    expect(in, HELLO SELECTED_HERE
           "a OK [APPENDUID 1 2] done\r\n* 1 FETCH (UID 1)\r\nc OK done\r\n+ idling\r\n"
           "* 2 EXISTS\r\nd OK IDLE has ended\r\n+ go on\r\ne OK [READ-WRITE] done\r\n"
           "f BAD you are logged in already\r\n");
}

static void memory_is_given_back(void **state)
{
    struct talk t;

    (void)state;
    talk_begin(&t);
    talk_start(&t);
    talk_say(&t, STR(SELECT_IN "a FETCH 1 FLAGS\r\nb IDLE\r\n"), SIZE_MAX);
    imap_rest(t.s);
    assert_true(imap_idle(t.s));
    talk_say(&t, STR("DONE\r\n"), 1);
    imap_rest(t.s);
    talk_say(&t, STR("c SELECT {5}\r\nINB"), SIZE_MAX);
    imap_rest(t.s);
    talk_say(&t, STR("OX\r\nd NOOP\r\n"), SIZE_MAX);
    assert_log(&t, HELLO SELECTED_HERE
               "* 1 FETCH (UID 1)\r\na OK done\r\n+ idling\r\n* 2 EXISTS\r\n"
               "b OK IDLE has ended\r\n+ go on\r\nc OK [READ-WRITE] "
               "done\r\nd OK done\r\n");
    talk_end(&t);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_state),
        cmocka_unit_test(states),
        cmocka_unit_test(words_for_bad_commands),
        cmocka_unit_test(too_many_bad_commands),
        cmocka_unit_test(too_much_before_the_login),
        cmocka_unit_test(log_in),
        cmocka_unit_test(no_login_today),
        cmocka_unit_test(t20_no_password_in_clear),
        cmocka_unit_test(t02_starttls),
        cmocka_unit_test(i01_literals),
        cmocka_unit_test(i02_i03_sizes_that_are_none),
        cmocka_unit_test(i04_i05_strings),
        cmocka_unit_test(i06_i08_floods),
        cmocka_unit_test(i07_many_literals),
        cmocka_unit_test(append),
        cmocka_unit_test(i19_no_octets),
        cmocka_unit_test(append_with_more_behind),
        cmocka_unit_test(append_fails_on_the_way),
        cmocka_unit_test(what_is_appended_arrives),
        cmocka_unit_test(idle),
        cmocka_unit_test(i23_who_idles_holds_nothing),
        cmocka_unit_test(i23_idle_without_done),
        cmocka_unit_test(the_mailbox_is_taken_away),
        cmocka_unit_test(condstore),
        cmocka_unit_test(a_stranger_who_does_not_read),
        cmocka_unit_test(answers_wait_to_be_sent),
        cmocka_unit_test(a_long_answer_behind_a_short_one),
        cmocka_unit_test(work_in_steps),
        cmocka_unit_test(transcripts_keep_secrets),
        cmocka_unit_test(challenges_are_secret),
        cmocka_unit_test(i25_much_of_nothing),
        cmocka_unit_test(i29_ends_anywhere),
        cmocka_unit_test(memory_is_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
