#!/usr/bin/env python3
"""Has Solana's virtual machine (litesvm) execute signed transactions, and looks at the balances.

    execute_solana.py PACKAGES FILE

PACKAGES is the folder that `scripts/demo_chains.sh` made. FILE has one JSON object a line:
  signed_transaction  hex, with the first blockhash of a fresh litesvm
  tx_id               Base58
  address             who pays
  receiver, lamports  who is paid, and what
  fee                 lamports

Each line must be executed, once; with one changed bit in its signature it must not be.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "demo"))

from litesvm import Litesvm, LitesvmFailed  # noqa: E402


def refused(chain, transaction):
    try:
        chain.send(transaction.hex())
    except LitesvmFailed as refusal:
        return str(refusal)
    return ""


def check(chain, record):
    """None, or what is wrong."""
    sender, receiver = record["address"], record["receiver"]
    before = chain.fund(sender, 10**9), chain.balance(receiver)
    transaction = bytes.fromhex(record["signed_transaction"])
    # The first byte counts the signatures; the second one is in R.
    forged = transaction[:1] + bytes([transaction[1] ^ 1]) + transaction[2:]
    if not refused(chain, forged):
        return "a forged signature was executed"
    if (chain.balance(sender), chain.balance(receiver)) != before:
        return "a forged signature moved something"
    name = chain.send(transaction.hex())
    if name != record["tx_id"]:
        return f"litesvm calls it {name}"
    moved = before[0] - chain.balance(sender), chain.balance(receiver) - before[1]
    if moved != (record["lamports"] + record["fee"], record["lamports"]):
        return f"it moved {moved[0]} and {moved[1]} lamports"
    return None if refused(chain, transaction) else "it was executed twice"


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    lines = Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()
    chain = Litesvm(sys.argv[1])
    passed, failed = 0, 0
    try:
        for number, line in enumerate(lines, start=1):
            try:
                wrong = check(chain, json.loads(line))
            except LitesvmFailed as failure:
                wrong = str(failure)
            if wrong:
                print(f"line {number}: {wrong}", file=sys.stderr)
            passed, failed = passed + (not wrong), failed + bool(wrong)
    finally:
        chain.stop()
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
