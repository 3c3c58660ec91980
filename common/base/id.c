#include "base/id.h"

/* Crockford's letters: digits first, no i, l, o, u. */
static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";

static void put(char *to, int n, uint64_t v)
{
    while (n-- > 0) {
        to[n] = letters[v & 31];
        v >>= 5;
    }
}

void id_make(struct id *id, uint64_t now_ms, const uint8_t random[8])
{
    uint64_t r;

    memcpy(&r, random, sizeof(r));
    put(id->text, ID_TIME_LETTERS, now_ms & ((UINT64_C(1) << 48) - 1));
    put(id->text + ID_TIME_LETTERS, ID_RANDOM_LETTERS, r);
    id->text[ID_LETTERS] = '\0';
}

bool id_parse(struct str s, struct id *out)
{
    if (s.n != ID_LETTERS)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\0' || !strchr(letters, s.p[i]))
            return false;
    memcpy(out->text, s.p, s.n);
    out->text[ID_LETTERS] = '\0';
    return true;
}

uint64_t id_ms(const struct id *id)
{
    uint64_t ms = 0;

    for (int i = 0; i < ID_TIME_LETTERS; i++) {
        const char *at = strchr(letters, id->text[i]);

        ms = ms << 5 | (uint64_t)(at - letters);
    }
    return ms;
}
