"""Delivery status notifications from end to end (RFC 3461, 3464, 6522): what was asked of whom, and each report field by field."""
import contextlib
import email
import email.policy
import email.utils
import re
import smtplib

import pytest

from posta import DOMAIN, PASSWORD, until
from smtp_liar import Liar
from test_queue import Unix
from test_send import house_with

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
ACTIONS = {"failed": "45", "delayed": "4", "delivered": "2", "relayed": "2", "expanded": "2"}
OF_MESSAGE = ["Original-Envelope-Id", "Reporting-MTA", "X-Posta-Queue-Id", "Arrival-Date"]
OF_RECIPIENT = ["Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date", "Will-Retry-Until"]


def alias(posta, name, *targets):
    """When it returns all know it: receive and the queue look for new names once a second."""
    for target in targets:
        posta.cli("alias", "add", f"{name}@{DOMAIN}", target)

    def known():
        d = Unix(posta.run / "queue.sock")
        d.ask("EHLO me.test")
        d.ask("MAIL FROM:<>")
        answer = d.ask(f"RCPT TO:<{name}@{DOMAIN}>")
        d.close()
        return answer.startswith("250")
    until(known, f"{name} to be known")


@pytest.fixture(scope="module")
def house():
    with house_with() as h:
        alias(h.posta, "team", ALICE, BOB)
        alias(h.posta, "desk", BOB)
        yield h


@pytest.fixture(scope="module")
def hasty():
    """A house where a letter is late after a second and given up after six."""
    with house_with(limits="delay_notice_seconds = 1 queue_life_seconds = 6") as h:
        yield h


# ---- reports, field by field ----

def is_date(value):
    when = email.utils.parsedate_to_datetime(value)
    return when.tzinfo is not None and re.search(r" [+-]\d{4}$", value)


def is_typed(value, types):
    kind, _, rest = value.partition("; ")
    return kind in types and rest.strip()


def check_fields(part, names, needed):
    keys = part.keys()
    assert [k for k in names if k in keys] == keys, f"each once, in order: {keys}"
    assert set(needed) <= set(keys), keys
    for key in keys:
        if key.endswith("-Date") or key == "Will-Retry-Until":
            assert is_date(part[key]), part[key]


def check_recipient(r):
    check_fields(r, OF_RECIPIENT, ["Final-Recipient", "Action", "Status"])
    assert r["Action"] in ACTIONS and re.fullmatch(rf"[{ACTIONS[r['Action']]}]\.\d{{1,3}}\.\d{{1,3}}", r["Status"]), (r["Action"], r["Status"])
    assert is_typed(r["Final-Recipient"], ["rfc822"]) and (not r["Original-Recipient"] or is_typed(r["Original-Recipient"], ["rfc822"]))
    assert not r["Remote-MTA"] or is_typed(r["Remote-MTA"], ["dns"])
    assert not r["Diagnostic-Code"] or is_typed(r["Diagnostic-Code"], ["smtp", "x-posta"])
    assert not r["Will-Retry-Until"] or r["Action"] == "delayed", "RFC 3464 2.3.9"


class Report:
    """A letter that must be a report in every respect; its parts."""

    def __init__(self, octets):
        assert b"\r" not in octets and all(len(line) <= 998 for line in octets.split(b"\n"))
        m = self.m = email.message_from_bytes(octets, policy=email.policy.default)
        assert m.get_content_type() == "multipart/report" and m.get_param("report-type") == "delivery-status", m["Content-Type"]
        for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Auto-Submitted"):
            assert len(m.get_all(name)) == 1, name
        assert m["Auto-Submitted"] == "auto-replied" and m["From"].addresses[0].username == "MAILER-DAEMON"
        parts = list(m.iter_parts())
        assert not m.defects and not any(p.defects for p in m.walk())
        assert [p.get_content_type() for p in parts[:2]] == ["text/plain", "message/delivery-status"]
        assert len(parts) == 3 and parts[2].get_content_type() in ("message/rfc822", "text/rfc822-headers")
        self.text, self.whole = parts[0].get_content(), parts[2].get_content_type() == "message/rfc822"
        self.original = parts[2].get_content() if not self.whole else parts[2].get_payload()[0].as_string()
        self.of_message, *self.recipients = parts[1].get_payload()
        check_fields(self.of_message, OF_MESSAGE, ["Reporting-MTA", "Arrival-Date"])
        assert self.of_message["Reporting-MTA"] == f"dns; mail.{DOMAIN}"
        assert self.recipients
        for r in self.recipients:
            check_recipient(r)

    def actions(self):
        return sorted((r["Final-Recipient"].partition("; ")[2], r["Action"]) for r in self.recipients)


def reports(posta, subject, user="alice"):
    """All that alice has about a letter of that subject."""
    found = []
    for f in posta.letters(user):
        octets = f.read_bytes()
        if b"\nContent-Type: multipart/report;" in octets and f"\nSubject: {subject}\n".encode() in octets:
            found.append(Report(octets))
            assert found[-1].m["Return-Path"] == "<>"
    return found


def actions(posta, subject):
    return [a for r in reports(posta, subject) for a in r.actions()]


def comes(posta, subject, n=1):
    until(lambda: len(reports(posta, subject)) >= n, lambda: f"{n} reports on {subject}; there are {actions(posta, subject)}\n{posta.log()[-3000:]}")
    got = reports(posta, subject)
    assert len(got) == n, actions(posta, subject)
    return got


@contextlib.contextmanager
def session(posta):
    with smtplib.SMTP("127.0.0.1", posta.ports["msa"]) as c:
        c.starttls(context=posta.tls_context())
        c.ehlo("me.test")
        assert c.has_extn("dsn")
        c.login(ALICE, PASSWORD["alice"])
        yield c


def submit(posta, subject, *recipients, mail=(), sender=ALICE):
    """Each recipient an address, or an address and its options."""
    with session(posta) as c:
        assert c.mail(sender, list(mail))[0] == 250
        for r in recipients:
            address, options = (r, []) if isinstance(r, str) else (r[0], list(r[1:]))
            assert c.rcpt(address, options)[0] == 250, r
        assert c.data(f"From: {sender}\r\nSubject: {subject}\r\n\r\nhello body\r\n")[0] == 250


def stranger(posta, subject, recipient, sender, mail=(), rcpt=()):
    """Through port 25."""
    with smtplib.SMTP("127.0.0.1", posta.ports["mta"]) as c:
        c.ehlo("mx.elsewhere.test")
        assert c.has_extn("dsn")
        assert c.mail(sender, list(mail))[0] == 250 and c.rcpt(recipient, list(rcpt))[0] == 250
        assert c.data(f"Subject: {subject}\r\n\r\nhello body\r\n")[0] == 250


# ---- delays ----

def test_X20_one_word_of_the_delay_and_one_of_the_end(hasty):
    """Nobody is there at the other end; the system is killed between the two."""
    (one, _), (two, _) = hasty.place(), hasty.place()
    posta = hasty.posta
    submit(posta, "X20", f"bob@{one}", f"carol@{two}", mail=["ENVID=QQ314"])
    late, = comes(posta, "X20")
    assert late.actions() == [(f"bob@{one}", "delayed"), (f"carol@{two}", "delayed")], "one report for both"
    assert late.of_message["Original-Envelope-Id"] == "QQ314" and not late.whole and late.m["Subject"] == "Delayed: X20"
    came, end = (email.utils.parsedate_to_datetime(x) for x in (late.of_message["Arrival-Date"], late.recipients[0]["Will-Retry-Until"]))
    assert (end - came).seconds == 6
    assert "does not answer" in late.text and "You need not do anything" in late.text
    posta.kill()
    posta.start()
    until(lambda: sum(a == "failed" for _, a in actions(posta, "X20")) == 2, lambda: f"the end of both\n{posta.log()[-3000:]}")
    posta.drained()
    assert sorted(actions(posta, "X20")) == [(f"bob@{one}", "delayed"), (f"bob@{one}", "failed"), (f"carol@{two}", "delayed"), (f"carol@{two}", "failed")]


def test_NOTIFY_says_who_hears_of_a_delay(hasty):
    (late, _), (failed, _), (never, _) = hasty.place(), hasty.place(), hasty.place()
    posta = hasty.posta
    submit(posta, "notify", (f"a@{late}", "NOTIFY=DELAY"), (f"b@{failed}", "NOTIFY=FAILURE"), (f"c@{never}", "NOTIFY=NEVER"))
    until(lambda: len(actions(posta, "notify")) == 2, lambda: f"two reports; {actions(posta, 'notify')}\n{posta.log()[-3000:]}")
    posta.drained()
    assert sorted(actions(posta, "notify")) == [(f"a@{late}", "delayed"), (f"b@{failed}", "failed")]


def test_nobody_hears_of_a_letter_from_nobody(hasty):
    domain, _ = hasty.place()
    submit(hasty.posta, "from nobody", (f"a@{domain}", "NOTIFY=DELAY,FAILURE,SUCCESS"), sender="")
    until(lambda: f"expired to <a@{domain}>" in hasty.posta.log(), lambda: hasty.posta.log()[-3000:])
    hasty.posta.drained()
    assert not reports(hasty.posta, "from nobody") and not reports(hasty.posta, "from nobody", "bob")


def test_a_delay_that_ends_well_is_told_once(hasty):
    domain, port = hasty.place()
    with Liar({"RCPT": ["450 4.7.1 Greylisted, come again"] * 3 + ["250 ok"]}, port=port) as liar:
        submit(hasty.posta, "greylisted", f"bob@{domain}")
        until(lambda: liar.letters, lambda: f"the letter\n{hasty.posta.log()[-3000:]}")
        report, = comes(hasty.posta, "greylisted")
        assert report.actions() == [(f"bob@{domain}", "delayed")] and report.recipients[0]["Status"] == "4.7.1"
        assert "(greylisting)" in report.text and "\n        450 4.7.1 Greylisted, come again\n" in report.text
        assert "The server 127.0.0.1" in report.text


# ---- success ----

def test_delivered_here(house):
    submit(house.posta, "delivered", (BOB, "NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Bob+2Bx@Example.test"), ALICE, mail=["RET=FULL", "ENVID=e+2B1"])
    report, = comes(house.posta, "delivered")
    r, = report.recipients
    assert report.actions() == [(BOB, "delivered")] and r["Original-Recipient"] == "rfc822; Bob+x@Example.test" and report.of_message["Original-Envelope-Id"] == "e+1"
    assert report.m["Subject"] == "Delivered: delivered" and not report.whole and "hello body" not in report.original, "RFC 3461 4.3: the head alone"
    house.posta.drained()
    assert len(reports(house.posta, "delivered")) == 1


def test_passed_on_with_all_that_was_asked(house):
    domain, port = house.place()
    with Liar(port=port) as liar:
        submit(house.posta, "with dsn", (f"bob@{domain}", "NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;B+2Bob@D.test"), mail=["RET=HDRS", "ENVID=e1"])
        until(lambda: liar.letters, lambda: house.posta.log()[-3000:])
        house.posta.drained()
        assert liar.commands("MAIL")[0].endswith("ENVID=e1 RET=HDRS")
        assert liar.commands("RCPT") == [f"RCPT TO:<bob@{domain}> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B+2Bob@D.test"]
        assert not reports(house.posta, "with dsn"), "that server will tell"


def test_relayed_to_who_reports_nothing(house):
    domain, port = house.place()
    with Liar(port=port, offers=("PIPELINING", "8BITMIME")) as liar:
        submit(house.posta, "without dsn", (f"bob@{domain}", "NOTIFY=SUCCESS"), f"carol@{domain}", mail=["ENVID=e1"])
        report, = comes(house.posta, "without dsn")
        assert report.actions() == [(f"bob@{domain}", "relayed")] and "does not report deliveries" in " ".join(report.text.split())
        assert not any("NOTIFY" in line or "ENVID" in line for c in liar.heard for line in c.lines)


def test_aliases(house):
    """RFC 3461 5.2.7: one that leads to one, and one that leads to several."""
    submit(house.posta, "desk", (f"desk@{DOMAIN}", "NOTIFY=SUCCESS"))
    report, = comes(house.posta, "desk")
    assert report.actions() == [(BOB, "delivered")] and report.recipients[0]["Original-Recipient"] == f"rfc822; desk@{DOMAIN}"
    submit(house.posta, "team", (f"team@{DOMAIN}", "NOTIFY=SUCCESS,FAILURE"))
    report, = comes(house.posta, "team")
    assert report.actions() == [(f"team@{DOMAIN}", "expanded")]
    house.posta.drained()
    assert len(reports(house.posta, "team")) == 1, "nobody tells of the ends"


# ---- failures ----

def test_the_words_of_the_other_server_whole(house):
    domain, port = house.place()
    words = [f"line {i}: " + "why it is so, " * 8 for i in range(20)]
    lines = "".join(f"550{'-' if i < 19 else ' '}5.7.1 {w}\r\n" for i, w in enumerate(words))
    with Liar({"RCPT": lines.encode()}, port=port):
        submit(house.posta, "refused", f"bob@{domain}")
        report, = comes(house.posta, "refused")
    r, = report.recipients
    whole = " ".join(w.strip() for w in words)
    assert re.sub(r"\s+", " ", r["Diagnostic-Code"]) == f"smtp; 550 5.7.1 {whole}"
    assert f"550 5.7.1 {whole}" in re.sub(r"\s+", " ", report.text)
    assert r["Remote-MTA"] == "dns; 127.0.0.1" and report.m["Subject"] == "Undelivered: refused" and report.whole and "hello body" in report.original
    assert "The rules of the other side forbid it." in report.text


def test_a_failure_is_read_by_a_person_first(house):
    domain, port = house.place()
    with Liar({"RCPT": "550 5.1.1 No such user"}, port=port):
        submit(house.posta, "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", f"bob@{domain}")
        until(lambda: reports(house.posta, "=?utf-8?q?Gr=C3=BC=C3=9Fe?="), lambda: house.posta.log()[-3000:])
    report, = reports(house.posta, "=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
    assert report.m["Subject"] == "Undelivered: Grüße" and "Subject:    Grüße\n" in report.text
    order = [report.text.index(x) for x in ("could not be delivered", f"<bob@{domain}>", "There is no mailbox of that name.", "Check the address", "550 5.1.1 No such user")]
    assert order == sorted(order)


# ---- no backscatter ----

def test_what_a_stranger_gets_back(house):
    """A forged sender gets what RFC 5321 6.1 and NOTIFY ask for, and the head alone; no word of a delay that nobody asked for."""
    (domain, port), (sender, back) = house.place(), house.place()
    alias(house.posta, "away", f"bob@{domain}")
    with Liar({"RCPT": "550 5.1.1 gone"}, port=port), Liar(port=back) as forged:
        stranger(house.posta, "forged", f"away@{DOMAIN}", f"eve@{sender}")
        until(lambda: forged.letters, lambda: house.posta.log()[-3000:])
        report = Report(forged.letters[0].replace(b"\r\n", b"\n"))
        assert report.actions() == [(f"bob@{domain}", "failed")] and not report.whole and "hello body" not in report.original
        assert forged.commands("MAIL")[0].startswith("MAIL FROM:<> ") and "RET=" not in forged.commands("MAIL")[0]
        assert forged.commands("RCPT") == [f"RCPT TO:<eve@{sender}> NOTIFY=NEVER"], "RFC 3461 6.1"
        stranger(house.posta, "asked", BOB, f"eve@{sender}", rcpt=["NOTIFY=SUCCESS"])
        until(lambda: len(forged.letters) == 2, lambda: house.posta.log()[-3000:])
        assert Report(forged.letters[1].replace(b"\r\n", b"\n")).actions() == [(BOB, "delivered")]
    house.posta.drained()


def test_a_stranger_is_not_told_of_a_delay_unasked(hasty):
    (domain, _), (sender, back) = hasty.place(), hasty.place()
    alias(hasty.posta, "slow", f"bob@{domain}")
    with Liar(port=back) as forged:
        stranger(hasty.posta, "not asked", f"slow@{DOMAIN}", f"eve@{sender}")
        until(lambda: forged.letters, lambda: hasty.posta.log()[-3000:])
        assert Report(forged.letters[0].replace(b"\r\n", b"\n")).actions() == [(f"bob@{domain}", "failed")]
        stranger(hasty.posta, "asked", f"slow@{DOMAIN}", f"eve@{sender}", rcpt=["NOTIFY=DELAY"])
        until(lambda: len(forged.letters) == 2, lambda: hasty.posta.log()[-3000:])
        assert Report(forged.letters[1].replace(b"\r\n", b"\n")).actions() == [(f"bob@{domain}", "delayed")]
        hasty.posta.drained()
        assert len(forged.letters) == 2


def test_A24_a_report_that_comes_back_ends(house):
    """The sender's own server refuses the report: logged, and nothing more is made."""
    (domain, port), (sender, back) = house.place(), house.place()
    alias(house.posta, "gone", f"bob@{domain}")
    with Liar({"RCPT": "550 5.1.1 gone"}, port=port), Liar({"RCPT": "550 5.1.1 gone too"}, port=back) as forged:
        stranger(house.posta, "double", f"gone@{DOMAIN}", f"eve@{sender}")
        until(lambda: re.search(f"bounced to <eve@{sender}>.*; nobody is told", house.posta.log()), lambda: house.posta.log()[-3000:])
        house.posta.drained()
        assert not forged.letters and len(forged.commands("RCPT")) == 1
        assert not reports(house.posta, "double") and not reports(house.posta, "double", "bob")


def test_dsn_can_be_kept_from_strangers():
    with house_with() as h:
        h.posta.sections["mta"] += " dsn = false"
        h.posta.write_conf()
        h.posta.cli("reload")
        d = until(lambda: offers(h.posta), "port 25 without DSN")
        d.asks("MAIL FROM:<a@b.example> RET=HDRS", "555 5.5.4")
        d.close()
        with session(h.posta):
            pass


def offers(posta):
    """A session on 25 that was not offered DSN, or None."""
    d = posta.dial("mta")
    if "DSN" not in d.asks("EHLO x.example", "250"):
        return d
    d.close()
    return None
