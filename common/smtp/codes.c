#include "smtp/codes.h"

#include "base/ascii.h"

/* clang-format off */
static const struct code_row replies[] = {
    {"211", "the system's status, or help", "RFC 5321 4.2.3"},
    {"214", "help, for a person", "RFC 5321 4.2.3"},
    {"220", "the service is ready; behind STARTTLS: begin with TLS", "RFC 5321 4.2.3, RFC 3207 4"},
    {"221", "the server ends the connection, as it was asked to", "RFC 5321 4.2.3"},
    {"235", "the login has succeeded", "RFC 4954 6"},
    {"250", "done; behind the letter: the server has taken it and answers for it", "RFC 5321 4.2.3, 6.1"},
    {"251", "the user is not here, and the letter is sent on", "RFC 5321 3.4"},
    {"252", "it cannot be verified, and the letter would be taken", "RFC 5321 3.5.3"},
    {"334", "the server's part of a login: an answer is awaited", "RFC 4954 4"},
    {"354", "go on with the letter, and end it with a lone dot", "RFC 5321 4.2.3"},
    {"421", "the server goes away, or takes nothing now, and closes the connection", "RFC 5321 3.8, 4.2.3"},
    {"432", "the password has to be changed in another way first", "RFC 4954 6"},
    {"450", "the mailbox is not available now: busy, or put off by a rule", "RFC 5321 4.2.3"},
    {"451", "something failed at the server while it worked", "RFC 5321 4.2.3"},
    {"452", "not enough room at the server, or too many recipients", "RFC 5321 4.2.3, 4.5.3.1.10"},
    {"454", "TLS or the login is not available now", "RFC 3207 4, RFC 4954 6"},
    {"455", "the server cannot take these parameters now", "RFC 5321 4.2.3"},
    {"458", "letters for that node cannot be fetched now", "RFC 1985 5.1"},
    {"459", "fetching letters for that node is not allowed", "RFC 1985 5.1"},
    {"500", "the command is not understood, or the line too long", "RFC 5321 4.2.3"},
    {"501", "the arguments are not understood", "RFC 5321 4.2.3"},
    {"502", "the command is not there", "RFC 5321 4.2.4"},
    {"503", "the commands came in the wrong order", "RFC 5321 4.2.3"},
    {"504", "that parameter is not there", "RFC 5321 4.2.3"},
    {"521", "this host never takes mail", "RFC 7504 3"},
    {"530", "a login, or TLS before it, is demanded first", "RFC 4954 6, RFC 3207 4"},
    {"534", "that way to log in is too weak for this account", "RFC 4954 6"},
    {"535", "the name or the password is wrong", "RFC 4954 6"},
    {"538", "that way to log in needs TLS", "RFC 4954 6"},
    {"550", "the mailbox is not available: it is not there, or a rule refuses", "RFC 5321 4.2.3"},
    {"551", "the user is not here; the server may say where", "RFC 5321 3.4"},
    {"552", "more room is needed than the mailbox may take", "RFC 5321 4.2.3"},
    {"553", "the mailbox's name is not allowed", "RFC 5321 4.2.3"},
    {"554", "it failed; as a greeting: no mail service for you", "RFC 5321 3.1, 4.2.3"},
    {"555", "these parameters of MAIL or RCPT are not there", "RFC 5321 4.1.1.11"},
    {"556", "that domain takes no mail", "RFC 7504 4"},
};

static const struct code_row subjects[] = {
    {"x.0", "no subject is named", "RFC 3463 3.1"},
    {"x.1", "the address", "RFC 3463 3.2"},
    {"x.2", "the mailbox", "RFC 3463 3.3"},
    {"x.3", "the mail system there", "RFC 3463 3.4"},
    {"x.4", "the network, and the way to that system", "RFC 3463 3.5"},
    {"x.5", "the protocol: commands and their order", "RFC 3463 3.6"},
    {"x.6", "what the letter holds, and its form", "RFC 3463 3.7"},
    {"x.7", "security, or a rule of that system", "RFC 3463 3.8"},
};

static const struct code_row statuses[] = {
    {"x.0.0", "nothing more is said", "RFC 3463 3.1"},
    {"x.1.0", "something is wrong with the address", "RFC 3463 3.2"},
    {"x.1.1", "there is no such mailbox", "RFC 3463 3.2"},
    {"x.1.2", "there is no such mail domain", "RFC 3463 3.2"},
    {"x.1.3", "the recipient's address is not one", "RFC 3463 3.2"},
    {"x.1.4", "the address means more than one mailbox", "RFC 3463 3.2"},
    {"x.1.5", "the recipient's address is good", "RFC 3463 3.2"},
    {"x.1.6", "the mailbox has moved, nobody knows where", "RFC 3463 3.2"},
    {"x.1.7", "the sender's address is not one", "RFC 3463 3.2"},
    {"x.1.8", "the sender's domain is not there, or takes no answers", "RFC 3463 3.2"},
    {"x.1.9", "the letter went on to a system that keeps no rules for reports", "RFC 3886 3.3.4"},
    {"x.1.10", "the recipient's domain says that it takes no mail (null MX)", "RFC 7505 4.1"},
    {"x.2.0", "something is wrong with the mailbox", "RFC 3463 3.3"},
    {"x.2.1", "the mailbox is there and takes no mail", "RFC 3463 3.3"},
    {"x.2.2", "the mailbox is full", "RFC 3463 3.3"},
    {"x.2.3", "the letter is longer than that mailbox takes", "RFC 3463 3.3"},
    {"x.2.4", "the mailing list could not be expanded", "RFC 3463 3.3"},
    {"x.3.0", "something is wrong with the mail system there", "RFC 3463 3.4"},
    {"x.3.1", "the disk there is full", "RFC 3463 3.4"},
    {"x.3.2", "the system there takes no mail at the moment", "RFC 3463 3.4"},
    {"x.3.3", "the system there cannot do what the letter needs", "RFC 3463 3.4"},
    {"x.3.4", "the letter is too large for that system", "RFC 3463 3.4"},
    {"x.3.5", "that system is configured wrongly", "RFC 3463 3.4"},
    {"x.3.6", "the priority that was asked for was changed", "RFC 6710 4.1"},
    {"x.4.0", "something is wrong with the network", "RFC 3463 3.5"},
    {"x.4.1", "the host does not answer", "RFC 3463 3.5"},
    {"x.4.2", "the connection broke, or was bad", "RFC 3463 3.5"},
    {"x.4.3", "the name service (DNS) gives no answer", "RFC 3463 3.5"},
    {"x.4.4", "there is no way to that host", "RFC 3463 3.5"},
    {"x.4.5", "the mail system is congested", "RFC 3463 3.5"},
    {"x.4.6", "the letter goes round in a circle", "RFC 3463 3.5"},
    {"x.4.7", "the time for delivery is over", "RFC 3463 3.5"},
    {"x.5.0", "something is wrong with the protocol", "RFC 3463 3.6"},
    {"x.5.1", "the command is wrong, or comes at the wrong time", "RFC 3463 3.6"},
    {"x.5.2", "the command is not understood", "RFC 3463 3.6"},
    {"x.5.3", "too many recipients for one letter", "RFC 3463 3.6"},
    {"x.5.4", "the command's arguments are wrong", "RFC 3463 3.6"},
    {"x.5.5", "the two sides speak different versions", "RFC 3463 3.6"},
    {"x.5.6", "a line of the login is too long", "RFC 4954 6"},
    {"x.6.0", "something is wrong with what the letter holds", "RFC 3463 3.7"},
    {"x.6.1", "that kind of content is not taken", "RFC 3463 3.7"},
    {"x.6.2", "the letter would have to be converted, and that is forbidden", "RFC 3463 3.7"},
    {"x.6.3", "the letter would have to be converted, and that cannot be done", "RFC 3463 3.7"},
    {"x.6.4", "the letter was converted, and something was lost", "RFC 3463 3.7"},
    {"x.6.5", "the letter could not be converted", "RFC 3463 3.7"},
    {"x.6.6", "the letter's content could not be fetched", "RFC 4468 5"},
    {"x.6.7", "an address with other letters than ASCII is not allowed there", "RFC 6531 3.5"},
    {"x.6.8", "an answer in UTF-8 is needed, and not allowed", "RFC 6531 3.7.4.2"},
    {"x.6.9", "the letter has UTF-8 in its head, and a recipient's system cannot take that", "RFC 6531 3.5"},
    {"x.6.10", "the same as x.6.8, which is used today", "RFC 6531 4.2"},
    {"x.7.0", "a rule or a safeguard of that system", "RFC 3463 3.8"},
    {"x.7.1", "this delivery is not allowed: refused by a rule", "RFC 3463 3.8"},
    {"x.7.2", "you may not send to that mailing list", "RFC 3463 3.8"},
    {"x.7.3", "the letter's protection would have to be changed, and that cannot be done", "RFC 3463 3.8"},
    {"x.7.4", "the protection that the letter asks for is not there", "RFC 3463 3.8"},
    {"x.7.5", "encryption or a signature failed", "RFC 3463 3.8"},
    {"x.7.6", "that way of encryption is not there", "RFC 3463 3.8"},
    {"x.7.7", "the letter was changed on its way", "RFC 3463 3.8"},
    {"x.7.8", "the name or the password is wrong", "RFC 4954 6"},
    {"x.7.9", "that way to log in is too weak for this account", "RFC 4954 6"},
    {"x.7.10", "TLS is demanded", "RFC 5248"},
    {"x.7.11", "that way to log in needs TLS", "RFC 4954 6"},
    {"x.7.12", "the password has to be changed in another way first", "RFC 4954 6"},
    {"x.7.13", "the account is disabled", "RFC 5248"},
    {"x.7.14", "the two servers would have to trust each other first", "RFC 4468, RFC 5248"},
    {"x.7.15", "the priority is too low to be taken now", "RFC 6710 4.1"},
    {"x.7.16", "the letter is too large for its priority", "RFC 6710 5"},
    {"x.7.17", "the mailbox belongs to somebody else now", "RFC 7293 15.3"},
    {"x.7.18", "the domain belongs to somebody else now", "RFC 7293 15.3"},
    {"x.7.19", "whether the mailbox has changed hands cannot be told", "RFC 7293 15.3"},
    {"x.7.20", "the letter has no DKIM signature that holds", "RFC 7372 3.1"},
    {"x.7.21", "the letter has no DKIM signature that is accepted", "RFC 7372 3.1"},
    {"x.7.22", "no DKIM signature that holds is the author's own", "RFC 7372 3.1"},
    {"x.7.23", "SPF: the sender's domain does not let that address send", "RFC 7372 3.2"},
    {"x.7.24", "SPF: the sender's record cannot be worked out", "RFC 7372 3.2"},
    {"x.7.25", "the sending address has no name in DNS that leads back to it", "RFC 7372 3.3"},
    {"x.7.26", "several checks of the sender (SPF, DKIM) failed", "RFC 7372 3.4"},
    {"x.7.27", "the sender's domain says that it takes no mail (null MX)", "RFC 7505 4.2"},
    {"x.7.28", "too many letters in too short a time", "IANA, 2017"},
    {"x.7.29", "the chain of those who passed the letter on (ARC) does not hold", "RFC 8617 5.2.2"},
    {"x.7.30", "the letter demands TLS all the way (REQUIRETLS), and the next server cannot", "RFC 8689 4.2.1"},
};

static const struct code_row imap_words[] = {
    {"ALERT", "something that the user has to be shown", "RFC 3501 7.1"},
    {"ALREADYEXISTS", "what was to be made is there", "RFC 5530 3"},
    {"APPENDUID", "the UID of the letter that was added", "RFC 4315 3"},
    {"AUTHENTICATIONFAILED", "the name or the password is wrong", "RFC 5530 3"},
    {"AUTHORIZATIONFAILED", "the login is right, and may not act as that user", "RFC 5530 3"},
    {"BADCHARSET", "SEARCH does not know that charset", "RFC 3501 7.1"},
    {"BADURL", "a part of CATENATE cannot be fetched", "RFC 4469 4.1"},
    {"CANNOT", "it can never be done: a name that is not allowed, for one", "RFC 5530 3"},
    {"CAPABILITY", "what the server can do", "RFC 3501 7.1"},
    {"CLIENTBUG", "the mail program asks what it should not", "RFC 5530 3"},
    {"CLOSED", "the mailbox that was open is closed", "RFC 7162 3.2.11"},
    {"COMPRESSIONACTIVE", "compression is on already", "RFC 4978 3"},
    {"CONTACTADMIN", "ask who runs the server", "RFC 5530 3"},
    {"COPYUID", "the UIDs that the copies have", "RFC 4315 3"},
    {"CORRUPTION", "data of the mailbox is damaged", "RFC 5530 3"},
    {"EXPIRED", "the password is too old", "RFC 5530 3"},
    {"EXPUNGEISSUED", "somebody else has deleted letters that were asked for", "RFC 5530 3"},
    {"HIGHESTMODSEQ", "the mark of the mailbox's newest change", "RFC 7162 3.1.2.1"},
    {"INUSE", "another one has it at the moment; try again", "RFC 5530 3"},
    {"LIMIT", "a limit of the server is reached", "RFC 5530 3"},
    {"MAILBOXID", "the mailbox's name that never changes", "RFC 8474 4"},
    {"METADATA", "an annotation cannot be had or kept", "RFC 5464 4.3"},
    {"MODIFIED", "these letters were changed by somebody else first", "RFC 7162 3.1.3"},
    {"NOMODSEQ", "the mailbox keeps no marks of changes", "RFC 7162 3.1.2.2"},
    {"NONEXISTENT", "there is no such mailbox", "RFC 5530 3"},
    {"NOPERM", "you may not do that there", "RFC 5530 3"},
    {"NOTSAVED", "the result of the search was not kept", "RFC 5182 2.5"},
    {"OVERQUOTA", "the mailbox is full", "RFC 5530 3"},
    {"PARSE", "the head of a letter is not understood", "RFC 3501 7.1"},
    {"PERMANENTFLAGS", "the flags that are kept", "RFC 3501 7.1"},
    {"PRIVACYREQUIRED", "TLS is demanded first", "RFC 5530 3"},
    {"READ-ONLY", "nothing in the mailbox can be changed", "RFC 3501 7.1"},
    {"READ-WRITE", "the mailbox can be changed", "RFC 3501 7.1"},
    {"REFERRAL", "another server has it", "RFC 2221 4.1"},
    {"SERVERBUG", "a fault in the server", "RFC 5530 3"},
    {"TOOBIG", "the letter would be too large", "RFC 4469 4.2"},
    {"TRYCREATE", "there is no such mailbox: CREATE would make it", "RFC 3501 7.1"},
    {"UIDNEXT", "the UID that the next letter gets, or more", "RFC 3501 7.1"},
    {"UIDNOTSTICKY", "UIDs are new in each session", "RFC 4315 3"},
    {"UIDVALIDITY", "while this number stays, UIDs mean the same letters", "RFC 3501 7.1"},
    {"UNAVAILABLE", "a part of the server is away; try again", "RFC 5530 3"},
    {"UNKNOWN-CTE", "a part's encoding is not known", "RFC 3516 4.3"},
    {"UNSEEN", "the first letter that was not read", "RFC 3501 7.1"},
    {"USEATTR", "that special use cannot be given", "RFC 6154 3"},
};

static const struct code_row pop3_words[] = {
    {"AUTH", "the name or the password is wrong", "RFC 3206 4"},
    {"IN-USE", "another session has the maildrop; try again", "RFC 2449 8.1.2"},
    {"LOGIN-DELAY", "you log in too often; wait a while", "RFC 2449 8.1.1"},
    {"SYS/PERM", "the server's fault, and trying again does not help", "RFC 3206 4"},
    {"SYS/TEMP", "the server's fault; try again later", "RFC 3206 4"},
    {"UTF8", "the letter has UTF-8 in its head: the mail program has to ask for UTF8 mode", "RFC 6856 5"},
};
/* clang-format on */

#define ROWS(table) (table), sizeof(table) / sizeof((table)[0])

static const struct code_row *find(const struct code_row *rows, size_t n, struct str code)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq_nocase(str_c(rows[i].code), code))
            return &rows[i];
    return NULL;
}

const struct code_row *code_of_reply(int code)
{
    char text[3];

    if (code < 100 || code > 999)
        return NULL;
    text[0] = (char)('0' + code / 100);
    text[1] = (char)('0' + code / 10 % 10);
    text[2] = (char)('0' + code % 10);
    return find(ROWS(replies), (struct str){text, sizeof(text)});
}

/* With "x" in the place of its class; "" where it is too long. */
static struct str without_class(struct str status, char text[CODES_STATUS_BYTES])
{
    if (status.n < 2 || status.n > CODES_STATUS_BYTES)
        return STR("");
    memcpy(text, status.p, status.n);
    text[0] = 'x';
    return (struct str){text, status.n};
}

const struct code_row *code_of_status(struct str status)
{
    char text[CODES_STATUS_BYTES];

    return find(ROWS(statuses), without_class(status, text));
}

const struct code_row *code_of_subject(struct str status)
{
    char text[CODES_STATUS_BYTES];
    struct str s = without_class(status, text);
    size_t n = s.n > 2 ? 2 + str_find(str_skip(s, 2), '.') : 0;

    return find(ROWS(subjects), str_first(s, n));
}

const struct code_row *code_of_word(struct str word, bool pop3)
{
    return pop3 ? find(ROWS(pop3_words), word) : find(ROWS(imap_words), word);
}

/* ---- finding them ---- */

/* What a number may not stand beside: then it is part of another one, an address or a name. */
static bool is_glue(struct str line, size_t at)
{
    if (at >= line.n)
        return false;
    if (ascii_is_alpha(line.p[at]) || ascii_is_digit(line.p[at]))
        return true;
    return line.p[at] == '.' && at + 1 < line.n && ascii_is_digit(line.p[at + 1]);
}

static bool stands_free(struct str line, size_t from, size_t n)
{
    bool behind = from > 0 && (ascii_is_alpha(line.p[from - 1]) ||
                               ascii_is_digit(line.p[from - 1]) || line.p[from - 1] == '.');

    return !behind && !is_glue(line, from + n);
}

static size_t digits(struct str s)
{
    size_t n = 0;

    while (n < s.n && n < 4 && ascii_is_digit(s.p[n]))
        n++;
    return n <= 3 ? n : 0;
}

/* status-code = class "." subject "." detail       RFC 3463 2; "x" for any class, as in books
 */
static size_t status_at(struct str s)
{
    size_t subject, detail;

    if (s.n < 5 || !strchr("245xX", s.p[0]) || s.p[1] != '.')
        return 0;
    subject = digits(str_skip(s, 2));
    if (!subject || 2 + subject >= s.n || s.p[2 + subject] != '.')
        return 0;
    detail = digits(str_skip(s, 3 + subject));
    return detail ? 3 + subject + detail : 0;
}

/* Reply-code = %x32-35 %x30-35 %x30-39              RFC 5321 4.2 */
static size_t reply_at(struct str s)
{
    if (digits(s) != 3 || s.p[0] < '2' || s.p[0] > '5' || s.p[1] > '5')
        return 0;
    return 3;
}

static void find_word(struct str line, struct codes *c)
{
    size_t open = str_find(line, '['), n;
    struct str inside;

    if (open == line.n)
        return;
    inside = str_skip(line, open + 1);
    n = 0;
    while (n < inside.n && inside.p[n] != ']' && inside.p[n] != ' ')
        n++;
    if (n < inside.n && code_of_word(str_first(inside, n), c->pop3))
        c->word = str_first(inside, n);
}

bool codes_find(struct str line, struct codes *out)
{
    struct codes c = {.status = STR(""), .word = STR("")};
    struct str trimmed = str_trim(line);

    for (size_t i = 0; i < line.n && (!c.code || !c.status.n); i++) {
        struct str rest = str_skip(line, i);
        size_t n = c.status.n ? 0 : status_at(rest);

        if (n && stands_free(line, i, n)) {
            c.status = str_first(rest, n);
            i += n - 1;
            continue;
        }
        n = c.code ? 0 : reply_at(rest);
        if (n && stands_free(line, i, n))
            c.code = (rest.p[0] - '0') * 100 + (rest.p[1] - '0') * 10 + (rest.p[2] - '0');
    }
    c.pop3 = trimmed.n && (trimmed.p[0] == '-' || trimmed.p[0] == '+');
    find_word(line, &c);
    /* a word by itself */
    if (!c.word.n && !c.code && !c.status.n) {
        c.pop3 = !code_of_word(trimmed, false);
        c.word = code_of_word(trimmed, c.pop3) ? trimmed : c.word;
    }
    *out = c;
    return c.code || c.status.n || c.word.n;
}
