"""The group's lab, twice: a Python client sends a letter with an attachment through a smart host that demands a login, and user1 reads it; once
with posta, once with Postfix and Courier. docs/lab-comparison.md is what both said, side by side.

POSTA_WRITE_DOCS=1 writes that file anew; otherwise it has to be what is seen now, but for what changes from run to run.
"""
import itertools
import pathlib
import shutil
import tempfile
import textwrap

import pytest

import typed
from foreign import Courier, Postfix
from lan import SANITIZED, Lan, Names, Room, complaints, posta_tree
from posta import ROOT, until

DOCUMENT = ROOT / "docs/lab-comparison.md"
HOSTS = {"server": "192.0.2.10", "pupil": "192.0.2.100"}
ZONES = {"example": "lab IN MX 10 mx.lab\nmx.lab IN A 192.0.2.10\npupil IN A 192.0.2.100\nns IN A 192.0.2.53\n",
         "2.0.192.in-addr.arpa": "10 IN PTR mx.lab.example.\n100 IN PTR pupil.example.\n"}
COLUMN = 62

CLIENT = '''import smtplib
import ssl
import sys
from email.message import EmailMessage

letter = EmailMessage()
letter["From"] = "user2@lab.example"
letter["To"] = "user1@lab.example"
letter["Subject"] = "The results"
letter.set_content("They are in the attachment.")
letter.add_attachment("day,letters\\nmonday,17\\n", subtype="csv",
                      filename="results.csv")

trusted = ssl.create_default_context(cafile="server.pem")
with smtplib.SMTP("mx.lab.example", 587) as server:
    server.starttls(context=trusted)
    try:
        if len(sys.argv) == 3:
            server.login(sys.argv[1], sys.argv[2])
        server.send_message(letter)
        print("sent")
    except smtplib.SMTPException as e:
        print(type(e).__name__, e)
'''

MUTTRC = '''set imap_pass = "secret1"
set certificate_file = server.pem
set ssl_verify_host = no
set folder = .
set wait_key = no
'''

# Postfix and Courier: what the teacher puts where the packages were installed.
SUBMISSION = '''submission inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
'''
SASL = '''pwcheck_method: authdaemond
mech_list: PLAIN LOGIN
authdaemond_path: /run/courier/authdaemon/socket
'''

TITLE = """# The same lab, with posta and with Postfix + Courier

A Python program makes a letter with an attachment and gives it to a *smart host*: a server that takes letters for everywhere, but only from
who logs in. There it is delivered to **user1**, who reads it by IMAP, by POP3, with mutt and with `mail`. On the left the server is posta, on
the right it is Postfix (SMTP) with Courier (passwords, IMAP, POP3), both as Debian 12 has them. Two hosts take part: `server` is
mx.lab.example, 192.0.2.10; `pupil` is 192.0.2.100. Everything below was typed and said by
`tests/e2e/test_papers_lab.py`, which runs the whole lab again at each `./check` and fails where an answer is another. Words in capitals (`ID`,
`DATE`, `NAME`, `N`) stand for what changes from run to run; `C:` is what one types in a dialogue, `S:` what the server says.
"""


class Step:
    """A heading, what to look at, the blocks of both sides, and what differs and why."""

    def __init__(self, title, before, posta, others, after):
        self.title, self.before, self.posta, self.others, self.after = title, before, posta, others, after


def both(*lines):
    return list(lines), list(lines)


def each(*lines):
    """The same lines on both sides, but for the name of the one who logs in: posta's users are addresses."""
    return [line.replace("LOGIN", "user1@lab.example") for line in lines], [line.replace("LOGIN", "user1") for line in lines]


STEPS = [
    Step("1. The programs are set up", """
Left: `posta init` makes the folders, the users that the processes run as, a certificate, and a configuration that holds a name. Right: the packages
made folders and users when they were installed; the teacher wrote `main.cf`, added the submission port to `master.cf`, and told
Postfix to ask Courier whether a password is right.
""", [
        "server$ posta init --hostname mx.lab.example --domain lab.example | tail -5",
        "server$ cat /etc/posta/posta.conf",
    ], [
        "server$ cat /etc/postfix/main.cf",
        "server$ tail -4 /etc/postfix/master.cf",
        "server$ cat /etc/postfix/sasl/smtpd.conf",
        "server$ grep ^authmodulelist= /etc/courier/authdaemonrc",
    ], """
Postfix is a toolbox: its defaults suit a machine that sends its own mail, so that each thing said on the right is a decision of the
administrator. posta's defaults suit a small mail domain: TLS where a password travels, no relaying, port 587 with a login.
"""),
    Step("2. The servers are started", """
One command on the left, one for each part on the right (Debian's `systemctl` runs the same scripts). Then: which programs run now, and as whom?
""", [
        "server$ posta start --daemon",
        "server$ posta status | awk '{print $1, $3}' | uniq",
        "server$ ps -eo user:16,comm | grep -v -e sh$ -e ps$ -e sleep -e sort -e grep | sort -u",
        "server$ ss -Hltn4 | awk '{print $4}' | sort -t: -k2n",
    ], [
        "server$ postfix start",
        "server$ authdaemond start; imapd start; imapd-ssl start; pop3d start; pop3d-ssl start",
        "server$ ps -eo user:16,comm | grep -v -e sh$ -e ps$ -e sleep -e sort -e grep | sort -u",
        "server$ ss -Hltn | awk '{print $4}' | sort -t: -k2n",
    ], """
Both split the work into processes that know little of each other. In posta they have users of their own from the start (those that touch
mailboxes share `posta-mail`); only the supervisor is root, and it talks to nobody outside. Postfix's `master` starts its workers when they are needed, so that few are
seen here; Courier's `couriertcpd` takes connections as root and becomes the user after the login. Port 465 (submission with TLS from the first
byte, RFC 8314) is served by posta; with Postfix it would be one more entry in `master.cf`.
"""),
    Step("3. Two users are made", """
""", [
        "server$ echo secret1 | posta user add user1@lab.example --password-stdin",
        "server$ echo secret2 | posta user add user2@lab.example --password-stdin",
        "server$ posta user list",
    ], [
        "server$ useradd -m user1 && echo user1:secret1 | chpasswd",
        "server$ useradd -m user2 && echo user2:secret2 | chpasswd",
        "server$ su user1 -c 'maildirmake ~/Maildir'",
        "server$ ls -d ~user1/Maildir/* | cut -d/ -f3-",
    ], """
posta's users are addresses in its own database and no accounts of the machine. In this set-up of Postfix and Courier (Debian's own) a mail
user is a Unix account: he could log in on the machine as well. Both keep only hashes of the passwords. (Postfix and Courier can do without
accounts too: that is called virtual mailboxes there.)
"""),
    Step("4. The client is written", """
The program is the same for both. It demands TLS, and believes only the certificate in `server.pem`, which the teacher has handed out.
""", [
        "pupil$ cat client.py",
    ], [
        "pupil$ openssl x509 -in server.pem -noout -subject",
    ], """
`smtplib` speaks ESMTP (RFC 5321), STARTTLS (RFC 3207) and AUTH (RFC 4954); `EmailMessage` makes the MIME parts (RFC 2045, 2183). Try it without
`starttls`: both servers then do not even offer AUTH, because a password must not travel in clear.
"""),
    Step("5. Without a login the smart host says no", """
""", *both("pupil$ python3 client.py"), """
The same refusal at two moments. posta demands the login before the sender's address is taken (530 5.7.0, RFC 4954 6). Postfix, as configured above,
looks at it when it knows the recipient (554 5.7.1): it keeps its refusals until RCPT, so that the log tells for whom the letter was.
"""),
    Step("6. With a wrong password, and with the right one", """
""", [
        "pupil$ python3 client.py user2@lab.example wrong",
        "pupil$ python3 client.py user2@lab.example secret2",
    ], [
        "pupil$ python3 client.py user2 wrong",
        "pupil$ python3 client.py user2 secret2",
    ], """
535 5.7.8 is what RFC 4954 wants for a wrong password. `sent` means that the server said 250: from then on the letter is the server's
responsibility (RFC 5321 4.2.5), and both have it on the disk before they say so.
"""),
    Step("7. Where the letter lies", """
Both write Maildirs: a file a letter, first in `new/`.
""", [
        "server$ cd /var/lib/posta/mail/lab.example/user1 && ls new",
        "server$ cd /var/lib/posta/mail/lab.example/user1 && cat new/*",
    ], [
        "server$ cd ~user1/Maildir && ls new",
        "server$ cd ~user1/Maildir && cat new/*",
    ], """
Read the head from below: what the program wrote, then one Received field (RFC 5321 4.4) by the server: from whom, how, when. `ESMTPSA` is ESMTP
with TLS (S) and a login (A), RFC 3848. The program has forgotten Date and Message-ID, which RFC 5322 3.6 wants; a submission server may
add them (RFC 6409 8): posta does, Postfix does when told to (`always_add_missing_headers`). Postfix has looked for the name that belongs to the
client's address; posta does so on port 25 alone, where servers call, and writes `unknown` here. Return-Path is the envelope's sender, Delivered-To the address that the letter came to. In posta's file names `S=` is
the size of the file and `W=` its size with CRLF, as IMAP and POP3 count it: nobody has to read the letter to know.
"""),
    Step("8. What the log knows", """
""", [
        "server$ posta trace $(sed -n 's/.*ESMTPSA id //p' /var/lib/posta/mail/lab.example/user1/new/*) | cut -c27-",
    ], [
        "server$ grep -e client= -e message-id= -e from=. -e to=. -e removed /var/log/postfix.log | sed 's/^.*\\]: //'",
    ], """
Postfix's lines are put together by their queue id, which may come again on another day. posta gives a letter an id that is never used twice; the Received
field, the log lines and the file's name have it too, and `posta trace` puts the journey together.
"""),
    Step("9. IMAP by hand", """
Port 993, TLS from the first byte: `openssl s_client` is a telnet that encrypts.
""", *each(
        "pupil$ openssl s_client -quiet -crlf -CAfile server.pem -connect mx.lab.example:993 2>/dev/null",
        "C: a LOGIN LOGIN secret1".replace("a LOGIN LOGIN", "a login LOGIN"),
        "C: b EXAMINE INBOX",
        "C: c FETCH 1 BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)]",
        "C: d FETCH 1 BODY",
        "C: e FETCH 1 BODY.PEEK[1]",
        "C: f LOGOUT",
    ), """
The same commands (RFC 3501), the same structure: the server has read the MIME parts for the client. EXAMINE opens the mailbox without changing it.
posta tells its capabilities again after the login, because there are more of them then, and keeps a number for each change (HIGHESTMODSEQ, RFC 7162), so that a client can ask only for what is new.
"""),
    Step("10. POP3 by hand, and a password in clear", """
First on port 110, where nothing is encrypted.
""", *each(
        "pupil$ telnet mx.lab.example 110",
        "C: USER LOGIN",
        "C: QUIT",
        "pupil$ openssl s_client -quiet -crlf -CAfile server.pem -connect mx.lab.example:995 2>/dev/null",
        "C: USER LOGIN",
        "C: PASS secret1",
        "C: STAT",
        "C: TOP 1 0",
        "C: QUIT",
    ), """
Debian's Courier would take the password in clear on port 110. posta does not, unless a lab switches it on (`lab { clear_auth = true }`), and then it says so
at each start. On 995 both are POP3 as in RFC 1939. STAT is the number of letters and their octets: the trace fields make the difference.
"""),
    Step("11. mutt", """
mutt reads by IMAP. The keys are typed by `push`: those that pipe the letter into a program, and those that leave.
""", [
        "pupil$ cat muttrc",
        "pupil$ TTY mutt -n -F muttrc -f imaps://user1%40lab.example@mx.lab.example -e 'push \"<pipe-message>cat >letter.txt<enter><exit>\"'",
        "pupil$ grep -e ^From: -e ^Subject: -e ^Content letter.txt",
    ], [
        "pupil$ cat muttrc",
        "pupil$ TTY mutt -n -F muttrc -f imaps://user1@mx.lab.example -e 'push \"<pipe-message>cat >letter.txt<enter><exit>\"'",
        "pupil$ grep -e ^From: -e ^Subject: -e ^Content letter.txt",
    ], """
In a URL the `@` of a user's name is written `%40`.
"""),
    Step("12. mail", """
On the server itself, with GNU mailutils' `mail` over the Maildir.
""", [
        "server$ printf 'headers\\nprint\\nexit\\n' | mail -N -f maildir:///var/lib/posta/mail/lab.example/user1 | cut -c1-60 | grep -i -e subject -e attach -e results",
    ], [
        "server$ printf 'headers\\nprint\\nexit\\n' | mail -N -f maildir://$(echo ~user1)/Maildir | cut -c1-60 | grep -i -e subject -e attach -e results",
    ], """
A Maildir is a format, not a program: what one system delivered any other can read. posta's belongs to the user `posta-mail`, so that this needs root; Postfix's
belongs to user1.
"""),
    Step("13. In somebody else's name", """
user2 has logged in, and says that the letter is from the boss.
""", [
        "pupil$ swaks --server mx.lab.example:587 -tls --auth PLAIN --auth-user user2@lab.example --auth-password secret2 --from boss@lab.example --to user1@lab.example --quit-after RCPT | grep -A1 -e 'MAIL FROM' -e 'RCPT TO'",
    ], [
        "pupil$ swaks --server mx.lab.example:587 -tls --auth PLAIN --auth-user user2 --auth-password secret2 --from boss@lab.example --to user1@lab.example --quit-after RCPT | grep -A1 -e 'MAIL FROM' -e 'RCPT TO'",
    ], """
posta lets a user send as himself and as aliases that lead to him alone (RFC 6409 6.1). Postfix allows any sender to who has logged in, until
`smtpd_sender_login_maps` and `reject_sender_login_mismatch` say otherwise. `lab { any_sender = true }` lets posta do what the exercise
"a letter from the teacher" needs.
"""),
    Step("14. The end", """
""", ["server$ posta stop"], ["server$ postfix stop", "server$ imapd stop; imapd-ssl stop; pop3d stop; pop3d-ssl stop; authdaemond stop"], """
"""),
]


# ---- two columns ----

def fold(line):
    """A line in a column; what does not fit goes on below, further in."""
    return textwrap.wrap(line, COLUMN, subsequent_indent="      ", drop_whitespace=False, break_on_hyphens=False, replace_whitespace=False,
                         tabsize=8) or [""]


def side_by_side(left, right):
    rows = []
    for a, b in itertools.zip_longest(typed.commands(left), typed.commands(right), fillvalue=[]):
        a, b = ([piece for line in side for piece in fold(line)] for side in (a, b))
        rows += [f"{x:{COLUMN}} | {y}".rstrip() for x, y in itertools.zip_longest(a, b, fillvalue="")]
        rows.append(" " * COLUMN + " |")
    return rows[:-1]


def document(left, right):
    out = [TITLE]
    for step, a, b in zip(STEPS, left, right):
        out += [f"## {step.title}\n", *([step.before.strip() + "\n"] if step.before.strip() else []), "```text",
                f"{'posta':{COLUMN}} | Postfix + Courier", f"{'-' * COLUMN}-+-{'-' * COLUMN}", *side_by_side(a, b), "```\n"]
        out += [step.after.strip() + "\n"] if step.after.strip() else []
    return "\n".join(out).rstrip("\n") + "\n"


# ---- the two labs ----

class Terminal:
    """A room whose commands after the word TTY run on a terminal of their own, as programs with a screen need; the word is not shown. Before
    processes are listed, `ready` has to succeed: who starts a server is told sooner than the server has all its processes."""

    def __init__(self, room, ready="true"):
        self.room, self.inside, self.home, self.ready = room, room.inside, room.home, ready

    def run(self, command, status=0):
        if "ps -eo" in command:
            until(lambda: self.room.run(f"{self.ready} >&2 && echo yes", status=None).endswith("yes\n"), lambda: "all processes\n" + self.room.run("ps ax; ss -ltn"))
        if "TTY " not in command:
            return self.room.run(command, status=status)
        cd, _, rest = command.partition("TTY ")
        self.room.run("sh", "-c", f"{cd} exec script -qec \"$1\" /dev/null", "tty", rest, status=None, env={"TERM": "vt100"})
        return ""


# What tells that the letter has arrived and the server is done with it.
ENDS = {"posta": ("posta trace $(sed -n 's/.*ESMTPSA id //p' /var/lib/posta/mail/lab.example/user1/new/*)", "delivered to"),
        "others": ("cat /var/log/postfix.log", ": removed")}


READY = {"posta": "true",
         "others": "pgrep -x qmgr && pgrep -x pickup && pgrep -x postlogd && pgrep -x authdaemond && test $(ss -Hltn | grep -c -e :25 -e :587 "
                   "-e :110 -e :143 -e :993 -e :995) -ge 6"}


def play(rooms, side):
    """The steps of one side, with their answers."""
    said = []
    for step in STEPS:
        said.append([line.replace("$ TTY ", "$ ") for line in typed.run_block(rooms, getattr(step, side))])
        if step.title.startswith("3."):
            certificate = "/etc/posta/tls/fullchain.pem" if side == "posta" else "/etc/cert.pem"
            rooms["pupil"].room.write("/tmp/server.pem", rooms["server"].room.run("cat", certificate))
        if step.title.startswith("6."):
            log, end = ENDS[side]
            until(lambda log=log, end=end: end in rooms["server"].room.run(log, status=None), lambda: "the letter's end\n" + "\n".join(said[-1]))
    return said


def on_a_lan(directory, side):
    lan, names = Lan(HOSTS), None
    try:
        names = Names(lan, directory / f"names-{side}", ZONES)
        pupil = Room(lan, "pupil", "pupil.example")
        pupil.write("/tmp/client.py", CLIENT)
        pupil.write("/tmp/muttrc", MUTTRC)
        if side == "posta":
            (directory / "tree").mkdir()
            server = Room(lan, "server", "mx.lab.example", trees=[posta_tree(directory / "tree")])
            server.env = SANITIZED
        else:
            server = Room(lan, "server", "mx.lab.example", "courier", "postfix")
            Postfix(server, "lab.example", master=SUBMISSION, start=False)
            server.write("/etc/postfix/sasl/smtpd.conf", SASL)
            Courier(server)
        said = play({"server": Terminal(server, READY[side]), "pupil": Terminal(pupil)}, side)
        assert not complaints(server)
        return said
    finally:
        if names:
            names.close()
        lan.close()


@pytest.fixture(scope="module")
def written():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="posta-lab-"))
    try:
        yield document(*(on_a_lan(directory, side) for side in ("posta", "others")))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def test_the_groups_lab_is_what_its_page_says(written):
    if typed.WRITE:
        DOCUMENT.write_text(written, encoding="utf-8")
    assert written.split("\n") == DOCUMENT.read_text(encoding="utf-8").split("\n"), "POSTA_WRITE_DOCS=1 writes it anew"
