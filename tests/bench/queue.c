/*
 * queue - letters straight into spool/msg and queue.db, as if they had been taken: what
 * tests/bench/queue.py starts a queue with.
 *
 *   bench_queue STATE_DIR LETTERS RECIPIENT [SENDERS]
 *
 * The letters come from SENDERS senders in turn. The queue must not run. Their files are not
 * synced one by one.
 */
#include "mta/queue/journal.h"
#include "mta/queue/recover.h"
#include "sys/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { GROUP = 1000, LETTER_BYTES = 4096 };

static unsigned taken;

static void die(const char *what, const struct err *err)
{
    fprintf(stderr, "%s: %s\n", what, err ? err->text : "cannot");
    exit(1);
}

static void on_taken(struct journal_op *op)
{
    struct journal_take *t = LIST_OF(op, struct journal_take, op);

    if (op->result != 0)
        die("take", &op->err);
    queue_letter_free(t->letter);
    free(t);
    taken++;
}

static void write_letter(const char *state_dir, const struct id *id)
{
    char path[512], bytes[LETTER_BYTES];

    snprintf(path, sizeof(path), "%s/spool/in/%c/%s", state_dir, id->text[ID_LETTERS - 1],
             id->text);
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, "Subject: x\n\n", 12);
    bytes[sizeof(bytes) - 1] = '\n';
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0 || write(fd, bytes, sizeof(bytes)) != sizeof(bytes) || close(fd) < 0)
        die(path, NULL);
}

static void submit(struct journal *j, const char *state_dir, struct str to, unsigned sender)
{
    struct journal_take *t = calloc(1, sizeof(*t));
    char from[40];
    int n = snprintf(from, sizeof(from), "s%u@example.test", sender);
    struct queue_envelope e = {
        .arrived_ms = clock_wall_ms(),
        .size = LETTER_BYTES,
        .mail.reverse_path = {from, (size_t)n},
        .flags = STR_LIT("via=msa peer=192.0.2.1 helo=client.test")
    };
    struct queue_address a = {.address = to, .notify = SMTP_NOTIFY_FAILURE};

    if (!t)
        abort();
    clock_new_id(&e.id);
    write_letter(state_dir, &e.id);
    *t = (struct journal_take){
        .op = {.kind = JOURNAL_TAKE, .done = on_taken},
          .uid = geteuid()
    };
    t->letter = queue_letter_new(&e, &a, 1);
    journal_submit(j, &t->op, true);
}

static void notified(void *arg)
{
    (void)arg;
}

static unsigned number(const char *text)
{
    struct str s = str_c(text);
    uint64_t n;

    if (!scan_u64(&s, UINT32_MAX, &n) || s.n)
        die(text, NULL);
    return (unsigned)n;
}

int main(int argc, char **argv)
{
    struct err err;

    if (argc < 4) {
        fprintf(stderr, "usage: bench_queue STATE_DIR LETTERS RECIPIENT [SENDERS]\n");
        return 2;
    }
    unsigned letters = number(argv[2]), senders = argc > 4 ? number(argv[4]) : 1;
    struct spool *spool = spool_open(argv[1], &err);
    struct journal *j = spool ? journal_open(argv[1], spool, notified, NULL, &err) : NULL;
    if (!j)
        die(argv[1], &err);
    for (unsigned i = 0; i < letters; i++) {
        submit(j, argv[1], str_c(argv[3]), i % (senders ? senders : 1));
        if ((i + 1) % GROUP && i + 1 < letters)
            continue;
        journal_turn(j);
        journal_collect(j);
    }
    journal_close(j);
    spool_close(spool);
    printf("%u letters\n", taken);
    return taken == letters ? 0 : 1;
}
