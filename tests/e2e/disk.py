"""disk - a posta whose state lies on a small disk, and how to fill that to the last octet."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from posta import System


@contextlib.contextmanager
def small_disk(size):
    """A posta whose state lies on a disk of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts a small disk")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="posta-test-"))
    directory.chmod(0o755)
    posta = System(directory / "s")
    posta.state.mkdir(parents=True)
    r = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700,uid={posta.uid},gid={posta.uid}", "tmpfs", str(posta.state)],
                       capture_output=True, text=True)
    try:
        if r.returncode:
            pytest.skip("cannot mount: " + r.stderr.strip())
        posta.make(("alice",)).start()
        yield posta
        posta.stop()
    except BaseException:
        print("---- log ----\n" + posta.log()[-6000:])
        raise
    finally:
        if posta.process:
            posta.kill()
        subprocess.run(["umount", str(posta.state)], capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)


def fill_up(directory):
    """To the last octet; again, where room was given back."""
    ballast = directory / "ballast"
    with open(ballast, "ab", buffering=0) as f:
        for block in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    f.write(b"x" * block)
    return ballast
