/*
 * mailbox_world - alice's INBOX in a state directory for one test, changed by other programs
 * and looked at through store/mailbox.h.
 */
#ifndef POSTA_TESTS_MAILBOX_WORLD_H
#define POSTA_TESTS_MAILBOX_WORLD_H

#include "base/ascii.h"
#include "store/index.h"
#include "store/mailbox.h"
#include "store/name.h"
#include "store_world.h"

#include <time.h>

#define ALICE  "mail/example.test/alice"
#define LETTER "Subject: x\n\nx\n" /* 14 octets, 3 lines */

struct fixture {
    struct world w;
    struct mailboxes *all;
    struct mailbox *b;
    char text[65536]; /* of rows() */
};

static inline void open_box(struct fixture *f, const char *folder)
{
    struct err err = {0};

    f->all = mailboxes_new(f->w.dir, f->w.dir, "mail.example.test");
    if (mailbox_open(f->all, STR(ALICE), str_c(folder), &f->b, &err) != 0)
        fail_msg("%s", err.text);
}

static inline void close_box(struct fixture *f)
{
    mailbox_close(f->b);
    mailboxes_free(f->all);
    f->b = NULL;
    f->all = NULL;
}

static inline void open_again(struct fixture *f)
{
    close_box(f);
    open_box(f, "INBOX");
}

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    world_init(&f->w);
    open_box(f, "INBOX");
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    close_box(f);
    world_done(&f->w);
    free(f);
    return 0;
}

static inline const char *path_in(char path[WORLD_BYTES], const char *name)
{
    snprintf(path, WORLD_BYTES, ALICE "/%s", name);
    return path;
}

/* Tests change more in a tick than the clock of mtimes can tell apart; here it never is the
 * same twice. */
static inline void tick(struct fixture *f)
{
    static time_t now = 1000000000;
    char path[WORLD_BYTES];

    now++;
    const struct timespec times[2] = {{.tv_sec = now}, {.tv_sec = now}};
    utimensat(f->w.fd, path_in(path, "cur"), times, 0);
    utimensat(f->w.fd, path_in(path, "new"), times, 0);
}

/* As other programs do it. */
static inline void put(struct fixture *f, const char *name, const char *text)
{
    char path[WORLD_BYTES];

    world_write(&f->w, path_in(path, name), str_c(text));
    tick(f);
}

static inline void move(struct fixture *f, const char *from, const char *to)
{
    char old[WORLD_BYTES], new[WORLD_BYTES];

    assert_int_equal(renameat(f->w.fd, path_in(old, from), f->w.fd, path_in(new, to)), 0);
    tick(f);
}

static inline void take_away(struct fixture *f, const char *name)
{
    char path[WORLD_BYTES];

    assert_int_equal(unlinkat(f->w.fd, path_in(path, name), 0), 0);
    tick(f);
}

/* The name in cur/ of the letter with this UID, "cur/…". */
static inline bool find_name_of(struct fixture *f, uint32_t uid, char to[WORLD_BYTES])
{
    int fd = openat(f->w.fd, ALICE "/cur", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DEFER(close_dir) DIR *d = fdopendir(fd);
    struct dirent *e;
    char end[32];

    snprintf(end, sizeof(end), ".%u", uid);
    to[0] = '\0';
    while ((e = readdir(d))) {
        const char *p = strstr(e->d_name, ",P=");

        p = p ? strchr(p, '.') : NULL;
        if (p && strncmp(p, end, strlen(end)) == 0 && !ascii_is_digit(p[strlen(end)]))
            snprintf(to, WORLD_BYTES, "cur/%.255s", e->d_name);
    }
    return to[0];
}

static inline void name_of(struct fixture *f, uint32_t uid, char to[WORLD_BYTES])
{
    assert_true(find_name_of(f, uid, to));
}

static inline bool has(struct fixture *f, const char *name)
{
    char path[WORLD_BYTES];

    return world_has(&f->w, path_in(path, name));
}

static inline void begin(struct fixture *f, enum mailbox_mode mode)
{
    struct err err = {0};

    if (mailbox_begin(f->b, mode, &err) != 0)
        fail_msg("%s", err.text);
}

static inline void end(struct fixture *f)
{
    struct err err = {0};

    if (mailbox_end(f->b, &err) != 0)
        fail_msg("%s", err.text);
}

static inline struct mailbox_state state_of(struct fixture *f, unsigned want)
{
    struct mailbox_state st;
    struct err err = {0};

    if (mailbox_state(f->b, want, &st, &err) != 0)
        fail_msg("%s", err.text);
    return st;
}

/* "1 2FS 3a": UIDs with flags and keywords, into f->text; how many. */
static inline int rows_now(struct fixture *f, const struct uidset *uids, uint64_t since,
                           unsigned want)
{
    struct err err = {0};
    struct message m;
    size_t at = 0;
    int n = 0, r;

    f->text[0] = '\0';
    assert_int_equal(mailbox_scan(f->b, uids, since, want, &err), 0);
    while ((r = mailbox_next(f->b, &m, &err)) > 0) {
        at += (size_t)snprintf(f->text + at, sizeof(f->text) - at, "%s%u", n ? " " : "", m.uid);
        for (int i = 0; i < 52; i++)
            if ((i < 26 ? m.flags >> i : m.keywords >> (i - 26)) & 1)
                at += (size_t)snprintf(f->text + at, sizeof(f->text) - at, "%c",
                                       i < 26 ? 'A' + i : 'a' + i - 26);
        n++;
    }
    if (r < 0)
        fail_msg("%s", err.text);
    mailbox_scan_end(f->b);
    return n;
}

static inline int rows(struct fixture *f, const struct uidset *uids, uint64_t since,
                       unsigned want)
{
    begin(f, MAILBOX_READ);
    int n = rows_now(f, uids, since, want);
    end(f);
    return n;
}

static inline void assert_rows(struct fixture *f, const char *want)
{
    rows(f, NULL, 0, 0);
    assert_string_equal(f->text, want);
}

static inline void lose_index(struct fixture *f)
{
    char path[WORLD_BYTES];

    snprintf(path, sizeof(path), "%s/" ALICE, f->w.dir);
    index_delete(path);
}

#endif
