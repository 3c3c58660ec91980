/*
 * posta - the command line: one row a command, and nothing known about it elsewhere.
 */
#include "ctl/accounts.h"
#include "ctl/explain.h"
#include "ctl/init.h"
#include "ctl/output.h"
#include "ctl/probe.h"
#include "ctl/queue.h"
#include "ctl/sendmail.h"
#include "ctl/status.h"
#include "ctl/watch.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* clang-format off */
static const struct command commands[] = {
    {"init", "[--hostname NAME] [--domain NAME]", "make folders, databases, users and a first certificate",
     "Makes what is missing in state_dir: folders, databases, a self-signed certificate; as root\n"
     "also the system's users posta-…, without root everything is yours. With --hostname it\n"
     "writes a first posta.conf where there is none. Called again it changes nothing.",
     init_options, 0, 0, init_run},
    {"check", "", "look everything over: configuration, certificate, folders, ports",
     "Tells every fault with what would be right. Exit status 0: posta can start.", NULL, 0, 0, check_run},
    {"start", "[--daemon [--log FILE]]", "start all processes and watch over them",
     "Stays in the foreground until it is told to stop (posta stop, SIGTERM, Ctrl-C). SIGHUP is\n"
     "posta reload.",
     run_start_options, 0, 0, run_start},
    {"stop", "", "let sessions end, then stop all processes", NULL, NULL, 0, 0, run_stop},
    {"reload", "", "take over a changed posta.conf and certificate; no session is dropped",
     "A configuration with faults changes nothing.", NULL, 0, 0, run_reload},
    {"status", "[--wait SECONDS]", "each process, what it listens on, its counters",
     "Exit status 0 only when all processes serve.", run_status_options, 0, 0, run_status},
    {"domain add", "DOMAIN …", "letters for these domains end here", NULL, NULL, 1, CLI_MANY, domain_add},
    {"domain del", "DOMAIN …", "they do no more",
     "A domain that still has users or aliases stays.", NULL, 1, CLI_MANY, domain_del},
    {"domain list", "", "all domains", NULL, NULL, 0, 0, domain_list},
    {"user add", "ADDRESS [--password-stdin] | --batch", "a user with a mailbox and a password",
     "The password is asked for on the terminal, or read from standard input.", user_add_options, 0, 1, user_add},
    {"user del", "ADDRESS …", "no user any more; the letters stay on disk", NULL, NULL, 1, CLI_MANY, user_del},
    {"user passwd", "ADDRESS [--password-stdin]", "another password; counts at once", NULL, user_passwd_options, 1, 1,
     user_passwd},
    {"user list", "", "all users", NULL, NULL, 0, 0, user_list},
    {"user quota", "ADDRESS [BYTES[K|M|G]] [--letters N]", "show or set how much a mailbox may hold",
     "0 is no limit.", user_quota_options, 1, 2, user_quota},
    {"alias add", "ADDRESS TARGET …", "letters for ADDRESS go to each TARGET", NULL, NULL, 2, CLI_MANY, alias_add},
    {"alias del", "ADDRESS [TARGET …]", "to these targets no more; without targets: the whole alias",
     NULL, NULL, 1, CLI_MANY, alias_del},
    {"alias list", "", "all aliases", NULL, NULL, 0, 0, alias_list},
    {"queue list", "[--to DOMAIN] [--from ADDRESS] [--sum]", "the letters that wait, and what for",
     "Both may be an address or a domain. --sum has a line a destination, the busiest first.",
     queue_list_options, 0, 0, queue_list},
    {"queue show", "ID", "all that is known of a letter in the queue", NULL, NULL, 1, 1, queue_show},
    {"queue retry", "ID … | --all --yes", "try these letters now",
     NULL, queue_change_options, 0, CLI_MANY, queue_retry},
    {"queue hold", "ID … | --all --yes", "keep them, and do not try",
     NULL, queue_change_options, 0, CLI_MANY, queue_hold},
    {"queue release", "ID … | --all --yes", "let held letters go on",
     NULL, queue_change_options, 0, CLI_MANY, queue_release},
    {"queue delete", "ID … | --all --yes", "throw them away; nobody is told",
     NULL, queue_change_options, 0, CLI_MANY, queue_delete},
    {"queue flush", "", "try all letters now and forget their back-off", NULL, NULL, 0, 0, queue_flush},
    {"trace", "ID", "the journey of one letter, box by box, with times",
     "ID is what the sender was told: \"queued as ID\". It is also in each Received field.", NULL, 1, 1, queue_trace},
    {"probe", "[--from ADDRESS] ADDRESS", "what would become of a letter, step by step, without sending one",
     "Here: which user or alias. Elsewhere posta-mta-send does all but the letter: route, DNS, each\n"
     "server's greeting, TLS and certificate, login, MAIL, RCPT. Exit status 0: it would be taken,\n"
     "1: it would come back, 75: it would wait.",
     probe_options, 1, 1, probe_run},
    {"explain", "CODE … | LINE", "what an answer of a mail server means, and what to do",
     "CODE: 450, 4.7.1, or a word of IMAP or POP3 such as TRYCREATE; or a whole line, of whatever\n"
     "server, report or log: the codes are found in it.", NULL, 1, CLI_MANY, explain_run},
    {"watch", "[--id ID] [--box NAME] [--address ADDRESS] [-c FILE …]",
     "each line of each dialogue and each step of each letter, live",
     "C: is who connected, S: who answers. Passwords are hidden, letters are a number of octets.\n"
     "Several -c watch several systems. Only root and the user who runs posta may.",
     watch_options, 0, 0, watch_run},
    {"sendmail", "[-t] [-i] [-f SENDER] [-F NAME] [-bs | -bp] [RECIPIENT …]",
     "hand in a letter from standard input, as sendmail(8) does",
     "Also when posta is called as sendmail, mailq or newaliases. -t takes the recipients from\n"
     "To, Cc and Bcc; -i: a lone dot is text; -f the envelope's sender; -F the name in From; -N,\n"
     "-R, -V as in RFC 3461; -bs speaks SMTP; -bp lists the queue. Exit status as in sysexits(3):\n"
     "64 usage, 65 the letter cannot be sent, 67 a recipient was refused, 75 try again.",
     NULL, 0, CLI_MANY, NULL},
};
/* clang-format on */

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]), NAME_COLUMN = 18 };

static const struct args_option common_options[OPTION_OWN + 1] = {
    [OPTION_CONFIG] = {"--config", 'c', "FILE",
                       "the configuration (else $POSTA_CONF, else /etc/posta/posta.conf)"},
    [OPTION_JSON] = {"--json",   0,   NULL,   "answer in JSON"                         },
    [OPTION_HELP] = {"--help",   'h', NULL,   "this text"                              },
};

/* ---- help ---- */

static void print_option(struct buf *out, const struct args_option *o)
{
    char both[64];

    snprintf(both, sizeof(both), "%c%c%s%s%s%s", o->letter ? '-' : ' ',
             o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name, o->value ? " " : "",
             o->value ? o->value : "");
    buf_addf(out, "  %-28s %s\n", both, o->about);
}

static void print_options(struct buf *out, const struct args_option *o)
{
    for (; o && o->name; o++)
        print_option(out, o);
}

static void help_all(struct buf *out)
{
    buf_add(out, STR("posta - a whole mail system\n\nusage: posta [-c FILE] COMMAND …\n\n"));
    for (int i = 0; i < COMMANDS; i++)
        buf_addf(out, "  %-*s %s\n", NAME_COLUMN, commands[i].words, commands[i].about);
    buf_add(
        out,
        STR("\n`posta COMMAND --help` tells more; posta(1) and posta.conf(5) tell all.\n\n"));
    print_options(out, common_options);
    buf_addf(out, "  %-28s %s\n", "    --version", "the version");
    buf_add(out,
            STR("\nExit status: 0 done, 1 refused or failed, 2 usage, 75 try again later.\n"));
}

/* "posta queue --help": the commands of a group. */
static void help_group(struct buf *out, struct str group)
{
    for (int i = 0; i < COMMANDS; i++) {
        struct str words = str_c(commands[i].words);

        if (str_starts(words, group) && words.n > group.n && words.p[group.n] == ' ')
            buf_addf(out, "  posta %s %s\n      %s\n", commands[i].words, commands[i].usage,
                     commands[i].about);
    }
}

static void help_command(struct buf *out, const struct command *k)
{
    buf_addf(out, "usage: posta %s %s\n\n%s\n", k->words, k->usage, k->about);
    if (k->more)
        buf_addf(out, "\n%s\n", k->more);
    buf_add(out, STR("\n"));
    print_options(out, k->options);
    print_options(out, common_options);
}

/* ---- finding the command ---- */

static const struct command *find(const char *first, const char *second)
{
    for (int i = 0; i < COMMANDS; i++) {
        struct str words = str_c(commands[i].words), a = str_first(words, str_find(words, ' '));
        struct str b = str_skip(words, a.n < words.n ? a.n + 1 : a.n);

        if (str_eq(a, str_c(first)) && (!b.n || (second && str_eq(b, str_c(second)))))
            return &commands[i];
    }
    return NULL;
}

static bool is_group(const char *word)
{
    for (int i = 0; i < COMMANDS; i++) {
        struct str words = str_c(commands[i].words), a = str_first(words, str_find(words, ' '));

        if (a.n < words.n && str_eq(a, str_c(word)))
            return true;
    }
    return false;
}

static enum cli_status unknown(const char *first, const char *second, struct buf *out)
{
    if (!is_group(first))
        return cli_fail(CLI_USAGE, "there is no command \"%s\"; `posta --help` lists them",
                        first);
    if (!second || second[0] == '-' || strcmp(second, "help") == 0) {
        help_group(out, str_c(first));
        return second && strcmp(second, "--help") == 0 ? CLI_DONE : CLI_USAGE;
    }
    return cli_fail(CLI_USAGE,
                    "there is no command \"%s %s\"; `posta %s --help` lists what there is",
                    first, second, first);
}

/* ---- running it ---- */

/* The options of all commands, then its own, as one table. */
static void join_options(const struct command *k, struct args_option *table)
{
    int n = 0;

    for (; n < OPTION_OWN; n++)
        table[n] = common_options[n];
    for (const struct args_option *o = k->options; o && o->name && n < ARGS_OPTIONS; o++)
        table[n++] = *o;
    table[n] = (struct args_option){0};
}

static enum cli_status run(struct cli *c, const struct command *k, int argc, const char **argv)
{
    struct args_option table[ARGS_OPTIONS + 1];
    struct args a;
    struct err err;

    c->command = k;
    join_options(k, table);
    if (args_parse(argc, argv, table, &a, &err) < 0)
        return cli_usage(c, "%s", err.text);
    if (cli_has(&a, OPTION_HELP)) {
        help_command(&c->out, k);
        return CLI_DONE;
    }
    if (cli_has(&a, OPTION_CONFIG))
        c->config_path = a.options[OPTION_CONFIG];
    c->json = c->json || cli_has(&a, OPTION_JSON);
    if (a.n < k->min)
        return cli_usage(c, "that is too little");
    if (a.n > k->max)
        return cli_usage(c, "\"%s\" is too much", a.words[k->max]);
    return k->run(c, &a);
}

/* What stands before the command; *at is its place. */
static enum cli_status lead(struct cli *c, int argc, const char **argv, int *at)
{
    for (; *at < argc && argv[*at][0] == '-'; ++*at) {
        const char *word = argv[*at];

        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            help_all(&c->out);
            *at = argc;
            return CLI_DONE;
        }
        if (strcmp(word, "--version") == 0) {
            buf_add(&c->out, STR("posta " POSTA_VERSION "\n"));
            *at = argc;
            return CLI_DONE;
        }
        if (strcmp(word, "--json") == 0) {
            c->json = true;
        } else if ((strcmp(word, "-c") == 0 || strcmp(word, "--config") == 0) &&
                   *at + 1 < argc) {
            c->config_path = argv[++*at];
        } else {
            return cli_fail(CLI_USAGE,
                            "there is no option \"%s\" here; `posta --help` lists them", word);
        }
    }
    if (*at < argc)
        return CLI_DONE;
    help_all(&c->out);
    return CLI_USAGE;
}

static int dispatch(struct cli *c, int argc, const char **argv)
{
    const struct command *k;
    int at = 1, words;
    enum cli_status status = lead(c, argc, argv, &at);

    if (status != CLI_DONE || at >= argc)
        return (int)status;
    const char *second = at + 1 < argc ? argv[at + 1] : NULL;

    if (strcmp(argv[at], "help") == 0 && second) {
        argv[at] = second;
        second = "--help";
        argv[at + 1] = second;
    }
    k = find(argv[at], second);
    if (!k)
        return (int)unknown(argv[at], second, &c->out);
    words = strchr(k->words, ' ') ? 2 : 1;
    argc -= at + words;
    argv += at + words;
    if (!k->run && !(argc == 1 && strcmp(argv[0], "--help") == 0))
        return sendmail_main(c->config_path, argc, argv);
    return (int)run(c, k, argc, argv);
}

/* Descriptors 0 to 2 are always somebody's: a file of ours must not become standard error
 * (F06). Reading a standard input that was closed stays an error. */
static void have_standard_fds(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDWR) != fd)
            _exit(CLI_REFUSED);
}

/* sendmail, mailq and newaliases are this program under other names. */
static bool called_as_sendmail(const char *argv0, const char **mode)
{
    const char *slash = strrchr(argv0, '/');
    const char *name = slash ? slash + 1 : argv0;

    *mode = strcmp(name, "mailq") == 0 ? "-bp" : strcmp(name, "newaliases") == 0 ? "-bi" : NULL;
    return *mode || strcmp(name, "sendmail") == 0;
}

int main(int argc, char **argv)
{
    struct cli c = {.config_path = config_path(NULL)};
    const char **words = (const char **)(uintptr_t)argv;
    const char *mode;
    int status;

    have_standard_fds();
    if (argc < 1)
        return CLI_USAGE;
    if (called_as_sendmail(argv[0], &mode))
        return mode ? sendmail_main(c.config_path, 1, &mode)
                    : sendmail_main(c.config_path, argc - 1, words + 1);
    arena_init(&c.arena);
    buf_init(&c.out, OUTPUT_BYTES);
    c.colour = output_colour(STDOUT_FILENO);
    status = dispatch(&c, argc, words);
    fflush(stdout);
    output_write(STDOUT_FILENO, &c.out);
    buf_done(&c.out);
    config_free(c.config);
    arena_done(&c.arena);
    return status;
}
