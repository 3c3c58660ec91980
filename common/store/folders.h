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

enum {
    FOLDERS_MAX = 10000, /* a user's                          */
    FOLDERS_DEPTH = 32,  /* parts of a name                   */
    FOLDERS_SUBSCRIBED = 10000,
    FOLDER_NAME_BYTES = 255,
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

struct folders_entry {
    struct str name;
    bool exists; /* else: only a parent of others (\Noselect, \NonExistent), or only subscribed
                  */
    bool subscribed;
    bool has_children, has_subscribed_children;
    enum special_use use;
};

/* All of them in the order of their names, INBOX first; lives as long as `a`. */
int folders_list(struct mailboxes *all, struct str maildir, struct arena *a,
                 struct folders_entry **out, size_t *n, struct err *err);

/* E_EXISTS; E_SYNTAX (CANNOT): the name cannot be a path; E_LIMIT. Parents that are missing are
 * made. */
int folders_create(struct mailboxes *all, struct str maildir, struct str name,
                   enum special_use use, struct str mailboxid_out[1], struct arena *a,
                   struct err *err);
/* E_NOT_FOUND; E_DENIED for INBOX. Letters go with it. */
int folders_delete(struct mailboxes *all, struct str maildir, struct str name, struct err *err);
/* With all below it. INBOX: its letters move to the new folder and INBOX stays, empty (RFC
 * 3501 6.3.5). */
int folders_rename(struct mailboxes *all, struct str maildir, struct str from, struct str to,
                   struct err *err);
int folders_subscribe(struct mailboxes *all, struct str maildir, struct str name, bool on,
                      struct err *err);

/* Does a name match a LIST pattern ('*', '%', '/' between parts)? Linear in name × pattern
 * (I14). INBOX in any case. */
bool folders_match(struct str pattern, struct str name);

/* Default folders of a new user get their use: Drafts, Sent, Trash, Junk, Archive, made at the
 * first login where there is none. */
int folders_make_usual(struct mailboxes *all, struct str maildir, struct err *err);

#endif
