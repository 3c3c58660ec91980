"""`posta probe`: each step that a letter would take, and each way in which it fails; no letter is ever sent."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import dns_liar
from posta import DOMAIN, NOBODY, free_ports, system, until
from smtp_liar import CLOSE, SILENT, Gone, Liar, certificate
from test_queue import Unix

QUICK = 'free_bytes = "1M" free_inodes = 10 send_command_seconds = 2 send_connect_seconds = 2 handshake_seconds = 2'
ROUTES = {"clear": "never", "may": "may", "must": "must", "verify": "verify"}


class House:
    pass


@pytest.fixture(scope="module")
def house():
    """Domains by their route's TLS word, ports to put liars on; names in *.mx.test come from a DNS of ours."""
    h = House()
    h.dir = pathlib.Path(tempfile.mkdtemp(prefix="posta-probe-"))
    os.chmod(h.dir, 0o755)
    (h.dir / "password").write_text("sesame\n")
    os.chmod(h.dir / "password", 0o644)
    *ports, mx_port, login, nobody = free_ports(len(ROUTES) + 3)
    h.port, h.mx_port = dict(zip(ROUTES, ports)), mx_port
    h.port["login"] = login
    mta = f"port = {mx_port} " + " ".join(f'route "{n}.test" {{ to = "127.0.0.1:{h.port[n]}" tls = "{t}" }}' for n, t in ROUTES.items())
    mta += f' route "login.test" {{ to = "127.0.0.1:{login}" tls = "never" user = "me" password_file = "{h.dir}/password" }}'
    mta += f' route "nobody.test" {{ to = "127.0.0.1:{nobody}" }}'
    h.rules = {}
    h.good, h.good_context = certificate(h.dir, "IP:127.0.0.1")
    h.other, h.other_context = certificate(h.dir, "DNS:other.test")
    with dns_liar.Liar(h.rules) as dns:
        sections = {"mta": mta, "limits": QUICK, "lab": "loopback_mx = true", "dns": f'servers = {{"{dns.address}"}} insecure = {{"."}}'}
        with system(sections=sections, authorities=h.good) as posta:
            h.posta = posta
            yield h
    shutil.rmtree(h.dir)


def probe(h, address, *options):
    """Status, the steps by name (the last of each), all steps."""
    r = h.posta.cli("probe", address, "--json", *options, check=False)
    steps = json.loads(r.stdout)
    return r.returncode, {s["step"]: s for s in steps}, steps


def names(steps):
    return [s["step"] for s in steps]


# ---- here ----

def test_here(house):
    assert house.posta.cli("probe", f"alice@{DOMAIN}").stdout.splitlines()[-1] == f"A letter would be put into the mailbox of alice@{DOMAIN}."
    status, by, _ = probe(house, f"nobody@{DOMAIN}")
    assert status == 1 and by["end"]["words"] == "A letter would be refused: 550 5.1.1" and not by["address"]["ok"]
    house.posta.cli("alias", "add", f"all@{DOMAIN}", f"alice@{DOMAIN}", "far@clear.test")
    with Liar(port=house.port["clear"]) as liar:
        status, by, steps = probe(house, f"all@{DOMAIN}")
        assert status == 0 and names(steps).count("end") == 2 and liar.commands("RCPT") == ["RCPT TO:<far@clear.test>"]
    assert house.posta.cli("probe", "alice", check=False).returncode == 2
    assert house.posta.cli("probe", "a b@clear.test", check=False).returncode == 1


# ---- a whole dialogue ----

def test_all_goes_well(house):
    with Liar({"RCPT": "250 2.1.5 welcome"}, port=house.port["verify"], context=house.good_context) as liar:
        status, by, steps = probe(house, "bob@verify.test", "--from", f"alice@{DOMAIN}")
        assert names(steps) == ["route", "dns", "connect", "greeting", "EHLO", "STARTTLS", "TLS", "EHLO", "MAIL", "RCPT", "end"]
        assert status == 0 and all(s["ok"] for s in steps)
        assert by["end"]["words"] == "A letter would be taken by 127.0.0.1" and by["RCPT"]["words"] == "250 2.1.5 welcome"
        c = by["TLS"]["certificate"]
        assert c["verified"] and c["names"] == ["127.0.0.1"] and "CN=liar" in c["subject"] == c["issuer"]
        assert c["not_before"] < c["not_after"] and by["TLS"]["version"] == "TLS1_3"
        assert liar.commands("MAIL") == [f"MAIL FROM:<alice@{DOMAIN}>"] and not liar.commands("DATA") and not liar.letters
    with Liar(port=house.port["clear"]) as liar:
        shown = house.posta.cli("probe", "bob@clear.test").stdout
        assert liar.commands("MAIL") == [f"MAIL FROM:<postmaster@mail.{DOMAIN}>"]
        assert "never TLS" in shown and "RCPT TO:<bob@clear.test>" in shown and shown.endswith("\nA letter would be taken by 127.0.0.1.\n")
        assert probe(house, "bob@clear.test", "--from", "<>")[0] == 0 and liar.commands("MAIL")[-1] == "MAIL FROM:<>"
        assert not liar.commands("DATA")


def test_it_says_good_bye(house):
    with Liar(port=house.port["clear"]) as liar:
        probe(house, "bob@clear.test")
        until(lambda: liar.commands("QUIT"), "QUIT")
        assert len(liar.heard) == 1


# ---- each step's failure ----

@pytest.mark.parametrize("says, step, code, words", [
    ({"greeting": "554 5.7.1 go away"}, "greeting", 1, "554 5.7.1 go away"),
    ({"greeting": "421 4.3.2 busy"}, "greeting", 75, "421 4.3.2 busy"),
    ({"greeting": SILENT}, "greeting", 75, "no greeting in time"),
    ({"greeting": CLOSE}, "greeting", 75, "the connection ended"),
    ({"EHLO": "421 4.3.2 closing"}, "EHLO", 75, "421 4.3.2 closing"),
    ({"MAIL": "550 5.7.1 not from you"}, "MAIL", 1, "550 5.7.1 not from you"),
    ({"MAIL": "451 4.7.1 later"}, "MAIL", 75, "451 4.7.1 later"),
    ({"RCPT": "450 4.7.1 greylisted"}, "RCPT", 75, "450 4.7.1 greylisted"),
    ({"RCPT": "550 5.1.1 no such user"}, "RCPT", 1, "550 5.1.1 no such user"),
    ({"RCPT": CLOSE}, "RCPT", 75, "the connection ended"),
    ({"MAIL": "nonsense"}, "MAIL", 75, ""),
], ids=lambda x: None if isinstance(x, dict) else str(x))
def test_refusals(house, says, step, code, words):
    with Liar(says, port=house.port["clear"]) as liar:
        status, by, _ = probe(house, "bob@clear.test")
        assert status == code, by
        assert not by[step]["ok"] and words in by[step]["words"]
        assert by["end"]["words"].startswith("A letter would " + ("come back: " if code == 1 else "wait: ")) and words in by["end"]["words"]
        assert not liar.commands("DATA")


def test_nobody_listens(house):
    status, by, _ = probe(house, "bob@nobody.test")
    assert status == 75 and not by["connect"]["ok"] and "refused" in by["connect"]["words"].lower()


def test_without_pipelining(house):
    with Liar({"RCPT": "550 5.1.1 no"}, offers=(), port=house.port["clear"]) as liar:
        status, by, _ = probe(house, "bob@clear.test")
        assert status == 1 and by["MAIL"]["ok"] and not by["RCPT"]["ok"] and not liar.commands("DATA")


# ---- TLS ----

def test_tls_is_not_offered(house):
    with Liar(port=house.port["must"]):
        status, by, steps = probe(house, "bob@must.test")
        assert status == 75 and names(steps)[-2:] == ["route", "end"] and "does not offer STARTTLS" in by["route"]["words"]


def test_a_certificate_for_another_name(house):
    with Liar(port=house.port["verify"], context=house.other_context):
        status, by, _ = probe(house, "bob@verify.test")
        c = by["TLS"]["certificate"]
        assert status == 75 and not by["TLS"]["ok"] and c["names"] == ["other.test"] and not c["verified"] and c["why"]
        assert "certificate" in by["TLS"]["words"] and "MAIL" not in by
    with Liar(port=house.port["must"], context=house.other_context):
        status, by, _ = probe(house, "bob@must.test")
        assert status == 0 and by["TLS"]["ok"] and not by["TLS"]["certificate"]["verified"], "any will do; it is told all the same"
        assert "not verified for this host: " in house.posta.cli("probe", "bob@must.test").stdout


def test_tls_fails_and_it_goes_on_in_clear(house):
    def not_tls(c, line):
        c.send(b"220 go\r\n")
        c.s.recv(1)
        c.send(b"this is no TLS")
        raise Gone
    with Liar({"STARTTLS": not_tls}, port=house.port["may"], context=house.good_context):
        status, by, steps = probe(house, "bob@may.test")
        assert status == 0 and "again" in by and [s["ok"] for s in steps if s["step"] == "TLS"] == [False]
        assert names(steps).count("connect") == 2


# ---- login ----

def test_login(house):
    offers = ("PIPELINING", "AUTH PLAIN LOGIN")
    with Liar(offers=offers, port=house.port["login"]) as liar:
        status, by, steps = probe(house, "bob@login.test")
        assert status == 0 and by["AUTH"]["ok"] and "login as me" in by["route"]["words"] and liar.heard[0].plain() == [b"me", b"sesame"]
        assert "sesame" not in str(steps) and "AG1lAHNlc2FtZQ" not in str(steps)
    with Liar({"AUTH": "535 5.7.8 no"}, offers=offers, port=house.port["login"]):
        status, by, _ = probe(house, "bob@login.test")
        assert status == 75 and not by["AUTH"]["ok"] and by["AUTH"]["words"] == "535 5.7.8 no"
    with Liar(port=house.port["login"]):
        status, by, _ = probe(house, "bob@login.test")
        assert status == 75 and "offers no login" in by["route"]["words"]


# ---- DNS ----

def test_mx(house):
    addresses = {"one": "127.0.0.2", "two": "127.0.0.3"}
    house.rules["mx.test", "MX"] = dns_liar.records(dns_liar.mx(20, "two.mx.test"), dns_liar.mx(10, "one.mx.test"))
    for n, at in addresses.items():
        house.rules[f"{n}.mx.test", "A"] = dns_liar.records(dns_liar.a(at))
        house.rules[f"{n}.mx.test", "AAAA"] = dns_liar.nodata
    with Liar({"greeting": "421 4.3.2 busy"}, address="127.0.0.2", port=house.mx_port), Liar(address="127.0.0.3", port=house.mx_port):
        status, by, steps = probe(house, "bob@mx.test")
        assert [(x["name"], x["ip"], x["preference"]) for x in by["dns"]["hosts"]] == [("one.mx.test", "127.0.0.2", 10), ("two.mx.test", "127.0.0.3", 20)]
        assert status == 0 and by["end"]["words"] == "A letter would be taken by two.mx.test" and not by["dns"]["secure"] and by["dns"]["dnssec"]
        assert [s["host"] for s in steps if s["step"] == "connect"] == ["one.mx.test", "two.mx.test"]
        assert "10 one.mx.test[127.0.0.2], 20 two.mx.test[127.0.0.3]; not signed" in " ".join(house.posta.cli("probe", "bob@mx.test").stdout.split())


@pytest.mark.parametrize("rule, code, words", [
    (dns_liar.records(dns_liar.mx(0, "")), 1, "556 5.1.10"),
    (dns_liar.nxdomain, 1, "5.1.2"),
    (dns_liar.code(dns_liar.SERVFAIL), 75, "4.4.3"),
], ids=["null", "nxdomain", "servfail"])
def test_dns_says_no(house, rule, code, words):
    domain = {1: "gone", 75: "fails"}[code] + words.split()[0].replace(".", "") + ".test"
    house.rules[domain, "*"] = rule
    status, by, steps = probe(house, f"bob@{domain}")
    assert status == code and names(steps) == ["route", "dns", "end"] and not by["dns"]["ok"] and words in by["dns"]["words"]


# ---- who may, and when there is nobody to ask ----

def test_strangers_may_not(house):
    junk = Unix(house.posta.run / "send.ctl", greet=False)
    for line in ("HELLO", "PROBE", "PROBE to=x", "PROBE to=a@b.test what=1", "PROBE to=a@b.test from=+0D+0A"):
        assert junk.ask(line).startswith("ERR "), line
    junk.close()
    if os.geteuid() == 0 and house.posta.uid == NOBODY:
        r = subprocess.run([str(house.posta.build / "ctl/posta"), "-c", str(house.posta.conf), "probe", "bob@clear.test"], capture_output=True, text=True,
                           user=NOBODY - 1, group=NOBODY - 1, extra_groups=[], cwd="/")
        assert r.returncode != 0 and not r.stdout


def test_one_who_leaves_in_the_middle(house):
    with Liar({"RCPT": SILENT}, port=house.port["clear"]) as liar:
        c = Unix(house.posta.run / "send.ctl", greet=False)
        c.s.sendall(b"PROBE to=bob@clear.test\n")
        until(lambda: liar.commands("RCPT"), "RCPT")
        c.close()
        def counters():
            return next(p for p in house.posta.json("status")["processes"] if p["process"] == "posta-mta-send")["counters"]
        until(lambda: counters()["deliveries"] == 0 and counters()["connections"] == 0, lambda: f"its end: {counters()}")
        until(lambda: liar.heard[0].ended or liar.closing.set(), "the liar's end")


def test_posta_is_down():
    with system(start=False) as posta:
        r = posta.cli("probe", "bob@elsewhere.test", check=False)
        assert r.returncode == 75 and "posta start" in r.stderr
        assert posta.cli("probe", f"alice@{DOMAIN}").returncode == 0, "that is known without"
