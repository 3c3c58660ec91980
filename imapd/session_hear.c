/* What stands in a transcript: the lines of the client, without secrets, without literals. */
#include "imapd/session_impl.h"

/* What a stranger says that is no command may be a password typed in the wrong place, also as
 * its second word, or its only one. */
static bool is_unsafe(const struct imap_session *s, enum verb verb)
{
    return s->state == STATE_STRANGER && verb == VERB_NONE;
}

/* How many words of a line are no secret; 0: all. */
static unsigned words_shown(enum verb verb)
{
    if (verb == VERB_LOGIN)
        return 2;
    return verb == VERB_AUTHENTICATE ? 3 : 0;
}

static size_t length_of(struct str text, unsigned words)
{
    size_t at = 0;

    while (words-- > 0 && at < text.n)
        at += str_find(str_skip(text, at), ' ') + 1;
    return at < text.n ? at : text.n;
}

/* A line that announces a literal ends in "{n}" or "{n+}"; its octets are not shown. */
static size_t octets_behind(struct str line)
{
    size_t open = line.n;
    uint64_t n;

    while (open > 0 && line.p[open - 1] != '{')
        open--;
    struct str number = str_skip(line, open);
    return open && scan_u64(&number, SIZE_MAX, &n) ? (size_t)n : 0;
}

void session_hear_command(struct imap_session *s, struct str text, enum verb verb)
{
    unsigned words = words_shown(verb);

    if (!s->config->transcript || !*s->config->transcript)
        return;
    if (is_unsafe(s, verb)) {
        buf_add(&s->heard, STR("***\n"));
        return;
    }
    if (words && length_of(text, words) < text.n) {
        buf_add(&s->heard, str_first(text, length_of(text, words)));
        buf_add(&s->heard, STR("***\n"));
        return;
    }
    while (text.n) {
        struct str line = str_first(text, str_find(text, '\r'));
        size_t octets = octets_behind(line);

        buf_add(&s->heard, line);
        buf_add_byte(&s->heard, '\n');
        text = str_skip(text, line.n + 2 < text.n ? line.n + 2 : text.n);
        text = str_skip(text, octets < text.n ? octets : text.n);
    }
}

void session_hear_line(struct imap_session *s, struct str line, bool secret)
{
    if (!s->config->transcript || !*s->config->transcript)
        return;
    buf_add(&s->heard, secret ? STR("***") : line);
    buf_add_byte(&s->heard, '\n');
}
