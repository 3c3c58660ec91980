#include "ctl/prompt.h"

#include "base/defer.h"

#include <errno.h>
#include <fcntl.h>
#include <termios.h>

enum { CANCEL = 3 }; /* Ctrl-C */

/* One line without its end; false when it does not fit, or is none. Bytes are taken one by one:
 * what follows is not ours. */
static bool read_line(int fd, char *to, size_t room)
{
    size_t n = 0;

    for (;;) {
        char c;
        ssize_t got = read(fd, &c, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || c == '\n')
            break;
        if (c == '\0' || c == CANCEL || n + 1 >= room)
            return false;
        to[n++] = c;
    }
    if (n && to[n - 1] == '\r')
        n--;
    to[n] = '\0';
    return true;
}

/* Ctrl-C must not leave the terminal without its echo: it ends the line, and is no signal,
 * while we ask. */
static bool ask(int tty, const char *words, char *to, size_t room)
{
    struct termios before, quiet;
    bool good;

    if (tcgetattr(tty, &before) < 0)
        return false;
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    quiet.c_cc[VEOL] = CANCEL;
    quiet.c_lflag |= ECHONL;
    /* Quiet first: who types as soon as the words are there must not be shown, nor lost. */
    tcsetattr(tty, TCSAFLUSH, &quiet);
    dprintf(tty, "%s", words);
    good = read_line(tty, to, room);
    tcsetattr(tty, TCSAFLUSH, &before);
    return good;
}

static enum cli_status from_terminal(int tty, char *password, size_t room, char *again)
{
    bool good =
        ask(tty, "New password: ", password, room) && ask(tty, "Once more: ", again, room);

    if (!good)
        return cli_fail(CLI_REFUSED, "no password was read");
    if (strcmp(password, again) != 0)
        return cli_fail(CLI_REFUSED, "the two are not the same; nothing was changed");
    return CLI_DONE;
}

enum cli_status prompt_password(const struct cli *c, bool from_stdin, char *password,
                                size_t room)
{
    enum cli_status status = CLI_DONE;

    if (from_stdin) {
        if (!read_line(STDIN_FILENO, password, room))
            return cli_fail(CLI_REFUSED,
                            "the password is longer than %zu bytes, or has a NUL in it",
                            room - 1);
    } else {
        DEFER(close_fd) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
        DEFER(free_mem) char *again = calloc(1, room);

        if (tty < 0)
            return cli_usage(
                c, "there is no terminal to ask for a password: use --password-stdin");
        if (!again)
            abort();
        status = from_terminal(tty, password, room, again);
        explicit_bzero(again, room);
    }
    if (status == CLI_DONE && !password[0])
        status = cli_fail(CLI_REFUSED, "an empty password is none; nothing was changed");
    return status;
}
