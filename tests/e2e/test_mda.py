"""posta-mda by hand: LMTP over TCP as others speak it, and on mda.sock as the queue does."""
import os
import re
import socket
import subprocess
import sys
import threading

import pytest

from posta import DOMAIN, PATIENCE, as_user, system, until


@pytest.fixture(scope="module")
def house():
    with system(users=("alice", "bob", "carol")) as posta:
        posta.cli("alias", "add", f"both@{DOMAIN}", f"alice@{DOMAIN}", f"bob@{DOMAIN}")
        posta.cli("alias", "add", f"away@{DOMAIN}", f"alice@{DOMAIN}", "x@elsewhere.test")
        yield posta


def lmtp(posta):
    d = posta.dial("lmtp")
    d.asks("LHLO client.test", "250")
    return d


def send(d, to, text, sender="x@elsewhere.test"):
    """The replies to RCPT and, for those that were accepted, to the letter."""
    d.asks(f"MAIL FROM:<{sender}>", "250")
    rcpts = [d.ask(f"RCPT TO:<{t}>") for t in to]
    good = sum(r.startswith("250") for r in rcpts)
    if not good:
        d.asks("RSET", "250")
        return rcpts, []
    d.asks("DATA", "354")
    d.send(re.sub(r"(?m)^\.", "..", text).replace("\n", "\r\n").encode("latin-1") + b".\r\n")
    return rcpts, [d.hear() for _ in range(good)]


def texts(posta, user, mark):
    return [t for t in (f.read_bytes().decode("latin-1") for f in posta.letters(user)) if f"Subject: {mark}\n" in t]


def test_a_letter_as_it_lies_there(house):
    """M14: what was forged goes, what we know stands on top, the rest is as it was."""
    text = "Return-Path: <forged@x>\n\tand on\nSubject: whole\nDelivered-To: other@x\n\n.dot\n..\n\xe4\n"
    rcpts, done = send(lmtp(house), [f"alice+Detail@{DOMAIN}"], text)
    assert done == [f"250 2.1.5 Delivered to alice+Detail@{DOMAIN}"], (rcpts, done)
    (got,) = texts(house, "alice", "whole")
    assert got == (f"Return-Path: <x@elsewhere.test>\nDelivered-To: alice+Detail@{DOMAIN}\n"
                   "Subject: whole\nDelivered-To: other@x\n\n.dot\n..\n\xe4\n")
    name = [f.name for f in house.letters("alice") if "Subject: whole\n" in f.read_text("latin-1")][0]
    m = re.fullmatch(r"(\d+)\.([0-9a-z]{23})\.mail\.example\.test,S=(\d+),W=(\d+)", name)
    assert m and int(m[3]) == len(got) and int(m[4]) == len(got) + got.count("\n")
    assert re.search(rf"{m[2]}: delivered to alice@{DOMAIN} ", house.log())


def test_a_reply_for_each(house):
    rcpts, done = send(lmtp(house), [f"alice@{DOMAIN}", f"nobody@{DOMAIN}", "x@elsewhere.test", "Postmaster", f"BOB@{DOMAIN}"], "Subject: each\n\n")
    assert [r[:9] for r in rcpts] == ["250 2.1.5", "550 5.1.1", "550 5.1.1", "250 2.1.5", "250 2.1.5"]
    assert [r[:9] for r in done] == ["250 2.1.5"] * 3
    assert len(texts(house, "alice", "each")) == 1  # postmaster is alice, who gets it once
    assert len(texts(house, "bob", "each")) == 1


def test_aliases_as_far_as_they_are_local(house):
    rcpts, done = send(lmtp(house), [f"both@{DOMAIN}", f"away@{DOMAIN}"], "Subject: alias\n\n")
    assert rcpts[0].startswith("250") and rcpts[1].startswith("550 5.7.1"), rcpts
    assert [r[:9] for r in done] == ["250 2.1.5"]
    assert len(texts(house, "alice", "alias")) == len(texts(house, "bob", "alias")) == 1


def test_A26_a_letter_that_comes_back(house):
    _, done = send(lmtp(house), [f"alice@{DOMAIN}"], f"Subject: loop\nDelivered-To: ALICE@{DOMAIN}\n\n")
    assert done[0].startswith("554 5.4.6")
    assert not texts(house, "alice", "loop")


def test_A22_detail_is_never_a_path(house):
    before = len(house.letters("bob"))
    details = ["/x", "%2e%2e", "x" * 55]
    for detail in details:
        _, done = send(lmtp(house), [f"bob+{detail}@{DOMAIN}"], "Subject: detail\n\n")
        assert done and done[0].startswith("250"), detail
    assert len(house.letters("bob")) == before + len(details)
    d = lmtp(house)
    d.asks("MAIL FROM:<x@elsewhere.test>", "250")
    for path in ('"bob+../../x"', '"../bob"', '"bob/../alice"', "/etc/passwd"):
        assert d.ask(f"RCPT TO:<{path}@{DOMAIN}>")[:3] in ("250", "550"), path
    assert {p.name for p in (house.state / "mail" / DOMAIN).iterdir()} <= {"alice", "bob", "carol"}


def test_full_mailbox(house):
    """X05: refused at the letter's end when that is when we know, and then at RCPT."""
    house.cli("user", "quota", f"carol@{DOMAIN}", "--letters", "2")
    d = lmtp(house)

    def refused():
        rcpts, done = send(lmtp(house), [f"carol@{DOMAIN}"], "Subject: full\n\n")
        return (rcpts + done)[-1].startswith("452 4.2.2")
    until(refused, "452 4.2.2 when carol has two letters")  # mda looks at the accounts once a second
    n = len(house.letters("carol"))
    assert n >= 2 and refused() and len(house.letters("carol")) == n
    d.asks("MAIL FROM:<x@elsewhere.test>", "250")
    d.asks(f"RCPT TO:<carol@{DOMAIN}>", "452 4.2.2")
    for f in house.letters("carol")[1:]:
        f.unlink()
    until(lambda: not refused(), "room again")
    assert len(house.letters("carol")) == 2


def test_long_letters(house):
    text = "Subject: long\n\n" + "".join(f"{i:060}\n" for i in range(60000))
    _, done = send(lmtp(house), [f"alice@{DOMAIN}", f"bob@{DOMAIN}"], text)
    assert [r[:3] for r in done] == ["250", "250"]
    for user in ("alice", "bob"):
        (got,) = texts(house, user, "long")
        assert got == f"Return-Path: <x@elsewhere.test>\nDelivered-To: {user}@{DOMAIN}\n{text}"
        sizes_tell_the_truth(house, user)


def sizes_tell_the_truth(house, user):
    for f in house.letters(user):
        m = re.search(r",S=(\d+),W=(\d+)", f.name)
        data = f.read_bytes()
        assert (int(m[1]), int(m[2])) == (len(data), len(data) + data.count(b"\n")), f


def test_long_letters_with_headings_to_clean(house):
    """Where the letter is written straight into its place."""
    body = "x" * 70 + "\n"
    forged = "Return-Path: <forged@x>\nSubject: cleaned\n\n" + body * 8000
    _, done = send(lmtp(house), [f"bob@{DOMAIN}"], forged)
    assert done[0].startswith("250")
    (got,) = texts(house, "bob", "cleaned")
    assert got == f"Return-Path: <x@elsewhere.test>\nDelivered-To: bob@{DOMAIN}\n" + forged.split("\n", 1)[1]
    _, done = send(lmtp(house), [f"bob@{DOMAIN}", f"alice@{DOMAIN}"], f"Subject: loops\nDelivered-To: bob@{DOMAIN}\n\n" + body * 8000)
    assert [r[:9] for r in done] == ["554 5.4.6", "250 2.1.5"]
    assert not texts(house, "bob", "loops") and len(texts(house, "alice", "loops")) == 1
    long_header = "Subject: longhead\n" + "".join(f"X-{i}: {body}" for i in range(5000)) + "Return-Path: <forged@x>\n\n" + body
    _, done = send(lmtp(house), [f"bob@{DOMAIN}"], long_header)
    assert done[0].startswith("250")
    (got,) = texts(house, "bob", "longhead")
    assert "forged" not in got and got.count("X-") == 5000
    sizes_tell_the_truth(house, "bob")


def test_a_client_that_goes_away_leaves_nothing(house):
    def descriptors():
        return len(os.listdir(f"/proc/{house.pids('posta-mda')[0]}/fd"))
    before = len(house.letters("alice"))
    for n in (0, 10, 300_000):
        d = lmtp(house)
        d.asks("MAIL FROM:<x@elsewhere.test>", "250")
        d.asks(f"RCPT TO:<alice@{DOMAIN}>", "250")
        d.asks("DATA", "354")
        d.send(b"x" * n)
        d.close()
    d = lmtp(house)
    send(d, [f"bob@{DOMAIN}"], "Subject: after\n\n")
    until(lambda: descriptors() <= 64, "the temporary file to be closed")
    assert len(house.letters("alice")) == before


def test_changes_are_announced(house):
    directory = house.run / "change"
    directory.mkdir(exist_ok=True)
    os.chmod(directory, 0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        path = directory / "test"
        s.bind(str(path))
        os.chmod(path, 0o777)
        s.settimeout(PATIENCE)
        send(lmtp(house), [f"alice@{DOMAIN}"], "Subject: announced\n\n")
        assert s.recv(4096) == f"mail/{DOMAIN}/alice\tINBOX\t0\n".encode()
        path.unlink()


# ---- mda.sock ----

HAND_OVER = r"""
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(sys.argv[1])
f = s.makefile("rb")
def hear():
    while True:
        line = f.readline().decode()
        print(line.strip(), flush=True)
        if line[3:4] != "-":
            return
hear()
for line in sys.stdin.read().splitlines():
    s.sendall(line.encode() + b"\r\n")
    hear()
"""


def talk(posta, lines, uid):
    r = subprocess.run([sys.executable, "-c", HAND_OVER, str(posta.run / "mda.sock")], input="\n".join(lines), capture_output=True, text=True,
                       timeout=PATIENCE, cwd="/", **as_user(uid))
    assert r.returncode == 0, r.stderr
    return r.stdout.splitlines()


def spooled(posta, letter_id, text):
    path = posta.state / "spool/msg" / letter_id
    path.write_bytes(text.encode())
    if posta.uid:
        os.chown(path, posta.uid, posta.uid)
    return path


def hand_over(posta, letter_id, size, to=("alice",)):
    lines = ["LHLO queue", "MAIL FROM:<x@elsewhere.test>", *[f"RCPT TO:<{t}@{DOMAIN}>" for t in to], f"XSPOOL {letter_id} {size} via=queue"]
    return talk(posta, lines, posta.uid)


def test_hand_over_and_once_more(house):
    text = "Subject: spooled\n\nhello\n"
    path = spooled(house, "01m82kt5fk0g1r60m2060g1", text)
    for _ in range(3):
        assert hand_over(house, path.name, len(text))[-1].startswith("250 2.1.5")
    assert len(texts(house, "alice", "spooled")) == 1
    done = list((house.state / "mail/.deliver").glob(path.name + ".*.done"))
    assert len(done) == 1
    path.unlink()
    until(lambda: not done[0].exists(), "the witness to go when the letter has gone from the spool")


def test_hand_over_once_more_into_a_mailbox_that_it_filled(house):
    """What was delivered is 250 when it comes again, also when there would be no room for it now."""
    text = "Subject: the last one\n\n"
    path = spooled(house, "01m82kt5fk0g1r60m2060g4", text)
    assert hand_over(house, path.name, len(text), ("bob",))[-1].startswith("250 2.1.5")
    house.cli("user", "quota", f"bob@{DOMAIN}", "--letters", "1")

    def full():
        rcpts, done = send(lmtp(house), [f"bob@{DOMAIN}"], "Subject: full\n\n")
        return (rcpts + done)[-1].startswith("452 4.2.2")
    until(full, "a full mailbox")
    assert hand_over(house, path.name, len(text), ("bob",))[-1].startswith("250 2.1.5")
    path.unlink()
    assert len(texts(house, "bob", "the last one")) == 1
    house.cli("user", "quota", f"bob@{DOMAIN}", "0", "--letters", "0")
    until(lambda: not full(), "room again")


def test_hand_over_of_what_is_not_there(house):
    assert hand_over(house, "01m82kt5fk0g1r60m2060g2", 5)[-1].startswith("451 4.3.0")
    path = spooled(house, "01m82kt5fk0g1r60m2060g3", "Subject: size\n\n")
    assert hand_over(house, path.name, 5)[-1].startswith("451 4.3.0")
    path.unlink()
    assert not texts(house, "alice", "size")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_strangers_may_not_hand_over(house):
    os.chmod(house.run / "mda.sock", 0o777)
    text = "Subject: stranger\n\n"
    path = spooled(house, "01m82kt5fk0g1r60m2060g4", text)
    lines = ["LHLO x", "MAIL FROM:<>", f"RCPT TO:<alice@{DOMAIN}>", f"XSPOOL {path.name} {len(text)}"]
    heard = talk(house, lines, 65533)
    assert not any("XSPOOL" in h for h in heard[:8])
    assert heard[-1].startswith("5"), heard
    assert "uid 65533" in house.log()
    path.unlink()


def test_F04_noise_on_the_socket(house):
    os.chmod(house.run / "mda.sock", 0o777)
    for noise in (os.urandom(5000), b"\0" * 100, b"\r\n" * 1000, b"LHLO x\r\nMAIL FROM:<\r\n" + b"x" * 100000):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(house.run / "mda.sock"))
            try:
                s.sendall(noise)
            except OSError:
                pass
    assert send(lmtp(house), [f"alice@{DOMAIN}"], "Subject: noise\n\n")[1][0].startswith("250")


def test_many_at_once(house):
    """Deliveries share their flushes; none is lost, none is mixed up."""
    failed = []

    def one(k):
        d = lmtp(house)
        for i in range(25):
            if not send(d, [f"{'alice' if k % 2 else 'bob'}@{DOMAIN}"], f"Subject: many{k}.{i}\n\n")[1][0].startswith("250"):
                failed.append((k, i))
    threads = [threading.Thread(target=one, args=(k,)) for k in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed
    for k in range(20):
        for i in range(25):
            assert len(texts_of(house, k, i)) == 1


def texts_of(house, k, i, cache={}):
    """The letters of one thread: read once."""
    user = "alice" if k % 2 else "bob"
    if user not in cache:
        cache[user] = [f.read_text("latin-1") for f in house.letters(user)]
    return [t for t in cache[user] if f"Subject: many{k}.{i}\n" in t]


def test_a_second_mda_is_refused(house):
    r = subprocess.run([str(house.build / "mda/posta-mda"), "-c", str(house.conf)], capture_output=True, text=True, timeout=PATIENCE, env=house.env, cwd="/",
                       **as_user(house.uid))
    assert r.returncode != 0
