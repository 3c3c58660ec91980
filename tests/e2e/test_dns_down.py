"""DNS that is down, fails, is slow or says what is not so (X16): letters come in as ever, what goes out waits with 4.4.3 and leaves when names
are found again, and nothing comes back."""
import contextlib
import socket
import time

import pytest

import dns_liar
from dns_liar import SERVFAIL, a, code, mx, nodata, records, reply, silent
from posta import DOMAIN, free_ports, system, until
from smtp_liar import Liar
from test_send import QUICK, arrived, send, waits


def slow(rule):
    """Five seconds late: later than anybody waits for one answer."""
    def answer(q):
        time.sleep(5)
        return rule(q)
    return answer


def another(q):
    """Somebody else's answer to somebody else's question."""
    return [reply(q, [a("192.0.2.1")], id=q.id ^ 1), reply(q, [a("192.0.2.1")], question=dns_liar.name("other.test") + q.octets[-4:])]


def garbage(q):
    return [q.message[:2] + b"\x85\x80" + b"\xff" * 20, b"", q.message[:5]]


FAULTS = {"servfail": code(SERVFAIL), "silence": silent, "another": another, "garbage": garbage}


def good():
    return {("d.test", "MX"): records(mx(10, "mx.d.test")), ("mx.d.test", "A"): records(a("127.0.0.2")), ("mx.d.test", "AAAA"): nodata}


@contextlib.contextmanager
def world(rules, port):
    with dns_liar.Liar(rules) as dns:
        sections = {"mta": f"port = {port}", "limits": QUICK, "lab": "loopback_mx = true", "dns": f'servers = {{"{dns.address}"}} insecure = {{"."}}'}
        with system(sections=sections) as posta, Liar(address="127.0.0.2", port=port) as far:
            yield posta, dns, far


def comes_in(posta, n):
    """A letter from outside, while names are not found."""
    d = posta.dial("mta")
    d.asks("EHLO outside.test", "250")
    d.asks("MAIL FROM:<zoe@nowhere.test>", "250")
    d.asks(f"RCPT TO:<bob@{DOMAIN}>", "250")
    d.asks("DATA", "354")
    d.asks(f"Subject: {n}\r\n\r\nx\r\n.", "250")
    d.close()
    posta.wait_letters(n)


@pytest.mark.parametrize("fault", FAULTS)
def test_X16_dns_fails_and_comes_back(fault):
    rules = {("d.test", "*"): FAULTS[fault]}
    with world(rules, free_ports(1)[0]) as (posta, dns, far):
        send(posta, "bob@d.test")
        comes_in(posta, 1)
        r = waits(posta, "bob@d.test", "4.4.3")
        assert r["reply"].startswith("45") and not far.heard
        comes_in(posta, 2)
        assert not posta.letters("alice"), "nothing comes back"
        rules.clear()
        rules.update(good())
        arrived(posta, far)
        posta.drained()
        assert len(far.letters) == 1 and not posta.letters("alice")


def test_X16_dns_is_slow():
    rules = {key: slow(rule) for key, rule in good().items()}
    with world(rules, free_ports(1)[0]) as (posta, dns, far):
        send(posta, "bob@d.test")
        until(lambda: dns.count("d.test"), "a question")
        for n in range(1, 6):
            comes_in(posta, n)
        assert not posta.letters("alice")
        rules.update(good())
        arrived(posta, far)
        posta.drained()
        assert not posta.letters("alice")


def test_X16_nobody_answers_at_all():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
        with system(sections={"limits": QUICK, "dns": f'servers = {{"127.0.0.1@{port}"}} insecure = {{"."}}'}) as posta:
            for i in range(10):
                send(posta, f"bob@d{i}.test")
            for n in range(1, 6):
                comes_in(posta, n)
            waits(posta, "bob@d0.test", "4.4.3")
            assert len(posta.json("queue", "list")) == 10 and not posta.letters("alice")
