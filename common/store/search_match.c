/* One letter against the tree. */
#include "mail/header.h"
#include "store/search_impl.h"

enum {
    DAY_SECONDS = 86400,
    PIECE_BYTES = 65536,
    FIRST_BYTES = 4096,     /* of a head: most end there */
    LETTER_BYTES = 1 << 30, /* what lies behind is not looked at (F03: sparse files) */
};

static enum search_verdict verdict(bool yes)
{
    return yes ? VERDICT_YES : VERDICT_NO;
}

/* ---- keys ---- */

static int64_t day_of(int64_t unix_s)
{
    return (unix_s >= 0 ? unix_s : unix_s - (DAY_SECONDS - 1)) / DAY_SECONDS;
}

static bool is_day(enum search_op op, int64_t day, uint64_t number)
{
    int64_t of = (int64_t)number;

    if (op == SEARCH_BEFORE || op == SEARCH_SENTBEFORE)
        return day < of;
    return op == SEARCH_ON || op == SEARCH_SENTON ? day == of : day >= of;
}

static enum search_verdict eval_row(const struct search_key *k, const struct message *m)
{
    if (k->op == SEARCH_UIDS)
        return verdict(uidset_has(&k->uids, m->uid));
    if (k->op == SEARCH_FLAGS)
        return verdict((m->flags & k->mask) == k->mask);
    if (k->op == SEARCH_KEYWORD)
        return verdict((m->keywords & k->mask) != 0);
    if (k->op == SEARCH_RECENT)
        return verdict(m->uid >= k->number);
    if (k->op == SEARCH_LARGER)
        return verdict(!m->gone && m->vsize > k->number);
    if (k->op == SEARCH_SMALLER)
        return verdict(!m->gone && m->vsize < k->number);
    if (k->op == SEARCH_MODSEQ)
        return verdict(m->modseq >= k->number);
    return verdict(is_day(k->op, day_of(m->internaldate), k->number));
}

static bool head_matches(struct search *s, const struct search_key *k, struct str head)
{
    int64_t day;

    if (k->op == SEARCH_HEADER)
        return search_head_has(s, head, k->field, k->text);
    return search_head_day(head, &day) && is_day(k->op, day, k->number);
}

/* The fields of the file know better than those kept, where not all are. */
static enum search_verdict eval_header(struct search *s, const struct search_key *k,
                                       const struct search_letter *l)
{
    if (l->has_head)
        return verdict(head_matches(s, k, l->head));
    if (k->level > LEVEL_HEADER || l->m->gone)
        return VERDICT_UNKNOWN;
    if (head_matches(s, k, l->m->header))
        return VERDICT_YES;
    return l->m->header_complete ? VERDICT_NO : VERDICT_UNKNOWN;
}

static enum search_verdict eval_text(const struct search_key *k, const struct search_letter *l)
{
    if (!k->text.n || (l->found & k->bit))
        return VERDICT_YES;
    return l->has_text ? VERDICT_NO : VERDICT_UNKNOWN;
}

static enum search_verdict eval_leaf(struct search *s, const struct search_key *k,
                                     const struct search_letter *l)
{
    if (k->op == SEARCH_BODY || k->op == SEARCH_TEXT)
        return eval_text(k, l);
    if (k->op == SEARCH_ALL)
        return VERDICT_YES;
    if (k->level > l->level)
        return VERDICT_UNKNOWN;
    return k->field.n || k->op == SEARCH_HEADER ? eval_header(s, k, l) : eval_row(k, l->m);
}

/* ---- trees ---- */

/* A kid that says `decides` is enough: NO for AND, YES for OR. */
static enum search_verdict eval_kids(struct search *s, const struct search_key *k,
                                     const struct search_letter *l, enum search_verdict decides)
{
    enum search_verdict all = decides == VERDICT_NO ? VERDICT_YES : VERDICT_NO;

    for (const struct search_key *kid = k->kids; kid; kid = kid->next) {
        enum search_verdict v = search_eval(s, kid, l);

        if (v == decides)
            return v;
        if (v == VERDICT_UNKNOWN)
            all = v;
    }
    return all;
}

enum search_verdict search_eval(struct search *s, const struct search_key *k,
                                const struct search_letter *l)
{
    enum search_verdict v;

    if (k->op == SEARCH_AND)
        return eval_kids(s, k, l, VERDICT_NO);
    if (k->op == SEARCH_OR)
        return eval_kids(s, k, l, VERDICT_YES);
    if (k->op != SEARCH_NOT)
        return eval_leaf(s, k, l);
    v = search_eval(s, k->kids, l);
    return v == VERDICT_UNKNOWN ? v : verdict(v == VERDICT_NO);
}

/* ---- letters that must be read ---- */

/* Up to the empty line, or as much as a head may have. */
static int read_head(struct search *s, int fd, uint64_t *octets, struct err *err)
{
    int rc = 0;

    buf_clear(&s->head);
    for (size_t had = SIZE_MAX; !rc && had != buf_str(&s->head).n;) {
        struct str head = buf_str(&s->head);

        had = head.n;
        if (had >= HEADER_BYTES || header_end(head) < had)
            break;
        rc = search_read_at(&s->head, fd, had, had ? PIECE_BYTES : FIRST_BYTES, err);
    }
    *octets += buf_str(&s->head).n;
    return rc;
}

static int read_structure(struct search *s, int fd, struct part **out, uint64_t *octets,
                          struct err *err)
{
    struct structure_reader *r = structure_reader_new(&s->scratch);
    uint64_t at = 0;
    int rc;

    do {
        buf_clear(&s->value);
        rc = search_read_at(&s->value, fd, at, PIECE_BYTES, err);
        at += buf_str(&s->value).n;
        structure_reader_feed(r, buf_str(&s->value));
    } while (!rc && buf_str(&s->value).n && at < LETTER_BYTES);
    *octets += at;
    *out = structure_reader_end(r);
    return rc;
}

struct watch {
    struct search *s;
    struct search_letter *l;
};

static bool is_enough(void *arg, uint64_t found)
{
    struct watch *w = arg;

    w->l->found = found;
    return search_eval(w->s, w->s->tree, w->l) != VERDICT_UNKNOWN;
}

static int read_text(struct search *s, struct search_letter *l, int fd, uint64_t *octets,
                     struct err *err)
{
    struct part *top = l->m->parts.n ? structure_unpack(l->m->parts, &s->scratch) : NULL;
    struct watch w = {s, l};
    int rc = top ? 0 : read_structure(s, fd, &top, octets, err);

    if (rc < 0)
        return rc;
    return search_text_read(
        s->text,
        &(struct search_reading){
            .fd = fd, .top = top, .wanted = UINT64_MAX, .enough = is_enough, .arg = &w},
        &l->found, octets, err);
}

int search_file(struct search *s, const struct message *m, int fd, uint64_t *octets,
                struct err *err)
{
    struct search_letter l = {.m = m, .level = LEVEL_FILE};
    enum search_verdict v = search_eval(s, s->tree, &l);
    int rc = 0;

    if (v == VERDICT_UNKNOWN && s->has_header) {
        rc = read_head(s, fd, octets, err);
        if (rc < 0)
            return rc;
        l.has_head = true;
        l.head = str_first(buf_str(&s->head), header_end(buf_str(&s->head)));
        v = search_eval(s, s->tree, &l);
    }
    if (v == VERDICT_UNKNOWN && s->text) {
        arena_reset(&s->scratch);
        rc = read_text(s, &l, fd, octets, err);
        if (rc < 0)
            return rc;
        l.has_text = true;
        v = search_eval(s, s->tree, &l);
    }
    return v == VERDICT_YES;
}
