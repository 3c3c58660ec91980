/* Property: whatever strangers said, the report is a letter of lines that may stand in one,
 * with our head alone, of three parts (two where the letter cannot be read), with one block of
 * fields a recipient.
 *
 * The input: one octet of switches, then strings with NUL between them, the last of which is
 * the letter. */
#include "mail/dsn.h"
#include "mail/header.h"
#include "mail/structure.h"
#include "tests/fuzz/imap_text.h"

enum { STRINGS = 9, RCPTS = 2, OUT_BYTES_MAX = 64 << 20, LINE_ALLOWED = 998, HEAD_FIELDS = 9 };

static const struct str boundary = STR_LIT("01m82kt3d80000000000000");

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void split(struct str in, struct str *out)
{
    for (size_t i = 0; i < STRINGS; i++) {
        out[i] = i + 1 < STRINGS ? str_first(in, str_find(in, '\0')) : in;
        in = str_skip(in, out[i].n);
        scan_byte(&in, '\0');
    }
}

static bool contains(struct str s, struct str what)
{
    for (size_t i = 0; i + what.n <= s.n; i++)
        if (memcmp(s.p + i, what.p, what.n) == 0)
            return true;
    return false;
}

static void lines_are_good(struct str s)
{
    size_t line = 0;

    for (size_t i = 0; i < s.n; i++) {
        must(s.p[i] != '\r' && s.p[i] != '\0');
        line = s.p[i] == '\n' ? 0 : line + 1;
        must(line <= LINE_ALLOWED);
    }
    must(s.n && s.p[s.n - 1] == '\n');
}

static void head_is_ours(struct str text)
{
    static const char *const once[] = {"From",         "To",          "Subject",
                                       "Date",         "Message-ID",  "Auto-Submitted",
                                       "MIME-Version", "Content-Type"};
    struct str rest = text;
    struct header_field f;
    size_t n = 0;

    for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
        must(header_count(text, str_c(once[i])) == 1);
    while (header_next(&rest, &f))
        n++;
    must(n <= HEAD_FIELDS);
}

/* A block a recipient behind the one of the message, each field once. */
static void status_is_whole(struct str body, size_t nrcpts)
{
    size_t blocks = 0;

    while (body.n) {
        size_t n = header_end(body);
        struct str block = str_first(body, n);

        must(header_count(block, STR("Reporting-MTA")) == (blocks == 0));
        must(header_count(block, STR("Final-Recipient")) == (blocks > 0));
        must(header_count(block, STR("Action")) == (blocks > 0));
        must(header_count(block, STR("Status")) == (blocks > 0));
        must(header_count(block, STR("Diagnostic-Code")) <= 1);
        blocks++;
        body = str_skip(body, n);
    }
    must(blocks == nrcpts + 1);
}

static void check(struct str text, const struct dsn *d)
{
    struct arena a;

    lines_are_good(text);
    head_is_ours(text);
    arena_init(&a);
    const struct part *top = structure_parse(text, &a);
    must(part_is(top, "multipart", "report"));
    must(top->nkids == (d->letter.n ? 3 : 2));
    const struct part *words = top->kids, *status = words->next, *letter = status->next;
    must(part_is(words, "text", "plain") && part_is(status, "message", "delivery-status"));
    must(!letter || part_is(letter, "message", "rfc822") ||
         part_is(letter, "text", "rfc822-headers"));
    status_is_whole((struct str){text.p + status->body_at, status->body_end - status->body_at},
                    d->nrcpts);
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s[STRINGS];
    struct buf out;

    if (size == 0)
        return 0;
    split((struct str){(const char *)data + 1, size - 1}, s);
    if (contains(s[STRINGS - 1], boundary)) /* 64 random bits: it does not */
        return 0;
    struct dsn_rcpt r[RCPTS] = {
        {
         .original = s[0],
         .final = s[1],
         .action = (enum dsn_action)(data[0] % 5),
         .status = s[2],
         .code = data[0] & 0x20 ? 550 : 0,
         .diagnostic = s[3],
         .remote = s[4],
         .ip = s[5],
         .said = data[0] & 0x40,
         .last_try_s = 1795384217,
         .retry_until_s = 1795384217,
         },
        {.original = s[1], .final = s[0], .action = DSN_FAILED,                               .diagnostic = s[6]},
    };
    struct dsn d = {
        .boundary = boundary,
        .hostname = s[4],
        .to = s[7],
        .now_s = 1795384217,
        .envid = s[6],
        .arrived_s = 1795380000,
        .rcpts = r,
        .nrcpts = RCPTS,
        .letter = s[STRINGS - 1],
        .whole = data[0] & 0x80,
    };
    buf_init(&out, OUT_BYTES_MAX);
    memcpy(d.id.text, boundary.p, boundary.n);
    d.about = d.id;
    dsn_print(&out, &d);
    must(!buf_failed(&out));
    check(buf_str(&out), &d);
    buf_done(&out);
    return 0;
}
