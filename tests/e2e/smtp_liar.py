"""smtp_liar - an SMTP server on loopback that says what a test wants, when it wants, and remembers what it heard.

    with Liar({"RCPT": ["250 ok", "550 5.1.1 no"], ".": RST}) as liar: …

`says` has an answer for each verb ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "." for the letter's end, …): a text without CRLF, octets as
they are, a list of answers in turn (the last one stays), a function of the conversation and the line, or one of CLOSE, RST, SILENT. For a
recipient of its own: ("RCPT", "bob@x.test"). What is not said is what a good server says.
"""
import base64
import contextlib
import re
import socket
import ssl
import struct
import subprocess
import threading

CLOSE, RST, SILENT = object(), object(), object()
GOOD = {"greeting": "220 liar.test ESMTP", "HELO": "250 liar.test", "MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok", "DATA": "354 go on",
        ".": "250 2.0.0 kept", "RSET": "250 ok", "NOOP": "250 ok", "QUIT": "221 bye", "STARTTLS": "220 go", "AUTH": "235 2.7.0 welcome"}
OFFERS = ("PIPELINING", "8BITMIME", "SIZE 10000000", "DSN")


class Gone(Exception):
    pass


class Conversation:
    def __init__(self, liar, s):
        self.liar, self.s, self.rest = liar, s, b""
        self.lines, self.letters, self.raw, self.tls, self.counts, self.ended = [], [], b"", False, {}, False

    def send(self, data):
        self.s.sendall(data)

    def say(self, verb, line="", key=None):
        says = self.liar.says
        answer = says.get(key, says.get(verb, GOOD.get(verb)))
        n = self.counts[verb] = self.counts.get(verb, 0) + 1
        if isinstance(answer, list):
            answer = answer[min(n, len(answer)) - 1]
        if callable(answer):
            answer = answer(self, line)
        if answer is CLOSE:
            raise Gone
        if answer is RST:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Gone
        if answer is SILENT:
            self.liar.closing.wait(120)
            raise Gone
        if answer is None:
            return None
        data = answer if isinstance(answer, bytes) else answer.encode() + b"\r\n"
        self.send(data)
        return data

    def line(self):
        while b"\n" not in self.rest:
            more = self.s.recv(65536)
            if not more:
                raise Gone
            self.raw += more
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "surrogateescape")

    def letter(self):
        body = b""
        while True:
            end = self.rest.find(b"\r\n.\r\n")
            if self.rest.startswith(b".\r\n"):
                self.rest = self.rest[3:]
                return body
            if end >= 0:
                body, self.rest = self.rest[:end + 2], self.rest[end + 5:]
                return body
            more = self.s.recv(65536)
            if not more:
                raise Gone
            self.raw += more
            self.rest += more

    def ehlo(self):
        offers = list(self.liar.offers)
        if self.liar.context and not self.tls:
            offers.append("STARTTLS")
        if "EHLO" in self.liar.says:
            self.say("EHLO")
        else:
            lines = ["liar.test", *offers]
            self.send("".join(f"250{'-' if i + 1 < len(lines) else ' '}{x}\r\n" for i, x in enumerate(lines)).encode())

    def talk(self):
        self.say("greeting")
        while True:
            line = self.line()
            self.lines.append(line)
            verb = line.split(" ")[0].upper()
            if verb in ("EHLO", "LHLO"):
                self.ehlo()
            elif verb == "STARTTLS":
                said = self.say(verb, line)
                if said and said.startswith(b"220"):
                    self.s = self.liar.context.wrap_socket(self.s, server_side=True)
                    self.tls, self.rest = True, b""
            elif verb == "RCPT":
                address = re.search("<([^>]*)>", line).group(1)
                self.say(verb, line, (verb, address))
            elif verb == "DATA":
                said = self.say(verb, line)
                if said and said.startswith(b"354"):
                    letter = self.letter()
                    if letter:  # a lone dot behind refused recipients is none
                        self.letters.append(letter)
                    for answer in ([self.liar.says.get(("RCPT.", a)) for a in self.lmtp()] if self.liar.lmtp else [None]):
                        if answer:
                            self.send(answer.encode() + b"\r\n")
                        else:
                            self.say(".", "")
            else:
                self.say(verb, line)
                if verb == "QUIT":
                    return

    def lmtp(self):
        return [re.search("<([^>]*)>", line).group(1) for line in self.lines if line.startswith("RCPT")]

    def plain(self):
        """User and password of AUTH PLAIN with its first response."""
        for line in self.lines:
            if line.startswith("AUTH PLAIN "):
                return base64.b64decode(line.split(" ")[2]).split(b"\0")[1:]
        return None

    def commands(self, verb):
        return [line for line in self.lines if line.upper().startswith(verb)]


class Liar:
    def __init__(self, says=None, offers=OFFERS, context=None, address="127.0.0.1", port=0, lmtp=False, path=None):
        self.says, self.offers, self.context, self.lmtp = says or {}, offers, context, lmtp
        self.heard, self.closing, self.lock = [], threading.Event(), threading.Lock()
        if path:
            self.s = socket.socket(socket.AF_UNIX)
            self.s.bind(str(path))
        else:
            self.s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.s.bind((address, port))
            self.port = self.s.getsockname()[1]
        self.s.listen(64)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                s, _ = self.s.accept()
            except OSError:
                return
            s.settimeout(120)
            c = Conversation(self, s)
            with self.lock:
                self.heard.append(c)
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        with contextlib.suppress(Gone, OSError, ssl.SSLError, ValueError):
            c.talk()
        with contextlib.suppress(OSError):
            c.s.close()
        c.ended = True

    @property
    def letters(self):
        return [letter for c in list(self.heard) for letter in c.letters]

    def commands(self, verb):
        return [line for c in list(self.heard) for line in c.commands(verb)]

    def close(self):
        self.closing.set()
        with contextlib.suppress(OSError):
            self.s.shutdown(socket.SHUT_RDWR)
        self.s.close()
        for c in self.heard:
            with contextlib.suppress(OSError):
                c.s.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def certificate(directory, name, days=10, common=None):
    """A certificate that signs itself; its file and a context that shows it. `name`: of its one subject alternative."""
    key, cert = directory / f"{abs(hash((name, days)))}.key", directory / f"{abs(hash((name, days)))}.pem"
    when = ["-days", str(days)] if days > 0 else ["-not_before", "20200101000000Z", "-not_after", "20200102000000Z"]
    if days <= 0 and not supports_dates():
        when = ["-days", "0"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(key), "-out",
                    str(cert), "-subj", f"/CN={common or 'liar'}", "-addext", f"subjectAltName={name}", *when], check=True, capture_output=True)
    cert.chmod(0o644)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


def supports_dates():
    return "-not_before" in subprocess.run(["openssl", "req", "-help"], capture_output=True, text=True).stderr
