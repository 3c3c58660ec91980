#!/usr/bin/env python3
"""queue.py [LETTERS [SENDERS]] - a queue that starts with many letters for a server that is down (100,000 from 1,000 senders), and one for a server that
is up: how long until that one is delivered, how long the lists take, and what a letter costs in memory. Prints `name value unit`.

POSTA_BUILD names the build; for figures that mean something one with --buildtype=release in which `ninja tests/bench_queue` was said.
"""
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
from posta import BUILD, as_user, free_ports, system, until  # noqa: E402
from smtp_liar import Liar  # noqa: E402

LETTERS = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
SENDERS = int(sys.argv[2]) if len(sys.argv) > 2 else 1000


def tell(name, value, unit):
    print(f"{name} {value:.4g} {unit}", flush=True)


def rss(posta):
    status = pathlib.Path(f"/proc/{posta.pids('posta-mta-queue')[0]}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def cpu(posta):
    """Milliseconds, of ticks of ten."""
    stat = pathlib.Path(f"/proc/{posta.pids('posta-mta-queue')[0]}/stat").read_text()
    return sum(map(int, stat.rsplit(")", 1)[1].split()[11:13])) * 10


def fill(posta, tool, letters, to, senders):
    subprocess.run([tool, str(posta.state), str(letters), to, str(senders)], check=True, stdout=subprocess.DEVNULL, **as_user(posta.uid))


def main():
    tool = f"{BUILD}/tests/bench_queue"
    if not pathlib.Path(tool).exists():
        sys.exit(f"{tool} is not there: ninja -C {BUILD} tests/bench_queue")
    up, down = free_ports(2)
    routes = f'route "up.test" {{ to = "127.0.0.1:{up}" tls = "never" }} route "down.test" {{ to = "127.0.0.1:{down}" tls = "never" }}'
    with system(sections={"mta": routes}, start=False) as posta, Liar(port=up) as liar:
        posta.start()
        before = rss(posta)
        posta.stop()
        began = time.monotonic()
        fill(posta, tool, LETTERS, "bob@down.test", SENDERS)
        fill(posta, tool, 1, "bob@up.test", 1)
        tell("queue.fill", time.monotonic() - began, "s")
        began = time.monotonic()
        posta.start()
        until(lambda: liar.letters, "the letter that can be delivered")
        tell("queue.first_delivery", time.monotonic() - began, "s after `posta start`")
        began = time.monotonic()
        n = len(posta.cli("queue", "list").stdout.splitlines())
        tell("queue.list", time.monotonic() - began, f"s for {n} lines")
        began = time.monotonic()
        posta.cli("status")
        tell("queue.status", time.monotonic() - began, "s")
        until(lambda: all(r["state"] == "later" for x in posta.json("queue", "list") for r in x["recipients"]), "all to be put off", 600)
        tell("queue.put_off", time.monotonic() - began, "s until all wait for the next try")
        tell("queue.cpu", cpu(posta), "ms in all")
        tell("queue.memory", (rss(posta) - before) / LETTERS, "bytes a letter")
        began = time.monotonic()
        posta.stop()
        posta.start()
        tell("queue.restart", time.monotonic() - began, "s to serve again")
        tell("queue.memory_later", (rss(posta) - before) / LETTERS, "bytes a letter, as read back")
        posta.cli("queue", "delete", "*", check=False)


main()
