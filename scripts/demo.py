#!/usr/bin/env python3
"""make demo: a real key on three processes, a real transaction on a real (local) chain.

Starts a cluster of one coordinator and three participants and a local Ethereum chain (Anvil),
creates a 2-of-3 key, funds its address, signs an EIP-1559 transfer through the API, broadcasts it.
Then keys of FROST: a transfer that a Solana virtual machine (litesvm) executes, and a Bitcoin
transaction with two inputs, which is not broadcast. Kills one participant and signs again, kills a
second and shows the refusal. Cleans up after itself. The last line is
`DEMO OK tx=0x… from=0x… block=N`; details of all of it are in target/demo.json.

Usage: demo.py --bin DIR --anvil FILE --packages DIR [--keep]
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts" / "demo"))

from litesvm import LitesvmFailed  # noqa: E402
from other_chains import NotAsItMustBe, on_bitcoin, on_solana  # noqa: E402

CHAIN = "ethereum-local"
CHAIN_ID = 31337
RECIPIENT = "0x000000000000000000000000000000000000dEaD"
DEADLINE_SECONDS = 180


class DemoFailed(Exception):
    """Something did not go as it must; the message says what."""


FAILURES = (
    DemoFailed, NotAsItMustBe, LitesvmFailed, OSError, KeyError, ValueError,
    subprocess.TimeoutExpired,
)  # fmt: skip


def say(text):
    print(text, flush=True)


def step(text):
    say(f"\n== {text}")


class Quorate:
    """The `quorate` command, against one development cluster."""

    def __init__(self, folder, executable):
        self.folder, self.executable = folder, executable
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("QUORATE_")
        }
        self.environment["QUORATE_CONFIG"] = str(folder / "client.toml")
        self.environment["NO_COLOR"] = "1"

    def run_any(self, *arguments):
        """Runs the command, however it ends."""
        command = [str(self.executable), *map(str, arguments)]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=360, check=False
        )

    def run(self, *arguments, expect=0):
        """Runs the command, which must end with the status `expect`."""
        done = self.run_any(*arguments)
        if done.returncode != expect:
            raise DemoFailed(
                f"`quorate {' '.join(map(str, arguments))}` ended with {done.returncode}, "
                f"not {expect}\n{done.stdout}{done.stderr}"
            )
        return done

    def json(self, *arguments, expect=0):
        done = self.run(*arguments, "--json", expect=expect)
        text = done.stdout if done.stdout.strip() else done.stderr
        return json.loads(text)

    def dev(self, *arguments):
        return self.run("dev", *arguments, "--dir", self.folder)


class Chain:
    """Anvil, over JSON-RPC."""

    def __init__(self, executable, folder):
        self.port = free_port()
        self.log = open(folder / "anvil.log", "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [str(executable), "--port", str(self.port), "--chain-id", str(CHAIN_ID), "--silent"],
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # the command is a wrapper: its child must end with it
        )
        wait_until(lambda: self.answers(), "the local chain did not start")

    def answers(self):
        if self.process.poll() is not None:
            raise DemoFailed(f"anvil ended with {self.process.returncode}")
        try:
            return int(self.call("eth_chainId"), 16) == CHAIN_ID
        except OSError:
            return False

    def call(self, method, *params):
        """One JSON-RPC call."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            result = json.load(answer)
        if "error" in result:
            raise DemoFailed(f"{method}: {result['error']}")
        return result["result"]

    def receipt(self, tx):
        found = []

        def mined():
            receipt = self.call("eth_getTransactionReceipt", tx)
            found.extend([receipt] if receipt else [])
            return bool(receipt)

        wait_until(mined, f"{tx} was not mined")
        return found[0]

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.log.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, complaint):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise DemoFailed(complaint)
        time.sleep(0.02)


def ether(wei):
    return f"{int(wei, 16) / 10**18:.6f} ETH"


def transfer(quorate, chain, key, address):
    """Signs a transfer with the cluster and has the chain execute it."""
    nonce = int(chain.call("eth_getTransactionCount", address, "latest"), 16)
    unsigned = quorate.json(
        "tx", "ethereum", "--to", RECIPIENT, "--value", "0.1ether", "--nonce", nonce,
        "--max-fee", "20gwei", "--priority-fee", "1gwei", "--chain-id", CHAIN_ID,
    )
    started = time.monotonic()
    signed = quorate.json("sign", "--key", key, "--tx", unsigned["unsigned_transaction"])
    elapsed = time.monotonic() - started
    tx = chain.call("eth_sendRawTransaction", "0x" + signed["signed_transaction"].removeprefix("0x"))
    receipt = chain.receipt(tx)
    if int(receipt["status"], 16) != 1 or receipt["from"].lower() != address.lower():
        raise DemoFailed(f"the chain did not accept the transfer: {receipt}")
    if tx.removeprefix("0x") != signed["tx_id"].removeprefix("0x"):
        raise DemoFailed(f"the chain names the transaction {tx}, the cluster {signed['tx_id']}")
    say(f"signed by {', '.join(signed['signers'])} in {elapsed * 1000:.0f} ms (command included)")
    say(f"receipt: block {int(receipt['blockNumber'], 16)}, status success, from {receipt['from']}")
    say(f"         tx {tx}, gas {int(receipt['gasUsed'], 16)}")
    return {
        "tx": tx,
        "block": int(receipt["blockNumber"], 16),
        "from": receipt["from"],
        "signers": signed["signers"],
        "session_id": signed["session_id"],
        "seconds": round(elapsed, 3),
    }


def refused_transfer(quorate, key, nonce):
    """Asks for a signature that cannot be made; returns the error."""
    unsigned = quorate.json(
        "tx", "ethereum", "--to", RECIPIENT, "--value", "0.1ether", "--nonce", nonce,
        "--max-fee", "20gwei", "--chain-id", CHAIN_ID,
    )
    answer = quorate.json("sign", "--key", key, "--tx", unsigned["unsigned_transaction"], expect=3)
    return answer["error"]


def pids(folder):
    return json.loads((folder / "pids").read_text(encoding="utf-8"))


def run(quorate, anvil, packages, folder, report):
    step("Starting one coordinator and three participants, each a process of its own")
    say(quorate.dev("--detach").stdout.rstrip())
    step("Starting a local Ethereum chain (Anvil)")
    chain = Chain(anvil, folder)
    try:
        demonstrate(quorate, chain, packages, report)
    finally:
        chain.stop()


def demonstrate(quorate, chain, packages, report):
    step("Creating a 2-of-3 key: no process ever holds it")
    started = time.monotonic()
    key = quorate.json("key", "create", "--chain", CHAIN, "--threshold", 2, "--nodes", 3)
    report["key"] = key
    report["keygen_seconds"] = round(time.monotonic() - started, 3)
    address, key_id = key["address"], key["key_id"]
    say(f"key {key_id}\naddress {address}, certified by all three nodes and checked by the client")
    say(quorate.dev("status").stdout.rstrip())

    step("Funding the address")
    rich = chain.call("eth_accounts")[0]
    gift = {"from": rich, "to": address, "value": hex(2 * 10**18)}
    chain.receipt(chain.call("eth_sendTransaction", gift))
    say(f"balance {ether(chain.call('eth_getBalance', address, 'latest'))}")

    step("Signing an EIP-1559 transfer with two of the three, and broadcasting it")
    report["first"] = transfer(quorate, chain, key_id, address)

    step("An Ed25519 key (FROST), and a Solana transfer that litesvm executes")
    report["solana"] = on_solana(quorate, packages)

    step("A Taproot key (FROST), and a Bitcoin transaction with two inputs")
    report["bitcoin"] = on_bitcoin(quorate)

    step("Killing one of the two signers of the Ethereum transfer, and signing again")
    victim = report["first"]["signers"][0]
    quorate.dev("stop-node", victim, "--kill")
    say(f"{victim} is dead")
    report["killed_first"] = victim
    report["second"] = transfer(quorate, chain, key_id, address)
    if victim in report["second"]["signers"]:
        raise DemoFailed(f"{victim} is dead, but is said to have signed")

    step("Killing a second one: one node alone must not be able to sign")
    victim = report["second"]["signers"][0]
    quorate.dev("stop-node", victim, "--kill")
    report["killed_second"] = victim
    nonce = int(chain.call("eth_getTransactionCount", address, "latest"), 16)
    error = refused_transfer(quorate, key_id, nonce)
    report["refusal"] = error
    missing = [report["killed_first"], report["killed_second"]]
    if error["code"] != "NOT_ENOUGH_NODES" or not all(name in json.dumps(error) for name in missing):
        raise DemoFailed(f"the refusal does not say what is missing: {error}")
    say(f"refused, as it must be: {error['code']}: {error['message']}")
    say(f"balance left {ether(chain.call('eth_getBalance', address, 'latest'))}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the binaries")
    parser.add_argument("--anvil", type=pathlib.Path, required=True, help="the anvil executable")
    parser.add_argument("--packages", type=pathlib.Path, required=True, help="folder of litesvm")
    parser.add_argument("--keep", action="store_true", help="keep the cluster's folder")
    arguments = parser.parse_args()
    # A later signal must not cut the cleaning up off.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="quorate-demo-"))
    quorate = Quorate(folder, arguments.bin / "quorate")
    report, started = {}, time.monotonic()
    try:
        run(quorate, arguments.anvil, arguments.packages, folder, report)
    except FAILURES as failure:
        say(f"\nDEMO FAILED: {failure}")
        show_logs(folder)
        return 1
    finally:
        stop_all(quorate, folder, arguments.keep)
    report["seconds"] = round(time.monotonic() - started, 3)
    target = ROOT / "target"
    target.mkdir(exist_ok=True)
    (target / "demo.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    first = report["first"]
    say(f"\nAll processes are stopped. It took {report['seconds']:.1f} s; details: target/demo.json")
    say(f"DEMO OK tx={first['tx']} from={first['from']} block={first['block']}")
    return 0


def show_logs(folder):
    for log in sorted(folder.glob("*/log.jsonl")):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        say(f"-- last lines of {log.parent.name}")
        say("\n".join(lines[-5:]))


def stop_all(quorate, folder, keep):
    try:
        if (folder / "pids").exists():
            quorate.dev("stop")
    except (DemoFailed, OSError, subprocess.TimeoutExpired) as failure:
        say(f"the cluster could not be stopped: {failure}")
    if keep:
        say(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
