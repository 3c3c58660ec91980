#include "store/digest.h"

#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/structure.h"
#include "store/lines.h"
#include "store/mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What clients ask for when they list letters, and what SEARCH looks at. In the order of
 * ASCII, lower case. */
static const char *const usual_fields[] = {
    "bcc",
    "cc",
    "content-description",
    "content-disposition",
    "content-transfer-encoding",
    "content-type",
    "date",
    "delivered-to",
    "disposition-notification-to",
    "from",
    "importance",
    "in-reply-to",
    "list-id",
    "list-post",
    "list-unsubscribe",
    "mail-followup-to",
    "message-id",
    "mime-version",
    "newsgroups",
    "priority",
    "references",
    "reply-to",
    "return-path",
    "sender",
    "subject",
    "to",
    "user-agent",
    "x-label",
    "x-mailer",
    "x-priority",
    "x-spam-flag",
    "x-spam-status",
    "x-uniform-type-identifier",
    "x-universally-unique-identifier",
};

static int compare_name(const void *key, const void *row)
{
    const struct str *name = key;
    const char *usual = *(const char *const *)row;

    for (size_t i = 0; i < name->n; i++) {
        char c = name->p[i];

        c = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
        if (c != usual[i] || !usual[i])
            return (unsigned char)c < (unsigned char)usual[i] ? -1 : 1;
    }
    return usual[name->n] ? -1 : 0;
}

bool message_header_keeps(struct str field_name)
{
    return bsearch(&field_name, usual_fields, sizeof(usual_fields) / sizeof(*usual_fields),
                   sizeof(*usual_fields), compare_name) != NULL;
}

void digest_init(struct digest *d)
{
    *d = (struct digest){0};
    buf_init(&d->header, MESSAGE_HEADER_BYTES + 1);
    buf_init(&d->envelope, DIGEST_TEXT_BYTES);
    buf_init(&d->bodystructure, DIGEST_TEXT_BYTES);
    buf_init(&d->parts, DIGEST_TEXT_BYTES);
    arena_init(&d->scratch);
}

void digest_done(struct digest *d)
{
    buf_done(&d->header);
    buf_done(&d->envelope);
    buf_done(&d->bodystructure);
    buf_done(&d->parts);
    arena_done(&d->scratch);
    free(d->block);
    d->block = NULL;
}

static size_t without_cr(struct str s)
{
    size_t n = s.n;

    for (size_t i = 1; i < s.n; i++)
        n -= s.p[i] == '\n' && s.p[i - 1] == '\r';
    return n;
}

static void add_with_lf(struct buf *out, struct str s)
{
    while (s.n) {
        size_t line = str_find(s, '\n');
        bool cr = line < s.n && line > 0 && s.p[line - 1] == '\r';

        buf_add(out, str_first(s, cr ? line - 1 : line));
        buf_add_byte(out, '\n');
        s = str_skip(s, line < s.n ? line + 1 : line);
    }
}

/* A field that does not fit is left out, and no other follows it. */
static void print_header(struct digest *d, struct str head)
{
    struct header_field field;
    bool complete = true;

    buf_add_byte(&d->header, '+');
    while (complete && header_next(&head, &field)) {
        if (!message_header_keeps(field.name))
            continue;
        if (buf_str(&d->header).n + without_cr(field.all) + 1 > MESSAGE_HEADER_BYTES)
            complete = false;
        else
            add_with_lf(&d->header, field.all);
    }
    if (!complete)
        d->header.p[d->header.from] = '-';
}

static ssize_t read_block(int fd, char *to, size_t room)
{
    size_t n = 0;

    while (n < room) {
        ssize_t got = read(fd, to + n, room - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

/* The head is kept until it is whole; what a letter has beyond HEADER_BYTES is not looked at.
 */
static void gather_head(struct buf *head, bool *whole, struct str piece)
{
    if (*whole)
        return;
    buf_add(head, str_first(piece, HEADER_BYTES - buf_str(head).n));
    *whole = buf_str(head).n == HEADER_BYTES || header_end(buf_str(head)) < buf_str(head).n;
}

static void finish(struct digest *d, struct str head, const struct part *top)
{
    print_header(d, head);
    envelope_print(&d->envelope, head, &d->scratch);
    structure_print(&d->bodystructure, top, true);
    structure_pack(&d->parts, top);
}

static int read_in_pieces(struct digest *d, int fd, bool all, struct lines_count *lines,
                          struct err *err)
{
    struct structure_reader *reader = all ? structure_reader_new(&d->scratch) : NULL;
    struct buf head;
    bool whole = !all;
    ssize_t n;

    buf_init(&head, HEADER_BYTES);
    do {
        n = read_block(fd, d->block, DIGEST_WHOLE_BYTES);
        struct str piece = {d->block, n > 0 ? (size_t)n : 0};

        lines_add(lines, piece);
        gather_head(&head, &whole, piece);
        if (all)
            structure_reader_feed(reader, piece);
    } while (n == DIGEST_WHOLE_BYTES && lines->octets <= DIGEST_LETTER_BYTES);
    if (all)
        finish(d, buf_str(&head), structure_reader_end(reader));
    buf_done(&head);
    return n < 0 ? err_os(err, "read a letter") : 0;
}

static void begin(struct digest *d)
{
    if (!d->block && !(d->block = malloc(DIGEST_WHOLE_BYTES)))
        abort();
    buf_clear(&d->header);
    buf_clear(&d->envelope);
    buf_clear(&d->bodystructure);
    buf_clear(&d->parts);
    arena_reset(&d->scratch);
}

static int too_long(struct err *err)
{
    return err_set(err, E_LIMIT, "a letter is longer than %d octets", DIGEST_LETTER_BYTES);
}

int digest_read(struct digest *d, int fd, uint64_t size, bool all, struct err *err)
{
    struct lines_count lines = {0};
    ssize_t n;
    int r = 0;

    if (size > DIGEST_LETTER_BYTES)
        return too_long(err);
    begin(d);
    if (size >= DIGEST_WHOLE_BYTES) {
        r = read_in_pieces(d, fd, all, &lines, err);
    } else {
        n = read_block(fd, d->block, (size_t)size);
        if (n < 0)
            return err_os(err, "read a letter");
        struct str letter = {d->block, (size_t)n};

        lines_add(&lines, letter);
        if (all)
            finish(d, letter, structure_parse(letter, &d->scratch));
    }
    d->vsize = lines_wire_octets(&lines);
    d->crlf = lines.crlf;
    d->lines = lines;
    if (r == 0 && all &&
        (buf_failed(&d->envelope) || buf_failed(&d->bodystructure) || buf_failed(&d->parts)))
        r = err_set(err, E_LIMIT, "the structure of a letter is too large");
    return r;
}

/* One that the block does not hold. */
static int read_long_head(struct digest *d, int fd, size_t n, struct err *err)
{
    struct buf head;
    bool whole = false;
    ssize_t got;

    buf_init(&head, HEADER_BYTES);
    do {
        gather_head(&head, &whole, (struct str){d->block, n});
        got = whole ? 0 : read_block(fd, d->block, DIGEST_WHOLE_BYTES);
        n = got > 0 ? (size_t)got : 0;
    } while (n);
    print_header(d, buf_str(&head));
    buf_done(&head);
    return got < 0 ? err_os(err, "read a letter") : 0;
}

int digest_read_head(struct digest *d, int fd, struct err *err)
{
    begin(d);
    ssize_t n = read_block(fd, d->block, DIGEST_HEAD_BYTES);
    struct stat st;
    struct str head = {d->block, n > 0 ? (size_t)n : 0};

    if (n < 0)
        return err_os(err, "read a letter");
    if (head.n < DIGEST_HEAD_BYTES) {
        print_header(d, head);
        return 0;
    }
    if (fstat(fd, &st) < 0)
        return err_os(err, "look at a letter");
    if (st.st_size > DIGEST_LETTER_BYTES)
        return too_long(err);
    if (header_end(head) == head.n)
        return read_long_head(d, fd, head.n, err);
    print_header(d, head);
    return 0;
}
