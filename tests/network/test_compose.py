"""docker/compose.yaml and docker/compose.domain.yaml without an engine: what they say of addresses and rights, and that docker-compose takes them."""
import os
import re
import subprocess

import pytest
from docker_net import COMPOSE, compose_command
from lab import NORTE, ROOT, numbers

DOMAIN = ROOT / "docker/compose.domain.yaml"


def services(path):
    """{name: its lines}"""
    found, name = {}, None
    for line in path.read_text().split("\nservices:\n", 1)[1].splitlines():
        if re.match(r"\S", line):
            break
        if m := re.match(r"  (\S+):$", line):
            name = m.group(1)
            found[name] = ""
        elif name:
            found[name] += line + "\n"
    return found


def test_addresses_are_those_of_the_zones():
    """Each box on the network has the number that docker/lab/hosts.sh has for it, and no two have one; none takes one by chance."""
    known, all_of_them = numbers(), []
    want = {box: known["norte", role] for box, role in NORTE.items() if role} | {"sur": known["sur", "mx"], "este": known["este", "mx"], "dns": known["dns", "mx"]}
    for name, text in services(COMPOSE).items():
        if "networks:" not in text:
            assert "network_mode: none" in text or "<<: *once" in text, name
            continue
        v4, = re.findall(r'ipv4_address: "\$\{LAB_NET4:-172\.30\.25\}\.(\d+)"', text)
        v6, = re.findall(r'ipv6_address: "\$\{LAB_NET6:-fd70:6f73:7461:25\}::(\d+)"', text)
        assert v4 == v6 and int(v4) == want.get(name, int(v4)), name
        all_of_them.append(v4)
    assert len(all_of_them) == len(set(all_of_them)) > len(want)


@pytest.mark.parametrize("path", [COMPOSE, DOMAIN], ids=lambda p: p.name)
def test_compose_takes_it(path):
    command = compose_command()
    if not command:
        pytest.skip("there is neither docker compose nor docker-compose")
    config = subprocess.run([*command, "-f", str(path), "config"], capture_output=True, text=True, check=True, env={**os.environ, "POSTA_IMAGE": "x"}).stdout
    assert "privileged" not in config and "/var/run/docker.sock" not in config
    assert config.count("read_only: true") >= config.count("cap_drop:\n") > 0
