#!/usr/bin/env python3
"""Builds unsigned payloads for `quorate sign`, with the standard library only.

    unsigned.py solana-transfer --from A --to B --lamports N --blockhash H
        a legacy message with one transfer
    unsigned.py psbt --from A --to B --amount N --fee N
        a PSBT that spends one coin of A, which is p2wpkh or p2tr, and gives A its change; the
        transaction that made the coin is invented, so no network takes this one
    unsigned.py check
        builds one of each and compares it with what it must be

The payload is printed in hex. The coin of `psbt` is printed too, on stderr as JSON, for a script
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


def psbt(sender, receiver, amount, fee, change=10_000):
    """The PSBT, and the coin that it spends."""
    own = script_of(sender)
    coin = output(amount + fee + change, own)
    made = b"\x02\0\0\0\x01" + bytes([0x11]) * 36 + b"\0" + b"\xff" * 4 + b"\x01" + coin + bytes(4)
    outpoint = hashlib.sha256(hashlib.sha256(made).digest()).digest() + bytes(4)
    outputs = output(amount, script_of(receiver)) + output(change, own)
    transaction = (
        b"\x02\0\0\0\x01" + outpoint + b"\0" + b"\xfd\xff\xff\xff" + b"\x02" + outputs + bytes(4)
    )
    inputs = field(0, made) + field(1, coin)
    payload = b"psbt\xff" + field(0, transaction) + b"\0" + inputs + b"\0" + b"\0\0"
    return payload, {"amount": amount + fee + change, "script": own.hex()}


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
    payload, coin = psbt(taproot, taproot, 5_000, 300)
    assert payload.startswith(b"psbt\xff") and coin["amount"] == 15_300
    ones = "1" * 32
    assert len(solana_transfer(ones, ones, 7, ones)) == 3 + 1 + 3 * 32 + 32 + 1 + 5 + 12


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
    acts.add_parser("check")
    args = parser.parse_args()
    if args.act == "check":
        check()
        print("as they must be")
    elif args.act == "solana-transfer":
        print(solana_transfer(args.sender, args.to, args.lamports, args.blockhash).hex())
    else:
        payload, coin = psbt(args.sender, args.to, args.amount, args.fee)
        print(payload.hex())
        print(json.dumps(coin), file=sys.stderr)


if __name__ == "__main__":
    main()
