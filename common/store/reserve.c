#include "store/reserve.h"

#include "base/defer.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/statvfs.h>

/* How much this disk can give; 0: nothing now. */
static uint64_t room(int root)
{
    struct statvfs st;

    if (fstatvfs(root, &st) < 0)
        return 0;
    uint64_t most = (uint64_t)st.f_blocks * st.f_frsize / RESERVE_SHARE;
    uint64_t n = most < RESERVE_BYTES ? most : RESERVE_BYTES;

    return (uint64_t)st.f_bavail * st.f_frsize >= RESERVE_PLENTY * n ? n : 0;
}

void reserve_keep(int root)
{
    if (faccessat(root, RESERVE_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return;
    uint64_t n = room(root);
    DEFER(close_fd)
    int fd = n ? openat(root, RESERVE_FILE,
                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)
               : -1;
    if (fd >= 0 && fallocate(fd, 0, 0, (off_t)n) < 0)
        unlinkat(root, RESERVE_FILE, 0);
}

bool reserve_spend(int root)
{
    return unlinkat(root, RESERVE_FILE, 0) == 0;
}
