"""lab - the demo network as its drivers and its tests see it: three mail domains, a name server, a client.

    Network      what each driver can do: host_net.py (namespaces or loopback), docker_net.py (containers)
    send, inbox… what a person does at the client: a letter through submission, a mailbox by IMAP or POP3
"""
import imaplib
import json
import os
import pathlib
import poplib
import smtplib
import ssl
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAB = ROOT / "docker" / "lab"
DOMAINS = ("norte", "sur", "este")
USERS = {"norte": ("alice", "wonderland"), "sur": ("bob", "builder"), "este": ("carol", "singer")}
# norte's boxes, in the order in which one needs the other, and the role whose address each has
NORTE = {"norte-authd": None, "norte-mda": None, "norte-send": "mail", "norte-queue": None, "norte-receive": "mx", "norte-msa": "smtp",
         "norte-imapd": "imap", "norte-pop3d": "pop3"}
BOXES = {"norte": tuple(NORTE), "sur": ("sur",), "este": ("este",)}
SERVICES = {"smtp": ("mx", 25), "submission": ("smtp", 587), "submissions": ("smtp", 465), "imap": ("imap", 143), "imaps": ("imap", 993),
            "pop3": ("pop3", 110), "pop3s": ("pop3", 995)}
PATIENCE = int(os.environ.get("POSTA_PATIENCE", 60))


def address(domain):
    return f"{USERS[domain][0]}@{domain}.example"


def numbers():
    """{(domain, role): the last number of its address}, as docker/lab/hosts.sh has them."""
    words = "".join(f'echo {d} {r} "$(host {d} {r})"; ' for d in ("dns", "client", *DOMAINS) for r in ("mail", "mx", "smtp", "imap", "pop3"))
    out = subprocess.run(["sh", "-c", f'. "{LAB}/hosts.sh"; {words}'], capture_output=True, text=True, check=True).stdout
    return {(d, r): int(n) for d, r, n in (line.split() for line in out.splitlines())}


class Network:
    """A driver has: up(), down(), stop(domain), start(domain), kill(box), revive(box), connect(domain, role, port), run(box, argv, input),
    posta(domain, *args), logs(), public (a folder with ca.pem and anchor.key). Boxes: BOXES, "dns", "client"."""

    public = None

    def dial(self, domain, service, timeout=PATIENCE):
        """A connected socket, as the client box has it."""
        role, port = SERVICES[service]
        return self.connect(domain, role, port, timeout)

    def context(self):
        return ssl.create_default_context(cafile=str(self.public / "ca.pem"))

    def queue(self, domain):
        return json.loads(self.posta(domain, "queue", "list", "--json").stdout)

    def figures(self):
        """What the driver measured: {words: number}."""
        return {}

    def boxes(self):
        return [b for d in DOMAINS for b in BOXES[d]]

    def idle(self, domain):
        """Is the queue empty?"""
        return not self.queue(domain)

    def room(self, box):
        return Room(self, box)

    def as_documented(self, text):
        """The text with the addresses that the network has when nobody asks for others."""
        return text


class Room:
    """A box as somebody who types in it has it: Talk and run_block of typed.py take it."""

    def __init__(self, network, box):
        self.network, self.box, self.home = network, box, "/student" if box == "client" else "/"

    def inside(self, *words):
        """What has to be run for a program to run there."""
        return self.network.typing(self.box, words)

    def run(self, command, status=0):
        r = subprocess.run(self.inside("sh", "-c", "exec 2>&1; " + command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           errors="replace", timeout=PATIENCE, check=False)
        assert status is None or r.returncode == status, f"{command} in {self.box} said {r.returncode}\n{r.stdout}"
        return r.stdout

    def close(self):
        self.network.leave(self.box)


# ---- what a person does: the standard libraries over the network's sockets, names verified ----

class Submission(smtplib.SMTP_SSL):
    def __init__(self, network, domain):
        self.network, self.domain = network, domain
        super().__init__(f"smtp.{domain}.example", context=network.context(), local_hostname="client.example", timeout=PATIENCE)
        self.login(address(domain), USERS[domain][1])

    def _get_socket(self, host, port, timeout):
        return self.context.wrap_socket(self.network.dial(self.domain, "submissions"), server_hostname=host)


class Imap(imaplib.IMAP4):
    def __init__(self, network, domain):
        self.network, self.domain = network, domain
        super().__init__(f"imap.{domain}.example")
        self.login(address(domain), USERS[domain][1])

    def _create_socket(self, timeout):
        return self.network.context().wrap_socket(self.network.dial(self.domain, "imaps"), server_hostname=self.host)


class Pop3(poplib.POP3):
    def __init__(self, network, domain):
        self.network, self.domain = network, domain
        super().__init__(f"pop3.{domain}.example", timeout=PATIENCE)
        self.user(address(domain))
        self.pass_(USERS[domain][1])

    def _create_socket(self, timeout):
        return self.network.context().wrap_socket(self.network.dial(self.domain, "pop3s"), server_hostname=self.host)


def send(network, sender, recipients, subject, text="hello"):
    """A letter from the user of one domain to those of others; the smtplib connection's answer has been 250 when this returns."""
    to = [address(d) for d in recipients]
    with Submission(network, sender) as s:
        s.sendmail(address(sender), to, f"From: {address(sender)}\r\nTo: {', '.join(to)}\r\nSubject: {subject}\r\n\r\n{text}\r\n")


def inbox(network, domain):
    """[bytes]: the letters in the user's INBOX, by IMAP, left unread."""
    with Imap(network, domain) as m:
        count = int(m.select("INBOX", readonly=True)[1][0])
        if not count:
            return []
        return [part[1] for part in m.fetch("1:*", "(BODY.PEEK[])")[1] if isinstance(part, tuple)]


def subjects(network, domain):
    """The Subject fields of the INBOX, in its order; cheaper than inbox()."""
    with Imap(network, domain) as m:
        count = int(m.select("INBOX", readonly=True)[1][0])
        found = m.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1] if count else []
        return [part[1].decode().strip().removeprefix("Subject: ") for part in found if isinstance(part, tuple)]


def drop(network, domain):
    """[bytes]: the letters in the maildrop, by POP3."""
    p = Pop3(network, domain)
    try:
        return [b"\r\n".join(p.retr(n + 1)[1]) for n in range(p.stat()[0])]
    finally:
        p.quit()
