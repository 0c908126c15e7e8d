//! Programs that are known by their address.

use super::address::Account;

/// Moves lamports, creates accounts.
pub(super) const SYSTEM: Account = [0; 32];
/// Sets price and limit of computation.
pub(super) const COMPUTE_BUDGET: Account = id(b"ComputeBudget111111111111111111111111111111");
/// Write a text into the log: the first version and the one in use.
pub(super) const MEMOS: [Account; 2] = [
    id(b"Memo1UhkJRfHyvLMcVucJwxXeuD728EqVtDwQDxFMNo"),
    id(b"MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"),
];
/// Check signatures inside a transaction, each for the price of a signature.
pub(super) const SIGNATURE_CHECKS: [Account; 3] = [
    id(b"Ed25519SigVerify111111111111111111111111111"),
    id(b"KeccakSecp256k11111111111111111111111111111"),
    id(b"Secp256r1SigVerify1111111111111111111111111"),
];

const fn id(address: &[u8]) -> Account {
    bs58::decode(address).into_array_const_unwrap()
}
