/*
 * folders - the folders of a user: listed, made, deleted, renamed, subscribed (RFC 3501 6.3),
 * with what each is for (SPECIAL-USE, RFC 6154).
 *
 * Names are UTF-8 with '/' between their parts (store/path.h). A folder that has been deleted
 * but has some below it is only a name that cannot be selected. All block; durable after 0.
 */
#ifndef POSTA_STORE_FOLDERS_H
#define POSTA_STORE_FOLDERS_H

#include "store/mailbox.h"
#include "store/quota.h"

enum {
    FOLDERS_MAX = 10000, /* a user's                          */
    FOLDERS_DEPTH = 32,  /* parts of a name                   */
    FOLDERS_SUBSCRIBED = 10000,
    FOLDER_NAME_BYTES = 255,
    FOLDERS_PATTERN_BYTES = 1024, /* a longer one matches nothing */
};

enum special_use {
    USE_NONE,
    USE_ARCHIVE,
    USE_DRAFTS,
    USE_FLAGGED,
    USE_JUNK,
    USE_SENT,
    USE_TRASH
};

/* One that neither exists nor has children is there because it, or something below it, is
 * subscribed: LIST without SUBSCRIBED and LSUB does not show it (RFC 5258 3). */
struct folders_entry {
    struct str name;
    bool exists; /* else: only a parent of others (\Noselect, \NonExistent), or only subscribed
                  */
    bool subscribed;
    bool has_children, has_subscribed_children; /* also further down */
    enum special_use use;
};

/* All of them, a parent before what is below it, otherwise in the order of octets, INBOX first;
 * lives as long as `a`. */
int folders_list(struct mailboxes *all, struct str maildir, struct arena *a,
                 struct folders_entry **out, size_t *n, struct err *err);

/* "\\Sent" and so on; empty for USE_NONE. scan: case does not matter. */
struct str special_use_name(enum special_use use);
bool special_use_scan(struct str name, enum special_use *out);

/* Names that can be paths but are not given to new folders: "." and ".." as a part, wildcards
 * (RFC 3501 5.1), what begins with '~' or '#' (I15, I17). */
bool folders_name_good(struct str name);

/* E_EXISTS; E_SYNTAX (CANNOT): no folder can have this name; E_LIMIT; E_DENIED (USEATTR, RFC
 * 6154 3): another folder has this use. Parents that are missing are made. One '/' at the end
 * is passed over. */
int folders_create(struct mailboxes *all, struct str maildir, struct str name,
                   enum special_use use, struct str mailboxid_out[1], struct arena *a,
                   struct err *err);
/* Letters go with it; what is below it stays. E_NOT_FOUND; E_DENIED for INBOX and for what is
 * only the name of a parent (HASCHILDREN, RFC 5530). Subscriptions stay. */
int folders_delete(struct mailboxes *all, struct str maildir, struct str name, struct err *err);
/* With all below it, and their uses. INBOX: its letters move to the new folder and INBOX stays,
 * empty (RFC 3501 6.3.5). E_NOT_FOUND; E_EXISTS, E_SYNTAX, E_LIMIT as for a new one. */
int folders_rename(struct mailboxes *all, struct str maildir, struct str from, struct str to,
                   struct err *err);
/* The folder need not be there. E_SYNTAX; E_LIMIT. */
int folders_subscribe(struct mailboxes *all, struct str maildir, struct str name, bool on,
                      struct err *err);

/* What all folders hold together. */
int folders_usage(struct mailboxes *all, struct str maildir, struct quota_usage *out,
                  struct err *err);

/* Does a name match a LIST pattern ('*', '%', '/' between parts)? Linear in name × pattern
 * (I14). INBOX in any case. */
bool folders_match(struct str pattern, struct str name);

/* Once in the life of a mailbox, so at each login and cheap: Drafts, Sent, Trash, Junk, Archive
 * are made and subscribed; a folder that is there under one of the names which mail programs
 * use gets the use instead. One that is deleted later does not come again. */
int folders_make_usual(struct mailboxes *all, struct str maildir, struct err *err);

#endif
