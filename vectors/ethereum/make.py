#!/usr/bin/env python3
"""Makes the golden vectors of this folder with eth-account, which shares no code with Quorate.

    python3 -m venv /tmp/vectors && /tmp/vectors/bin/pip install -r requirements.txt
    /tmp/vectors/bin/python make.py

The same input gives the same files: keys and fields come from a fixed seed, and eth-account signs
deterministically (RFC 6979). The keys protect nothing.
"""

import json
import os
import random
from pathlib import Path

# The implementation in Python, even where coincurve (libsecp256k1) is installed.
os.environ["ECC_BACKEND_CLASS"] = "eth_keys.backends.NativeECCBackend"

import rlp  # noqa: E402
from eth_account import Account  # noqa: E402
from eth_account._utils.legacy_transactions import (  # noqa: E402
    serializable_unsigned_transaction_from_dict,
)
from eth_account._utils.transaction_utils import (  # noqa: E402
    transaction_rpc_to_rlp_structure,
)
from eth_account.typed_transactions import TypedTransaction  # noqa: E402
from eth_keys import keys  # noqa: E402
from eth_utils import keccak, to_checksum_address  # noqa: E402

HERE = Path(__file__).parent
RNG = random.Random("quorate ethereum vectors 1")
NETWORKS = {
    "ethereum": 1,
    "ethereum-sepolia": 11_155_111,
    "ethereum-holesky": 17_000,
    "ethereum-local": 31_337,
}
GWEI = 10**9
ETHER = 10**18
TOKEN = "0xdAC17F958D2ee523a2206206994597C13D831ec7"


def new_key():
    return keys.PrivateKey(RNG.randbytes(32))


def new_address():
    return to_checksum_address(RNG.randbytes(20))


def call(selector, account, amount):
    return bytes.fromhex(selector) + bytes(12) + bytes.fromhex(account[2:]) + amount.to_bytes(32, "big")


def unsigned_payload(fields):
    """What is signed, before it is hashed; checked against eth-account's own hash."""
    transaction = serializable_unsigned_transaction_from_dict(fields)
    if isinstance(transaction, TypedTransaction):
        inner = transaction.transaction
        bare = {k: v for k, v in inner.dictionary.items() if k not in "vrs"}
        structure = transaction_rpc_to_rlp_structure(bare)
        body = rlp.encode(inner._unsigned_transaction_serializer.from_dict(structure))
        payload = bytes([inner.transaction_type]) + body
    else:
        payload = rlp.encode(transaction)
    assert keccak(payload) == transaction.hash()
    return payload


def legacy(network, **changes):
    fields = {
        "nonce": RNG.randrange(1000),
        "gasPrice": RNG.randrange(1, 200) * GWEI,
        "gas": 21_000,
        "to": new_address(),
        "value": RNG.randrange(1, 5 * ETHER),
        "data": b"",
        "chainId": NETWORKS[network],
    }
    return network, fields | changes


def eip1559(network, **changes):
    fields = {
        "type": 2,
        "chainId": NETWORKS[network],
        "nonce": RNG.randrange(1000),
        "maxPriorityFeePerGas": RNG.randrange(1, 3) * GWEI,
        "maxFeePerGas": RNG.randrange(3, 200) * GWEI,
        "gas": 21_000,
        "to": new_address(),
        "value": RNG.randrange(1, 5 * ETHER),
        "data": b"",
        "accessList": [],
    }
    return network, fields | changes


def access_list(entries, slots):
    return [
        {
            "address": new_address(),
            "storageKeys": ["0x" + RNG.randbytes(32).hex() for _ in range(slots)],
        }
        for _ in range(entries)
    ]


def transactions():
    somebody = new_address()
    yield "legacy transfer", legacy("ethereum"), "transfer"
    yield "legacy zero nonce and value", legacy("ethereum", nonce=0, value=0), "transfer"
    yield "legacy zero gas price", legacy("ethereum-local", gasPrice=0), "transfer"
    yield "legacy one wei", legacy("ethereum-sepolia", value=1), "transfer"
    yield "legacy value 127", legacy("ethereum", value=127), "transfer"
    yield "legacy value 128", legacy("ethereum", value=128), "transfer"
    yield "legacy greatest nonce", legacy("ethereum", nonce=2**64 - 2), "transfer"
    yield "legacy greatest value", legacy("ethereum", value=2**256 - 1), "transfer"
    yield "legacy on holesky", legacy("ethereum-holesky"), "transfer"
    yield "legacy contract call", legacy("ethereum", data=RNG.randbytes(100)), "contract_call"
    yield "legacy one byte of data", legacy("ethereum", data=b"\x00"), "contract_call"
    yield "legacy contract creation", legacy("ethereum", to="", value=0, gas=900_000, data=RNG.randbytes(300)), "contract_creation"
    yield "legacy large data", legacy("ethereum", gas=30_000_000, data=RNG.randbytes(5_000)), "contract_call"
    yield "legacy token transfer", legacy("ethereum", to=TOKEN, value=0, gas=65_000, data=call("a9059cbb", somebody, 25 * 10**6)), "token_transfer"
    yield "1559 transfer", eip1559("ethereum"), "transfer"
    yield "1559 transfer on a local chain", eip1559("ethereum-local"), "transfer"
    yield "1559 on sepolia", eip1559("ethereum-sepolia"), "transfer"
    yield "1559 on holesky", eip1559("ethereum-holesky"), "transfer"
    yield "1559 zero everything", eip1559("ethereum", nonce=0, value=0, maxPriorityFeePerGas=0, maxFeePerGas=0, gas=0), "transfer"
    yield "1559 tip equals fee", eip1559("ethereum", maxPriorityFeePerGas=7, maxFeePerGas=7), "transfer"
    yield "1559 to the zero address", eip1559("ethereum", to="0x" + "00" * 20), "transfer"
    yield "1559 greatest value", eip1559("ethereum", value=2**256 - 1), "transfer"
    yield "1559 contract call", eip1559("ethereum", gas=200_000, data=RNG.randbytes(55)), "contract_call"
    yield "1559 data of 56 bytes", eip1559("ethereum", gas=200_000, data=RNG.randbytes(56)), "contract_call"
    yield "1559 large data", eip1559("ethereum", gas=30_000_000, data=RNG.randbytes(65_600)), "contract_call"
    yield "1559 contract creation", eip1559("ethereum", to="", gas=900_000, data=RNG.randbytes(500)), "contract_creation"
    yield "1559 token transfer", eip1559("ethereum", to=TOKEN, value=0, gas=65_000, data=call("a9059cbb", somebody, 10**6)), "token_transfer"
    yield "1559 token transfer with value", eip1559("ethereum", to=TOKEN, value=5, gas=65_000, data=call("a9059cbb", somebody, 10**6)), "token_transfer"
    yield "1559 approval", eip1559("ethereum", to=TOKEN, value=0, gas=65_000, data=call("095ea7b3", somebody, 10**6)), "token_approval"
    yield "1559 unlimited approval", eip1559("ethereum", to=TOKEN, value=0, gas=65_000, data=call("095ea7b3", somebody, 2**256 - 1)), "token_approval"
    yield "1559 access list without slots", eip1559("ethereum", accessList=access_list(1, 0)), "transfer"
    yield "1559 access list", eip1559("ethereum", gas=90_000, accessList=access_list(2, 3)), "transfer"
    yield "1559 long access list", eip1559("ethereum", gas=5_000_000, data=RNG.randbytes(4), accessList=access_list(40, 20)), "contract_call"
    twice = access_list(1, 1)
    yield "1559 access list with a repeated entry", eip1559("ethereum", accessList=twice + twice), "transfer"
    for number in range(30):
        make = RNG.choice([legacy, eip1559])
        network = RNG.choice(list(NETWORKS))
        data = RNG.randbytes(RNG.choice([0, 0, 1, 3, 31, 54, 200]))
        kind = "contract_call" if data else "transfer"
        yield f"random {number}", make(network, data=data, gas=RNG.randrange(21_000, 10**7)), kind


def transaction_vector(name, network, fields, kind):
    key = new_key()
    payload = unsigned_payload(fields)
    signed = Account.from_key(key).sign_transaction(fields)
    raw = bytes(signed.raw_transaction)
    is_typed = "type" in fields
    parity = signed.v if is_typed else signed.v - 35 - 2 * fields["chainId"]
    price = fields["maxFeePerGas"] if is_typed else fields["gasPrice"]
    assert Account.recover_transaction(raw) == key.public_key.to_checksum_address()
    return {
        "name": name,
        "chain": network,
        "kind": kind,
        "nonce": str(fields["nonce"]),
        "to": fields["to"] or None,
        "value": str(fields["value"]),
        "max_fee": str(price * fields["gas"]),
        "public_key": key.public_key.to_compressed_bytes().hex(),
        "from": key.public_key.to_checksum_address(),
        "payload": payload.hex(),
        "digest": keccak(payload).hex(),
        "signature": signed.r.to_bytes(32, "big").hex() + signed.s.to_bytes(32, "big").hex(),
        "recovery_id": parity,
        "signed": raw.hex(),
        "tx_id": "0x" + bytes(signed.hash).hex(),
    }


def refused():
    """Payloads that other software takes, with the code of Quorate's refusal."""
    _, plain = legacy("ethereum")
    _, dynamic = eip1559("ethereum")
    key = new_key()

    def without(fields, *names):
        return {name: value for name, value in fields.items() if name not in names}

    listed = without(plain, "chainId") | {"type": 1, "chainId": 1, "accessList": access_list(1, 1)}
    yield "EIP-2930 access list transaction", unsigned_payload(listed), "unsupported_transaction_type"
    blob = dynamic | {
        "type": 3,
        "maxFeePerBlobGas": 10**9,
        "blobVersionedHashes": ["0x01" + RNG.randbytes(31).hex()],
    }
    yield "EIP-4844 blob transaction", unsigned_payload(blob), "unsupported_transaction_type"
    authorization = key.sign_msg_hash(RNG.randbytes(32))
    delegated = dynamic | {
        "type": 4,
        "authorizationList": [
            {
                "chainId": 1,
                "address": new_address(),
                "nonce": 0,
                "yParity": authorization.v,
                "r": authorization.r,
                "s": authorization.s,
            }
        ],
    }
    yield "EIP-7702 set code transaction", unsigned_payload(delegated), "unsupported_transaction_type"
    yield "legacy without chain id", unsigned_payload(without(plain, "chainId")), "replayable_everywhere"
    for name, fields in [("legacy", plain), ("1559", dynamic)]:
        signed = Account.from_key(key).sign_transaction(fields)
        yield f"{name} signed already", bytes(signed.raw_transaction), "already_signed"
        other = fields | {"chainId": 137}
        yield f"{name} for another network", unsigned_payload(other), "wrong_network"
    unprotected = Account.from_key(key).sign_transaction(without(plain, "chainId"))
    yield "legacy without chain id, signed already", bytes(unprotected.raw_transaction), "already_signed"
    greedy = dynamic | {"maxPriorityFeePerGas": 10, "maxFeePerGas": 9}
    yield "1559 tip above fee", unsigned_payload(greedy), "tip_above_fee"
    priceless = plain | {"gasPrice": 2**120}
    yield "legacy fee above what exists", unsigned_payload(priceless), "fee_too_large"
    yield "EIP-191 message", b"\x19Ethereum Signed Message:\n5hello", "unsupported_transaction_type"


def write(name, vectors):
    lines = ",\n".join(json.dumps(vector) for vector in vectors)
    (HERE / name).write_text(f"[\n{lines}\n]\n")
    print(f"{name}: {len(vectors)}")


def main():
    made = [
        transaction_vector(name, network, fields, kind)
        for name, (network, fields), kind in transactions()
    ]
    write("transactions.json", made)
    write(
        "refused.json",
        [
            {"name": name, "chain": "ethereum", "payload": payload.hex(), "code": code}
            for name, payload, code in refused()
        ],
    )
    public = [new_key().public_key for _ in range(100)]
    write(
        "addresses.json",
        [
            {"public_key": key.to_compressed_bytes().hex(), "address": key.to_checksum_address()}
            for key in public
        ],
    )


if __name__ == "__main__":
    main()
