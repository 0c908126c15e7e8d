#!/usr/bin/env python3
"""Makes the golden vectors of this folder with embit, which shares no code with Quorate.

    python3 -m venv /tmp/vectors && /tmp/vectors/bin/pip install -r requirements.txt
    /tmp/vectors/bin/python make.py            # writes the files
    /tmp/vectors/bin/python make.py --check    # compares them with what it would write

The same input gives the same files: keys and fields come from a fixed seed, and embit signs
deterministically. The keys protect nothing.
"""

import json
import random
import sys
from pathlib import Path

from embit import bip32, ec, script
from embit.hashes import hash160, sha256
from embit.networks import NETWORKS
from embit.psbt import PSBT, DerivationPath
from embit.transaction import SIGHASH, Transaction, TransactionInput, TransactionOutput

HERE = Path(__file__).parent
RNG = random.Random("quorate bitcoin vectors 1")
CHAINS = {
    "bitcoin": NETWORKS["main"],
    "bitcoin-testnet": NETWORKS["test"],
    "bitcoin-signet": NETWORKS["signet"],
    "bitcoin-regtest": NETWORKS["regtest"],
}
KINDS = {"p2wpkh": ("ECDSA", script.p2wpkh), "p2tr": ("Schnorr", script.p2tr)}
BTC = 10**8
FINAL = 0xFFFFFFFF


def new_key():
    return ec.PrivateKey(RNG.randbytes(32))


def foreign_scripts():
    """One of each form that has an address."""
    public = new_key().get_public_key()
    return {
        "p2pkh": script.p2pkh(public),
        "p2sh": script.p2sh(script.p2wpkh(public)),
        "p2wpkh": script.p2wpkh(public),
        "p2wsh": script.p2wsh(script.p2pkh(public)),
        "p2tr": script.p2tr(public),
    }


def previous(own, amount, witness=False):
    """A transaction with the coin, and which of its outputs the coin is."""
    others = [TransactionOutput(RNG.randrange(BTC), s) for s in foreign_scripts().values()]
    outputs = others[: RNG.randrange(3)]
    place = RNG.randrange(len(outputs) + 1)
    outputs.insert(place, TransactionOutput(amount, own))
    vin = TransactionInput(RNG.randbytes(32), RNG.randrange(5), sequence=FINAL)
    if witness:
        vin.witness = script.Witness([RNG.randbytes(71), RNG.randbytes(33)])
    else:
        vin.script_sig = script.Script(b"\x47" + RNG.randbytes(71) + b"\x21" + RNG.randbytes(33))
    return Transaction(2, [vin], outputs, 0), place


class Case:
    """A PSBT in the making."""

    def __init__(self, kind, amounts, outputs, fee=None, chain="bitcoin", key=None, **changes):
        self.kind, self.chain = kind, chain
        self.key = key or new_key()
        self.own = KINDS[kind][1](self.key.get_public_key())
        self.coins = [TransactionOutput(amount, self.own) for amount in amounts]
        witness = changes.get("previous_witness", False)
        self.previous = [previous(self.own, amount, witness) for amount in amounts]
        sequence = changes.get("sequence", 0xFFFFFFFD)
        vin = [
            TransactionInput(whole.txid(), place, sequence=sequence)
            for whole, place in self.previous
        ]
        outputs = [
            TransactionOutput(amount, self.own if isinstance(to, str) else to) for to, amount in outputs
        ]
        version = changes.get("version", 2)
        self.tx = Transaction(version, vin, outputs, changes.get("lock_time", 0))
        self.fee = sum(amounts) - sum(out.value for out in outputs)
        self.psbt = PSBT(self.tx)
        for field, coin, (whole, _) in zip(self.psbt.inputs, self.coins, self.previous):
            field.witness_utxo = coin
            if kind == "p2wpkh" or changes.get("whole"):
                field.non_witness_utxo = whole
            field.sighash_type = changes.get("sighash")
        assert fee is None or fee == self.fee

    def payload(self):
        payload = self.psbt.serialize()
        assert PSBT.parse(payload).serialize() == payload
        return payload

    def digests(self):
        kind = SIGHASH.ALL if self.kind == "p2wpkh" else SIGHASH.DEFAULT
        kinds = [field.sighash_type or kind for field in self.psbt.inputs]
        return [self.psbt.sighash(i, sighash=kind) for i, kind in enumerate(kinds)]

    def sign(self):
        """The signatures of 64 bytes, and the signed transaction."""
        signed = PSBT.parse(self.payload())
        assert signed.sign_with(self.key, sighash=None) == len(self.coins)
        tx = Transaction.parse(self.tx.serialize())
        public = self.key.get_public_key()
        signatures = []
        for vin, field in zip(tx.vin, signed.inputs):
            if self.kind == "p2wpkh":
                form = field.partial_sigs[public]
                vin.witness = script.Witness([form, public.sec()])
                signatures.append(compact(form[:-1]))
            else:
                (form,) = field.final_scriptwitness.items if field.final_scriptwitness else [field.taproot_sigs]
                vin.witness = script.Witness([form])
                signatures.append(form[:64])
        return signatures, tx


def compact(der):
    """r and s of a DER signature, 32 bytes each."""
    assert der[0] == 0x30 and der[2] == 0x02
    r = der[4 : 4 + der[3]]
    rest = der[4 + der[3] :]
    assert rest[0] == 0x02
    s = rest[2 : 2 + rest[1]]
    return b"".join(int.from_bytes(n, "big").to_bytes(32, "big") for n in (r, s))


def to_of(out, network):
    try:
        return out.script_pubkey.address(network)
    except Exception:  # embit has no one error for scripts without an address
        return "script:" + out.script_pubkey.data.hex()


def vector(name, case, warnings=()):
    network = CHAINS[case.chain]
    signatures, signed = case.sign()
    witness = {"p2wpkh": 1 + 1 + 72 + 1 + 33, "p2tr": 1 + 1 + 64}[case.kind]
    sizes = [witness + (case.kind == "p2tr" and field.sighash_type == 1) for field in case.psbt.inputs]
    weight = 4 * len(case.tx.serialize()) + 2 + sum(sizes)
    assert case.psbt.fee() == case.fee
    return {
        "name": name,
        "chain": case.chain,
        "address_kind": case.kind,
        "algorithm": KINDS[case.kind][0],
        "public_key": case.key.get_public_key().sec().hex(),
        "from": case.own.address(network),
        "coins": [{"amount": str(c.value), "script": c.script_pubkey.data.hex()} for c in case.coins],
        "outputs": [
            {
                "to": to_of(out, network),
                "amount": str(out.value),
                "is_change": out.script_pubkey.data == case.own.data,
            }
            for out in case.tx.vout
        ],
        "fee": str(case.fee),
        "virtual_size": -(-weight // 4),
        "warnings": list(warnings),
        "payload": case.payload().hex(),
        "digests": [digest.hex() for digest in case.digests()],
        "signatures": [signature.hex() for signature in signatures],
        "signed": signed.serialize().hex(),
        "tx_id": signed.txid().hex(),
    }


def transactions():
    for kind in KINDS:
        for form, to in foreign_scripts().items():
            case = Case(kind, [BTC], [(to, BTC // 2), ("change", BTC // 2 - 500)], 500)
            yield vector(f"{kind} pays {form} with change", case)
        to = foreign_scripts()["p2wpkh"]
        for chain in CHAINS:
            case = Case(kind, [BTC], [(to, BTC - 300)], chain=chain)
            yield vector(f"{kind} on {chain}", case)
            for form, other in foreign_scripts().items():
                case = Case(kind, [BTC], [(other, BTC - 300)], chain=chain)
                yield vector(f"{kind} pays {form} on {chain}", case)
        amounts = [BTC, 3 * BTC, 7, 90_000, 21_000_000 * BTC - 10 * BTC]
        yield vector(f"{kind} five inputs", Case(kind, amounts, [(to, sum(amounts) - 4_000)]))
        yield vector(f"{kind} thirty inputs", Case(kind, [10_000] * 30, [(to, 250_000)]))
        yield vector(f"{kind} to itself only", Case(kind, [BTC], [("change", BTC - 200)]))
        yield vector(f"{kind} no fee", Case(kind, [BTC], [(to, BTC)], 0))
        yield vector(f"{kind} high fee", Case(kind, [BTC], [(to, 1_000)], BTC - 1_000))
        yield vector(
            f"{kind} lock time in blocks", Case(kind, [BTC], [(to, BTC - 300)], lock_time=850_000)
        )
        yield vector(
            f"{kind} lock time in seconds",
            Case(kind, [BTC], [(to, BTC - 300)], lock_time=1_800_000_000),
        )
        yield vector(
            f"{kind} lock time without effect",
            Case(kind, [BTC], [(to, BTC - 300)], lock_time=850_000, sequence=FINAL),
        )
        for version in [1, 3]:
            case = Case(kind, [BTC], [(to, BTC - 300)], version=version)
            yield vector(f"{kind} version {version}", case)
        yield vector(f"{kind} says ALL", Case(kind, [BTC, BTC], [(to, BTC)], sighash=SIGHASH.ALL))
        yield vector(
            f"{kind} previous transactions with witnesses",
            Case(kind, [BTC, 7_000], [(to, BTC)], whole=True, previous_witness=True),
        )
        yield vector(
            f"{kind} previous transactions", Case(kind, [BTC, 7_000], [(to, BTC)], whole=True)
        )
        data = script.Script(b"\x6a\x05hello")
        yield vector(f"{kind} data", Case(kind, [BTC], [(data, 0), ("change", BTC - 300)]))
        yield vector(
            f"{kind} burns",
            Case(kind, [BTC], [(data, 1), ("change", BTC - 300)]),
            ["value_burned"],
        )
        bare = script.Script(b"\x21" + new_key().get_public_key().sec() + b"\xac")
        anchor = script.Script(bytes.fromhex("51024e73"))
        for name, odd in [("bare key", bare), ("anchor", anchor), ("empty script", script.Script(b""))]:
            case = Case(kind, [BTC], [(odd, 10_000), ("change", BTC - 20_000)])
            yield vector(f"{kind} pays {name}", case, ["unknown_script"])
        for form, least in [("p2pkh", 546), ("p2sh", 540), ("p2wpkh", 294), ("p2wsh", 330), ("p2tr", 330)]:
            to_form = foreign_scripts()[form]
            yield vector(f"{kind} least {form}", Case(kind, [BTC], [(to_form, least)]))
            yield vector(f"{kind} dust {form}", Case(kind, [BTC], [(to_form, least - 1)]), ["dust"])
        master = bip32.HDKey.from_seed(RNG.randbytes(32))
        path = [0x80000000 + 84, 0x80000000, 0x80000000, 0, 7]
        derived = master.derive(path).key
        case = Case(kind, [BTC], [(to, BTC // 2), ("change", BTC // 3)], key=derived)
        derivation = DerivationPath(master.my_fingerprint, path)
        public = derived.get_public_key()
        case.psbt.xpubs[master.derive(path[:3]).to_public()] = DerivationPath(
            master.my_fingerprint, path[:3]
        )
        for field in [case.psbt.inputs[0], case.psbt.outputs[1]]:
            if kind == "p2wpkh":
                field.bip32_derivations[public] = derivation
            else:
                x_only = ec.PublicKey.from_xonly(public.xonly())
                field.taproot_bip32_derivations[x_only] = ([], derivation)
                field.taproot_internal_key = x_only
        yield vector(f"{kind} with paths of its keys", case)


def refused():
    """Payloads that other software takes, with the code of Quorate's refusal."""

    def entry(name, code, case, change=lambda psbt: None):
        change(case.psbt)
        return {
            "name": name,
            "chain": case.chain,
            "algorithm": KINDS[case.kind][0],
            "public_key": case.key.get_public_key().sec().hex(),
            "payload": case.psbt.serialize().hex(),
            "code": code,
        }

    def plain(kind, amounts=(BTC, 2 * BTC), **changes):
        to = foreign_scripts()["p2tr"]
        outputs = changes.pop("outputs", [(to, BTC), ("change", BTC)])
        return Case(kind, list(amounts), outputs, **changes)

    for kind in KINDS:
        for name in ["NONE", "SINGLE"]:
            code = getattr(SIGHASH, name)
            yield entry(f"{kind} sighash {name}", "sighash_type", plain(kind, sighash=code))
        for base in [SIGHASH.ALL, SIGHASH.NONE, SIGHASH.SINGLE]:
            code = base | SIGHASH.ANYONECANPAY
            yield entry(f"{kind} sighash {base}, anyone can pay", "sighash_type", plain(kind, sighash=code))

        def clear(*names):
            def change(psbt):
                for name in names:
                    setattr(psbt.inputs[1], name, None)

            return change

        nothing = clear("witness_utxo", "non_witness_utxo")
        yield entry(f"{kind} without previous output", "previous_output_missing", plain(kind), nothing)

        def other_coin(psbt):
            stranger = foreign_scripts()["p2wpkh"]
            psbt.inputs[1].witness_utxo = TransactionOutput(2 * BTC, stranger)
            psbt.inputs[1].non_witness_utxo = None

        foreign = "previous_output_missing" if kind == "p2wpkh" else "foreign_input"
        yield entry(f"{kind} with a coin of somebody else", foreign, plain(kind), other_coin)
        yield entry(
            f"{kind} pays more than it has",
            "outputs_above_inputs",
            plain(kind, (BTC, 7), outputs=[(foreign_scripts()["p2sh"], BTC + 8)]),
        )
        signed = plain(kind)
        signed.psbt.sign_with(signed.key)
        yield entry(f"{kind} signed already", "already_signed", signed)

        def proprietary(psbt):
            psbt.inputs[0].unknown = {b"\xfc\x05owner\x00": b"x"}

        yield entry(f"{kind} with a field of its owner's own", "unsupported_field", plain(kind), proprietary)

        def unknown(psbt):
            psbt.unknown = {b"\x77": b"x"}

        yield entry(f"{kind} with an unknown field", "unsupported_field", plain(kind), unknown)

        def redeem(psbt):
            psbt.inputs[0].redeem_script = script.Script(b"\x51")

        yield entry(f"{kind} with a redeem script", "unsupported_field", plain(kind), redeem)
        yield entry(f"{kind} with too many inputs", "too_many_inputs", plain(kind, [5 * BTC] * 101))
        yield entry(f"{kind} of version 4", "malformed_transaction", plain(kind, version=4))

        def lying_amount(psbt):
            coin = psbt.inputs[1].witness_utxo
            psbt.inputs[1].witness_utxo = TransactionOutput(coin.value - 1, coin.script_pubkey)

        lied = plain(kind, whole=True)
        yield entry(f"{kind} lies about an amount", "previous_output_mismatch", lied, lying_amount)

        def other_previous(psbt):
            whole = psbt.inputs[1].non_witness_utxo
            whole.vout[0].value += 1

        changed = plain(kind, whole=True)
        yield entry(f"{kind} with a changed previous transaction", "previous_output_mismatch", changed, other_previous)

    amount_only = plain("p2wpkh")
    yield entry(
        "p2wpkh with the amount only",
        "previous_output_missing",
        amount_only,
        lambda psbt: setattr(psbt.inputs[0], "non_witness_utxo", None),
    )
    own_key = plain("p2tr")
    stranger = ec.PublicKey.from_xonly(new_key().get_public_key().xonly())
    yield entry(
        "p2tr with another internal key",
        "malformed_transaction",
        own_key,
        lambda psbt: setattr(psbt.inputs[0], "taproot_internal_key", stranger),
    )


def addresses():
    for _ in range(100):
        public = new_key().get_public_key()
        yield {
            "public_key": public.sec().hex(),
            "addresses": {
                chain: {kind: make(public).address(network) for kind, (_, make) in KINDS.items()}
                for chain, network in CHAINS.items()
            },
        }


def main():
    differs = False
    for name, vectors in [
        ("transactions.json", list(transactions())),
        ("refused.json", list(refused())),
        ("addresses.json", list(addresses())),
    ]:
        lines = ",\n".join(json.dumps(vector) for vector in vectors)
        text = f"[\n{lines}\n]\n"
        if sys.argv[1:] != ["--check"]:
            (HERE / name).write_text(text, encoding="utf-8")
        same = (HERE / name).read_text(encoding="utf-8") == text
        differs |= not same
        print(f"bitcoin/{name}: {len(vectors)}{'' if same else ' DIFFERS'}")
    sys.exit(differs)


if __name__ == "__main__":
    main()
