#include "store/folders.h"
#include "store/mailbox_impl.h"

int folders_usage(struct mailboxes *all, struct str maildir, struct quota_usage *out,
                  struct err *err)
{
    int code, root = mailboxes_root(all, err);
    struct buf path;

    if (root < 0)
        return root;
    buf_init(&path, 4096);
    buf_add(&path, maildir);
    code = buf_failed(&path) ? err_set(err, E_LIMIT, "the path of a mailbox is too long")
                             : quota_count(root, buf_c(&path), out, err);
    buf_done(&path);
    return code;
}
