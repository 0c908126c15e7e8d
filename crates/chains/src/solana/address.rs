//! Addresses (`docs/protocols/solana.md` §1).

use quorate_verify::check_ed25519_point;

use crate::Refusal;

/// An account: a public key, or an address that a program owns.
pub(super) type Account = [u8; 32];

/// The address of a public key.
///
/// # Errors
/// [`Refusal::InvalidPublicKey`].
pub(crate) fn address_of(public_key: &[u8]) -> Result<String, Refusal> {
    check_ed25519_point(public_key).map_err(Refusal::InvalidPublicKey)?;
    Ok(bs58::encode(public_key).into_string())
}

/// The address of an account, whoever owns it.
pub(super) fn written(account: &Account) -> String {
    bs58::encode(account).into_string()
}
