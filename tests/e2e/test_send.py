"""Letters for other systems: through routes, relays and DNS, to servers that behave well and to servers that lie. Rows of hostile input by id."""
import contextlib
import email
import email.policy
import os
import pathlib
import shutil
import signal
import tempfile
import threading

import pytest

import dns_liar
from posta import DOMAIN, System, free_ports, system, until
from smtp_liar import CLOSE, RST, SILENT, Liar, certificate
from test_queue import Unix

ALICE = f"alice@{DOMAIN}"
ROUTES = 60
QUICK = 'free_bytes = "1M" free_inodes = 10 retry_first_seconds = 1 retry_max_seconds = 1'


class House:
    """A posta with routes to ports of ours: each test takes the next one."""

    def __init__(self, posta, ports, tls):
        self.posta, self.ports, self.next, self.tls = posta, ports, 0, tls

    def place(self):
        """A domain, and the port that its letters go to."""
        at, self.next = self.next, self.next + 1
        return f"d{at}.test", self.ports[at]


def routes(ports, tls):
    return " ".join(f'route "d{i}.test" {{ to = "127.0.0.1:{p}" tls = "{tls}" }}' for i, p in enumerate(ports))


@contextlib.contextmanager
def house_with(tls="may", limits="", **more):
    ports = free_ports(ROUTES)
    sections = {"mta": routes(ports, tls), "limits": f"{QUICK} {limits}", **more}
    with system(sections=sections) as posta:
        yield House(posta, ports, tls)


@pytest.fixture(scope="module")
def house():
    with house_with() as h:
        yield h


def send(posta, *to, text="Subject: x\n\nhello\n", sender=ALICE, options=()):
    posta.cli("sendmail", "-i", "-f", sender, *options, *to, input=text)


def standing(posta, address):
    for letter in posta.json("queue", "list"):
        for r in letter["recipients"]:
            if r["address"] == address:
                return {**r, "id": letter["id"]}
    return None


def waits(posta, address, words=""):
    """The recipient when it has been put off with these words."""
    def there():
        r = standing(posta, address)
        return r if r and r["reply"] and words in r["reply"] else None
    return until(there, lambda: f"{address} to wait with {words!r}; it is {standing(posta, address)}\n{posta.log()[-3000:]}")


def arrived(posta, liar, n=1):
    until(lambda: len(liar.letters) >= n, lambda: f"{n} letters at the liar; it heard {[c.lines for c in liar.heard]}\n{posta.log()[-3000:]}")
    return liar.letters


def empty(posta, domain):
    def gone():
        return not [r for letter in posta.json("queue", "list") for r in letter["recipients"] if r["address"].endswith("@" + domain)]
    until(gone, lambda: f"nothing left for {domain}\n{posta.log()[-3000:]}")


def reports(posta, address):
    found = []
    for f in posta.letters("alice"):
        m = email.message_from_bytes(f.read_bytes(), policy=email.policy.default)
        if m.get_content_type() == "multipart/report":
            for r in list(m.iter_parts())[1].get_payload()[1:]:
                if r["Final-Recipient"].endswith(" " + address):
                    assert not m.defects
                    found.append((r, m))
    return found


def bounced(posta, address):
    (r, m), *more = until(lambda: reports(posta, address), lambda: f"a report on {address}\n{posta.log()[-3000:]}")
    assert not more
    return r, m


def forget(posta, domain):
    """Nothing more is tried for it."""
    for letter in posta.json("queue", "list"):
        if any(r["address"].endswith("@" + domain) for r in letter["recipients"]):
            posta.cli("queue", "delete", letter["id"], check=False)
    empty(posta, domain)


# ---- good servers ----

def test_a_letter_arrives_as_it_was(house):
    domain, port = house.place()
    with Liar(port=port) as liar:
        send(house.posta, f"bob@{domain}", text="Subject: x\n\n.dot\n..two\n.\nlast\n")
        letter, = arrived(house.posta, liar)
        empty(house.posta, domain)
        assert letter.startswith(b"Received: ") and letter.endswith(b"\r\n\r\n..dot\r\n...two\r\n..\r\nlast\r\n"), "S12: stuffed"
        talk, = liar.heard
        assert talk.lines[0] == f"EHLO mail.{DOMAIN}"
        assert liar.commands("MAIL")[0].startswith(f"MAIL FROM:<{ALICE}> SIZE=") and "AUTH=" not in liar.commands("MAIL")[0]
        assert b"\r" not in talk.raw.replace(b"\r\n", b"") and b"\n" not in talk.raw.replace(b"\r\n", b""), "S12: no bare CR or LF leaves"


def test_one_domain_is_one_transaction_and_two_are_two(house):
    (one, port), (two, other) = house.place(), house.place()
    with Liar(port=port) as liar, Liar(port=other) as second:
        send(house.posta, f"a@{one}", f"b@{two}", f"c@{one}", f"d@{one.upper()}")
        arrived(house.posta, liar)
        arrived(house.posta, second)
        assert sorted(c.split(" ")[1].lower() for c in liar.commands("RCPT")) == [f"to:<{u}@{one}>" for u in "acd"]
        assert len(liar.commands("MAIL")) == 1 and len(second.commands("RCPT")) == 1


def test_a_hundred_recipients_a_transaction(house):
    domain, port = house.place()
    with Liar(port=port) as liar:
        send(house.posta, *[f"u{i}@{domain}" for i in range(201)])
        arrived(house.posta, liar, 3)
        empty(house.posta, domain)
        assert len(liar.commands("RCPT")) == 201 and max(len(c.commands("RCPT")) for c in liar.heard) <= 201
        assert len(liar.commands("MAIL")) == 3


def test_a_connection_is_used_again(house):
    domain, port = house.place()
    with Liar(port=port) as liar:
        for i in range(3):
            send(house.posta, f"bob@{domain}", text=f"Subject: {i}\n\nx\n")
            arrived(house.posta, liar, i + 1)
        assert len(liar.heard) == 1, "three letters, one connection"
        until(lambda: liar.commands("QUIT"), "the good-bye when nothing comes for a while")


def test_a_connection_that_went_meanwhile_costs_nothing(house):
    domain, port = house.place()
    with Liar(port=port) as liar:
        send(house.posta, f"bob@{domain}")
        arrived(house.posta, liar)
        liar.says["MAIL"] = CLOSE  # on the one that is kept; the next is served again
        liar.says["greeting"] = lambda c, line: liar.says.pop("MAIL", None) and "220 liar.test" or "220 liar.test"
        send(house.posta, f"bob@{domain}")
        arrived(house.posta, liar, 2)
        empty(house.posta, domain)
        assert len(liar.heard) == 2
        assert "unsent to bob@" + domain not in house.posta.log(), "that was no try"


def test_a_server_of_before_esmtp(house):
    domain, port = house.place()
    with Liar({"EHLO": "500 what"}, port=port) as liar:
        send(house.posta, f"bob@{domain}")
        arrived(house.posta, liar)
        assert liar.commands("HELO") == [f"HELO mail.{DOMAIN}"]
        assert liar.commands("MAIL") == [f"MAIL FROM:<{ALICE}>"]


def test_the_journey_tells_who_took_it(house):
    domain, port = house.place()
    with Liar({".": "250 2.6.0 number 17"}, port=port) as liar:
        send(house.posta, f"bob@{domain}")
        arrived(house.posta, liar)
        empty(house.posta, domain)
        i = [line.split(" queued ")[0].split()[-1].rstrip(":") for line in house.posta.log().splitlines()
             if f"sent to bob@{domain}" in line]
        assert "number 17" in house.posta.log() and i


def test_lmtp_as_a_route():
    port, = free_ports(1)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="posta-lmtp-"))
    os.chmod(directory, 0o755)
    mta = f'route "tcp.test" {{ to = "lmtp:127.0.0.1:{port}" }} route "unix.test" {{ to = "lmtp:{directory}/s" }}'
    with system(sections={"mta": mta, "limits": QUICK}) as posta:
        with Liar({("RCPT.", "b@tcp.test"): "550 5.2.2 full"}, port=port, lmtp=True) as tcp, Liar(path=directory / "s", lmtp=True) as unix:
            os.chmod(directory / "s", 0o666)
            send(posta, "a@tcp.test", "b@tcp.test", "c@unix.test")
            arrived(posta, tcp)
            arrived(posta, unix)
            assert bounced(posta, "b@tcp.test")[0]["Status"] == "5.2.2"
            empty(posta, "tcp.test")
            empty(posta, "unix.test")
            assert tcp.heard[0].lines[0] == unix.heard[0].lines[0] == f"LHLO mail.{DOMAIN}"
    shutil.rmtree(directory)


# ---- what it can do ----

UMLAUT = ("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nSubject: x\n\n"
          "some words and one more: gr\u00fcn\n")


def test_eight_bits_to_who_takes_them(house):
    domain, port = house.place()
    with Liar(port=port) as liar:
        send(house.posta, f"bob@{domain}", text=UMLAUT)
        letter, = arrived(house.posta, liar)
        assert liar.commands("MAIL")[0].endswith("BODY=8BITMIME") and "gr\u00fcn".encode() in letter


def test_eight_bits_to_who_does_not(house):
    domain, port = house.place()
    with Liar(offers=("PIPELINING", "SIZE 100000"), port=port) as liar:
        send(house.posta, f"bob@{domain}", text=UMLAUT)
        letter, = arrived(house.posta, liar)
        assert "BODY" not in liar.commands("MAIL")[0] and letter.isascii()
        m = email.message_from_bytes(letter, policy=email.policy.default)
        assert m["Content-Transfer-Encoding"] == "quoted-printable" and m.get_content().replace("\r", "") == "some words and one more: gr\u00fcn\n"
        told = int(liar.commands("MAIL")[0].split("SIZE=")[1])
        assert told == len(letter)


def test_a_long_letter_in_seven_bits(house):
    domain, port = house.place()
    line = "some words and one more: gr\u00fcn\n"
    with Liar(offers=("PIPELINING",), port=port) as liar:
        send(house.posta, f"bob@{domain}", text=UMLAUT + line * 20000)
        letter, = arrived(house.posta, liar)
        assert letter.isascii() and letter.count(b"gr=C3=BCn\r\n") == 20001
        empty(house.posta, domain)


def test_a_letter_above_the_announced_size_fails_at_once(house):
    domain, port = house.place()
    with Liar(offers=("PIPELINING", "SIZE 100"), port=port) as liar:
        send(house.posta, f"bob@{domain}", text="Subject: x\n\n" + "x" * 200 + "\n")
        r, _ = bounced(house.posta, f"bob@{domain}")
        assert r["Status"] == "5.3.4" and not liar.commands("MAIL")
        assert not r["Remote-MTA"], "nobody said that but we"


def test_dsn_is_asked_of_who_knows_it(house):
    domain, port = house.place()
    with Liar(port=port) as liar:
        d = Unix(house.posta.run / "queue.sock")
        for line in ("EHLO me.test", f"MAIL FROM:<{ALICE}> RET=HDRS ENVID=e1", f"RCPT TO:<bob@{domain}> NOTIFY=FAILURE,DELAY ORCPT=rfc822;bob@{domain}"):
            assert d.ask(line).startswith("250")
        assert d.ask("DATA").startswith("354") and d.ask("Subject: x\r\n\r\nx\r\n.").startswith("250")
        d.close()
        arrived(house.posta, liar)
        assert liar.commands("MAIL")[0].endswith("ENVID=e1 RET=HDRS")
        assert liar.commands("RCPT") == [f"RCPT TO:<bob@{domain}> NOTIFY=FAILURE,DELAY ORCPT=rfc822;bob@{domain}"]


# ---- servers that lie ----

@pytest.mark.parametrize("verb", ["greeting", "EHLO"])
def test_O01_endless_reply(house, verb):
    domain, port = house.place()

    def endless(c, line):
        code = b"220" if verb == "greeting" else b"250"
        for _ in range(100000):
            c.send((code + b"-x\r\n") * 100)
    with Liar({verb: endless}, port=port) as liar:
        send(house.posta, f"bob@{domain}")
        assert "4.5.0" in waits(house.posta, f"bob@{domain}", "too long")["reply"]
        assert liar.heard
        forget(house.posta, domain)


@pytest.mark.parametrize("answer", [b"250\r\n", b"25\r\n", b"abc\r\n", b"250-\r\n", b"999 x\r\n", b"550 5.7.2\r\n", b"250-a\r\n251 b\r\n", b"250 \0\r\n",
                                    b"250 a\rb\r\n", b"250 a\n"])
def test_O02_replies_that_are_none(house, answer):
    domain, port = house.place()

    def once(c, line):
        c.send(answer)
        if answer == b"250-\r\n":
            raise ConnectionError
    with Liar({"MAIL": once}, port=port, offers=()) as liar:
        send(house.posta, f"bob@{domain}")
        if answer == b"250\r\n":
            arrived(house.posta, liar)
        elif answer.startswith(b"550"):
            assert bounced(house.posta, f"bob@{domain}")[0]["Status"] == "5.7.2"
        else:
            waits(house.posta, f"bob@{domain}")
            assert not liar.letters
        forget(house.posta, domain)


def test_O03_words_in_the_report(house):
    domain, port = house.place()
    evil = b"550 5.1.1 no\x1b[31m \xc3\xa4 \xff Action: delivered" + b"x" * 60000 + b"\r\n"
    with Liar({"RCPT": evil}, port=port):
        send(house.posta, f"bob@{domain}")
        r, m = bounced(house.posta, f"bob@{domain}")
        assert r["Action"] == "failed" and r["Status"] == "5.1.1" and r["Remote-MTA"] == "dns; 127.0.0.1"
        assert "\x1b" not in m.as_string() and max(map(len, m.as_string().splitlines())) < 999


COMMANDS = ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "."]


@pytest.mark.parametrize("verb", COMMANDS)
@pytest.mark.parametrize("answer", ["421 4.3.2 going down", "451 4.7.1 not now", "554 5.7.1 never", CLOSE, RST], ids=["421", "4xx", "5xx", "close", "RST"])
def test_O04_after_every_command(tmp_house, verb, answer):
    """Put off, or bounced where it is for good; O05 is RST after the last dot."""
    domain, port = tmp_house.place()
    with Liar({verb: answer}, port=port) as liar:
        send(tmp_house.posta, f"bob@{domain}")
        if answer == "554 5.7.1 never":
            if verb == "EHLO":  # then HELO
                arrived(tmp_house.posta, liar)
            else:
                r, _ = bounced(tmp_house.posta, f"bob@{domain}")
                assert r["Status"] == "5.7.1" and "never" in r["Diagnostic-Code"]
        else:
            words = {"4": answer[4:]}.get(answer[0]) if isinstance(answer, str) else ""
            waits(tmp_house.posta, f"bob@{domain}", words)
        assert len(liar.letters) == (1 if verb == "." or (verb == "EHLO" and answer == "554 5.7.1 never") else 0) or verb == "."
        forget(tmp_house.posta, domain)


@pytest.fixture(scope="module")
def tmp_house():
    """One whose letters wait long: one try a test."""
    with house_with(limits="", log="") as h:
        h.posta.sections["limits"] = 'free_bytes = "1M" free_inodes = 10'
        h.posta.write_conf()
        h.posta.cli("reload")
        yield h


def test_O05_lost_in_the_answer_is_tried_again(house):
    domain, port = house.place()
    with Liar({".": RST}, port=port) as liar:
        send(house.posta, f"bob@{domain}")
        waits(house.posta, f"bob@{domain}", "may have been taken")
        liar.says.clear()
        arrived(house.posta, liar, 2)
        empty(house.posta, domain)


@pytest.mark.parametrize("says", [
    {"MAIL": b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n"},      # all answers at once, and one for the letter
    {"RCPT": b"250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n"},
    {"DATA": b"354 go\r\n250 taken\r\n"},                                     # before the dot
    {"greeting": b"220 x\r\n250 x\r\n250 ok\r\n250 ok\r\n"},
    {"EHLO": b"250-x\r\n250 PIPELINING\r\n250 ok\r\n"},
], ids=["many", "rcpt", "early", "greeting", "ehlo"])
def test_O06_answers_to_nothing(house, says):
    domain, port = house.place()
    with Liar(says, port=port):
        send(house.posta, f"a@{domain}", f"b@{domain}")
        for who in "ab":
            assert not reports(house.posta, f"{who}@{domain}")
            waits(house.posta, f"{who}@{domain}")
        assert f": sent to a@{domain}" not in house.posta.log()
        forget(house.posta, domain)


@pytest.fixture(scope="module")
def hasty():
    with house_with(limits="send_command_seconds = 2 send_data_seconds = 2 send_end_seconds = 2 send_seconds = 6") as h:
        yield h


@pytest.mark.parametrize("verb", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "."])
def test_O07_silence(hasty, verb):
    domain, port = hasty.place()
    with Liar({verb: SILENT}, port=port):
        send(hasty.posta, f"bob@{domain}")
        waits(hasty.posta, f"bob@{domain}", {"greeting": "no greeting in time", ".": "may have been taken"}.get(verb, "no answer in time"))
        forget(hasty.posta, domain)


def test_O07_one_octet_after_the_other(hasty):
    """Octets are no progress; whole lines of one reply are none either."""
    domain, port = hasty.place()

    def drip(c, line):
        while not c.liar.closing.wait(0.3):
            c.send(b"250-x\r\n")
    with Liar({"EHLO": drip}, port=port):
        send(hasty.posta, f"bob@{domain}")
        waits(hasty.posta, f"bob@{domain}", "no answer in time")
        forget(hasty.posta, domain)


def test_O07_the_time_for_all_of_it(hasty):
    """Each answer comes before its deadline; all of them do not."""
    domain, port = hasty.place()

    def late(c, line):
        c.liar.closing.wait(1.2)
        return "250 ok"
    with Liar({"RCPT": late}, port=port, offers=()) as liar:
        send(hasty.posta, *[f"u{i}@{domain}" for i in range(10)])
        waits(hasty.posta, f"u9@{domain}", "the time for a delivery is over")
        assert liar.commands("RCPT") and not liar.letters
        forget(hasty.posta, domain)


def test_who_was_answered_in_time_is_not_asked_again():
    """LMTP answers one after another; one of them comes too late."""
    port, = free_ports(1)
    with system(sections={"mta": f'route "d.test" {{ to = "lmtp:127.0.0.1:{port}" }}', "limits": f"{QUICK} send_seconds = 2"}) as posta, \
            Liar({("RCPT.", "b@d.test"): "550 5.1.1 no", ".": ["250 2.0.0 kept", SILENT, "250 2.0.0 kept"]}, port=port, lmtp=True) as liar:
        send(posta, "a@d.test", "b@d.test", "c@d.test")
        until(lambda: len(liar.heard) > 1 and len(liar.letters) > 1, lambda: posta.log()[-3000:])
        assert [c.lmtp() for c in liar.heard][:2] == [["a@d.test", "b@d.test", "c@d.test"], ["c@d.test"]]
        bounced(posta, "b@d.test")


@pytest.mark.parametrize("ehlo", [b"250-x\r\n" * 10000 + b"250 x\r\n", b"250-x\r\n250 SIZE abc\r\n", b"250-x\r\n250 AUTH" + b" " * 1000000 + b"\r\n"],
                         ids=["lines", "size", "spaces"])
def test_O08_what_ehlo_says(house, ehlo):
    domain, port = house.place()
    with Liar({"EHLO": ehlo}, port=port) as liar:
        send(house.posta, f"bob@{domain}")
        if b"SIZE" in ehlo:
            arrived(house.posta, liar)
        else:
            waits(house.posta, f"bob@{domain}", "too long")
        forget(house.posta, domain)


def test_O09_three_recipients_three_ways(house):
    domain, port = house.place()
    says = {("RCPT", f"later@{domain}"): "451 4.2.1 come again", ("RCPT", f"never@{domain}"): "550 5.1.1 nobody"}
    with Liar(says, port=port) as liar:
        send(house.posta, *[f"{u}@{domain}" for u in ("now", "later", "never")])
        arrived(house.posta, liar)
        r = waits(house.posta, f"later@{domain}", "451 4.2.1 come again (127.0.0.1[127.0.0.1])")
        assert r["state"] in ("later", "due", "trying")
        report, _ = bounced(house.posta, f"never@{domain}")
        assert report["Status"] == "5.1.1" and report["Diagnostic-Code"] == "smtp; 550 5.1.1 nobody"
        until(lambda: len(liar.commands("MAIL")) >= 2, "another try")
        del liar.says["RCPT", f"later@{domain}"]
        empty(house.posta, domain)
        assert len(liar.letters) == 2, "one each time"
        assert liar.commands("RCPT").count(f"RCPT TO:<now@{domain}>") == 1
        assert len(reports(house.posta, f"never@{domain}")) == 1


# ---- too many recipients: RFC 5321 4.5.3.1.10 ----

def few(most, answer, **says):
    """What a server says that takes so many recipients in a transaction."""
    def mail(c, line):
        c.n = 0
        return "250 2.1.0 ok"

    def rcpt(c, line):
        c.n += 1
        return "250 2.1.5 ok" if c.n <= most else answer
    return {"MAIL": mail, "RCPT": rcpt, **says}


@pytest.mark.parametrize("answer", ["452 4.5.3 too many recipients", "452 too many", "552 5.5.3 too many"])
def test_who_was_too_many_goes_with_the_next_transaction(house, answer):
    domain, port = house.place()
    to = [f"u{i}@{domain}" for i in range(5)]
    with Liar(few(2, answer), port=port) as liar:
        send(house.posta, *to)
        arrived(house.posta, liar, 3)
        empty(house.posta, domain)
        assert len(liar.heard) == 1 and len(liar.commands("MAIL")) == 3
        assert sorted(liar.commands("RCPT").count(f"RCPT TO:<{r}>") for r in to) == [1, 1, 2, 2, 3]
        assert not [line for line in house.posta.log().splitlines() if "deferred" in line and "@" + domain in line]


def test_one_too_many_where_nobody_was_taken_waits(house):
    domain, port = house.place()
    with Liar({"RCPT": "452 4.5.3 too many recipients"}, port=port) as liar:
        send(house.posta, f"a@{domain}", f"b@{domain}")
        waits(house.posta, f"a@{domain}", "452 4.5.3 too many recipients")
        assert not liar.letters
        forget(house.posta, domain)


def test_a_full_mailbox_is_not_one_too_many(house):
    domain, port = house.place()
    with Liar({("RCPT", f"full@{domain}"): "452 4.2.2 over quota"}, port=port) as liar:
        send(house.posta, f"a@{domain}", f"full@{domain}")
        waits(house.posta, f"full@{domain}", "452 4.2.2 over quota")
        forget(house.posta, domain)
        assert all(len(c.commands("MAIL")) == 1 or c.commands("RSET") for c in liar.heard), "not in a next transaction"


def test_a_server_that_goes_after_a_transaction_is_called_again_for_the_rest(house):
    domain, port = house.place()
    says = few(1, "452 4.5.3 too many recipients")
    first = says["MAIL"]
    says["MAIL"] = lambda c, line: CLOSE if c.letters else first(c, line)
    with Liar(says, port=port) as liar:
        send(house.posta, *[f"u{i}@{domain}" for i in range(3)])
        arrived(house.posta, liar, 3)
        empty(house.posta, domain)
        assert [len(c.letters) for c in liar.heard] == [1, 1, 1]
        assert not [line for line in house.posta.log().splitlines() if "deferred" in line and "@" + domain in line]


def test_a_stop_between_two_transactions_sends_nothing_twice():
    port, = free_ports(1)
    says = few(1, "452 4.5.3 too many recipients")
    first = says["MAIL"]
    says["MAIL"] = lambda c, line: SILENT if c.letters else first(c, line)
    with system(sections={"mta": f'route "d.test" {{ to = "127.0.0.1:{port}" }}', "limits": QUICK}) as posta:
        with Liar(says, port=port) as liar:
            send(posta, "a@d.test", "b@d.test")
            until(lambda: len(liar.commands("MAIL")) == 2, "the second transaction")
            posta.stop()
        with Liar(port=port) as liar:
            posta.start()
            arrived(posta, liar)
            empty(posta, "d.test")
            assert liar.commands("RCPT") == ["RCPT TO:<b@d.test>"]


# ---- TLS ----

@pytest.fixture(scope="module")
def papers():
    """Certificates: what each is good for, and a file with those that may be believed."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="posta-papers-"))
    os.chmod(directory, 0o755)
    made = {n: certificate(directory, n) for n in ("IP:127.0.0.1", "DNS:other.test", "DNS:*", "DNS:*.test", "DNS:host.d.test", "DNS:*.d.test")}
    made["strange"] = certificate(directory, "DNS:localhost")
    (directory / "all.pem").write_text("".join(pem.read_text() for n, (pem, _) in made.items() if n != "strange"))
    (directory / "all.pem").chmod(0o644)
    yield {"file": directory / "all.pem", **{n: context for n, (_, context) in made.items()}}
    shutil.rmtree(directory)


@contextlib.contextmanager
def tls_house(papers, tls):
    ports = free_ports(12)
    with system(sections={"mta": routes(ports, tls), "limits": QUICK}, authorities=papers["file"]) as posta:
        yield House(posta, ports, tls)


def test_tls_where_it_is_offered(house, papers):
    domain, port = house.place()
    with Liar(context=papers["strange"], port=port) as liar:
        send(house.posta, f"bob@{domain}")
        arrived(house.posta, liar)
        assert liar.heard[0].tls and liar.heard[0].lines.count(f"EHLO mail.{DOMAIN}") == 2
        assert f"sent to bob@{domain} at 127.0.0.1[127.0.0.1] tls=TLS1_3" in house.posta.log()


def test_tls_that_does_not_work_falls_back_where_that_may_be(house):
    domain, port = house.place()
    with Liar({"STARTTLS": b"220 go\r\n", "EHLO": b"250-x\r\n250 STARTTLS\r\n"}, port=port) as liar:
        liar.says["STARTTLS"] = lambda c, line: (c.send(b"220 go\r\n"), c.s.recv(100), c.send(b"500 what is this\r\n" * 3), CLOSE)[-1]
        send(house.posta, f"bob@{domain}")
        arrived(house.posta, liar)
        assert len(liar.heard) == 2 and "STARTTLS" in liar.heard[0].lines and "STARTTLS" not in liar.heard[1].lines


def test_T04_words_before_the_handshake(house, papers):
    domain, port = house.place()
    with Liar({"STARTTLS": b"220 ok\r\n250-X\r\n250 AUTH PLAIN\r\n"}, context=papers["strange"], port=port) as liar:
        send(house.posta, f"bob@{domain}")
        assert "4.7.5" in waits(house.posta, f"bob@{domain}", "before TLS")["reply"]
        assert not liar.letters and not liar.commands("MAIL"), "not in clear either"
        forget(house.posta, domain)


def test_tls_that_must_be(papers):
    with tls_house(papers, "must") as h:
        (plain, a), (bad, b), (good, c) = h.place(), h.place(), h.place()
        with Liar(port=a) as clear, Liar(context=papers["strange"], port=c) as secure, \
                Liar({"EHLO": b"250-x\r\n250 STARTTLS\r\n", "STARTTLS": lambda c, line: (c.send(b"220 go\r\n"), c.s.recv(100), CLOSE)[-1]}, port=b) as broken:
            send(h.posta, f"a@{plain}", f"b@{bad}", f"c@{good}")
            assert "4.7.4" in waits(h.posta, f"a@{plain}")["reply"]
            assert "4.7.5" in waits(h.posta, f"b@{bad}")["reply"]
            arrived(h.posta, secure)
            assert secure.heard[0].tls, "by any certificate"
            assert not clear.commands("MAIL") and not broken.commands("MAIL")


def test_T16_names(papers):
    with dns_liar.Liar({("host.d.test", "A"): dns_liar.records(dns_liar.a("127.0.0.1")), ("host.d.test", "AAAA"): dns_liar.nodata}) as dns:
        names = ["IP:127.0.0.1", "DNS:host.d.test", "DNS:*.d.test", "DNS:other.test", "DNS:*", "DNS:*.test", "strange"]
        ports = free_ports(len(names) + 1)
        mta = " ".join(f'route "n{i}.test" {{ to = "host.d.test:{p}" tls = "verify" }}' for i, p in enumerate(ports[:-1]))
        mta += f' route "ip.test" {{ to = "127.0.0.1:{ports[-1]}" tls = "verify" }}'
        sections = {"mta": mta, "limits": QUICK, "dns": f'servers = {{"{dns.address}"}} insecure = {{"."}}'}
        with system(sections=sections, authorities=papers["file"]) as posta, contextlib.ExitStack() as stack:
            liars = [stack.enter_context(Liar(context=papers[n], port=p)) for n, p in zip(names, ports)]
            address = stack.enter_context(Liar(context=papers["IP:127.0.0.1"], port=ports[-1]))
            send(posta, *[f"bob@n{i}.test" for i in range(len(names))], "bob@ip.test")
            for liar in (liars[1], liars[2], address):
                arrived(posta, liar)
            for i in (0, 3, 4, 5, 6):
                assert "4.7.5" in waits(posta, f"bob@n{i}.test", "certificate")["reply"], names[i]
                assert not liars[i].letters and not liars[i].commands("MAIL")


# ---- logins ----

@contextlib.contextmanager
def relayed(password, to, tls, more=""):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="posta-relay-"))
    os.chmod(directory, 0o755)
    (directory / "password").write_text(password + "\n")
    os.chmod(directory / "password", 0o644)
    mta = f'relay = "{to}" relay_user = "{ALICE}" relay_password_file = "{directory}/password" relay_tls = "{tls}" {more}'
    with system(sections={"mta": mta, "limits": QUICK}) as posta:
        yield posta
    shutil.rmtree(directory)


def test_a_password_never_goes_in_clear(papers):
    port, = free_ports(1)
    with relayed("wonderland", f"127.0.0.1:{port}", "may") as posta, Liar(offers=("AUTH PLAIN LOGIN",), port=port) as liar:
        send(posta, "bob@far.test")
        assert "4.7.0" in waits(posta, "bob@far.test", "no way to log in")["reply"]
        assert not liar.commands("AUTH") and not liar.letters
        liar.context = papers["strange"]
        arrived(posta, liar)
        assert liar.heard[-1].tls and liar.heard[-1].plain() == [ALICE.encode(), b"wonderland"]


def test_a_password_in_clear_where_the_route_says_so():
    port, = free_ports(1)
    with relayed("wonderland", f"127.0.0.1:{port}", "never") as posta, Liar(offers=("AUTH PLAIN LOGIN",), port=port) as liar:
        send(posta, "bob@far.test")
        arrived(posta, liar)
        assert liar.heard[-1].plain() == [ALICE.encode(), b"wonderland"]


def test_a_login_that_is_refused_makes_letters_wait():
    port, = free_ports(1)
    with relayed("wrong", f"127.0.0.1:{port}", "never") as posta, Liar({"AUTH": "535 5.7.8 wrong"}, offers=("AUTH PLAIN",), port=port) as liar:
        send(posta, "bob@far.test")
        assert waits(posta, "bob@far.test", "535 5.7.8 wrong")["reply"].startswith("454 4.7.8 the login was refused")
        assert not liar.commands("MAIL")
        assert "wrong" not in [line for c in liar.heard for line in c.lines]


# ---- two systems ----

@contextlib.contextmanager
def other_system(sections=None):
    directory = tempfile.mkdtemp(prefix="posta-other-")
    os.chmod(directory, 0o755)
    s = System(pathlib.Path(directory) / "s", sections)
    try:
        s.make(users=())
        s.cli("domain", "del", DOMAIN)
        s.cli("domain", "add", "other.test")
        s.cli("user", "add", "--batch", input="zoe@other.test secret\n")
        yield s
        s.stop()
    except BaseException:
        print("---- the other's log ----\n" + s.log()[-4000:])
        if s.process:
            s.kill()
        raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def test_two_systems_write_to_each_other():
    with other_system() as theirs:
        with system(sections={"mta": f'route "other.test" {{ to = "127.0.0.1:{theirs.ports["mta"]}" }}', "limits": QUICK}) as ours:
            theirs.sections["mta"] = f'route "{DOMAIN}" {{ to = "127.0.0.1:{ours.ports["mta"]}" tls = "must" }}'
            theirs.write_conf()
            theirs.start()
            send(ours, "zoe@other.test", text="Subject: there\n\nx\n")
            letter, = until(lambda: theirs.letters_at("zoe", "other.test"), lambda: "the letter there\n" + ours.log()[-3000:] + theirs.log()[-3000:])
            assert letter.read_bytes().count(b"Received: ") == 2 and b"with ESMTPS" in letter.read_bytes()
            send(theirs, ALICE, text="Subject: and back\n\nx\n", sender="zoe@other.test")
            assert b"Subject: and back" in ours.wait_letters(1, "alice")[0].read_bytes()
            send(ours, "nobody@other.test", text="Subject: to nobody\n\nx\n")
            r, _ = bounced(ours, "nobody@other.test")
            assert r["Status"] == "5.1.1" and r["Remote-MTA"] == "dns; 127.0.0.1"


def test_a_relay_with_a_login():
    """Through another posta's submission port, by name, password and a certificate that holds."""
    with other_system() as theirs, dns_liar.Liar({(f"mail.{DOMAIN}", "A"): dns_liar.records(dns_liar.a("127.0.0.1")),
                                                  (f"mail.{DOMAIN}", "AAAA"): dns_liar.nodata}) as dns:
        theirs.start()
        directory = theirs.dir.parent
        (directory / "password").write_text("secret")
        os.chmod(directory / "password", 0o644)
        shutil.copy(theirs.dir / "cert.pem", directory / "authority.pem")
        os.chmod(directory / "authority.pem", 0o644)
        mta = (f'relay = "mail.{DOMAIN}:{theirs.ports["msa"]}" relay_user = "zoe@other.test" relay_password_file = "{directory}/password"')
        with system(sections={"mta": mta, "limits": QUICK, "dns": f'servers = {{"{dns.address}"}} insecure = {{"."}}'},
                    authorities=directory / "authority.pem") as ours:
            send(ours, "zoe@other.test", sender="zoe@other.test", text="From: zoe@other.test\nSubject: relayed\n\nx\n")
            letter, = until(lambda: theirs.letters_at("zoe", "other.test"), lambda: "the letter there\n" + ours.log()[-3000:] + theirs.log()[-3000:])
            assert b"with ESMTPSA" in letter.read_bytes()


# ---- DNS ----

@contextlib.contextmanager
def world(rules, port):
    with dns_liar.Liar(rules) as dns:
        sections = {"mta": f"port = {port}", "limits": QUICK, "lab": "loopback_mx = true", "dns": f'servers = {{"{dns.address}"}} insecure = {{"."}}'}
        with system(sections=sections) as posta:
            yield posta


def test_hosts_by_their_preference_and_the_next_one():
    rules = {("d.test", "MX"): dns_liar.records(dns_liar.mx(20, "second.test"), dns_liar.mx(10, "first.test"), dns_liar.mx(30, "third.test"))}
    for i, host in enumerate(("first", "second", "third")):
        rules[f"{host}.test", "A"] = dns_liar.records(dns_liar.a(f"127.0.0.{i + 2}"))
        rules[f"{host}.test", "AAAA"] = dns_liar.nodata
    port, = free_ports(1)
    with world(rules, port) as posta, Liar({"RCPT": "421 4.3.2 not here"}, address="127.0.0.3", port=port) as second, \
            Liar(address="127.0.0.4", port=port) as third:
        send(posta, "bob@d.test")  # nobody listens at the first
        arrived(posta, third)
        empty(posta, "d.test")
        assert len(second.heard) == 1 and "sent to bob@d.test at third.test[127.0.0.4]" in posta.log()


ODD = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: x-odd\nSubject: x\n\ngr\u00fcn\n"


def test_what_has_no_seven_bits_goes_to_the_next_host():
    hosts = ("first", "second")
    rules = {(f"{d}.test", "MX"): dns_liar.records(*[dns_liar.mx(10 * (i + 1), f"{h}.test") for i, h in enumerate(hosts[:n])])
             for d, n in (("two", 2), ("one", 1))}
    for i, host in enumerate(hosts):
        rules[f"{host}.test", "A"], rules[f"{host}.test", "AAAA"] = dns_liar.records(dns_liar.a(f"127.0.0.{i + 2}")), dns_liar.nodata
    port, = free_ports(1)
    with world(rules, port) as posta, Liar(offers=("PIPELINING",), address="127.0.0.2", port=port) as seven, \
            Liar(address="127.0.0.3", port=port) as eight:
        send(posta, "bob@two.test", text=ODD)
        letter, = arrived(posta, eight)
        assert "gr\u00fcn".encode() in letter and not seven.commands("MAIL")
        send(posta, "bob@one.test", text=ODD)
        assert bounced(posta, "bob@one.test")[0]["Status"] == "5.6.3"
        send(posta, "bob@one.test", text="Subject: plain\n\nx\n")
        arrived(posta, seven)
        assert len(seven.heard) == 1, "the connection was good for another letter"


def test_D03_never_to_our_own_address():
    """In a lab too, where other systems listen on other addresses of this machine."""
    rules = {("d.test", "MX"): dns_liar.records(dns_liar.mx(10, "somebody.test")), ("somebody.test", "A"): dns_liar.records(dns_liar.a("127.0.0.1")),
             ("somebody.test", "AAAA"): dns_liar.nodata}
    with world(rules, 2) as posta:
        posta.sections["mta"] = f"port = {posta.ports['mta']}"
        posta.write_conf()
        posta.cli("reload")
        send(posta, "bob@d.test")
        assert bounced(posta, "bob@d.test")[0]["Status"] == "5.4.6"


def refusing(port, first, n):
    """Servers at n addresses that want nothing of anybody."""
    stack = contextlib.ExitStack()
    return stack, [stack.enter_context(Liar({"greeting": "554 5.7.1 not you"}, address=f"127.0.0.{first + i}", port=port)) for i in range(n)]


def test_only_what_all_hosts_refuse_comes_back():
    """Of many hosts some are not asked in one try, and of some DNS does not tell now."""
    many = [f"h{i}.test" for i in range(10)]
    rules = {("all.test", "MX"): dns_liar.records(dns_liar.mx(10, many[0]), dns_liar.mx(20, many[1])),
             ("many.test", "MX"): dns_liar.records(*[dns_liar.mx(10 + i, host) for i, host in enumerate(many)]),
             ("some.test", "MX"): dns_liar.records(dns_liar.mx(10, "unknown.test"), dns_liar.mx(20, many[0])),
             ("unknown.test", "A"): dns_liar.code(dns_liar.SERVFAIL), ("unknown.test", "AAAA"): dns_liar.code(dns_liar.SERVFAIL)}
    for i, host in enumerate(many):
        rules[host, "A"], rules[host, "AAAA"] = dns_liar.records(dns_liar.a(f"127.0.0.{i + 2}")), dns_liar.nodata
    port, = free_ports(1)
    stack, liars = refusing(port, 2, len(many))
    with stack, world(rules, port) as posta:
        send(posta, "a@all.test", "b@many.test", "c@some.test")
        assert bounced(posta, "a@all.test")[0]["Diagnostic-Code"].startswith("smtp; 554")
        waits(posta, "b@many.test", "not you")
        waits(posta, "c@some.test", "not you")
        assert not reports(posta, "b@many.test") and not reports(posta, "c@some.test")


def test_what_dns_denies_and_what_it_does_not_say():
    rules = {("none.test", "MX"): dns_liar.records(dns_liar.mx(0, "")), ("broken.test", "MX"): dns_liar.code(dns_liar.SERVFAIL)}
    with world(rules, 2) as posta:
        send(posta, "a@none.test", "b@missing.test", "c@broken.test")
        assert bounced(posta, "a@none.test")[0]["Status"] == "5.1.10"
        assert bounced(posta, "b@missing.test")[0]["Status"].startswith("5.1")
        assert "4.4" in waits(posta, "c@broken.test")["reply"]


# ---- the process ----

def test_reload_brings_a_route_and_forgets_one(house):
    domain, port = house.place()
    other, = free_ports(1)
    posta = house.posta
    with Liar(port=port), Liar(port=other) as new:
        was = posta.sections["mta"]
        posta.sections["mta"] = was + f' route "late.test" {{ to = "127.0.0.1:{other}" }}'
        posta.write_conf()
        posta.cli("reload")
        send(posta, "bob@late.test")
        arrived(posta, new)


def test_reload_makes_room_for_more_deliveries():
    ports = free_ports(2)
    with system(sections={"mta": routes(ports, "may"), "limits": QUICK + " send_connections = 1"}) as posta:
        with Liar({"MAIL": SILENT}, port=ports[0]) as slow, Liar(port=ports[1]) as quick:
            send(posta, "a@d0.test")
            until(lambda: slow.commands("MAIL"), "the one delivery")
            send(posta, "b@d1.test")
            assert "waits for its turn" in standing(posta, "b@d1.test")["why"]
            posta.sections["limits"] = QUICK + " send_connections = 4"
            posta.write_conf()
            posta.cli("reload")
            arrived(posta, quick)


def test_stop_in_the_middle_and_start_again():
    port, = free_ports(1)
    with system(sections={"mta": f'route "d.test" {{ to = "127.0.0.1:{port}" }}', "limits": QUICK}) as posta:
        with Liar({"MAIL": SILENT}, port=port) as liar:
            send(posta, "bob@d.test")
            until(lambda: liar.commands("MAIL"), "the delivery to begin")
            posta.stop()
            assert "unsent to bob" not in posta.log(), "that was no try"
        with Liar(port=port) as liar:
            posta.start()
            arrived(posta, liar)
            empty(posta, "d.test")
            assert len(liar.letters) == 1


def test_a_process_that_dies_with_a_letter_is_no_try():
    port, = free_ports(1)
    with system(sections={"mta": f'route "d.test" {{ to = "127.0.0.1:{port}" }}', "limits": QUICK}) as posta:
        with Liar({"MAIL": SILENT}, port=port) as liar:
            send(posta, "bob@d.test")
            until(lambda: liar.commands("MAIL"), "the delivery to begin")
            pid, = posta.pids("posta-mta-send")
            os.kill(pid, signal.SIGKILL)
            liar.says.clear()
            arrived(posta, liar)
            empty(posta, "d.test")
            assert "deferred" not in posta.log()


def counters(posta):
    c, = [p["counters"] for p in posta.json("status")["processes"] if p["process"] == "posta-mta-send"]
    return c


def test_status_counts(house):
    domain, port = house.place()
    was = counters(house.posta)
    with Liar({("RCPT", f"b@{domain}"): "550 no"}, port=port) as liar:
        send(house.posta, f"a@{domain}", f"b@{domain}")
        arrived(house.posta, liar)
        empty(house.posta, domain)
    now = counters(house.posta)
    assert now["sent"] == was["sent"] + 1 and now["failed"] == was["failed"] + 1


def test_a_slow_destination_leaves_the_others_alone():
    ports = free_ports(2)
    limits = QUICK + " send_connections = 4 send_connections_per_destination = 2"
    with system(sections={"mta": routes(ports, "may"), "limits": limits}) as posta:
        with Liar({"MAIL": SILENT}, port=ports[0]) as slow, Liar(port=ports[1]) as quick:
            for i in range(6):
                send(posta, f"u{i}@d0.test")
            until(lambda: len(slow.commands("MAIL")) >= 2, "two deliveries to the slow one")
            send(posta, "bob@d1.test", f"bob@{DOMAIN}")
            arrived(posta, quick)
            posta.wait_letters(1)
            assert len(slow.commands("MAIL")) == 2, "and not a third"


@pytest.mark.parametrize("when", ["MAIL", "."])
def test_a_queue_that_dies_in_the_middle_sends_nothing_twice(when):
    """Before the letter's end, or after it: send goes on, or knows who has it."""
    port, = free_ports(1)
    go = threading.Event()

    def held(c, line):
        go.wait(60)
        return "250 2.0.0 fine"
    with system(sections={"mta": f'route "d.test" {{ to = "127.0.0.1:{port}" }}', "limits": QUICK}) as posta:
        with Liar({when: held}, port=port) as liar:
            send(posta, "a@d.test", "b@d.test")
            until(lambda: liar.commands("MAIL") and (when == "MAIL" or liar.letters), "the delivery to be under way")
            pid, = posta.pids("posta-mta-queue")
            os.kill(pid, signal.SIGKILL)
            until(lambda: posta.pids("posta-mta-queue") not in ([], [pid]), "the queue to be back")
            until(lambda: len(posta.json("queue", "list")) == 1, "the letter in it")
            go.set()
            empty(posta, "d.test")
            assert len(liar.letters) == 1, "once"
