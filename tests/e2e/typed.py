"""typed - commands and dialogues as a pupil types them, and what they answer, with all that changes from run to run replaced by words.

A block of a page is a list of lines. `host$ command` is run on that host; when lines `C: …` stand below it, it is a dialogue: each is typed
when the server has answered the one before. All other lines are the answer, and are written anew each time.
"""
import os
import re
import select
import subprocess
import time

from posta import PATIENCE

PROMPT = re.compile(r"([a-z][a-z0-9-]*)\$ (.*)")
WRITE = os.environ.get("POSTA_WRITE_DOCS") == "1"

# What differs from run to run, most special first.
PLACES = [(re.compile(pattern, re.M), to) for pattern, to in (
    (r"\b\d{10}\.\w+\.((mx|mail)\.\w+\.example)", r"NAME.\1"),  # of a letter in a Maildir
    (r"(,[SW]=)\d+\b", r"\1N"),
    (r",P=\d+\.(\d+)", r",P=N.\1"),
    (r"(?i)^((S: )?\W*message-id: )<.*>", r"\1<MESSAGE-ID>"),
    (r"message-id=<[^>]*>", "message-id=<MESSAGE-ID>"),
    (r"={15}\d+==", "===BOUNDARY==="),
    (r"_MIME_BOUNDARY_\d+_\d+", "_MIME_BOUNDARY"),
    (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), {1,2}\d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [-+]\d{4}( \(\w+\))?", "DATE"),
    (r"\d\d?-\w{3}-\d{4} \d\d:\d\d:\d\d [-+]\d{4}", "DATE"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?([-+]\d\d:?\d\d)?", "DATE"),
    (r"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d(:\d\d)?", "DATE"),
    (r"\b0[0-9a-z]{22}\b", "ID"),
    (r"(\bid |queued as |^)(?=\d*[0-9A-F])[0-9A-F]{6,14}(?=$|: |\))", r"\1ID"),  # Postfix's
    (r"^(S: \d+ )\d{3,}$", r"\1N"),
    (r"(\+OK \d+ )\d{3,}$", r"\1N"),  # octets with a trace of varying length
    (r"(\+OK (maildrop has \d+ messages \()?)\d{3,} octets", r"\1N octets"),
    (r"(UIDVALIDITY|MAILBOXID) \(?\w+\)?", r"\1 NUMBER"),
    (r"COPYUID \d+", "COPYUID NUMBER"),
    (r"<<>> DiG \S+ <<>>", "<<>> DiG VERSION <<>>"),
    (r"(version=TLS\S+ cipher=)\S+ bits=\d+", r"\1CIPHER"),
    (r"(TLSv1\.3,? with cipher |using TLSv1\.3 with cipher )\S+ \(\S+ bits\)", r"\1CIPHER"),
    (r"cipher [-A-Z0-9_]{6,}:\d+", "cipher CIPHER"),
    (r"(?<=[a-z])\[\d+\](?=[:\s])", "[PID]"),
    (r"\bpid[ =]\d+", "pid PID"),
    (r"\b(delays?)=[\d./]+", r"\1=TIME"),
    (r"\b\d+(\.\d+)? (ms|s|min)\b", "TIME"),
    (r"\bsize=\d+", "size=N"),
    (r"\b\d+ (bytes|B)\b", r"N \1"),
    (r"(: 451 4\.4\.1 )[^;]+(; next try)", r"\1REASON\2"),  # a stopped container has no address, a stopped program no port
    (r"^ID +TIME +N B ", "ID  TIME  N B "),  # columns to the right
)]


def steady(text):
    """The text without what changes from run to run."""
    for pattern, to in PLACES:
        text = pattern.sub(to, text)
    return text


def lines_of(text):
    return [line.expandtabs().rstrip() for line in text.replace("\r", "").split("\n")] if text else []


class Talk:
    """A program that speaks SMTP, POP3 or IMAP with a server and is typed into: telnet, openssl s_client."""

    def __init__(self, room, command):
        self.p = subprocess.Popen(room.inside("sh", "-c", f"exec 2>&1; cd {room.home} && exec {command}"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"})
        self.rest, self.command, self.protocol, self.open = b"", "", None, True

    def line(self):
        """The next line that is said, or None at the end."""
        end = time.monotonic() + PATIENCE
        while b"\n" not in self.rest:
            assert select.select([self.p.stdout], [], [], max(0, end - time.monotonic()))[0], f"no answer to {self.command!r}; there is {self.rest!r}"
            more = os.read(self.p.stdout.fileno(), 65536)
            if not more:
                last, self.rest, self.open = self.rest, b"", False
                return last.decode("utf-8", "replace") if last else None
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode("utf-8", "replace").rstrip("\r")

    def last(self, line):
        """Is an answer complete with this line?"""
        for protocol, greeting in (("smtp", r"220[ -]"), ("pop3", r"\+OK"), ("imap", r"\* (OK|BYE)")):
            if not self.protocol and re.match(greeting, line):
                self.protocol = protocol
        if self.protocol == "smtp":
            return bool(re.match(r"\d{3}( |$)", line))
        if self.protocol == "imap":
            tag = self.command.split(" ")[0]
            return not tag or line.startswith((tag + " ", "+ "))
        if self.protocol == "pop3":
            many = re.match(r"(?i)(LIST|UIDL|CAPA|RETR .*|TOP .*)$", self.command)
            return line.startswith("-ERR") or (line == "." if many else line.startswith("+OK"))
        return False

    def hear(self, to_end=False):
        said = []
        while self.open:
            line = self.line()
            if line is None:
                break
            said.append(line)
            if self.last(line) and not to_end:
                break
        return said

    def say(self, line):
        self.p.stdin.write(line.encode() + b"\n")
        self.p.stdin.flush()
        self.command = line

    def close(self):
        self.p.stdin.close()
        self.p.stdout.close()
        try:
            self.p.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()


def dialogue(room, command, typed):
    """The lines of a dialogue: S: what was said, C: what was typed; what telnet itself says stands as it is."""
    talk, out, in_letter = Talk(room, command), [], False
    try:
        def heard(lines):
            out.extend(line if re.match(r"(Trying|Connected to|Escape character|Connection closed) ?", line) else f"S: {line}".rstrip() for line in lines)
            return lines
        starttls = re.search(r"-starttls (\w+)", command)
        if starttls:  # openssl has heard the greeting
            talk.protocol = starttls.group(1)
        else:
            heard(talk.hear())
        for n, line in enumerate(typed):
            out.append(f"C: {line}".rstrip())
            talk.say(line)
            if in_letter and line != ".":
                continue
            in_letter = False
            said = heard(talk.hear(to_end=n == len(typed) - 1))
            in_letter = talk.protocol == "smtp" and bool(said) and said[-1].startswith("354")
        return out
    finally:
        talk.close()


def commands(block):
    """A block, cut into one list of lines for each command."""
    out = []
    for line in block:
        if PROMPT.fullmatch(line) or not out:
            out.append([])
        out[-1].append(line)
    return out


def run_block(rooms, block):
    """A block with its answers as they are now; `rooms`: {host: Room}."""
    out = []
    for first, *rest in commands(block):
        prompt = PROMPT.fullmatch(first)
        assert prompt, f"no command: {first!r}"
        room, command = rooms[prompt.group(1)], prompt.group(2)
        typed = [line[3:] for line in rest if line.startswith("C: ") or line == "C:"]
        if typed:
            said = "\n".join(dialogue(room, command, typed))
        else:
            said = room.run(f"cd {room.home}; {command}", status=None).rstrip("\n")
        out += [first, *lines_of(steady(said))]
    return out
