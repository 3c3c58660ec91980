"""Letters exchanged with other mail systems: Postfix and Exim over SMTP, both ways, Dovecot's LMTP behind our queue, our mda behind
Postfix. Each letter arrives as it was sent, octet for octet, below the trace fields on its top."""
import os
import pathlib
import random
import re
import shutil
import tempfile

import pytest

from foreign import DovecotLmtp, Exim, Postfix, listens
from lan import Lan, Names, Room, Town
from posta import ROOT, Dialogue, until
from test_corpus import CORPUS, wire

HOSTS = {"norte": "192.0.2.10", "sur": "192.0.2.20", "pupil": "192.0.2.100"}
ZONES = {"example": "norte IN MX 10 mx.norte\nsur IN MX 10 mx.sur\n"
                    "mx.norte IN A 192.0.2.10\nmx.sur IN A 192.0.2.20\nns IN A 192.0.2.53\npupil IN A 192.0.2.100\n",
         "2.0.192.in-addr.arpa": "10 IN PTR mx.norte.example.\n20 IN PTR mx.sur.example.\n100 IN PTR pupil.example.\n"}
LETTERS = 100
# These fields are a system's own to take away, to add or to end a loop by.
OWN = re.compile(rb"(?mi)^(return-path|bcc|resent-bcc|content-length|delivered-to|envelope-to|delivery-date|x-original-to|received)[ \t]*:")
FIELDS = re.compile(rb"([!-9;-~]+:[^\r\n]*\r\n([ \t]+[^\s][^\r\n]*\r\n)*)+\r\n")


def bodies():
    """What is hard to carry, one body each."""
    rng = random.Random(4)
    yield b""
    yield b"\r\n"
    yield b"\r\n" * 50
    yield b".\r\n..\r\n...\r\n.x\r\nx.\r\n.\r\n\r\n.\r\n"
    yield b"." * 997 + b"\r\n"
    yield b"x" * 998 + b"\r\n" + b"." + b"y" * 996 + b"\r\n"
    yield b"".join(b"%d" % n + b"z" * (n - 3) + b"\r\n" for n in range(990, 999))
    yield b"trailing blanks   \r\ntrailing tab\t\r\n \r\n\t\r\nend \t \r\n"
    yield b"From the beginning\r\n>From the past\r\nFrom: not a field\r\n"
    yield "Año, übermäßig, 春, 🐌, привет\r\n".encode() * 20
    yield bytes(b for b in range(1, 256) if b not in b"\r\n") + b"\r\n"
    yield b"\xff\xfe\xc3\x28 bad utf-8\r\n" * 3
    yield b"\t\x01\x02\x1b[31m\x7f controls\r\n"
    yield b"=20=3D=\r\n" * 10 + b"QUIT\r\nRSET\r\nMAIL FROM:<x>\r\n"
    yield b"--b\r\nContent-Type: text/plain\r\n\r\none\r\n--b--\r\nepilogue\r\n"
    yield bytes(rng.choice(b"abc .\xe9\xff") for _ in range(70)).join([b"\r\n"] * 6000) + b"\r\n"
    while True:
        lines = (bytes(rng.choice(b" .aZ\t=\xc3\xb1-") for _ in range(rng.choice((0, 1, 2, 20, 78, 500, 998)))) for _ in range(rng.randrange(40)))
        yield b"".join(line + b"\r\n" for line in lines)


def heads():
    yield b"Subject: plain\r\n"
    yield b"Subject: folded\r\n and again\r\n\tby a tab\r\nX-Empty:\r\nX-Blank: \r\nX-Trailing: blank \t\r\n"
    yield b"X-Long: " + b"l" * 900 + b"\r\n" + b"".join(b"X-%d: %d\r\n" % (i, i) for i in range(60))
    yield "Subject: =?utf-8?q?a=C3=B1o?=\r\nX-Raw: año\r\n".encode()
    yield b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    yield b'To: "a, b" <a@norte.example>,\r\n\tc@sur.example (Comment \\) here)\r\nsubject:no blank\r\n'


def found():
    """Letters of others that are well-formed enough for everybody to leave them alone."""
    for path in [*sorted((ROOT / "tests/letters").glob("*.eml")), *sorted(CORPUS.rglob("*.eml") if CORPUS.is_dir() else ())]:
        text = wire(path.read_bytes())
        if text and FIELDS.match(text) and not OWN.search(text.partition(b"\r\n\r\n")[0]) and max(map(len, text.split(b"\r\n"))) <= 998:
            yield text


def letters():
    """LETTERS of them, the first field of each its number; a third are of the corpus where that is there."""
    made, head, body = [], list(heads()), bodies()
    for n, text in zip(range(LETTERS // 3), found()):
        made.append(text)
    while len(made) < LETTERS:
        n = len(made)
        made.append(b"From: eve@pupil.example\r\nDate: Mon, 23 Nov 2026 04:00:00 +0000\r\nMessage-ID: <%d@pupil.example>\r\n%s\r\n%s"
                    % (n, head[n % len(head)], next(body)))
    return [b"X-Letter: %d\r\n%s" % (n, text) for n, text in enumerate(made)]


class Exchange:
    def __init__(self, directory):
        self.lan, self.dir, self.names = Lan(HOSTS), directory, None
        try:
            self.names = Names(self.lan, directory / "names", ZONES)
            self.posta = Town(self.lan, "norte", directory / "norte", {
                "mta": 'relay_from = {"192.0.2.100/32"} route "dove.example" { to = "lmtp:192.0.2.20:24" tls = "never" }',
                "limits": "connections_per_address = 1000 retry_first_seconds = 1 retry_max_seconds = 1"})
            self.posta.make(("alice", "bob"))
            self.posta.cli("domain", "add", "box.example")
            self.posta.cli("user", "add", "--batch", input="carol@box.example secret\n")
            self.posta.start()
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.names:
            self.names.close()
        self.lan.close()

    def give(self, host, texts, to):
        """All letters to one server in one session."""
        with self.lan.at("pupil"):
            d = Dialogue(25, host=HOSTS[host])
        d.asks("EHLO pupil.example", "250")
        for text in texts:
            d.asks("MAIL FROM:<eve@pupil.example> BODY=8BITMIME", "250")
            d.asks(f"RCPT TO:<{to}>", "250")
            d.asks("DATA", "354")
            d.send(re.sub(rb"(?m)^\.", b"..", text))
            d.asks(".", "250")
        d.asks("QUIT", "221")
        d.close()


def same(files, texts, box):
    """One file a letter, and each from X-Letter to its end what was sent."""
    got = {}
    for f in files:
        raw = f.read_bytes()
        assert b"\r" not in raw, "line ends of a Maildir"
        at = raw.index(b"X-Letter: ")
        top = raw[:at]
        assert re.fullmatch(rb"((Return-Path|X-Original-To|Delivered-To|Received|Delivery-date|Envelope-to):[^\n]*\n([ \t][^\n]*\n)*)+", top, re.I), top
        number = int(raw[at + 10:raw.index(b"\n", at)])
        assert number not in got, f"{box} has letter {number} twice"
        got[number] = raw[at:]
    for n, text in enumerate(texts):
        want = text.replace(b"\r\n", b"\n")
        if got[n] != want:
            i = next((i for i, (a, b) in enumerate(zip(got[n], want)) if a != b), min(len(got[n]), len(want)))
            raise AssertionError(f"letter {n} of {box} differs from octet {i}: {got[n][max(0, i - 30):i + 60]!r}, not {want[max(0, i - 30):i + 60]!r}")


@pytest.fixture(scope="module")
def exchange():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="posta-exchange-"))
    os.chmod(directory, 0o755)
    made = None
    try:
        made = Exchange(directory)
        yield made
        made.posta.stop()
    finally:
        if made:
            if made.posta.process:
                made.posta.kill()
            made.close()
        shutil.rmtree(directory, ignore_errors=True)


def wait_for(look, n, house, posta):
    return until(lambda: (lambda now: now if len(now) >= n else None)(look()),
                 lambda: f"{n} letters; there are {len(look())}\n{house.log()[-3000:]}\n{posta.log()[-3000:]}")


@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_a_hundred_letters_both_ways(exchange, name):
    posta, texts, user = exchange.posta, letters(), name
    posta.cli("user", "add", "--batch", input=f"{user}@norte.example secret\n")
    room = Room(exchange.lan, "sur", "mx.sur.example", name)
    try:
        house = {"postfix": Postfix, "exim": Exim}[name](room, "sur.example", ("bob",), networks="192.0.2.100")
        listens(house, 25)
        exchange.give("norte", texts, "bob@sur.example")
        exchange.give("sur", texts, f"{user}@norte.example")
        same(wait_for(lambda: house.letters("bob"), LETTERS, house, posta), texts, f"{name}'s box")
        same(wait_for(lambda: posta.letters(user), LETTERS, house, posta), texts, "our box")
        posta.drained()
    finally:
        room.close()


def test_our_queue_delivers_into_dovecots_lmtp(exchange):
    posta, texts = exchange.posta, letters()
    room = Room(exchange.lan, "sur", "mx.sur.example", "dovecot")
    try:
        house = DovecotLmtp(room, "dove.example", ("bob",))
        listens(house, 24)
        exchange.give("norte", texts, "bob@dove.example")
        same(wait_for(lambda: house.letters("bob"), LETTERS, house, posta), texts, "Dovecot's box")
        posta.drained()
    finally:
        room.close()


def test_postfix_delivers_into_our_mda(exchange):
    posta, texts = exchange.posta, letters()
    room = Room(exchange.lan, "sur", "mx.sur.example", "postfix")
    try:
        house = Postfix(room, "sur.example", networks="192.0.2.100",
                        more="relay_domains = box.example\ntransport_maps = inline:{box.example=lmtp:inet:[192.0.2.10]:24}\n")
        listens(house, 25)
        exchange.give("sur", texts, "carol@box.example")
        same(wait_for(lambda: posta.letters_at("carol", "box.example"), LETTERS, house, posta), texts, "our box")
    finally:
        room.close()
