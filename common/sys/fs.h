/*
 * fs - files as posta wants them: beneath a directory, never through a link, whole or not at
 * all.
 *
 * Names given to *_beneath() come from ids and escaped users, never from the wire; the kernel
 * checks once more (openat2: no "..", no symbolic link anywhere on the way). Descriptors are
 * close-on-exec.
 */
#ifndef POSTA_SYS_FS_H
#define POSTA_SYS_FS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <sys/stat.h>
#include <sys/types.h>

int fs_open_dir(const char *path,
                struct err *err); /* links on the way are the administrator's: followed */
int fs_open_dir_beneath(int dir, const char *name, struct err *err);
/* As openat(), beneath `dir` and without links. -errno; nothing in `err` but words. */
int fs_open_beneath(int dir, const char *name, int flags, mode_t mode, struct err *err);

/* All of it, over short writes and EINTR. */
int fs_write_all(int fd, struct str bytes, struct err *err);
/* From where fd stands to its end; E_LIMIT when `to` is full. */
int fs_read_all(int fd, struct buf *to, struct err *err);
int fs_read_file(const char *path, struct buf *to, struct err *err);

/* The disk begins to write the file: a flush that follows waits for less. It promises nothing,
 * but -1 with errno is as final as a flush's: a block that cannot be placed is thrown away, and
 * the flush does not tell of it once more. 0 also where the system cannot do it. */
int fs_start_flush(int fd);

/* `name` in `dir` has these bytes, old or new ones whole, after any crash; durable after 0.
 * tmp ──write, fsync──▶ rename over name ──▶ fsync dir. A crash before the rename leaves
 * "name.tmp", which the next call writes over. */
int fs_replace(int dir, const char *name, struct str bytes, mode_t mode, struct err *err);

enum { FS_NO_OWNER = -1 };

/* Makes a directory with exactly this mode and owner (FS_NO_OWNER: as it comes); one that is
 * there is put right. Not its parents. */
int fs_make_dir(int dir, const char *name, mode_t mode, uid_t uid, gid_t gid, struct err *err);

/* The file is made where it is missing, and held until the descriptor is closed, or the process
 * ends however it does. E_BUSY: another one holds it. */
int fs_lock_file(int dir, const char *name, mode_t mode, struct err *err);
/* The same, waiting for its turn. */
int fs_lock_wait(int dir, const char *name, mode_t mode, struct err *err);

/* What an ordinary user may still use. */
struct fs_room {
    uint64_t bytes, inodes; /* inodes: UINT64_MAX where the file system does not count them */
};
int fs_room(int fd, struct fs_room *out, struct err *err);

#endif
