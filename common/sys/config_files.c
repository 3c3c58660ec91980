/* config_files - `config-files DIRECTORY` writes config/posta.conf and docs/posta.conf.5 below
 * it. A tool of the build. */
#include "base/defer.h"
#include "sys/config_doc.h"
#include "sys/fs.h"

#include <stdio.h>

enum { TEXT_BYTES = 1 << 20 };

static int write_one(const char *root, const char *folder, const char *name,
                     void (*print)(struct buf *out))
{
    struct buf text, path;
    struct err err = {0};

    buf_init(&text, TEXT_BYTES);
    buf_init(&path, TEXT_BYTES);
    buf_addf(&path, "%s/%s", root, folder);
    print(&text);
    DEFER(close_fd) int dir = fs_open_dir(buf_c(&path), &err);
    int r = dir < 0 ? dir : fs_replace(dir, name, buf_str(&text), 0644, &err);
    if (r < 0)
        fprintf(stderr, "%s/%s: %s\n", buf_c(&path), name, err.text);
    buf_done(&text);
    buf_done(&path);
    return r < 0;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    return write_one(argv[1], "config", "posta.conf", config_doc_example) |
           write_one(argv[1], "docs", "posta.conf.5", config_doc_manual);
}
