/*
 * config - posta.conf as every program sees it (libconfuse inside).
 *
 * One table (sys/config_keys.h) holds every key with its section, type, default, unit and
 * explanation: the parser, `posta check`, config/posta.conf and posta.conf(5) all come from it,
 * so none can be out of date. A configuration that is not understood is refused whole with
 * every fault that can be found.
 */
#ifndef POSTA_SYS_CONFIG_H
#define POSTA_SYS_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <sys/types.h>

struct config_list {
    const char **items;
    size_t n;
};

struct config_route {
    const char *domain, *to, *tls, *user, *password_file;
};

struct config {
    const char *hostname, *state_dir, *run_dir;
    struct {
        const char *certificate, *key, *authorities;
    } tls;
    struct {
        const char *level, *format;
        bool transcript;
    } log;
    struct {
        struct config_list listen, listen_tls;
    } msa, imapd, pop3d;
    struct {
        struct config_list listen;
        const char *relay, *relay_user, *relay_password_file, *relay_tls;
        struct config_list relay_from;
        const char *names;
        struct config_route *routes;
        size_t nroutes;
        uint32_t port;
        bool dsn;
    } mta;
    struct {
        struct config_list lmtp;
    } mda;
    struct {
        struct config_list servers, insecure;
        const char *trust_anchor;
    } dns;
    uint32_t workers; /* 0: one a core */
    struct config_limits {
        uint64_t letter_bytes;            /* SIZE                                            */
        uint64_t header_bytes;            /* of a letter (M03)                                */
        uint32_t recipients;              /* of one letter                                    */
        uint32_t hops;                    /* Received fields (M13)                            */
        uint32_t connections;             /* of one worker                                    */
        uint32_t connections_per_address; /* over all workers                                 */
        uint32_t command_seconds;         /* whole command (C11)                              */
        uint32_t data_seconds;          /* without progress during a letter                  */
        uint32_t data_bytes_per_second; /* least average rate of a letter (R03)              */
        uint32_t handshake_seconds;     /* TLS (T13)                                        */
        uint32_t idle_pop3_seconds;     /* RFC 1939 3: at least 600                         */
        uint32_t idle_imap_seconds;     /* RFC 9051 5.4: at least 1800                      */
        uint32_t drain_seconds;         /* sessions at SIGTERM                              */
        uint64_t free_bytes, free_inodes; /* kept free in the spool: 452 at MAIL              */
        uint32_t bad_commands, junk_commands, auth_failures; /* a session, then 421 */
        uint32_t auth_failures_per_minute; /* of one address, then a growing delay */
        uint32_t auth_delay_ms_max;
        uint64_t queue_letters; /* held at most: 452 at MAIL                        */
        uint32_t retry_first_seconds, retry_max_seconds;
        uint32_t queue_life_seconds;   /* then a bounce                                    */
        uint32_t delay_notice_seconds; /* the sender hears that a letter waits; 0: never   */
        uint32_t delivery_connections; /* queue to mda                                     */
        uint32_t delivery_seconds;     /* of one hand-over                                  */
        uint32_t send_connections, send_connections_per_destination;
        uint32_t send_connect_seconds, send_command_seconds; /* RFC 5321 4.5.3.2 */
        uint32_t send_data_seconds, send_end_seconds;
        uint32_t send_seconds;  /* a whole delivery to another system                */
        uint32_t trace_letters; /* kept in trace.db                                 */
        uint32_t log_lines_per_second;
    } limits;
    struct {
        bool clear_auth, auth_on_25, any_sender, loopback_mx;
    } lab;
};

enum { CONFIG_FILE_BYTES = 1 << 20 };

/* Reads `path`; NULL after printing every fault ("posta.conf:12: …; right would be …", a line
 * each) to `faults`. One thread at a time: libconfuse's reader is global. */
struct config *config_load(const char *path, struct buf *faults);
struct config *config_parse(struct str text, const char *name, struct buf *faults);
void config_free(struct config *c);

/* -c FILE, else POSTA_CONF, else /etc/posta/posta.conf. */
const char *config_path(const char *option);

/* All keys, for the manual page and `posta check`: calls fn once for each, sections in order.
 */
struct config_key {
    const char *section; /* "" at the top */
    const char *name, *type, *unit, *standard, *text;
};
void config_each_key(void (*fn)(void *arg, const struct config_key *key), void *arg);

#endif
