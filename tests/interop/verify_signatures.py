#!/usr/bin/env python3
"""Checks ECDSA signatures with libsecp256k1 (coincurve) and with eth_keys in Python.

    verify_signatures.py FILE

FILE has one JSON object a line, all values lower-case hex, `0x` optional:
  public_key         33 bytes, compressed
  digest             32 bytes, what was signed
  signature          64 bytes, r || s
  recovery_id        number, 0 to 3
  address            optional: EIP-55 address of the key
  signed_transaction optional: Ethereum transaction that must come from that address

Every line must hold in both libraries: verification, low s, recovery of the key, address.
"""

import coincurve
from report import check_lines
from two_libraries import (
    ORDER,
    check_address,
    from_hex,
    keys,
    recover_transaction,
    require,
)


def check_form(signature):
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    require(0 < r < ORDER and 0 < s < ORDER, "r or s is not in 1..n-1")
    require(s <= ORDER // 2, "s is above n/2")


def der(signature):
    """DER of r || s, written here, so that coincurve reads what is checked."""

    def integer(digits):
        digits = digits.lstrip(b"\0") or b"\0"
        if digits[0] & 0x80:
            digits = b"\0" + digits
        return b"\x02" + bytes([len(digits)]) + digits

    body = integer(signature[:32]) + integer(signature[32:])
    return b"\x30" + bytes([len(body)]) + body


def check_libsecp256k1(public_key, digest, signature, recovery_id):
    key = coincurve.PublicKey(public_key)
    require(key.verify(der(signature), digest, hasher=None), "libsecp256k1 does not verify it")
    recoverable = signature + bytes([recovery_id])
    recovered = coincurve.PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    require(recovered.format() == public_key, "libsecp256k1 recovers another key")


def check_eth_keys(public_key, digest, signature, recovery_id):
    key = keys.PublicKey.from_compressed_bytes(public_key)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    require(recovery_id in (0, 1), "eth_keys has no form for recovery ids above 1")
    parsed = keys.Signature(vrs=(recovery_id, r, s))
    require(key.verify_msg_hash(digest, parsed), "eth_keys does not verify it")
    bare = keys.NonRecoverableSignature(rs=(r, s))
    require(key.verify_msg_hash(digest, bare), "eth_keys does not verify r and s alone")
    recovered = parsed.recover_public_key_from_msg_hash(digest)
    require(recovered.to_compressed_bytes() == public_key, "eth_keys recovers another key")


def check(record):
    public_key = from_hex(record, "public_key", 33)
    digest = from_hex(record, "digest", 32)
    signature = from_hex(record, "signature", 64)
    recovery_id = record["recovery_id"]
    require(type(recovery_id) is int and 0 <= recovery_id <= 3, "`recovery_id` is not 0 to 3")
    check_form(signature)
    check_libsecp256k1(public_key, digest, signature, recovery_id)
    check_eth_keys(public_key, digest, signature, recovery_id)
    address = record.get("address")
    if address is not None:
        check_address(public_key, address)
    if "signed_transaction" in record:
        require(address is not None, "`signed_transaction` needs `address`")
        sender = recover_transaction(record["signed_transaction"])
        require(sender == address, "eth-account sees another sender")


if __name__ == "__main__":
    check_lines(check, __doc__)
