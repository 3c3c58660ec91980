#include "base/defer.h"
#include "ctl/supervisor.h"
#include "tls/tls.h"

#include <errno.h>
#include <fcntl.h>

enum { CONFIG_BYTES = 1024 * 1024, PEM_BYTES = 1024 * 1024, READ_BYTES = 16384 };

void loaded_init(struct loaded *l)
{
    l->config = NULL;
    buf_init(&l->text, CONFIG_BYTES);
    buf_init(&l->tls_chain, PEM_BYTES);
    buf_init(&l->tls_key, PEM_BYTES);
}

void loaded_done(struct loaded *l)
{
    config_free(l->config);
    l->config = NULL;
    buf_done(&l->text);
    buf_done(&l->tls_chain);
    buf_done(&l->tls_key);
}

static int read_file(const char *path, struct buf *out, struct buf *faults)
{
    DEFER(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : 1;

    while (n > 0) {
        char *room = buf_room(out, READ_BYTES);

        if (!room) {
            buf_addf(faults, "%s: is too large\n", path);
            return E_LIMIT;
        }
        n = read(fd, room, READ_BYTES);
        if (n > 0)
            buf_grown(out, (size_t)n);
    }
    if (n < 0) {
        buf_addf(faults, "%s: %s\n", path, strerror(errno));
        return -errno;
    }
    return 0;
}

static int read_keys(struct loaded *l, struct buf *faults)
{
    struct tls_context *c;
    struct err err;
    int rc = read_file(l->config->tls.certificate, &l->tls_chain, faults);
    int rc2 = read_file(l->config->tls.key, &l->tls_key, faults);

    if (rc < 0 || rc2 < 0) {
        buf_addf(faults,
                 "(`posta init` makes a self-signed certificate where there is none)\n");
        return rc < 0 ? rc : rc2;
    }
    c = tls_context_server(buf_str(&l->tls_chain), buf_str(&l->tls_key), "smtp", "check", &err);
    if (!c) {
        buf_addf(faults, "%s: %s\n", l->config->tls.certificate, err.text);
        return err.code;
    }
    tls_context_unref(c);
    return 0;
}

int loaded_read_config(struct loaded *l, const char *config_path, struct buf *faults)
{
    int rc = read_file(config_path, &l->text, faults);

    if (rc == -ENOENT)
        buf_addf(faults, "(`posta init --hostname NAME` writes a first configuration; -c FILE "
                         "names another)\n");
    if (rc < 0)
        return rc;
    l->config = config_parse(buf_str(&l->text), config_path, faults);
    return l->config ? 0 : E_SYNTAX;
}

int loaded_read(struct loaded *l, const char *config_path, struct buf *faults)
{
    int rc = loaded_read_config(l, config_path, faults);

    return rc < 0 ? rc : read_keys(l, faults);
}
