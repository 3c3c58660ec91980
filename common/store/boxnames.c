/*
 * Two forms, told apart by their first octet:
 *
 *   OTHER  octets of the name, octets of its unique part, time (8), the name
 *   OURS   the 23 letters of the id, which of the hosts, S, W - S (each 7 bits an octet), which
 * of the infos
 */
#include "store/boxnames.h"

#include <stdlib.h>

enum form { OTHER, OURS };
enum { OTHER_HEAD = 1 + 1 + 1 + 8, NUMBER_BYTES = 10, FIRST_BYTES = 4096 };

void boxnames_init(struct boxnames *b)
{
    memset(b, 0, sizeof(*b));
}

static void words_done(struct boxnames_words *w)
{
    while (w->n > 0)
        free(w->words[--w->n]);
}

void boxnames_done(struct boxnames *b)
{
    free(b->p);
    words_done(&b->hosts);
    words_done(&b->infos);
    boxnames_init(b);
}

static char *room(struct boxnames *b, size_t more)
{
    if (b->room - b->n < more) {
        b->room = b->room ? 2 * b->room : FIRST_BYTES;
        b->p = realloc(b->p, b->room);
        if (!b->p)
            abort();
    }
    return b->p + b->n;
}

/* Its number, or -1 where there are too many different ones. */
static int word_number(struct boxnames_words *w, struct str s)
{
    for (unsigned i = 0; i < w->n; i++)
        if (str_eq(str_c(w->words[i]), s))
            return (int)i;
    if (w->n == BOXNAMES_WORDS)
        return -1;
    w->words[w->n] = strndup(s.p, s.n);
    if (!w->words[w->n])
        abort();
    return (int)w->n++;
}

static size_t put_number(char *to, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        to[n++] = (char)(v | 0x80);
    to[n++] = (char)v;
    return n;
}

static uint64_t get_number(const char **at)
{
    uint64_t v = 0;

    for (unsigned shift = 0;; shift += 7) {
        unsigned char c = (unsigned char)*(*at)++;

        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return v;
    }
}

static size_t digits(uint64_t v)
{
    size_t n = 1;

    for (; v >= 10; v /= 10)
        n++;
    return n;
}

/* ",S=<size>,W=<vsize>", and no octet more than these numbers need: then it is that */
static bool is_canonical(struct str fields, const struct name *parsed)
{
    return str_starts(fields, STR(",S=")) &&
           fields.n == 3 + digits(parsed->size) + 3 + digits(parsed->vsize);
}

/* "<time>.<id>.<host>" whose time is the id's */
static bool split_unique(struct str unique, struct id *id, struct str *host)
{
    uint64_t seconds;

    if (unique.p[0] == '0' || !scan_u64(&unique, INT64_MAX, &seconds) ||
        !scan_byte(&unique, '.') || !id_parse(str_first(unique, ID_LETTERS), id) ||
        id_ms(id) / 1000 != seconds)
        return false;
    unique = str_skip(unique, ID_LETTERS);
    if (!scan_byte(&unique, '.') || unique.n == 0)
        return false;
    *host = unique;
    return true;
}

/* False, and nothing is added, where the short form would not give back the very same name. */
static bool add_ours(struct boxnames *b, struct str name, const struct name *parsed)
{
    struct id id;
    struct str host;
    size_t colon = str_find(name, ':');

    if (!parsed->has_size || !parsed->has_vsize || parsed->has_uid || parsed->others_n ||
        parsed->vsize < parsed->size || !split_unique(parsed->unique, &id, &host) ||
        !is_canonical(str_skip(str_first(name, colon), parsed->unique.n), parsed))
        return false;
    int host_number = word_number(&b->hosts, host);
    int info_number = word_number(&b->infos, str_skip(name, colon));
    if (host_number < 0 || info_number < 0)
        return false;

    char *start = room(b, 1 + ID_LETTERS + 1 + 2 * NUMBER_BYTES + 1), *to = start;
    *to++ = OURS;
    memcpy(to, id.text, ID_LETTERS);
    to += ID_LETTERS;
    *to++ = (char)host_number;
    to += put_number(to, parsed->size);
    to += put_number(to, parsed->vsize - parsed->size);
    *to++ = (char)info_number;
    b->n += (size_t)(to - start);
    return true;
}

uint32_t boxnames_add(struct boxnames *b, struct str name, const struct name *parsed)
{
    uint32_t at = (uint32_t)b->n;
    uint64_t time = name_time(parsed);

    if (b->n > UINT32_MAX - 2 * NAME_BYTES)
        abort();
    if (add_ours(b, name, parsed))
        return at;
    char *to = room(b, OTHER_HEAD + name.n);
    to[0] = OTHER;
    to[1] = (char)name.n;
    to[2] = (char)parsed->unique.n;
    memcpy(to + 3, &time, sizeof(time));
    memcpy(to + OTHER_HEAD, name.p, name.n);
    b->n += OTHER_HEAD + name.n;
    return at;
}

static struct str other_name(const char *p)
{
    return (struct str){p + OTHER_HEAD, (unsigned char)p[1]};
}

static struct str copy(char to[NAME_BYTES + 1], struct str s)
{
    memcpy(to, s.p, s.n);
    to[s.n] = '\0';
    return (struct str){to, s.n};
}

static struct id id_of(const char *p)
{
    struct id id;

    memcpy(id.text, p + 1, ID_LETTERS);
    id.text[ID_LETTERS] = '\0';
    return id;
}

struct str boxnames_unique(const struct boxnames *b, uint32_t at, char to[NAME_BYTES + 1])
{
    const char *p = b->p + at;

    if (p[0] == OTHER)
        return copy(to, str_first(other_name(p), (unsigned char)p[2]));
    struct id id = id_of(p);
    int n = snprintf(to, NAME_BYTES + 1, "%llu.%s.%s", (unsigned long long)(id_ms(&id) / 1000),
                     id.text, b->hosts.words[(unsigned char)p[1 + ID_LETTERS]]);
    return (struct str){to, (size_t)n};
}

struct str boxnames_get(const struct boxnames *b, uint32_t at, char to[NAME_BYTES + 1])
{
    const char *p = b->p + at;

    if (p[0] == OTHER)
        return copy(to, other_name(p));
    size_t used = boxnames_unique(b, at, to).n;
    p += 1 + ID_LETTERS + 1;
    uint64_t size = get_number(&p);
    uint64_t vsize = size + get_number(&p);
    int n =
        snprintf(to + used, NAME_BYTES + 1 - used, ",S=%llu,W=%llu%s", (unsigned long long)size,
                 (unsigned long long)vsize, b->infos.words[(unsigned char)*p]);
    return (struct str){to, used + (size_t)n < NAME_BYTES ? used + (size_t)n : NAME_BYTES};
}

static uint64_t time_of(const char *p)
{
    uint64_t time;

    if (p[0] == OURS) {
        struct id id = id_of(p);

        return id_ms(&id) / 1000;
    }
    memcpy(&time, p + 3, sizeof(time));
    return time;
}

int boxnames_compare(const struct boxnames *a, uint32_t x, const struct boxnames *b, uint32_t y)
{
    const char *p = a->p + x, *q = b->p + y;
    char one[NAME_BYTES + 1], two[NAME_BYTES + 1];

    if (p[0] == OURS && q[0] == OURS) {
        int d = memcmp(p + 1, q + 1, ID_LETTERS);

        if (d)
            return d;
    }
    uint64_t s = time_of(p), t = time_of(q);
    if (s != t)
        return s < t ? -1 : 1;
    if (p[0] == OTHER && q[0] == OTHER)
        return str_cmp(str_first(other_name(p), (unsigned char)p[2]),
                       str_first(other_name(q), (unsigned char)q[2]));
    return str_cmp(boxnames_unique(a, x, one), boxnames_unique(b, y, two));
}
