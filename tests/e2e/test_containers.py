"""Callers in another container than posta: they have no process number there, and are known by their uid all the same."""
import os

import pytest
from posta import DOMAIN, NOBODY, system, until


@pytest.mark.skipif(os.geteuid() != 0, reason="process namespaces need root")
def test_a_caller_of_another_process_namespace_is_known():
    with system(start=False) as s:
        s.uid = 0  # unshare(1) needs root; what it starts does not
        s.start(wrap=("unshare", "--pid", "--fork", "--kill-child", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"))
        s.uid = NOBODY
        assert s.json("status")["serving"]
        s.cli("sendmail", "-i", "-f", f"alice@{DOMAIN}", f"bob@{DOMAIN}", input="Subject: from outside\n\nhello\n")
        s.wait_letters(1)
        until(lambda: s.json("queue", "list") == [], "an empty queue")
        s.cli("stop")
