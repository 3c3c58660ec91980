/* handover: letters to a scripted peer on a Unix socket, and everything that can go wrong
 * there. */
#include "net/conn_impl.h"
#include "net/handover.h"
#include "net_session.h"

#include <sys/stat.h>
#include <sys/un.h>

enum { JOBS = 10 };

static struct loop *loop;
static struct handover *pool;
static char dir[] = "/tmp/posta-test-XXXXXX", path[64];
static int listener;

static struct smtp_client_rcpt rcpts[JOBS][2];
static struct smtp_transaction tx[JOBS];
static struct handover_job jobs[JOBS];
static struct {
    unsigned done;
    int order[JOBS];
    int code[JOBS][2]; /* of the replies; 0 where there is none */
    size_t body_at;
    bool unreadable;
} seen;

static void on_done(struct handover_job *job)
{
    int i = (int)(job - jobs);

    seen.order[seen.done++] = i;
    for (size_t r = 0; r < tx[i].nrcpts; r++)
        if (rcpts[i][r].phase == SMTP_PHASE_ANSWERED)
            seen.code[i][r] = rcpts[i][r].reply.code;
}

static const char letter[] = "Subject: x\n\n.dot\n";

static ssize_t read_letter(struct handover_job *job, bool restart, char *to, size_t room)
{
    (void)job;
    (void)room;
    if (restart)
        seen.body_at = 0;
    if (seen.unreadable)
        return -EIO;
    if (seen.body_at == sizeof(letter) - 1)
        return 0;
    *to = letter[seen.body_at++];
    return 1;
}

static void job_init(int i, unsigned nrcpts)
{
    static const char *const to[] = {"bob@example.test", "carol@example.test"};
    uint8_t random[8] = {(uint8_t)i};

    memset(rcpts[i], 0, sizeof(rcpts[i]));
    for (unsigned r = 0; r < nrcpts; r++)
        rcpts[i][r].rcpt.forward_path = str_c(to[r]);
    tx[i] = (struct smtp_transaction){.mail.reverse_path = STR_LIT("alice@example.test"),
                                      .rcpts = rcpts[i],
                                      .nrcpts = nrcpts,
                                      .xspool = true,
                                      .size = 17};
    id_make(&tx[i].id, 1000 + (uint64_t)i, random);
    jobs[i] = (struct handover_job){.tx = &tx[i], .done = on_done};
}

static void submit(int i, unsigned nrcpts)
{
    job_init(i, nrcpts);
    handover_submit(pool, &jobs[i]);
}

static void begin_listening(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    memcpy(un.sun_path, path, sizeof(path));
    unlink(path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(listen(listener, 100), 0);
}

static void stop_listening(void)
{
    close(listener);
    listener = -1;
    unlink(path);
}

static int set_up(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    loop = loop_new();
    begin_listening();
    pool = handover_new(loop, path, true, STR("mail.example.test"), 2, 60000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    handover_free(pool);
    loop_free(loop);
    if (listener >= 0)
        stop_listening();
    return 0;
}

static int peer(void)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
        loop_turn(loop);
    return fd;
}

static void greet(int fd, const char *offers)
{
    put(fd, "220 here\r\n");
    want(loop, fd, "LHLO mail.example.test\r\n");
    put(fd, offers);
}

static const char xspool[] = "250-here\r\n250-PIPELINING\r\n250 XSPOOL\r\n";

static void want_transaction(int fd, int i, unsigned nrcpts)
{
    char text[512];

    snprintf(
        text, sizeof(text),
        "MAIL FROM:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\n%sXSPOOL %s 17\r\n",
        nrcpts > 1 ? "RCPT TO:<carol@example.test>\r\n" : "", tx[i].id.text);
    want(loop, fd, text);
}

static void wait_done(unsigned n)
{
    while (seen.done < n)
        loop_turn(loop);
    assert_int_equal(seen.done, n);
}

/* One write a letter; greeted once; a reply a recipient. */
static void test_by_name(void **state)
{
    int fd;

    (void)state;
    submit(0, 2);
    assert_int_equal(handover_waiting(pool), 1);
    fd = peer();
    greet(fd, xspool);
    want_transaction(fd, 0, 2);
    assert_int_equal(handover_active(pool), 1);
    put(fd, "250 ok\r\n250 ok\r\n250 ok\r\n452 4.2.2 full\r\n250 2.0.0 carol has it\r\n");
    wait_done(1);
    assert_int_equal(jobs[0].err.code, 0);
    assert_int_equal(seen.code[0][0], 452);
    assert_int_equal(seen.code[0][1], 250);
    submit(1, 1);
    want_transaction(fd, 1, 1);
    put(fd, "250 ok\r\n250 ok\r\n250 2.0.0 taken\r\n");
    wait_done(2);
    assert_int_equal(seen.code[1][0], 250);
    assert_int_equal(handover_active(pool), 0);
    close(fd);
}

/* Two connections at most; the others wait in order and take the first that is free. */
static void test_order(void **state)
{
    int one, two;

    (void)state;
    for (int i = 0; i < 4; i++)
        submit(i, 1);
    one = peer();
    two = peer();
    greet(one, xspool);
    want_transaction(one, 0, 1);
    greet(two, xspool);
    want_transaction(two, 1, 1);
    assert_int_equal(handover_waiting(pool), 2);
    put(two, "250 ok\r\n250 ok\r\n250 ok\r\n");
    want_transaction(two, 2, 1);
    put(two, "250 ok\r\n250 ok\r\n250 ok\r\n");
    want_transaction(two, 3, 1);
    put(two, "250 ok\r\n250 ok\r\n250 ok\r\n");
    put(one, "250 ok\r\n250 ok\r\n250 ok\r\n");
    wait_done(4);
    for (int i = 0; i < 3; i++)
        assert_int_equal(seen.order[i], i + 1);
    assert_int_equal(accept4(listener, NULL, NULL, SOCK_CLOEXEC), -1);
    close(one);
    close(two);
}

/* A peer that was started again: the kept connections are stale, and nothing is lost or told.
 */
static void test_stale(void **state)
{
    int one, two, fd;

    (void)state;
    submit(0, 1);
    submit(1, 1);
    one = peer();
    two = peer();
    greet(one, xspool);
    want_transaction(one, 0, 1);
    greet(two, xspool);
    want_transaction(two, 1, 1);
    put(one, "250 ok\r\n250 ok\r\n250 ok\r\n");
    put(two, "250 ok\r\n250 ok\r\n250 ok\r\n");
    wait_done(2);
    close(one);
    close(two);
    submit(2, 1); /* before the pool could see it */
    fd = peer();
    greet(fd, xspool);
    want_transaction(fd, 2, 1);
    put(fd, "250 ok\r\n250 ok\r\n250 ok\r\n");
    wait_done(3);
    assert_int_equal(seen.code[2][0], 250);
    close(fd);
}

/* Its last words before it went are heard, and what it did not take is tried again. */
static void test_farewell(void **state)
{
    int fd;

    (void)state;
    submit(0, 1);
    fd = peer();
    greet(fd, xspool);
    want_transaction(fd, 0, 1);
    put(fd, "250 ok\r\n250 ok\r\n250 ok\r\n");
    wait_done(1);
    put(fd, "421 4.3.2 going\r\n");
    close(fd);
    submit(1, 1);
    fd = peer();
    greet(fd, xspool);
    want_transaction(fd, 1, 1);
    put(fd, "250 ok\r\n250 ok\r\n250 ok\r\n");
    wait_done(2);
    close(fd);
}

/* The name was given out and no answer came: nobody knows, and it is not tried again. */
static void test_vanished_after_handing(void **state)
{
    int fd;

    (void)state;
    submit(0, 2);
    fd = peer();
    greet(fd, xspool);
    want_transaction(fd, 0, 2);
    put(fd, "250 ok\r\n250 ok\r\n250 ok\r\n250 bob has it\r\n");
    close(fd);
    wait_done(1);
    assert_int_equal(rcpts[0][0].phase, SMTP_PHASE_ANSWERED);
    assert_int_equal(rcpts[0][1].phase, SMTP_PHASE_HANDED);
    assert_int_equal(jobs[0].err.code, E_UNAVAILABLE);
}

/* A peer that greets and then hangs up: once more, and then it is told. */
static void test_breaks_twice(void **state)
{
    (void)state;
    submit(0, 1);
    for (int i = 0; i < 2; i++) {
        int fd = peer();

        greet(fd, "250 here\r\n");
        want(loop, fd, "MAIL FROM:<alice@example.test>\r\n");
        close(fd);
    }
    wait_done(1);
    assert_int_equal(rcpts[0][0].phase, SMTP_PHASE_START);
    assert_int_equal(jobs[0].err.code, E_UNAVAILABLE);
}

/* Nobody listens: for as long as a process needs to start again, then it is told. */
static void test_nobody(void **state)
{
    int fd;

    (void)state;
    stop_listening();
    submit(0, 1);
    while (handover_up(pool))
        loop_turn(loop);
    assert_int_equal(seen.done, 0);
    begin_listening();
    fd = peer();
    greet(fd, xspool);
    want_transaction(fd, 0, 1);
    put(fd, "250 ok\r\n250 ok\r\n250 ok\r\n");
    wait_done(1);
    assert_int_equal(seen.code[0][0], 250);
    assert_true(handover_up(pool));
    stop_listening();
    close(fd);
    submit(1, 1);
    submit(2, 1);
    wait_done(3);
    assert_int_equal(rcpts[1][0].phase, SMTP_PHASE_START);
    assert_int_equal(rcpts[2][0].phase, SMTP_PHASE_START);
    assert_int_equal(jobs[1].err.code, E_UNAVAILABLE);
}

static void test_turned_away(void **state)
{
    (void)state;
    submit(0, 1);
    while (seen.done == 0) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0) {
            put(fd, "421 4.3.2 too many\r\n");
            close(fd);
        } else {
            loop_turn(loop);
        }
    }
    assert_int_equal(rcpts[0][0].phase, SMTP_PHASE_START);
    assert_non_null(strstr(jobs[0].err.text, "421 4.3.2 too many"));
}

/* Somebody else's LMTP: the letter itself is sent, and again from its start on another try. */
static void test_by_data(void **state)
{
    static const char bytes[] = "Subject: x\r\n\r\n..dot\r\n.\r\n";
    int fd;

    (void)state;
    job_init(0, 1);
    jobs[0].read = read_letter;
    handover_submit(pool, &jobs[0]);
    for (int i = 0; i < 2; i++) {
        fd = peer();
        greet(fd, "250-here\r\n250 PIPELINING\r\n");
        want(loop, fd,
             "MAIL FROM:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n");
        put(fd, "250 ok\r\n250 ok\r\n");
        if (i == 0) {
            close(fd);
            continue;
        }
        put(fd, "354 go\r\n");
        want(loop, fd, bytes);
        assert_int_equal(seen.done, 0);
        put(fd, "250 2.0.0 taken\r\n");
    }
    wait_done(1);
    assert_int_equal(seen.code[0][0], 250);
    close(fd);
}

static void test_unreadable(void **state)
{
    int fd;

    (void)state;
    seen.unreadable = true;
    for (int i = 0; i < 2; i++) { /* no source at all; one that fails */
        job_init(i, 1);
        jobs[i].read = i ? read_letter : NULL;
        handover_submit(pool, &jobs[i]);
        fd = peer();
        greet(fd, "250-here\r\n250 PIPELINING\r\n");
        want(loop, fd,
             "MAIL FROM:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n");
        put(fd, "250 ok\r\n250 ok\r\n354 go\r\n");
        wait_done((unsigned)i + 1);
        want_end(loop, fd); /* and no dot */
        close(fd);
        assert_int_equal(rcpts[i][0].phase, SMTP_PHASE_START);
        assert_int_equal(jobs[i].err.code, i ? -EIO : E_UNAVAILABLE);
    }
}

static void test_deadline(void **state)
{
    int fd;

    (void)state;
    submit(0, 1);
    fd = peer();
    greet(fd, xspool);
    want_transaction(fd, 0, 1);
    conn_deadline(LIST_OF(loop_conns(loop)->next, struct conn, link), 1);
    wait_done(1);
    want_end(loop, fd);
    assert_int_equal(rcpts[0][0].phase, SMTP_PHASE_HANDED);
    assert_non_null(strstr(jobs[0].err.text, "timed out"));
    close(fd);
}

static void test_free_under_way(void **state)
{
    int fd;

    (void)state;
    for (int i = 0; i < 4; i++)
        submit(i, 1);
    fd = peer();
    greet(fd, xspool);
    want_transaction(fd, 0, 1);
    handover_free(pool);
    pool = NULL;
    want_end(loop, fd);
    assert_int_equal(seen.done, 0);
    close(fd);
}

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/peer.sock", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(by_name),
        T(order),
        T(stale),
        T(farewell),
        T(vanished_after_handing),
        T(nobody),
        T(by_data),
        T(deadline),
        T(turned_away),
        T(unreadable),
        T(breaks_twice),
        T(free_under_way),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
