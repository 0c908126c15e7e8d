"""What the demo signs with keys of FROST: a transfer on Solana, and one on Bitcoin."""

import time

from litesvm import Litesvm
from unsigned import psbt, transaction_id, witnesses

SOLANA_RECEIVER = "8qbHbw2BbbTHBW1sbeqakYXVKRQM8Ne7pLK7m6CVfeR9"
BITCOIN_RECEIVER = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
SOL = 10**9


class NotAsItMustBe(Exception):
    """A result is wrong; the message says which."""


def require(condition, complaint):
    if not condition:
        raise NotAsItMustBe(complaint)


def signed_with(quorate, key, payload):
    """The answer of the cluster, with the seconds that it took."""
    started = time.monotonic()
    signed = quorate.json("sign", "--key", key["key_id"], "--tx", payload.hex())
    signed["seconds"] = round(time.monotonic() - started, 3)
    # A list only where there are several.
    signed.setdefault("signatures", [signed["signature"]])
    milliseconds = signed["seconds"] * 1000
    print(f"signed by {', '.join(signed['signers'])} in {milliseconds:.0f} ms (command included)")
    return signed


def report_of(key, signed):
    fields = ("tx_id", "signatures", "signed_transaction", "signers", "session_id", "seconds")
    return {"key": key} | {field: signed[field] for field in fields}


def on_solana(quorate, packages):
    """Signs a transfer, and has a Solana virtual machine execute it."""
    committee = ["--threshold", 2, "--nodes", 3]
    key = quorate.json("key", "create", "--chain", "solana-local", *committee)
    address = key["address"]
    print(f"{key['algorithm']} key {key['key_id']}, address {address}")
    chain = Litesvm(packages)
    try:
        print(f"balance {chain.fund(address, 2 * SOL) / SOL:.6f} SOL")
        amount = SOL // 2
        unsigned = quorate.json(
            "tx", "solana", "--chain", "solana-local", "--from", address, "--to", SOLANA_RECEIVER,
            "--amount", "0.5sol", "--blockhash", chain.blockhash(),
        )  # fmt: skip
        message = bytes.fromhex(unsigned["unsigned_transaction"])
        signed = signed_with(quorate, key, message)
        name = chain.send(signed["signed_transaction"])
        require(name == signed["tx_id"], f"litesvm calls it {name}, not {signed['tx_id']}")
        paid, left = chain.balance(SOLANA_RECEIVER), chain.balance(address)
    finally:
        chain.stop()
    require(paid == amount, f"the receiver has {paid} lamports, not {amount}")
    require(left == 2 * SOL - amount - 5_000, f"{left} lamports are left")
    print(f"executed: {name}")
    print(f"receiver has {paid / SOL:.6f} SOL; {left / SOL:.6f} SOL are left")
    return report_of(key, signed) | {"balance_left": left, "balance_receiver": paid}


def on_bitcoin(quorate):
    """Signs a PSBT with two inputs; its coins are invented, so it is not sent anywhere."""
    key = quorate.json(
        "key", "create", "--chain", "bitcoin-regtest", "--address-kind", "p2tr",
        "--threshold", 2, "--nodes", 3,
    )  # fmt: skip
    print(f"{key['algorithm']} key {key['key_id']}, address {key['address']}")
    payload, coins = psbt(key["address"], BITCOIN_RECEIVER, 150_000, 500, coins=2)
    print(f"a PSBT that spends {' and '.join(str(coin['amount']) for coin in coins)} satoshi")
    signed = signed_with(quorate, key, payload)
    transaction = bytes.fromhex(signed["signed_transaction"])
    name, found = transaction_id(transaction), witnesses(transaction)
    require(name == signed["tx_id"], f"the transaction is {name}, not {signed['tx_id']}")
    shapes = [[len(item) for item in items] for items in found]
    require(shapes == [[64], [64]], f"not one BIP340 signature for each input: {shapes}")
    witness = [items[0].hex() for items in found]
    require(witness == signed["signatures"], "the witnesses are not the signatures")
    require(len(set(witness)) == 2, "one signature for two inputs")
    print(f"txid {name}: two inputs, one BIP340 signature of 64 bytes each")
    print("not broadcast: the coins are invented, and no Bitcoin node runs here")
    print("(make test runs such transactions through Bitcoin Core's script engine)")
    return report_of(key, signed) | {"coins": coins}
