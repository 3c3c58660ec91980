"""count.py meson TESTLOG.json | junit FILE.xml - prints "passed failed skipped" of one run; a missing file is one failure."""
import json
import sys
import xml.etree.ElementTree as ET


def meson(path):
    results = [json.loads(line)["result"] for line in open(path, encoding="utf-8", errors="replace")]
    skipped = results.count("SKIP")
    good = results.count("OK")
    return good, len(results) - good - skipped, skipped


def junit(path):
    good = bad = skipped = 0
    for case in ET.parse(path).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            skipped += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            bad += 1
        else:
            good += 1
    return good, bad, skipped


try:
    counts = {"meson": meson, "junit": junit}[sys.argv[1]](sys.argv[2])
except OSError:
    counts = (0, 1, 0)
print(*counts)
