"""Runs a check over a file of JSON lines, and says how many passed."""

import json
import sys
from pathlib import Path

from two_libraries import Wrong, prove_independence

SHOWN = 20


def check_lines(check, usage):
    """Exits with 0 only if there is at least one line and every line passes."""
    if len(sys.argv) != 2:
        raise SystemExit(usage)
    prove_independence()
    passed, failures = 0, []
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            check(json.loads(line))
            passed += 1
        except Wrong as wrong:
            failures.append(f"line {number}: {wrong}")
        except Exception as error:  # a library refuses the input: that is a failure too
            failures.append(f"line {number}: {type(error).__name__}: {error}")
    for failure in failures[:SHOWN]:
        print(failure, file=sys.stderr)
    if len(failures) > SHOWN:
        print(f"… and {len(failures) - SHOWN} more", file=sys.stderr)
    print(f"{passed} passed, {len(failures)} failed")
    if failures or not passed:
        raise SystemExit(1)
