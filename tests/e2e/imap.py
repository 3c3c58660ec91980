"""imap - IMAP spoken by hand: one connection, whole responses with their literals; Imap takes every one apart, Talk looks at the bytes."""
import re
import socket
import ssl

from posta import DOMAIN, PASSWORD, PATIENCE


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


class Closed(AssertionError):
    """The server closed where more was wanted."""


class Wire:
    """One connection. `log`, a list, gets every line with its direction."""

    def __init__(self, port, tls=None, log=None, patience=PATIENCE):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest, self.log = b"", log
        if tls:
            self.begin_tls(tls)
        self.greeting = self.response()

    def begin_tls(self, context):
        self.s = context.wrap_socket(self.s, server_hostname="mail." + DOMAIN)

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
        if not data:
            raise Closed(f"the server closed; the last lines: {self.log[-5:] if self.log else ''}")
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

    def close(self):
        self.s.close()


class Imap(Wire):
    """Commands out, every response taken apart, nothing kept or guessed."""

    def __init__(self, port, tls=None, log=None, patience=PATIENCE):
        super().__init__(port, tls, log, patience)
        self.count, self.waiting = 0, False  # for the end of an answer

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


class Talk(Wire):
    """Talk(posta) is logged in as bob over 993. Responses are bytes without their last CRLF, literals in them as they came."""

    def __init__(self, posta, user="bob", tls=True, login=True, password=None):
        super().__init__(posta.ports["imapd_tls" if tls else "imapd"], posta.tls_context() if tls else None)
        self.posta, self.number = posta, 0
        assert self.greeting.startswith(b"* OK"), self.greeting
        if login:
            self.ask(f"LOGIN {user}@{DOMAIN} {password or PASSWORD[user]}")

    def line(self):
        """A whole response; b"" at the end of the connection."""
        try:
            return self.response()
        except Closed:
            return b""

    def say(self, command):
        self.number += 1
        self.send(b"a%d " % self.number + (command.encode() if isinstance(command, str) else command) + b"\r\n")
        return b"a%d " % self.number

    def until(self, prefix, want=b"OK"):
        """The responses before the one that begins with `prefix`; that one ends with `want`'s status."""
        seen = []
        while True:
            line = self.line()
            assert line, f"the connection ended before {prefix!r}: {seen[-3:]}"
            if line.startswith(prefix):
                break
            seen.append(line)
        self.status = line[len(prefix):]
        assert self.status.startswith(want), f"{line!r} after {seen[-3:]}"
        return seen

    def ask(self, command, want="OK"):
        return self.until(self.say(command), want.encode())

    def literal(self, command, octets, want="OK"):
        """A command whose last word is a literal that is waited for."""
        tag = self.say(command + f" {{{len(octets)}}}")
        self.until(b"+", b"")
        self.send(octets + b"\r\n")
        return self.until(tag, want.encode())

    def append(self, letter, folder="INBOX", more=""):
        self.literal(f'APPEND "{folder}"{more}', letter)
        return int(re.search(rb"\[APPENDUID \d+ (\d+)\]", self.status).group(1))

    def starttls(self, context):
        self.ask("STARTTLS")
        self.begin_tls(context)
        return self

    def select(self, folder="INBOX", verb="SELECT"):
        """EXISTS."""
        return max(int(m.group(1)) for line in self.ask(f'{verb} "{folder}"') if (m := re.match(rb"\* (\d+) EXISTS", line)))

    def fetch(self, sequence, items, uid=False):
        """{number: the text between the parentheses}"""
        got = {}
        for line in self.ask(f"{'UID ' if uid else ''}FETCH {sequence} {items}"):
            if m := re.match(rb"\* (\d+) FETCH \((.*)\)$", line, re.S):
                got[int(m.group(1))] = m.group(2)
        return got

    def body(self, number, uid=False):
        """The letter as it is on the wire."""
        (text,) = self.fetch(number, "BODY.PEEK[]", uid).values()
        m = re.search(rb"BODY\[\] (?:\{(\d+)\}\r\n|(\"\"))", text)
        return b"" if m.group(2) else text[m.end():m.end() + int(m.group(1))]

    def flags(self, number):
        return set(re.search(rb"FLAGS \((.*?)\)", self.fetch(number, "(FLAGS)")[number]).group(1).split())

    def idle(self):
        self.tag = self.say("IDLE")
        self.until(b"+", b"")
        return self

    def done(self):
        self.send(b"DONE\r\n")
        return self.until(self.tag)

    def hear(self, pattern):
        """Reads untagged responses until one is like this."""
        while not re.search(pattern, line := self.line()):
            assert line, f"the connection ended before {pattern!r}"
        return line


def search(responses):
    return [int(n) for line in responses if line.startswith(b"* SEARCH") for n in line.split()[2:]]


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
