"""A remote server that goes away at each octet of the dialogue, in both directions (X18): the letter is tried again and arrives once, or twice only
where the first copy was whole and its answer was not.

Every few octets by default; POSTA_CUT_STEP=1 tries all.
"""
import asyncio
import contextlib
import os
import threading

from posta import DOMAIN, free_ports, system, until
from test_send import send

STEP = int(os.environ.get("POSTA_CUT_STEP", 9))
AT_ONCE = 150
TEXT = "Subject: cut\n\n.a letter\nof a few lines\n..\nand no more\n"


class Cut(asyncio.Protocol):
    """A good server, up to the octet: `heard` of those that come, `said` of those that leave. Only its first connection is cut."""

    def __init__(self, server):
        self.server, self.rest, self.body = server, b"", None
        self.first, server.connections = server.connections == 0, server.connections + 1
        self.heard = self.said = 0

    def connection_made(self, transport):
        self.transport = transport
        self.say(b"220 cut.test ESMTP\r\n")

    def say(self, data):
        """True when all of it left."""
        room = self.server.said - self.said if self.first and self.server.said is not None else len(data)
        self.said += len(data)
        if not self.transport.is_closing():
            self.transport.write(data[:max(room, 0)])
            if room < len(data):
                self.transport.close()
        return room >= len(data)

    def data_received(self, data):
        if self.first and self.server.heard is not None:
            data = data[:self.server.heard - self.heard]
        self.heard += len(data)
        self.rest += data
        while b"\r\n" in self.rest and not self.transport.is_closing():
            line, self.rest = self.rest.split(b"\r\n", 1)
            self.line(line)
        if self.first and self.heard == self.server.heard:
            self.transport.abort()

    def line(self, line):
        verb = line[:4].upper()
        if self.body is not None and line == b".":
            self.server.letters.append(self.body)
            self.body = None
            self.server.answered.append(self.say(b"250 2.0.0 kept\r\n"))
        elif self.body is not None:
            self.body.append(line)
        elif verb == b"EHLO":
            self.say(b"250-cut.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
        elif verb == b"DATA":
            self.body = []
            self.say(b"354 go on\r\n")
        elif verb == b"QUIT":
            self.say(b"221 bye\r\n")
            self.transport.close()
        else:
            self.say(b"250 ok\r\n")


class Server:
    def __init__(self, port, heard=None, said=None):
        self.port, self.heard, self.said = port, heard, said
        self.connections, self.letters, self.answered = 0, [], []

    def __str__(self):
        return f"cut after {self.heard} octets heard" if self.heard is not None else f"cut after {self.said} octets said"


class Servers:
    """All in one thread."""

    def __init__(self, servers):
        self.servers, self.loop = servers, asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        assert self.ready.wait(30)

    def run(self):
        async def listen():
            for s in self.servers:
                await self.loop.create_server(lambda s=s: Cut(s), "127.0.0.1", s.port, backlog=8)
        with contextlib.closing(self.loop):
            self.loop.run_until_complete(listen())
            self.ready.set()
            self.loop.run_forever()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


def exchange(servers):
    """One letter for each; when all have arrived and nothing waits any more."""
    routes = " ".join(f'route "d{i}.test" {{ to = "127.0.0.1:{s.port}" tls = "never" }}' for i, s in enumerate(servers))
    with contextlib.closing(Servers(servers)), system(sections={"mta": routes, "limits": "retry_first_seconds = 1 retry_max_seconds = 1"}) as posta:
        for i in range(0, len(servers), 50):
            send(posta, *[f"x@d{k}.test" for k in range(i, min(i + 50, len(servers)))], text=TEXT)
        until(lambda: all(s.letters for s in servers), lambda: f"all letters; missing: {[str(s) for s in servers if not s.letters][:5]}\n{posta.log()[-3000:]}")
        posta.drained()
        assert not posta.letters("alice"), "no report"


def test_X18_cut_at_each_octet():
    plain = Server(free_ports(1)[0])
    totals = []
    lost = Cut.connection_lost
    Cut.connection_lost = lambda self, error: totals.append((self.heard, self.said))
    try:
        exchange([plain])
    finally:
        Cut.connection_lost = lost
    heard, said = until(lambda: totals, "the end of the dialogue")[0]
    assert len(plain.letters) == 1 and heard > 400 and said > 100
    cuts = [{"heard": n} for n in range(0, heard, STEP)] + [{"said": n} for n in range(0, said, max(STEP // 3, 1))]
    twice = []
    for at in range(0, len(cuts), AT_ONCE):
        some = cuts[at:at + AT_ONCE]
        servers = [Server(port, **cut) for port, cut in zip(free_ports(len(some)), some)]
        exchange(servers)
        for s in servers:
            assert all(letter == s.letters[0] for letter in s.letters), f"{s}: whole, and the same"
            assert len(s.letters) <= 2 and s.letters[0][-1] == b"and no more", s
            assert len(s.letters) == 1 or not s.answered[0], f"{s}: answered, and sent again"
            assert s.answered[-1], s
            twice += [s] if len(s.letters) == 2 else []
    print(f"{len(cuts)} cuts of {heard} and {said} octets; {len(twice)} letters arrived twice, their 250 cut off")
    assert twice, "an answer that is cut in the middle costs a second copy"
