"""Signing: who can, who cannot, and what is kept."""

import itertools
import json

from demo import CHAIN, wait_until
from e2e_world import NODES, post, require


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
    request = world.sign_request(key)
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
    world.only_alive(NODES[1:], orderly=True)
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
    world.only_alive(NODES[1:], orderly=True)
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
]
# What is said about everything that was done before.
LAST = [
    c11_every_signature_has_low_s_and_no_r_is_repeated,
    doctor_finds_nothing_wrong,
]
