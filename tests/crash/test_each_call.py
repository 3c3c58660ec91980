"""kill -9 of each process at each of its system calls (X01): a letter crosses with strace looking on, which tells what calls each thread makes;
then one more letter for each call, at which strace ends the process. An acknowledged letter is in exactly one mailbox, another in one at most; the other
processes go on; what died is back.

POSTA_EACH_CALL=1 tries every call (minutes); without it every POSTA_CALL_STEP-th (8) of them is tried.
"""
import base64
import collections
import os
import re
import shutil
import signal
import ssl
import subprocess

import pytest

from posta import DOMAIN, PASSWORD, alive, system, until
from test_kill import copies

STEP = 1 if os.environ.get("POSTA_EACH_CALL") else int(os.environ.get("POSTA_CALL_STEP", 8))
VICTIMS = {"posta-mta-receive": "mta", "posta-mta-queue": "mta", "posta-mda": "mta", "posta-msa": "msa", "posta-authd": "msa"}

pytestmark = pytest.mark.skipif(not shutil.which("strace") or os.geteuid() != 0, reason="needs strace and root")


def send(posta, door, mark):
    """True: 250. False: refused for now, or the connection broke."""
    try:
        d = posta.dial(door)
        d.asks("EHLO each.test", "250")
        if door == "msa":
            d.starttls(posta.tls_context())
            d.asks("EHLO each.test", "250")
            d.asks("AUTH PLAIN " + base64.b64encode(f"\0alice@{DOMAIN}\0{PASSWORD['alice']}".encode()).decode(), "235")
        d.asks(f"MAIL FROM:<alice@{DOMAIN}>", "250")
        d.asks(f"RCPT TO:<bob@{DOMAIN}>", "250")
        d.asks("DATA", "354")
        got = d.ask(f"Subject: each\r\nX-Mark: {mark}\r\n\r\n{'x' * 200}\r\n.")
        d.close()
    except (OSError, ssl.SSLError, AssertionError):
        return False
    assert got[:3] in ("", "250", "421", "451"), got
    return got.startswith("250")


class Strace:
    """Looks at all threads of a process, from when it is attached until end()."""

    def __init__(self, pid, *how):
        self.s = subprocess.Popen(["strace", "-f", "-p", str(pid), *how], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert "attached" in self.s.stderr.readline()

    def end(self):
        self.s.terminate()
        try:
            self.s.communicate(timeout=5)
        except subprocess.TimeoutExpired:  # it waits for a thread that is not there any more
            self.s.kill()
            self.s.communicate()


def fresh(posta, victim, old=None):
    """The pid of a process that has served nobody yet."""
    if old and alive(old):
        os.kill(old, signal.SIGKILL)
    pid = until(lambda: set(posta.pids(victim)) - {old}, f"{victim} to be started again", 10).pop()
    posta.cli("status", "--wait", "60")
    return pid


def calls_for_a_letter(posta, victim, log):
    """[(call, n)]: that some thread makes this call at least n times."""
    look = Strace(posta.pids(victim)[0], "-o", str(log))
    assert send(posta, VICTIMS[victim], "look")
    until(lambda: copies(posta)["look"], "the letter that was looked at")
    posta.drained()
    look.end()
    counts = collections.Counter(re.findall(r"^(\d+) +(\w+)\(", log.read_text(), re.M))
    most = collections.Counter()
    for (_thread, call), n in counts.items():
        most[call] = max(most[call], n)
    return [(call, n) for call in sorted(most) for n in range(1, most[call] + 1)]


@pytest.mark.parametrize("victim", VICTIMS)
def test_X01_at_each_call(victim, tmp_path):
    with system(top="workers = 1") as posta:
        cases = calls_for_a_letter(posta, victim, tmp_path / "calls")
        acknowledged, kills = ["look"], 0
        assert len(cases) > 10, cases
        pid = posta.pids(victim)[0]
        for call, n in cases[::STEP]:
            pid = fresh(posta, victim, pid)
            others = {p for p in posta.pids() if p != pid}
            strace = Strace(pid, "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={n}")
            mark = f"{call}-{n}"
            if send(posta, VICTIMS[victim], mark):
                acknowledged.append(mark)
                until(lambda mark=mark: copies(posta)[mark], lambda: f"{mark}, which was acknowledged\n{posta.log()[-3000:]}")
            strace.end()
            assert others <= set(posta.pids()), f"another process ended too at {mark}"
            kills += not alive(pid)
        fresh(posta, victim, pid)
        posta.drained()
        count = copies(posta)
        lost = [m for m in acknowledged if count[m] == 0]
        twice = [m for m, c in count.items() if c > 1]
        print(f"{victim}: {len(cases)} calls, {len(cases[::STEP])} tried, {kills} kills, {len(acknowledged)} letters acknowledged, "
              f"{sum(count.values())} delivered; {len(lost)} lost, {len(twice)} twice")
        assert not lost and not twice
        assert kills >= len(cases[::STEP]) / 4, "hardly a call was reached"
        assert re.search(r"was ended by signal 9", posta.log())
