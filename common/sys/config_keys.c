#include "sys/config_keys.h"

#define MEMBER(member) offsetof(struct config, member), sizeof(((struct config *)0)->member)
#define ROUTE_MEMBER(member) \
    offsetof(struct config_route, member), sizeof(((struct config_route *)0)->member)

static const uint64_t KIB = 1024, MIB = 1024 * KIB, GIB = 1024 * MIB, TIB = 1024 * GIB;
static const uint64_t MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

enum {
    MILLION = 1000000,
    HUNDRED_MILLIONS = 100 * MILLION,
    BILLION = 1000 * MILLION,
    PORT_MAX = 65535,
    WORKERS_MAX = 64,
};

/* clang-format off */
const struct config_section config_sections[] = {
    {"", "At the top, outside any section.", NULL},
    {"tls",
     "The certificate that the servers show. Both files are read again on reload; a pair that "
     "does not match is refused and the one in use stays.", NULL},
    {"log",
     "What is told, and how. Lines go to standard error: the terminal's, or the journal's.", NULL},
    {"msa", "The submission server: takes letters from the users' own programs (RFC 6409).", NULL},
    {"mta", "The servers that letters come to from outside, and where letters for others go.", NULL},
    {"mta.route",
     "Letters for this domain go to a fixed host instead of where DNS says. May stand several "
     "times, each with another domain.", "DOMAIN"},
    {"mda", "The delivery agent: writes letters into Maildirs.", NULL},
    {"imapd", "The IMAP server (RFC 3501).", NULL},
    {"pop3d", "The POP3 server (RFC 1939).", NULL},
    {"dns", "Which name servers are asked, and what is believed.", NULL},
    {"limits", "What one letter, one session, one address or the whole system may use.", NULL},
    {"lab",
     "For teaching on a closed network: passwords and letters travel in clear. Whatever is on "
     "here is announced in the log at each start.", NULL},
};
const size_t config_sections_n = sizeof(config_sections) / sizeof(config_sections[0]);

const struct config_row config_rows[] = {
    {"", "hostname", CONFIG_NAME, "\"\"", NULL, 0, 0, MEMBER(hostname),
     "The name this system gives itself, in greetings, in Received fields and in the names "
     "of letters. It should be the one that DNS has for its address. Empty: the machine's "
     "own."},
    {"", "state_dir", CONFIG_PATH, "\"/var/lib/posta\"", NULL, 0, 0, MEMBER(state_dir),
     "All that must survive: accounts, queue, mailboxes."},
    {"", "run_dir", CONFIG_PATH, "\"/run/posta\"", NULL, 0, 0, MEMBER(run_dir),
     "Sockets and the process id; may be empty after a boot."},
    {"", "workers", CONFIG_NUMBER, "0", "processes", 0, WORKERS_MAX, MEMBER(workers),
     "Processes for each server that faces the network. 0: one for each core."},

    {"tls", "certificate", CONFIG_PATH, "\"/etc/posta/tls/fullchain.pem\"", NULL, 0, 0,
     MEMBER(tls.certificate),
     "The certificate and the chain behind it, PEM."},
    {"tls", "key", CONFIG_PATH, "\"/etc/posta/tls/key.pem\"", NULL, 0, 0, MEMBER(tls.key),
     "Its private key, PEM, readable by root alone: the servers get it from the supervisor."},
    {"tls", "authorities", CONFIG_PATH, "\"\"", NULL, 0, 0, MEMBER(tls.authorities),
     "The certificates of those whose word counts where another system's name is verified, "
     "PEM. Empty: the system's."},

    {"log", "level", CONFIG_CHOICE, "\"info\"", "error warn info debug", 0, 0,
     MEMBER(log.level),
     "The least important lines that are written."},
    {"log", "format", CONFIG_CHOICE, "\"text\"", "text json", 0, 0, MEMBER(log.format),
     "For people, or one JSON object a line."},
    {"log", "transcript", CONFIG_BOOL, "false", NULL, 0, 0, MEMBER(log.transcript),
     "Writes every line of every dialogue, secrets left out. For learning and for finding "
     "faults."},

    {"msa", "listen", CONFIG_ADDRESSES, "{\"*:587\"}", NULL, 0, 0, MEMBER(msa.listen),
     "Where submission listens; TLS begins by STARTTLS."},
    {"msa", "listen_tls", CONFIG_ADDRESSES, "{\"*:465\"}", NULL, 0, 0, MEMBER(msa.listen_tls),
     "Where submission listens with TLS from the first byte (RFC 8314)."},

    {"mta", "listen", CONFIG_ADDRESSES, "{\"*:25\"}", NULL, 0, 0, MEMBER(mta.listen),
     "Where letters from other systems come in."},
    {"mta", "relay", CONFIG_HOST_PORT, "\"\"", NULL, 0, 0, MEMBER(mta.relay),
     "A smart host that takes every letter for others, host:port. Empty: each domain's own "
     "servers are found by DNS."},
    {"mta", "relay_user", CONFIG_TEXT, "\"\"", NULL, 0, 0, MEMBER(mta.relay_user),
     "The name to log in with at the relay. Empty: no login. The password leaves only through "
     "TLS, unless relay_tls is \"never\"."},
    {"mta", "relay_password_file", CONFIG_PATH, "\"\"", NULL, 0, 0,
     MEMBER(mta.relay_password_file),
     "A file whose first line is the password for the relay; the user "
     "posta-send must be able to read it."},
    {"mta", "relay_tls", CONFIG_CHOICE, "\"verify\"", "may must verify never", 0, 0,
     MEMBER(mta.relay_tls),
     "TLS towards the relay: if it is offered, always, always with a certificate that holds "
     "for its name, or never."},
    {"mta", "relay_from", CONFIG_NETWORKS, "{}", NULL, 0, 0, MEMBER(mta.relay_from),
     "Networks whose hosts may send through port 25 to anywhere without a login, such as "
     "\"127.0.0.0/8\"."},
    {"mta", "dsn", CONFIG_BOOL, "true", NULL, 0, 0, MEMBER(mta.dsn),
     "Port 25 offers DSN (RFC 3461): senders elsewhere may ask to be told of deliveries, and "
     "learn where an alias leads. Users of submission always may."},
    {"mta", "names", CONFIG_CHOICE, "\"public\"", "public all never", 0, 0, MEMBER(mta.names),
     "Whom DNS is asked about, of those who come to port 25: public addresses, private ones and "
     "loopback too, or nobody. The client's name stands in Received when its address has it and "
     "it has that address; a sender whose domain says that it takes no mail (RFC 7505) is "
     "refused. A session waits two seconds for it at most."},
    {"mta", "port", CONFIG_NUMBER, "25", "port", 1, PORT_MAX, MEMBER(mta.port),
     "The port of other systems that letters are sent to. A lab can move it."},

    {"mta.route", "to", CONFIG_DESTINATION, "\"\"", NULL, 0, 0, ROUTE_MEMBER(to),
     "The host that takes the letters, host:port; lmtp:host:port or lmtp:/path of a Unix socket "
     "for one that speaks LMTP (RFC 2033). Must be given."},
    {"mta.route", "tls", CONFIG_CHOICE, "\"\"", "may must verify never", 0, 0,
     ROUTE_MEMBER(tls),
     "As relay_tls. Without a word it is \"verify\" where there is a user, whose password goes to "
     "nobody else then, and else \"may\"; a Unix socket needs none."},
    {"mta.route", "user", CONFIG_TEXT, "\"\"", NULL, 0, 0, ROUTE_MEMBER(user),
     "As relay_user."},
    {"mta.route", "password_file", CONFIG_PATH, "\"\"", NULL, 0, 0, ROUTE_MEMBER(password_file),
     "As relay_password_file."},

    {"mda", "lmtp", CONFIG_ADDRESSES, "{}", NULL, 0, 0, MEMBER(mda.lmtp),
     "Where LMTP (RFC 2033) is taken over TCP besides the Unix socket. It asks for no "
     "login: keep it inside."},

    {"imapd", "listen", CONFIG_ADDRESSES, "{\"*:143\"}", NULL, 0, 0, MEMBER(imapd.listen),
     "Where IMAP listens; TLS begins by STARTTLS."},
    {"imapd", "listen_tls", CONFIG_ADDRESSES, "{\"*:993\"}", NULL, 0, 0,
     MEMBER(imapd.listen_tls),
     "Where IMAP listens with TLS from the first byte."},

    {"pop3d", "listen", CONFIG_ADDRESSES, "{\"*:110\"}", NULL, 0, 0, MEMBER(pop3d.listen),
     "Where POP3 listens; TLS begins by STLS."},
    {"pop3d", "listen_tls", CONFIG_ADDRESSES, "{\"*:995\"}", NULL, 0, 0,
     MEMBER(pop3d.listen_tls),
     "Where POP3 listens with TLS from the first byte."},

    {"dns", "servers", CONFIG_RESOLVERS, "{}", NULL, 0, 0, MEMBER(dns.servers),
     "Resolvers to ask, such as \"127.0.0.1@5353\". None: the system's."},
    {"dns", "insecure", CONFIG_ZONES, "{}", NULL, 0, 0, MEMBER(dns.insecure),
     "Zones believed without DNSSEC; \".\" turns validation off."},
    {"dns", "trust_anchor", CONFIG_PATH, "\"\"", NULL, 0, 0, MEMBER(dns.trust_anchor),
     "A file with the key that DNSSEC begins at. Empty: that of the root. A lab can name "
     "its own."},

    {"limits", "letter_bytes", CONFIG_SIZE, "25M", "octets", 64 * KIB, 2 * GIB,
     MEMBER(limits.letter_bytes),
     "The longest letter taken, announced as SIZE (RFC 1870)."},
    {"limits", "header_bytes", CONFIG_SIZE, "1M", "octets", 4 * KIB, 64 * MIB,
     MEMBER(limits.header_bytes),
     "The longest header of a letter."},
    {"limits", "recipients", CONFIG_NUMBER, "1000", "recipients", 100, 10000,
     MEMBER(limits.recipients),
     "Recipients of one letter; further ones are told to come in a letter of their own. RFC "
     "5321 asks for 100 at least."},
    {"limits", "hops", CONFIG_NUMBER, "100", "Received fields", 10, 1000, MEMBER(limits.hops),
     "A letter that has passed more systems is going round in a circle and is refused."},
    {"limits", "connections", CONFIG_NUMBER, "4000", "connections", 1, MILLION,
     MEMBER(limits.connections),
     "Connections of one worker; further ones are told to come later."},
    {"limits", "connections_per_address", CONFIG_NUMBER, "50", "connections", 1, MILLION,
     MEMBER(limits.connections_per_address),
     "Connections from one address to one server, over all workers. IPv6 is counted by /64."},
    {"limits", "command_seconds", CONFIG_TIME, "5m", "seconds", 1, DAY,
     MEMBER(limits.command_seconds),
     "For a whole command to come in, however slowly its bytes do."},
    {"limits", "data_seconds", CONFIG_TIME, "5m", "seconds", 1, DAY,
     MEMBER(limits.data_seconds),
     "Without any progress in the middle of a letter."},
    {"limits", "data_bytes_per_second", CONFIG_NUMBER, "100", "octets a second", 0, MILLION,
     MEMBER(limits.data_bytes_per_second),
     "The least average rate of a letter coming in, looked at after data_seconds. 0: any."},
    {"limits", "handshake_seconds", CONFIG_TIME, "30s", "seconds", 1, HOUR,
     MEMBER(limits.handshake_seconds),
     "For a TLS handshake."},
    {"limits", "idle_pop3_seconds", CONFIG_TIME, "10m", "seconds", 10 * MINUTE, DAY,
     MEMBER(limits.idle_pop3_seconds),
     "A POP3 session in which nothing happens. RFC 1939 asks for ten minutes at least."},
    {"limits", "idle_imap_seconds", CONFIG_TIME, "30m", "seconds", 30 * MINUTE, DAY,
     MEMBER(limits.idle_imap_seconds),
     "An IMAP session in which the client says nothing, in IDLE too. RFC 3501 asks for half an "
     "hour at least."},
    {"limits", "drain_seconds", CONFIG_TIME, "5s", "seconds", 0, HOUR,
     MEMBER(limits.drain_seconds),
     "What sessions get to end by themselves when posta stops."},
    {"limits", "free_bytes", CONFIG_SIZE, "100M", "octets", 0, 1024 * TIB,
     MEMBER(limits.free_bytes),
     "Kept free on the spool's file system: below it letters are told to come later."},
    {"limits", "free_inodes", CONFIG_NUMBER, "1000", "inodes", 0, BILLION,
     MEMBER(limits.free_inodes),
     "As free_bytes, in files. File systems that do not count them are not asked."},
    {"limits", "bad_commands", CONFIG_NUMBER, "20", "commands", 1, MILLION,
     MEMBER(limits.bad_commands),
     "Refused commands and recipients of one session; then it is closed."},
    {"limits", "junk_commands", CONFIG_NUMBER, "100", "commands", 1, MILLION,
     MEMBER(limits.junk_commands),
     "Commands of one session that lead to no letter (NOOP, RSET, VRFY …), in POP3 and IMAP "
     "those before the login; then it is closed."},
    {"limits", "auth_failures", CONFIG_NUMBER, "3", "failures", 1, 1000,
     MEMBER(limits.auth_failures),
     "Wrong passwords of one session; then it is closed."},
    {"limits", "auth_failures_per_minute", CONFIG_NUMBER, "10", "failures", 1, MILLION,
     MEMBER(limits.auth_failures_per_minute),
     "Wrong passwords from one address in a minute; each further answer comes later than "
     "the one before."},
    {"limits", "auth_delay_ms_max", CONFIG_NUMBER, "10000", "milliseconds", 0, 600000,
     MEMBER(limits.auth_delay_ms_max),
     "The most by which the answer to a wrong password is held back."},
    {"limits", "queue_letters", CONFIG_NUMBER, "1000000", "letters", 1, BILLION,
     MEMBER(limits.queue_letters),
     "Letters in the queue; above it letters are told to come later."},
    {"limits", "retry_first_seconds", CONFIG_TIME, "5m", "seconds", 1, DAY,
     MEMBER(limits.retry_first_seconds),
     "How long a recipient waits after the first failure; each further wait is twice as long."},
    {"limits", "retry_max_seconds", CONFIG_TIME, "4h", "seconds", 1, 7 * DAY,
     MEMBER(limits.retry_max_seconds),
     "The longest wait between two attempts."},
    {"limits", "queue_life_seconds", CONFIG_TIME, "5d", "seconds", 1, 100 * DAY,
     MEMBER(limits.queue_life_seconds),
     "How long delivery is tried before the sender is told that it failed. RFC 5321 asks "
     "for four to five days."},
    {"limits", "delay_notice_seconds", CONFIG_TIME, "4h", "seconds", 0, 100 * DAY,
     MEMBER(limits.delay_notice_seconds),
     "How long a letter waits before its sender is told, once for each recipient, that it is "
     "delayed and still tried. 0: never."},
    {"limits", "delivery_connections", CONFIG_NUMBER, "20", "connections", 1, 1000,
     MEMBER(limits.delivery_connections),
     "Connections from the queue to the delivery agent."},
    {"limits", "delivery_seconds", CONFIG_TIME, "10m", "seconds", 1, DAY,
     MEMBER(limits.delivery_seconds),
     "For one hand-over from the queue."},
    {"limits", "send_connections", CONFIG_NUMBER, "100", "deliveries", 1, 10000,
     MEMBER(limits.send_connections),
     "Deliveries to other systems at once."},
    {"limits", "send_connections_per_destination", CONFIG_NUMBER, "10", "deliveries", 1, 10000,
     MEMBER(limits.send_connections_per_destination),
     "Of these, to one set of hosts at the most. It begins with three, gets more while answers "
     "come and fewer when they do not."},
    {"limits", "send_connect_seconds", CONFIG_TIME, "30s", "seconds", 1, HOUR,
     MEMBER(limits.send_connect_seconds),
     "For another system to take a connection; where it has more addresses, the next is tried "
     "sooner."},
    {"limits", "send_command_seconds", CONFIG_TIME, "5m", "seconds", 1, DAY,
     MEMBER(limits.send_command_seconds),
     "For another system's greeting, and for its whole answer to a command."},
    {"limits", "send_data_seconds", CONFIG_TIME, "3m", "seconds", 1, DAY,
     MEMBER(limits.send_data_seconds),
     "Without any progress while another system takes a letter."},
    {"limits", "send_end_seconds", CONFIG_TIME, "10m", "seconds", 1, DAY,
     MEMBER(limits.send_end_seconds),
     "For another system to say what it does with a letter that it has. RFC 5321 asks for ten "
     "minutes: who leaves sooner sends it twice."},
    {"limits", "send_seconds", CONFIG_TIME, "1h", "seconds", 1, DAY,
     MEMBER(limits.send_seconds),
     "For one delivery to another system, with all the hosts that are tried."},
    {"limits", "trace_letters", CONFIG_NUMBER, "100000", "letters", 0, HUNDRED_MILLIONS,
     MEMBER(limits.trace_letters),
     "Letters whose journey `posta trace` still knows after they have left the queue."},
    {"limits", "log_lines_per_second", CONFIG_NUMBER, "1000", "lines", 0, MILLION,
     MEMBER(limits.log_lines_per_second),
     "Lines about one kind of event that are not about a letter; what is left out is "
     "counted. 0: any number."},

    {"lab", "clear_auth", CONFIG_BOOL, "false", NULL, 0, 0, MEMBER(lab.clear_auth),
     "Passwords are taken without TLS."},
    {"lab", "auth_on_25", CONFIG_BOOL, "false", NULL, 0, 0, MEMBER(lab.auth_on_25),
     "Port 25 offers AUTH too, and relays for who has logged in."},
    {"lab", "any_sender", CONFIG_BOOL, "false", NULL, 0, 0, MEMBER(lab.any_sender),
     "Who has logged in may send as anybody, of any domain."},
    {"lab", "loopback_mx", CONFIG_BOOL, "false", NULL, 0, 0, MEMBER(lab.loopback_mx),
     "MX records may lead to this machine's loopback addresses, where other systems listen."},
};
/* clang-format on */
const size_t config_rows_n = sizeof(config_rows) / sizeof(config_rows[0]);

const char *config_type_name(enum config_type type)
{
    static const char *const names[] = {
        [CONFIG_BOOL] = "true or false",
        [CONFIG_NUMBER] = "number",
        [CONFIG_SIZE] = "size",
        [CONFIG_TIME] = "time",
        [CONFIG_CHOICE] = "one word of",
        [CONFIG_NAME] = "host name",
        [CONFIG_PATH] = "path",
        [CONFIG_TEXT] = "text",
        [CONFIG_HOST_PORT] = "host:port",
        [CONFIG_DESTINATION] = "host:port, lmtp:host:port or lmtp:/path",
        [CONFIG_ADDRESSES] = "list of address:port",
        [CONFIG_NETWORKS] = "list of networks",
        [CONFIG_RESOLVERS] = "list of resolvers",
        [CONFIG_ZONES] = "list of zones",
    };

    return names[type];
}
