#!/usr/bin/env python3
"""Checks Ethereum addresses of public keys with libsecp256k1 (coincurve) and with eth_keys.

    addresses.py FILE

FILE has one JSON object a line: `public_key` (33 bytes of hex, compressed) and `address` (EIP-55).
"""

from report import check_lines
from two_libraries import check_address, from_hex


def check(record):
    check_address(from_hex(record, "public_key", 33), record["address"])


if __name__ == "__main__":
    check_lines(check, __doc__)
