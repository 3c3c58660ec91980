/* structure-tool FILE... - what posta finds in each letter, for the tests to compare: ENVELOPE,
 * BODYSTRUCTURE and BODY as "NAME OCTETS", a line end, and the text; then for each section
 * "PART NUMBERS HEADER_AT BODY_AT BODY_END HEADER_WIRE BODY_WIRE"; and "END". The letter is
 * read in pieces of many lengths. */
#include "base/defer.h"
#include "mail/envelope.h"
#include "mail/structure.h"

enum {
    LETTER_BYTES_MAX = 64 << 20,
    OUT_BYTES_MAX = 256 << 20,
    PATH_NUMBERS = 2 * STRUCTURE_DEPTH
};

static void say(const char *name, struct buf *text)
{
    printf("%s %zu\n", name, text->n);
    fwrite(buf_c(text), 1, text->n, stdout);
    putchar('\n');
    buf_clear(text);
}

static void say_part(const char *what, const struct part *p, const uint32_t *numbers,
                     unsigned n)
{
    printf("%s ", what);
    for (unsigned k = 0; k < n; k++)
        printf("%s%u", k ? "." : "", numbers[k]);
    printf("%s %llu %llu %llu %llu %llu\n", n ? "" : "0", (unsigned long long)p->header_at,
           (unsigned long long)p->body_at, (unsigned long long)p->body_end,
           (unsigned long long)part_header_wire(p), (unsigned long long)part_body_wire(p));
}

/* All sections below `numbers`, as a client could name them. */
static void say_parts(const struct part *top, uint32_t *numbers, unsigned n)
{
    for (uint32_t i = 1; n < PATH_NUMBERS; i++) {
        numbers[n] = i;
        const struct part *p = structure_find(top, numbers, n + 1);
        if (!p)
            return;
        say_part("PART", p, numbers, n + 1);
        if (part_is(p, "message", "rfc822"))
            say_part("LETTER", p->kids, numbers, n + 1);
        say_parts(top, numbers, n + 1);
    }
}

static struct part *read_in_pieces(struct str letter, struct arena *a)
{
    struct structure_reader *r = structure_reader_new(a);

    for (size_t at = 0, k = 1; at < letter.n; k++) {
        struct str piece = str_first(str_skip(letter, at), 1 + k * 37 % 4099);

        structure_reader_feed(r, piece);
        at += piece.n;
    }
    return structure_reader_end(r);
}

static int tell(const char *path, char *bytes)
{
    DEFER(close_file) FILE *f = fopen(path, "rb");
    uint32_t numbers[PATH_NUMBERS];
    struct arena a;
    struct buf out;

    if (!f)
        return 1;
    struct str letter = {bytes, fread(bytes, 1, LETTER_BYTES_MAX, f)};
    arena_init(&a);
    buf_init(&out, OUT_BYTES_MAX);
    struct part *top = read_in_pieces(letter, &a);
    envelope_print(&out, letter, &a);
    say("ENVELOPE", &out);
    structure_print(&out, top, true);
    say("BODYSTRUCTURE", &out);
    structure_print(&out, top, false);
    say("BODY", &out);
    say_part("LETTER", top, numbers, 0);
    say_parts(top, numbers, 0);
    printf("END\n");
    buf_done(&out);
    arena_done(&a);
    return 0;
}

int main(int argc, char **argv)
{
    DEFER(free_mem) char *bytes = malloc(LETTER_BYTES_MAX);
    int bad = argc < 2 || !bytes;

    for (int i = 1; i < argc && bytes; i++)
        bad |= tell(argv[i], bytes);
    return bad;
}
