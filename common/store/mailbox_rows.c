/*
 * Scans: the rows of a set of UIDs, one statement for each range of it, or one over all of
 * them where the set has many holes. A scan outlives the transaction it began in (what was
 * found in files is written in between, names are looked for again): it goes on behind the row
 * it gave last.
 */
#include "store/boxfolder.h"

enum { SCAN_RANGE_ROWS = 8 }; /* to begin a statement costs as much as so many rows */

struct mailbox_scan {
    const struct uidset *uids; /* NULL: all */
    uint32_t range; /* of uids, the next to be begun; or the one rows are compared with */
    bool merge;     /* one statement over all of uids */
    bool begun, over;
    uint32_t next, last; /* what is left of the statement's range */
    uint32_t end;        /* UIDNEXT when it began: later ones do not belong to it */
    uint64_t since;
    unsigned want;
    enum index_sql sql;
    struct db_stmt *s;
};

static bool wants_summary(unsigned want)
{
    return want & (WANT_ENVELOPE | WANT_BODYSTRUCTURE | WANT_PARTS);
}

/* The index of changes knows those changed since the folder's base. */
static enum index_sql statement_for(const struct mailbox *b, unsigned want, uint64_t since)
{
    unsigned which = SQL_SCAN;

    if (since && since >= b->here.row.modseq_base)
        which = SQL_SCAN_SINCE;
    if (want & WANT_HEADER)
        which += SQL_SCAN_HEADER - SQL_SCAN;
    if (wants_summary(want))
        which += SQL_SCAN_SUMMARY - SQL_SCAN;
    return which == SQL_SCAN && (want & WANT_FILE) ? SQL_SCAN_FILE : which;
}

int mailbox_scan(struct mailbox *b, const struct uidset *uids, uint64_t since, unsigned want,
                 struct err *err)
{
    struct mailbox_scan *sc = calloc(1, sizeof(*sc));

    (void)err;
    if (!sc)
        abort();
    mailbox_scan_end(b);
    *sc = (struct mailbox_scan){.uids = uids,
                                .since = since > INT64_MAX ? INT64_MAX : since,
                                .want = want,
                                .end = b->here.row.uidnext,
                                .sql = statement_for(b, want, since)};
    sc->merge =
        uids && uids->n > 1 && (uint64_t)uids->n * SCAN_RANGE_ROWS > b->here.row.letters;
    sc->over = uids && uids->n == 0;
    b->scan = sc;
    return 0;
}

void mailbox_scan_pause(struct mailbox *b)
{
    if (b->scan && b->scan->s) {
        db_reset(b->scan->s);
        b->scan->s = NULL;
    }
}

void mailbox_scan_end(struct mailbox *b)
{
    mailbox_scan_pause(b);
    free(b->scan);
    b->scan = NULL;
}

/* The range of the next statement; false at the end. */
static bool next_range(struct mailbox_scan *sc)
{
    const struct uidset *u = sc->uids;

    if (!u || sc->merge) {
        if (sc->begun)
            return false;
        sc->next = u ? u->ranges[0].first : 1;
        sc->last = u ? u->ranges[u->n - 1].last : UINT32_MAX;
    } else {
        if (sc->range == u->n)
            return false;
        sc->next = u->ranges[sc->range].first;
        sc->last = u->ranges[sc->range++].last;
    }
    sc->begun = true;
    if (sc->last >= sc->end)
        sc->last = sc->end - 1;
    return sc->next <= sc->last;
}

static int begin_statement(struct mailbox *b, struct mailbox_scan *sc, struct err *err)
{
    int r;

    sc->s = index_statement(b->x, sc->sql, &r, err);
    if (!sc->s)
        return r;
    db_bind_int(sc->s, 1, letter_id(b->here.row.id, sc->next));
    db_bind_int(sc->s, 2, letter_id(b->here.row.id, sc->last));
    if (sc->sql >= SQL_SCAN_SINCE)
        db_bind_int(sc->s, 3, (int64_t)sc->since);
    return 0;
}

/* 1: sc->s stands on a row. */
static int step(struct mailbox *b, struct mailbox_scan *sc, struct err *err)
{
    int r;

    while (!sc->over) {
        if (!sc->s && (!sc->begun || sc->next > sc->last) && !next_range(sc))
            break;
        if (!sc->s && (r = begin_statement(b, sc, err)) < 0)
            return r;
        r = db_step(sc->s, err);
        if (r > 0)
            return 1;
        sc->s = NULL; /* it has reset itself */
        if (r < 0)
            return r;
        sc->next = sc->last + 1;
    }
    sc->over = true;
    return 0;
}

static bool in_set(struct mailbox_scan *sc, uint32_t uid)
{
    const struct uidset *u = sc->uids;

    if (!sc->merge)
        return true;
    while (sc->range < u->n && u->ranges[sc->range].last < uid)
        sc->range++;
    return sc->range < u->n && u->ranges[sc->range].first <= uid;
}

/* ---- a row ---- */

enum { FIRST_BLOB = 8 }; /* column */

/* '+' or '-' in front: whether it is complete. */
static void read_header(struct message *m, struct str kept)
{
    m->header_complete = kept.n && kept.p[0] == '+';
    m->header = str_skip(kept, kept.n ? 1 : 0);
}

static unsigned read_row(const struct mailbox *b, const struct mailbox_scan *sc,
                         struct message *m)
{
    struct db_stmt *s = sc->s;
    unsigned missing = 0;
    int at = FIRST_BLOB;

    *m = (struct message){.uid = (uint32_t)db_int(s, 0),
                          .modseq = db_is_null(s, 1) ? b->here.row.modseq_base
                                                     : (uint64_t)db_int(s, 1),
                          .flags = (uint32_t)db_int(s, 2),
                          .keywords = (uint32_t)db_int(s, 3),
                          .size = (uint64_t)db_int(s, 4),
                          .vsize = (uint64_t)db_int(s, 5),
                          .crlf = db_int(s, 6) != 0,
                          .internaldate = db_int(s, 7),
                          .savedate = LETTER_NO_TIME};
    if (db_is_null(s, 5))
        missing |= WANT_SIZE;
    if (db_is_null(s, 7))
        missing |= WANT_INTERNALDATE;
    if (sc->want & WANT_HEADER) {
        missing |= db_is_null(s, at) ? WANT_HEADER : 0u;
        read_header(m, db_str(s, at++));
    }
    if (wants_summary(sc->want)) {
        missing |= db_is_null(s, at) ? WANT_ENVELOPE | WANT_BODYSTRUCTURE | WANT_PARTS : 0u;
        m->envelope = db_str(s, at);
        m->bodystructure = db_str(s, at + 1);
        m->parts = db_str(s, at + 2);
    }
    return missing & sc->want;
}

bool mailbox_scan_letter(const struct mailbox *b, uint32_t uid, struct letter_row *l)
{
    const struct mailbox_scan *sc = b->scan;

    if (!sc || !sc->s || sc->sql != SQL_SCAN_FILE || sc->next != uid + 1)
        return false;
    *l = (struct letter_row){.uid = uid,
                             .unique = db_str(sc->s, FIRST_BLOB),
                             .form = (unsigned)db_int(sc->s, FIRST_BLOB + 2),
                             .modseq = (uint64_t)db_int(sc->s, 1),
                             .flags = (uint32_t)db_int(sc->s, 2),
                             .keywords = (uint32_t)db_int(sc->s, 3),
                             .size = (uint64_t)db_int(sc->s, 4),
                             .vsize = (uint64_t)db_int(sc->s, 5),
                             .has_vsize = !db_is_null(sc->s, 5),
                             .crlf = db_int(sc->s, 6) != 0,
                             .internaldate = LETTER_NO_TIME,
                             .savedate = LETTER_NO_TIME};
    if (!db_is_null(sc->s, FIRST_BLOB + 1))
        l->rest = db_str(sc->s, FIRST_BLOB + 1);
    return true;
}

/* Its own where it has one; else from the part of the name that never changes. */
static int find_ids(struct mailbox *b, struct message *m, struct err *err)
{
    struct letter_row l;
    struct arena a;
    struct buf id;

    arena_init(&a);
    int r = boxfolder_letter(&b->here, m->uid, &a, &l, err);
    if (r == 0) {
        buf_init(&id, MESSAGE_ID_BYTES);
        buf_add_byte(&id, 'M');
        name_uidl_hash(&id, l.unique);
        struct str text = l.emailid.p ? l.emailid : buf_str(&id);
        snprintf(m->emailid, sizeof(m->emailid), "%.*s", STR_ARGS(text));
        for (char *p = m->emailid; *p; p++)
            if (*p == '%')
                *p = '-';
        m->savedate = l.savedate;
        buf_done(&id);
    }
    arena_done(&a);
    return r == E_NOT_FOUND ? 0 : r;
}

/* What was found in files is written while no statement is open. */
static int keep_between(struct mailbox *b, struct err *err)
{
    mailbox_scan_pause(b);
    if (b->mode == MAILBOX_WRITE) {
        mailbox_keep(b);
        return mailbox_lost(b, err);
    }
    index_rollback(b->x);
    mailbox_keep(b);
    int r = index_begin_read(b->x, err);
    return r < 0 ? r : boxfolder_load(&b->here, err);
}

int mailbox_next(struct mailbox *b, struct message *m, struct err *err)
{
    struct mailbox_scan *sc = b->scan;
    int r = sc && mailbox_kept_full(b) ? keep_between(b, err) : 0;

    if (!sc || r < 0)
        return mailbox_failed(b, r);
    while ((r = step(b, sc, err)) > 0) {
        unsigned missing = read_row(b, sc, m);

        sc->next = m->uid + 1;
        if (m->modseq <= sc->since || !in_set(sc, m->uid))
            continue;
        if (sc->want & WANT_IDS)
            r = find_ids(b, m, err);
        if (r >= 0 && missing)
            r = mailbox_find_out(b, m, sc->want, missing, err);
        return r < 0 ? mailbox_failed(b, r) : 1;
    }
    return mailbox_failed(b, r);
}
