#!/usr/bin/env python3
"""Makes keys and signatures with a real cluster, for the other scripts to check.

    record.py BIN FOLDER

BIN has `quorate` and `quorate-participant`. A cluster of five participants is started in a
throwaway folder and stopped again. FOLDER gets `addresses.jsonl` and `signatures.jsonl`: keys 2-of-3
over every three neighbours, 3-of-5 and 3-of-3, and for each key signatures of random hashes and of
transactions. The digest of a transaction is computed here, not taken from the answer.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from eth_utils import keccak

SCHEMES = [(2, ["1", "2", "3"]), (2, ["2", "3", "4"]), (2, ["3", "4", "5"]), (2, ["1", "3", "5"])]
SCHEMES += [(3, ["1", "2", "3", "4", "5"]), (3, ["1", "2", "3"])]
EACH = 6
RNG = random.SystemRandom()


class Cluster:
    def __init__(self, binary, folder):
        self.binary, self.folder = str(binary), folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QUORATE_")}
        self.environment = kept | {"QUORATE_CONFIG": str(folder / "client.toml"), "NO_COLOR": "1"}

    def run(self, *arguments):
        command = [self.binary, *map(str, arguments)]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json"))

    def __enter__(self):
        self.run("dev", "--dir", self.folder, "--nodes", 5, "--detach")
        return self

    def __exit__(self, *_):
        self.run("dev", "stop", "--dir", self.folder)


def create(cluster, threshold, nodes):
    members = [part for node in nodes for part in ("--node", f"node-{node}")]
    arguments = ["--chain", "ethereum-local", "--threshold", threshold, "--right", "raw_hash"]
    return cluster.json("key", "create", *arguments, *members)


def record(key, digest, answer):
    fields = {name: answer[name] for name in ("signature", "recovery_id")}
    return fields | {"public_key": key["public_key"], "address": key["address"], "digest": digest.hex()}


def sign_hash(cluster, key):
    digest = RNG.randbytes(32)
    answer = cluster.json("sign", "--key", key["key_id"], "--raw-hash", digest.hex())
    return record(key, digest, answer)


def sign_transaction(cluster, key, nonce):
    fields = {"to": "0x" + RNG.randbytes(20).hex(), "value": RNG.randrange(10**18), "nonce": nonce}
    fields |= {"gas": 21000, "max-fee": 10**9, "priority-fee": 1, "chain-id": 31337}
    options = [part for name, value in fields.items() for part in (f"--{name}", value)]
    unsigned = cluster.json("tx", "ethereum", *options)["unsigned_transaction"].removeprefix("0x")
    answer = cluster.json("sign", "--key", key["key_id"], "--tx", unsigned)
    line = record(key, keccak(bytes.fromhex(unsigned)), answer)
    return line | {"signed_transaction": answer["signed_transaction"]}


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    binary, out = Path(sys.argv[1]) / "quorate", Path(sys.argv[2])
    addresses, signatures = [], []
    with tempfile.TemporaryDirectory() as folder, Cluster(binary, Path(folder) / "dev") as cluster:
        for threshold, nodes in SCHEMES:
            key = create(cluster, threshold, nodes)
            addresses.append({name: key[name] for name in ("public_key", "address")})
            for nonce in range(EACH):
                signatures.append(sign_hash(cluster, key))
                signatures.append(sign_transaction(cluster, key, nonce))
    for name, lines in [("addresses", addresses), ("signatures", signatures)]:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (out / f"{name}.jsonl").write_text(text, encoding="utf-8")
    print(f"recorded {len(addresses)} keys and {len(signatures)} signatures")


if __name__ == "__main__":
    main()
