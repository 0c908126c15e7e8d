#!/usr/bin/env python3
"""End-to-end tests: real processes, the public API, the `quorate` command as a user runs it.

Usage: e2e.py --bin DIR [--interop DIR] [--only TEXT]

Every signature made here is left in the interop folder for two other libraries to check. The last
line is `N passed, M failed`.
"""

import argparse
import json
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

import e2e_bans
import e2e_chains
import e2e_commands
import e2e_faults
import e2e_links
import e2e_secrets
import e2e_signing
from demo import say
from e2e_world import World

CASES = [
    *e2e_signing.CASES,
    *e2e_chains.CASES,
    *e2e_commands.CASES,
    *e2e_faults.CASES,
    *e2e_bans.CASES,
    *e2e_links.CASES,
    *e2e_secrets.CASES,
    *e2e_signing.LAST,
    *e2e_chains.LAST,
    *e2e_secrets.LAST,
    *e2e_commands.LAST,
]


def run_case(case, world):
    started = time.monotonic()
    try:
        case(world)
        verdict, error = "ok", None
    except Exception:  # whatever goes wrong is the result of this test
        verdict, error = "FAILED", traceback.format_exc()
    say(f"test {case.__name__} ... {verdict} ({time.monotonic() - started:.1f} s)")
    if error:
        say(error)
    return error is None


def leave_for_other_libraries(world, folder):
    folder.mkdir(parents=True, exist_ok=True)
    keys = [
        {"public_key": key["public_key"], "address": key["address"]} for key in world.keys.values()
    ]
    for kind, records in {"signatures": world.signatures, "addresses": keys, **world.left}.items():
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{kind}-e2e.jsonl").write_text(lines, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the binaries")
    parser.add_argument("--interop", type=pathlib.Path, help="where signatures are left")
    parser.add_argument("--only", default="", help="run the tests whose name holds this")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="quorate-e2e-"))
    world = World(arguments.bin, folder)
    cases = [case for case in CASES if arguments.only in case.__name__]
    passed = 0
    try:
        say(world.quorate.dev("--nodes", 5, "--detach").stdout.rstrip())
        for case in cases:
            passed += run_case(case, world)
        if arguments.interop:
            leave_for_other_libraries(world, arguments.interop)
    finally:
        if (folder / "pids").exists():
            world.quorate.dev("stop")
        if passed == len(cases):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"kept for a look: {folder}")
    say(f"{passed} passed, {len(cases) - passed} failed")
    return 0 if passed == len(cases) else 1


if __name__ == "__main__":
    sys.exit(main())
