#include "base/nfc.h"

#include "base/nfc_table.h"
#include "base/utf8.h"

#include <stdlib.h>

/* UAX #15, 16: Hangul is composed by arithmetic. */
enum {
    HANGUL_S = 0xac00,
    HANGUL_L = 0x1100,
    HANGUL_V = 0x1161,
    HANGUL_T = 0x11a7,
    HANGUL_LS = 19,
    HANGUL_VS = 21,
    HANGUL_TS = 28,
    HANGUL_SS = HANGUL_LS * HANGUL_VS * HANGUL_TS,
    FIRST_COMBINING = 0x300, /* text of code points below it is in NFC */
    GROWTH = 4,              /* no code point decomposes into more    */
};

struct points {
    uint32_t *p;
    size_t n;
};

/* The row whose first column is `point`; its index or -1. */
static int find_decomposition(uint32_t point)
{
    size_t low = 0, high = sizeof(decompositions) / sizeof(decompositions[0]);

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (decompositions[mid][0] == point)
            return (int)mid;
        if (decompositions[mid][0] < point)
            low = mid + 1;
        else
            high = mid;
    }
    return -1;
}

static uint32_t class_of(uint32_t point)
{
    size_t low = 0, high = sizeof(classes) / sizeof(classes[0]);

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (point < classes[mid][0])
            high = mid;
        else if (point > classes[mid][1])
            low = mid + 1;
        else
            return classes[mid][2];
    }
    return 0;
}

/* Canonical ordering: before all marks of a higher class at the end. */
static void put_ordered(struct points *to, uint32_t point)
{
    uint32_t class = class_of(point);
    size_t at = to->n++;

    while (class && at > 0 && class_of(to->p[at - 1]) > class) {
        to->p[at] = to->p[at - 1];
        at--;
    }
    to->p[at] = point;
}

static void decompose(struct points *to, uint32_t point)
{
    if (point >= HANGUL_S && point < HANGUL_S + HANGUL_SS) {
        uint32_t s = point - HANGUL_S, t = s % HANGUL_TS;

        put_ordered(to, HANGUL_L + s / (HANGUL_VS * HANGUL_TS));
        put_ordered(to, HANGUL_V + s % (HANGUL_VS * HANGUL_TS) / HANGUL_TS);
        if (t)
            put_ordered(to, HANGUL_T + t);
        return;
    }
    int row = find_decomposition(point);
    if (row < 0) {
        put_ordered(to, point);
        return;
    }
    decompose(to, decompositions[row][1]); /* at most four levels in Unicode */
    if (decompositions[row][2])
        put_ordered(to, decompositions[row][2]);
}

/* What a and b compose to, or 0. */
static uint32_t compose(uint32_t a, uint32_t b)
{
    size_t low = 0, high = sizeof(compositions) / sizeof(compositions[0]);

    if (a >= HANGUL_L && a < HANGUL_L + HANGUL_LS && b >= HANGUL_V && b < HANGUL_V + HANGUL_VS)
        return HANGUL_S + ((a - HANGUL_L) * HANGUL_VS + (b - HANGUL_V)) * HANGUL_TS;
    if (a >= HANGUL_S && a < HANGUL_S + HANGUL_SS && (a - HANGUL_S) % HANGUL_TS == 0 &&
        b > HANGUL_T && b < HANGUL_T + HANGUL_TS)
        return a + (b - HANGUL_T);
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const uint32_t *row = decompositions[compositions[mid]];

        if (row[1] == a && row[2] == b)
            return row[0];
        if (row[1] < a || (row[1] == a && row[2] < b))
            low = mid + 1;
        else
            high = mid;
    }
    return 0;
}

/* UAX #15, D117: each mark that is not blocked joins the starter before it, where the pair
 * composes. */
static void compose_all(struct points *t)
{
    size_t starter = SIZE_MAX, kept = 0;
    uint32_t last_class = 0;

    for (size_t i = 0; i < t->n; i++) {
        uint32_t point = t->p[i], class = class_of(point);
        bool blocked = kept > 0 && starter != kept - 1 && last_class >= class;
        uint32_t joined = starter == SIZE_MAX || blocked ? 0 : compose(t->p[starter], point);

        if (joined) {
            t->p[starter] = joined;
            continue;
        }
        if (class == 0)
            starter = kept;
        last_class = class;
        t->p[kept++] = point;
    }
    t->n = kept;
}

/* Nothing to do for most texts. */
static bool is_plain_nfc(struct str text)
{
    uint32_t point;

    while (text.n)
        if (!scan_utf8(&text, &point) || point >= FIRST_COMBINING)
            return false;
    return true;
}

bool nfc_add(struct buf *out, struct str text)
{
    struct buf one;
    uint32_t point;

    if (!utf8_valid(text))
        return false;
    buf_init(&one, 3 * text.n);
    if (is_plain_nfc(text)) {
        buf_add(&one, text);
    } else {
        struct points t = {calloc(GROWTH * text.n, sizeof(uint32_t)), 0};

        if (!t.p)
            abort();
        while (scan_utf8(&text, &point))
            decompose(&t, point);
        compose_all(&t);
        buf_room(&one, 3 * t.n < one.max ? 3 * t.n : one.max); /* one block to wipe */
        for (size_t i = 0; i < t.n; i++)
            utf8_add(&one, t.p[i]);
        explicit_bzero(t.p, t.n * sizeof(uint32_t));
        free(t.p);
    }
    bool fits =
        !buf_failed(&one) && !buf_failed(out) && buf_str(&one).n <= out->max - buf_str(out).n;
    if (fits)
        buf_add(out, buf_str(&one));
    if (one.p)
        explicit_bzero(one.p, one.cap);
    buf_done(&one);
    return fits;
}
