"""imap - IMAP spoken by hand: commands with tags, responses whole with their literals."""
import re

from posta import DOMAIN, PASSWORD, Dialogue


class Imap:
    """Imap(posta) is logged in as bob over 993. Responses are bytes without their last CRLF, literals in them as they came."""

    def __init__(self, posta, user="bob", tls=True, login=True, password=None):
        self.d = Dialogue(posta.ports["imapd_tls" if tls else "imapd"], posta.tls_context() if tls else None, greet=False)
        self.posta, self.number = posta, 0
        self.greeting = self.line()
        assert self.greeting.startswith(b"* OK"), self.greeting
        if login:
            self.ask(f"LOGIN {user}@{DOMAIN} {password or PASSWORD[user]}")

    def line(self):
        """A whole response; b"" at the end of the connection."""
        text = self.d.line()
        while m := re.search(rb"\{(\d+)\}$", text):
            text += b"\r\n" + self.octets(int(m.group(1))) + self.d.line()
        return text

    def octets(self, n):
        while len(self.d.rest) < n:
            more = self.d.s.recv(1 << 18)
            assert more, "the connection ended in a literal"
            self.d.rest += more
        text, self.d.rest = self.d.rest[:n], self.d.rest[n:]
        return text

    def say(self, command):
        self.number += 1
        self.d.send(b"a%d " % self.number + (command.encode() if isinstance(command, str) else command) + b"\r\n")
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
        self.d.send(octets + b"\r\n")
        return self.until(tag, want.encode())

    def append(self, letter, folder="INBOX", more=""):
        self.literal(f'APPEND "{folder}"{more}', letter)
        return int(re.search(rb"\[APPENDUID \d+ (\d+)\]", self.status).group(1))

    def starttls(self, context):
        self.ask("STARTTLS")
        self.d.s = context.wrap_socket(self.d.s, server_hostname="mail." + DOMAIN)
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
        self.d.send(b"DONE\r\n")
        return self.until(self.tag)

    def hear(self, pattern):
        """Reads untagged responses until one is like this."""
        while not re.search(pattern, line := self.line()):
            assert line, f"the connection ended before {pattern!r}"
        return line

    def close(self):
        self.d.close()


def search(responses):
    return [int(n) for line in responses if line.startswith(b"* SEARCH") for n in line.split()[2:]]
