"""kill -9 of each process in turn while letters flow: each acknowledged letter is in exactly one mailbox copy (X01).

POSTA_SOAK_LETTERS and POSTA_SOAK_KILLS set the amount; the test goes on until both are reached.
"""
import base64
import collections
import itertools
import os
import re
import signal
import ssl
import threading

from posta import DOMAIN, PASSWORD, alive, system, until

LETTERS = int(os.environ.get("POSTA_SOAK_LETTERS", 2000))
KILLS = int(os.environ.get("POSTA_SOAK_KILLS", 200))
SENDERS = 8
ROUNDS = 8
VICTIMS = ("posta-mta-queue", "posta-mta-send", "posta-mda", "posta-mta-receive", "posta-msa", "posta-authd", "posta-imapd", "posta-pop3d")


class Flow:
    """Senders that each try one letter after another; what was acknowledged, and what may or may not have been taken."""

    def __init__(self, posta, name="soak"):
        self.name = name
        self.posta, self.lock, self.over = posta, threading.Lock(), threading.Event()
        self.acknowledged, self.unsure = [], []
        self.numbers = itertools.count()
        self.threads = [threading.Thread(target=self.send_all, args=(n,), daemon=True) for n in range(SENDERS)]
        for t in self.threads:
            t.start()

    def send_all(self, n):
        while not self.over.is_set():
            try:
                d = self.connect(submit=n % 2 == 0)
                while not self.over.is_set() and self.one(d):
                    pass
                d.close()
            except (OSError, ssl.SSLError, AssertionError):
                continue  # the process was killed under us: a new connection

    def connect(self, submit):
        d = self.posta.dial("msa" if submit else "mta")
        d.asks("EHLO soak.test", "250")
        if submit:
            d.starttls(self.posta.tls_context())
            d.asks("EHLO soak.test", "250")
            d.asks("AUTH PLAIN " + base64.b64encode(f"\0alice@{DOMAIN}\0{PASSWORD['alice']}".encode()).decode(), "235")
        return d

    def one(self, d):
        with self.lock:
            mark = f"{self.name}-{next(self.numbers):06d}"
        d.asks(f"MAIL FROM:<alice@{DOMAIN}>", "250")
        d.asks(f"RCPT TO:<bob@{DOMAIN}>", "250")
        d.asks("DATA", "354")
        with self.lock:
            self.unsure.append(mark)
        got = d.ask(f"Subject: soak\r\nX-Mark: {mark}\r\n\r\n{'x' * 2000}\r\n.")
        with self.lock:
            if got.startswith("250"):
                self.unsure.remove(mark)
                self.acknowledged.append(mark)
        return got.startswith("250")

    def end(self):
        self.over.set()
        for t in self.threads:
            t.join(120)
            assert not t.is_alive()


def copies(posta):
    count = collections.Counter()
    for f in posta.letters("bob"):
        m = re.search(r"^X-Mark: (\S+)$", f.read_text(), re.M)
        assert m, f"{f.name} is not a whole letter"
        count[m.group(1)] += 1
    return count


def test_X01_each_process_killed_in_turn():
    with system() as posta:
        flow = Flow(posta)
        kills = collections.Counter()
        for victim in itertools.cycle(VICTIMS):
            if sum(kills.values()) >= KILLS and len(flow.acknowledged) >= LETTERS:
                break
            if sum(kills.values()) < KILLS:
                before = len(flow.acknowledged)
                pid = until(lambda: posta.pids(victim), f"a running {victim}")[0]
                os.kill(pid, signal.SIGKILL)
                until(lambda: not alive(pid), f"end of {victim}")
                kills[victim] += 1
                until(lambda: posta.pids(victim), f"{victim} to be started again", 10)
                until(lambda: len(flow.acknowledged) > before + 3, lambda: f"letters to flow again after {victim} was killed\n{posta.log()[-3000:]}")
            else:
                until(lambda: len(flow.acknowledged) >= LETTERS, "enough letters")
        flow.end()
        posta.drained()
        count = copies(posta)
        lost = [m for m in flow.acknowledged if count[m] == 0]
        twice = [m for m, n in count.items() if n > 1]
        print(f"{len(flow.acknowledged)} letters acknowledged, {sum(kills.values())} kills {dict(kills)}, "
              f"{len(flow.unsure)} unanswered of which {sum(count[m] for m in flow.unsure)} were taken; {len(lost)} lost, {len(twice)} twice")
        assert not lost and not twice
        staged = list((posta.state / "mail/.deliver").iterdir())
        until(lambda: not list((posta.state / "mail/.deliver").iterdir()), f"mail/.deliver to be swept: {staged[:5]}")
        assert not list(posta.maildir().glob("tmp/*"))


def test_X01_the_whole_system_killed():
    with system() as posta:
        taken = []
        for n in range(ROUNDS):
            flow = Flow(posta, f"round{n}")
            until(lambda: len(flow.acknowledged) >= 25, "letters to flow")
            posta.kill()
            flow.end()
            taken += flow.acknowledged
            posta.start()
        posta.drained()
        count = copies(posta)
        assert all(count[m] for m in taken), "none lost"
        assert max(count.values()) == 1, "none twice"
