"""The calendar goes wrong under a running system, and between two starts of it (X17): retries go on, nothing comes back in mass, no name is
given twice; and five days pass, as the clocks say (X20). The clock is wrong_clock.c, preloaded."""
import contextlib
import datetime
import os
import pathlib
import re
import shlex
import shutil
import struct
import subprocess
import tempfile
import time

import pytest

from posta import DOMAIN, System, free_ports, until
from smtp_liar import RST, Liar
from test_queue import ask_queue
from test_send import arrived, send

HERE = pathlib.Path(__file__).parent
HOUR, YEAR = 3600, 365 * 86400
LETTERS = 20


def at(*when):
    """Seconds from now to a moment of the calendar."""
    return int(datetime.datetime(*when, tzinfo=datetime.timezone.utc).timestamp() - time.time())


JUMPS = {"an hour on": HOUR, "an hour back": -HOUR, "ten years on": 10 * YEAR, "ten years back": -10 * YEAR, "to 1970": at(1970, 1, 1, 0, 0, 1),
         "past 2038": at(2038, 1, 19, 3, 14, 8), "past 2106": at(2106, 2, 7, 6, 28, 16), "before summer time": at(2027, 3, 28, 0, 59, 59),
         "in the hour that comes twice": at(2027, 10, 31, 1, 30, 0)}


class Clock:
    def __init__(self, directory):
        self.file = directory / "clock"
        self.file.write_bytes(struct.pack("=qq", 0, 0))
        os.chmod(self.file, 0o644)
        subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", str(directory / "clock.so"), str(HERE / "wrong_clock.c")], check=True)
        self.env = {"LD_PRELOAD": str(directory / "clock.so"), "WRONG_CLOCK": str(self.file), "TZ": "Europe/Berlin"}

    def set(self, calendar, steady=0):
        with open(self.file, "r+b") as f:
            f.write(struct.pack("=qq", calendar, steady))


@contextlib.contextmanager
def wrong_house(says, limits="retry_first_seconds = 1 retry_max_seconds = 1 queue_life_seconds = 120"):
    """A posta whose clock we hold, and the server that its letters go to. A letter lives two minutes there, and must have been tried often enough."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="posta-clock-"))
    os.chmod(directory, 0o755)
    port, = free_ports(1)
    posta = System(directory / "s", {"mta": f'route "far.test" {{ to = "127.0.0.1:{port}" tls = "never" }}', "limits": limits})
    try:
        clock = Clock(directory)
        posta.make()
        posta.env.update(clock.env, ASAN_OPTIONS=posta.env["ASAN_OPTIONS"] + ":verify_asan_link_order=0")
        with Liar(says, port=port) as liar:
            posta.start()
            yield posta, clock, liar
            posta.stop()
    except BaseException:
        print("---- log ----\n" + posta.log()[-6000:])
        if posta.process:
            posta.kill()
        raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def tries(liar):
    return len(liar.commands("RCPT"))


def tried_again(posta, liar, more=3):
    n = tries(liar) + more
    until(lambda: tries(liar) >= n, lambda: f"more tries; there were {tries(liar)}\n{posta.log()[-2000:]}")


def test_X17_the_calendar_jumps():
    busy = {"yes": True}
    says = {"RCPT": lambda *_: "450 4.2.0 come again" if busy["yes"] else "250 ok"}
    with wrong_house(says) as (posta, clock, liar):
        for i in range(LETTERS):
            send(posta, "bob@far.test", text=f"Subject: {i}\n\nx\n")
        tried_again(posta, liar)
        for n, (what, seconds) in enumerate(JUMPS.items()):
            clock.set(seconds)
            send(posta, f"bob@{DOMAIN}", text=f"Subject: {what}\n\nx\n")
            posta.wait_letters(n + 1)
            tried_again(posta, liar)
            assert len(posta.json("queue", "list")) == LETTERS and not posta.letters("alice"), f"{what}: nothing comes back"
        busy["yes"] = False
        arrived(posta, liar, LETTERS)
        posta.drained()
        subjects = sorted(int(re.search(rb"^Subject: (\d+)", letter, re.M).group(1)) for letter in liar.letters)
        assert subjects == list(range(LETTERS)), "each arrived, and once"
        year = max(int(m) for m in re.findall(r"^(\d{4})-\d\d-\d\dT", posta.log(), re.M))
        assert year >= 2106, "the clock was really wrong"
        assert len(posta.letters("bob")) == len(JUMPS) and not posta.letters("alice")


@pytest.mark.parametrize("first, then", [(0, 10 * YEAR), (10 * YEAR, 0), (0, JUMPS["to 1970"])])
def test_X17_the_calendar_is_another_after_a_restart(first, then):
    busy = {"yes": True}
    with wrong_house({"RCPT": lambda *_: "450 4.2.0 come again" if busy["yes"] else "250 ok"}) as (posta, clock, liar):
        clock.set(first)
        for i in range(3):
            send(posta, "bob@far.test", text=f"Subject: {i}\n\nx\n")
        tried_again(posta, liar)
        posta.stop()
        clock.set(then)
        posta.start()
        tried_again(posta, liar)
        assert len(posta.json("queue", "list")) == 3 and not posta.letters("alice")
        busy["yes"] = False
        arrived(posta, liar, 3)
        posta.drained()
        assert len(liar.letters) == 3 and not posta.letters("alice")


def listed(posta):
    return ask_queue(posta.run, "LIST")[0]


def rests(posta, calendar):
    """Nobody is tried or is about to be, and what became of the others is written."""
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=calendar)
    return not ask_queue(posta.run, "STATUS")[0][0]["unwritten"] and all(r["state"] == "later" and datetime.datetime.fromisoformat(r["next_try"].replace("Z", "+00:00")) > now
               for letter in listed(posta) for r in letter["recipients"])


def test_X20_the_network_is_away_for_five_days():
    """With the limits as they are: one word after four hours and one after five days. Who is reached after four days gets the letter once, and
    nothing more is said."""
    away = {"yes": True}
    with wrong_house({"greeting": lambda *_: RST if away["yes"] else "220 far.test"}, limits="") as (posta, clock, liar):
        now = 0

        def wait(hours, told):
            """[(what alice was told, at which hour)]: time goes by quarters of an hour, each when the queue rests."""
            nonlocal now
            until_hour = now + hours
            while now < until_hour:
                now += 0.25
                clock.set(int(now * HOUR), int(now * HOUR))
                until(lambda: rests(posta, now * HOUR), "rest")
                told += [(re.search(r"^Action: (\w+)", f.read_text(), re.M).group(1), now) for f in posta.letters("alice")[len(told):]]
            return told

        send(posta, "bob@far.test", text="Subject: away\n\nx\n")
        (late, after), (end, at_last) = wait(130, [])
        assert (late, end) == ("delayed", "failed") and 4 <= after <= 5 and 120 <= at_last <= 121
        assert not listed(posta) and 20 <= posta.log().count(": unsent to bob@far.test") <= 60, "tried after minutes at first, then every four hours"
        began = now
        send(posta, "bob@far.test", text="Subject: back\n\nx\n")
        told = wait(96, [None, None])
        assert [(what, when - began <= 5) for what, when in told[2:]] == [("delayed", True)]
        away["yes"] = False
        told = wait(30, told)
        assert len(told) == 3 and not listed(posta) and len(liar.letters) == 1
