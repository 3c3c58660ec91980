"""Names through common/dns: the rows D01 to D10 of hostile input and X16 of faults, against a server that lies (dns_liar.py), and
DNSSEC against nsd with zones signed under a key of the test's own. dns-tool asks and prints."""
import base64
import os
import pathlib
import random
import re
import socket
import struct
import subprocess

import pytest
from dns_liar import (FORMERR, HERE, NOERROR, NOTIMP, REFUSED, SERVFAIL, Liar, a, aaaa, both_free, cname, code, mx, name, nodata, record, records,
                      reply, silent, truncated)
from posta import PATIENCE, ROOT, free_port, until

TOOL = pathlib.Path(os.environ.get("POSTA_BUILD", ROOT / "build-gcc")) / "tests" / "dns-tool"
UNANSWERED = {"SERVFAIL", "TIMEOUT"}  # 4.4.3 both: whose patience ended first is the resolver's business
LONG, SHORT = 20000, 1500  # milliseconds: until an answer must be there, and until none is waited for


class Answer:
    def __init__(self, head):
        self.head, self.records = head, []
        self.name, self.type, self.code = head.split()[:3]
        self.secure = " secure" in head.split(" name=")[0]

    def __repr__(self):
        return "\n".join([self.head, *self.records])


def ask(server, *questions, options=("-i", "."), ms=LONG):
    """{(name, type): Answer}; ask.dnssec is what was said of DNSSEC. ROAD's code is the reply's, or "secure" and "insecure"."""
    words = [w for q in questions for w in q]
    run = subprocess.run([TOOL, "-s", server, "-t", str(ms), *options, *words], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert run.returncode == 0 and not run.stderr, run.stderr[-4000:]
    answers, last = {}, None
    for line in run.stdout.splitlines():
        if line.startswith("  "):
            last.records.append(line.strip())
        elif line.startswith("dnssec: "):
            ask.dnssec = line
        else:
            last = Answer(line)
            answers[last.name, last.type] = last
    return answers


def ask_one(liar, who, kind, **more):
    return ask(liar.address, (who, kind), **more)[who, kind]


def road(liar, domain, **more):
    answer = ask_one(liar, domain, "ROAD", **more)
    return answer.head.split(None, 2)[2] if answer.code.isdigit() else answer.records


def ask_by_conf(tmp_path, before, after, *questions, options=("-i", ".")):
    """What is answered when resolv.conf changes behind the first question."""
    conf, later = tmp_path / "resolv.conf", tmp_path / "later.conf"
    conf.write_text(before)
    later.write_text(after)
    words = [w for q in questions for w in q]
    run = subprocess.run([TOOL, "-r", conf, "-w", later, "-o", "-t", str(LONG), *options, *words], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert run.returncode == 0 and not run.stderr, run.stderr[-4000:]
    ask.dnssec = run.stdout.splitlines()[-1]
    return [line.strip() for line in run.stdout.splitlines() if line.startswith("  ")]


def test_a_changed_resolv_conf_is_followed(tmp_path):
    with Liar({("d.test", "A"): records(a("192.0.2.1"))}) as first, Liar({("d.test", "A"): records(a("192.0.2.2"))}) as second:
        def conf(*liars):
            return "".join(f"nameserver {liar.address}\n" for liar in liars) + "search test\n"
        twice = ("d.test", "A"), ("d.test", "A")
        assert ask_by_conf(tmp_path, conf(first), conf(second), *twice) == ["192.0.2.1", "192.0.2.2"]
        asked = first.count("d.test")
        assert ask_by_conf(tmp_path, conf(first), "# nobody yet\n", *twice) == ["192.0.2.1"] * 2, "a file that is being written changes nothing"
        assert ask_by_conf(tmp_path, conf(first), conf(first) + "options edns0\n", *twice) == ["192.0.2.1"] * 2
        assert first.count("d.test") == asked + 2, "the same servers: the cache stays"
        # where signatures are wanted, the new servers are asked for the keys again
        assert ask_by_conf(tmp_path, conf(first), conf(second), *twice, options=())[-1:] == ["192.0.2.2"]
        assert second.count("") >= 1


# The lying server


def test_D01_null_mx():
    with Liar({("d.test", "MX"): records(mx(0, "."))}) as liar:
        assert road(liar, "d.test").startswith("556 5.1.10 ")


def test_D02_chains_of_aliases():
    rules = {("loop.test", "*"): records(cname("pool.test")), ("pool.test", "*"): records(cname("loop.test"))}
    for chain, length in (("short", 8), ("long", 9)):
        for i in range(length):
            rules[f"{chain}{i}.test", "*"] = records(cname(f"{chain}{i + 1}.test"))
        rules[f"{chain}{length}.test", "A"] = records(a("10.0.0.1"))
    rules["d.test", "MX"] = records(mx(1, "loop.test"))
    with Liar(rules) as liar:
        got = ask(liar.address, ("short0.test", "A"), ("long0.test", "A"), ("loop.test", "A"), ("d.test", "ROAD"), ("long0.test", "ROAD"))
        assert got["short0.test", "A"].code == "FOUND" and "name=short8.test " in got["short0.test", "A"].head
        assert got["long0.test", "A"].code == "SERVFAIL" and "aliases" in got["long0.test", "A"].head
        assert got["loop.test", "A"].code == "SERVFAIL"
        assert "450 4.4.3" in got["d.test", "ROAD"].head
        assert "450 4.4.3" in got["long0.test", "ROAD"].head


def test_D02_an_mx_that_is_an_alias():
    with Liar({("d.test", "MX"): records(mx(1, "m.test")), ("m.test", "A"): records(cname("r.test"), a("10.0.0.1", name("r.test"))),
               ("m.test", "AAAA"): records(cname("r.test")), ("r.test", "A"): records(a("10.0.0.1"))}) as liar:
        assert road(liar, "d.test") == ["1 m.test r.test insecure 10.0.0.1"]


def test_D02_a_thousand_mx():
    many = [mx(i, f"h{i}.test") for i in range(1000)]
    random.Random(1).shuffle(many)
    rules = {("d.test", "MX"): truncated, **{(f"h{i}.test", "A"): records(a("10.0.0.1")) for i in range(1000)}}
    with Liar(rules, tcp={("d.test", "MX"): records(*many)}) as liar:
        hosts = road(liar, "d.test")
        assert [int(h.split()[0]) for h in hosts] == list(range(50))
        assert liar.count("h49.test") and not liar.count("h50.test")


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "10.7.7.7", "::ffff:127.0.0.1"])
def test_D03_mx_to_ourselves(address):
    rule = {("m.test", "AAAA" if ":" in address else "A"): records(aaaa(address) if ":" in address else a(address))}
    with Liar({("d.test", "MX"): records(mx(1, "m.test"), mx(2, "n.test")), ("n.test", "A"): records(a("10.0.0.1")), **rule}) as liar:
        assert road(liar, "d.test", options=("-i", ".", "-m", "10.7.7.7")).startswith("550 5.4.6 ")


def test_D03_our_name():
    with Liar({("d.test", "MX"): records(mx(1, "m.test"), mx(2, "Us.test"), mx(3, "n.test")), ("m.test", "A"): records(a("10.0.0.1"))}) as liar:
        assert road(liar, "d.test", options=("-i", ".", "-n", "us.test")) == ["1 m.test m.test insecure 10.0.0.1"]
        assert not liar.count("us.test") and not liar.count("n.test")


def test_D04_no_answer_of_use():
    rules = {("nodata.test", "MX"): nodata, ("nodata.test", "A"): records(a("10.0.0.1")), ("empty.test", "TXT"): nodata,
             ("servfail.test", "*"): code(SERVFAIL), ("refused.test", "*"): code(REFUSED), ("formerr.test", "*"): code(FORMERR),
             ("notimp.test", "*"): code(NOTIMP)}
    with Liar(rules) as liar:
        names = ["none.test", "nodata.test", "empty.test", "servfail.test", "refused.test", "formerr.test", "notimp.test"]
        got = ask(liar.address, *[(n, t) for n in names for t in ("MX", "ROAD")])
        assert got["none.test", "MX"].code == "NXDOMAIN" and "550 5.1.2 " in got["none.test", "ROAD"].head
        assert got["nodata.test", "MX"].code == "NODATA"
        assert got["nodata.test", "ROAD"].records == ["0 nodata.test nodata.test insecure 10.0.0.1"]
        assert got["empty.test", "MX"].code == "NODATA" and "550 5.4.4 " in got["empty.test", "ROAD"].head
        for bad in names[3:]:
            assert got[bad, "MX"].code == "SERVFAIL", got[bad, "MX"]
            assert "450 4.4.3 " in got[bad, "ROAD"].head


def test_D04_X16_silence():
    with Liar({("d.test", "*"): silent}) as liar:
        got = ask(liar.address, ("d.test", "MX"), ("d.test", "ROAD"), ms=SHORT)
        assert got["d.test", "MX"].code == "TIMEOUT"
        assert "450 4.4.3 " in got["d.test", "ROAD"].head


def test_X16_nobody_there():
    got = ask(f"127.0.0.1@{free_port()}", ("d.test", "MX"), ("d.test", "ROAD"), ms=SHORT)
    assert got["d.test", "MX"].code in UNANSWERED and "450 4.4.3 " in got["d.test", "ROAD"].head


def test_X16_slow_and_back_again():
    """Two datagrams in three are lost; then all are, and after that the server is back, for the same process."""
    asked = []

    def third_time(q):
        asked.append(q.name)
        return records(a("10.0.0.1"))(q) if len(asked) % 3 == 0 else None

    with Liar({("slow.test", "A"): third_time, ("dead.test", "A"): silent, ("back.test", "A"): records(a("10.0.0.2"))}) as liar:
        assert ask_one(liar, "slow.test", "A").records == ["10.0.0.1"]
        got = ask(liar.address, ("dead.test", "A"), ("back.test", "A"), options=("-i", ".", "-o"), ms=4000)
        assert got["dead.test", "A"].code in UNANSWERED
        assert got["back.test", "A"].records == ["10.0.0.2"]


def cut(n):
    """Over TCP: the first n octets of the message, and the end."""
    def rule(q):
        message = reply(q, [a("10.0.0.1")])

        def send(_, s):
            s.sendall((struct.pack(">H", len(message)) + message)[:n])
            return False
        return [send]
    return rule


def test_D05_truncated():
    names = {f"cut{n}.test": cut(n) for n in (0, 1, 2, 14, 30, 40)}
    rules = {(n, "*"): truncated for n in [*names, "tcp.test", "always.test"]}
    tcp = {("tcp.test", "A"): records(a("10.0.0.1")), **{(n, "A"): rule for n, rule in names.items()}}
    with Liar(rules, tcp=tcp) as liar:
        assert ask_one(liar, "tcp.test", "A").records == ["10.0.0.1"]
        got = ask(liar.address, *[(n, "A") for n in [*names, "always.test"]], ms=SHORT)
        assert {got[n, "A"].code for n in [*names, "always.test"]} <= UNANSWERED


def test_D05_64_kib():
    texts = [record("TXT", b"\xff" + (b"%05d" % i) * 51) for i in range(240)]
    whole = sum(map(len, texts))
    assert 60000 < whole < 65500
    with Liar({("big.test", "TXT"): truncated}, tcp={("big.test", "TXT"): records(*texts)}) as liar:
        assert len(ask_one(liar, "big.test", "TXT").records) == 240


def raw(answer, counts=None, question=None):
    return lambda q: [reply(q, [answer] if answer else [], counts=counts, question=question)]


MALFORMED = {
    "loop": raw(b"\xc0\x2a" + struct.pack(">HHIH", 1, 1, 300, 4) + b"\x0a\0\0\1"),  # a name that points at itself, or nowhere
    "forward": raw(b"\xc0\xff" + struct.pack(">HHIH", 1, 1, 300, 4) + b"\x0a\0\0\1"),
    "rdlength": raw(HERE + struct.pack(">HHIH", 1, 1, 300, 400) + b"\x0a\0\0\1"),
    "label": raw(b"\x40" + b"a" * 64 + b"\0" + struct.pack(">HHIH", 1, 1, 300, 4) + b"\x0a\0\0\1"),
    "name": raw((b"\x3f" + b"a" * 63) * 4 + b"\0" + struct.pack(">HHIH", 1, 1, 300, 4) + b"\x0a\0\0\1"),
    "qdcount": raw(a("10.0.0.1"), counts=(65535, 1, 0, 0)),
    "ancount": raw(a("10.0.0.1"), counts=(1, 65535, 0, 0)),
    "noquestion": raw(b"", counts=(0, 0, 0, 0), question=b""),
    "short": lambda q: [struct.pack(">H", q.id)],
    "header": lambda q: [reply(q)[:11]],
    "noise": lambda q: [struct.pack(">H", q.id) + random.Random(7).randbytes(500)],
    "cname": raw(HERE + struct.pack(">HHIH", 5, 1, 300, 2) + b"\xc0\x2a"),  # rdata that points into itself
    "empty": raw(HERE + struct.pack(">HHIH", 1, 1, 300, 0)),
    "five": raw(HERE + struct.pack(">HHIH", 1, 1, 300, 5) + b"\x0a\0\0\1\1"),
}


@pytest.mark.parametrize("row", MALFORMED)
def test_D06_malformed(row):
    with Liar({(f"{row}.test", "A"): MALFORMED[row], ("good.test", "A"): records(a("10.0.0.9"))}) as liar:
        got = ask(liar.address, (f"{row}.test", "A"), ("good.test", "A"), ms=2500)
        bad = got[f"{row}.test", "A"]
        assert bad.code in UNANSWERED or all(r.startswith("ignored") for r in bad.records), bad
        assert got["good.test", "A"].records == ["10.0.0.9"]


def test_D07_short_rdata():
    rules = {("d.test", "MX"): records(record("MX", b""), record("MX", b"\0"), record("MX", b"\0\1"), mx(5, "m.test")),
             ("m.test", "A"): records(a("10.0.0.1")), ("bad.test", "MX"): records(record("MX", b"\0\1"))}
    for n in (0, 1, 3, 19, 35):
        rules[f"tlsa{n}.test", "TLSA"] = records(record("TLSA", (b"\3\1\1" + b"x" * 32)[:n]))
    with Liar(rules) as liar:
        got = ask(liar.address, ("d.test", "ROAD"), ("bad.test", "ROAD"), *[(f"tlsa{n}.test", "TLSA") for n in (0, 1, 3, 19, 35)], ms=4000)
        d = got["d.test", "ROAD"]  # the resolver drops the message, or we the record
        assert d.code == "450" or d.records == ["5 m.test m.test insecure 10.0.0.1"], d
        assert re.search(r" (450 4\.4\.3|550 5\.4\.4) ", got["bad.test", "ROAD"].head)
        for n in (0, 1, 3, 19):
            tlsa = got[f"tlsa{n}.test", "TLSA"]
            assert tlsa.code in UNANSWERED or tlsa.records == [f"ignored, {n} octets"], tlsa
        assert got["tlsa35.test", "TLSA"].records == ["3 1 1 32 octets"]


def forged_first(**how):
    """A forged answer that is not to the question, then the true one."""
    return lambda q: [reply(q, [a("10.6.6.6")], **{k: v(q) for k, v in how.items()}), reply(q, [a("10.0.0.1")])]


def from_elsewhere(q):
    forged, true = reply(q, [a("10.6.6.6")]), reply(q, [a("10.0.0.1")])

    def send(_, peer):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(forged, peer)
    return [send, true]


def test_D08_forged():
    tail = struct.pack(">HH", 1, 1)
    rules = {("id.test", "A"): forged_first(id=lambda q: q.id ^ 1), ("question.test", "A"): forged_first(question=lambda q: name("x.test") + tail),
             ("type.test", "A"): forged_first(question=lambda q: q.octets[:-4] + struct.pack(">HH", 28, 1)), ("port.test", "A"): from_elsewhere}
    with Liar(rules) as liar:
        got = ask(liar.address, *rules)
        for q in rules:
            assert "10.6.6.6" not in got[q].records, got[q]
            assert got[q].records == ["10.0.0.1"] or got[q].code in UNANSWERED


def test_D08_more_than_was_asked():
    extra = [a("10.6.6.6", name("victim.test"))]
    evil = records(a("10.0.0.1"), a("10.6.6.6", name("victim.test")), authority=[record("NS", name("victim.test"), name("test"))], additional=extra)
    with Liar({("evil.test", "A"): evil, ("victim.test", "A"): records(a("10.0.0.2"))}) as liar:
        got = ask(liar.address, ("evil.test", "A"), ("victim.test", "A"), options=("-i", ".", "-o"))
        assert got["evil.test", "A"].records == ["10.0.0.1"]
        assert got["victim.test", "A"].records == ["10.0.0.2"]


def test_D09_ptr():
    ptr = {i: f"{i}.2.0.192.in-addr.arpa" for i in range(1, 5)}
    aliases = [record("PTR", name(f"h{i}")) for i in range(3000)]
    rules = {(ptr[1], "PTR"): records(record("PTR", name("evil\nX-Header:.test"))), (ptr[2], "PTR"): records(record("PTR", name("a;b.test"))),
             (ptr[3], "PTR"): truncated, (ptr[4], "PTR"): records(record("PTR", name("Good.test")))}
    with Liar(rules, tcp={(ptr[3], "PTR"): records(*aliases)}) as liar:
        got = ask(liar.address, *[(f"192.0.2.{i}", "PTR") for i in ptr])
        for i in (1, 2):
            assert all(r.startswith("ignored") for r in got[f"192.0.2.{i}", "PTR"].records)
        assert len(got["192.0.2.3", "PTR"].records) == 1024 and " cut " in got["192.0.2.3", "PTR"].head
        assert got["192.0.2.4", "PTR"].records == ["good.test."]


def test_D10_ad_bit_is_not_believed():
    with Liar({("d.test", "A"): records(a("10.0.0.1"), flags=0x85a0)}) as liar:
        got = ask_one(liar, "d.test", "A")
        assert got.code == "FOUND" and not got.secure


def test_loopback_and_private_names():
    rules = {("ptr.test", "A"): nodata, ("4.3.2.10.in-addr.arpa", "PTR"): records(record("PTR", name("lan.test"))),
             ("host.home.arpa", "A"): records(a("192.168.1.1"))}
    with Liar(rules) as liar:
        got = ask(liar.address, ("10.2.3.4", "PTR"), ("host.home.arpa", "A"))
        assert got["10.2.3.4", "PTR"].records == ["lan.test."]
        assert got["host.home.arpa", "A"].records == ["192.168.1.1"]


def test_given_up_at_any_time():
    with Liar({(f"h{i}.test", "A"): records(a("10.0.0.1")) if i % 2 else silent for i in range(40)}) as liar:
        questions = [(f"h{i}.test", "A") for i in range(40)]
        for n in (1, 20, 39, 40):
            got = ask(liar.address, *questions, options=("-i", ".", "-x", str(n)), ms=SHORT)
            assert len(got) == 40 - n


def test_limit_of_questions():
    """4,096 wait, one more is answered at once; 224 are asked at most, with those that nobody waits for any more."""
    with Liar({(f"h{i:06}.test", "A"): silent for i in range(4097)}) as liar:
        got = ask(liar.address, *[(f"h{i:06}.test", "A") for i in range(4097)], ms=SHORT)
        codes = [got[f"h{i:06}.test", "A"].code for i in range(4097)]
        assert codes.count("TIMEOUT") == 4096 and codes[-1] == "SERVFAIL"
        assert 128 <= len({who for who, _, _ in liar.asked}) <= 224


# DNSSEC, with nsd


def run(*words, cwd):
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout.strip()


def head(zone):
    return f"$ORIGIN {zone}\n$TTL 300\n@ IN SOA ns.test. hostmaster.test. 1 3600 600 86400 60\n@ IN NS ns.test.\n"


class Lab:
    """test. is signed, with zones below it: plain (no DS), expired, trap (KeyTrap)."""

    def __init__(self, folder):
        self.dir, self.port, self.zones = folder, 0, {}
        self.nsd = run(ROOT / "tests/nsd.sh", ROOT / "build-check/nsd", cwd=folder)
        self.key = self.new_key("test.")

    def new_key(self, zone, algorithm="ECDSAP256SHA256"):
        return run("ldns-keygen", "-a", algorithm, *(["-b", "2048"] if "RSA" in algorithm else []), "-k", zone, cwd=self.dir)

    def ds(self, key):
        return (self.dir / f"{key}.ds").read_text()

    def sign(self, zone, text, key, *options):
        (self.dir / "unsigned").write_text(head(zone) + text)
        run("ldns-signzone", *options, "-f", "signed", "unsigned", key, cwd=self.dir)
        return (self.dir / "signed").read_text()

    def add(self, zone, text):
        self.zones[zone] = text
        (self.dir / f"{zone}zone").write_text(text)

    @property
    def address(self):
        return f"127.0.0.1@{self.port}"

    @property
    def anchor(self):
        return self.dir / f"{self.key}.key"

    def start(self):
        with both_free() as udp:
            self.port = udp.getsockname()[1]
        zones = "".join(f'zone:\n  name: {z}\n  zonefile: "{self.dir}/{z}zone"\n' for z in self.zones)
        (self.dir / "nsd.conf").write_text(
            f'server:\n  ip-address: 127.0.0.1@{self.port}\n  username: ""\n  zonesdir: "{self.dir}"\n  database: ""\n  pidfile: ""\n'
            f'  xfrdfile: ""\n  zonelistfile: "{self.dir}/zone.list"\n  xfrdir: "{self.dir}"\n  server-count: 1\n'
            f'  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\n{zones}')
        self.log = open(self.dir / "nsd.log", "w", encoding="utf-8")
        self.process = subprocess.Popen([self.nsd, "-d", "-c", "nsd.conf"], cwd=self.dir, stdout=self.log, stderr=self.log)
        until(lambda: self.answers() or self.process.poll() is not None, "nsd answers")
        assert self.process.poll() is None, (self.dir / "nsd.log").read_text()

    def answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            s.connect(("127.0.0.1", self.port))
            try:
                s.send(struct.pack(">HHHHHH", 1, 0, 1, 0, 0, 0) + name("test") + struct.pack(">HH", 6, 1))
                return s.recv(512)[3] & 15 == NOERROR
            except OSError:
                return False

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def key_tag(rdata):
    """RFC 4034 B"""
    total = sum(octet << (0 if i & 1 else 8) for i, octet in enumerate(rdata))
    return (total + (total >> 16)) & 0xffff


def colliding_keys(n, tag, rng):
    """Distinct RSA keys of 2,048 bits, all with this tag."""
    keys = set()
    while len(keys) < n:
        rdata = bytearray(b"\1\0\3\x08\3\1\0\1" + b"\xc0" + rng.randbytes(254) + b"\1")
        rdata[100:102] = b"\0\0"
        for carry in range(3):
            rdata[100:102] = struct.pack(">H", (tag - key_tag(rdata) - carry) & 0xffff)
            if key_tag(rdata) == tag:
                keys.add(bytes(rdata))
            rdata[100:102] = b"\0\0"
    return sorted(keys)


def trap(lab, key, n=120):
    """CVE-2023-50387: n keys with one tag, n signatures with that tag: n times n tries, all in vain."""
    rng = random.Random(3)
    keys = "".join(f"@ IN DNSKEY 256 3 8 {base64.b64encode(k[4:]).decode()}\n" for k in colliding_keys(n, 4711, rng))
    zone = lab.sign("trap.test.", keys + "deep IN A 10.6.6.6\n", key)
    own = re.search(r"^deep\.trap\.test\.\s.*RRSIG\s+A .*\n", zone, re.M)
    times = own.group(0).split()[8:10]
    many = "".join(f"deep.trap.test. 300 IN RRSIG A 8 3 300 {times[0]} {times[1]} 4711 trap.test. "
                   f"{base64.b64encode(rng.randbytes(256)).decode()}\n" for _ in range(n))
    return zone.replace(own.group(0), many)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("nsd"))
    expired, trapped = made.new_key("expired.test."), made.new_key("trap.test.", "RSASHA256")
    signed = made.sign("test.", """
ns IN A 127.0.0.1
example IN MX 10 mail.example
example IN MX 20 alias.example
mail.example IN A 10.1.2.3
mail.example IN AAAA 2001:db8::3
_25._tcp.mail.example IN TLSA 3 1 1 1111111111111111111111111111111111111111111111111111111111111111
alias.example IN CNAME mail.example
forged IN MX 10 mail.forged
mail.forged IN A 10.1.2.4
half IN MX 10 mail.forged
half IN MX 20 mail.example
outside IN MX 10 mail.plain
plain IN NS ns
expired IN NS ns
trap IN NS ns
""" + made.ds(expired) + made.ds(trapped), made.key)
    assert "10.1.2.4" in signed
    made.add("test.", signed.replace("10.1.2.4", "10.6.6.6"))
    made.add("plain.test.", head("plain.test.") + "@ IN MX 10 mail\nmail IN A 10.9.9.9\n")
    made.add("expired.test.", made.sign("expired.test.", "@ IN MX 10 mail\nmail IN A 10.9.9.8\n", expired, "-i", "20200101", "-e", "20200201"))
    made.add("trap.test.", trap(made, trapped))
    made.start()
    yield made
    made.stop()


def ask_lab(lab, *questions, anchor=None, options=()):
    return ask(lab.address, *questions, options=("-a", anchor or lab.anchor, *options))


def test_secure(lab):
    tlsa = "_25._tcp.mail.example.test"
    got = ask_lab(lab, ("example.test", "MX"), ("none.test", "MX"), ("mail.example.test", "TXT"), (tlsa, "TLSA"), ("alias.example.test", "A"),
                  ("example.test", "ROAD"))
    codes = {"example.test": "FOUND", "none.test": "NXDOMAIN", "mail.example.test": "NODATA", tlsa: "FOUND", "alias.example.test": "FOUND"}
    for (who, kind), answer in got.items():
        if kind != "ROAD":
            assert answer.code == codes[who] and answer.secure, answer
    assert "name=mail.example.test " in got["alias.example.test", "A"].head
    assert got["example.test", "ROAD"].code == "secure"
    assert got["example.test", "ROAD"].records == ["10 mail.example.test mail.example.test secure 2001:db8::3 10.1.2.3",
                                                   "20 alias.example.test mail.example.test secure 2001:db8::3 10.1.2.3"]
    assert "validated" in ask.dnssec


def test_insecure_below_a_secure_zone(lab):
    got = ask_lab(lab, ("plain.test", "MX"), ("plain.test", "ROAD"), ("outside.test", "ROAD"))
    assert got["plain.test", "MX"].code == "FOUND" and not got["plain.test", "MX"].secure
    assert got["plain.test", "ROAD"].code == "insecure"
    assert got["outside.test", "ROAD"].code == "secure"  # the list is, the addresses are not
    assert got["outside.test", "ROAD"].records == ["10 mail.plain.test mail.plain.test insecure 10.9.9.9"]


def test_bogus_defers(lab):
    got = ask_lab(lab, ("mail.forged.test", "A"), ("forged.test", "ROAD"), ("expired.test", "MX"), ("expired.test", "ROAD"), ("half.test", "ROAD"))
    for q in (("mail.forged.test", "A"), ("expired.test", "MX")):
        assert got[q].code == "BOGUS" and not got[q].records
    assert "450 4.7.5 " in got["forged.test", "ROAD"].head and "450 4.7.5 " in got["expired.test", "ROAD"].head
    assert [r.split()[1] for r in got["half.test", "ROAD"].records] == ["mail.example.test"]


def test_validation_switched_off(lab):
    got = ask_lab(lab, ("mail.forged.test", "A"), ("example.test", "MX"), options=("-i", "."))
    assert got["mail.forged.test", "A"].records == ["10.6.6.6"]
    assert got["example.test", "MX"].code == "FOUND" and not got["example.test", "MX"].secure
    assert "switched off" in ask.dnssec
    got = ask_lab(lab, ("expired.test", "MX"), ("mail.forged.test", "A"), options=("-i", "expired.test"))
    assert got["expired.test", "MX"].code == "FOUND" and not got["expired.test", "MX"].secure
    assert got["mail.forged.test", "A"].code == "BOGUS"


def test_server_that_strips_signatures(lab):
    """As a resolver that knows nothing of DNSSEC: all is found, nothing is secure, and it is said."""
    anchor = lab.dir / "plain.anchor"
    anchor.write_text(lab.anchor.read_text().replace("test.", "plain.test.", 1))
    got = ask_lab(lab, ("plain.test", "MX"), ("example.test", "MX"), ("plain.test", "ROAD"), anchor=anchor)
    assert got["plain.test", "MX"].code == "FOUND" and not got["plain.test", "MX"].secure
    assert not got["example.test", "MX"].secure
    assert got["plain.test", "ROAD"].records
    assert "leave out" in ask.dnssec


def test_anchor_of_another_key(lab):
    other = lab.dir / f"{lab.new_key('test.')}.key"
    got = ask_lab(lab, ("example.test", "MX"), ("example.test", "ROAD"), anchor=other)
    assert got["example.test", "MX"].code == "BOGUS" and "450 4.7.5 " in got["example.test", "ROAD"].head
    assert "does not fit" in ask.dnssec


@pytest.mark.parametrize("text", [None, "", "nonsense\n", "test. IN DS 1\n"])
def test_anchor_that_is_none(lab, text):
    """An empty one too: nothing may be validated by accident without a word."""
    anchor = lab.dir / "bad.anchor"
    anchor.unlink(missing_ok=True)
    if text is not None:
        anchor.write_text(text)
    ran = subprocess.run([TOOL, "-s", lab.address, "-a", anchor, "example.test", "MX"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ran.returncode == 1 and "bad.anchor" in ran.stderr, ran


def test_D10_keytrap(lab):
    """The resolver is kept busy by one name; the others are answered all the same."""
    got = ask(lab.address, ("deep.trap.test", "A"), ("example.test", "MX"), ("plain.test", "MX"), ("none.test", "A"),
              options=("-a", lab.anchor), ms=LONG)
    assert got["deep.trap.test", "A"].code in UNANSWERED | {"BOGUS"}
    assert got["example.test", "MX"].secure and got["plain.test", "MX"].code == "FOUND" and got["none.test", "A"].code == "NXDOMAIN"
