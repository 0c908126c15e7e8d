#!/usr/bin/env python3
"""Builds the canonical bytes of every golden file from its readable fields, and compares.

Standard library only, and none of Quorate's code: what this file does is all that an SDK must do
to build an intent (docs/protocols/canonical-encoding.md, docs/protocols/intent.md). Signatures are
checked by the Rust tests. Usage: check.py [file.json ...]; exit status 1 if anything differs.
"""

import hashlib
import json
import pathlib
import sys

ALGORITHMS = {"ECDSA": 1, "EdDSA": 2, "Schnorr": 3}
CURVES = {"secp256k1": 1, "ed25519": 2}
MESSAGE_TYPES = {"raw": 1, "hash": 2, "typed_data": 3, "transaction": 4}
RIGHTS = {"raw_hash": 1, "raw_message": 2, "import": 4, "export": 8}
ACTS = {"create_key": 1, "sign": 2, "lift_ban": 3}


def u(value, length):
    return value.to_bytes(length, "big")


def data(value):
    return u(len(value), 4) + value


def text(value):
    return data(value.encode("utf-8"))


def array(value, length):
    decoded = bytes.fromhex(value)
    assert len(decoded) == length, f"{len(decoded)} bytes, not {length}"
    return decoded


def id16(value):
    return array(value.split("_", 1)[1], 16)


def items(values, encode):
    return u(len(values), 4) + b"".join(encode(value) for value in values)


def digest(tag, *parts):
    return hashlib.sha256(b"".join(data(part) for part in (tag, *parts))).digest()


def rights(names):
    return u(sum(RIGHTS[name] for name in names), 4)


def threshold(fields):
    return u(fields["min_signers"], 1) + u(fields["max_signers"], 1)


def create_key(f):
    return b"".join([
        u(ALGORITHMS[f["algorithm"]], 1),
        u(CURVES[f["curve"]], 1),
        text(f["protocol"]),
        threshold(f),
        items(f["committee"], text),
        text(f["chain"]),
        text(f["address_kind"]),
        rights(f["rights"]),
    ])


def sign(f):
    return b"".join([
        id16(f["key"]),
        text(f["path"]),
        text(f["chain"]),
        u(MESSAGE_TYPES[f["message_type"]], 1),
        data(bytes.fromhex(f["payload"])),
    ])


def lift_ban(f):
    return text(f["first"]) + text(f["second"]) + array(f["generation"], 32)


def intent(f):
    act = {"create_key": create_key, "sign": sign, "lift_ban": lift_ban}[f["act"]]
    return b"".join([
        text("quorate intent"),
        u(1, 2),
        text(f["cluster"]),
        text(f["tenant"]),
        text(f["initiator"]),
        text(f["idempotency_key"]),
        u(f["policy_version"], 8),
        u(f["created_at"], 8),
        u(f["expires_at"], 8),
        array(f["nonce"], 16),
        u(ACTS[f["act"]], 1),
        act(f[f["act"]]),
    ])


def owner(f):
    return text(f["id"]) + array(f["key"], 32)


def initiator(f):
    acts = items(f["acts"], lambda act: u(ACTS[act], 1))
    return text(f["id"]) + array(f["key"], 32) + items(f["tenants"], text) + acts


def node(f):
    return text(f["id"]) + array(f["identity"], 32) + array(f["noise"], 32)


def manifest(f):
    return b"".join([
        text("quorate manifest"),
        u(1, 2),
        text(f["cluster"]),
        u(f["version"], 8),
        array(f["previous"], 32),
        u(f["owner_quorum"], 1),
        items(f["owners"], owner),
        items(f["initiators"], initiator),
        items(f["nodes"], node),
    ])


def points(values):
    return u(len(values), 1) + b"".join(data(bytes.fromhex(value)) for value in values)


def statement(f):
    return b"".join([
        text("quorate key statement"),
        u(1, 2),
        text(f["cluster"]),
        text(f["tenant"]),
        id16(f["key"]),
        array(f["intent"], 32),
        id16(f["session"]),
        u(f["epoch"], 8),
        array(f["previous"], 32),
        u(ALGORITHMS[f["algorithm"]], 1),
        text(f["protocol"]),
        u(f["protocol_version"], 2),
        threshold(f),
        items(f["committee"], text),
        rights(f["rights"]),
        text(f["chain"]),
        text(f["address_kind"]),
        text(f["address"]),
        data(bytes.fromhex(f["public_key"])),
        data(bytes.fromhex(f["derivation_key"])),
        points(f["verifying_shares"]),
        points(f["derivation_shares"]),
        array(f["chain_code"], 32),
        array(f["transcript"], 32),
        u(len(f["pair_generations"]), 1),
        b"".join(array(value, 32) for value in f["pair_generations"]),
    ])


def built(file):
    """All derived values of a file, from its readable fields alone."""
    fields = file["fields"]
    if file["kind"] == "intent":
        canonical = intent(fields)
        name = digest(b"quorate intent digest v1", canonical)
        values = {"canonical": canonical.hex(), "digest": name.hex()}
        if fields["act"] == "create_key":
            values["key_id"] = "key_" + digest(b"quorate key id v1", name)[:16].hex()
        return values
    if file["kind"] == "manifest":
        canonical = manifest(fields)
        name = digest(b"quorate manifest digest v1", canonical)
        signing = text("quorate manifest signature v1") + name
        return {
            "canonical": canonical.hex(),
            "digest": name.hex(),
            "signing_bytes": signing.hex(),
        }
    if file["kind"] == "key_certificate":
        stated = statement(fields)
        signatures = b"".join(array(value, 64) for value in file["signatures"])
        count = u(len(file["signatures"]), 1)
        return {
            "statement": stated.hex(),
            "signing_bytes": (text("quorate key prepared v1") + stated).hex(),
            "canonical": (stated + count + signatures).hex(),
            "digest": digest(b"quorate key certificate v1", stated).hex(),
        }
    raise ValueError(f"unknown kind {file['kind']}")


def main():
    here = pathlib.Path(__file__).parent
    paths = [pathlib.Path(name) for name in sys.argv[1:]] or sorted(here.glob("*.json"))
    differences = 0
    for path in paths:
        file = json.loads(path.read_text())
        for name, value in built(file).items():
            if file[name] != value:
                differences += 1
                print(f"{path.name}: {name} differs\n  file  {file[name]}\n  built {value}")
        print(f"{path.name}: checked")
    if not paths:
        print("no files")
    return 1 if differences or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
