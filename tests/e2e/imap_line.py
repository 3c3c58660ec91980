"""imap_line - IMAP spoken line by line for tests: commands out, every response taken apart, nothing kept or guessed."""
import re
import socket
import ssl


class Atom(str):
    """What stood without quotes."""


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Reader:
    """The data of one response: text with its literals in place."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def tokens(self, end=None):
        """Lists for parentheses, bytes for strings and literals, None for NIL, Atom for what else there is."""
        out = []
        while self.at < len(self.data):
            c = self.data[self.at:self.at + 1]
            if c == b" ":
                self.at += 1
            elif c == b"(":
                self.at += 1
                out.append(self.tokens(b")"))
            elif c == b")":
                assert end == b")", f"a closing parenthesis too many: {self.data!r}"
                self.at += 1
                return out
            else:
                out.append(self.token(c))
        assert end is None, f"an open parenthesis: {self.data!r}"
        return out

    def token(self, c):
        if c == b'"':
            m = re.compile(rb'"((?:[^"\\\r\n\0]|\\["\\])*)"').match(self.data, self.at)
            assert m, f"a bad quoted string: {self.data[self.at:]!r}"
            self.at = m.end()
            return re.sub(rb'\\(["\\])', rb"\1", m.group(1))
        if c == b"{":
            m = re.compile(rb"\{(\d+)\}\r\n").match(self.data, self.at)
            assert m, f"a bad literal: {self.data[self.at:]!r}"
            start = m.end()
            self.at = start + int(m.group(1))
            assert self.at <= len(self.data), "a literal cut short"
            return self.data[start:self.at]
        # BODY[HEADER.FIELDS (A "B")]<0> is one word
        m = re.compile(rb"(?:[^\s()\[\"{]|\[[^\]]*\])+").match(self.data, self.at)
        assert m, f"what is this? {self.data[self.at:]!r}"
        self.at = m.end()
        word = m.group().decode("latin-1")
        return None if word.upper() == "NIL" else Atom(word)


class Answer:
    def __init__(self, status, text, untagged):
        self.status, self.text, self.untagged = status, text, untagged
        m = re.match(r"\[([^\]]*)\]", text)
        self.code = m.group(1) if m else ""

    def __repr__(self):
        return f"{self.status} {self.text!r} after {self.untagged!r}"


class Imap:
    """One connection. `log`, a list, gets every line with its direction."""

    def __init__(self, port, tls=None, log=None, patience=60):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.s = tls.wrap_socket(self.s, server_hostname="mail.example.test")
        self.rest, self.count, self.log = b"", 0, log
        self.waiting = False  # for the end of an answer
        self.greeting = self.response()

    def note(self, way, data):
        if self.log is not None:
            self.log.append(f"{way} {data.decode('latin-1')[:400]}")

    def send(self, data):
        self.note("C:", data)
        self.s.sendall(data)

    def more(self):
        try:
            data = self.s.recv(1 << 16)
        except (ConnectionResetError, ssl.SSLError):
            data = b""
        assert data, f"the server closed; the last lines: {self.log[-5:] if self.log else ''}"
        self.rest += data

    def response(self):
        """One whole response without its last CRLF, literals in it."""
        start = at = 0  # of the line; of what has not been looked at
        while True:
            end = self.rest.find(b"\r\n", at)
            if end < 0:
                at = max(at, len(self.rest) - 1)
                self.more()
                continue
            m = re.search(rb"\{(\d+)\}\Z", self.rest[start:end][-24:])
            if not m:
                out, self.rest = self.rest[:end], self.rest[end + 2:]
                self.note("S:", out)
                return out
            start = at = end + 2 + int(m.group(1))
            while len(self.rest) < at:
                self.more()

    def untagged(self, data):
        """["EXISTS", 3], ["FETCH", 2, {"FLAGS": [...]}], ["OK", text], ["SEARCH", "1", "2"] …"""
        words = data[2:].split(b" ", 2)
        if words[0].isdigit():
            kind = words[1].decode().upper()
            if kind != "FETCH":
                return [kind, int(words[0])]
            items, = Reader(words[2]).tokens()
            assert len(items) % 2 == 0, data
            names = [str(n).upper() for n in items[::2]]
            assert len(set(names)) == len(names), f"an item twice: {data!r}"
            return ["FETCH", int(words[0]), dict(zip(names, items[1::2]))]
        kind = words[0].decode().upper()
        if kind in ("OK", "NO", "BAD", "BYE", "PREAUTH"):
            return [kind, data[2 + len(words[0]) + 1:].decode("latin-1")]
        return [kind, *Reader(data[2 + len(words[0]):]).tokens()]

    def start(self, line):
        assert not self.waiting, "the answer before has not been read to its end"
        self.count += 1
        tag = f"t{self.count}"
        self.send(f"{tag} {line}\r\n".encode("latin-1"))
        return tag

    def finish(self, tag):
        untagged, self.waiting = [], True
        while True:
            data = self.response()
            if data.startswith(b"* "):
                untagged.append(self.untagged(data))
                continue
            assert data.startswith(tag.encode() + b" "), f"wanted the answer to {tag}, got {data!r}"
            _, status, *text = data.decode("latin-1").split(" ", 2)
            self.waiting = False
            return Answer(status, text[0] if text else "", untagged)

    def ask(self, line, literal=None):
        """The whole answer. A literal stands at the end of the command."""
        if literal is None:
            return self.finish(self.start(line))
        tag = self.start(f"{line} {{{len(literal)}}}")
        data = self.response()
        if not data.startswith(b"+"):
            assert data.startswith(tag.encode() + b" "), data
            _, status, text = data.decode("latin-1").split(" ", 2)
            return Answer(status, text, [])
        self.send(literal + b"\r\n")
        return self.finish(tag)

    def ok(self, line, literal=None):
        a = self.ask(line, literal)
        assert a.status == "OK", f"{line}: {a}"
        return a

    def login(self, user, password):
        self.ok(f"LOGIN {quote(user)} {quote(password)}")
        return self

    def close(self):
        self.s.close()


def uids(text):
    """"1:3,7" as a list."""
    out = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition(":")
        out += range(int(first), int(last or first) + 1)
    return out


def sequence_set(numbers):
    """A list of numbers as a client would write it: neighbours as ranges."""
    out, numbers = [], list(numbers)
    while numbers:
        n = 1
        while n < len(numbers) and numbers[n] == numbers[0] + n:
            n += 1
        out.append(str(numbers[0]) if n == 1 else f"{numbers[0]}:{numbers[n - 1]}")
        numbers = numbers[n:]
    return ",".join(out)
