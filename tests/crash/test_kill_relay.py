"""kill -9 of each process on the road while letters are relayed to other servers (X01): none is lost, and none arrives twice except where the
other server's 250 was cut off by the death of who waited for it.

POSTA_RELAY_LETTERS and POSTA_RELAY_KILLS set the amount; the test goes on until both are reached.
"""
import collections
import contextlib
import itertools
import os
import random
import re
import signal
import socket
import threading
import time

from posta import DOMAIN, Dialogue, alive, free_ports, system, until

LETTERS = int(os.environ.get("POSTA_RELAY_LETTERS", 150))
KILLS = int(os.environ.get("POSTA_RELAY_KILLS", 15))
SENDERS, SINKS = 6, 4
VICTIMS = ("posta-mta-send", "posta-mta-queue", "posta-mta-send", "posta-mta-receive")


class Connection:
    """What one connection to a sink brought: the marks of its letters in order, and whether it ended with QUIT."""

    def __init__(self):
        self.marks, self.when, self.quit = [], [], False


class Sink:
    """An SMTP server that keeps the mark of each letter before it answers the end."""

    def __init__(self, port):
        self.s = socket.socket()
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.s.bind(("127.0.0.1", port))
        self.s.listen(64)
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                s, _ = self.s.accept()
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                c = Connection()
                self.connections.append(c)
                threading.Thread(target=self.serve, args=(s, c), daemon=True).start()

    def serve(self, s, c):
        with contextlib.suppress(OSError), s, s.makefile("rb") as lines:
            s.sendall(b"220 sink.test\r\n")
            while line := lines.readline():
                verb = line[:4].upper()
                if verb == b"EHLO":
                    s.sendall(b"250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
                elif verb == b"DATA":
                    s.sendall(b"354 go on\r\n")
                    if (mark := self.letter(lines)) is None:
                        return
                    c.when.append(time.monotonic())
                    c.marks.append(mark)
                    s.sendall(b"250 2.0.0 kept\r\n")
                elif verb == b"QUIT":
                    c.quit = True
                    s.sendall(b"221 bye\r\n")
                    return
                else:
                    s.sendall(b"250 ok\r\n")

    def letter(self, lines):
        """None: the connection ended before the letter did."""
        mark = None
        while line := lines.readline():
            if line == b".\r\n":
                assert mark, "a whole letter"
                return mark
            if m := re.match(rb"X-Mark: (\S+)\r\n", line):
                mark = m.group(1).decode()
        return None


class Flow:
    """Senders that relay one letter after another through port 25; what was acknowledged."""

    def __init__(self, posta):
        self.posta, self.lock, self.over = posta, threading.Lock(), threading.Event()
        self.acknowledged, self.unsure, self.numbers = [], [], itertools.count()
        self.threads = [threading.Thread(target=self.send_all, daemon=True) for _ in range(SENDERS)]
        for t in self.threads:
            t.start()

    def send_all(self):
        while not self.over.is_set():
            with contextlib.suppress(OSError, AssertionError):  # the process was killed under us: a new connection
                d = Dialogue(self.posta.ports["mta"])
                d.asks("EHLO soak.test", "250")
                while not self.over.is_set():
                    self.one(d)
                d.close()

    def one(self, d):
        n = next(self.numbers)
        mark = f"relay-{n:06d}"
        d.asks(f"MAIL FROM:<alice@{DOMAIN}>", "250")
        d.asks(f"RCPT TO:<x@d{n % SINKS}.test>", "250")
        d.asks("DATA", "354")
        with self.lock:
            self.unsure.append(mark)
        got = d.ask(f"Subject: soak\r\nX-Mark: {mark}\r\n\r\n{'x' * 2000}\r\n.")
        assert got.startswith("250")
        with self.lock:
            self.unsure.remove(mark)
            self.acknowledged.append(mark)

    def end(self):
        self.over.set()
        for t in self.threads:
            t.join(120)
            assert not t.is_alive()


def arrived(sinks):
    return sum(len(c.marks) for s in sinks for c in list(s.connections))


def why_again(mark, connections, kills):
    """For each copy but the last: how another came to be sent. Either the answer to it was not heard, as nothing was said after it on that connection,
    not even QUIT; or it was heard, and both who knew of it died before it was durable: the queue, and send, which remembers it for the queue."""
    copies = sorted((c.when[c.marks.index(mark)], i) for i, c in enumerate(connections) if mark in c.marks)
    for (when, i), (next_when, _) in itertools.pairwise(copies):
        c = connections[i]
        died = {victim for victim, at in kills if when - 1 < at < next_when}
        if not c.quit and c.marks[-1] == mark:
            yield "cut off"
        else:
            yield "both died" if {"posta-mta-queue", "posta-mta-send"} <= died else f"for no reason ({died})"


def test_X01_each_process_killed_while_letters_are_relayed():
    ports = free_ports(SINKS)
    sinks = [Sink(p) for p in ports]
    routes = " ".join(f'route "d{i}.test" {{ to = "127.0.0.1:{p}" tls = "never" }}' for i, p in enumerate(ports))
    limits = "retry_first_seconds = 1 retry_max_seconds = 1"
    with system(sections={"mta": f'relay_from = {{"127.0.0.0/8"}} {routes}', "limits": limits}) as posta:
        flow, kills = Flow(posta), []
        for victim in itertools.cycle(VICTIMS):
            more = len(flow.acknowledged) + random.randrange(1, 12), arrived(sinks) + random.randrange(1, 12)
            until(lambda: len(flow.acknowledged) >= more[0] and arrived(sinks) >= more[1], lambda: f"letters to flow\n{posta.log()[-3000:]}")
            if len(kills) >= KILLS and len(flow.acknowledged) >= LETTERS:
                break
            if len(kills) < KILLS:
                pid = until(lambda: posta.pids(victim), f"a running {victim}")[0]
                os.kill(pid, signal.SIGKILL)
                until(lambda: not alive(pid), f"end of {victim}")
                kills.append((victim, time.monotonic()))
        flow.end()
        posta.drained()
    connections = [c for s in sinks for c in s.connections]
    count = collections.Counter(m for c in connections for m in c.marks)
    lost = [m for m in flow.acknowledged if count[m] == 0]
    again = collections.Counter(why for m, n in count.items() if n > 1 for why in why_again(m, connections, kills))
    print(f"{len(flow.acknowledged)} letters acknowledged, {len(kills)} kills {dict(collections.Counter(v for v, _ in kills))}, {len(flow.unsure)} unanswered "
          f"of which {sum(count[m] for m in flow.unsure)} were taken; {len(lost)} lost; sent again: {dict(again)}")
    assert not lost
    assert set(again) <= {"cut off", "both died"}
