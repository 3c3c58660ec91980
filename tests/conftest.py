import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "e2e"))
from posta import system  # noqa: E402


@pytest.fixture(scope="module")
def posta():
    """A running system for the tests of one file: alice and bob at example.test."""
    with system() as s:
        yield s


@pytest.fixture(scope="module")
def lab():
    """The same with the lab's switches: AUTH in clear, and on 25."""
    with system(sections={"lab": "clear_auth = true auth_on_25 = true"}) as s:
        yield s
