//! Reading of request fields: each error names its field.

use std::collections::BTreeMap;
use std::str::FromStr;

use quorate_intent::SignedIntent;
use quorate_types::Canonical as _;

use crate::error::CoordinatorError;

/// Most notes of one request.
const MAX_NOTES: usize = 16;
/// Longest name and longest value of a note, in bytes.
const MAX_NOTE_NAME: usize = 64;
const MAX_NOTE_VALUE: usize = 256;

pub(crate) fn invalid(field: &'static str, why: impl ToString) -> CoordinatorError {
    let why = why.to_string();
    CoordinatorError::InvalidArgument { field, why }
}

/// A field with a name or an id in it.
pub(crate) fn parse<T: FromStr<Err: ToString>>(
    field: &'static str,
    text: &str,
) -> Result<T, CoordinatorError> {
    text.parse()
        .map_err(|error: T::Err| invalid(field, error.to_string()))
}

/// Bytes in hex, `0x` optional.
pub(crate) fn bytes(field: &'static str, text: &str) -> Result<Vec<u8>, CoordinatorError> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode(digits).map_err(|_| invalid(field, "not bytes in hex"))
}

/// The caller's own notes (`metadata`).
pub(crate) fn check_notes(notes: &BTreeMap<String, String>) -> Result<(), CoordinatorError> {
    let fits = |(name, value): (&String, &String)| {
        let is_named = (1..=MAX_NOTE_NAME).contains(&name.len()) && !name.contains('=');
        is_named && value.len() <= MAX_NOTE_VALUE
    };
    if notes.len() <= MAX_NOTES && notes.iter().all(fits) {
        return Ok(());
    }
    let why = format!(
        "at most {MAX_NOTES} notes, each a name of 1 to {MAX_NOTE_NAME} bytes without `=` and a \
         value of at most {MAX_NOTE_VALUE}"
    );
    Err(invalid("metadata", why))
}

/// The signed intent of a request.
pub(crate) fn signed_intent(
    intent: &str,
    signature: &str,
) -> Result<SignedIntent, CoordinatorError> {
    let signature = bytes("initiator_signature", signature)?;
    let signature = <[u8; 64]>::try_from(signature.as_slice())
        .map_err(|_| invalid("initiator_signature", "an Ed25519 signature has 64 bytes"))?;
    let bytes = bytes("intent", intent)?;
    Ok(SignedIntent { bytes, signature })
}

/// Canonical bytes of a signed intent, as the store keeps them.
pub(crate) fn stored_intent(signed: &SignedIntent) -> Vec<u8> {
    signed.to_bytes()
}

/// Checks that a readable field is what was signed.
pub(crate) fn agree<T: PartialEq>(
    field: &'static str,
    readable: &T,
    signed: &T,
) -> Result<(), CoordinatorError> {
    if readable == signed {
        return Ok(());
    }
    Err(CoordinatorError::IntentMismatch { field })
}
