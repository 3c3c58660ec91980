"""demo.py - what ./run shows: a letter sent by hand and read back, the settings for a client, and the journeys of letters.

    demo.py letter BASE CERTIFICATE     sends from alice to bob through the submission port, reads it by IMAP and POP3
    demo.py settings BASE               what a person types into a mail client
    demo.py follow LOG PID              one line a box for each letter, until PID ends
"""
import base64
import os
import re
import socket
import ssl
import sys
import time

DOMAIN = "example.test"
ALICE, BOB = ("alice@" + DOMAIN, "wonderland"), ("bob@" + DOMAIN, "builder")
WAIT_SECONDS = 30
COLOUR = sys.stdout.isatty()


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


class Talk:
    """A dialogue that is printed as it happens: C: is ours, S: the server's."""

    def __init__(self, port):
        print(paint("2", f"   (connects to 127.0.0.1:{port})"))
        self.s = socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)
        self.rest = b""

    def line(self):
        while b"\r\n" not in self.rest:
            more = self.s.recv(65536)
            if not more:
                raise SystemExit("the server closed the connection")
            self.rest += more
        line, self.rest = self.rest.split(b"\r\n", 1)
        line = line.decode("utf-8", "replace")
        print("   " + paint("32", "S: " + line), flush=True)
        return line

    def reply(self, want):
        while re.match(r"\d\d\d-", line := self.line()):
            pass
        if not line.startswith(want):
            raise SystemExit(f"expected {want}")
        return line

    def say(self, line, want, secret=False):
        print("   " + paint("36", "C: " + ("(base64 of the password)" if secret else line)), flush=True)
        self.s.sendall(line.encode() + b"\r\n")
        return self.reply(want)

    def multi(self):
        lines = []
        while (line := self.line()) != ".":
            lines.append(line[1:] if line.startswith(".") else line)
        return lines

    def tls(self, context):
        self.s = context.wrap_socket(self.s, server_hostname="mail." + DOMAIN)
        print("   " + paint("2", f"   ({self.s.version()} with {self.s.cipher()[0]} from here on)"))


def b64(text):
    return base64.b64encode(text.encode()).decode()


def send(base, context, mark):
    t = Talk(base + 587)
    t.reply("220")
    t.say("EHLO demo." + DOMAIN, "250")
    t.say("STARTTLS", "220")
    t.tls(context)
    t.say("EHLO demo." + DOMAIN, "250")
    t.say("AUTH LOGIN", "334")
    t.say(b64(ALICE[0]), "334")
    t.say(b64(ALICE[1]), "235", secret=True)
    t.say(f"MAIL FROM:<{ALICE[0]}>", "250")
    t.say(f"RCPT TO:<{BOB[0]}>", "250")
    t.say("DATA", "354")
    for line in (f"From: Alice <{ALICE[0]}>", f"To: Bob <{BOB[0]}>", f"Subject: {mark}", "", "Dear Bob, this letter crossed the house."):
        print("   " + paint("36", "C: " + line))
        t.s.sendall(line.encode() + b"\r\n")
    t.say(".", "250")
    t.say("QUIT", "221")


class Imap(Talk):
    """Commands with a tag; a letter comes as a literal, shown line by line."""

    def __init__(self, port, context):
        super().__init__(port)
        self.tls(context)
        self.tag = 0
        self.line()

    def ask(self, command, shown=None):
        self.tag += 1
        print("   " + paint("36", f"C: a{self.tag} {shown or command}"), flush=True)
        self.s.sendall(f"a{self.tag} {command}\r\n".encode())
        lines = []
        while not (line := self.line()).startswith(f"a{self.tag} "):
            lines.append(line)
        if not line.startswith(f"a{self.tag} OK"):
            raise SystemExit("expected OK")
        return lines


def look(base, context, mark):
    """By IMAP: the letter stays where it is, and is not marked as read."""
    t = Imap(base + 993, context)
    t.ask(f"LOGIN {BOB[0]} {BOB[1]}", shown=f"LOGIN {BOB[0]} (the password)")
    t.ask("SELECT INBOX")
    end = time.monotonic() + WAIT_SECONDS
    while not (found := t.ask(f'SEARCH SUBJECT "{mark}"')[-1].split()[2:]):
        if time.monotonic() > end:
            raise SystemExit("the letter did not arrive")
        time.sleep(0.1)
        t.ask("NOOP")
    text = t.ask(f"FETCH {found[-1]} (FLAGS BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT)] BODY.PEEK[TEXT])")
    if f"Subject: {mark}" not in text:
        raise SystemExit("that is another letter")
    t.ask("LOGOUT")


def read(base, context, mark):
    end = time.monotonic() + WAIT_SECONDS
    while True:
        t = Talk(base + 995)
        t.tls(context)
        t.reply("+OK")
        t.say("USER " + BOB[0], "+OK")
        print("   " + paint("36", "C: PASS (the password)"))
        t.s.sendall(f"PASS {BOB[1]}\r\n".encode())
        t.reply("+OK")
        count = int(t.say("STAT", "+OK").split()[1])
        if count:
            t.say(f"RETR {count}", "+OK")
            text = t.multi()
            t.say("QUIT", "+OK")
            if f"Subject: {mark}" in text:
                print(f"\nThe letter arrived: bob has {count} in his mailbox.")
                return
        else:
            t.say("QUIT", "+OK")
        if time.monotonic() > end:
            raise SystemExit("the letter did not arrive")
        time.sleep(0.1)


def letter(base, certificate):
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    mark = f"A letter crosses the house, {time.strftime('%H:%M:%S')}.{os.getpid()}"
    send(base, context, mark)
    print()
    look(base, context, mark)
    print()
    read(base, context, mark)


def settings(base):
    print(f"""   accounts            {ALICE[0]} (password {ALICE[1]}), {BOB[0]} (password {BOB[1]})
   Thunderbird, K-9 and Apple Mail all ask for the same; choose IMAP where there is a choice, and "set up by hand".

                       server       port    security   or                   user name, authentication
   incoming (IMAP)     127.0.0.1    {base + 993:<7} SSL/TLS     {base + 143} with STARTTLS   the whole address, normal password
   incoming (POP3)     127.0.0.1    {base + 995:<7} SSL/TLS     {base + 110} with STARTTLS   the whole address, normal password
   outgoing (SMTP)     127.0.0.1    {base + 465:<7} SSL/TLS     {base + 587} with STARTTLS   the whole address, normal password
   certificate         self-signed: accept it once, or trust var/cert.pem
   another server      speaks SMTP to 127.0.0.1, port {base + 525}

   by hand             openssl s_client -quiet -starttls smtp -connect 127.0.0.1:{base + 587}
                       openssl s_client -quiet -connect 127.0.0.1:{base + 993}, then: a LOGIN {BOB[0]} {BOB[1]}
   with swaks          swaks --server 127.0.0.1:{base + 587} -tls --auth PLAIN --auth-user {ALICE[0]} --auth-password {ALICE[1]} \\
                             --from {ALICE[0]} --to {BOB[0]}""")


LINE = re.compile(r"^(?P<time>\S+) (?P<box>[\w-]+)\[\d+\] (?P<level>\w+) (?:(?P<id>[0-9a-z]{23}): )?(?P<text>.*)$")


def follow(log, pid):
    with open(log, encoding="utf-8", errors="replace") as f:
        f.seek(0, os.SEEK_END)
        while os.path.exists(f"/proc/{pid}"):
            line = f.readline()
            if not line:
                time.sleep(0.1)
                continue
            m = LINE.match(line.rstrip("\n"))
            if m and m["id"]:
                print(f"{m['time'][11:23]}  {m['box']:<18} {paint('33', m['id'])}  {m['text']}", flush=True)
            elif m and m["level"] in ("warn", "error"):
                print(paint("31", line.rstrip("\n")), flush=True)


def main(command, *arguments):
    if command == "letter":
        letter(int(arguments[0]), arguments[1])
    elif command == "settings":
        settings(int(arguments[0]))
    elif command == "follow":
        follow(arguments[0], int(arguments[1]))
    else:
        raise SystemExit(__doc__)


main(*sys.argv[1:])
