/*
 * Does a name match a LIST pattern (RFC 3501 6.3.8)?
 *
 * A set of states, one a bit: state j is "j letters of the pattern are matched", where a letter
 * is anything but a wildcard. A state may loop: on any character when a '*' stands behind its
 * letter, on any but '/' when only '%' do. So there is nothing to guess and nothing to go back
 * for: a character of the name moves 64 states at once, and the time is that of name times
 * pattern at most, whatever stands in them (I14).
 */
#include "base/ascii.h"
#include "store/folders.h"

enum { MATCH_WORDS = 8, MATCH_LETTERS = 64 * MATCH_WORDS - 1 }; /* more than a name can have */

struct matcher {
    unsigned words;
    uint64_t last; /* the bit of the last state, in the last word */
    uint64_t star[MATCH_WORDS], percent[MATCH_WORDS];
    uint64_t moves[MATCH_WORDS][256]; /* the states whose next letter it is */
};

static bool is_wildcard(char c)
{
    return c == '*' || c == '%';
}

static size_t count_letters(struct str pattern)
{
    size_t n = 0;

    for (size_t i = 0; i < pattern.n; i++)
        n += !is_wildcard(pattern.p[i]);
    return n;
}

static void prepare(struct matcher *m, struct str pattern, size_t letters)
{
    size_t j = 0;

    m->words = (unsigned)(letters / 64 + 1);
    m->last = UINT64_C(1) << (letters % 64);
    for (unsigned w = 0; w < m->words; w++) {
        m->star[w] = m->percent[w] = 0;
        memset(m->moves[w], 0, sizeof(m->moves[w]));
    }
    for (size_t i = 0; i < pattern.n; i++) {
        uint64_t bit = UINT64_C(1) << (j % 64);

        if (pattern.p[i] == '*')
            m->star[j / 64] |= bit;
        else if (pattern.p[i] == '%')
            m->percent[j / 64] |= bit;
        else
            m->moves[j++ / 64][(unsigned char)pattern.p[i]] |= bit;
    }
}

/* `other` is the same character in the other case, or itself. False: no state is left. */
static bool advance(const struct matcher *m, uint64_t *states, unsigned char c,
                    unsigned char other)
{
    uint64_t carry = 0, any = 0;

    for (unsigned w = 0; w < m->words; w++) {
        uint64_t moved = states[w] & (m->moves[w][c] | m->moves[w][other]);
        uint64_t loops = m->star[w] | (c == '/' ? 0 : m->percent[w]);

        states[w] = (states[w] & loops) | moved << 1 | carry;
        carry = moved >> 63;
        any |= states[w];
    }
    return any != 0;
}

/* How much of the name stands in any case: "INBOX" alone or as its first part. */
static size_t caseless(struct str name)
{
    static const struct str inbox = STR_LIT("INBOX");

    return str_starts_nocase(name, inbox) && (name.n == inbox.n || name.p[inbox.n] == '/')
               ? inbox.n
               : 0;
}

bool folders_match(struct str pattern, struct str name)
{
    struct matcher m;
    uint64_t states[MATCH_WORDS] = {1};
    size_t letters = count_letters(str_first(pattern, FOLDERS_PATTERN_BYTES));
    size_t folded = caseless(name);

    if (letters > name.n || letters > MATCH_LETTERS || pattern.n > FOLDERS_PATTERN_BYTES)
        return false;
    prepare(&m, pattern, letters);
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        char other =
            i < folded ? (char)(ascii_is_upper(c) ? ascii_lower(c) : ascii_upper(c)) : c;

        if (!advance(&m, states, (unsigned char)c, (unsigned char)other))
            return false;
    }
    return (states[m.words - 1] & m.last) != 0;
}
