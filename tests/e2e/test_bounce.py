"""Letters that cannot be delivered come back as reports (RFC 3464, RFC 6522), and never more than that."""
import email
import email.policy
import smtplib

import pytest

from posta import DOMAIN, PASSWORD, system, until


@pytest.fixture(scope="module")
def house():
    limits = 'queue_life_seconds = "1s" retry_first_seconds = "1s" retry_max_seconds = "1s"'
    with system(users=("alice", "bob"), sections={"limits": limits}) as posta:
        posta.cli("alias", "add", f"info@{DOMAIN}", f"ghost@{DOMAIN}")
        posta.cli("alias", "add", f"team@{DOMAIN}", f"alice@{DOMAIN}", f"bob@{DOMAIN}")
        yield posta


def submit(posta, recipients, subject):
    with smtplib.SMTP("127.0.0.1", posta.ports["msa"]) as c:
        c.starttls(context=posta.tls_context())
        c.login(f"alice@{DOMAIN}", PASSWORD["alice"])
        c.sendmail(f"alice@{DOMAIN}", recipients, f"Subject: {subject}\r\n\r\nhello\r\n")


def reports(posta, subject, user="alice"):
    found = []
    for f in posta.letters(user):
        m = email.message_from_bytes(f.read_bytes(), policy=email.policy.default)
        if m.get_content_type() == "multipart/report" and f"Subject: {subject}\n" in f.read_text():
            assert not m.defects
            found.append(m)
    return found


def report(posta, subject):
    got = until(lambda: reports(posta, subject), lambda: f"a report on {subject}\n" + posta.log()[-2000:])
    posta.drained()
    assert len(reports(posta, subject)) == 1 and len(got) == 1
    return got[0]


def test_mailbox_gone(house):
    submit(house, [f"info@{DOMAIN}", f"bob@{DOMAIN}"], "to nobody")
    m = report(house, "to nobody")
    assert m["Return-Path"] == "<>" and m["Auto-Submitted"].startswith("auto-replied")
    words, status, original = m.iter_parts()
    assert f"ghost@{DOMAIN}" in words.get_content() or f"info@{DOMAIN}" in words.get_content()
    assert status.get_content_type() == "message/delivery-status"
    whole, recipient = status.get_payload()
    assert whole["Reporting-MTA"] == f"dns; mail.{DOMAIN}"
    assert recipient["Action"] == "failed" and recipient["Status"] == "5.1.1" and recipient["Final-Recipient"] == f"rfc822; ghost@{DOMAIN}"
    assert original.get_content_type() in ("message/rfc822", "text/rfc822-headers")
    assert any("Subject: to nobody\n" in f.read_text() for f in house.letters("bob")), "the other recipient got it"


def test_elsewhere_until_the_end_of_its_life(house):
    """A letter for a domain that DNS says nothing of waits, and comes back when its time is over."""
    submit(house, ["someone@elsewhere.test"], "far away")
    m = report(house, "far away")
    recipient = list(m.iter_parts())[1].get_payload()[1]
    assert recipient["Action"] == "failed" and recipient["Final-Recipient"] == "rfc822; someone@elsewhere.test"


def test_A24_no_bounce_of_a_bounce(house):
    d = house.dial("mta")
    d.asks("EHLO mx.elsewhere.test", "250")
    for command, want in (("MAIL FROM:<>", "250"), (f"RCPT TO:<info@{DOMAIN}>", "250"), ("DATA", "354"), ("Subject: from nobody\r\n\r\nx\r\n.", "250")):
        d.asks(command, want)
    house.drained()
    told = [f for user in ("alice", "bob") for f in house.letters(user) if "Subject: from nobody\n" in f.read_text()]
    assert len(told) <= 1, "the postmaster is told once, nobody else"
    assert all("\nAction: failed\n" in f.read_text() for f in told)


def test_A26_own_delivered_to(house):
    d = house.dial("mta")
    d.asks("EHLO mx.elsewhere.test", "250")
    for command, want in (("MAIL FROM:<alice@example.test>", "250"), (f"RCPT TO:<bob@{DOMAIN}>", "250"), ("DATA", "354"),
                          (f"Delivered-To: bob@{DOMAIN}\r\nSubject: round and round\r\n\r\nx\r\n.", "250")):
        d.asks(command, want)
    assert list(report(house, "round and round").iter_parts())[1].get_payload()[1]["Status"] == "5.4.6"


def test_alias_with_several_targets_and_subaddress(house):
    submit(house, [f"team@{DOMAIN}", f"BOB+News@{DOMAIN}", f"bob@{DOMAIN}"], "for all")
    house.drained()
    for user in ("alice", "bob"):
        mine = [f for f in house.letters(user) if "Subject: for all\n" in f.read_text()]
        assert len(mine) == 1, "one copy a mailbox, however many of its names were told"
