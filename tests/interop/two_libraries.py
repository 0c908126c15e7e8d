"""The two libraries that everything is checked with, and the proof that they are two."""

import os

# Must be set before eth_keys is imported: without it, eth_keys uses coincurve where that is
# installed, and both checks would be made by one library.
os.environ["ECC_BACKEND_CLASS"] = "eth_keys.backends.NativeECCBackend"

import coincurve  # noqa: E402
from eth_account import Account  # noqa: E402
from eth_hash.auto import keccak  # noqa: E402
from eth_keys import keys  # noqa: E402
from eth_keys.backends import NativeECCBackend  # noqa: E402

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class Wrong(Exception):
    """What a line claims is not so."""


def require(holds, claim):
    if not holds:
        raise Wrong(claim)


def prove_independence():
    """Stops unless eth_keys really computes in Python."""
    for name, backend in [("eth_keys", keys.backend), ("eth_account", Account._keys.backend)]:
        if not isinstance(backend, NativeECCBackend):
            kind = type(backend).__name__
            raise SystemExit(f"{name} uses {kind}: not a second implementation")


def from_hex(record, field, length):
    text = record[field]
    require(isinstance(text, str), f"`{field}` is not a text")
    try:
        content = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise Wrong(f"`{field}` is not hex") from None
    require(len(content) == length, f"`{field}` has {len(content)} bytes, not {length}")
    return content


def check_address(public_key, address):
    """The address by both ways: point by libsecp256k1 and own checksum, and all by eth_keys."""
    require(isinstance(address, str), "`address` is not a text")
    native = keys.PublicKey.from_compressed_bytes(public_key)
    require(native.to_checksum_address() == address, "the address differs from that of eth_keys")
    point = coincurve.PublicKey(public_key).format(compressed=False)[1:]
    digits = keccak(point)[12:].hex()
    case = keccak(digits.encode()).hex()
    cased = "".join(d.upper() if int(c, 16) >= 8 else d for d, c in zip(digits, case))
    require("0x" + cased == address, "the address differs from that of libsecp256k1 and EIP-55")


def recover_transaction(raw):
    """The sender that eth-account sees in a signed transaction."""
    return Account.recover_transaction(raw)
