/*
 * deliver_world - a state directory with a letter in it, and deliveries of that letter to
 * alice.
 */
#ifndef POSTA_TESTS_DELIVER_WORLD_H
#define POSTA_TESTS_DELIVER_WORLD_H

#include "store/deliver.h"

#include "store_world.h"

#define ALICE  "mail/example.test/alice"
#define LETTER "Subject: hello\n\nHello Alice,\n\nthis is a letter.\n"
#define TOP    "Return-Path: <bob@example.test>\nDelivered-To: alice@example.test\n"

struct fixture {
    struct world w;
    struct deliver *d;
    struct id id;
    int source;
};

static inline void open_again(struct fixture *f)
{
    struct err err;

    deliver_close(f->d);
    f->d = deliver_open(f->w.dir, "mail.example.test", &err);
    assert_non_null(f->d);
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    world_init(&f->w);
    assert_int_equal(mkdirat(f->w.fd, "spool", 0700), 0);
    assert_int_equal(mkdirat(f->w.fd, "spool/in", 0700), 0);
    assert_int_equal(mkdirat(f->w.fd, "spool/msg", 0700), 0);
    id_make(&f->id, UINT64_C(1795384219123), (const uint8_t[8]){1, 2, 3, 4, 5, 6, 7, 8});
    world_write(&f->w, "letter", STR(LETTER));
    f->source = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(f->source >= 0);
    int fd = openat(f->w.fd, "letter", O_RDONLY | O_CLOEXEC);
    assert_true(dup2(fd, f->source) >= 0);
    close(fd);
    open_again(f);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    deliver_close(f->d);
    close(f->source);
    world_done(&f->w);
    free(f);
    return 0;
}

static inline struct user alice(void)
{
    return (struct user){
        .id = 7, .address = STR("alice@example.test"), .maildir = STR(ALICE), .enabled = true};
}

static inline struct delivery to_alice(const struct fixture *f)
{
    return (struct delivery){.id = f->id,
                             .staged = true,
                             .source = f->source,
                             .size = sizeof(LETTER) - 1,
                             .user = alice(),
                             .reverse_path = STR("bob@example.test"),
                             .delivered_to = STR("alice@example.test")};
}

static inline struct delivery from_memory(const struct fixture *f, struct str text)
{
    struct delivery v = to_alice(f);

    v.source = -1;
    v.text = text;
    v.size = text.n;
    return v;
}

static inline int deliver_one(struct fixture *f, struct delivery *v)
{
    deliver_batch(f->d, &v, 1);
    return v->result;
}

/* All copies of the letter, wherever they are. */
static inline int copies(const struct fixture *f)
{
    int in_new = world_count(&f->w, ALICE "/new", NULL);
    int in_cur = world_count(&f->w, ALICE "/cur", NULL);

    return (in_new > 0 ? in_new : 0) + (in_cur > 0 ? in_cur : 0);
}

static inline void assert_whole(const struct fixture *f)
{
    char name[256], path[WORLD_BYTES];
    struct buf text;

    assert_int_equal(world_count(&f->w, ALICE "/new", name), 1);
    snprintf(path, sizeof(path), ALICE "/new/%s", name);
    buf_init(&text, 1 << 20);
    world_read(&f->w, path, &text);
    assert_true(str_eq(buf_str(&text), STR(TOP LETTER)));
    buf_done(&text);
}

static inline void rename_in(const struct fixture *f, const char *from, const char *to)
{
    assert_int_equal(renameat(f->w.fd, from, f->w.fd, to), 0);
}

#endif
