/*
 * copy_world - a user's Maildir for one test, letters in it, and what its folders hold as
 * the mailbox says it and as the directories say it.
 */
#ifndef POSTA_TESTS_COPY_WORLD_H
#define POSTA_TESTS_COPY_WORLD_H

#include "store/append.h"
#include "store/folders.h"
#include "store/mailbox.h"
#include "store/maildir.h"

#include "store_steps.h"

#define MAILDIR "mail/example.test/alice"
#define LETTER  "Subject: hello\r\n\r\nHello\r\n"
#define STORED  "Subject: hello\n\nHello\n"

struct fixture {
    struct world w;
    struct mailboxes *all;
    struct arena a;
    struct str maildir;
};

static inline void open_all(struct fixture *f)
{
    f->all = mailboxes_new(f->w.dir, f->w.dir, "mail.example.test");
    assert_non_null(f->all);
}

static inline void fresh(struct fixture *f)
{
    world_init(&f->w);
    open_all(f);
    f->maildir = STR(MAILDIR);
    assert_int_equal(maildir_make(f->w.fd, MAILDIR, NULL), 0);
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    arena_init(&f->a);
    fresh(f);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    mailboxes_free(f->all);
    arena_done(&f->a);
    world_done(&f->w);
    free(f);
    return 0;
}

/* Another mailbox, empty. */
static inline void again(struct fixture *f)
{
    mailboxes_free(f->all);
    world_done(&f->w);
    fresh(f);
}

/* As after the end of the process. */
static inline void restart(struct fixture *f)
{
    mailboxes_free(f->all);
    open_all(f);
}

static inline void delete_index(struct fixture *f)
{
    mailboxes_free(f->all);
    unlinkat(f->w.fd, MAILDIR "/index.db", 0);
    unlinkat(f->w.fd, MAILDIR "/index.db-wal", 0);
    unlinkat(f->w.fd, MAILDIR "/index.db-shm", 0);
    open_all(f);
}

static inline int create(struct fixture *f, const char *name)
{
    struct str id;

    return folders_create(f->all, f->maildir, str_c(name), USE_NONE, &id, &f->a, NULL);
}

/* The UID; 0 where it did not go well. */
static inline uint32_t append_text(struct fixture *f, const char *folder, struct str text,
                                   uint32_t flags, const char *keyword)
{
    struct append *a;
    struct str word = str_c(keyword ? keyword : "");
    uint32_t uid = 0, uidvalidity;

    if (append_open(f->all, f->maildir, str_c(folder), text.n, 0, 0, &a, NULL) < 0)
        return 0;
    if (append_add(a, text, NULL) < 0 ||
        append_commit(a, flags, &word, keyword ? 1 : 0, 1000000000, &uid, &uidvalidity, NULL) <
            0)
        uid = 0;
    append_free(a);
    return uid;
}

static inline uint32_t append(struct fixture *f, const char *folder)
{
    return append_text(f, folder, STR(LETTER), NAME_SEEN, NULL);
}

static inline struct mailbox *begin(struct fixture *f, const char *folder,
                                    enum mailbox_mode mode)
{
    struct mailbox *b;

    if (mailbox_open(f->all, f->maildir, str_c(folder), &b, NULL) < 0)
        return NULL;
    if (mailbox_begin(b, mode, NULL) < 0) {
        mailbox_close(b);
        return NULL;
    }
    return b;
}

static inline int end(struct mailbox *b)
{
    int r = mailbox_end(b, NULL);

    mailbox_close(b);
    return r;
}

/* "uid:flags:keywords-as-words " for each letter. */
static inline const char *letters(struct fixture *f, const char *folder)
{
    struct mailbox *b = begin(f, folder, MAILBOX_READ);
    struct mailbox_state state;
    struct message m;
    struct str all = STR("");
    struct err err;

    if (!b)
        return "none";
    assert_int_equal(mailbox_state(b, 0, &state, NULL), 0);
    assert_int_equal(mailbox_scan(b, NULL, 0, WANT_SIZE | WANT_INTERNALDATE, NULL), 0);
    while (mailbox_next(b, &m, &err) > 0) {
        all = arena_printf(&f->a, "%.*s%u:%s%s%s", STR_ARGS(all), m.uid,
                           m.flags & NAME_SEEN ? "S" : "", m.flags & NAME_FLAGGED ? "F" : "",
                           m.flags & NAME_TRASHED ? "T" : "");
        for (int i = 0; i < FOLDER_KEYWORDS; i++)
            if (m.keywords >> i & 1)
                all = arena_printf(&f->a, "%.*s:%.*s", STR_ARGS(all),
                                   STR_ARGS(state.keywords[i]));
        all = arena_printf(&f->a, "%.*s ", STR_ARGS(all));
        assert_false(m.gone);
        assert_int_equal(m.internaldate, 1000000000);
    }
    mailbox_scan_end(b);
    assert_int_equal(end(b), 0);
    return all.p;
}

static inline int in_cur(struct fixture *f, const char *path)
{
    return world_count(&f->w, arena_printf(&f->a, MAILDIR "/%s/cur", path).p, NULL);
}

static inline int in_tmp(struct fixture *f, const char *path)
{
    return world_count(&f->w, arena_printf(&f->a, MAILDIR "/%s/tmp", path).p, NULL);
}

/* Entries of a folder's directory that begin so. */
static inline int litter(struct fixture *f, const char *path, const char *prefix)
{
    const char *dir = arena_printf(&f->a, MAILDIR "/%s", path).p;
    DEFER(close_dir) DIR *d = fdopendir(openat(f->w.fd, dir, O_RDONLY | O_DIRECTORY));
    struct dirent *e;
    int n = 0;

    assert_non_null(d);
    while ((e = readdir(d)))
        n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    return n;
}

#endif
