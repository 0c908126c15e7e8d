#!/usr/bin/env python3
"""Checks Ed25519 and BIP340 signatures, each with two libraries.

    verify_schemes.py FILE

FILE has one JSON object a line, all values hex:
  scheme      `ed25519` or `bip340`
  public_key  32 bytes (ed25519), or 33 bytes, compressed (bip340)
  message     what was signed; for bip340 32 bytes
  signature   64 bytes

Ed25519: libsodium (PyNaCl) and OpenSSL (cryptography). BIP340: libsecp256k1 (coincurve) and the one
in Python of embit. BIP340 keys have no sign of y: only the x-coordinate is used.
"""

import coincurve
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from embit.util import key as embit_key
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from report import check_lines
from two_libraries import Wrong, from_hex, require


def check_libsodium(public_key, message, signature):
    try:
        VerifyKey(public_key).verify(message, signature)
    except BadSignatureError:
        raise Wrong("libsodium does not verify it") from None


def check_openssl(public_key, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        raise Wrong("OpenSSL does not verify it") from None


def check_libsecp256k1(x, message, signature):
    verified = coincurve.PublicKeyXOnly(x).verify(signature, message)
    require(verified, "libsecp256k1 does not verify it")


def check_embit(x, message, signature):
    require(embit_key.verify_schnorr(x, signature, message), "embit does not verify it")


def check(record):
    signature = from_hex(record, "signature", 64)
    if record["scheme"] == "ed25519":
        public_key, message = from_hex(record, "public_key", 32), bytes.fromhex(record["message"])
        check_libsodium(public_key, message, signature)
        check_openssl(public_key, message, signature)
    elif record["scheme"] == "bip340":
        x, message = from_hex(record, "public_key", 33)[1:], from_hex(record, "message", 32)
        check_libsecp256k1(x, message, signature)
        check_embit(x, message, signature)
    else:
        raise Wrong(f"unknown scheme `{record['scheme']}`")


if __name__ == "__main__":
    check_lines(check, __doc__)
