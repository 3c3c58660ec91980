"""imap_peer - Dovecot's imap over a Maildir of letters, without a login, and a reader of what IMAP servers say."""
import functools
import os
import pathlib
import re
import subprocess
import tempfile

import pytest

from lan import packages
from posta import NOBODY, PATIENCE, until

QUOTED = re.compile(rb'"((?:[^"\\\r\n\0\x80-\xff]|\\["\\])*+)"')  # RFC 3501 9


@functools.lru_cache(None)
def unpacked():
    """What has to be laid over /usr for Dovecot and Courier to be there, as overlay's lowerdir; skips where they cannot be had."""
    if os.geteuid() != 0:
        pytest.skip("needs root: Dovecot and Courier run in a mount namespace of their own")
    return ":".join(str(tree / "usr") for tree in packages("dovecot", "courier"))


def ask(letters, commands):
    """What Dovecot says to the commands with an INBOX of these letters, UID 1 the first: {number: {item: value}}."""
    with tempfile.TemporaryDirectory(prefix="posta-peer-") as d:
        root = pathlib.Path(d)
        maildir = root / "Maildir"
        for sub in ("cur", "new", "tmp"):
            (maildir / sub).mkdir(parents=True)
        for k, letter in enumerate(letters):
            (maildir / "cur" / f"{1000000000 + k}.M{k}.peer:2,").write_bytes(letter)
        conf = root / "dovecot.conf"
        conf.write_text(f"mail_location = maildir:{maildir}\nlog_path = {root}/log\nssl = no\n")
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", d], check=True)
        script = (f"mount -t overlay -o lowerdir={unpacked()}:/usr overlay /usr && cd {maildir} && "
                  f"cat | exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups /usr/lib/dovecot/imap -c {conf}")
        text = "".join(f"a{n} {c}\r\n" for n, c in enumerate(["SELECT INBOX", *commands, "LOGOUT"]))
        with open(root / "said", "w+b") as said, open(root / "why", "w+b") as why:
            # It leaves when its input ends, whatever is still to be said: the input stays open until the last answer is there.
            p = subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdin=subprocess.PIPE, stdout=said, stderr=why,
                                 env={**os.environ, "HOME": d, "USER": "peer"})
            p.stdin.write(text.encode())
            p.stdin.flush()
            last = f"a{len(commands) + 1} ".encode()
            try:
                until(lambda: p.poll() is not None or last in (root / "said").read_bytes()[-200:], lambda: (root / "why").read_text())
            finally:
                p.stdin.close()
                p.wait(PATIENCE)
            answer = (root / "said").read_bytes()
            assert f"\r\na{len(commands)} OK".encode() in answer, (root / "why").read_text()[-500:]
    return fetched(answer)


class Reader:
    """The tokens of a server: lists, strings as bytes, NIL as None, numbers and atoms as str."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def peek(self):
        return self.text[self.at:self.at + 1]

    def spaces(self):
        while self.peek() == b" ":
            self.at += 1

    def value(self):
        self.spaces()
        c = self.peek()
        if c == b"(":
            return self.list()
        if c == b'"':
            return self.quoted()
        if c == b"{":
            end = self.text.index(b"}\r\n", self.at)
            n, start = int(self.text[self.at + 1:end]), end + 3
            assert start + n <= len(self.text), "a literal that is not all there"
            self.at = start + n
            return self.text[start:self.at]
        return self.atom()

    def list(self):
        self.at += 1
        out = []
        while True:
            self.spaces()
            if self.peek() == b")":
                self.at += 1
                return out
            out.append(self.value())

    def quoted(self):
        m = QUOTED.match(self.text, self.at)
        assert m, ("no quoted string", self.text[self.at:self.at + 80])
        self.at = m.end()
        return re.sub(rb"\\(.)", rb"\1", m.group(1)) if b"\\" in m.group(1) else m.group(1)

    def atom(self):
        start, depth = self.at, 0
        while self.peek() and (depth or self.peek() not in b' ()"\r\n'):
            depth += {b"[": 1, b"]": -1}.get(self.peek(), 0)
            self.at += 1
        word = self.text[start:self.at].decode("ascii")
        assert word, (self.text[start - 40:start], self.text[start:start + 40])
        return None if word == "NIL" else word


def whole(text):
    """The one value that this text is."""
    r = Reader(text)
    value = r.value()
    assert r.at == len(text), ("behind the value", text[r.at:r.at + 80])
    return value


def fetched(text):
    out, r = {}, Reader(text)
    while r.at < len(text):
        if not text.startswith(b"* ", r.at):
            r.at = text.index(b"\r\n", r.at) + 2
            continue
        r.at += 2
        number, kind = r.atom(), None
        if number.isdigit():
            r.spaces()
            kind = r.atom()
        if kind == "FETCH":
            items = r.value()
            out.setdefault(int(number), {}).update(zip(items[::2], items[1::2]))
        r.at = text.index(b"\r\n", r.at) + 2
    return out
