#!/usr/bin/env python3
"""The two checks must be able to fail: good lines pass, and each kind of bad line is named."""

import hashlib
import json
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import coincurve
from embit.ec import PrivateKey
from embit.script import p2tr, p2wpkh
from embit.transaction import Transaction, TransactionInput, TransactionOutput, Witness
from nacl.signing import SigningKey
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


def good_schemes():
    seed, message = RNG.randbytes(32), RNG.randbytes(32)
    ed25519, bip340 = SigningKey(seed), coincurve.PrivateKey(seed)
    return [
        {
            "scheme": "ed25519",
            "public_key": bytes(ed25519.verify_key).hex(),
            "message": message.hex(),
            "signature": ed25519.sign(message).signature.hex(),
        },
        {
            "scheme": "bip340",
            "public_key": bip340.public_key.format().hex(),
            "message": message.hex(),
            "signature": bip340.sign_schnorr(message).hex(),
        },
    ]


def good_bitcoin(kind):
    """A transaction that embit signs: two coins of 10 000 satoshi, 15 000 paid, 400 back."""
    key = PrivateKey(RNG.randbytes(32))
    own, receiver = kind(key), p2wpkh(PrivateKey(RNG.randbytes(32)))
    inputs = [TransactionInput(RNG.randbytes(32), 0) for _ in range(2)]
    outputs = [TransactionOutput(15_000, receiver), TransactionOutput(400, own)]
    transaction = Transaction(2, inputs, outputs)
    for place, spender in enumerate(inputs):
        if kind is p2tr:
            digest = transaction.sighash_taproot(place, [own] * 2, [10_000] * 2)
            witness = [key.taproot_tweak(b"").schnorr_sign(digest).serialize()]
        else:
            code = kind_of_hash(own)
            digest = transaction.sighash_segwit(place, code, 10_000)
            witness = [key.sign(digest).serialize() + b"\x01", key.sec()]
        spender.witness = Witness(witness)
    return {
        "signed_transaction": transaction.to_string(),
        "tx_id": transaction.txid().hex(),
        "address": own.address(),
        "spent": [{"amount": 10_000, "script": own.data.hex()}] * 2,
        "receiver": receiver.address(),
        "amount": 15_000,
        "fee": 4_600,
    }


def kind_of_hash(own):
    return type(own)(b"\x76\xa9\x14" + own.data[2:] + b"\x88\xac")


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

    def refused_beside(self, script, beside, line, reason):
        result = run(script, [beside, line])
        self.assertEqual(result.stdout, "1 passed, 1 failed\n")
        self.assertIn(f"line 2: {reason}", result.stderr)

    def test_good_schemes_pass(self):
        result = run("verify_schemes.py", good_schemes() * 3)
        self.assertEqual((result.returncode, result.stdout), (0, "6 passed, 0 failed\n"))

    def test_wrong_schemes_fail_in_each_library(self):
        import verify_schemes as schemes

        ed25519, bip340 = good_schemes()
        for line, name in [(ed25519, "libsodium"), (bip340, "libsecp256k1")]:
            other = line | {"message": "22" * 32}
            self.refused_beside("verify_schemes.py", line, other, f"{name} does not verify it")
        unknown = ed25519 | {"scheme": "rsa"}
        self.refused_beside("verify_schemes.py", ed25519, unknown, "unknown scheme")
        # If the first check were gone, the second would still refuse.
        for line, check, skipped in [
            (ed25519, schemes.check_openssl, 0),
            (bip340, schemes.check_embit, 1),
        ]:
            key, signature = (bytes.fromhex(line[field]) for field in ("public_key", "signature"))
            check(key[skipped:], bytes.fromhex(line["message"]), signature)
            with self.assertRaisesRegex(Exception, "does not verify"):
                check(key[skipped:], hashlib.sha256(b"other").digest(), signature)

    def test_bitcoin_lines_pass_and_each_wrong_claim_fails(self):
        for kind in (p2wpkh, p2tr):
            line = good_bitcoin(kind)
            result = run("verify_bitcoin.py", [line])
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            coin = line["spent"][0]
            other_amount = [coin | {"amount": 10_001}, coin | {"amount": 9_999}]
            wrong = [
                ({"tx_id": "00" * 32}, "embit computes another id"),
                ({"amount": 15_001}, "the receiver gets another amount"),
                ({"fee": 4_601}, "the fee is 4600"),
                ({"address": good_bitcoin(kind)["address"]}, "a coin is not the key's"),
                ({"receiver": line["address"], "amount": 400}, "somebody else is paid"),
                ({"spent": other_amount}, "libsecp256k1 does not verify it"),
            ]
            result = run("verify_bitcoin.py", [line | change for change, _ in wrong])
            self.assertEqual(result.stdout, f"0 passed, {len(wrong)} failed\n")
            for number, (_, reason) in enumerate(wrong, start=1):
                self.assertIn(f"line {number}: {reason}", result.stderr)

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
