"""docker/compose.domain.yaml: posta for one real domain, as docker/README.md starts it, on the host's network."""
import os
import re
import shutil
import subprocess

import pytest
from docker_net import compose_command, docker
from host_net import free_ports, until
from lab import PATIENCE, ROOT

NAMES = ("mta", "msa", "msa_tls", "imapd", "imapd_tls", "pop3d", "pop3d_tls")


@pytest.mark.parametrize("network", ["docker"], indirect=True, scope="session")
def test_a_domain_in_one_container(network, tmp_path):
    """init, a user, up; a letter from a container of another network: its own address is seen. Backup, loss of the volume, restore."""
    ports = dict(zip(NAMES, free_ports(len(NAMES))))
    etc, name = tmp_path / "etc", f"posta-test-domain-{os.getpid()}"
    etc.mkdir()
    env = {**network.env, "POSTA_ETC": str(etc)}

    def mail(*words, check=True, **more):
        r = subprocess.run([*compose_command(), "-p", name, "-f", str(ROOT / "docker/compose.domain.yaml"), *words], env=env, capture_output=True,
                           timeout=PATIENCE * 2, check=False, **more)
        assert not check or r.returncode == 0, f"{words}: {r.stdout.decode()}{r.stderr.decode()}"
        return r

    def running():
        until(lambda: mail("exec", "-T", "posta", "posta", "status", check=False).returncode == 0, lambda: mail("logs", check=False).stdout.decode())

    def log():
        return mail("logs", "--no-color").stdout.decode()

    try:
        mail("run", "--rm", "-T", "posta", "init", "--hostname", "mail.example.org", "--domain", "example.org")
        conf = (etc / "posta.conf").read_text()
        assert 'hostname  = "mail.example.org"' in conf and (etc / "tls/key.pem").stat().st_mode & 0o777 == 0o600
        (etc / "posta.conf").write_text(conf + "".join(
            f'{s} {{ listen = {{"*:{ports[s]}"}} {f"""listen_tls = {{"*:{ports[s + "_tls"]}"}}""" if s + "_tls" in ports else ""} }}\n'
            for s in ("mta", "msa", "imapd", "pop3d")) + 'dns { servers = {"127.0.0.1@1"} }\n')
        mail("run", "--rm", "-T", "posta", "user", "add", "alice@example.org", "--password-stdin", input=b"wonderland\n")
        mail("up", "-d", "--no-build")
        running()
        gateway = docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", network.name + "_front").strip()
        said = docker("run", "--rm", "--name", name + "-client", "--network", network.name + "_front", env["POSTA_IMAGE"] + "-client", "sh", "-c",
                      f"hostname -i; swaks --server {gateway} --port {ports['mta']} --from x@example.net --to alice@example.org")
        own = said.split()[0]
        assert "250 2.0.0 Ok: queued" in said and own != gateway
        until(lambda: f"peer={own} " in log(), log)
        until(lambda: re.search(r"delivered to alice@example\.org", log()), log)
        users = docker("top", mail("ps", "-q", "posta").stdout.decode().strip(), "-eo", "pid,uid,args")
        assert {"901", "902", "903", "904", "905", "906"} <= set(re.findall(r"^\s*\d+\s+(\d+)\s+posta-", users, re.M)), users

        mail("stop")
        saved = mail("run", "--rm", "-T", "--entrypoint", "tar", "posta", "-C", "/var/lib/posta", "-cz", ".").stdout
        mail("down", "-v")
        mail("run", "--rm", "-T", "--entrypoint", "tar", "posta", "-C", "/var/lib/posta", "-xz", input=saved)
        mail("up", "-d", "--no-build")
        running()
        assert len(mail("exec", "-T", "posta", "sh", "-c", "ls /var/lib/posta/mail/example.org/alice/new").stdout.split()) == 1
        mail("exec", "-T", "posta", "posta", "check")
    finally:
        mail("down", "-v", "-t", "5", check=False)
        shutil.rmtree(etc, ignore_errors=True)
