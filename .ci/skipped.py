"""What no run of the tests has run: python .ci/skipped.py FOLDER, with one report of pytest (--junitxml) for each run.

A test that one environment skips must run in another. Prints every test that all runs skipped, with its reason, and
ends with 1 if there is one, unless its reason is of the machine: an instruction set, a program or a network that it
lacks.
"""

import sys
import xml.etree.ElementTree as xml
from pathlib import Path

OF_THE_MACHINE = ("this CPU", "this machine", "not on", "needs root", "root reads", "not installed: mpi4py")

run, skipped = set(), {}
for report in Path(sys.argv[1]).glob("*.xml"):
    for case in xml.parse(report).iter("testcase"):
        module, name = case.get("classname"), case.get("name")
        # a module that is skipped as a whole has an empty class name, and its own as the name
        test = (module, name) if module else (name, "")
        reason = case.find("skipped")
        if reason is None:
            run |= {test, (module, "")}
        else:
            skipped[test] = reason.get("message")

never = {test: reason for test, reason in skipped.items() if test not in run}
left = {test: reason for test, reason in never.items() if not any(words in reason for words in OF_THE_MACHINE)}
for (module, name), reason in sorted(left.items()):
    print(f"never run: {module}::{name}: {reason}")
print(f"{len(run):,} tests run; {len(skipped)} skipped somewhere, {len(never)} everywhere, {len(left)} without need")
sys.exit(bool(left))
