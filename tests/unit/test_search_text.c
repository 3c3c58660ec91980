#include "store/search_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int file_of(struct str letter)
{
    int fd = memfd_create("letter", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, letter.p, letter.n), (ssize_t)letter.n);
    return fd;
}

struct watch {
    uint64_t want; /* enough when all of these are found */
    unsigned asked;
};

static bool is_enough(void *arg, uint64_t found)
{
    struct watch *w = arg;

    w->asked++;
    return (found & w->want) == w->want;
}

static uint64_t look(struct search_text *t, struct str letter, uint64_t wanted, struct watch *w,
                     uint64_t *octets)
{
    struct search_reading r = {
        .fd = file_of(letter), .wanted = wanted, .enough = is_enough, .arg = w};
    struct err err = {0};
    struct arena a;
    uint64_t found = 0;

    arena_init(&a);
    r.top = structure_parse(letter, &a);
    assert_int_equal(search_text_read(t, &r, &found, octets, &err), 0);
    arena_done(&a);
    close(r.fd);
    return found;
}

static bool has(struct str letter, const char *folded, bool in_head)
{
    struct search_text *t = search_text_new();
    struct watch w = {.want = 0};
    uint64_t octets = 0, bit = search_text_add(t, str_c(folded), in_head);
    uint64_t found = look(t, letter, bit, &w, &octets);

    search_text_free(t);
    assert_true(found == 0 || found == bit);
    assert_int_equal(w.asked, found != 0);
    return found;
}

#define PLAIN                                                                           \
    "From: a\nSubject: =?utf-8?q?Caf=C3=89?= au\n lait\nX: end\n\nThe Body,\n  in two " \
    "lines.\n"
#define MIXED                                                                       \
    "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n"                  \
    "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: "     \
    "quoted-printable\n\n"                                                          \
    "na=EFve so=\nft end\n--b\n"                                                    \
    "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" \
    "PGI+R3LD\nvMOfZTwvYj4=\n--b\n"                                                 \
    "Content-Type: application/octet-stream; name=secret\n\nbinary words\n--b\n"    \
    "Content-Type: message/rfc822\n\nSubject: =?iso-2022-jp?B?GyRCRnxLXBsoQg==?=\n" \
    "Content-Type: text/plain; charset=iso-2022-jp\n\n\x1b$BF|K\\\x1b(B "           \
    "inside\n--b--\nepilogue\n"

static void finds_what_a_person_reads(void **state)
{
    static const struct {
        struct str letter;
        const char *text;
        bool in_head, want;
    } rows[] = {
        {STR_LIT(PLAIN),                                                 "the body, in two lines.",           false, true },
        {STR_LIT(PLAIN),                                                 "caf\xc3\xa9 au lait",               false, false},
        {STR_LIT(PLAIN),                                                 "caf\xc3\xa9 au lait",               true,  true },
        {STR_LIT(PLAIN),                                                 "subject: caf\xc3\xa9",              true,  true },
        {STR_LIT(PLAIN),                                                 "laitx: end",                        true,  false}, /* another field */
        {STR_LIT(PLAIN),                                                 "x: endthe body",                    true,  false},
        {STR_LIT(PLAIN),                                                 "the body",                          true,  true },
        {STR_LIT(PLAIN),                                                 "bodies",                            true,  false},
        {STR_LIT(MIXED),                                                 "na\xc3\xafve soft end",             false, true },
        {STR_LIT(MIXED),                                                 "<b>gr\xc3\xbcsse</b>",              false, true },
        {STR_LIT(MIXED),                                                 "end<b>",                            false, false}, /* another part */
        {STR_LIT(MIXED),                                                 "binary",                            false, false},
        {STR_LIT(MIXED),                                                 "secret",                            true,  false},
        {STR_LIT(MIXED),                                                 "preamble",                          true,  false},
        {STR_LIT(MIXED),                                                 "epilogue",                          true,  false},
        {STR_LIT(MIXED),                                                 "boundary",                          true,  true },
        {STR_LIT(MIXED),                                                 "subject: \xe6\x97\xa5\xe6\x9c\xac", false, true },
        {STR_LIT(MIXED),                                                 "\xe6\x97\xa5\xe6\x9c\xac inside",   false, true },
        {STR_LIT(""),                                                    "x",                                 true,  false},
 /* M08 */
        {STR_LIT("Content-Type: text/plain; charset=x-none\n\nab\xff"
                 "CD\n"),
         "cd",                                                                                                false, true },
        {STR_LIT("Content-Transfer-Encoding: x-none\n\nas it is\n"),     "as it is",                          false, true },
        {STR_LIT("Content-Transfer-Encoding: base64\n\n!!aGVs bG8\n"),   "hello",                             false, true },
        {STR_LIT("Content-Type: text/plain; charset=utf-7\n\n+AGE-x\n"), "+age-x",                            false, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (has(rows[i].letter, rows[i].text, rows[i].in_head) != rows[i].want)
            fail_msg("row %zu: %s", i, rows[i].text);
}

/* Several are looked for at once; it ends when enough are found. */
static void many_at_once(void **state)
{
    struct search_text *t = search_text_new();
    struct watch w = {.want = 0};
    uint64_t octets = 0, bits[SEARCH_TEXTS];

    (void)state;
    bits[0] = search_text_add(t, STR("au lait"), true);
    bits[1] = search_text_add(t, STR("two lines"), false);
    bits[2] = search_text_add(t, STR("nowhere"), true);
    bits[3] = search_text_add(t, STR("subject"), false);
    for (int i = 4; i < SEARCH_TEXTS; i++)
        bits[i] = search_text_add(t, STR("body"), i % 2);
    w.want = UINT64_MAX;
    assert_int_equal(look(t, STR(PLAIN), UINT64_MAX, &w, &octets),
                     UINT64_MAX & ~bits[2] & ~bits[3]);
    w.want = bits[0];
    assert_int_equal(look(t, STR(PLAIN), UINT64_MAX, &w, &octets), bits[0]);
    w.want = bits[1];
    assert_int_equal(look(t, STR(PLAIN), bits[1] | bits[2], &w, &octets), bits[1]);
    search_text_free(t);
}

/* A word is found wherever it lies, over the ends of pieces too, in memory for some pieces. */
static void long_bodies(void **state)
{
    enum { TRIES = 40, BODY = 3 * SEARCH_PIECE_BYTES };
    struct search_text *t = search_text_new();
    struct watch w = {.want = 0};
    struct buf letter;
    uint64_t octets = 0;

    (void)state;
    search_text_add(t, STR("needle in hay"), false);
    buf_init(&letter, 2 * BODY);
    for (int i = 0; i < TRIES; i++) {
        size_t at;

        buf_clear(&letter);
        buf_add(&letter, STR("Subject: hay\n\n"));
        at = SEARCH_PIECE_BYTES - 25 + (size_t)i;
        while (buf_str(&letter).n < at)
            buf_add_byte(&letter, 'x');
        buf_add(&letter, STR("Needle\n  in HAY"));
        while (buf_str(&letter).n < BODY)
            buf_add_byte(&letter, 'y');
        octets = 0;
        assert_int_equal(look(t, buf_str(&letter), UINT64_MAX, &w, &octets), 1);
        assert_in_range(octets, SEARCH_PIECE_BYTES,
                        2 * SEARCH_PIECE_BYTES); /* no more was read */
    }
    buf_done(&letter);
    search_text_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_a_person_reads),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(long_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
