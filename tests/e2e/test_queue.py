"""The queue by itself, between a sendmail that speaks by hand and an LMTP server that does what the test wants."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from posta import DOMAIN, System, as_user, until

ALICE, BOB, CAROL = f"alice@{DOMAIN}", f"bob@{DOMAIN}", f"carol@{DOMAIN}"
QUICK = "free_bytes = \"1M\" free_inodes = 10 retry_first_seconds = 1 retry_max_seconds = 1"


class Lmtp(threading.Thread):
    """run/mda.sock, or what stands in its place: answers[user] is the reply for that recipient."""

    def __init__(self, path, xspool=True):
        super().__init__(daemon=True)
        self.path, self.xspool = str(path), xspool
        self.answers, self.seen, self.letters, self.conns = {}, [], [], []
        self.hold = threading.Event()
        self.hold.set()
        self.vanish = False  # goes away instead of answering
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.s = socket.socket(socket.AF_UNIX)
        self.s.bind(self.path)
        os.chmod(self.path, 0o666)
        self.s.listen(64)
        self.start()

    def run(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            self.conns.append(c)
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        with contextlib.suppress(OSError, ValueError):
            self.talk(c, c.makefile("rwb"))

    def talk(self, c, f):
        def say(*lines):
            f.write(b"".join(line.encode() + b"\r\n" for line in lines))
            f.flush()
        say("220 fake")
        rcpts, body = [], b""
        for line in f:
            line = line.decode().rstrip("\r\n")
            self.seen.append(line)
            if line.startswith("LHLO"):
                say("250-fake", "250-PIPELINING", "250 XSPOOL") if self.xspool else say("250-fake", "250 8BITMIME")
            elif line.startswith("MAIL"):
                rcpts, body = [], b""
                say("250 ok")
            elif line.startswith("RCPT"):
                rcpts.append(re.search("<([^@>]*)", line).group(1))
                say("250 ok")
            elif line == "DATA" or line.startswith("XSPOOL"):
                if line == "DATA":
                    say("354 go")
                    for part in f:
                        if part == b".\r\n":
                            break
                        body += part
                    self.letters.append(body)
                self.hold.wait(60)
                if self.vanish:
                    c.shutdown(socket.SHUT_RDWR)
                    return
                say(*[self.answers.get(r, "250 2.0.0 fine") for r in rcpts])
            else:
                say("250 ok")

    def stop(self):
        self.s.shutdown(socket.SHUT_RDWR)
        self.s.close()
        for c in self.conns:
            with contextlib.suppress(OSError):
                c.shutdown(socket.SHUT_RDWR)

    def commands(self, word):
        return [line for line in self.seen if line.startswith(word)]


class Unix:
    """A line dialogue with a Unix socket."""

    def __init__(self, path, greet=True):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(60)
        self.s.connect(str(path))
        self.f = self.s.makefile("rwb")
        if greet:
            assert self.hear().startswith("220")

    def hear(self):
        while True:
            line = self.f.readline().decode().rstrip("\r\n")
            if line[3:4] != "-":
                return line

    def ask(self, line):
        self.f.write(line.encode() + b"\r\n")
        self.f.flush()
        return self.hear()

    def close(self):
        self.f.close()
        self.s.close()


def ask_queue(run, command):
    """The objects of the answer of queue.ctl, and its last line."""
    c = Unix(run / "queue.ctl", greet=False)
    c.f.write(command.encode() + b"\n")
    c.f.flush()
    objects = []
    while not (line := c.f.readline().decode().rstrip("\n")).startswith(("OK", "ERR")):
        assert line, "the answer ended in the middle"
        objects.append(json.loads(line))
    c.close()
    return objects, line


class Queue(System):
    """posta-mta-queue alone, with -c."""

    def start_queue(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([str(self.build / "mta/queue/posta-mta-queue"), "-c", str(self.conf)], env=self.env, cwd="/",
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, **as_user(self.uid))
        until(self.serves, lambda: "the queue to serve\n" + self.log()[-2000:])
        return self

    def serves(self):
        assert self.process.poll() is None, self.log()[-3000:]
        with contextlib.suppress(OSError):
            Unix(self.run / "queue.ctl", greet=False).close()
            Unix(self.run / "queue.sock").close()
            return True

    def kill_queue(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def ctl(self, command):
        return ask_queue(self.run, command)

    def list(self):
        return self.ctl("LIST")[0]

    def empty(self):
        until(lambda: not self.list(), lambda: f"an empty queue; there is {self.list()}\n{self.log()[-2000:]}")
        self.drained()

    def submit(self, sender, *rcpts, text="Subject: x\r\n\r\nhello\r\n"):
        """The letter's id."""
        d = Unix(self.run / "queue.sock")
        d.ask("EHLO me.test")
        assert d.ask(f"MAIL FROM:<{sender}>").startswith("250")
        for r in rcpts:
            got = d.ask(f"RCPT TO:{r}" if r.startswith("<") else f"RCPT TO:<{r}>")
            assert got.startswith("250"), got
        assert d.ask("DATA").startswith("354")
        got = d.ask(text + ".")
        d.close()
        return re.fullmatch(r"250 2\.0\.0 Ok: queued as (\S+)", got).group(1)

    def standing(self, address):
        for letter in self.list():
            for r in letter["recipients"]:
                if r["address"] == address:
                    return r["state"]


@contextlib.contextmanager
def queue(tmp_path_factory, limits=QUICK, lmtp=True):
    directory = tmp_path_factory.mktemp("queue")
    for d in (directory, *directory.parents):
        if d != d.parent and d.stat().st_uid == os.geteuid() and d != d.parents[-1]:
            with contextlib.suppress(PermissionError):
                os.chmod(d, d.stat().st_mode | 0o011)
    q = Queue(directory / "s", sections={"limits": limits})
    q.make(users=("alice", "bob", "carol"))
    q.lmtp = Lmtp(q.run / "mda.sock") if lmtp else None
    try:
        yield q.start_queue()
        q.stop()
    except BaseException:
        print("---- log ----\n" + q.log()[-6000:])
        if q.process:
            q.kill_queue()
        raise
    finally:
        if q.lmtp:
            q.lmtp.stop()


@pytest.fixture
def q(tmp_path_factory):
    with queue(tmp_path_factory) as q:
        yield q


def test_handed_over_by_name_and_gone(q):
    i = q.submit(ALICE, BOB)
    q.empty()
    assert q.lmtp.commands("XSPOOL")[0].split()[1] == i
    assert q.lmtp.commands("RCPT") == [f"RCPT TO:<{BOB}>"]
    hops = q.ctl(f"TRACE {i}")[0]
    assert [h["box"] for h in hops] == ["sendmail", "queue", "mda"] and all(h["id"] == i for h in hops)
    assert re.search(f"{i}: queued .*\n(.*\n)*.*{i}: delivered", q.log())


def test_O09_each_recipient_ends_in_its_own_way(q):
    q.lmtp.answers = {"bob": "452 4.2.2 full", "carol": "550 5.1.1 gone"}
    i = q.submit(ALICE, ALICE, BOB, f"carol@{DOMAIN}")
    until(lambda: q.standing(BOB) == "later", "bob to wait")
    until(lambda: f"{i}: bounced to <carol@{DOMAIN}>" in q.log(), "the bounce")
    letter = [x for x in q.list() if x["id"] == i][0]
    assert [r["address"] for r in letter["recipients"]] == [BOB]
    assert letter["recipients"][0]["reply"] == "452 4.2.2 full"
    until(lambda: q.lmtp.commands("MAIL FROM:<>"), "the bounce at alice's")
    q.lmtp.answers = {}
    q.empty()
    assert [c for c in q.lmtp.commands("RCPT") if "carol" in c] == [f"RCPT TO:<carol@{DOMAIN}>"], "tried once"
    assert [c for c in q.lmtp.commands("RCPT") if "alice" in c] == [f"RCPT TO:<{ALICE}>"] * 2, "her letter and the bounce"
    boxes = [h["text"] for h in q.ctl(f"TRACE {i}")[0]]
    assert any(t.startswith("written here, about " + i) for t in boxes), "the bounce's journey is told with the letter's"


def test_a_bounce_returns_the_letter(tmp_path_factory):
    with queue(tmp_path_factory) as q:
        q.lmtp.stop()
        q.lmtp = Lmtp(q.run / "mda.sock", xspool=False)  # one that gets the letters themselves
        q.lmtp.answers = {"bob": "550 5.1.1 no \x07such user"}
        i = q.submit(ALICE, BOB, text="Subject: to bob\r\n\r\nthe text\r\n..dotted\r\n")
        q.empty()
        sent, bounce = q.lmtp.letters
        assert b"\r\n\r\nthe text\r\n..dotted\r\n" in sent
        for want in (b"From: Mail Delivery System <MAILER-DAEMON@mail." + DOMAIN.encode(), b"Status: 5.1.1",
                     b"Diagnostic-Code: smtp; 550 5.1.1 no ", b"Subject: to bob\r\n", b"\r\nthe text\r\n", i.encode()):
            assert want in bounce, bounce.decode()
        assert b"\x07" not in bounce


@pytest.mark.parametrize("notify, told", [("NEVER", False), ("SUCCESS", False), ("FAILURE", True)])
def test_notify_says_who_is_told(q, notify, told):
    q.lmtp.answers = {"bob": "550 5.1.1 gone"}
    q.submit(ALICE, f"<{BOB}> NOTIFY={notify}")
    q.empty()
    assert bool(q.lmtp.commands("MAIL FROM:<>")) == told


def test_what_was_delivered_stays_so_when_the_bounce_cannot_be_written(q):
    """One commit was to say both; the queue starts anew before there was another."""
    q.lmtp.answers = {"bob": "550 5.2.1 no"}
    q.lmtp.hold.clear()
    q.submit(ALICE, BOB, CAROL)
    until(lambda: q.lmtp.commands("XSPOOL"), "the hand-over")
    lanes = list((q.state / "spool/in").iterdir())
    for lane in lanes:
        lane.chmod(0)
    q.lmtp.hold.set()
    until(lambda: "the bounce cannot be written" in q.log() and q.standing(CAROL) is None, "a bounce that fails")
    assert q.ctl("HOLD *")[1] == "OK 1"  # is committed, and with it all before
    q.kill_queue()
    for lane in lanes:
        lane.chmod(0o3730)
    q.start_queue()
    q.ctl("RELEASE *")
    q.empty()
    assert q.lmtp.commands("RCPT").count(f"RCPT TO:<{CAROL}>") == 1


@pytest.mark.parametrize("sender", ["", f"nobody@{DOMAIN}"])
def test_A24_dropped_logged_and_nobody_is_told(q, sender):
    """A letter from <> or from somebody who is not there: no report, to the postmaster neither (whoever can send from <> could fill that mailbox)."""
    q.lmtp.answers = {"bob": "550 5.1.1 gone"}
    i = q.submit(sender, BOB)
    q.empty()
    assert q.lmtp.commands("RCPT") == [f"RCPT TO:<{BOB}>"] and q.ctl("STATUS")[1] == "OK 1"
    assert re.search(f"{i}: bounced to <{BOB}>: 550 5.1.1 gone; nobody is told", q.log())


def test_elsewhere_waits_is_shown_and_expires(tmp_path_factory):
    with queue(tmp_path_factory, QUICK + " queue_life_seconds = 3") as q:
        i = q.submit(ALICE, "far@elsewhere.test", BOB)
        send = Lmtp(q.run / "send.sock")
        send.answers = {"far": "451 4.7.1 host=mx.elsewhere.test ip=192.0.2.7 said=yes : come again"}
        until(lambda: q.standing("far@elsewhere.test") == "later", "the recipient elsewhere to be shown")
        r = q.list()[0]["recipients"][0]
        assert r["reply"] == "451 4.7.1 come again (mx.elsewhere.test[192.0.2.7])" and re.match(r"\d{4}-\d\d-\d\dT", r["next_try"])
        until(lambda: f"{i}: expired to <far@elsewhere.test>" in q.log(), "the end of its life")
        q.empty()
        assert len(q.lmtp.commands("MAIL FROM:<>")) == 1, "alice is told once"
        send.stop()


def test_elsewhere_one_hand_over_a_domain(q):
    send = Lmtp(q.run / "send.sock")
    q.submit(ALICE, "a@one.test", "b@two.test", "c@ONE.test", BOB)
    q.empty()
    assert sorted(c[8:].lower() for c in send.commands("RCPT")) == ["<a@one.test>", "<b@two.test>", "<c@one.test>"]
    assert len(send.commands("XSPOOL")) == 2 and q.lmtp.commands("RCPT") == [f"RCPT TO:<{BOB}>"]
    send.stop()


def test_send_away_is_no_attempt_and_holds_up_nobody(q):
    q.submit(ALICE, "far@elsewhere.test", BOB)
    until(lambda: "send does not take letters" in q.log(), "the queue to notice")
    assert q.lmtp.commands("XSPOOL"), "bob has it"
    send = Lmtp(q.run / "send.sock")
    q.empty()
    assert "deferred" not in q.log()
    send.stop()


def test_mda_away_is_no_attempt(q):
    q.lmtp.stop()
    os.unlink(q.run / "mda.sock")
    i = q.submit(ALICE, BOB)
    until(lambda: "mda does not take letters" in q.log(), "the queue to notice")
    assert "deferred" not in q.log()
    q.lmtp = Lmtp(q.run / "mda.sock")
    q.empty()
    show = q.ctl(f"TRACE {i}")[0]
    assert not [h for h in show if "deferred" in h["text"]]


def test_mda_that_vanishes_with_the_letter_gets_it_again(q):
    q.lmtp.vanish = True
    i = q.submit(ALICE, BOB)
    until(lambda: len(q.lmtp.commands("XSPOOL")) >= 2, "a second try")
    q.lmtp.vanish = False
    q.empty()
    assert {c.split()[1] for c in q.lmtp.commands("XSPOOL")} == {i}


def test_a_letter_that_takes_mda_down_is_put_off(q):
    q.lmtp.vanish = True
    q.submit(ALICE, BOB)
    until(lambda: "deferred to" in q.log(), "the letter to be put off", 30)
    assert "ended while it had the letter" in q.log()
    q.lmtp.vanish = False
    q.empty()


def test_hold_release_delete_and_restart(q):
    q.lmtp.answers = {"bob": "450 4.2.0 busy"}
    i, j = q.submit(ALICE, BOB), q.submit(ALICE, BOB)
    until(lambda: len([x for x in q.list() if x["recipients"][0]["state"] == "later"]) == 2, "both to wait")
    assert q.ctl(f"HOLD {i}")[1] == "OK 1"
    q.kill_queue()
    q.start_queue()
    shown = {x["id"]: x for x in q.list()}
    assert shown[i]["held"] and shown[i]["recipients"][0]["state"] == "held" and not shown[j]["held"]
    assert "450 4.2.0 busy" in shown[i]["recipients"][0]["reply"], "remembered"
    q.lmtp.answers = {}
    until(lambda: [x["id"] for x in q.list()] == [i], "the other one to be delivered")
    assert q.ctl(f"SHOW {i}")[0][0]["head"].endswith("Subject: x\n\n")
    assert q.ctl(f"RELEASE {i}")[1] == "OK 1"
    q.empty()
    k = q.submit(ALICE, "far@elsewhere.test")
    assert q.ctl(f"DELETE {k}")[1] == "OK 1"
    q.empty()
    assert not q.lmtp.commands("MAIL FROM:<>"), "nobody is told"
    assert q.ctl(f"DELETE {k}")[1].startswith("ERR")


def test_delete_while_it_is_being_tried(q):
    q.lmtp.hold.clear()
    q.lmtp.answers = {"bob": "450 4.2.0 busy"}
    send = Lmtp(q.run / "send.sock")
    send.answers = {"far": "451 4.4.1 : nobody answers"}
    i = q.submit(ALICE, BOB, "far@elsewhere.test")
    until(lambda: q.lmtp.commands("XSPOOL") and q.standing("far@elsewhere.test") == "later", "the hand-overs")
    send.stop()
    assert q.ctl(f"DELETE {i}")[1] == "OK 1"
    assert [r["address"] for r in q.list()[0]["recipients"]] == [BOB], "what is under way cannot be called back"
    q.lmtp.hold.set()
    q.empty()
    assert not q.lmtp.commands("MAIL FROM:<>")


def test_what_was_deleted_is_not_tried_again(q):
    """mda goes away with the letter: whether it was delivered is not known, but it is not handed over once more."""
    q.lmtp.hold.clear()
    i = q.submit(ALICE, BOB)
    until(lambda: q.lmtp.commands("XSPOOL"), "the hand-over")
    assert q.ctl(f"DELETE {i}")[1] == "OK 1"
    q.lmtp.vanish = True
    q.lmtp.hold.set()
    q.empty()
    assert len(q.lmtp.commands("XSPOOL")) == 1


def test_retry_and_flush(tmp_path_factory):
    with queue(tmp_path_factory, 'free_bytes = "1M" free_inodes = 10 retry_first_seconds = 3600') as q:
        q.lmtp.answers = {"bob": "450 4.2.0 busy"}
        ids = [q.submit(ALICE, BOB) for _ in range(3)]
        until(lambda: all(x["recipients"][0]["state"] == "later" for x in q.list()), "all to wait for an hour")
        q.lmtp.answers = {}
        assert q.ctl(f"RETRY {ids[1]}")[1] == "OK 1"
        until(lambda: len(q.list()) == 2, "that one to go")
        assert q.ctl("FLUSH")[1] == "OK 2"
        q.empty()
        assert q.ctl("RETRY *")[1] == "OK 0"


def test_a_long_list_is_streamed(q):
    ids = [q.submit(ALICE, "far@elsewhere.test") for _ in range(300)]
    c = Unix(q.run / "queue.ctl", greet=False)
    c.f.write(b"LIST\n" * 20)  # 20 lists of some 60 KiB, and nobody reads
    c.f.flush()
    status, end = q.ctl("STATUS")
    assert status[0]["letters"] == 300 and end == "OK 1"
    assert q.ctl("DELETE *")[1] == "OK 300"
    lists = 0
    while lists < 20:
        line = c.f.readline().decode()
        assert line.startswith(("{", "OK "))
        if line.startswith("OK"):
            lists += 1
        else:
            assert json.loads(line)["id"] in ids
    assert int(line.split()[1]) <= 10, "gone, but for what waits for send just now"
    c.close()
    q.empty()


@pytest.mark.parametrize("line", ["", "NOTHING", "SHOW", "SHOW x", "LIST all", "DELETE ../../x", "HOLD *x", "x" * 5000])
def test_queue_ctl_refuses_politely(q, line):
    assert q.ctl(line)[1].startswith("ERR ")
    assert q.ctl("list")[1] == "OK 0"


def test_who_may_hand_over_by_name(q):
    """The queue's own uid and root may, and what they name must be there."""
    d = Unix(q.run / "queue.sock")
    d.ask("EHLO x")
    d.ask(f"MAIL FROM:<{ALICE}>")
    d.ask(f"RCPT TO:<{BOB}>")
    got = d.ask("XSPOOL 0123456789abcdefghjkmnp 10 via=msa")
    assert got.startswith("554 5.3.0"), got
    for bad in ("XSPOOL", "XSPOOL ../../../etc/passwd 10", "XSPOOL 0123456789abcdefghjkmnp -1"):
        assert d.ask(bad)[0] == "5"
    d.close()
    q.empty()


def test_a_letter_by_name_is_for_all_or_for_none(q):
    """The writer says 451 where somebody was refused, so its client comes again with all of them: nobody may have it by then."""
    i, text = "0123456789abcdefghjkmnp", b"Subject: all or none\n\n"
    path = q.state / "spool/in" / i[-1] / i
    path.write_bytes(text)
    d = Unix(q.run / "queue.sock")
    d.ask("EHLO x")
    for rcpts, reply in (((BOB, f"nobody@{DOMAIN}"), "451 4.3.0"), ((f"nobody@{DOMAIN}", BOB), "451 4.3.0"), ((BOB,), "250 2.0.0")):
        d.ask(f"MAIL FROM:<{ALICE}>")
        for r in rcpts:
            assert d.ask(f"RCPT TO:<{r}>")[:3] == ("250" if r == BOB else "550")
        assert d.ask(f"XSPOOL {i} {len(text)} via=msa").startswith(reply)
        assert path.exists() == (reply[0] == "4"), "what is refused is still the writer's"
    d.close()
    q.empty()
    assert len(q.lmtp.commands("XSPOOL")) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_strangers_may_send_but_not_hand_over(q):
    script = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); f=s.makefile('rwb'); f.readline()\n"
              "for l in sys.argv[2:]:\n f.write(l.encode()+b'\\r\\n'); f.flush(); r=f.readline()\n while r[3:4]==b'-': r=f.readline()\n print(r.decode().strip())")
    os.chmod(q.dir, 0o755), os.chmod(q.run, 0o755)
    r = subprocess.run(["python3", "-c", script, str(q.run / "queue.sock"), "EHLO x", f"MAIL FROM:<{ALICE}> AUTH=root@{DOMAIN}", f"RCPT TO:<{BOB}>",
                        "XSPOOL 0123456789abcdefghjkmnp 10"], capture_output=True, text=True, user=12345, group=12345, extra_groups=[])
    assert r.stdout.splitlines()[-1].startswith("550 5.7.1") and "12345" in r.stdout, r.stdout + r.stderr
    r = subprocess.run(["python3", "-c", script, str(q.run / "queue.ctl")],
                       capture_output=True, text=True, user=12345, group=12345, extra_groups=[])
    assert r.returncode != 0 or "ERR" in r.stdout, "queue.ctl is closed to strangers"


def test_X01_killed_at_any_moment_nothing_is_lost(q):
    """What got 250 is handed over at least once by the time the queue is empty; the spool is clean."""
    taken = set()
    for n in range(12):
        over = threading.Event()

        def send():
            with contextlib.suppress(OSError, AttributeError, AssertionError, TypeError):
                while not over.is_set():
                    taken.add(q.submit(ALICE, BOB, "far@elsewhere.test"))
        threads = [threading.Thread(target=send) for _ in range(4)]
        before = len(taken)
        for t in threads:
            t.start()
        until(lambda: len(taken) >= before + 3 + 5 * n, "letters to flow")
        q.kill_queue()
        over.set()
        for t in threads:
            t.join()
        q.start_queue()
    until(lambda: taken <= {c.split()[1] for c in q.lmtp.commands("XSPOOL")}, "each letter to be handed over")
    until(lambda: all([r["address"] for r in x["recipients"]] == ["far@elsewhere.test"] for x in q.list()), "bob's to end")
    assert taken <= {x["id"] for x in q.list()}
    assert q.ctl("DELETE *")[1].startswith("OK")
    q.empty()


def test_stops_while_mda_hangs(q):
    q.lmtp.hold.clear()
    q.submit(ALICE, BOB)
    until(lambda: q.lmtp.commands("XSPOOL"), "the hand-over")
    q.process.send_signal(signal.SIGTERM)
    assert q.process.wait(30) == 0
    q.lmtp.hold.set()
    q.start_queue()
    q.empty()


def test_a_second_queue_is_refused(q):
    r = subprocess.run([str(q.build / "mta/queue/posta-mta-queue"), "-c", str(q.conf)], env=q.env, cwd="/", capture_output=True,
                       text=True, timeout=60, **as_user(q.uid))
    assert r.returncode == 1
    q.submit(ALICE, BOB)
    q.empty()


def test_full_queue_says_452(tmp_path_factory):
    with queue(tmp_path_factory, 'free_bytes = "1M" free_inodes = 10 queue_letters = 2') as q:
        for _ in range(2):
            q.submit(ALICE, "far@elsewhere.test")
        d = Unix(q.run / "queue.sock")
        d.ask("EHLO x")
        assert d.ask(f"MAIL FROM:<{ALICE}>").startswith("452 4.3.1")
        q.ctl("DELETE *")
        until(lambda: d.ask(f"MAIL FROM:<{ALICE}>").startswith("250"), "room, when send is waited for no longer")
        d.close()
