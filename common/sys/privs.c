#include "sys/privs.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TABLE_BYTES = 65536 };

int privs_find(const char *name, struct privs_user *out, struct err *err)
{
    struct privs_user u = {.ngroups = PRIVS_GROUPS};
    struct passwd pw, *found = NULL;
    char *text = malloc(TABLE_BYTES);

    if (!text)
        abort();
    int e = getpwnam_r(name, &pw, text, TABLE_BYTES, &found);
    if (found) {
        u.uid = pw.pw_uid;
        u.gid = pw.pw_gid;
    }
    free(text);
    if (!found)
        return err_set(err, e ? -e : E_NOT_FOUND,
                       "there is no system user %s; `posta init` as root makes it", name);
    if (getgrouplist(name, u.gid, u.groups, &u.ngroups) < 0)
        return err_set(err, E_LIMIT, "%s is in more than %d groups", name, PRIVS_GROUPS);
    *out = u;
    return 0;
}

int privs_find_group(const char *name, gid_t *out, struct err *err)
{
    struct group gr, *found = NULL;
    char *text = malloc(TABLE_BYTES);

    if (!text)
        abort();
    int e = getgrnam_r(name, &gr, text, TABLE_BYTES, &found);
    if (found)
        *out = gr.gr_gid;
    free(text);
    if (!found)
        return err_set(err, e ? -e : E_NOT_FOUND,
                       "there is no system group %s; `posta init` as root makes it", name);
    return 0;
}

int privs_no_new(struct err *err)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? err_os(err, "give up new rights") : 0;
}

/* All three of each: the real one, the effective one, and the saved one that a way back would
 * need. */
static int check(const struct privs_user *user, struct err *err)
{
    uid_t r, e, s;
    gid_t gr, ge, gs;

    if (getresuid(&r, &e, &s) < 0 || getresgid(&gr, &ge, &gs) < 0)
        return err_os(err, "look at the user and group");
    if (r != user->uid || e != user->uid || s != user->uid || gr != user->gid ||
        ge != user->gid || gs != user->gid)
        return err_set(err, E_DENIED, "still user %ld and group %ld, not %ld and %ld", (long)e,
                       (long)ge, (long)user->uid, (long)user->gid);
    if (user->uid != 0 && setuid(0) == 0)
        return err_set(err, E_DENIED, "rights that were given up came back");
    return 0;
}

int privs_drop(const struct privs_user *user, struct err *err)
{
    umask(PRIVS_UMASK);
    if (geteuid() == 0) {
        if (setgroups((size_t)user->ngroups, user->groups) < 0)
            return err_os(err, "set the groups");
        if (setresgid(user->gid, user->gid, user->gid) < 0)
            return err_os(err, "become group %ld", (long)user->gid);
        if (setresuid(user->uid, user->uid, user->uid) < 0)
            return err_os(err, "become user %ld", (long)user->uid);
    }
    int r = check(user, err);
    return r < 0 ? r : privs_no_new(err);
}
