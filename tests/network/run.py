"""run.py - ./run network: the demo network on this machine, without Docker.

    run.py up DIRECTORY          starts it, shows a letter crossing it, stays until Ctrl-C or SIGTERM
    run.py check DIRECTORY       the same without staying
    run.py exec DIRECTORY BOX COMMAND...    a program in a box: its network, its names
"""
import fcntl
import os
import pathlib
import signal
import sys
import threading

from host_net import NOBODY, HostNetwork, open_to, until
from lab import BOXES, DOMAINS, USERS, address, send, subjects

NAME = "posta-demo"


def letter(n):
    """Around the three domains; each hop is looked for where it goes."""
    mark = f"A letter crosses the network, {os.getpid()}"
    for d, to in zip(DOMAINS, (*DOMAINS[1:], DOMAINS[0])):
        send(n, d, [to], mark)
        until(lambda to=to: mark in subjects(n, to), lambda: "the letter to arrive\n" + n.logs())
        ids = [line.split(": ", 1) for line in n.log_of(d).splitlines() if f"sent to {address(to)} " in line]
        print(f"   {address(d)} ─▶ {address(to)}: {ids[-1][1] if ids else 'arrived'}", flush=True)


def settings(n):
    where = "ip netns exec posta-demo-BOX, or ./run network exec BOX COMMAND" if n.namespaces else "all boxes are here; ./run network exec client COMMAND"
    print(f"""
   users               {', '.join(f'{address(d)} ({USERS[d][1]})' for d in DOMAINS)}
   boxes               {', '.join(b for d in DOMAINS for b in BOXES[d])}, dns, client
   inside              {where}
   certificates        {n.public}/ca.pem     DNSSEC's beginning: {n.public}/anchor.key
   names               ./run network exec client dig {' '.join(n.name_server())} MX norte.example
""" + "".join(f"   {d:<20}" + ", ".join(f"{s} {':'.join(map(str, n.where(d, s)))}" for s in ("smtp", "submission", "imaps", "pop3s")) + "\n" for d in DOMAINS)
          + f"""   a letter            ./run network exec client swaks --server {':'.join(map(str, n.where('norte', 'submission')))} -tls --auth PLAIN \\
                         --auth-user alice@norte.example --auth-password wonderland --from alice@norte.example --to bob@sur.example
   a queue             ./run network exec norte-queue posta queue list
   logs                {n.dir}/*.log
""", flush=True)


def ended(_signal, _frame):
    raise KeyboardInterrupt


def up(n, stay):
    signal.signal(signal.SIGTERM, ended)
    n.forget()  # what an earlier one left that was killed
    try:
        print("starting the name server and the three domains" + (", each box in a network namespace" if n.namespaces else " on 127.0.1.x"), flush=True)
        n.up()
        letter(n)
        if stay:
            settings(n)
            print("Ctrl-C ends it", flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        print("\nstopping", flush=True)
    except BaseException:
        print(n.logs(), file=sys.stderr)
        n.forget()
        raise
    n.down()


def enter(n, box, *words):
    """As a person in the box; posta is the program of this build with that domain's configuration."""
    os.environ["PATH"] = f"{n.build}/ctl:{os.environ['PATH']}"
    os.environ["POSTA_CONF"] = str(n.conf(box.split("-")[0]))
    words = n.person(box, *words)
    os.execvp(words[0], words)


def main(command, directory, *arguments):
    directory = pathlib.Path(directory)
    if not open_to(NOBODY, directory):
        directory = pathlib.Path("/var/tmp/posta-network")
    n = HostNetwork(directory, name=NAME)
    if command == "exec":
        enter(n, *arguments)
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("run: the network runs already") from None
        up(n, command == "up")


if len(sys.argv) < 3:
    raise SystemExit(__doc__)
main(*sys.argv[1:])
