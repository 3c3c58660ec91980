"""The dialogues of tests/transcripts/imap-*.txt against the running program: whole, and cut into single bytes.

Each is alice's in the file and a user's of its own here, so that every mailbox begins empty.
"""
import base64
import itertools
import os
import re

import pytest

from posta import DOMAIN, ROOT, Dialogue, system
from test_transcripts import LIMITS, Player, unescape

FILES = sorted(f for f in (ROOT / "tests/transcripts").glob("imap-*.txt") if "\n@memory" not in "\n" + f.read_text())
CASES = list(itertools.product(FILES, (False, True)))
USUAL = ("Archive", "Drafts", "Junk", "Sent", "Trash")
NAMES = itertools.count()


def name_of(number):
    """As long as alice's, so that literals keep their sizes."""
    return f"al{number:03}"


class ImapPlayer(Player):
    def __init__(self, posta, cut, user):
        super().__init__(posta, cut)
        self.door, self.user, self.other, self.kept, self.letter, self.letters = "imapd", user, None, {}, None, 0

    # ---- what stands in the lines ----
    def mine(self, text):
        """alice is this dialogue's user, also in base64; kept numbers are put in."""
        text = re.sub(r"\\#\{(\w)\}", lambda m: self.kept[m.group(1)], text).replace("alice", self.user)
        plain = f"\0alice@{DOMAIN}\0wonderland".encode()
        return text.replace(base64.b64encode(plain).decode(), base64.b64encode(plain.replace(b"alice", self.user.encode())).decode())

    def matches(self, exact, want, got):
        names = []

        def one(m):
            if m.group(0) == "\\?":
                return ".*?"
            names.append(m.group(1))
            return r"(\d+)"
        parts = re.split(r"(\\\?|\\#(?:\{\w\})?)", want)
        pattern = "".join(re.sub(r"\\\?|\\#(?:\{(\w)\})?", one, p) if i % 2 else re.escape(p) for i, p in enumerate(parts))
        m = re.match(pattern + ("$" if exact else ""), got, re.S)
        if m:
            self.kept.update((n, v) for n, v in zip(names, m.groups()) if n)
        return m

    def expect(self, exact, text):
        self.flush()
        self.connect()
        got = self.d.line().decode("latin-1")
        assert self.matches(exact, text, got), f"wanted {text!r}, got {got!r}"

    # ---- the other session ----
    def others(self, command):
        self.flush()
        if not self.other:
            self.other = Dialogue(self.posta.ports["imapd_tls"], self.posta.tls_context(), greet=False)
            self.other.line()
            self.others(f"LOGIN {self.user}@{DOMAIN} wonderland")
        self.other.send(b"o " + unescape(self.mine(command)) + b"\r\n")
        while not (line := self.other.line()).startswith(b"o "):
            assert line, f"the other session ended in {command!r}"
        assert line.startswith(b"o OK"), f"{command!r}: {line!r}"

    def begin_letter(self, words):
        more = dict(w.split("=", 1) for w in words)
        self.at = int(more.get("at", 1000000000 + self.letters))
        self.letters += 1
        folder = "." + more["in"].replace("/", ".") if "in" in more else ""
        name = f"{self.at}.M{next(NAMES)}.elsewhere" + (":2," + more["flags"] if "flags" in more else "")
        self.letter = (self.posta.maildir(self.user) / folder / ("cur" if "flags" in more else "new") / name, [])

    def end_letter(self):
        if not self.letter:
            return
        (path, lines), self.letter = self.letter, None
        d = self.posta.maildir(self.user)
        made = [p for p in (d.parent, d, *(d / sub for sub in ("cur", "new", "tmp"))) if not p.exists()]
        for p in made:
            p.mkdir(mode=0o700)
        path.write_bytes(b"".join(lines))
        os.utime(path, (self.at, self.at))
        if self.posta.uid:
            for p in [*made, path]:
                os.chown(p, self.posta.uid, self.posta.uid)

    # ---- a file ----
    def directive(self, words):
        if not self.playable:
            return
        if words[0] == "@letter":
            self.flush()
            self.begin_letter(words[1:])
        elif words[0] == "@folder":
            self.others(f'CREATE "{words[1]}"')
        elif words[0] == "@bare":
            for name in USUAL:
                self.others(f"DELETE {name}")
                self.others(f"UNSUBSCRIBE {name}")
        elif words[0] == "@login":
            self.expect(False, "* OK ")
            self.out += f"login LOGIN {self.user}@{DOMAIN} wonderland\r\n".encode()
            self.expect(False, "login OK ")
        else:
            super().directive(words)

    def line(self, raw):
        m = re.match(r"([LOC])(?:\*(\d+))?([:>])(?: (.*))?$", raw)
        if not raw.startswith("L"):
            self.end_letter()
        if not m or not self.playable:
            super().line(raw)
            return
        who, times, kind, text = m.group(1), int(m.group(2) or 1), m.group(3), m.group(4) or ""
        for _ in range(times):
            if who == "L":
                self.letter[1].append(unescape(text) + (b"\n" if kind == ":" else b""))
            elif who == "O":
                self.others(text)
            else:
                self.out += unescape(self.mine(text)) + (b"\r\n" if kind == ":" else b"")

    def end(self):
        self.hang_up()
        if self.other:
            self.other.close()


@pytest.fixture(scope="module")
def house():
    with system(users=(), sections={"limits": LIMITS}) as plain:
        plain.cli("user", "add", "--batch", input="".join(f"{name_of(i)}@{DOMAIN} wonderland\n" for i in range(len(CASES))))
        yield plain


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda i: f"{CASES[i][0].stem}-{'bytes' if CASES[i][1] else 'whole'}")
def test_dialogue(house, number):
    path, cut = CASES[number]
    player = ImapPlayer(house, cut, name_of(number))
    for n, raw in enumerate(path.read_text().split("\n"), 1):
        if cut and raw == "@whole":
            break
        try:
            player.line(raw)
        except (AssertionError, TimeoutError) as why:
            raise AssertionError(f"{path.name}:{n}: {raw}\n{why}") from why
    player.end()


def test_there_are_dialogues():
    assert len(FILES) >= 20
