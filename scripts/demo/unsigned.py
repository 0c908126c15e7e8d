#!/usr/bin/env python3
"""Builds unsigned payloads for `quorate sign`, with the standard library only.

    unsigned.py solana-transfer --from A --to B --lamports N --blockhash H
        a legacy message with one transfer
    unsigned.py psbt --from A --to B --amount N --fee N
        a PSBT that spends coins of A (--coins, one), which is p2wpkh or p2tr, and gives A its
        change; the transactions that made the coins are invented, so no network takes this one
    unsigned.py check
        builds one of each and compares it with what it must be

The payload is printed in hex. The coins of `psbt` are printed too, on stderr as JSON, for a script
engine.
"""

import argparse
import hashlib
import json
import sys

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BECH32_SUMS = {0: 1, 1: 0x2BC830A3}  # by witness version (BIP173, BIP350)
SYSTEM_PROGRAM = bytes(32)


def base58_decode(text):
    number = 0
    for letter in text:
        number = number * 58 + BASE58.index(letter)
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def account(text):
    decoded = base58_decode(text)
    if len(decoded) != 32:
        raise ValueError(f"not 32 bytes: {text}")
    return decoded


def solana_transfer(sender, receiver, lamports, blockhash):
    """A legacy message: the sender signs and pays, the system program moves the lamports."""
    accounts = [account(sender), account(receiver), SYSTEM_PROGRAM]
    data = (2).to_bytes(4, "little") + lamports.to_bytes(8, "little")
    instruction = bytes([2, 2, 0, 1, len(data)]) + data
    header = bytes([1, 0, 1])
    return header + bytes([3]) + b"".join(accounts) + account(blockhash) + b"\x01" + instruction


def version_0(message):
    """The same message in version 0, without address tables."""
    return b"\x80" + message + b"\0"


def bech32_sum(values):
    """The checksum's polynomial (BIP173)."""
    generators = [0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3]
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(generators):
            check ^= generator if top >> place & 1 else 0
    return check


def script_of(address):
    """The script of a segwit address."""
    prefix, _, rest = address.rpartition("1")
    values = [BECH32.index(letter) for letter in rest]
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    if bech32_sum(expanded + values) != BECH32_SUMS[values[0]]:
        raise ValueError(f"wrong checksum: {address}")
    bits = "".join(f"{value:05b}" for value in values[1:-6])
    program = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits) - 7, 8))
    opcode = 0x50 + values[0] if values[0] else 0
    return bytes([opcode, len(program)]) + program


def output(amount, script):
    return amount.to_bytes(8, "little") + bytes([len(script)]) + script


def field(key, value):
    length = len(value)
    size = bytes([length]) if length < 0xFD else b"\xfd" + length.to_bytes(2, "little")
    return bytes([1, key]) + size + value


def funding(number, coin):
    """An invented transaction with this one output; `number` makes it different from others."""
    spent = bytes([0x11]) * 35 + bytes([number])
    return b"\x02\0\0\0\x01" + spent + b"\0" + b"\xff" * 4 + b"\x01" + coin + bytes(4)


def shares(total, count):
    """`count` amounts, all different, that are worth `total`."""
    first = [total // count - 7 * i for i in range(1, count)]
    return [*first, total - sum(first)]


def psbt(sender, receiver, amount, fee, change=10_000, coins=1, sighash=None, proven=True):
    """The PSBT, and the coins that it spends.

    With `sighash`, its first input asks for that type; unless `proven`, it lacks what the coins are.
    """
    own = script_of(sender)
    amounts = shares(amount + fee + change, coins)
    made = [funding(number, output(worth, own)) for number, worth in enumerate(amounts)]
    ids = [hashlib.sha256(hashlib.sha256(transaction).digest()).digest() for transaction in made]
    inputs = b"".join(id + bytes(4) + b"\0" + b"\xfd\xff\xff\xff" for id in ids)
    outputs = output(amount, script_of(receiver)) + output(change, own)
    version = b"\x02\0\0\0"
    transaction = version + bytes([coins]) + inputs + b"\x02" + outputs + bytes(4)
    payload = b"psbt\xff" + field(0, transaction) + b"\0"
    for number, worth in enumerate(amounts):
        if proven:
            payload += field(0, made[number]) + field(1, output(worth, own))
        if sighash is not None and number == 0:
            payload += field(3, sighash.to_bytes(4, "little"))
        payload += b"\0"
    return payload + b"\0\0", [{"amount": worth, "script": own.hex()} for worth in amounts]


def transaction_id(signed):
    """The id of a signed segwit transaction: what is left without marker and witnesses, hashed."""
    if signed[4:6] != b"\0\x01":
        raise ValueError("no segwit transaction")
    bare = signed[:4] + signed[6 : end_of_outputs(signed)] + signed[-4:]
    return hashlib.sha256(hashlib.sha256(bare).digest()).digest()[::-1].hex()


def end_of_outputs(signed):
    """Where the outputs end; all counts and lengths here are below 253."""
    place = 7
    for _ in range(signed[6]):
        place += 36 + 1 + signed[place + 36] + 4
    count, place = signed[place], place + 1
    for _ in range(count):
        place += 8 + 1 + signed[place + 8]
    return place


def witnesses(signed):
    """The witness of each input of a signed segwit transaction: a list of byte strings."""
    place, found = end_of_outputs(signed), []
    for _ in range(signed[6]):
        count, place, items = signed[place], place + 1, []
        for _ in range(count):
            items.append(signed[place + 1 : place + 1 + signed[place]])
            place += 1 + signed[place]
        found.append(items)
    if place != len(signed) - 4:
        raise ValueError("bytes are left after the witnesses")
    return found


def check():
    """BIP173 and BIP350: addresses of the generator's key."""
    program = "751e76e8199196d454941c45d1b3a323f1433bd6"
    assert script_of("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4").hex() == "0014" + program
    key = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
    taproot = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"
    assert script_of(taproot).hex() == "5120" + key
    try:
        script_of("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5")
    except ValueError:
        pass
    else:
        raise AssertionError("a mistyped address passed")
    payload, coins = psbt(taproot, taproot, 5_000, 300, coins=3)
    assert payload.startswith(b"psbt\xff") and len({coin["amount"] for coin in coins}) == 3
    assert sum(coin["amount"] for coin in coins) == 15_300
    ones = "1" * 32
    assert len(solana_transfer(ones, ones, 7, ones)) == 3 + 1 + 3 * 32 + 32 + 1 + 5 + 12
    check_signed()


def check_signed():
    """The example of BIP143 for a key's own coin: two inputs, the first one without witness."""
    signed = bytes.fromhex(
        "01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f0000000049"
        "4830450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b19"
        "4ba3f9281a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01eeffffffef51e1b804cc89d182d279"
        "655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a91482"
        "80b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2"
        "d50ce2f0167faa815988ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb13"
        "66d7f01cc44a0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee0121025476"
        "c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee635711000000"
    )
    known = "e8151a2af31c368a35053ddd4bdb285a8595c769a3ad83e0fa02314a602d4609"
    assert transaction_id(signed) == known, transaction_id(signed)
    assert [len(items) for items in witnesses(signed)] == [0, 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    acts = parser.add_subparsers(dest="act", required=True)
    solana = acts.add_parser("solana-transfer")
    bitcoin = acts.add_parser("psbt")
    for act in (solana, bitcoin):
        act.add_argument("--from", dest="sender", required=True)
        act.add_argument("--to", required=True)
    solana.add_argument("--lamports", type=int, required=True)
    solana.add_argument("--blockhash", required=True)
    bitcoin.add_argument("--amount", type=int, required=True)
    bitcoin.add_argument("--fee", type=int, default=500)
    bitcoin.add_argument("--coins", type=int, default=1)
    acts.add_parser("check")
    args = parser.parse_args()
    if args.act == "check":
        check()
        print("as they must be")
    elif args.act == "solana-transfer":
        print(solana_transfer(args.sender, args.to, args.lamports, args.blockhash).hex())
    else:
        payload, coins = psbt(args.sender, args.to, args.amount, args.fee, coins=args.coins)
        print(payload.hex())
        print(json.dumps(coins), file=sys.stderr)


if __name__ == "__main__":
    main()
