"""`posta watch`: dialogues and letters as they happen; what it never shows."""
import base64
import json
import os
import signal
import socket
import subprocess
import threading

import pytest

from posta import DOMAIN, NOBODY, PASSWORD, as_user, free_ports, system, until
from smtp_liar import Liar

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
SECRETS = ("wonderland", "builder", "sesame")
BOXES = {"authd", "mda", "mta-send", "mta-queue", "mta-receive", "msa", "imapd", "pop3d"}


def unix_sockets(path):
    """How many have this name, by the kernel's list: the one that listens, and the ends of it that were connected to."""
    with open("/proc/net/unix") as f:
        return sum(1 for line in f if line.rstrip().endswith(f" {path}"))


class Watch:
    """`posta watch --json` at work; objects are read by a thread of its own."""

    def __init__(self, posta, *options, more=(), json=True):
        words = [str(posta.build / "ctl/posta"), "watch", *[w for p in more for w in ("-c", str(p.conf))], "-c", str(posta.conf), *options]
        self.seen, self.raw, self.json = [], b"", json
        self.p = subprocess.Popen(words + (["--json"] if json else []), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=posta.env, cwd="/", **as_user(posta.uid))
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        for p in (*more, posta):
            path = p.run / "watch" / str(self.p.pid)
            until(path.exists, "the socket to listen on")
        # each process looks once a second: it is told of when it says something
        for p in (*more, posta):
            until(lambda p=p: self.connected(p), lambda: f"all processes to tell: {self.connections(p)}")

    def connections(self, posta):
        """How many have connected: ends of the watcher's socket, by the kernel's list."""
        return unix_sockets(posta.run / "watch" / str(self.p.pid)) - 1

    def connected(self, posta):
        return self.connections(posta) >= len(posta.pids())

    def read(self):
        for line in self.p.stdout:
            self.raw += line
            if self.json:
                self.seen.append(json.loads(line))

    def lines(self, box=None, who=None):
        return [o["text"] for o in list(self.seen) if "who" in o and box in (None, o["process"]) and who in (None, o["who"])]

    def events(self):
        return [o for o in list(self.seen) if "event" in o]

    def wait(self, text, box=None, who=None):
        return until(lambda: next((t for t in self.lines(box, who) if text in t), None), lambda: f"{text!r} from {box}; there is {self.lines(box)[-40:]}")

    def close(self):
        self.p.send_signal(signal.SIGINT)
        assert self.p.wait(30) == 0, self.p.stderr.read()
        self.thread.join()
        self.p.stdout.close()
        self.p.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.p.kill()
            self.p.wait()
        else:
            self.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    login, = free_ports(1)
    folder = tmp_path_factory.mktemp("watch")
    for d in (folder, folder.parent, folder.parent.parent):
        os.chmod(d, d.stat().st_mode | 0o011)
    (folder / "password").write_text("sesame\n")
    os.chmod(folder / "password", 0o644)
    mta = f'route "login.test" {{ to = "127.0.0.1:{login}" tls = "never" user = "me" password_file = "{folder}/password" }}'
    with system(sections={"mta": mta, "limits": 'free_bytes = "1M" free_inodes = 10', "lab": "clear_auth = true"}, top="workers = 2") as posta:
        posta.login_port = login
        yield posta


def smtp(posta, mark, to=BOB):
    d = posta.dial("mta")
    d.asks("EHLO me.test", "250")
    d.asks("MAIL FROM:<x@far.test>", "250")
    d.asks(f"RCPT TO:<{to}>", "250")
    d.asks("DATA", "354")
    said = d.asks(f"Subject: {mark}\r\n\r\nsecret words {mark}\r\n.", "250")
    d.asks("QUIT", "221")
    d.close()
    return said.split()[-1]


def test_a_letter_from_box_to_box(house):
    with Watch(house) as w:
        letter = smtp(house, "one")
        w.wait("MAIL FROM:<x@far.test>", "mta-receive", "C")
        w.wait(f"queued as {letter}", "mta-receive", "S")
        w.wait(f"XSPOOL {letter}", "mta-queue", "C")
        w.wait(f"XSPOOL {letter}", "mda", "C")
        until(lambda: {e["event"] for e in w.events() if e["id"] == letter} >= {"queued", "delivered"}, lambda: f"its events: {w.events()}")
        assert all(o["system"] == f"mail.{DOMAIN}" and o["time"].endswith("Z") and o["pid"] for o in w.seen)
    assert b"secret words" not in w.raw


def test_no_password_is_ever_shown(house):
    plain = base64.b64encode(f"\0{ALICE}\0{PASSWORD['alice']}".encode()).decode()
    user, password = (base64.b64encode(x.encode()).decode() for x in (ALICE, PASSWORD["alice"]))
    with Watch(house) as w:
        d = house.dial("msa")
        d.asks("EHLO me.test", "250")
        d.asks(f"AUTH PLAIN {plain}", "235")
        d.close()
        for words in (("AUTH PLAIN", plain), ("AUTH LOGIN", user, password), (f"AUTH LOGIN {user}", password), ("auth  plain", plain)):
            d = house.dial("msa")
            d.asks("EHLO me.test", "250")
            for word in words:
                d.ask(word)
            d.close()
        p, q = house.dial("pop3d"), house.dial("pop3d")
        p.asks(f"USER {ALICE}", "+OK")
        p.asks(f"PASS {PASSWORD['alice']}", "+OK")
        p.asks("QUIT", "+OK")
        q.ask("AUTH PLAIN")
        q.asks(plain, "+OK")
        q.asks("QUIT", "+OK")
        for lines in ([f'a LOGIN "{ALICE}" "{PASSWORD["alice"]}"'], [f"a login {ALICE} {PASSWORD['alice']}"], [f"a AUTHENTICATE PLAIN {plain}"],
                      ["a AUTHENTICATE PLAIN", plain], ["a AUTHENTICATE LOGIN", user, password],
                      [f"a LOGIN {{{len(ALICE)}}}", f"{ALICE} {{{len(PASSWORD['alice'])}}}", PASSWORD["alice"]],
                      [f"a LOGIN {{{len(ALICE)}+}}\r\n{ALICE} {{{len(PASSWORD['alice'])}+}}\r\n{PASSWORD['alice']}"],
                      [f"a LOGIN {ALICE} {PASSWORD['alice']} too much"], [f'a LOGIN {ALICE} "{PASSWORD["alice"]}']):
            d = house.dial("imapd")
            for line in lines:
                d.say(line)
                d.line()
            d.say("z LOGOUT")
            until(lambda d=d: not d.line(), "the end")
            d.close()
        with Liar(offers=("PIPELINING", "AUTH PLAIN LOGIN"), port=house.login_port) as liar:
            house.cli("sendmail", "-i", "-f", ALICE, "far@login.test", input="Subject: x\n\nsecret words out\n")
            until(lambda: liar.letters, "the letter")
        w.wait("AUTH ***", "mta-send", "C")
        w.wait("RCPT TO:<far@login.test>", "mta-send", "C")
        w.wait("PASS ***", "pop3d", "C")
        w.wait("AUTH PLAIN ***", "msa", "C")
        w.wait("***", "imapd", "C")
        until(lambda: w.lines("imapd", "C").count("z LOGOUT") >= 8, "all that was said to imapd")
    raw = w.raw.decode()
    hidden = [*SECRETS, plain, password, base64.b64encode(b"\0me\0sesame").decode(), "secret words"]
    assert not [line for line in raw.splitlines() for h in hidden if h in line or h.encode().hex() in line]


def test_letters_are_octets(house):
    smtp(house, "two", ALICE)
    house.wait_letters(1, "alice")
    with Watch(house) as w:
        p = house.dial("pop3d")
        p.asks(f"USER {ALICE}", "+OK")
        p.asks(f"PASS {PASSWORD['alice']}", "+OK")
        p.asks("RETR 1", "+OK")
        p.multi()
        p.asks("QUIT", "+OK")
        d = house.dial("imapd")
        d.ask(f"a LOGIN {ALICE} {PASSWORD['alice']}")
        d.say("b SELECT INBOX").say("c FETCH 1 BODY.PEEK[]").say("d LOGOUT")
        until(lambda: not d.line(), "the end")
        w.wait("octets", "pop3d", "S")
        assert "{" in w.wait("octets", "imapd", "S")
        w.wait("d OK", "imapd", "S")
    assert b"secret words" not in w.raw


def test_filters(house):
    with Watch(house, "--box", "msa") as box, Watch(house, "--address", "someone@far.test") as address, Watch(house) as everything:
        ids = [smtp(house, "three"), smtp(house, "four")]
        with Watch(house, "--id", ids[1]) as one:
            d = house.dial("msa")
            d.asks("EHLO other.test", "250")
            d.ask("MAIL FROM:<someone@far.test>")
            d.asks("QUIT", "221")
            box.wait("EHLO other.test")
            assert set(o["process"] for o in box.seen) == {"msa"}
            address.wait("someone@far.test")
            assert "EHLO other.test" in address.lines(), "from the beginning of that session"
            assert not [t for t in address.lines() if "x@far.test" in t]
            house.cli("queue", "flush")
            everything.wait(ids[1])
            assert not [o for o in one.seen if ids[0] in json.dumps(o)]


def test_for_people(house):
    with Watch(house, json=False) as w:
        letter = smtp(house, "five")
        until(lambda: "delivered" in w.raw.decode() and f"queued as {letter}" in w.raw.decode(), lambda: w.raw.decode()[-3000:])
    text = w.raw.decode()
    assert "C: MAIL FROM:<x@far.test>" in text and f"S: 250 2.0.0 Ok: queued as {letter}" in text and "\x1b" not in text


def test_two_systems(house):
    with system(users=("bob",), top="workers = 1") as other:
        other.conf.write_text(other.conf.read_text().replace(f"mail.{DOMAIN}", "mail.other.test"))
        other.cli("reload")
        with Watch(house, more=[other]) as w:
            smtp(house, "six")
            smtp(other, "seven")
            until(lambda: {o["system"] for o in w.seen if "XSPOOL" in o["text"]} == {f"mail.{DOMAIN}", "mail.other.test"}, "both")


def test_one_who_does_not_read_holds_nobody_up(house):
    words = [str(house.build / "ctl/posta"), "-c", str(house.conf), "watch"]
    p = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=house.env, cwd="/", **as_user(house.uid))
    try:
        until((house.run / "watch" / str(p.pid)).exists, "the socket to listen on")
        until(lambda: unix_sockets(house.run / "watch" / str(p.pid)) > len(house.pids()), "all processes to tell")
        p.send_signal(signal.SIGSTOP)
        d = house.dial("imapd")
        d.say(f"a LOGIN {ALICE} {PASSWORD['alice']}")
        for i in range(2000):
            d.say(f'n{i} LIST "" "{"x" * 400}%"')
            while not d.line().startswith(b"n"):
                pass
        d.close()
        smtp(house, "eight")
    finally:
        p.kill()
        p.wait()
    # what it left behind goes with the next one
    with Watch(house) as w:
        smtp(house, "nine")
        w.wait("MAIL FROM")
    assert not list((house.run / "watch").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for another user")
def test_strangers_may_not(house):
    r = subprocess.run([str(house.build / "ctl/posta"), "-c", str(house.conf), "watch"], capture_output=True, text=True, user=NOBODY - 1, group=NOBODY - 1,
                       extra_groups=[], cwd="/", timeout=60)
    assert r.returncode == 1 and "only root and the user who runs posta" in r.stderr
    assert (house.run / "watch").stat().st_mode & 0o007 == 0


def test_a_process_that_lies_does_not_reach_the_terminal(house):
    with Watch(house, json=False) as w, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.connect(str(house.run / "watch" / str(w.p.pid)))
        good = {"time": "2026-01-01T00:00:00.000Z", "process": "msa", "pid": 1, "kind": "event", "level": "info", "id": "", "event": "e", "text": "t"}
        line = {**good, "kind": "line", "session": "s-1", "direction": ">"}
        for o in (good, line):
            for name in ("time", "process", "session", "level", "id", "event"):
                s.send(json.dumps({**o, name: "\x1b]0;owned\x07\n"}).encode() + b"\n")
            s.send(json.dumps({**o, "text": "\x1b]0;owned\x07", "event": "the-last"}).encode() + b"\n")
        until(lambda: w.raw.count(b"owned") >= 2 and b"the-last" in w.raw, lambda: f"the last words; there are {w.raw[-500:]}")
    assert b"\x1b" not in w.raw and b"\x07" not in w.raw and w.raw.count(b"owned") == 2, "as \\x1b"
