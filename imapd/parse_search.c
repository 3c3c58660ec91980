/*
 * SEARCH: RFC 3501 6.4.4 and 9, RETURN of RFC 4731 and 4466, MODSEQ of RFC 7162.
 *
 * The tree's depth is bounded by the depth of our own calls (I12). Strings become UTF-8 here;
 * of a charset that is not known the command is parsed all the same, because a syntax error is
 * BAD and a charset NO (I13).
 */
#include "base/ascii.h"
#include "imapd/parse_impl.h"
#include "mail/charset.h"

struct search_reader {
    struct arena *a;
    struct command *out;
    const char **why;
    struct str charset;
    unsigned depth, keys, texts;
    struct search_set **sets_end;
};

enum argument {
    NOTHING,
    STRING,
    DATE,
    NUMBER,
    KEYWORD,
    FIELD_STRING, /* HEADER */
    SET,          /* UID */
    MODSEQ,
    KEY,      /* NOT */
    TWO_KEYS, /* OR */
};

struct row {
    struct str name;
    enum argument argument;
    enum search_op op;
    uint32_t mask; /* NAME_… */
    bool negated;
    struct str field; /* of SEARCH_HEADER */
};

static const struct row rows[] = {
    {STR_LIT("ALL"),        NOTHING,      SEARCH_ALL,        0,            false, STR_LIT("")       },
    {STR_LIT("ANSWERED"),   NOTHING,      SEARCH_FLAGS,      NAME_REPLIED, false, STR_LIT("")       },
    {STR_LIT("BCC"),        STRING,       SEARCH_HEADER,     0,            false, STR_LIT("Bcc")    },
    {STR_LIT("BEFORE"),     DATE,         SEARCH_BEFORE,     0,            false, STR_LIT("")       },
    {STR_LIT("BODY"),       STRING,       SEARCH_BODY,       0,            false, STR_LIT("")       },
    {STR_LIT("CC"),         STRING,       SEARCH_HEADER,     0,            false, STR_LIT("Cc")     },
    {STR_LIT("DELETED"),    NOTHING,      SEARCH_FLAGS,      NAME_TRASHED, false, STR_LIT("")       },
    {STR_LIT("DRAFT"),      NOTHING,      SEARCH_FLAGS,      NAME_DRAFT,   false, STR_LIT("")       },
    {STR_LIT("FLAGGED"),    NOTHING,      SEARCH_FLAGS,      NAME_FLAGGED, false, STR_LIT("")       },
    {STR_LIT("FROM"),       STRING,       SEARCH_HEADER,     0,            false, STR_LIT("From")   },
    {STR_LIT("HEADER"),     FIELD_STRING, SEARCH_HEADER,     0,            false, STR_LIT("")       },
    {STR_LIT("KEYWORD"),    KEYWORD,      SEARCH_KEYWORD,    0,            false, STR_LIT("")       },
    {STR_LIT("LARGER"),     NUMBER,       SEARCH_LARGER,     0,            false, STR_LIT("")       },
    {STR_LIT("MODSEQ"),     MODSEQ,       SEARCH_MODSEQ,     0,            false, STR_LIT("")       },
    {STR_LIT("NEW"),        NOTHING,      SEARCH_AND,        0,            false, STR_LIT("")       },
    {STR_LIT("NOT"),        KEY,          SEARCH_NOT,        0,            false, STR_LIT("")       },
    {STR_LIT("OLD"),        NOTHING,      SEARCH_RECENT,     0,            true,  STR_LIT("")       },
    {STR_LIT("ON"),         DATE,         SEARCH_ON,         0,            false, STR_LIT("")       },
    {STR_LIT("OR"),         TWO_KEYS,     SEARCH_OR,         0,            false, STR_LIT("")       },
    {STR_LIT("RECENT"),     NOTHING,      SEARCH_RECENT,     0,            false, STR_LIT("")       },
    {STR_LIT("SEEN"),       NOTHING,      SEARCH_FLAGS,      NAME_SEEN,    false, STR_LIT("")       },
    {STR_LIT("SENTBEFORE"), DATE,         SEARCH_SENTBEFORE, 0,            false, STR_LIT("")       },
    {STR_LIT("SENTON"),     DATE,         SEARCH_SENTON,     0,            false, STR_LIT("")       },
    {STR_LIT("SENTSINCE"),  DATE,         SEARCH_SENTSINCE,  0,            false, STR_LIT("")       },
    {STR_LIT("SINCE"),      DATE,         SEARCH_SINCE,      0,            false, STR_LIT("")       },
    {STR_LIT("SMALLER"),    NUMBER,       SEARCH_SMALLER,    0,            false, STR_LIT("")       },
    {STR_LIT("SUBJECT"),    STRING,       SEARCH_HEADER,     0,            false, STR_LIT("Subject")},
    {STR_LIT("TEXT"),       STRING,       SEARCH_TEXT,       0,            false, STR_LIT("")       },
    {STR_LIT("TO"),         STRING,       SEARCH_HEADER,     0,            false, STR_LIT("To")     },
    {STR_LIT("UID"),        SET,          SEARCH_UIDS,       0,            false, STR_LIT("")       },
    {STR_LIT("UNANSWERED"), NOTHING,      SEARCH_FLAGS,      NAME_REPLIED, true,  STR_LIT("")       },
    {STR_LIT("UNDELETED"),  NOTHING,      SEARCH_FLAGS,      NAME_TRASHED, true,  STR_LIT("")       },
    {STR_LIT("UNDRAFT"),    NOTHING,      SEARCH_FLAGS,      NAME_DRAFT,   true,  STR_LIT("")       },
    {STR_LIT("UNFLAGGED"),  NOTHING,      SEARCH_FLAGS,      NAME_FLAGGED, true,  STR_LIT("")       },
    {STR_LIT("UNKEYWORD"),  KEYWORD,      SEARCH_KEYWORD,    0,            true,  STR_LIT("")       },
    {STR_LIT("UNSEEN"),     NOTHING,      SEARCH_FLAGS,      NAME_SEEN,    true,  STR_LIT("")       },
};

static bool fail(struct search_reader *r, const char *why)
{
    *r->why = why;
    return false;
}

/* NULL at the limit. */
static struct search_key *new_key(struct search_reader *r, enum search_op op)
{
    if (r->keys == SEARCH_KEYS) {
        fail(r, "too many search keys");
        return NULL;
    }
    r->keys++;
    struct search_key *k = ARENA_NEW(r->a, struct search_key);
    k->op = op;
    return k;
}

static bool scan_key(struct search_reader *r, struct str *in, struct search_key **out);

/* ---- arguments ---- */

static struct str to_utf8(struct search_reader *r, struct str s)
{
    struct buf utf8;

    buf_init(&utf8, 4 * SEARCH_TEXT_BYTES);
    charset_to_utf8(&utf8, r->charset, s);
    s = arena_dup(r->a, buf_str(&utf8));
    buf_done(&utf8);
    return s;
}

static bool scan_text(struct search_reader *r, struct str *in, struct search_key *k)
{
    if (!scan_byte(in, ' ') || !scan_astring(in, r->a, &k->text))
        return false;
    if (k->text.n > SEARCH_TEXT_BYTES)
        return fail(r, "a search string is too long");
    if (k->op != SEARCH_HEADER && r->texts++ == SEARCH_TEXT_KEYS)
        return fail(r, "too many BODY and TEXT keys");
    k->text = to_utf8(r, k->text);
    return true;
}

/* "HEADER" SP header-fld-name SP astring */
static bool scan_header(struct search_reader *r, struct str *in, struct search_key *k)
{
    if (!scan_byte(in, ' ') || !scan_astring(in, r->a, &k->field))
        return false;
    if (k->field.n > SEARCH_TEXT_BYTES)
        return fail(r, "a field's name is too long");
    return scan_text(r, in, k);
}

static bool scan_day(struct str *in, struct search_key *k)
{
    int64_t day;

    if (!scan_byte(in, ' ') || !scan_date(in, &day))
        return false;
    k->number = (uint64_t)day;
    return true;
}

static bool scan_set(struct search_reader *r, struct str *in, struct search_key *k, bool uid)
{
    struct search_set *set = ARENA_NEW(r->a, struct search_set);

    if (!scan_sequence_set(in, r->a, &set->set))
        return false;
    set->key = k;
    set->uid = uid;
    *r->sets_end = set;
    r->sets_end = &set->next;
    return true;
}

/* search-modsequence = "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer
 * entry-type-req = "priv" / "shared" / "all". Ours are of letters, not of single flags: a
 * server like that MUST ignore the entry (RFC 7162 3.1.5). */
static bool scan_modseq(struct search_reader *r, struct str *in, struct search_key *k)
{
    struct str name;

    if (!scan_byte(in, ' '))
        return false;
    if (in->n && in->p[0] == '"' &&
        (!scan_quoted(in, r->a, &name) ||
         (!scan_word_nocase(in, STR(" priv ")) && !scan_word_nocase(in, STR(" shared ")) &&
          !scan_word_nocase(in, STR(" all ")))))
        return false;
    r->out->search.modseq = true;
    return scan_number64(in, &k->number);
}

/* `n` keys behind spaces. */
static bool scan_kids(struct search_reader *r, struct str *in, struct search_key *k, unsigned n)
{
    struct search_key **end = &k->kids;

    for (; n; n--, end = &(*end)->next)
        if (!scan_byte(in, ' ') || !scan_key(r, in, end))
            return false;
    return true;
}

static bool scan_argument(struct search_reader *r, struct str *in, const struct row *row,
                          struct search_key *k)
{
    switch (row->argument) {
    case NOTHING:
        return true;
    case STRING:
        return scan_text(r, in, k);
    case DATE:
        return scan_day(in, k);
    case NUMBER:
        return scan_byte(in, ' ') && scan_number64(in, &k->number);
    case KEYWORD:
        return scan_byte(in, ' ') && scan_atom(in, &k->text);
    case FIELD_STRING:
        return scan_header(r, in, k);
    case SET:
        return scan_byte(in, ' ') && scan_set(r, in, k, true);
    case MODSEQ:
        return scan_modseq(r, in, k);
    case KEY:
        return scan_kids(r, in, k, 1);
    case TWO_KEYS:
        return scan_kids(r, in, k, 2);
    }
    return false;
}

/* ---- keys ---- */

/* NEW: RECENT UNSEEN */
static bool add_new(struct search_reader *r, struct search_key *k)
{
    struct search_key *recent = new_key(r, SEARCH_RECENT), *no = new_key(r, SEARCH_NOT),
                      *seen = new_key(r, SEARCH_FLAGS);

    if (!recent || !no || !seen)
        return false;
    seen->mask = NAME_SEEN;
    no->kids = seen;
    recent->next = no;
    k->kids = recent;
    return true;
}

static const struct row *find_row(struct str name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (str_eq_nocase(rows[i].name, name))
            return &rows[i];
    return NULL;
}

static bool scan_named(struct search_reader *r, struct str *in, struct search_key **out)
{
    const struct row *row;
    struct search_key *k, *no = NULL;
    struct str name;

    if (!scan_atom(in, &name) || !(row = find_row(name)))
        return fail(r, "unknown search key");
    k = new_key(r, row->op);
    if (row->negated)
        no = new_key(r, SEARCH_NOT);
    if (!k || (row->negated && !no))
        return false;
    k->mask = row->mask;
    k->field = row->field;
    if (!scan_argument(r, in, row, k) || (row->op == SEARCH_AND && !add_new(r, k)))
        return false;
    if (no)
        no->kids = k;
    *out = no ? no : k;
    return true;
}

/* search-key *(SP search-key), what all of must match */
static bool scan_all(struct search_reader *r, struct str *in, struct search_key **out)
{
    struct search_key *all = new_key(r, SEARCH_AND), **end;

    if (!all)
        return false;
    end = &all->kids;
    do {
        if (!scan_key(r, in, end))
            return false;
        end = &(*end)->next;
    } while (scan_byte(in, ' '));
    *out = all;
    return true;
}

/* search-key = … / sequence-set / "(" search-key *(SP search-key) ")" */
static bool scan_one(struct search_reader *r, struct str *in, struct search_key **out)
{
    struct search_key *k;

    if (scan_byte(in, '('))
        return scan_all(r, in, out) && scan_byte(in, ')');
    if (!in->n || (!ascii_is_digit(in->p[0]) && in->p[0] != '*'))
        return scan_named(r, in, out);
    k = new_key(r, SEARCH_UIDS);
    if (!k || !scan_set(r, in, k, false))
        return false;
    *out = k;
    return true;
}

static bool scan_key(struct search_reader *r, struct str *in, struct search_key **out)
{
    bool good;

    if (r->depth == SEARCH_DEPTH)
        return fail(r, "search keys are nested too deep");
    r->depth++;
    good = scan_one(r, in, out);
    r->depth--;
    return good;
}

/* ---- the command ---- */

/* search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")" */
static bool scan_return(struct str *in, struct command *out)
{
    static const struct {
        struct str name;
        enum search_return bit;
    } options[] = {
        {STR_LIT("MIN"),   SEARCH_MIN       },
        {STR_LIT("MAX"),   SEARCH_MAX       },
        {STR_LIT("ALL"),   SEARCH_RETURN_ALL},
        {STR_LIT("COUNT"), SEARCH_COUNT     },
    };

    if (!scan_word_nocase(in, STR(" RETURN (")))
        return true;
    out->search.extended = true;
    if (scan_byte(in, ')')) {
        out->search.returns = SEARCH_RETURN_ALL; /* RFC 4731 3.1 */
        return true;
    }
    do {
        struct str name;
        unsigned bit = 0;

        if (!scan_atom(in, &name))
            return false;
        for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
            if (str_eq_nocase(name, options[i].name))
                bit = options[i].bit;
        if (!bit)
            return false;
        out->search.returns |= bit;
    } while (scan_byte(in, ' '));
    return scan_byte(in, ')');
}

/* ["CHARSET" SP charset SP] */
static bool scan_charset(struct search_reader *r, struct str *in)
{
    if (!scan_word_nocase(in, STR("CHARSET ")))
        return true;
    if (!scan_astring(in, r->a, &r->charset) || !scan_byte(in, ' '))
        return false;
    if (!r->charset.n || !charset_known(r->charset))
        r->out->bad_charset = true;
    return true;
}

/* search         = "SEARCH" [search-return-opts] SP search-program        RFC 4466 2.6.1
 * search-program = ["CHARSET" SP charset SP] search-key *(SP search-key) */
bool parse_search(struct str *in, struct arena *a, struct command *out, const char **why)
{
    struct search_reader r = {.a = a, .out = out, .why = why, .charset = STR("")};

    r.sets_end = &out->search.sets;
    *why = "RETURN takes MIN, MAX, ALL and COUNT in parentheses";
    if (!scan_return(in, out))
        return false;
    *why = "a search key is missing, or its argument is not written as it should be";
    return scan_byte(in, ' ') && scan_charset(&r, in) && scan_all(&r, in, &out->search.tree);
}
