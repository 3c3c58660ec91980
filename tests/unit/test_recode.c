/* Letters for servers that take seven bits (RFC 6152). */
#include "mail/recode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define A     "\xc3\xa4"
#define LATIN "\xe4"
#define MANY  A A A A A A A A
#define MIME  "MIME-Version: 1.0\n"
#define PLAIN "Content-Type: text/plain; charset=utf-8\n"
#define EIGHT "Content-Transfer-Encoding: 8bit\n"
#define SEVEN "Content-Transfer-Encoding: 7bit\n"
#define QP    "Content-Transfer-Encoding: quoted-printable\n"
#define B64   "Content-Transfer-Encoding: base64\n"
#define MIXED "Content-Type: multipart/mixed; boundary=b\n"
#define SOME  "some words before "

static void collect(void *arg, struct str piece)
{
    buf_add(arg, piece);
}

static void rows(void **state)
{
    static const struct {
        const char *in, *want; /* want NULL: it cannot be done */
    } all[] = {
        {"Subject: x\n\nplain\n",                                                    "Subject: x\n\nplain\n"                          },
        {MIME PLAIN EIGHT "Subject: x\n\n" SOME A "\n",
         MIME PLAIN "Subject: x\n" QP "\n" SOME "=C3=A4\n"                                                                            },
        {MIME PLAIN EIGHT "\n" MANY "\n",                                            MIME PLAIN B64 "\nw6TDpMOkw6TDpMOkw6TDpA0K"      },
 /* before MIME */
        {"Subject: x\n\n" SOME A "\n",                                               "Subject: x\n" MIME PLAIN QP "\n" SOME "=C3=A4\n"},
        {"Subject: x\n\n" SOME LATIN "\n",
         "Subject: x\n" MIME "Content-Type: text/plain; charset=unknown-8bit\n" QP "\n" SOME
         "=E4\n"                                                                                                                      },
        {"\n" SOME A,                                                                MIME PLAIN QP "\n" SOME "=C3=A4"                 },
 /* raw octets in the head pass */
        {"Subject: " A "\n\nplain\n",                                                "Subject: " A "\n\nplain\n"                      },
 /* a multipart is never encoded, its leaves are; what is between loses its octets */
        {MIME MIXED EIGHT "\n" A "\n--b\n" PLAIN EIGHT "\n" SOME A "\n--b\n\nleft alone\n--b\n"
                          "Content-Type: image/x\n\n" A "\n--b--\n" A "\n",
         MIME MIXED SEVEN "\n??\n--b\n" PLAIN QP "\n" SOME "=C3=A4\n--b\n\nleft alone\n--b\n"
                          "Content-Type: image/x\n" B64 "\nw6Q=\n--b--\n??\n"                                                         },
        {MIME MIXED "\n--b\n" MIXED "\n--b--\n\n--b--\n",
         MIME MIXED "\n--b\n" MIXED "\n--b--\n\n--b--\n"                                                                              },
 /* a letter in a letter, without MIME */
        {MIME "Content-Type: message/rfc822\n" EIGHT "\nSubject: y\n\n" SOME A "\n",
         MIME "Content-Type: message/rfc822\n" SEVEN "\nSubject: y\n" MIME PLAIN QP "\n" SOME
              "=C3=A4\n"                                                                                                              },
 /* encoded already, badly */
        {MIME PLAIN QP "\n=C3=A4 " A "\n",                                           MIME PLAIN QP "\n=C3=A4 =C3=A4\n"                },
        {MIME PLAIN B64 "\nw6" A "Q=\n",                                             MIME PLAIN B64 "\nw6Q=\n"                        },
 /* what lines of text cannot hold */
        {MIME "Content-Type: a/b\nContent-Transfer-Encoding: binary\n\na\rb\n",
         MIME "Content-Type: a/b\n" B64 "\nYQ1iDQo="                                                                                  },
        {MIME PLAIN "Content-Transfer-Encoding: x-uu\n\n" A "\n",                    NULL                                             },
        {MIME "Content-Type: message/partial\n\n" A "\n",                            NULL                                             },
        {MIME "Content-Type: multipart/mixed\n\n" A "\n",                            NULL                                             },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct buf out;
        struct recode_out to = {collect, &out};

        buf_init(&out, 10000);
        assert_int_equal(recode_7bit(str_c(all[i].in), &to), all[i].want != NULL);
        if (all[i].want)
            assert_string_equal(buf_c(&out), all[i].want);
        buf_done(&out);
    }
}

/* A leaf above a piece, by both encodings; lines at the limit and above. */
static void large(void **state)
{
    struct buf in, out;
    struct recode_out to = {collect, &out};

    (void)state;
    buf_init(&in, 16 << 20);
    buf_init(&out, 64 << 20);
    buf_add(&in, STR(MIME PLAIN EIGHT "\n"));
    for (int i = 0; i < 100000; i++)
        buf_add(&in, STR(SOME A "\n"));
    assert_true(recode_7bit(buf_str(&in), &to));
    assert_int_equal(out.n, sizeof(MIME PLAIN QP "\n") - 1 + 100000 * sizeof(SOME "=C3=A4"));
    assert_true(recode_is_8bit(buf_str(&in)) && !recode_is_8bit(buf_str(&out)));
    for (size_t n = RECODE_LINE_BYTES - 1; n <= RECODE_LINE_BYTES + 1; n++) {
        buf_clear(&in);
        buf_clear(&out);
        buf_add(&in, STR("Subject: x\n\n"));
        for (size_t i = 0; i < n; i++)
            buf_add_byte(&in, 'x');
        buf_add_byte(&in, '\n');
        assert_true(recode_7bit(buf_str(&in), &to));
        assert_int_equal(str_eq(buf_str(&in), buf_str(&out)), n <= RECODE_LINE_BYTES);
    }
    buf_done(&in);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows), cmocka_unit_test(large)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
