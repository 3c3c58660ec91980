/*
 * command - an IMAP command, taken apart: what parse.c makes of a frame and what session and
 * work run.
 *
 * Text points into the frame or into the command's arena, which both live until the command has
 * ended. Mailbox names are UTF-8 (decoded from modified UTF-7, INBOX in capitals).
 */
#ifndef POSTA_IMAPD_COMMAND_H
#define POSTA_IMAPD_COMMAND_H

#include "store/folders.h"
#include "store/search.h"

enum {
    COMMAND_SET_RANGES = 10000, /* of a sequence set, before it is put in order (I10) */
    COMMAND_FETCH_ITEMS = 100,
    COMMAND_SECTION_NUMBERS = 100, /* deeper than any tree: STRUCTURE_DEPTH              */
    COMMAND_HEADER_FIELDS = 200,
    COMMAND_KEYWORDS = 64, /* of one STORE or APPEND (I21)                       */
    COMMAND_KEYWORD_BYTES = 100,
    COMMAND_ID_FIELDS = 30, /* RFC 2971 3.3                                       */
    COMMAND_TAG_BYTES = 64,
    COMMAND_PATTERNS = 32,
};

enum verb {
    VERB_NONE,
    /* any state */
    VERB_CAPABILITY,
    VERB_NOOP,
    VERB_LOGOUT,
    VERB_ID,
    /* not authenticated */
    VERB_STARTTLS,
    VERB_AUTHENTICATE,
    VERB_LOGIN,
    /* authenticated */
    VERB_ENABLE,
    VERB_SELECT,
    VERB_EXAMINE,
    VERB_CREATE,
    VERB_DELETE,
    VERB_RENAME,
    VERB_SUBSCRIBE,
    VERB_UNSUBSCRIBE,
    VERB_LIST,
    VERB_LSUB,
    VERB_NAMESPACE,
    VERB_STATUS,
    VERB_APPEND,
    VERB_IDLE,
    VERB_GETQUOTA,
    VERB_GETQUOTAROOT,
    VERB_SETQUOTA,
    /* selected */
    VERB_CHECK,
    VERB_CLOSE,
    VERB_UNSELECT,
    VERB_EXPUNGE,
    VERB_SEARCH,
    VERB_FETCH,
    VERB_STORE,
    VERB_COPY,
    VERB_MOVE,
    /* not a client's: look what has changed (IDLE) */
    VERB_SYNC,
};

/* As the client wrote it: 0 is '*'. Resolved by work.c against what the session knows. */
struct seqrange {
    uint32_t first, last;
};
struct seqset {
    struct seqrange *ranges;
    unsigned n;
    bool saved; /* "$" (RFC 5182): not offered yet, so always false */
};

enum section_text {
    SECTION_ALL,
    SECTION_HEADER,
    SECTION_FIELDS,
    SECTION_FIELDS_NOT,
    SECTION_TEXT,
    SECTION_MIME
};

struct section {
    uint32_t *numbers; /* the part: 1.2 … */
    unsigned nnumbers;
    enum section_text text;
    struct str *fields;
    unsigned nfields;
};

enum fetch_what {
    FETCH_UID = 1 << 0,
    FETCH_FLAGS = 1 << 1,
    FETCH_INTERNALDATE = 1 << 2,
    FETCH_SIZE = 1 << 3,
    FETCH_ENVELOPE = 1 << 4,
    FETCH_BODY = 1 << 5,
    FETCH_BODYSTRUCTURE = 1 << 6,
    FETCH_MODSEQ = 1 << 7,
    FETCH_SECTION = 1 << 8,
    FETCH_RFC822 = 1 << 9,
    FETCH_RFC822_HEADER = 1 << 10,
    FETCH_RFC822_TEXT = 1 << 11,
};

struct fetch_item { /* one that sends text: FETCH_SECTION and above */
    enum fetch_what what;
    bool peek, partial;
    uint64_t from; /* octets; RFC 3501 partial <from.octets> */
    uint64_t octets;
    struct section section;
};

enum list_return {
    LIST_SUBSCRIBED = 1,
    LIST_CHILDREN = 2,
    LIST_SPECIAL_USE = 4,
    LIST_STATUS = 8
};
enum list_select {
    LIST_SELECT_SUBSCRIBED = 1,
    LIST_SELECT_REMOTE = 2,
    LIST_SELECT_RECURSIVEMATCH = 4,
    LIST_SELECT_SPECIAL_USE = 8
};
enum status_item {
    STATUS_MESSAGES = 1,
    STATUS_RECENT = 2,
    STATUS_UIDNEXT = 4,
    STATUS_UIDVALIDITY = 8,
    STATUS_UNSEEN = 16,
    STATUS_HIGHESTMODSEQ = 32,
    STATUS_SIZE = 64,
    STATUS_DELETED = 128,
    STATUS_MAILBOXID = 256,
};
enum search_return { SEARCH_MIN = 1, SEARCH_MAX = 2, SEARCH_RETURN_ALL = 4, SEARCH_COUNT = 8 };

struct command_flags {
    uint32_t flags; /* NAME_SEEN … */
    struct str *keywords;
    unsigned n;
};

struct command {
    struct str tag;
    enum verb verb;
    bool uid;                       /* UID FETCH … */
    bool bad_charset;               /* parsed, but its charset is not known: NO [BADCHARSET] */
    struct seqset set;              /* FETCH STORE COPY MOVE, UID EXPUNGE */
    struct str mailbox, mailbox_to; /* SELECT … STATUS APPEND COPY; RENAME */
    union {
        struct {
            struct str user, password;
        } login;
        struct {
            struct str mechanism, initial;
            bool has_initial;
        } authenticate;
        struct {
            bool condstore;
            unsigned unknown;
        } enable;
        struct {
            bool condstore;
        } select;
        struct {
            enum special_use use;
            bool has_use; /* of USE_NONE: one that is not offered, NO [USEATTR] */
        } create;
        struct {
            struct str *patterns; /* with the reference in front */
            unsigned n;
            unsigned select, returns, status; /* enum list_select, list_return, status_item */
            bool extended;
            bool empty; /* LIST "" "": only the separator is asked for */
        } list;
        struct {
            unsigned items;
        } status;
        struct {
            struct command_flags flags;
            bool has_date;
            int64_t internaldate;
            uint64_t octets;
        } append;
        struct {
            unsigned what; /* enum fetch_what of those without text */
            struct fetch_item *items;
            unsigned n;
            bool has_since;
            uint64_t since; /* CHANGEDSINCE; FETCH_MODSEQ is in `what` then */
        } fetch;
        struct {
            enum mailbox_store how;
            bool silent;
            struct command_flags flags;
            bool has_unchangedsince;
            uint64_t unchangedsince;
        } store;
        struct {
            bool extended; /* RETURN (…) was there */
            unsigned returns;
            struct search_key *tree; /* sequence sets in it: see search_set */
            struct search_set *sets;
            bool modseq; /* a MODSEQ key: the answer tells the highest */
        } search;
        struct {
            struct str root;
        } quota;
        struct {
            struct str *names, *values;
            unsigned n;
        } id;
    };
};

/* A set inside a search: work.c fills key->uids from it before it searches. */
struct search_set {
    struct search_set *next;
    struct search_key *key;
    struct seqset set;
    bool uid;
};

#endif
