#!/usr/bin/env python3
"""Makes the golden vectors of this folder with solders (Solana's own Rust crates), which shares no
code with Quorate.

    python3 -m venv /tmp/vectors && /tmp/vectors/bin/pip install -r requirements.txt
    /tmp/vectors/bin/python make.py            # writes the files
    /tmp/vectors/bin/python make.py --check    # compares them with what it would write

The same input gives the same files: keys and fields come from a fixed seed. The keys protect
nothing.
"""

import json
import random
import sys
from pathlib import Path

import base58
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import (
    request_heap_frame,
    set_compute_unit_limit,
    set_compute_unit_price,
    set_loaded_accounts_data_size_limit,
)
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0, MessageV1, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.system_program import (
    AdvanceNonceAccountParams,
    CreateAccountParams,
    TransferParams,
    advance_nonce_account,
    create_account,
    transfer,
)
from solders.transaction import Transaction, VersionedTransaction

HERE = Path(__file__).parent
RNG = random.Random("quorate solana vectors 1")
MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
MEMO_1 = Pubkey.from_string("Memo1UhkJRfHyvLMcVucJwxXeuD728EqVtDwQDxFMNo")
TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
ED25519 = Pubkey.from_string("Ed25519SigVerify111111111111111111111111111")
BUDGET = Pubkey.from_string("ComputeBudget111111111111111111111111111111")
SYSTEM = Pubkey.from_string("11111111111111111111111111111111")
LAMPORTS = 10**9


def new_key():
    return Keypair.from_seed(RNG.randbytes(32))


def new_account():
    return Pubkey(RNG.randbytes(32))


def send(key, to, lamports):
    return transfer(TransferParams(from_pubkey=key.pubkey(), to_pubkey=to, lamports=lamports))


def memo(text, program=MEMO, signer=None):
    accounts = [AccountMeta(signer, True, False)] if signer else []
    return Instruction(program, text.encode(), accounts)


def message_of(key, form, instructions, tables=()):
    blockhash = Hash(RNG.randbytes(32))
    if form == "legacy":
        return Message.new_with_blockhash(instructions, key.pubkey(), blockhash)
    return MessageV0.try_compile(key.pubkey(), instructions, list(tables), blockhash)


def payload_of(message):
    """What is signed: for version 0, with its version byte."""
    return bytes(message) if isinstance(message, Message) else to_bytes_versioned(message)


def vector(name, form, kind, build, fee=5_000, warnings=(), tables=()):
    """`build(key)` gives instructions and the expected outputs."""
    key = new_key()
    instructions, outputs = build(key)
    message = message_of(key, form, instructions, tables)
    payload = payload_of(message)
    if form == "legacy":
        signed = Transaction([key], message, message.recent_blockhash)
        assert payload == signed.message_data()
    else:
        signed = VersionedTransaction(message, [key])
    assert signed.signatures[0].verify(key.pubkey(), payload)
    assert bytes(signed) == b"\x01" + bytes(signed.signatures[0]) + payload
    return {
        "name": name,
        "chain": "solana",
        "kind": kind,
        "public_key": bytes(key.pubkey()).hex(),
        "from": str(key.pubkey()),
        "outputs": [{"to": str(to), "amount": str(amount)} for to, amount in outputs],
        "max_fee": str(fee),
        "warnings": list(warnings),
        "recent_blockhash": str(message.recent_blockhash),
        "payload": payload.hex(),
        "signature": bytes(signed.signatures[0]).hex(),
        "signed": bytes(signed).hex(),
        "tx_id": str(signed.signatures[0]),
    }


def one(to, lamports):
    return lambda key: ([send(key, to, lamports)], [(to, lamports)])


def transactions():
    for form in ["legacy", "v0"]:
        yield vector(f"{form} transfer", form, "transfer", one(new_account(), LAMPORTS))
        yield vector(f"{form} zero lamports", form, "transfer", one(new_account(), 0))
        yield vector(f"{form} greatest amount", form, "transfer", one(new_account(), 2**64 - 1))
        yield vector(
            f"{form} to itself",
            form,
            "transfer",
            lambda key: ([send(key, key.pubkey(), 7)], [(key.pubkey(), 7)]),
        )
        yield vector(
            f"{form} to the system program",
            form,
            "transfer",
            one(SYSTEM, 7),
            warnings=["zero_address"],
        )
        accounts = [new_account() for _ in range(12)]
        yield vector(
            f"{form} twelve transfers",
            form,
            "transfer",
            lambda key, accounts=accounts: (
                [send(key, to, 1 + n) for n, to in enumerate(accounts)],
                [(to, 1 + n) for n, to in enumerate(accounts)],
            ),
        )
        yield vector(
            f"{form} price and limit",
            form,
            "transfer",
            lambda key: (
                [
                    set_compute_unit_limit(1_000),
                    set_compute_unit_price(2_500_001),
                    send(key, accounts[0], 5),
                ],
                [(accounts[0], 5)],
            ),
            fee=5_000 + 2_501,  # 2 500.001 lamports, rounded up
        )
        yield vector(
            f"{form} price without limit",
            form,
            "transfer",
            lambda key: (
                [set_compute_unit_price(1_000_000), send(key, accounts[0], 5)],
                [(accounts[0], 5)],
            ),
            fee=5_000 + 400_000,
        )
        yield vector(
            f"{form} limit above what a transaction may use",
            form,
            "transfer",
            lambda key: (
                [
                    set_compute_unit_limit(2**32 - 1),
                    set_compute_unit_price(2**64 - 1),
                    request_heap_frame(65_536),
                    set_loaded_accounts_data_size_limit(1_000),
                    send(key, accounts[0], 5),
                ],
                [(accounts[0], 5)],
            ),
            fee=5_000 + -(-(2**64 - 1) * 1_400_000 // 10**6),
        )
        for program in [MEMO, MEMO_1]:
            yield vector(
                f"{form} memo by {str(program)[:5]}",
                form,
                "transfer",
                lambda key, program=program: (
                    [send(key, accounts[0], 5), memo("invoice 7, Zoë", program)],
                    [(accounts[0], 5)],
                ),
            )
        yield vector(
            f"{form} memo with its signer",
            form,
            "transfer",
            lambda key: (
                [send(key, accounts[0], 5), memo("mine", signer=key.pubkey())],
                [(accounts[0], 5)],
            ),
        )
        yield vector(
            f"{form} memo that is no text",
            form,
            "contract_call",
            lambda key: (
                [send(key, accounts[0], 5), Instruction(MEMO, b"\xff\xfe", [])],
                [(accounts[0], 5), (MEMO, 0)],
            ),
            warnings=["contract_call"],
        )
        yield vector(
            f"{form} token transfer",
            form,
            "contract_call",
            lambda key: (
                [
                    Instruction(
                        TOKEN,
                        b"\x03" + (10**6).to_bytes(8, "little"),
                        [
                            AccountMeta(accounts[1], False, True),
                            AccountMeta(accounts[2], False, True),
                            AccountMeta(key.pubkey(), True, False),
                        ],
                    )
                ],
                [(TOKEN, 0)],
            ),
            warnings=["contract_call"],
        )
        yield vector(
            f"{form} transfer and call",
            form,
            "contract_call",
            lambda key: (
                [send(key, accounts[0], 5), Instruction(accounts[3], RNG.randbytes(200), [])],
                [(accounts[0], 5), (accounts[3], 0)],
            ),
            warnings=["contract_call"],
        )
        yield vector(
            f"{form} transfer with a byte behind it",
            form,
            "contract_call",
            lambda key: (
                [
                    Instruction(
                        SYSTEM,
                        bytes(send(key, accounts[0], 5).data) + b"\x00",
                        send(key, accounts[0], 5).accounts,
                    )
                ],
                [(SYSTEM, 0)],
            ),
            warnings=["contract_call"],
        )
        yield vector(
            f"{form} signature check",
            form,
            "contract_call",
            lambda key: (
                [Instruction(ED25519, b"\x02\x00" + bytes(28), []), send(key, accounts[0], 5)],
                [(ED25519, 0), (accounts[0], 5)],
            ),
            fee=3 * 5_000,
            warnings=["contract_call"],
        )
        yield vector(
            f"{form} durable nonce",
            form,
            "transfer",
            lambda key: (
                [
                    advance_nonce_account(
                        AdvanceNonceAccountParams(
                            nonce_pubkey=accounts[4], authorized_pubkey=key.pubkey()
                        )
                    ),
                    send(key, accounts[0], 5),
                ],
                [(accounts[0], 5)],
            ),
            warnings=["durable_nonce"],
        )
    table = AddressLookupTableAccount(key=new_account(), addresses=[new_account() for _ in range(9)])
    yield vector(
        "v0 call with accounts from a table",
        "v0",
        "contract_call",
        lambda key: (
            [
                Instruction(
                    TOKEN,
                    b"\x09",
                    [
                        AccountMeta(table.addresses[3], False, True),
                        AccountMeta(table.addresses[8], False, False),
                    ],
                )
            ],
            [(TOKEN, 0)],
        ),
        warnings=["contract_call", "address_table"],
        tables=[table],
    )
    for number in range(30):
        to, lamports = new_account(), RNG.randrange(2**64)
        yield vector(
            f"random {number}", RNG.choice(["legacy", "v0"]), "transfer", one(to, lamports)
        )


def refused():
    """Payloads that other software takes, with the code of Quorate's refusal."""
    key, other = new_key(), new_key()
    to = new_account()

    def entry(name, code, payload):
        return {
            "name": name,
            "chain": "solana",
            "public_key": bytes(key.pubkey()).hex(),
            "payload": payload.hex(),
            "code": code,
        }

    def payload(instructions, form="legacy", payer=key, tables=()):
        return payload_of(message_of(payer, form, instructions, tables))

    plain = payload([send(key, to, 5)])
    yield entry("transfer of another payer", "not_the_signer", payload([send(other, to, 5)], payer=other))
    yield entry("another pays the fee", "other_signers", payload([send(key, to, 5)], payer=other))
    yield entry("another pays too", "other_signers", payload([send(key, to, 5), send(other, to, 5)]))
    created = create_account(
        CreateAccountParams(
            from_pubkey=key.pubkey(),
            to_pubkey=other.pubkey(),
            lamports=5,
            space=10,
            owner=TOKEN,
        )
    )
    yield entry("account made with its signature", "other_signers", payload([created]))
    version_1 = MessageV1.try_compile(key.pubkey(), [send(key, to, 5)], Hash(RNG.randbytes(32)))
    assert to_bytes_versioned(version_1)[0] == 0x81
    yield entry("version 1", "unsupported_transaction_type", to_bytes_versioned(version_1))
    yield entry("version 127", "unsupported_transaction_type", b"\xfe" + plain)
    off_chain = b"\xffsolana offchain" + bytes([0, 0]) + len(b"hello").to_bytes(2, "little") + b"hello"
    yield entry("off-chain message", "unsupported_transaction_type", off_chain)
    message = message_of(key, "legacy", [send(key, to, 5)])
    signed = Transaction([key], message, message.recent_blockhash)
    yield entry("signed transaction", "already_signed", bytes(signed))
    yield entry("transaction without its signature", "already_signed", bytes(Transaction.new_unsigned(message)))
    table = AddressLookupTableAccount(key=new_account(), addresses=[to, new_account()])
    yield entry(
        "receiver in a table",
        "unknown_receiver",
        payload([send(key, to, 5)], "v0", tables=[table]),
    )
    yield entry("no instruction", "malformed_transaction", payload([]))
    for name, data in [
        ("price with a byte behind it", b"\x03" + bytes(9)),
        ("price of seven bytes", b"\x03" + bytes(7)),
        ("old form of the budget", b"\x00" + bytes(8)),
        ("unknown budget", b"\x05" + bytes(4)),
        ("empty budget", b""),
    ]:
        budget = Instruction(BUDGET, data, [])
        yield entry(name, "malformed_transaction", payload([budget, send(key, to, 5)]))
    twice = [set_compute_unit_price(1), set_compute_unit_price(10**9), send(key, to, 5)]
    yield entry("price twice", "malformed_transaction", payload(twice))
    long = [send(key, to, 5), memo("x" * 1_000), memo("y" * 20)]
    yield entry("longer than a packet with its signature", "payload_too_long", payload(long))


def addresses():
    for _ in range(100):
        key = new_key().pubkey()
        assert base58.b58encode(bytes(key)).decode() == str(key)
        yield {"public_key": bytes(key).hex(), "address": str(key)}


def main():
    differs = False
    for name, vectors in [
        ("transactions.json", list(transactions())),
        ("refused.json", list(refused())),
        ("addresses.json", list(addresses())),
    ]:
        lines = ",\n".join(json.dumps(vector, ensure_ascii=False) for vector in vectors)
        text = f"[\n{lines}\n]\n"
        if sys.argv[1:] != ["--check"]:
            (HERE / name).write_text(text, encoding="utf-8")
        same = (HERE / name).read_text(encoding="utf-8") == text
        differs |= not same
        print(f"solana/{name}: {len(vectors)}{'' if same else ' DIFFERS'}")
    sys.exit(differs)


if __name__ == "__main__":
    main()
