#include "sys/privs.h"

#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

/* All three of each: the real one, the effective one, and the saved one that a way back would
 * need. */
static int check(uid_t uid, gid_t gid, struct err *err)
{
    uid_t r, e, s;
    gid_t gr, ge, gs;

    if (getresuid(&r, &e, &s) < 0 || getresgid(&gr, &ge, &gs) < 0)
        return err_os(err, "look at the user and group");
    if (r != uid || e != uid || s != uid || gr != gid || ge != gid || gs != gid)
        return err_set(err, E_DENIED, "still user %ld and group %ld, not %ld and %ld", (long)e,
                       (long)ge, (long)uid, (long)gid);
    if (uid != 0 && setuid(0) == 0)
        return err_set(err, E_DENIED, "rights that were given up came back");
    return 0;
}

int privs_drop(uid_t uid, gid_t gid, struct err *err)
{
    if (geteuid() == 0) {
        if (setgroups(1, &gid) < 0)
            return err_os(err, "leave the other groups");
        if (setresgid(gid, gid, gid) < 0)
            return err_os(err, "become group %ld", (long)gid);
        if (setresuid(uid, uid, uid) < 0)
            return err_os(err, "become user %ld", (long)uid);
    }
    int r = check(uid, gid, err);
    if (r < 0)
        return r;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? err_os(err, "give up new rights") : 0;
}
