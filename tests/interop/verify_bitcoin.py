#!/usr/bin/env python3
"""Reads signed Bitcoin transactions with embit, and checks what they do and each signature.

    verify_bitcoin.py FILE

FILE has one JSON object a line:
  signed_transaction  hex
  tx_id               hex
  address             of the key: all coins are its own, and the change is
  spent               the coin of each input: `amount` (satoshi) and `script` (hex)
  receiver, amount    who is paid, and what
  fee                 satoshi

embit computes the id and the digests by itself. ECDSA signatures are checked by libsecp256k1
(coincurve), BIP340 signatures by it and by embit's own code.
"""

import coincurve
from embit import script
from embit.hashes import hash160
from embit.script import Script
from embit.transaction import Transaction
from report import check_lines
from two_libraries import ORDER, require
from verify_schemes import check_embit, check_libsecp256k1

SIGHASH_ALL = 1


def check_shape(record, transaction, spent):
    require(transaction.txid().hex() == record["tx_id"], "embit computes another id")
    require(len(transaction.vin) == len(spent), "not as many inputs as coins")
    own = script.address_to_scriptpubkey(record["address"])
    require(all(coin == own for coin, _ in spent), "a coin is not the key's")
    paid = {output.script_pubkey.data: output.value for output in transaction.vout}
    receiver = script.address_to_scriptpubkey(record["receiver"])
    require(paid.get(receiver.data) == record["amount"], "the receiver gets another amount")
    others = set(paid) - {receiver.data, own.data}
    require(not others, "somebody else is paid")
    fee = sum(amount for _, amount in spent) - sum(output.value for output in transaction.vout)
    require(fee == record["fee"], f"the fee is {fee}")


def check_ecdsa(transaction, place, spent):
    coin, amount = spent[place]
    der, public_key = transaction.vin[place].witness.items
    require(b"\0\x14" + hash160(public_key) == coin.data, "the key is not that of the coin")
    require(der[-1] == SIGHASH_ALL, f"sighash type {der[-1]}")
    # BIP143: the code of a key's own coin is that of a P2PKH with the same hash.
    code = Script(b"\x76\xa9\x14" + coin.data[2:] + b"\x88\xac")
    digest = transaction.sighash_segwit(place, code, amount, SIGHASH_ALL)
    verified = coincurve.PublicKey(public_key).verify(der[:-1], digest, hasher=None)
    require(verified, "libsecp256k1 does not verify it")
    length = der[3]
    require(int.from_bytes(der[6 + length : -1], "big") <= ORDER // 2, "s is above n/2")


def check_taproot(transaction, place, spent):
    (signature,) = transaction.vin[place].witness.items
    require(len(signature) == 64, f"{len(signature)} bytes")
    scripts, amounts = [coin for coin, _ in spent], [amount for _, amount in spent]
    digest = transaction.sighash_taproot(place, scripts, amounts)
    output_key = spent[place][0].data[2:]
    check_libsecp256k1(output_key, digest, signature)
    check_embit(output_key, digest, signature)


def check(record):
    transaction = Transaction.from_string(record["signed_transaction"])
    spent = [(Script(bytes.fromhex(coin["script"])), coin["amount"]) for coin in record["spent"]]
    check_shape(record, transaction, spent)
    for place in range(len(spent)):
        kind = spent[place][0].script_type()
        require(kind in ("p2wpkh", "p2tr"), f"a coin of kind {kind}")
        (check_ecdsa if kind == "p2wpkh" else check_taproot)(transaction, place, spent)


if __name__ == "__main__":
    check_lines(check, __doc__)
