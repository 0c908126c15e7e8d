#!/usr/bin/env python3
"""The two checks must be able to fail: good lines pass, and each kind of bad line is named."""

import json
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import coincurve
from two_libraries import ORDER, keys

HERE = Path(__file__).parent
RNG = random.Random("quorate interop 1")


def good():
    secret = RNG.randbytes(32)
    digest = RNG.randbytes(32)
    signature = coincurve.PrivateKey(secret).sign_recoverable(digest, hasher=None)
    public = keys.PrivateKey(secret).public_key
    return {
        "public_key": public.to_compressed_bytes().hex(),
        "digest": digest.hex(),
        "signature": signature[:64].hex(),
        "recovery_id": signature[64],
        "address": public.to_checksum_address(),
    }


def run(script, lines):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))
        file.flush()
        command = [sys.executable, str(HERE / script), file.name]
        return subprocess.run(command, capture_output=True, text=True, check=False)


class Interop(unittest.TestCase):
    def refused(self, script, line, reason):
        result = run(script, [good(), line])
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(result.stdout, "1 passed, 1 failed\n")
        self.assertIn(f"line 2: {reason}", result.stderr)

    def test_good_lines_pass(self):
        lines = [good() for _ in range(20)]
        for script in ["verify_signatures.py", "addresses.py"]:
            result = run(script, lines)
            self.assertEqual((result.returncode, result.stdout), (0, "20 passed, 0 failed\n"))

    def test_no_lines_fail(self):
        for script in ["verify_signatures.py", "addresses.py"]:
            result = run(script, [])
            self.assertEqual((result.returncode, result.stdout), (1, "0 passed, 0 failed\n"))

    def test_high_s_fails(self):
        line = good()
        s = ORDER - int(line["signature"][64:], 16)
        line["signature"] = line["signature"][:64] + f"{s:064x}"
        line["recovery_id"] ^= 1
        self.refused("verify_signatures.py", line, "s is above n/2")

    def test_wrong_recovery_id_fails(self):
        line = good()
        line["recovery_id"] ^= 1
        self.refused("verify_signatures.py", line, "libsecp256k1 recovers another key")

    def test_wrong_digest_and_key_fail(self):
        self.refused(
            "verify_signatures.py",
            good() | {"digest": "11" * 32},
            "libsecp256k1 does not verify it",
        )
        self.refused(
            "verify_signatures.py",
            good() | {"public_key": good()["public_key"]},
            "libsecp256k1 does not verify it",
        )

    def test_wrong_address_fails(self):
        for script in ["verify_signatures.py", "addresses.py"]:
            other = good() | {"address": good()["address"]}
            self.refused(script, other, "the address differs")
            lower = good()
            lower["address"] = lower["address"].lower()
            self.refused(script, lower, "the address differs")

    def test_malformed_lines_fail(self):
        self.refused("verify_signatures.py", good() | {"signature": "00"}, "`signature` has 1")
        self.refused("verify_signatures.py", good() | {"digest": "zz"}, "`digest` is not hex")
        self.refused("verify_signatures.py", {}, "KeyError")
        self.refused("addresses.py", good() | {"public_key": "05" + "11" * 32}, "")

    def test_second_library_refuses_alone(self):
        # If the first check were gone, the second would still refuse.
        from verify_signatures import check_eth_keys, check_libsecp256k1

        line = good()
        key, digest = bytes.fromhex(line["public_key"]), bytes.fromhex("22" * 32)
        signature = bytes.fromhex(line["signature"])
        for check in [check_libsecp256k1, check_eth_keys]:
            with self.assertRaisesRegex(Exception, "does not verify"):
                check(key, digest, signature, line["recovery_id"])


if __name__ == "__main__":
    unittest.main()
