//! Messages with one fault each, and signatures that do not belong to them.

use quorate_chains::{
    Chain, EncodingFault, MessageType, Refusal, Signature, SolanaNetwork, assemble, effect_of,
};
use quorate_types::{Algorithm, Right, Rights};

use crate::fixture::{bytes, key, text, vectors};

const SOLANA: Chain = Chain::Solana(SolanaNetwork::Mainnet);

/// RFC 8032, test 1: a key that is on the curve.
const SIGNER: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn signer() -> Vec<u8> {
    hex::decode(SIGNER).expect("hex")
}

/// A transfer in its parts, so that each can be spoiled.
#[derive(Clone)]
struct Parts {
    prefix: Vec<u8>,
    header: [u8; 3],
    accounts: Vec<[u8; 32]>,
    instructions: Vec<(u8, Vec<u8>, Vec<u8>)>,
    tables: Vec<([u8; 32], Vec<u8>, Vec<u8>)>,
}

impl Parts {
    fn legacy() -> Self {
        let signer = signer().try_into().expect("32 bytes");
        Self {
            prefix: vec![],
            header: [1, 0, 1],
            accounts: vec![signer, [9; 32], [0; 32]],
            instructions: vec![(2, vec![0, 1], transfer_data())],
            tables: vec![],
        }
    }

    fn version_0() -> Self {
        Self {
            prefix: vec![0x80],
            ..Self::legacy()
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = self.prefix.clone();
        let short = |out: &mut Vec<u8>, bytes: &[u8]| {
            out.push(u8::try_from(bytes.len()).expect("short"));
            out.extend_from_slice(bytes);
        };
        out.extend(self.header);
        out.push(u8::try_from(self.accounts.len()).expect("short"));
        out.extend(self.accounts.concat());
        out.extend([5; 32]);
        out.push(u8::try_from(self.instructions.len()).expect("short"));
        for (program, accounts, data) in &self.instructions {
            out.push(*program);
            short(&mut out, accounts);
            short(&mut out, data);
        }
        if !self.prefix.is_empty() {
            out.push(u8::try_from(self.tables.len()).expect("short"));
            for (table, writable, readonly) in &self.tables {
                out.extend(table);
                short(&mut out, writable);
                short(&mut out, readonly);
            }
        }
        out
    }
}

fn transfer_data() -> Vec<u8> {
    [2u32.to_le_bytes().as_slice(), &77u64.to_le_bytes()].concat()
}

fn effect(payload: &[u8]) -> Result<quorate_chains::Effect, Refusal> {
    let public_key = signer();
    let key = key(SOLANA, Algorithm::EdDsa, &public_key);
    effect_of(&key, MessageType::Transaction, payload)
}

fn refused(payload: &[u8]) -> Refusal {
    effect(payload).expect_err("the payload has a fault")
}

#[track_caller]
fn assert_malformed(parts: &Parts, field: &str, fault: EncodingFault) {
    match refused(&parts.bytes()) {
        Refusal::Malformed {
            field: found_field,
            fault: found,
        } => assert_eq!((found_field, found), (field, fault)),
        other => panic!("{other}"),
    }
}

#[test]
fn d1_solana_transfer__should_be_signed_as_its_own_payload() {
    for parts in [Parts::legacy(), Parts::version_0()] {
        let shown = effect(&parts.bytes()).expect("a plain transfer");
        assert_eq!(shown.targets.len(), 1);
        // What is signed is what was decoded, and no digest of anybody else.
        assert_eq!(shown.targets[0].message(), parts.bytes());
        let mut other = parts.clone();
        other.instructions[0].2[4] ^= 1;
        let other = effect(&other.bytes()).expect("another amount");
        assert_ne!(other.targets, shown.targets);
        assert_ne!(other.decoded, shown.decoded);
    }
}

#[test]
fn d1_solana_key__must_sign_no_hash_and_no_raw_message() {
    let public_key = signer();
    let rights: Rights = [Right::RawHash, Right::RawMessage].into_iter().collect();
    let key = quorate_chains::KeyContext {
        rights: &rights,
        ..key(SOLANA, Algorithm::EdDsa, &public_key)
    };
    // Ed25519 signs the bytes themselves: any of these could be a message of the chain.
    for payload in [Parts::legacy().bytes(), vec![7; 32]] {
        for message_type in [MessageType::Raw, MessageType::Hash, MessageType::TypedData] {
            let refused = effect_of(&key, message_type, &payload).map_err(|r| r.code());
            assert_eq!(refused, Err("unsupported_message_type"));
        }
    }
}

#[test]
fn d3_off_chain_message__must_not_be_taken_for_a_transaction() {
    let mut payload = b"\xffsolana offchain".to_vec();
    payload.extend(Parts::legacy().bytes());
    let refusal = refused(&payload);
    assert_eq!(refusal.code(), "unsupported_transaction_type");
    assert!(
        refusal.to_string().contains("off-chain message"),
        "{refusal}"
    );
}

#[test]
fn d5_unknown_versions__must_be_refused_by_name() {
    for (code, named) in [(0x81, "version 1"), (0x82, "unknown"), (0xfe, "unknown")] {
        let refusal = refused(&Parts::legacy().with(|p| p.prefix = vec![code]).bytes());
        assert_eq!(refusal.code(), "unsupported_transaction_type");
        assert!(refusal.to_string().contains(named), "{refusal}");
    }
}

#[test]
fn d5_solana_payload__must_be_refused_at_every_cut_and_with_bytes_behind_it() {
    for parts in [Parts::legacy(), Parts::version_0()] {
        let whole = parts.bytes();
        for length in 0..whole.len() {
            assert_eq!(refused(&whole[..length]).code(), "malformed_transaction");
        }
        let mut longer = whole;
        longer.push(0);
        assert_eq!(
            refused(&longer),
            Refusal::Malformed {
                field: "message",
                fault: EncodingFault::TrailingBytes
            }
        );
    }
}

#[test]
fn d5_solana_header__must_fit_the_accounts() {
    for header in [
        [0, 0, 1],
        [1, 1, 1],
        [1, 2, 1],
        [1, 0, 3],
        [4, 0, 0],
        [3, 0, 1],
    ] {
        let parts = Parts::legacy().with(|p| p.header = header);
        assert_malformed(&parts, "header", EncodingFault::OutOfRange);
    }
}

#[test]
fn d5_solana_account__must_not_stand_there_twice() {
    let parts = Parts::legacy().with(|p| p.accounts[1] = p.accounts[0]);
    assert_malformed(&parts, "accounts", EncodingFault::Duplicate);
}

#[test]
fn d5_solana_places__must_be_among_the_accounts() {
    // The payer of the fee is no program.
    for program in [0, 3, 255] {
        let parts = Parts::legacy().with(|p| p.instructions[0].0 = program);
        assert_malformed(&parts, "instructions.program", EncodingFault::OutOfRange);
    }
    let parts = Parts::legacy().with(|p| p.instructions[0].1 = vec![0, 3]);
    assert_malformed(&parts, "instructions.accounts", EncodingFault::OutOfRange);
    // A program is never in a table, but an account of a call may be.
    let table = ([8; 32], vec![4], vec![]);
    let parts = Parts::version_0().with(|p| p.tables = vec![table]);
    let in_table = parts.clone().with(|p| p.instructions[0].0 = 3);
    assert_malformed(&in_table, "instructions.program", EncodingFault::OutOfRange);
    let in_table = parts.clone().with(|p| p.instructions[0].1 = vec![0, 3]);
    assert_eq!(refused(&in_table.bytes()), Refusal::UnknownReceiver);
    let beyond = parts.with(|p| p.instructions[0].1 = vec![0, 4]);
    assert_malformed(&beyond, "instructions.accounts", EncodingFault::OutOfRange);
}

#[test]
fn d5_solana_tables__must_name_accounts_and_not_too_many() {
    let empty = ([8; 32], vec![], vec![]);
    let parts = Parts::version_0().with(|p| p.tables = vec![empty]);
    assert_malformed(&parts, "address_tables", EncodingFault::Missing);
    let full = ([8; 32], vec![7; 127], vec![7; 127]);
    let parts = Parts::version_0().with(|p| p.tables = vec![full]);
    assert_malformed(&parts, "accounts", EncodingFault::TooLarge);
}

#[test]
fn d5_solana_transfer__must_not_be_decoded_from_another_spelling() {
    let spoil: [fn(&mut Parts); 5] = [
        |p| p.instructions[0].2.push(0),
        |p| p.instructions[0].2.truncate(11),
        |p| p.instructions[0].2[3] = 1,
        |p| p.instructions[0].1 = vec![1, 0],
        |p| p.instructions[0].1 = vec![0, 1, 1],
    ];
    for change in spoil {
        let decoded = effect(&Parts::legacy().with(change).bytes())
            .expect("a call")
            .decoded;
        assert_eq!(decoded.kind.as_str(), "contract_call");
        assert_eq!(decoded.warnings, [quorate_chains::Warning::ContractCall]);
        let only = decoded.outputs.first().expect("the program");
        assert!(only.amount.is_zero());
    }
}

#[test]
fn d6_solana_fee__must_count_every_setting_of_its_price() {
    let budget: [u8; 32] = bs58_id("ComputeBudget111111111111111111111111111111");
    let with = |data: Vec<u8>| {
        Parts::legacy().with(|p| {
            p.accounts.push(budget);
            p.header[2] = 2;
            p.instructions.push((3, vec![], data));
        })
    };
    let price = [vec![3], u64::MAX.to_le_bytes().to_vec()].concat();
    let decoded = effect(&with(price.clone()).bytes()).expect("dear").decoded;
    // Two instructions, 200 000 units each, 2⁶⁴ − 1 millionths of a lamport a unit, rounded up.
    let expected = 5_000 + (u128::from(u64::MAX) * 400_000).div_ceil(1_000_000);
    assert_eq!(
        decoded.fee.map(|fee| fee.to_string()),
        Some(expected.to_string())
    );
    for spoiled in [
        vec![3],
        vec![0; 9],
        [price.clone(), vec![0]].concat(),
        vec![5; 5],
    ] {
        assert_eq!(
            refused(&with(spoiled).bytes()).code(),
            "malformed_transaction"
        );
    }
    let twice = with(price.clone()).with(|p| p.instructions.push((3, vec![], price)));
    assert_malformed(&twice, "compute_budget", EncodingFault::Duplicate);
}

fn bs58_id(address: &str) -> [u8; 32] {
    let decoded = bs58::decode(address).into_vec().expect("an address");
    decoded.try_into().expect("32 bytes")
}

#[test]
fn solana_signers__must_be_the_key_and_nobody_else() {
    let parts = Parts::legacy().with(|p| p.accounts[0] = [3; 32]);
    assert_eq!(refused(&parts.bytes()), Refusal::NotTheSigner);
    for header in [[2, 0, 1], [2, 1, 1]] {
        let parts = Parts::legacy().with(|p| p.header = header);
        assert_eq!(refused(&parts.bytes()), Refusal::OtherSigners { needed: 2 });
        // Also where the key is the second of two.
        let parts = parts.with(|p| p.accounts.swap(0, 1));
        assert_eq!(refused(&parts.bytes()), Refusal::OtherSigners { needed: 2 });
    }
}

#[test]
fn c10_solana_signature__must_verify_before_it_goes_into_a_transaction() {
    let vector = &vectors("solana/transactions.json")[0];
    let public_key = bytes(vector, "public_key");
    let payload = bytes(vector, "payload");
    let good: [u8; 64] = bytes(vector, "signature").try_into().expect("64 bytes");
    let key = key(SOLANA, Algorithm::EdDsa, &public_key);
    let code = |signatures: &[Signature]| {
        assemble(&key, &payload, signatures).map_err(|refusal| refusal.code())
    };
    let signed = Signature::EdDsa(good);
    assert!(code(&[signed]).is_ok(), "{}", text(vector, "name"));
    assert_eq!(code(&[]), Err("signature_count"));
    assert_eq!(code(&[signed, signed]), Err("signature_count"));
    let mut bad = good;
    bad[0] ^= 1;
    for wrong in [Signature::EdDsa(bad), Signature::Schnorr(good)] {
        assert_eq!(code(&[wrong]), Err("invalid_signature"));
    }
}
