import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from docker_net import DockerNetwork, why_not  # noqa: E402
from host_net import HostNetwork, namespaces_work  # noqa: E402

DRIVERS = ("namespaces", "loopback", "docker")


def made(kind):
    if kind == "docker" and why_not():
        pytest.skip(why_not())
    if kind == "namespaces" and not namespaces_work():
        pytest.skip("network namespaces need root, and a machine that lets it")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="posta-network-"))
    os.chmod(directory, 0o755)
    return DockerNetwork(directory) if kind == "docker" else HostNetwork(directory, namespaces=kind == "namespaces")


@pytest.fixture(scope="session", params=DRIVERS)
def network(request):
    """A running network; all tests use it one after the other, as a class would."""
    n = made(request.param)
    failed = request.session.testsfailed
    try:
        yield n.up()
        if request.session.testsfailed > failed:
            print(n.logs())
        n.down()
    finally:
        n.forget()
        shutil.rmtree(n.dir, ignore_errors=True)
