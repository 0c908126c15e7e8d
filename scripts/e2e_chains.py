"""Keys of FROST and keys of other chains: what they sign, and what nobody gets signed."""

import hashlib
import json
import urllib.error

from demo import CHAIN
from e2e_world import NODES, RECIPIENT, post, require
from litesvm import FIRST_BLOCKHASH
from other_chains import BITCOIN_RECEIVER, SOLANA_RECEIVER
from unsigned import (
    funding,
    output,
    psbt,
    script_of,
    shares,
    solana_transfer,
    transaction_id,
    version_0,
    witnesses,
)

MESSAGES = [b"Q", b"quorate" * 5, bytes(range(256)) * 8]
NO_CHAIN = ["--chain", "none", "--right", "raw_message"]
ED25519 = [*NO_CHAIN, "--algorithm", "EdDSA"]
BIP340 = [*NO_CHAIN, "--algorithm", "Schnorr"]
SOLANA = ["--chain", "solana-local"]
P2WPKH = ["--chain", "bitcoin-regtest", "--address-kind", "p2wpkh"]
P2TR = ["--chain", "bitcoin-regtest", "--address-kind", "p2tr"]
KEY_GENERATION = "create"
TWO_OF_THREE = ["--threshold", 2, "--nodes", 3]
SIGHASH_TYPES = {"NONE": 2, "SINGLE": 3, "ALL|ANYONECANPAY": 0x81}


def sign(world, key, *payload):
    """Signs, and has `quorate verify` check each signature, also without the service."""
    signed = world.quorate.json("sign", "--key", key["key_id"], *payload)
    # A list only where there are several.
    signed.setdefault("signatures", [signed["signature"]])
    alone = ["--public-key", key["public_key"], "--algorithm", key["algorithm"]]
    for signature in signed["signatures"]:
        for whose in (["--key", key["key_id"]], [*alone, "--chain", key["chain_type"]]):
            verified = world.quorate.json("verify", *whose, *payload, "--signature", signature)
            require(verified["valid"], verified)
    return signed


def sign_message(world, key, message):
    signed = sign(world, key, "--message-hex", message.hex())
    require(len(signed["signatures"]) == 1, signed)
    is_ed25519 = key["algorithm"] == "EdDSA"
    world.leave("schemes", {
        "scheme": "ed25519" if is_ed25519 else "bip340",
        "public_key": key["public_key"],
        # BIP340 signs the digest, Ed25519 the message itself.
        "message": (message if is_ed25519 else hashlib.sha256(message).digest()).hex(),
        "signature": signed["signature"],
    })  # fmt: skip
    return signed


def ed25519_keys_sign_messages(world):
    for committee, alive in [
        (TWO_OF_THREE, ["node-2", "node-3"]),
        (["--threshold", 3, "--nodes", 5], ["node-1", "node-3", "node-5"]),
    ]:
        key = world.key_for(*ED25519, *committee)
        world.only_alive(alive)
        for message in MESSAGES:
            signed = sign_message(world, key, message)
            require(set(signed["signers"]) == set(alive), signed["signers"])
    world.only_alive(NODES)


def bip340_keys_sign_messages(world):
    for committee in (TWO_OF_THREE, ["--threshold", 3, "--nodes", 5]):
        key = world.key_for(*BIP340, *committee)
        for message in MESSAGES:
            sign_message(world, key, message)


def c8_one_message_signed_twice_has_two_nonces(world):
    for kind in (ED25519, BIP340):
        key = world.key_for(*kind, *TWO_OF_THREE)
        first, second = (sign_message(world, key, b"the same message") for _ in range(2))
        require(first["session_id"] != second["session_id"], "one session for two intents")
        require(first["message_hash"] == second["message_hash"], "two messages")
        require(first["signature"][:64] != second["signature"][:64], "one nonce for two signatures")


def unsigned(world, key, *arguments):
    """What `quorate tx` builds for this key."""
    built = world.quorate.json("tx", *arguments, "--chain", key["chain_type"])
    return built["unsigned_transaction"]


def psbt_by_the_command(world, key, amount, fee, change, coins):
    """`quorate tx bitcoin`, with the invented coins of `psbt`."""
    own = script_of(key["address"])
    arguments = ["--public-key", key["public_key"], "--algorithm", key["algorithm"]]
    for number, worth in enumerate(shares(amount + fee + change, coins)):
        made = funding(number, output(worth, own))
        name = hashlib.sha256(hashlib.sha256(made).digest()).digest()[::-1].hex()
        arguments += ["--input", f"{name}:0", "--previous-tx", made.hex()]
    arguments += ["--to", f"{BITCOIN_RECEIVER}={amount}", "--fee", fee]
    return unsigned(world, key, "bitcoin", *arguments)


def sign_psbt(world, key, coins):
    payload, spent = psbt(key["address"], BITCOIN_RECEIVER, 1_000_000, 2_000, coins=coins)
    built = psbt_by_the_command(world, key, 1_000_000, 2_000, 10_000, coins)
    require(built == payload.hex(), f"`quorate tx bitcoin` builds another PSBT: {built}")
    signed = sign(world, key, "--tx", payload.hex())
    transaction = bytes.fromhex(signed["signed_transaction"])
    require(signed["tx_id"] == transaction_id(transaction), signed["tx_id"])
    require(len(set(signed["signatures"])) == coins, "not a signature for each input")
    require(len(witnesses(transaction)) == coins, "not a witness for each input")
    world.leave("bitcoin", {
        "address": key["address"],
        "signed_transaction": signed["signed_transaction"],
        "tx_id": signed["tx_id"],
        "spent": spent,
        "receiver": BITCOIN_RECEIVER,
        "amount": 1_000_000,
        "fee": 2_000,
    })  # fmt: skip
    return [[len(item) for item in items] for items in witnesses(transaction)]


def bitcoin_keys_sign_transactions_with_several_inputs(world):
    native = world.key_for(*P2WPKH, *TWO_OF_THREE)
    for coins in (1, 2, 5):
        for der, public_key in sign_psbt(world, native, coins):
            require(der <= 72 and public_key == 33, f"{der} and {public_key} bytes")
    taproot = world.key_for(*P2TR, *TWO_OF_THREE)
    for coins in (1, 2, 5):
        require(sign_psbt(world, taproot, coins) == [[64]] * coins, "not 64 bytes for each input")


def solana_keys_sign_legacy_and_version_0_messages(world):
    key = world.key_for(*SOLANA, *TWO_OF_THREE)
    for number, (name, version) in enumerate([("legacy", bytes), ("0", version_0)] * 2):
        lamports = 1_000_000 + number
        message = solana_transfer(key["address"], SOLANA_RECEIVER, lamports, FIRST_BLOCKHASH)
        message = version(message)
        built = unsigned(
            world, key, "solana", "--from", key["address"], "--to", SOLANA_RECEIVER, "--amount",
            lamports, "--blockhash", FIRST_BLOCKHASH, "--message-version", name,
        )  # fmt: skip
        require(built == message.hex(), f"`quorate tx solana` builds another message: {built}")
        signed = sign(world, key, "--tx", message.hex())
        transaction = bytes.fromhex(signed["signed_transaction"])
        signature = bytes.fromhex(signed["signature"])
        require(transaction == b"\x01" + signature + message, "another transaction")
        world.leave("schemes", {
            "scheme": "ed25519",
            "public_key": key["public_key"],
            "message": message.hex(),
            "signature": signed["signature"],
        })  # fmt: skip
        world.leave("solana", {
            "address": key["address"],
            "signed_transaction": signed["signed_transaction"],
            "tx_id": signed["tx_id"],
            "receiver": SOLANA_RECEIVER,
            "lamports": lamports,
            "fee": 5_000,
        })  # fmt: skip


def refused_by_api(world, body):
    """The error with which the service refuses a request that no client checked."""
    try:
        answer = post(world, body)
    except urllib.error.HTTPError as refusal:
        return json.load(refusal)["error"]
    raise AssertionError(f"signed: {answer}")


def refused(world, key, code, *payload):
    """`quorate` refuses it by itself; and the service does, where the client does not."""
    done = world.quorate.run_any("sign", "--key", key["key_id"], *payload, "--json")
    error = json.loads(done.stdout or done.stderr)["error"]
    require(done.returncode != 0 and error["code"] == code, f"{code}: {payload[0]}: {error}")
    body = world.quorate.json("intent", "build", "sign", "--key", key["key_id"], *payload)
    error = refused_by_api(world, body)
    require(error["code"] == code, f"{code}, by the service: {payload[0]}: {error}")


def refused_by_nodes(world, key, code, *payload):
    """The client and the service would let it pass; each node has its own rule."""
    error = world.quorate.json("sign", "--key", key["key_id"], *payload, expect=3)["error"]
    require(error["code"] == code, f"{code}: {error}")


def require_unused(world, key):
    """Nothing was signed with this key."""
    sessions = world.quorate.json("session", "list", "--key", key["key_id"])["sessions"]
    require(any(session["status"] == "Completed" for session in sessions), "not even the key")
    signed = [s for s in sessions if s["status"] == "Completed" and s["kind"] != KEY_GENERATION]
    require(not signed, f"signed: {signed}")


def d6_psbts_that_hide_something_are_refused(world):
    for kind in (P2WPKH, P2TR):
        key = world.fresh_key(*kind, *TWO_OF_THREE)

        def payload(amount=100_000, fee=1_000, own=key["address"], **fault):
            return ["--tx", psbt(own, BITCOIN_RECEIVER, amount, fee, coins=2, **fault)[0].hex()]

        refused(world, key, "MALFORMED_TRANSACTION", *payload(proven=False))
        for sighash in SIGHASH_TYPES.values():
            refused(world, key, "UNSUPPORTED_MESSAGE", *payload(sighash=sighash))
        # In all; and for each virtual byte.
        fee = 5_000_001 if kind == P2WPKH else 400_000
        refused_by_nodes(world, key, "FEE_TOO_HIGH", *payload(fee=fee))
        # Coins of somebody else.
        refused(world, key, "UNSUPPORTED_MESSAGE", *payload(own=BITCOIN_RECEIVER))
        require_unused(world, key)


def d1_d3_what_is_not_decoded_is_not_signed(world):
    bitcoin, solana, ethereum = (
        world.fresh_key(*kind, *TWO_OF_THREE) for kind in (P2TR, SOLANA, ["--chain", CHAIN])
    )
    message = solana_transfer(solana["address"], SOLANA_RECEIVER, 1_000_000, FIRST_BLOCKHASH)
    coins = psbt(bitcoin["address"], BITCOIN_RECEIVER, 100_000, 1_000)[0]
    digest = hashlib.sha256(coins).hexdigest()
    refused(world, bitcoin, "RAW_HASH_REFUSED", "--raw-hash", digest)
    refused(world, bitcoin, "UNSUPPORTED_MESSAGE", "--message-hex", digest)
    refused(world, solana, "UNSUPPORTED_MESSAGE", "--raw-hash", digest)
    refused(world, solana, "UNSUPPORTED_MESSAGE", "--message-hex", message.hex())
    refused(world, solana, "UNSUPPORTED_MESSAGE", "--tx", "81" + message.hex())
    refused(world, solana, "UNSUPPORTED_MESSAGE", "--tx", b"\xffsolana offchain".hex())
    # Transactions of other chains.
    refused(world, bitcoin, "MALFORMED_TRANSACTION", "--tx", message.hex())
    refused(world, solana, "MALFORMED_TRANSACTION", "--tx", coins.hex())
    refused(world, ethereum, "WRONG_CHAIN", "--tx", on_the_main_chain(world))
    for key in (bitcoin, solana, ethereum):
        require_unused(world, key)
    # A key for messages knows no digests: they would be messages.
    plain = world.fresh_key(*ED25519, *TWO_OF_THREE)
    refused(world, plain, "UNSUPPORTED_MESSAGE", "--raw-hash", digest)
    require_unused(world, plain)


def on_the_main_chain(world):
    transaction = world.quorate.json(
        "tx", "ethereum", "--to", RECIPIENT, "--nonce", 0, "--max-fee", "20gwei", "--chain-id", 1
    )
    return transaction["unsigned_transaction"]


def d1_another_payload_than_the_client_signed_is_refused(world):
    """What stands beside an intent counts for nothing: not the payload, the type or the chain."""
    for kind in (P2TR, SOLANA):
        key = world.fresh_key(*kind, *TWO_OF_THREE)
        first, second = (payload_of(key, amount) for amount in (1_000_000, 2_000_000))
        body = world.quorate.json("intent", "build", "sign", "--key", key["key_id"], "--tx", first)
        digest = hashlib.sha256(bytes.fromhex(second)).hexdigest()
        for change in (
            {"message": second},
            {"message": digest, "message_type": "hash"},
            {"message_type": "raw"},
            {"chain_type": "ethereum"},
        ):
            error = refused_by_api(world, body | change)
            require(error["code"] == "INTENT_MISMATCH", f"{list(change)}: {error}")
        require_unused(world, key)


def payload_of(key, amount):
    if key["chain_type"] == "solana-local":
        return solana_transfer(key["address"], SOLANA_RECEIVER, amount, FIRST_BLOCKHASH).hex()
    return psbt(key["address"], BITCOIN_RECEIVER, amount, 1_000)[0].hex()


def c8_no_frost_signature_repeats_a_nonce(world):
    """What was signed at all, also one message more than once."""
    points = [record["signature"][:64] for record in world.left["schemes"]]
    for record in world.left["bitcoin"]:
        transaction = bytes.fromhex(record["signed_transaction"])
        signatures = [items[0] for items in witnesses(transaction) if len(items) == 1]
        points += [signature[:32].hex() for signature in signatures]
    require(len(points) >= 25, f"only {len(points)} signatures to compare")
    require(len(set(points)) == len(points), "a nonce was used twice: the key is lost")


CASES = [
    ed25519_keys_sign_messages,
    bip340_keys_sign_messages,
    c8_one_message_signed_twice_has_two_nonces,
    bitcoin_keys_sign_transactions_with_several_inputs,
    solana_keys_sign_legacy_and_version_0_messages,
    d6_psbts_that_hide_something_are_refused,
    d1_d3_what_is_not_decoded_is_not_signed,
    d1_another_payload_than_the_client_signed_is_refused,
]
# What is said about everything that was done before.
LAST = [c8_no_frost_signature_repeats_a_nonce]
