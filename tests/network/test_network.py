"""The demo network: letters between its three domains, a domain that is away, a restart, and boxes killed while letters flow. The same tests on
each driver: namespaces, loopback, containers."""
import contextlib
import email
import imaplib
import os
import random
import re
import smtplib
import ssl
import threading

import pytest
from lab import DOMAINS, USERS, Imap, address, drop, inbox, send, subjects
from posta import until

KILLS = int(os.environ.get("POSTA_NETWORK_KILLS", 20))


def others(domain):
    return [d for d in DOMAINS if d != domain]


def arrived(network, domain, subject):
    until(lambda: subject in subjects(network, domain), lambda: f"{subject!r} at {domain}: {subjects(network, domain)}\n{network.logs()}")


def waiting(network, domain, recipient):
    """What the queue of a domain says of a recipient: [words]."""
    return [r["reply"] for letter in network.queue(domain) for r in letter["recipients"] if r["address"] == recipient and r["reply"]]


# ---- names ----

def dig(network, *question):
    return network.run("client", ["dig", *network.name_server(), "+short", *question]).stdout.split("\n")[:-1]


@pytest.mark.parametrize("domain", DOMAINS)
def test_names(network, domain):
    """MX, A, AAAA, PTR, SPF and TLSA, and the way from the lab's root to them."""
    assert dig(network, "MX", f"{domain}.example") == [f"10 mx.{domain}.example."]
    assert dig(network, "TXT", f"{domain}.example") == [f'"v=spf1 a:mail.{domain}.example -all"']
    a, = dig(network, "A", f"mail.{domain}.example")
    assert dig(network, "-x", a) == [f"mail.{domain}.example."]
    for v6 in dig(network, "AAAA", f"mail.{domain}.example"):
        assert dig(network, "-x", v6) == [f"mail.{domain}.example."]
    anchor = re.sub(r"^\.\s.*DNSKEY\s+(\d+ \d+ \d+) (\S+).*", r'trust-anchors { . static-key \1 "\2"; };', (network.public / "anchor.key").read_text())
    server, *more = network.name_server()
    for kind, name in (("MX", f"{domain}.example"), ("TLSA", f"_25._tcp.mx.{domain}.example"), ("A", f"nobody.{domain}.example")):
        said = network.run("client", ["sh", "-c", 'f=$(mktemp); cat >"$f"; delv "$@" -a "$f" +root=. 2>&1; rm -f "$f"', "delv", server, *more, kind, name],
                           input=anchor).stdout
        assert ("; fully validated" in said) or (name.startswith("nobody") and "; negative response, fully validated" in said), said


@pytest.mark.parametrize("domain", DOMAINS)
def test_tlsa_is_of_the_key_that_is_shown(network, domain):
    with smtplib.SMTP(local_hostname="client.example") as s:
        s.sock = network.dial(domain, "smtp")
        assert s.getreply()[0] == 220
        s._host = f"mx.{domain}.example"
        s.starttls(context=network.context())
        shown = ssl.DER_cert_to_PEM_cert(s.sock.getpeercert(binary_form=True))
    spki = 'openssl x509 -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r | cut -d" " -f1'
    digest = network.run("client", ["sh", "-c", spki], input=shown).stdout.strip()
    record, = dig(network, "TLSA", f"_25._tcp.mx.{domain}.example")
    assert record.replace(" ", "").lower() == "311" + digest


# ---- letters ----

def test_letters_between_all(network):
    """Each writes to the two others; read by IMAP and by POP3, with the Received fields of both systems."""
    for d in DOMAINS:
        send(network, d, others(d), f"from {d}")
    for d in DOMAINS:
        for sender in others(d):
            arrived(network, d, f"from {sender}")
        by_imap, by_pop3 = inbox(network, d), drop(network, d)
        assert [email.message_from_bytes(m)["Subject"] for m in by_pop3] == [email.message_from_bytes(m)["Subject"] for m in by_imap]
        for sender in others(d):
            letter, = (email.message_from_bytes(m) for m in by_imap if email.message_from_bytes(m)["Subject"] == f"from {sender}")
            into, out = letter.get_all("Received")
            assert f"from mail.{sender}.example" in into and f"by mail.{d}.example" in into and "TLS" in into
            assert "from client.example" in out and f"by mail.{sender}.example" in out
            assert letter["Return-Path"] == f"<{address(sender)}>" and letter["Delivered-To"] == address(d)


def test_answers_were_validated(network):
    """The domains believe their own validation from the lab's root on."""
    for d in DOMAINS:
        assert "answers are validated with DNSSEC" in network.log_of(d), network.log_of(d)


def test_strangers_do_not_relay(network):
    with smtplib.SMTP(local_hostname="client.example") as s:
        s.sock = network.dial("norte", "smtp")
        s.getreply()
        s.ehlo()
        s.mail(address("este"))
        assert s.rcpt(address("sur"))[0] == 554
        assert s.rcpt(address("norte"))[0] == 250


@pytest.mark.parametrize("domain", DOMAINS)
def test_swaks(network, domain):
    """As the paper has it: submission with STARTTLS and PLAIN, the certificate verified, a field of one's own."""
    to, (user, password) = others(domain)[0], USERS[domain]
    where = network.where(domain, "submission")
    r = network.run("client", ["swaks", "--server", where[0], "--port", str(where[1]), "-tls", "--tls-verify", "--tls-ca-path",
                               network.at_client("ca.pem"), "--auth", "PLAIN", "--auth-user", f"{user}@{domain}.example", "--auth-password", password,
                               "--from", address(domain), "--to", address(to), "--header", f"Subject: swaks {domain}", "--header-X-Test", "yes"], check=False)
    assert r.returncode == 0, r.stdout + r.stderr
    arrived(network, to, f"swaks {domain}")
    assert any(b"X-Test: yes" in m for m in inbox(network, to))


def test_mutt(network):
    """The client's own: sends with a copy kept in Sent, and opens the mailbox that it came to."""
    if network.on_loopback:
        pytest.skip("names cannot be looked up there")
    network.run("client", ["env", "HOME=/tmp", "mutt", "-F", network.at_client("muttrc.este"), "-s", "by mutt", address("norte")], input="hello\n")
    arrived(network, "norte", "by mutt")
    with Imap(network, "este") as m:
        m.select("Sent", readonly=True)
        assert m.search(None, "SUBJECT", '"by mutt"')[1] != [b""]
    keys = "<tag-pattern>~s mutt<enter><tag-prefix><set-flag>!<sync-mailbox><quit>"
    network.run("client", ["env", "HOME=/tmp", "TERM=vt100", "script", "-qec", f"mutt -F {network.at_client('muttrc.norte')} -e 'push \"{keys}\"'", "/dev/null"])
    with Imap(network, "norte") as m:
        m.select("INBOX", readonly=True)
        assert m.search(None, "FLAGGED")[1] != [b""]


# ---- a domain is away ----

@pytest.mark.parametrize("away", ["sur", "norte"])
def test_a_domain_is_away(network, away):
    """The others' letters for it wait and say why; what is for others goes on. It comes back, and they come in by themselves."""
    here = others(away)
    network.stop(away)
    for d in here:
        send(network, d, [x for x in DOMAINS if x != d], f"{d} while {away} is away")
    for d in here:
        arrived(network, [x for x in here if x != d][0], f"{d} while {away} is away")
        words = until(lambda d=d: waiting(network, d, address(away)), lambda d=d: f"{d} to wait for {away}: {network.queue(d)}\n{network.logs()}")
        assert any(f"mx.{away}.example" in w for w in words), words
    network.start(away)
    for d in here:
        arrived(network, away, f"{d} while {away} is away")
        until(lambda d=d: not network.queue(d), lambda d=d: f"an empty queue at {d}: {network.queue(d)}")


def test_restart_loses_nothing(network):
    """All of it stops with letters in queues and in mailboxes, and comes back."""
    before = {d: subjects(network, d) for d in DOMAINS}
    network.stop("este")
    for d in ("norte", "sur"):
        send(network, d, ["este"], f"{d} before the restart")
        until(lambda d=d: network.queue(d), f"a letter in {d}'s queue")
    for d in ("norte", "sur"):
        network.stop(d)
    for d in DOMAINS:
        network.start(d)
    for d in ("norte", "sur"):
        arrived(network, "este", f"{d} before the restart")
    for d in DOMAINS:
        assert subjects(network, d)[:len(before[d])] == before[d]


def test_clients_that_all_seem_to_be_one(network):
    """posta status warns while all come from one private address, as behind a proxy; not any more when another comes."""
    network.stop("este")
    network.start("este")
    for _ in range(20):
        with network.dial("este", "imap") as s:
            assert s.recv(1) == b"*"
            client = s.getsockname()[0]
    warns = f"every client seems to come from {client}" in network.posta("este", "status").stdout
    assert warns != network.on_loopback
    send(network, "sur", ["este"], "another client")
    arrived(network, "este", "another client")
    assert "every client" not in network.posta("este", "status").stdout


# ---- boxes die ----

class Sender(threading.Thread):
    """Writes letters from one domain to the others; one that was not answered with 250 is sent again, as a person would."""

    def __init__(self, network, domain):
        super().__init__()
        self.network, self.domain, self.said, self.again, self.error, self.enough = network, domain, [], 0, None, False

    def run(self):
        try:
            while not self.enough:
                subject = f"flow {self.domain} {len(self.said)}"
                until(lambda s=subject: self.try_once(s), f"{subject} to be taken")
                self.said.append(subject)
        except BaseException as e:  # told by the test
            self.error = e

    def try_once(self, subject):
        try:
            send(self.network, self.domain, others(self.domain), subject)
            return True
        except (OSError, smtplib.SMTPException):
            self.again += 1
            return False


def test_killed_boxes_lose_nothing(network):
    """Whatever was answered with 250 arrives everywhere. Twice only where an answer was cut off."""
    rng = random.Random(5)
    senders = [Sender(network, d) for d in DOMAINS]
    for s in senders:
        s.start()
    killed = []
    for _ in range(KILLS):
        box = rng.choice(network.boxes())
        network.kill(box)
        network.revive(box)
        killed.append(box)
    for s in senders:
        s.enough = True
        s.join()
        assert not s.error, f"{s.error}\n{network.logs()}"
    for d in DOMAINS:
        want = {subject for s in senders if s.domain != d for subject in s.said}
        found = []

        def complete(d=d, want=want):
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                found[:] = subjects(network, d)
            return want <= set(found)
        until(complete, lambda d=d, want=want: f"all of them at {d}; missing: {sorted(want - set(found))}; queues {[network.queue(x) for x in DOMAINS]}\n{network.logs()}")
        flow = [s for s in found if s.startswith("flow")]
        print(f"{d}: {len(want)} letters, {len(flow) - len(set(flow))} came twice; {sum(s.again for s in senders)} sent again; killed {killed}")
    for d in DOMAINS:
        until(lambda d=d: not network.queue(d), lambda d=d: f"an empty queue at {d}: {network.queue(d)}")


def test_memory(network):
    """What the whole network takes, and each box."""
    used = network.memory()
    print({box: f"{kib / 1024:.1f} MiB" for box, kib in used.items()}, f"{sum(used.values()) / 1024:.0f} MiB in all", network.figures())
    if network.measures_memory:
        assert sum(used.values()) < 400 * 1024
        assert max(used[box] for box in network.boxes()) < 40 * 1024
