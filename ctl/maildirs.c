#include "ctl/maildirs.h"

#include "base/defer.h"
#include "store/maildir.h"
#include "sys/privs.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int make_all(const char *state_dir, const struct str *maildirs, size_t n,
                    struct err *err)
{
    DEFER(close_fd) int at = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char path[4096];
    int rc = at < 0 ? err_os(err, "open %s", state_dir) : 0;

    umask(027);
    for (size_t i = 0; i < n && rc >= 0; i++) {
        snprintf(path, sizeof(path), "%.*s", STR_ARGS(maildirs[i]));
        rc = maildirs[i].n ? maildir_make(at, path, err) : 0;
    }
    return rc;
}

/* A child gives root up for good: whatever lies in mail/ cannot make root write elsewhere. */
static int make_as_mail_user(const struct passwd *mail, const char *state_dir,
                             const struct str *maildirs, size_t n, struct err *err)
{
    int status = 0;
    pid_t pid = fork();

    if (pid < 0)
        return err_os(err, "start a process for the Maildirs");
    if (pid == 0) {
        int rc = privs_drop(mail->pw_uid, mail->pw_gid, err);

        if (rc >= 0)
            rc = make_all(state_dir, maildirs, n, err);
        if (rc < 0)
            fprintf(stderr, "posta: %s\n", err->text);
        _exit(rc < 0);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_os(err, "wait for the Maildirs");
    return status == 0 ? 0 : err_set(err, E_UNAVAILABLE, "not every Maildir could be made now");
}

int maildirs_make(const char *state_dir, const struct str *maildirs, size_t n, struct err *err)
{
    const struct passwd *mail = geteuid() == 0 ? getpwnam("posta-mail") : NULL;

    return mail ? make_as_mail_user(mail, state_dir, maildirs, n, err)
                : make_all(state_dir, maildirs, n, err);
}
