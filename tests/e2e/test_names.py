"""What port 25 asks DNS about strangers: the client's name (D09), and senders whose domain takes no mail (D01)."""
import contextlib
import re

import pytest

import dns_liar
from posta import DOMAIN, system

BACK = "1.0.0.127.in-addr.arpa"
BOB = f"bob@{DOMAIN}"


class House:
    pass


@pytest.fixture(scope="module")
def house():
    h = House()
    h.rules = {}
    with dns_liar.Liar(h.rules) as h.dns:
        with system(sections={"mta": 'names = "all"', "dns": f'servers = {{"{h.dns.address}"}} insecure = {{"."}}'}) as h.posta:
            yield h


def fresh(h):
    """libunbound remembers what it was told: a reload makes it forget."""
    h.rules.clear()
    h.posta.cli("reload")


def ptr(*names):
    return dns_liar.records(*[dns_liar.record("PTR", dns_liar.name(n)) for n in names])


def send(posta, sender, mark="x", d=None):
    with contextlib.closing(d or posta.dial("mta")) as d:
        d.asks("EHLO me.test", "250")
        said = d.ask(f"MAIL FROM:<{sender}>")
        if said.startswith("250"):
            d.asks(f"RCPT TO:<{BOB}>", "250")
            d.asks("DATA", "354")
            d.asks(f"Subject: {mark}\r\n\r\nx\r\n.", "250")
        d.asks("QUIT", "221")
        return said


def received(posta, n):
    """How the newest letter says that it came: the client's name."""
    text = posta.wait_letters(n)[-1].read_text()
    return re.search(r"^Received: from (\S+) \((\S+) \[127\.0\.0\.1\]\)", text, re.M).groups()


ROWS = [
    ("its name", ptr("client.test"), {("client.test", "A"): dns_liar.records(dns_liar.a("127.0.0.1"))}, "client.test"),
    ("the second leads back", ptr("one.test", "two.test"), {("two.test", "A"): dns_liar.records(dns_liar.a("192.0.2.1"), dns_liar.a("127.0.0.1"))}, "two.test"),
    ("leads elsewhere", ptr("other.test"), {("other.test", "A"): dns_liar.records(dns_liar.a("192.0.2.1"))}, "unknown"),
    ("no such name", ptr("nobody.test"), {}, "unknown"),
    ("line end", ptr("a\nb.test"), {("a\nb.test", "A"): dns_liar.records(dns_liar.a("127.0.0.1"))}, "unknown"),
    ("semicolon", ptr("a;b.test"), {("a;b.test", "A"): dns_liar.records(dns_liar.a("127.0.0.1"))}, "unknown"),
    ("bracket", ptr("a)b.test"), {("a)b.test", "A"): dns_liar.records(dns_liar.a("127.0.0.1"))}, "unknown"),
    ("too many", ptr(*[f"n{i}.test" for i in range(40)]), {("n39.test", "A"): dns_liar.records(dns_liar.a("127.0.0.1"))}, None),
    ("no PTR", dns_liar.nodata, {}, "unknown"),
    ("broken", dns_liar.code(dns_liar.SERVFAIL), {}, "unknown"),
]


@pytest.mark.parametrize("row", range(len(ROWS)), ids=[r[0] for r in ROWS])
def test_D09_names_of_clients(house, row):
    _, back, rules, want = ROWS[row]
    fresh(house)
    house.rules.update({(BACK, "PTR"): back, ("sender.test", "MX"): dns_liar.nodata, **rules})
    before = len(house.posta.letters())
    assert send(house.posta, "a@sender.test").startswith("250")
    helo, name = received(house.posta, before + 1)
    assert helo == "me.test" and name == (want or name)
    if want is None:
        assert sum(house.dns.count(f"n{i}.test") > 0 for i in range(40)) <= 4


def test_D09_a_chain_of_aliases(house):
    fresh(house)
    for i in range(10000 // 250):
        house.rules[f"c{i}.test", "*"] = dns_liar.records(dns_liar.cname(f"c{i + 1}.test"))
    house.rules[BACK, "PTR"] = dns_liar.records(dns_liar.cname("c0.test"))
    before = len(house.posta.letters())
    assert send(house.posta, f"x@{DOMAIN}").startswith("250")
    assert received(house.posta, before + 1)[1] == "unknown"


def test_silence_costs_two_seconds_in_all(house):
    fresh(house)
    house.rules.update({(BACK, "PTR"): dns_liar.silent, ("sender.test", "MX"): dns_liar.silent})
    before = len(house.posta.letters())
    d = house.posta.dial("mta")
    d.asks("EHLO me.test", "250")
    for _ in range(20):  # the first waits; the time is used up then
        d.asks("MAIL FROM:<a@sender.test>", "250")
        d.asks("RSET", "250")
    assert send(house.posta, "a@sender.test", d=d).startswith("250")
    assert received(house.posta, before + 1)[1] == "unknown"


def test_D01_a_sender_that_takes_no_mail(house):
    fresh(house)
    house.rules["null.test", "MX"] = dns_liar.records(dns_liar.mx(0, ""))
    house.rules["half.test", "MX"] = dns_liar.records(dns_liar.mx(0, ""), dns_liar.mx(10, "mx.half.test"))
    house.rules["broken.test", "MX"] = dns_liar.code(dns_liar.SERVFAIL)
    assert send(house.posta, "a@null.test") == "550 5.7.27 the sender's domain takes no mail"
    assert send(house.posta, "a@NULL.test").startswith("550 5.7.27")
    for good in ("a@half.test", "a@broken.test", "a@nowhere.test", "", f"alice@{DOMAIN}", "a@[192.0.2.1]"):
        assert send(house.posta, good).startswith("250"), good
    assert "sender-refused" in house.posta.log() and "domain null.test from peer=127.0.0.1" in house.posta.log()
    d = house.posta.dial("mta")
    d.asks("EHLO me.test", "250")
    d.send(b"MAIL FROM:<a@null.test>\r\nRCPT TO:<" + BOB.encode() + b">\r\nRSET\r\nMAIL FROM:<a@half.test>\r\n")
    assert [d.hear()[:3] for _ in range(4)] == ["550", "503", "250", "250"], "each answer to its command, also when they come at once"


def test_one_who_hangs_up_while_it_is_asked(house):
    fresh(house)
    house.rules.update({(BACK, "PTR"): dns_liar.silent, ("sender.test", "MX"): dns_liar.silent})
    for _ in range(20):
        d = house.posta.dial("mta")
        d.asks("EHLO me.test", "250")
        d.say("MAIL FROM:<a@sender.test>")
        d.close()
    house.posta.cli("reload")  # with questions under way
    assert send(house.posta, "").startswith("250")


def test_nobody_is_asked_about_loopback_by_itself():
    rules = {("null.test", "MX"): dns_liar.records(dns_liar.mx(0, ""))}
    with dns_liar.Liar(rules) as dns, system(sections={"dns": f'servers = {{"{dns.address}"}} insecure = {{"."}}'}) as posta:
        assert send(posta, "a@null.test").startswith("250")
        assert not dns.asked
