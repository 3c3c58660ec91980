"""lan - a small network of test hosts, and programs of Debian's that run there without being installed.

Lan:  hosts with an address each and a cable to one switch, as network namespaces of ours alone (no names, nothing stays). What is
      started in `with lan.at("norte"):` lives on that host, on the ports that are right: 25, 53, 143, 587.
Room: a mount and process namespace on a host, with unpacked packages laid over the machine's /usr, /etc and /var. What is written there
      stays in memory; all that runs there ends with it.

Both need root. The namespace of the thread is changed: use them from one thread.
"""
import contextlib
import ctypes
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile

import pytest

from posta import BUILD, DOMAIN, PATIENCE, ROOT, Dialogue, System, until

NETNS = 0x40000000  # CLONE_NEWNET of <sched.h>
DNS = "192.0.2.53"
PACKAGES = ROOT / "build-check/mtas"
libc = ctypes.CDLL(None, use_errno=True)


def need_root():
    if os.geteuid() != 0:
        pytest.skip("needs root: the hosts are network namespaces")


def call(what, *arguments):
    if what(*arguments) != 0:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))


def namespace_here():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Lan:
    """Lan({"norte": "192.0.2.10", …}); every host asks the DNS at 192.0.2.53, which is a host of its own ("dns")."""

    def __init__(self, hosts):
        need_root()
        self.home, self.fds, self.rooms = namespace_here(), {}, []
        self.hosts = {"dns": DNS, **hosts}
        try:
            for name in ("switch", *self.hosts):
                call(libc.unshare, NETNS)
                self.fds[name] = namespace_here()
            call(libc.setns, self.home, NETNS)
            self.cables()
        except OSError as e:
            self.close()
            pytest.skip(f"no network namespaces here: {e}")
        except BaseException:
            self.close()
            raise

    def cables(self):
        lines = ["link add br0 type bridge", "link set br0 up"]
        for n, name in enumerate(self.hosts):
            lines += [f"link add port{n} type veth peer name eth0 netns /proc/{os.getpid()}/fd/{self.fds[name]}",
                      f"link set port{n} master br0 up"]
        self.ip("switch", lines)
        for name, address in self.hosts.items():
            self.ip(name, ["link set lo up", f"addr add {address}/24 dev eth0", "link set eth0 up"])
            with self.at(name):
                pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")

    def ip(self, name, lines):
        with self.at(name):
            subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True, capture_output=True, timeout=PATIENCE)

    @contextlib.contextmanager
    def at(self, name):
        before = namespace_here()
        call(libc.setns, self.fds[name], NETNS)
        try:
            yield
        finally:
            call(libc.setns, before, NETNS)
            os.close(before)

    def close(self):
        for room in self.rooms:
            room.close()
        call(libc.setns, self.home, NETNS)
        for fd in (*self.fds.values(), self.home):
            os.close(fd)
        self.fds, self.rooms = {}, []


# ---- names ----

class Names:
    """nsd on the host "dns": zones as text, without SOA and NS."""

    def __init__(self, lan, directory, zones):
        directory.mkdir()
        r = subprocess.run([ROOT / "tests/nsd.sh", ROOT / "build-check/nsd"], capture_output=True, text=True, timeout=PATIENCE * 4)
        if r.returncode:
            pytest.skip("nsd cannot be had: " + r.stderr[-200:])
        head = "$TTL 300\n@ IN SOA ns.example. hostmaster.example. 1 3600 600 86400 60\n@ IN NS ns.example.\n"
        conf = f'server:\n  ip-address: {DNS}\n  username: ""\n  zonesdir: "{directory}"\n  database: ""\n  pidfile: ""\n  xfrdfile: ""\n' \
               f'  zonelistfile: "{directory}/zone.list"\n  xfrdir: "{directory}"\n  server-count: 1\nremote-control:\n  control-enable: no\n'
        for zone, text in zones.items():
            (directory / zone).write_text(f"$ORIGIN {zone}.\n{head}{text}")
            conf += f'zone:\n  name: {zone}\n  zonefile: "{directory}/{zone}"\n'
        (directory / "nsd.conf").write_text(conf)
        with lan.at("dns"), open(directory / "log", "wb") as log:
            self.process = subprocess.Popen([r.stdout.strip(), "-d", "-c", str(directory / "nsd.conf")], cwd=directory, stdout=log, stderr=log)
            until(self.answers, lambda: "nsd answers\n" + (directory / "log").read_text())

    def answers(self):
        assert self.process.poll() is None, "nsd ended"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            with contextlib.suppress(OSError):
                s.connect((DNS, 53))
                s.send(struct.pack(">HHHHHH", 1, 0, 1, 0, 0, 0) + b"\7example\0" + struct.pack(">HH", 6, 1))
                return s.recv(512)[3] & 15 == 0
        return False

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


# ---- foreign programs ----

def packages(*names):
    r = subprocess.run([ROOT / "tests/mtas.sh", PACKAGES, *names], capture_output=True, text=True, timeout=PATIENCE * 10)
    if r.returncode:
        pytest.skip("the packages cannot be had: " + r.stderr.strip()[-200:])
    return [PACKAGES / n for n in names]


ROOM = r"""
set -eu
dir=$1 name=$2
shift 2
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$dir"
root=$dir/root
mkdir "$root"
for d in usr etc var; do
    lower=
    for tree; do [ ! -d "$tree/$d" ] || lower=$lower$tree/$d:; done
    mkdir -p "$root/$d" "$dir/up/$d" "$dir/work/$d"
    mount -t overlay -o "lowerdir=$lower/$d,upperdir=$dir/up/$d,workdir=$dir/work/$d" overlay "$root/$d"
done
for d in home root proc dev tmp run; do mkdir "$root/$d"; done
for l in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$l" ]; then ln -s "usr/$l" "$root/$l"; elif [ -d "/$l" ]; then mkdir "$root/$l"; mount --rbind "/$l" "$root/$l"; fi
done
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$TMPDIR" "$root/tmp"
rm -f "$root/etc/resolv.conf"
printf 'nameserver 192.0.2.53\noptions timeout:2 attempts:2\n' >"$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
printf '%s\n' "$name" >"$root/etc/hostname"
hostname "$name"
exec chroot "$root" sh -c 'cd /tmp && echo ready && exec sleep infinity'
"""


class Room:
    """Room(lan, "sur", "mx.sur.example", "postfix", "courier"): those packages on that host, and what lies below `trees`. `shared` is its
    /tmp, seen from both sides."""

    home = "/tmp"

    def __init__(self, lan, host, name, *names, trees=()):
        trees = [*trees, *(packages(*names) if names else [])]
        self.lan, self.host, self.env = lan, host, {}
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="posta-room-"))
        self.shared = pathlib.Path(tempfile.mkdtemp(prefix="posta-room-"))
        os.chmod(self.shared, 0o1777)
        with lan.at(host):
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "-p", "-u", "--fork", "--kill-child", "sh", "-c", ROOM, "room", self.dir, name, *trees],
                                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(self.shared)})
        said = self.process.stdout.readline()
        if said != b"ready\n":
            self.process.wait(PATIENCE)
            why = (said + self.process.stdout.read()).decode("utf-8", "replace")
            shutil.rmtree(self.dir, ignore_errors=True)
            pytest.skip("no room of its own for a program here: " + why)
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.pid = children.read_text().split()[0]
        lan.rooms.append(self)

    def inside(self, *command):
        """What has to be run for the command to run in here."""
        return ["nsenter", "-t", self.pid, "-m", "-p", "-n", "-u", "-r", "-w", *[str(c) for c in command]]

    def run(self, *command, input=None, status=0, env=None, text=True):
        """A program and its arguments, or one string for the shell; what it said, both ways mixed."""
        words = ["sh", "-c", command[0]] if len(command) == 1 else command
        r = subprocess.run(self.inside(*words), input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=text, timeout=PATIENCE,
                           env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb", **self.env, **(env or {})},
                           stdin=None if input is not None else subprocess.DEVNULL, errors="replace" if text else None)
        assert status is None or r.returncode == status, f"{' '.join(map(str, command))} said {r.returncode}\n{r.stdout}"
        return r.stdout

    def path(self, *parts):
        """How a file of this room is reached from outside."""
        return pathlib.Path(f"/proc/{self.pid}/root", *parts)

    def write(self, path, text, mode=0o644):
        """A file of this room, whose path is as the programs here see it."""
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"', "write", path, f"{mode:o}", input=text)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()  # --kill-child: and with it all that runs here
            self.process.wait(PATIENCE)
        self.process.stdout.close()
        for d in (self.dir, self.shared):
            shutil.rmtree(d, ignore_errors=True)


# ---- posta on a host ----

def complaints(room):
    """What the sanitizers wrote in a room whose env is SANITIZED."""
    return "\n".join(f.read_text(errors="replace")[:6000] for f in room.shared.glob("*san.*"))


SANITIZED = {"ASAN_OPTIONS": "abort_on_error=1:log_path=/tmp/asan", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:log_path=/tmp/ubsan"}


def posta_tree(directory):
    """A tree for a Room, with posta as `ninja install` would put it: not set up."""
    os.chmod(directory, 0o755)
    for folder in ("ctl", "msa", "mta/receive", "mta/queue", "mta/send", "mda", "imapd", "pop3d", "authd"):
        to = directory / "usr" / ("bin" if folder == "ctl" else "libexec/posta")
        to.mkdir(parents=True, exist_ok=True)
        for program in (BUILD / folder).glob("posta*"):
            if program.is_file():
                shutil.copy2(program, to)
    return directory


PORTS = {"mta": 25, "msa": 587, "msa_tls": 465, "imapd": 143, "imapd_tls": 993, "pop3d": 110, "pop3d_tls": 995, "lmtp": 24}


class Town(System):
    """A posta on a host of the lan: Town(lan, "norte", directory).make(("ana",)).start(): domain norte.example, server mx.norte.example."""

    def __init__(self, lan, host, directory, sections=None, top="", build=BUILD):
        self.lan, self.host, self.address = lan, host, lan.hosts[host]
        self.domain, self.name = f"{host}.example", f"mx.{host}.example"
        lab = {"dns": f'servers = {{"{DNS}"}} insecure = {{"."}}', **(sections or {})}
        super().__init__(directory, lab, top, build=build)
        self.ports = dict(PORTS)

    def write_conf(self):
        super().write_conf()
        text = self.conf.read_text().replace(f"mail.{DOMAIN}", self.name, 1)
        for port in self.ports.values():
            text = text.replace(f'{{"127.0.0.1:{port}"}}', f'{{"*:{port}"}}')
        self.conf.write_text(text)

    def make(self, users=()):
        self.dir.mkdir(parents=True, exist_ok=True)
        self.run.mkdir(exist_ok=True)
        for d in (self.dir, self.run):
            os.chown(d, self.uid, self.uid)
        self.write_conf()
        self.cli("init")
        self.cli("domain", "add", self.domain)
        if users:
            self.cli("user", "add", "--batch", input="".join(f"{u}@{self.domain} secret-{u}\n" for u in users))
        return self

    def start(self, wrap=()):
        with self.lan.at(self.host):
            return super().start(wrap)

    def maildir(self, user="bob", domain=None):
        return super().maildir(user, domain or self.domain)

    def dial(self, port, tls=False, greet=True):
        return Dialogue(self.ports[port], self.tls_context() if tls else None, greet, self.address)
