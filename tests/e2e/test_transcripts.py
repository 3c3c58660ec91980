"""The dialogues of tests/transcripts, played against the running programs: whole, and cut into single bytes.

Codes and enhanced statuses are compared (the words belong to the in-memory player). Files that need a world of their own
(@memory) and dialogues whose @set no configuration can make are left to that player.
"""
import re
import socket

import pytest

from posta import ROOT, Dialogue, system

FILES = sorted(f for f in (ROOT / "tests/transcripts").glob("*.txt")
               if not f.name.startswith(("pop3-", "imap-")) and "\n@memory" not in "\n" + f.read_text())
LIMITS = "auth_delay_ms_max = 1 auth_failures_per_minute = 100000 connections_per_address = 1000"
KNOWN_SETS = {"clear_auth"}
IGNORED = {"@letters", "@from", "@to", "@cancels", "@user", "@greeted", "@lacks", "@mailbox", "@full"}


def unescape(text):
    text = re.sub(r"\\\*(\d+)\{(.*?)\}", lambda m: m.group(2) * int(m.group(1)), text)
    special = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}

    def one(m):
        return (bytes([int(m.group(1)[1:], 16)]) if m.group(1)[0] == "x" else special[m.group(1)]).decode("latin-1")
    return re.sub(r"\\(x[0-9A-Fa-f]{2}|[rnt0\\])", one, text.encode("utf-8").decode("latin-1")).encode("latin-1")


class Player:
    def __init__(self, posta, cut):
        self.posta, self.cut = posta, cut
        self.door, self.d, self.out, self.want, self.playable = "mta", None, b"", [], True

    def connect(self):
        p = self.posta
        if self.d is None:
            self.d = Dialogue(p.ports[self.door], p.tls_context() if self.door.endswith("tls") else None, greet=False)

    def flush(self):
        if not self.out:
            return
        self.connect()
        try:
            for i in range(0, len(self.out), 1 if self.cut and len(self.out) < 4096 else len(self.out)):
                self.d.send(self.out[i:i + 1] if self.cut and len(self.out) < 4096 else self.out)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has said what it had to say and closed
        self.out = b""

    def expect(self, exact, text):
        """Lines of one reply are gathered until its last, then the reply is read and compared."""
        self.want.append((exact, text))
        if re.match(r"\d\d\d-", text):
            return
        want, self.want = self.want, []
        self.flush()
        self.connect()
        got = self.d.hear() if re.match(r"\d\d\d", text) else self.d.line().decode("utf-8", "replace")
        last = got.split("\n")[-1]
        if exact:
            assert last == text
        elif re.match(r"\d\d\d", text):
            head = re.match(r"\d\d\d(?:[ -]\d\.\d{1,3}\.\d{1,3})?", text).group(0)
            assert last.startswith(head), f"wanted {text!r}, got {got!r}"
        else:
            assert last.startswith(text.split(" ")[0]), f"wanted {text!r}, got {got!r}"
        del want

    def hang_up(self):
        if self.d:
            self.d.close()
        self.d, self.out, self.want = None, b"", []

    def directive(self, words):
        name = words[0]
        if name == "@on":
            self.door = words[1]
            self.playable = self.door in self.posta.ports
        elif name == "@set":
            self.playable = self.playable and words[1] in KNOWN_SETS
        elif name == "@starttls":
            self.flush()
            self.d.s = self.posta.tls_context().wrap_socket(self.d.s, server_hostname="mail.example.test")
        elif name == "@close":
            self.flush()
            assert self.d.closed(), "the server ought to have closed"
            self.hang_up()
        elif name == "@again":
            self.hang_up()
        else:
            assert name in IGNORED | {"@whole"}, f"unknown directive {name}"

    def line(self, raw):
        if not raw or raw.startswith(("#", "L:")):
            return
        if raw.startswith("@"):
            self.directive(raw.split())
            if raw.split()[0] == "@greeted" and self.playable:
                self.expect(False, "250 ")
            return
        if not self.playable:
            return
        m = re.match(r"([CS])([:>=])(?: (.*))?$", re.sub(r"^([CS])\*\d+:", r"\1:", raw), re.S)
        times = int(re.match(r"[CS]\*(\d+):", raw).group(1)) if re.match(r"[CS]\*\d+:", raw) else 1
        assert m, raw
        text = m.group(3) or ""
        for _ in range(times):
            if m.group(1) == "C":
                self.out += unescape(text) + (b"\r\n" if m.group(2) == ":" else b"")
            else:
                self.expect(m.group(2) == "=", text)


def play(player, path):
    """A dialogue up to its end, or to where cut bytes say nothing more."""
    for number, raw in enumerate(path.read_text().split("\n"), 1):
        if player.cut and raw == "@whole":
            break
        try:
            player.line(raw)
        except (AssertionError, socket.timeout) as why:
            raise AssertionError(f"{path.name}:{number}: {raw}\n{why}") from why
    player.hang_up()


@pytest.fixture(scope="module")
def house():
    with system(users=("alice", "bob", "carol"), sections={"limits": LIMITS}) as plain, \
            system(users=("alice", "bob", "carol"), sections={"limits": LIMITS, "lab": "clear_auth = true auth_on_25 = true"}) as lab:
        yield {"plain": plain, "lab": lab}


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "bytes"])
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_dialogue(house, path, cut):
    play(Player(house["lab" if "clear_auth" in path.read_text() else "plain"], cut), path)


def test_there_are_dialogues():
    assert len(FILES) >= 8
