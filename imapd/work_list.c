/*
 * LIST and LSUB: RFC 3501 6.3.8, 6.3.9, LIST-EXTENDED: RFC 5258, LIST-STATUS: RFC 5819,
 * SPECIAL-USE: RFC 6154.
 *
 * All names are judged at once, as CHILDINFO needs to know what is below; then they are told,
 * as long as `out` has room.
 */
#include "imapd/work_impl.h"

enum { LIST_STATUS_A_STEP = 50 };

/* What is found out about a name before any is told. */
enum {
    SELECTED = 1, /* what the selection options ask for */
    MATCHES = 2,  /* a pattern */
    KIDS = 4,     /* one below it is selected */
    HIDDEN = 8,   /* and does not match, so that it is not told itself */
};

struct catalog {
    struct folders_entry *entries;
    unsigned char *judged;
    size_t n, next;
};

static bool is_selected(const struct command *c, const struct folders_entry *e)
{
    if (c->verb == VERB_LSUB)
        return e->subscribed;
    if ((c->list.select & LIST_SELECT_SUBSCRIBED) && !e->subscribed)
        return false;
    if ((c->list.select & LIST_SELECT_SPECIAL_USE) && e->use == USE_NONE)
        return false;
    return (c->list.select & LIST_SELECT_SUBSCRIBED) || e->exists || e->has_children;
}

static bool matches(const struct command *c, struct str name)
{
    for (unsigned i = 0; i < c->list.n; i++)
        if (folders_match(c->list.patterns[i], name))
            return true;
    return false;
}

static bool is_below(struct str name, struct str parent)
{
    return name.n > parent.n && name.p[parent.n] == '/' && str_starts(name, parent);
}

/* Parents stand right before what is below them (folders.h), so they are at hand in above[]. */
static void judge(const struct command *c, struct catalog *l)
{
    size_t above[FOLDER_NAME_BYTES + 1], depth = 0;

    for (size_t i = 0; i < l->n; i++) {
        const struct folders_entry *e = &l->entries[i];

        while (depth && !is_below(e->name, l->entries[above[depth - 1]].name))
            depth--;
        l->judged[i] = (unsigned char)((is_selected(c, e) ? SELECTED : 0) |
                                       (matches(c, e->name) ? MATCHES : 0));
        for (size_t k = 0; k < depth && (l->judged[i] & SELECTED); k++)
            l->judged[above[k]] |= l->judged[i] & MATCHES ? KIDS : KIDS | HIDDEN;
        if (depth < sizeof(above) / sizeof(above[0]))
            above[depth++] = i;
    }
}

static int begin(struct step *s, struct catalog **out)
{
    struct arena *a = &s->run->arena;
    struct catalog *l = ARENA_NEW(a, struct catalog);
    int code = folders_list(s->w->all, str_c(s->w->maildir), a, &l->entries, &l->n, &s->err);

    if (code < 0)
        return code;
    l->judged = ARENA_ARRAY(a, unsigned char, l->n + 1);
    judge(s->c, l);
    s->run->state = l;
    *out = l;
    return 0;
}

/* ---- one name ---- */

static void attribute(struct buf *out, size_t start, struct str name)
{
    if (out->n > start)
        buf_add_byte(out, ' ');
    buf_add(out, name);
}

static void print_attributes(struct step *s, const struct folders_entry *e)
{
    const struct command *c = s->c;
    size_t start = s->out->n;

    if (!e->exists) {
        attribute(s->out, start, STR("\\NonExistent"));
        attribute(s->out, start, STR("\\Noselect"));
    }
    attribute(s->out, start, e->has_children ? STR("\\HasChildren") : STR("\\HasNoChildren"));
    if (e->subscribed &&
        ((c->list.returns & LIST_SUBSCRIBED) || (c->list.select & LIST_SELECT_SUBSCRIBED)))
        attribute(s->out, start, STR("\\Subscribed"));
    if (e->exists && e->use != USE_NONE)
        attribute(s->out, start, special_use_name(e->use));
}

static void print_childinfo(struct buf *out, unsigned select)
{
    bool subscribed = select & LIST_SELECT_SUBSCRIBED;

    buf_add(out, STR(" (\"CHILDINFO\" ("));
    if (subscribed)
        buf_add(out, STR("\"SUBSCRIBED\""));
    if (select & LIST_SELECT_SPECIAL_USE)
        buf_add(out, subscribed ? STR(" \"SPECIAL-USE\"") : STR("\"SPECIAL-USE\""));
    buf_add(out, STR("))"));
}

static void tell_list(struct step *s, const struct folders_entry *e, unsigned judged)
{
    buf_add(s->out, STR("* LIST ("));
    print_attributes(s, e);
    buf_add(s->out, STR(") \"/\" "));
    work_print_mailbox(s->out, e->name);
    if ((judged & KIDS) && (s->c->list.select & LIST_SELECT_RECURSIVEMATCH))
        print_childinfo(s->out, s->c->list.select);
    buf_add(s->out, STR("\r\n"));
}

/* A name that is not subscribed itself but has some below it that are (RFC 3501 6.3.9). */
static void tell_lsub(struct step *s, const struct folders_entry *e, unsigned judged)
{
    buf_add(s->out,
            judged & SELECTED ? STR("* LSUB () \"/\" ") : STR("* LSUB (\\Noselect) \"/\" "));
    work_print_mailbox(s->out, e->name);
    buf_add(s->out, STR("\r\n"));
}

/* A parent stands for what is below it only where that does not speak for itself (RFC
 * 5258 3.5).
 */
static bool is_told(const struct command *c, unsigned judged)
{
    bool parents = c->verb == VERB_LSUB || (c->list.select & LIST_SELECT_RECURSIVEMATCH);

    return (judged & MATCHES) && ((judged & SELECTED) || (parents && (judged & HIDDEN)));
}

/* A folder whose numbers cannot be had is listed all the same (RFC 5819 2). */
static void tell_status(struct step *s, const struct folders_entry *e)
{
    size_t mark = s->out->n;

    if (e->exists && work_tell_status(s, e->name, s->c->list.status) < 0)
        s->out->n = mark;
}

static enum work_state tell(struct step *s, struct catalog *l)
{
    bool status = s->c->verb == VERB_LIST && (s->c->list.returns & LIST_STATUS);
    unsigned asked = 0;

    for (; l->next < l->n; l->next++) {
        const struct folders_entry *e = &l->entries[l->next];

        if (!is_told(s->c, l->judged[l->next]))
            continue;
        if (work_full(s) || asked == LIST_STATUS_A_STEP)
            return WORK_MORE;
        if (s->c->verb == VERB_LSUB)
            tell_lsub(s, e, l->judged[l->next]);
        else
            tell_list(s, e, l->judged[l->next]);
        if (status && ++asked)
            tell_status(s, e);
    }
    return work_ok(s, s->c->verb == VERB_LSUB ? "LSUB completed" : "LIST completed");
}

enum work_state work_list(struct step *s)
{
    struct catalog *l = s->run->state;
    int code = 0;

    if (s->c->list.empty) {
        buf_add(s->out, s->c->verb == VERB_LSUB ? STR("* LSUB") : STR("* LIST"));
        buf_add(s->out, STR(" (\\Noselect) \"/\" \"\"\r\n"));
        return work_ok(s, "The separator is told");
    }
    if (!l)
        code = begin(s, &l);
    return code < 0 ? work_fail(s, code) : tell(s, l);
}
