#include "imapd/print.h"
#include "imapd/work_impl.h"
#include "mail/date.h"

/* RFC 3501 2.3.2 */
static const struct {
    uint32_t flag;
    struct str name;
} system_flags[] = {
    {NAME_REPLIED, STR_LIT("\\Answered")},
    {NAME_FLAGGED, STR_LIT("\\Flagged") },
    {NAME_TRASHED, STR_LIT("\\Deleted") },
    {NAME_SEEN,    STR_LIT("\\Seen")    },
    {NAME_DRAFT,   STR_LIT("\\Draft")   },
};

enum { SYSTEM_FLAGS = sizeof(system_flags) / sizeof(system_flags[0]) };

static void add_word(struct buf *out, size_t start, struct str word)
{
    if (out->n > start)
        buf_add_byte(out, ' ');
    buf_add(out, word);
}

static void add_flags(struct buf *out, const struct mailbox_state *state, uint32_t flags,
                      uint32_t keywords)
{
    size_t start = out->n;

    for (size_t i = 0; i < SYSTEM_FLAGS; i++)
        if (flags & system_flags[i].flag)
            add_word(out, start, system_flags[i].name);
    for (unsigned i = 0; i < FOLDER_KEYWORDS; i++)
        if ((keywords >> i & 1) && state->keywords[i].n)
            add_word(out, start, state->keywords[i]);
}

struct str work_flags(struct step *s, uint32_t flags, uint32_t keywords, bool recent)
{
    struct flags_text *f = &s->run->flags;

    if (f->made && f->flags == flags && f->keywords == keywords && f->recent == recent)
        return buf_str(&f->text);
    buf_clear(&f->text);
    if (recent)
        buf_add(&f->text, STR("\\Recent"));
    if (recent && (flags || keywords))
        buf_add_byte(&f->text, ' ');
    add_flags(&f->text, &s->state, flags, keywords);
    f->made = true;
    f->flags = flags;
    f->keywords = keywords;
    f->recent = recent;
    return buf_str(&f->text);
}

/* FNV-1a over all words, each with its place */
static uint64_t sum_of(const struct mailbox_state *state)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);

    for (unsigned i = 0; i < FOLDER_KEYWORDS; i++) {
        for (size_t k = 0; k < state->keywords[i].n; k++)
            sum = (sum ^ (unsigned char)state->keywords[i].p[k]) * UINT64_C(0x100000001b3);
        sum = (sum ^ 0x100) * UINT64_C(0x100000001b3);
    }
    return sum;
}

static bool has_free_letter(const struct mailbox_state *state)
{
    for (unsigned i = 0; i < FOLDER_KEYWORDS; i++)
        if (!state->keywords[i].n)
            return true;
    return false;
}

/* RFC 3501 7.1 PERMANENTFLAGS, 7.2.6 */
void work_tell_keywords(struct step *s)
{
    uint64_t sum = sum_of(&s->state);

    if (s->w->keywords_told == sum)
        return;
    s->w->keywords_told = sum;
    s->run->flags.made = false;
    buf_add(s->out, STR("* FLAGS ("));
    add_flags(s->out, &s->state, UINT32_MAX, UINT32_MAX);
    buf_add(s->out, STR(")\r\n* OK [PERMANENTFLAGS ("));
    if (!s->w->read_only) {
        add_flags(s->out, &s->state, UINT32_MAX, UINT32_MAX);
        if (has_free_letter(&s->state))
            buf_add(s->out, STR(" \\*"));
    }
    buf_add(s->out, STR(")] Flags that last\r\n"));
}

int work_flags_of(struct step *s, const struct command_flags *f, bool make,
                  struct mailbox_flags *out)
{
    *out = (struct mailbox_flags){.flags = f->flags};
    for (unsigned i = 0; i < f->n; i++) {
        uint32_t bit = 0;
        int code = mailbox_keyword(s->w->box, f->keywords[i], make, &bit, &s->err);

        if (code == E_NOT_FOUND && !make)
            continue;
        if (code < 0)
            return code;
        out->keywords |= UINT32_C(1) << bit;
    }
    return 0;
}

/* ---- the front of a FETCH response ---- */

/* "17-Jul-1996 02:44:25 +0000" (RFC 3501 9, date-time) */
static char *print_date(char *to, int64_t unix_s)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct date d = date_of(unix_s);
    int parts[] = {d.hour, d.minute, d.second};

    *to++ = (char)(d.day < 10 ? ' ' : '0' + d.day / 10);
    *to++ = (char)('0' + d.day % 10);
    *to++ = '-';
    to = print_text(to, (struct str){months + (size_t)(d.month - 1) * 3, 3});
    *to++ = '-';
    for (int div = 1000; div; div /= 10)
        *to++ = (char)('0' + d.year / div % 10);
    for (size_t i = 0; i < 3; i++) {
        *to++ = i ? ':' : ' ';
        *to++ = (char)('0' + parts[i] / 10);
        *to++ = (char)('0' + parts[i] % 10);
    }
    return print_text(to, STR(" +0000"));
}

static char *next_item(char *to, const char *first, struct str name)
{
    if (to > first)
        *to++ = ' ';
    return print_text(to, name);
}

enum { FRONT_BYTES = 256 }; /* all of it but the flags */

bool work_letter_begin(struct step *s, const struct message *m, unsigned what)
{
    const struct view *v = &s->w->view;
    bool recent = v->recent.n && uidset_has(&v->recent, m->uid);
    struct str flags =
        what & FETCH_FLAGS ? work_flags(s, m->flags, m->keywords, recent) : STR("");
    char *start = buf_room(s->out, FRONT_BYTES + flags.n), *to = start, *first;

    if (!start)
        return false;
    to = print_text(to, STR("* "));
    to = print_number(to, uidset_upto(&v->uids, m->uid));
    to = print_text(to, STR(" FETCH ("));
    first = to;
    if (what & FETCH_UID)
        to = print_number(next_item(to, first, STR("UID ")), m->uid);
    if (what & FETCH_FLAGS) {
        to = print_text(next_item(to, first, STR("FLAGS (")), flags);
        *to++ = ')';
    }
    if (what & FETCH_MODSEQ) {
        to = print_number(next_item(to, first, STR("MODSEQ (")), m->modseq);
        *to++ = ')';
    }
    if (what & FETCH_SIZE)
        to = print_number(next_item(to, first, STR("RFC822.SIZE ")), m->vsize);
    if (what & FETCH_INTERNALDATE) {
        to = print_date(next_item(to, first, STR("INTERNALDATE \"")), m->internaldate);
        *to++ = '"';
    }
    buf_grown(s->out, (size_t)(to - start));
    return to > first;
}

void work_letter_end(struct step *s)
{
    buf_add(s->out, STR(")\r\n"));
}
