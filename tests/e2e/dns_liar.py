"""dns_liar - a name server on 127.0.0.1 (UDP and TCP, one port) that says whatever a test wants, and counts who asks.

    liar = Liar({("d.test", "MX"): records(mx(10, "a.test"))})

An answer is made by a function of the question: it gives a list of octet strings, each sent as one datagram (over TCP: as one message),
or None: silence. What no rule knows is NXDOMAIN. `tcp` rules go before `rules` over TCP.
"""
import contextlib
import socket
import socketserver
import struct
import threading

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "DS": 43, "DNSKEY": 48, "TLSA": 52}
NAMES = {number: name for name, number in TYPES.items()}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
HERE = b"\xc0\x0c"  # the name asked for


def name(text):
    """Octets of a name; text may hold any character below 256 in its labels."""
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in text.split(".") if label) + b"\0"


def record(kind, rdata, owner=HERE, ttl=300):
    return owner + struct.pack(">HHIH", TYPES[kind], 1, ttl, len(rdata)) + rdata


def mx(preference, host):
    return record("MX", struct.pack(">H", preference) + name(host))


def a(address, owner=HERE):
    return record("A", socket.inet_aton(address), owner)


def aaaa(address):
    return record("AAAA", socket.inet_pton(socket.AF_INET6, address))


def cname(target, owner=HERE):
    return record("CNAME", name(target), owner)


def soa(owner):
    return record("SOA", name("ns.test") + name("hostmaster.test") + struct.pack(">IIIII", 1, 3600, 600, 86400, 60), name(owner), 60)


class Question:
    def __init__(self, message, tcp):
        self.message, self.tcp = message, tcp
        self.id, = struct.unpack(">H", message[:2])
        at, labels = 12, []
        while message[at]:
            labels.append(message[at + 1:at + 1 + message[at]].decode("latin-1"))
            at += 1 + message[at]
        kind, = struct.unpack(">H", message[at + 1:at + 3])
        self.octets = message[12:at + 5]
        self.name, self.type = ".".join(labels).lower(), NAMES.get(kind, str(kind))


def reply(q, answers=(), rcode=NOERROR, flags=0x8580, authority=(), additional=(), id=None, question=None, counts=None):
    """A whole message. RA is set, as a resolver does."""
    n = counts or (1, len(answers), len(authority), len(additional))
    head = struct.pack(">HHHHHH", q.id if id is None else id, flags | rcode, *n)
    return head + (q.octets if question is None else question) + b"".join(answers) + b"".join(authority) + b"".join(additional)


def records(*answers, **more):
    return lambda q: [reply(q, answers, **more)]


def code(rcode):
    return lambda q: [reply(q, rcode=rcode)]


def nodata(q):
    return [reply(q, authority=[soa("test")])]


def nxdomain(q):
    return [reply(q, rcode=NXDOMAIN, authority=[soa("test")])]


def silent(q):
    return None


def truncated(q):
    return [reply(q, flags=0x8780)]


def both_free():
    """A UDP socket on a port of 127.0.0.1 that TCP has free too."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        with socket.socket() as tcp, contextlib.suppress(OSError):
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind(udp.getsockname())
            return udp
        udp.close()


class Liar:
    def __init__(self, rules, tcp=None):
        self.rules, self.tcp_rules, self.asked = rules, tcp or {}, []
        self.lock = threading.Lock()
        liar = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError, struct.error):
                    while liar.over_tcp(self.request):
                        pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

        while True:  # somebody else may take the TCP port in between
            self.udp = both_free()
            self.port = self.udp.getsockname()[1]
            with contextlib.suppress(OSError):
                self.server = Server(("127.0.0.1", self.port), Handler)
                break
            self.udp.close()
        self.threads = [threading.Thread(target=self.over_udp, daemon=True),
                        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)]
        for t in self.threads:
            t.start()

    @property
    def address(self):
        return f"127.0.0.1@{self.port}"

    def answers(self, message, tcp):
        q = Question(message, tcp)
        with self.lock:
            self.asked.append((q.name, q.type, "tcp" if tcp else "udp"))
        for rules in ([self.tcp_rules, self.rules] if tcp else [self.rules]):
            rule = rules.get((q.name, q.type)) or rules.get((q.name, "*"))
            if rule:
                return rule(q) or []
        return (nodata if any(n == q.name for n, _ in self.rules) else nxdomain)(q)

    def over_udp(self):
        while True:
            try:
                message, peer = self.udp.recvfrom(65535)
            except OSError:
                return
            if not message:
                return
            for octets in self.answers(message, False):
                with contextlib.suppress(OSError):
                    if callable(octets):
                        octets(self, peer)
                    else:
                        self.udp.sendto(octets, peer)

    def over_tcp(self, s):
        head = s.recv(2, socket.MSG_WAITALL)
        if len(head) < 2:
            return False
        message = s.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)
        for octets in self.answers(message, True):
            if callable(octets):
                return octets(self, s)
            s.sendall(struct.pack(">H", len(octets)) + octets)
        return True

    def count(self, what):
        with self.lock:
            return sum(1 for n, _, _ in self.asked if n == what)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", ("127.0.0.1", self.port))
        self.threads[0].join()
        self.udp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
