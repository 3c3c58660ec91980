"""The lab papers from end to end, on a small network of hosts with real names and real ports: a letter by hand, a letter by swaks, and the
way of both through two systems."""
import base64
import email
import re
import shutil
import subprocess
import tempfile
import os
import pathlib

import pytest

from lan import Lan, Names, Room, Town
from posta import PATIENCE, until

HOSTS = {"norte": "192.0.2.10", "sur": "192.0.2.20", "este": "192.0.2.30", "pupil": "192.0.2.100"}
ZONES = {"example": "".join(f"{d} IN MX 10 mx.{d}\nmx.{d} IN A {a}\n" for d, a in HOSTS.items() if d != "pupil")
                    + "ns IN A 192.0.2.53\npupil IN A 192.0.2.100\n",
         "2.0.192.in-addr.arpa": "".join(f"{a.split('.')[3]} IN PTR {'' if d == 'pupil' else 'mx.'}{d}.example.\n" for d, a in HOSTS.items())}
CLEAR = "clear_auth = true auth_on_25 = true"


class World:
    def __init__(self, directory):
        self.lan = Lan(HOSTS)
        self.names, self.towns = None, {}
        try:
            self.names = Names(self.lan, directory / "names", ZONES)
            self.room = Room(self.lan, "pupil", "pupil.example")
            (directory / "password").write_text("secret-bob\n")
            smart = f'relay = "mx.sur.example:587" relay_user = "bob@sur.example" relay_password_file = "{directory}/password" relay_tls = "must"'
            for host, sections, users in (("norte", {"lab": CLEAR + " any_sender = true"}, ("alice",)), ("sur", {}, ("bob",)),
                                          ("este", {"mta": smart}, ("carol",))):
                self.towns[host] = Town(self.lan, host, directory / host, sections).make(users).start()
        except BaseException:
            self.close()
            raise
        self.norte, self.sur, self.este = (self.towns[t] for t in ("norte", "sur", "este"))

    def close(self):
        try:
            for town in self.towns.values():
                town.stop()
        finally:
            if self.names:
                self.names.close()
            self.lan.close()

    def dial(self, town, port, **more):
        with self.lan.at("pupil"):
            return town.dial(port, **more)

    def letter(self, town, user, mark):
        """The one letter with this mark in the user's mailbox."""
        def look():
            return [f for f in town.letters(user) if mark in f.read_bytes()]
        found = until(look, lambda: f"a letter with {mark} for {user}\n{self.norte.log()[-3000:]}\n{town.log()[-3000:]}")
        assert len(found) == 1
        return found[0].read_bytes()


@pytest.fixture(scope="module")
def world():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="posta-papers-"))
    os.chmod(directory, 0o755)
    try:
        made = World(directory)
        yield made
        made.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def received(letter):
    """The Received fields, unfolded, the last system's first."""
    return [re.sub(r"\s+", " ", str(v)) for v in email.message_from_bytes(letter).get_all("Received")]


def step(host, address, by, how, number, to):
    """What one Received field says (RFC 5321 4.4). Port 25 looks for the name that belongs to an address, a user's program may have none."""
    name = "unknown" if how.endswith("A") else re.escape(host)
    tls = r" \(version=TLS1_3 cipher=\S+ bits=\d+\)" if "S" in how.removeprefix("ESMTP") else ""
    return re.compile(rf"from {re.escape(host)} \({name} \[{re.escape(address)}\]\) by {re.escape(by)} \(posta\) with {how} id {number}{tls} for <{to}>; ")


def b64(text):
    return base64.b64encode(text.encode()).decode()


# ---- paper 1: AUTH LOGIN by hand ----

def test_a_letter_by_hand_with_auth_login(world):
    """One recipient here, two in other domains, and a sender of a third."""
    d = world.dial(world.norte, "mta")
    assert d.greeting.startswith("220 mx.norte.example ESMTP")
    said = d.asks("EHLO pupil.example", "250-mx.norte.example")
    assert "\n250-AUTH PLAIN LOGIN\n" in said + "\n"
    d.asks("AUTH LOGIN", "334 VXNlcm5hbWU6")  # Username:
    d.asks(b64("alice@norte.example"), "334 UGFzc3dvcmQ6")  # Password:
    d.asks(b64("secret-alice"), "235 2.7.0")
    d.asks("MAIL FROM:<teacher@oeste.example>", "250 2.1.0")
    for to in ("alice@norte.example", "bob@sur.example", "carol@este.example"):
        d.asks(f"RCPT TO:<{to}>", "250 2.1.5")
    d.asks("DATA", "354")
    d.send(b"From: The Teacher <teacher@oeste.example>\r\nTo: all of you:;\r\nSubject: paper-1\r\n\r\nBy hand.\r\n..\r\n")
    number = d.asks(".", "250 2.0.0").split()[-1]
    d.asks("QUIT", "221")
    for town, user in ((world.norte, "alice"), (world.sur, "bob"), (world.este, "carol")):
        letter = world.letter(town, user, b"Subject: paper-1\n")
        assert letter.endswith(b"\n\nBy hand.\n.\n")
        assert b"Return-Path: <teacher@oeste.example>\n" in letter
        assert f"id {number}" in received(letter)[-1] and "from pupil.example (pupil.example [192.0.2.100]) by mx.norte.example (posta) with ESMTPA" in received(letter)[-1]
    world.norte.drained()


def test_the_lab_switch_is_told_and_a_system_without_it_refuses(world):
    assert "lab.any_sender: who logs in may send as ANYBODY. For a lab only" in world.norte.log()
    assert "lab.any_sender: users may send as anybody" in world.norte.cli("check").stdout + world.norte.cli("check").stderr
    d = world.dial(world.sur, "msa_tls", tls=True)
    d.asks("EHLO pupil.example", "250")
    d.asks("AUTH PLAIN " + b64("\0bob@sur.example\0secret-bob"), "235")
    d.asks("MAIL FROM:<teacher@oeste.example>", "553 5.7.1")
    stranger = world.dial(world.norte, "msa")
    stranger.asks("EHLO pupil.example", "250")
    stranger.asks("MAIL FROM:<teacher@oeste.example>", "530 5.7.0")


# ---- paper 2: dig and swaks ----

def test_the_mx_and_a_letter_without_authentication(world):
    server = world.room.run("dig +short MX sur.example").split()
    assert server == ["10", "mx.sur.example."]
    said = world.room.run(f"swaks --to bob@sur.example --from eve@oeste.example --server {server[1].rstrip('.')}:25 --header-X-Test paper-2-a")
    assert re.search(r"(?m)^<-  250 2\.0\.0 .*queued as", said)
    trace = received(world.letter(world.sur, "bob", b"X-Test: paper-2-a\n"))
    assert len(trace) == 1
    assert step("pupil.example", "192.0.2.100", "mx.sur.example", "ESMTP", r"\S+", "bob@sur.example").match(trace[0]), trace[0]


def test_no_relaying_without_authentication(world):
    said = world.room.run("swaks --to carol@este.example --from eve@oeste.example --server mx.sur.example:25", status=None)
    assert re.search(r"(?m)^<\*\* 554 5\.7\.1 relay access denied", said), said


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_with_authentication_over_two_systems(world, mechanism):
    mark = f"paper-2-{mechanism}"
    said = world.room.run(f"swaks --from alice@norte.example --to bob@sur.example --server mx.norte.example:587 -tls --auth {mechanism} "
                          f"--auth-user alice@norte.example --auth-password secret-alice --header-X-Test {mark}")
    assert "=== TLS started with cipher TLSv1.3" in said and "<~  235 2.7.0" in said
    number = re.search(r"(?m)^<~  250 2\.0\.0 .*queued as (\S+)", said).group(1)
    trace = received(world.letter(world.sur, "bob", f"X-Test: {mark}\n".encode()))
    assert len(trace) == 2
    assert step("mx.norte.example", "192.0.2.10", "mx.sur.example", "ESMTPS", r"\S+", "bob@sur.example").match(trace[0]), trace[0]
    assert step("pupil.example", "192.0.2.100", "mx.norte.example", "ESMTPSA", number, "bob@sur.example").match(trace[1]), trace[1]


# ---- paper 3: the smart host (the whole of it is in test_papers_lab.py) ----

def test_a_posta_behind_a_smart_host_that_demands_a_login(world):
    """este gives all that is not its own to sur, logged in as bob; sur finds alice's server."""
    world.este.cli("sendmail", "-i", "-f", "bob@sur.example", "alice@norte.example", input="Subject: paper-3\n\nBy way of sur.\n")
    trace = received(world.letter(world.norte, "alice", b"Subject: paper-3\n"))
    assert len(trace) == 3
    assert step("mx.sur.example", "192.0.2.20", "mx.norte.example", "ESMTPS", r"\S+", "alice@norte.example").match(trace[0]), trace[0]
    assert step("mx.este.example", "192.0.2.30", "mx.sur.example", "ESMTPSA", r"\S+", "alice@norte.example").match(trace[1]), trace[1]
    world.este.drained()
