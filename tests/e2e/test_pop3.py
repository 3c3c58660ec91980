"""POP3 against the running program: the dialogues of tests/transcripts, and the rows that need a disk, a crash or another box."""
import itertools
import os
import re
import signal
import socket
import threading
import time

import pytest

from posta import DOMAIN, PASSWORD, PATIENCE, ROOT, Dialogue, system, until
from test_transcripts import LIMITS, Player, play, unescape

FILES = sorted(f for f in (ROOT / "tests/transcripts").glob("pop3-*.txt") if "\n@memory" not in "\n" + f.read_text())
ALICE = "alice@" + DOMAIN
NAMES = itertools.count()  # a Maildir never uses a name again


def put(posta, user, letters):
    """These letters, in this order, and no others."""
    d = posta.maildir(user)
    for sub in ("cur", "new", "tmp"):
        (d / sub).mkdir(parents=True, exist_ok=True)
    for f in posta.letters(user):
        f.unlink()
    for i, text in enumerate(letters):
        (d / "new" / f"{1700000000 + i}.M{next(NAMES)}P1.elsewhere").write_bytes(text)
    if posta.uid:
        for f in [d.parent, d, *d.rglob("*")]:
            os.chown(f, posta.uid, posta.uid)


def pop3(posta, user="alice", tls=True, password=None):
    d = posta.dial("pop3d_tls" if tls else "pop3d", tls=tls)
    d.asks(f"USER {user}@{DOMAIN}", "+OK")
    d.asks(f"PASS {password or PASSWORD[user]}", "+OK")
    return d


class PopPlayer(Player):
    def __init__(self, posta, cut):
        super().__init__(posta, cut)
        self.door, self.letters, self.collecting = "pop3d", [], False
        put(posta, "alice", [])

    def expect(self, exact, text):
        self.flush()
        self.connect()
        got = self.d.line().decode("latin-1")
        assert got == text if exact else got.startswith(text), f"wanted {text!r}, got {got!r}"

    def connect(self):
        if self.letters:
            put(self.posta, "alice", self.letters)
            self.letters = []
        super().connect()

    def directive(self, words):
        if words[0] == "@letter":
            self.letters.append(b"")
        elif words[0] == "@remain":
            self.flush()
            until(lambda: len(self.posta.letters("alice")) == len(words) - 1, "letters that remain")
        else:
            super().directive(words)

    def line(self, raw):
        m = re.match(r"L([:>])(?: (.*))?$", raw)
        if m:
            self.letters[-1] += unescape(m.group(2) or "") + (b"\n" if m.group(1) == ":" else b"")
        else:
            super().line(raw)


@pytest.fixture(scope="module")
def house():
    with system(sections={"limits": LIMITS}) as plain, \
            system(sections={"limits": LIMITS, "lab": "clear_auth = true"}) as lab:
        yield {"plain": plain, "lab": lab}


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "bytes"])
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_dialogue(house, path, cut):
    play(PopPlayer(house["lab" if "clear_auth" in path.read_text() else "plain"], cut), path)


def test_there_are_dialogues():
    assert len(FILES) >= 8


def test_p05_disconnect_without_quit(house):
    posta = house["plain"]
    put(posta, "alice", [b"Subject: 1\n\n1\n", b"Subject: 2\n\n2\n"])
    d = pop3(posta)
    d.asks("DELE 1", "+OK")
    d.close()
    d = until(lambda: try_login(posta), "the maildrop is free again")
    d.asks("STAT", "+OK 2 ")
    d.asks("QUIT", "+OK")
    assert len(posta.letters("alice")) == 2


def try_login(posta):
    d = posta.dial("pop3d_tls", tls=True)
    d.asks(f"USER {ALICE}", "+OK")
    if d.ask(f"PASS {PASSWORD['alice']}").startswith("+OK"):
        return d
    d.close()
    return None


def test_p06_killed_during_update(house):
    """kill -9 around QUIT: each letter is there whole or gone, and the next session is served."""
    posta = house["plain"]
    text = b"Subject: x\n\n" + b"line\n" * 100
    for round_ in range(6):
        put(posta, "alice", [text] * 50)
        d = pop3(posta)
        for i in range(1, 51, 2):
            d.asks(f"DELE {i}", "+OK")
        d.say("QUIT")
        if round_ % 2:
            d.hear()
        for pid in posta.pids("posta-pop3d"):
            os.kill(pid, signal.SIGKILL)
        d.close()
        left = posta.letters("alice")
        assert 25 <= len(left) <= 50 and all(f.read_bytes() == text for f in left)
        if round_ % 2:
            assert len(left) == 25, "an answered QUIT is final"
        d = until(lambda: reconnect(posta), "pop3d comes back")
        d.asks("STAT", f"+OK {len(left)} ")
        d.asks("QUIT", "+OK")


def reconnect(posta):
    try:
        return try_login(posta)
    except (OSError, AssertionError):
        return None


def uidls(posta):
    d = pop3(posta)
    d.asks("UIDL", "+OK")
    lines = [line.split()[1] for line in d.multi()]
    d.asks("QUIT", "+OK")
    return lines


def test_p07_uidl_survives(house):
    """Flags, new/ to cur/, and the loss of index.db change no UIDL."""
    posta = house["plain"]
    put(posta, "alice", [b"Subject: %d\n\n" % i for i in range(5)])
    before = uidls(posta)
    assert len(set(before)) == 5
    d = posta.maildir("alice")
    for i, f in enumerate(sorted((d / "new").iterdir())):
        f.rename(d / "cur" / (f.name + ":2," + "FS"[:i % 3]))
    assert uidls(posta) == before
    for f in d.glob("index.db*"):
        f.unlink()
    assert uidls(posta) == before


def test_p08_second_session(house):
    posta = house["plain"]
    put(posta, "alice", [b"Subject: 1\n\n"])
    first = pop3(posta)
    second = posta.dial("pop3d_tls", tls=True)
    second.asks(f"USER {ALICE}", "+OK")
    second.asks(f"PASS {PASSWORD['alice']}", "-ERR [IN-USE]")
    first.asks("QUIT", "+OK")
    second.asks(f"USER {ALICE}", "+OK")
    second.asks(f"PASS {PASSWORD['alice']}", "+OK")
    second.asks("QUIT", "+OK")


def test_long_letters_and_many(house):
    """Letters of many pieces and runs of small ones come byte by byte as they are."""
    posta = house["plain"]
    sizes = [0, 1, 65535, 65536, 65537, 131072, 1 << 20, 10, 20, 30, 65000, 600, 70000, 40]
    letters = [(b"Subject: %d\n\n" % i + b"0123456789abcde\n" * (n // 16 + 1))[:n] for i, n in enumerate(sizes)]
    put(posta, "alice", letters)
    d = pop3(posta)
    for again in range(2):
        for i, text in enumerate(letters):
            d.asks(f"RETR {i + 1}", "+OK")
            got = b"".join(line + b"\n" for line in d.multi())
            assert got == text if not text or text.endswith(b"\n") else got == text + b"\n", f"letter {i + 1}"
    d.asks("QUIT", "+OK")


def test_a_client_that_does_not_read(house):
    """It is not read from, and holds no more than buffers."""
    posta = house["plain"]
    put(posta, "alice", [b"Subject: 1\n\n" + b"x" * 70 + b"\n" * 1000000])
    d = pop3(posta)
    pid = {p: memory(p) for p in posta.pids("posta-pop3d")}
    d.send(b"RETR 1\r\n" * 200)
    other = posta.dial("pop3d_tls", tls=True)
    other.asks("CAPA", "+OK")
    assert all(memory(p) - before < 64 << 10 for p, before in pid.items())
    d.close()
    other.close()


def memory(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1))


@pytest.mark.parametrize("damage", ["zeroed", "cut", "longer"])
def test_X32_a_broken_letter_is_sent_as_it_is(posta, damage):
    """With an alarm, once a session; and the letters beside it are untouched."""
    text = b"Subject: x\n\n" + b"a line\n" * 100
    put(posta, "alice", [text] * 3)
    broken = sorted(posta.letters("alice"))[1]
    broken = broken.rename(f"{broken},S={len(text)},W={len(text) + text.count(10)}")
    is_now = {"zeroed": bytes(len(text)), "cut": text[:len(text) // 2], "longer": text + b"more\n"}[damage]
    broken.write_bytes(is_now)
    log = len(posta.log())
    d = pop3(posta)
    for _ in range(2):
        d.asks("RETR 2", "+OK")
        assert b"\n".join(d.multi()).rstrip(b"\n") == is_now.rstrip(b"\n")
    for n in (1, 3):
        d.asks(f"RETR {n}", "+OK")
        assert b"\n".join(d.multi()) == text.rstrip(b"\n")
    d.asks("QUIT", "+OK")
    alarms = [line for line in posta.log()[log:].splitlines() if " damaged " in line]
    assert len(alarms) == 1 and "alice" in alarms[0] and broken.name.split(",")[0] in alarms[0], alarms
    assert sum(p["counters"]["damaged"] for p in posta.json("status")["processes"] if p["process"] == "posta-pop3d") >= 1


def test_u07_the_delay_grows_and_ends_elsewhere():
    limits = "auth_failures_per_minute = 2 auth_delay_ms_max = 2000"
    with system(sections={"limits": limits}) as posta:
        took = []
        for _ in range(6):
            d = posta.dial("pop3d_tls", tls=True)
            d.asks(f"USER {ALICE}", "+OK")
            start = time.monotonic()
            d.asks("PASS wrong", "-ERR [AUTH]")
            took.append(time.monotonic() - start)
            d.close()
        assert took[5] > 1 and took[5] > 2 * took[0], took
        # who knows the password is not kept waiting
        start = time.monotonic()
        pop3(posta).asks("QUIT", "+OK")
        assert time.monotonic() - start < took[5]


def test_x22_authd_down(house):
    """Logins are told to try again; sessions that are in go on; authd comes back and so do logins."""
    posta = house["plain"]
    put(posta, "alice", [b"Subject: 1\n\n"])
    d = pop3(posta)
    (pid,) = posta.pids("posta-authd")
    os.kill(pid, signal.SIGSTOP)
    try:
        d.asks("RETR 1", "+OK")
        d.multi()
    finally:
        os.kill(pid, signal.SIGKILL)
    other = posta.dial("pop3d_tls", tls=True)
    other.asks(f"USER bob@{DOMAIN}", "+OK")
    other.say(f"PASS {PASSWORD['bob']}")
    got = other.hear()
    assert got.startswith(("-ERR [SYS/TEMP]", "+OK")), got
    d.asks("QUIT", "+OK")
    other.close()
    until(lambda: reconnect(posta), "authd comes back").asks("QUIT", "+OK")


def test_a_changed_password_counts_at_once(house):
    posta = house["plain"]
    pop3(posta, "bob").asks("QUIT", "+OK")
    posta.cli("user", "passwd", f"bob@{DOMAIN}", "--password-stdin", input="another one\n")
    d = posta.dial("pop3d_tls", tls=True)
    d.asks(f"USER bob@{DOMAIN}", "+OK")
    d.asks(f"PASS {PASSWORD['bob']}", "-ERR [AUTH]")
    d.close()
    pop3(posta, "bob", password="another one").asks("QUIT", "+OK")
    posta.cli("user", "passwd", f"bob@{DOMAIN}", "--password-stdin", input=PASSWORD["bob"] + "\n")


def test_u16_one_users_password_is_nobody_elses(house):
    posta = house["plain"]
    pop3(posta, "alice").asks("QUIT", "+OK")
    d = posta.dial("pop3d_tls", tls=True)
    d.asks(f"USER bob@{DOMAIN}", "+OK")
    d.asks(f"PASS {PASSWORD['alice']}", "-ERR [AUTH]")
    d.close()


def test_u19_no_secret_in_the_log(house):
    for posta in house.values():
        log = posta.log()
        assert not [p for p in PASSWORD.values() if p in log]


def test_many_at_once(house):
    """Logins with right and wrong passwords from many connections, all answered."""
    posta = house["plain"]
    answers = []

    def one(i):
        d = posta.dial("pop3d_tls", tls=True)
        d.asks(f"USER bob@{DOMAIN}", "+OK")
        answers.append((i % 2, d.ask("PASS " + (PASSWORD["bob"] if i % 2 else "wrong"))))
        d.close()
    threads = [threading.Thread(target=one, args=(i,)) for i in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(PATIENCE)
    assert len(answers) == 40
    for right, words in answers:
        assert words.startswith(("+OK", "-ERR [IN-USE]") if right else "-ERR [AUTH]"), words


def test_f04_strangers_at_auth_sock(house):
    """What is no request ends the connection, and authd lives."""
    posta = house["plain"]
    for noise in (b"\0" * 100 + b"\n", b"AUTH\n", b"x" * 100000, b"CONT\t1\tQQ==\n", b"AUTH\t1\tsmtp\tLOGIN\t-\t-\t-\ttls\t-\n" * 2):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(PATIENCE)
        s.connect(str(posta.run / "auth.sock"))
        try:
            s.sendall(noise)
            while s.recv(65536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
        s.close()
    pop3(posta).asks("QUIT", "+OK")


def test_dialogue_ends_are_seen(house):
    """A client that vanishes in the middle of AUTH leaves nothing open."""
    posta = house["plain"]
    for _ in range(20):
        d = posta.dial("pop3d_tls", tls=True)
        d.asks("AUTH PLAIN", "+ ")
        d.close()
    assert isinstance(d, Dialogue)
    until(lambda: authd_open(posta) == 0, "no exchange is open")


def authd_open(posta):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(PATIENCE)
    s.connect(str(posta.run / "auth.sock"))
    s.sendall(b"STATUS\t1\n")
    answer = s.recv(4096).decode()
    s.close()
    return int(re.search(r"open=(\d+)", answer).group(1))
