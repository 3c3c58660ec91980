#include "ctl/system_users.h"

#include "ctl/services.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_BYTES = 128, CANNOT_EXECUTE = 127 };

/* Runs a program of the system and waits; its own words go to standard error. */
static int run(const char *const *argv, struct err *err)
{
    pid_t pid = fork();
    int status;

    if (pid < 0)
        return err_os(err, "start %s", argv[0]);
    if (pid == 0) {
        setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1); /* a user's `su` leaves sbin out */
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        fprintf(stderr, "posta: %s: %s\n", argv[0], strerror(errno));
        _exit(CANNOT_EXECUTE);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_os(err, "wait for %s", argv[0]);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, E_UNAVAILABLE,
                       "%s %s failed; make it by hand, and call `posta init` again", argv[0],
                       argv[1]);
    return 0;
}

static int make_group(void (*did)(const char *), struct err *err)
{
    const char *const argv[] = {"groupadd", "--system", SERVICE_GROUP, NULL};
    int rc;

    if (getgrnam(SERVICE_GROUP))
        return 0;
    rc = run(argv, err);
    if (rc == 0)
        did("made the group " SERVICE_GROUP);
    return rc;
}

static int make_user(const char *name, const char *home, void (*did)(const char *),
                     struct err *err)
{
    const char *const argv[] = {
        "useradd", "--system",         "--gid",   SERVICE_GROUP,       "--home-dir",
        home,      "--no-create-home", "--shell", "/usr/sbin/nologin", name,
        NULL};
    char words[WORDS_BYTES];
    int rc;

    if (getpwnam(name))
        return 0;
    rc = run(argv, err);
    if (rc == 0) {
        snprintf(words, sizeof(words), "made the user %s", name);
        did(words);
    }
    return rc;
}

int system_users_make(const char *state_dir, void (*did)(const char *what), struct err *err)
{
    int rc = make_group(did, err);

    for (const struct service *s = services; s->name && rc == 0; s++)
        rc = make_user(s->user, state_dir, did, err);
    /* Not started yet by this version, but its number belongs to the others'. */
    return rc < 0 ? rc : make_user("posta-send", state_dir, did, err);
}
