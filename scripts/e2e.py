#!/usr/bin/env python3
"""End-to-end tests: real processes, the public API, the `quorate` command as a user runs it.

Usage: e2e.py --bin DIR [--interop DIR] [--only TEXT]

Every signature made here is left in the interop folder for two other libraries to check. The last
line is `N passed, M failed`.
"""

import argparse
import hashlib
import hmac
import itertools
import json
import pathlib
import re
import secrets
import shutil
import sys
import tempfile
import time
import traceback
import urllib.request

from demo import CHAIN, CHAIN_ID, DemoFailed, Quorate, say, wait_until

RECIPIENT = "0x000000000000000000000000000000000000dEaD"
NODES = [f"node-{n}" for n in range(1, 6)]


class World:
    """One cluster of five, its keys, and every signature that it made."""

    def __init__(self, executables, folder):
        self.quorate = Quorate(folder, executables / "quorate")
        self.folder = folder
        self.nonce = 0
        self.keys, self.signatures = {}, []
        self.down = set()

    def key(self, threshold, nodes):
        """The key t-of-n on the first n nodes, made when it is first asked for."""
        name = (threshold, nodes)
        if name not in self.keys:
            self.only_alive(NODES)
            self.keys[name] = self.quorate.json(
                "key", "create", "--chain", CHAIN, "--threshold", threshold, "--nodes", nodes
            )
        return self.keys[name]

    def unsigned(self):
        self.nonce += 1
        transaction = self.quorate.json(
            "tx", "ethereum", "--to", RECIPIENT, "--value", "1gwei", "--nonce", self.nonce,
            "--max-fee", "20gwei", "--chain-id", CHAIN_ID,
        )
        return transaction["unsigned_transaction"]

    def sign(self, key, *arguments, payload=None):
        payload = payload or self.unsigned()
        signed = self.quorate.json("sign", "--key", key["key_id"], "--tx", payload, *arguments)
        self.signatures.append(
            {
                "public_key": key["public_key"],
                "digest": signed["message_hash"],
                "signature": signed["signature"],
                "recovery_id": signed["recovery_id"],
                "address": key["address"],
                "signed_transaction": signed["signed_transaction"],
            }
        )
        return signed

    def refused(self, key):
        arguments = ["sign", "--key", key["key_id"], "--tx", self.unsigned()]
        return self.quorate.json(*arguments, expect=3)["error"]

    def only_alive(self, wanted):
        """Kills and starts nodes until exactly these are alive, and seen to be."""
        for node in NODES:
            if node in wanted and node in self.down:
                self.quorate.dev("start-node", node)
                self.down.discard(node)
            elif node not in wanted and node not in self.down:
                self.quorate.dev("stop-node", node, "--kill")
                self.down.add(node)

        def seen():
            nodes = self.quorate.json("node", "list")["nodes"]
            nodes = [node for node in nodes if node["node_type"] == "participant"]
            # "degraded" is alive: it misses the links to those that are not.
            reached = [node for node in nodes if "reached" not in (node.get("last_error") or "")]
            online = {node["node_id"] for node in reached if node["status"] != "offline"}
            ups = {
                node["node_id"]: {link["peer"] for link in node["links"] if link["state"] == "up"}
                for node in nodes
            }
            linked = all(set(wanted) - {node} <= ups[node] for node in wanted)
            return online == set(wanted) and linked

        wait_until(seen, f"the coordinator does not see {wanted} alive")


def require(condition, complaint):
    if not condition:
        raise DemoFailed(complaint)


def any_two_of_three_sign(world):
    key = world.key(2, 3)
    for signers in itertools.combinations(NODES[:3], 2):
        world.only_alive(signers)
        signed = world.sign(key)
        require(set(signed["signers"]) == set(signers), f"{signers}: {signed['signers']}")


def any_three_of_five_sign(world):
    key = world.key(3, 5)
    for signers in itertools.combinations(NODES, 3):
        world.only_alive(signers)
        signed = world.sign(key)
        require(set(signed["signers"]) == set(signers), f"{signers}: {signed['signers']}")


def three_of_three_sign(world):
    key = world.key(3, 3)
    world.only_alive(NODES)
    require(set(world.sign(key)["signers"]) == set(NODES[:3]), "not all three signed")


def one_below_the_threshold_is_refused_and_the_missing_are_named(world):
    for threshold, nodes in [(2, 3), (3, 5), (3, 3)]:
        key = world.key(threshold, nodes)
        members = NODES[:nodes]
        alive = members[: threshold - 1]
        world.only_alive(alive)
        error = world.refused(key)
        require(error["code"] == "NOT_ENOUGH_NODES", error)
        text = json.dumps(error)
        missing = [node for node in members if node not in alive]
        require(all(node in text for node in missing), f"{missing} are not all named: {text}")
        require(not any(node in text for node in alive), f"{alive} are alive, but named: {text}")


def c11_every_signature_has_low_s_and_no_r_is_repeated(world):
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    by_digest = {}
    for line in world.signatures:
        signature = line["signature"].removeprefix("0x")
        r, s = signature[:64], int(signature[64:], 16)
        require(0 < s <= order // 2, "high s")
        digest = by_digest.setdefault(r, line["digest"])
        require(digest == line["digest"], "one r for two digests: the key is lost")
    require(len(by_digest) >= 10, "too few signatures to say anything")


def d10_the_same_intent_again_gives_the_same_signature(world):
    world.only_alive(NODES)
    key = world.key(2, 3)
    request = built_intent(world, key)
    first, again = post(world, request), post(world, request)
    require(first["data"]["signature"] == again["data"]["signature"], "two signatures of one intent")
    world.quorate.dev("stop-node", "coordinator", "--kill")
    world.quorate.dev("start-node", "coordinator")
    world.only_alive(NODES)
    after = post(world, request)
    require(first["data"]["signature"] == after["data"]["signature"], "another one after a restart")


def a_killed_coordinator_comes_back_with_keys_and_history(world):
    key = world.key(2, 3)
    world.quorate.dev("stop-node", "coordinator", "--kill")
    down = world.quorate.run("key", "list", "--json", expect=4)
    require("error" in (down.stdout + down.stderr), "no word about a coordinator that is down")
    world.quorate.dev("start-node", "coordinator")
    world.only_alive(NODES)
    listed = world.quorate.json("key", "list")["keys"]
    require(key["key_id"] in {k["key_id"] for k in listed}, "the key is lost")
    world.sign(key)


def all_participants_may_be_killed_and_still_sign_afterwards(world):
    key = world.key(2, 3)
    world.only_alive([])
    world.only_alive(NODES)
    world.sign(key)


def b11_a_damaged_share_is_named_and_the_others_sign(world):
    key = world.key(2, 3)
    world.only_alive(NODES[1:])
    shares = list(world.folder.glob(f"node-1/**/key-shares/{key['key_id']}/share.enc"))
    require(len(shares) == 1, f"share.enc of node-1: {shares}")
    original = shares[0].read_bytes()
    shares[0].write_bytes(original[:100] + bytes([original[100] ^ 1]) + original[101:])
    world.only_alive(NODES)
    world.sign(key)

    def named():
        nodes = world.quorate.json("node", "list")["nodes"]
        problems = {node["node_id"]: node["key_problems"] for node in nodes}
        return "share.enc" in json.dumps(problems["node-1"])

    wait_until(named, "the damaged file is not named")
    world.only_alive(["node-1", "node-2"])
    error = world.refused(key)
    require("node-1" in json.dumps(error) or "share" in json.dumps(error), error)
    shares[0].write_bytes(original)
    world.only_alive(NODES[1:])
    world.only_alive(NODES)
    world.sign(key)


def bad_requests_are_refused_with_documented_codes(world):
    world.only_alive(NODES)
    key = world.key(2, 3)
    wrong = [
        (["key", "create", "--chain", CHAIN, "--threshold", 4, "--nodes", 3], None),
        (["key", "create", "--chain", CHAIN, "--threshold", 2, "--nodes", 9], None),
        (["key", "create", "--chain", CHAIN, "--algorithm", "EdDSA"], None),
        (["sign", "--key", "key_" + "0" * 32, "--tx", world.unsigned()], "NOT_FOUND"),
        (["sign", "--key", key["key_id"], "--raw-hash", "11" * 32], "RAW_HASH_REFUSED"),
        (["sign", "--key", key["key_id"], "--tx", "02c0"], "MALFORMED_TRANSACTION"),
    ]
    for arguments, code in wrong:
        done = world.quorate.run_any(*arguments, "--json")
        require(done.returncode != 0, f"{arguments} was not refused")
        text = done.stdout + done.stderr
        require(code is None or code in text, f"{arguments}: {code} is not in {text}")
        require("panicked" not in text, text)


def doctor_finds_nothing_wrong(world):
    world.only_alive(NODES)
    world.quorate.run("doctor")


def no_log_holds_a_secret(world):
    known = []
    for name in ["identity.key", "noise.key", "master.key"]:
        for file in world.folder.rglob(name):
            known.append(file.read_text(encoding="ascii").strip())
    require(len(known) >= 10, f"only {len(known)} secrets found to look for")
    for log in [*world.folder.rglob("log.jsonl"), *world.folder.rglob("audit.log")]:
        text = log.read_bytes().decode("utf-8", errors="replace").lower()
        require(not any(secret.lower() in text for secret in known), f"{log} holds a secret")


def built_intent(world, key):
    arguments = ["intent", "build", "sign", "--key", key["key_id"], "--tx", world.unsigned()]
    return world.quorate.json(*arguments)


def settings(world):
    """The flat settings of client.toml; written so that no TOML library is needed."""
    text = (world.folder / "client.toml").read_text(encoding="utf-8")
    return dict(re.findall(r'^(\w+) *= *"([^"]*)"', text, re.MULTILINE))


def post(world, request, path="/api/v1/sign"):
    """A call by hand, as docs/authentication.md describes it."""
    client, body = settings(world), json.dumps(request).encode()
    secret = (world.folder / client["credential_secret_file"]).read_text(encoding="ascii").strip()
    now, nonce = str(int(time.time())), secrets.token_hex(16)
    lines = "\n".join(["POST", path, now, nonce, hashlib.sha256(body).hexdigest()])
    mac = hmac.new(bytes.fromhex(secret), lines.encode(), hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-Quorate-Key": client["credential_id"],
        "X-Quorate-Timestamp": now,
        "X-Quorate-Nonce": nonce,
        "X-Quorate-Signature": mac,
    }
    request = urllib.request.Request(client["endpoint"] + path, body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


CASES = [
    any_two_of_three_sign,
    three_of_three_sign,
    any_three_of_five_sign,
    one_below_the_threshold_is_refused_and_the_missing_are_named,
    bad_requests_are_refused_with_documented_codes,
    d10_the_same_intent_again_gives_the_same_signature,
    a_killed_coordinator_comes_back_with_keys_and_history,
    all_participants_may_be_killed_and_still_sign_afterwards,
    b11_a_damaged_share_is_named_and_the_others_sign,
    c11_every_signature_has_low_s_and_no_r_is_repeated,
    doctor_finds_nothing_wrong,
    no_log_holds_a_secret,
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
    lines = [json.dumps(line) for line in world.signatures]
    (folder / "signatures-e2e.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    keys = [
        json.dumps({"public_key": key["public_key"], "address": key["address"]})
        for key in world.keys.values()
    ]
    (folder / "addresses-e2e.jsonl").write_text("\n".join(keys) + "\n", encoding="utf-8")


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
