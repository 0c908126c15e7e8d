//! ECDSA over secp256k1. Source: SEC 1 §4.1.4 (verify) and §4.1.6 (recover); EIP-2 (low s).
//!
//! The arithmetic is libsecp256k1's, which does in 30 µs what `k256` does in 60 to 260; inputs are
//! public. The tests compare it with `k256`. Keys that verify often have tables (`known_points`),
//! which only ever say yes: what they do not confirm, libsecp256k1 decides.

use quorate_kernels::Residue;
use quorate_types::{Canonical, DecodeError, Reader, Writer};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId, Signature};
use secp256k1::{Message, PublicKey};

use crate::VerifyError;
use crate::known_points::{KNOWN_POINTS, Point};
use crate::point::check_secp256k1_point;

/// Group order n, big-endian (SEC 2 §2.4.1).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
    0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];
/// (n − 1) / 2, big-endian: the greatest s that is allowed.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// Checks an ECDSA signature `r ‖ s` (32 bytes each, big-endian) of a 32-byte digest.
///
/// - `public_key`: 33 bytes, compressed SEC1.
///
/// # Errors
/// [`VerifyError`]: the key first, then the form of the signature, then the equation.
///
/// # Security
/// `digest` must be the output of a hash of what the caller means to check.
pub fn verify_ecdsa(
    public_key: &[u8],
    digest: &[u8; 32],
    signature: &[u8; 64],
) -> Result<(), VerifyError> {
    let known = KNOWN_POINTS.find(public_key);
    if known.is_some_and(|known| known_id(&known, digest, signature).is_some()) {
        return Ok(());
    }
    let key = key(public_key)?;
    let parsed = parse(signature)?;
    secp256k1::ecdsa::verify(&parsed, Message::from_digest(*digest), &key)
        .map_err(|_| VerifyError::Mismatch)?;
    KNOWN_POINTS.has_verified(public_key, &key);
    Ok(())
}

/// The compressed public key that made this signature of this digest.
///
/// # Errors
/// [`VerifyError::Mismatch`] if there is none for this recovery id, or the form of the signature
/// is wrong.
///
/// # Security
/// Any digest and signature lead to *some* key. Compare it with the key that you expect.
pub fn recover_ecdsa(
    digest: &[u8; 32],
    signature: &EcdsaSignature,
) -> Result<[u8; 33], VerifyError> {
    recover(digest, &signature.bytes, signature.recovery_id)
        .ok_or(VerifyError::Mismatch)
        .map(|key| key.serialize())
}

/// As [`recover_ecdsa`], faster where the caller guesses the key right.
///
/// # Errors
/// As [`recover_ecdsa`].
///
/// # Security
/// As [`recover_ecdsa`].
pub fn recover_ecdsa_near(
    public_key: &[u8],
    digest: &[u8; 32],
    signature: &EcdsaSignature,
) -> Result<[u8; 33], VerifyError> {
    let known = KNOWN_POINTS.find(public_key);
    let id = known
        .as_ref()
        .and_then(|known| known_id(known, digest, &signature.bytes));
    match known {
        Some(known) if id == Some(signature.recovery_id) => Ok(*known.key()),
        _ => {
            let key = recover(digest, &signature.bytes, signature.recovery_id)
                .ok_or(VerifyError::Mismatch)?;
            let bytes = key.serialize();
            if bytes == *public_key {
                KNOWN_POINTS.has_verified(public_key, &key);
            }
            Ok(bytes)
        }
    }
}

/// The recovery id (0 to 3) that leads from a signature to `public_key`; verifies the signature.
///
/// # Errors
/// As [`verify_ecdsa`].
pub fn recovery_id_for(
    public_key: &[u8],
    digest: &[u8; 32],
    signature: &[u8; 64],
) -> Result<u8, VerifyError> {
    recovery_id_near(public_key, digest, signature, false)
}

/// As [`recovery_id_for`], beginning with the parity that the caller expects.
fn recovery_id_near(
    public_key: &[u8],
    digest: &[u8; 32],
    signature: &[u8; 64],
    is_odd: bool,
) -> Result<u8, VerifyError> {
    let known = KNOWN_POINTS.find(public_key);
    if let Some(id) = known.and_then(|known| known_id(&known, digest, signature)) {
        return Ok(id);
    }
    let key = key(public_key)?;
    parse(signature)?;
    // A key that is recovered from a signature is one that the signature verifies under. An x that
    // is r + n is so rare that it comes last.
    let first = u8::from(is_odd);
    let ids = [first, first ^ 1, first ^ 2, first ^ 3];
    let leads_to_key = |id: &u8| recover(digest, signature, *id).as_ref() == Some(&key);
    let id = ids
        .into_iter()
        .find(leads_to_key)
        .ok_or(VerifyError::Mismatch)?;
    KNOWN_POINTS.has_verified(public_key, &key);
    Ok(id)
}

/// An ECDSA signature in the one form that Quorate hands out: `r`, low `s`, recovery id.
///
/// Holding one says that its form is right, not that it verifies: see [`Self::verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EcdsaSignature {
    bytes: [u8; 64],
    recovery_id: u8,
}

impl EcdsaSignature {
    /// Checks the form of a signature: r and s in 1..n, s low, recovery id 0 to 3.
    ///
    /// # Errors
    /// [`VerifyError::ScalarOutOfRange`], [`VerifyError::HighS`] or
    /// [`VerifyError::InvalidRecoveryId`].
    pub fn new(bytes: [u8; 64], recovery_id: u8) -> Result<Self, VerifyError> {
        parse(&bytes)?;
        if recovery_id > 3 {
            return Err(VerifyError::InvalidRecoveryId(recovery_id));
        }
        Ok(Self { bytes, recovery_id })
    }

    /// Verifies `r ‖ s` and finds its recovery id.
    ///
    /// # Errors
    /// As [`verify_ecdsa`].
    pub fn find(
        public_key: &[u8],
        digest: &[u8; 32],
        bytes: [u8; 64],
    ) -> Result<Self, VerifyError> {
        let recovery_id = recovery_id_for(public_key, digest, &bytes)?;
        Ok(Self { bytes, recovery_id })
    }

    /// As [`Self::find`], faster where the caller guesses right whether the nonce point's y is odd.
    ///
    /// # Errors
    /// As [`verify_ecdsa`].
    pub fn find_near(
        public_key: &[u8],
        digest: &[u8; 32],
        bytes: [u8; 64],
        is_odd: bool,
    ) -> Result<Self, VerifyError> {
        let recovery_id = recovery_id_near(public_key, digest, &bytes, is_odd)?;
        Ok(Self { bytes, recovery_id })
    }

    /// Checks signature and recovery id against a key and a digest.
    ///
    /// # Errors
    /// As [`verify_ecdsa`]; [`VerifyError::WrongRecoveryId`] if only the recovery id is wrong.
    pub fn verify(&self, public_key: &[u8], digest: &[u8; 32]) -> Result<(), VerifyError> {
        let known = KNOWN_POINTS.find(public_key);
        let id = known.and_then(|known| known_id(&known, digest, &self.bytes));
        if id == Some(self.recovery_id) {
            return Ok(());
        }
        let key = key(public_key)?;
        if recover(digest, &self.bytes, self.recovery_id).as_ref() == Some(&key) {
            KNOWN_POINTS.has_verified(public_key, &key);
            return Ok(());
        }
        verify_ecdsa(public_key, digest, &self.bytes)?;
        Err(VerifyError::WrongRecoveryId(self.recovery_id))
    }

    /// `r ‖ s`, 32 bytes each, big-endian.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.bytes
    }

    /// `r`, big-endian.
    #[must_use]
    pub fn r(&self) -> &[u8; 32] {
        self.bytes.first_chunk().expect("64 bytes start with 32")
    }

    /// `s`, big-endian.
    #[must_use]
    pub fn s(&self) -> &[u8; 32] {
        self.bytes.last_chunk().expect("64 bytes end with 32")
    }

    /// 0 to 3: bit 0 is the parity of the nonce point's y, bit 1 says that its x is r + n.
    #[must_use]
    pub const fn recovery_id(&self) -> u8 {
        self.recovery_id
    }

    /// Strict DER `SEQUENCE { INTEGER r, INTEGER s }`, at most 72 bytes (BIP66).
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut integers = der_integer(self.r());
        integers.extend(der_integer(self.s()));
        der_element(0x30, &integers)
    }
}

impl Canonical for EcdsaSignature {
    fn write(&self, out: &mut Writer) {
        out.fixed(&self.bytes).u8(self.recovery_id);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = input.array("signature")?;
        let recovery_id = input.u8("recovery id")?;
        let why = "r and s are in 1..n, s is low, the recovery id is 0 to 3";
        Self::new(bytes, recovery_id).map_err(|_| DecodeError::Invalid {
            field: "signature",
            why,
        })
    }
}

/// Checks the form of `r ‖ s`.
fn parse(bytes: &[u8; 64]) -> Result<Signature, VerifyError> {
    let r: &[u8; 32] = bytes.first_chunk().expect("64 bytes start with 32");
    let s: &[u8; 32] = bytes.last_chunk().expect("64 bytes end with 32");
    for (field, scalar) in [("r", r), ("s", s)] {
        if *scalar == [0; 32] || *scalar >= ORDER {
            return Err(VerifyError::ScalarOutOfRange { field });
        }
    }
    if *s > HALF_ORDER {
        return Err(VerifyError::HighS);
    }
    Signature::from_compact(bytes).map_err(|_| VerifyError::Mismatch)
}

/// The key behind 33 bytes; what is wrong with them otherwise.
fn key(bytes: &[u8]) -> Result<PublicKey, VerifyError> {
    let compressed = bytes.try_into().ok();
    let key = compressed.and_then(|bytes| PublicKey::from_byte_array_compressed(bytes).ok());
    match key {
        Some(key) => Ok(key),
        None => Err(check_secp256k1_point(bytes)
            .err()
            .unwrap_or(VerifyError::Mismatch)),
    }
}

/// The recovery id that leads from a signature to a key with a table. `None` if there is none, or if
/// the form of the signature is wrong: the caller finds out what is wrong.
///
/// It is that of `R = (z/s)·G + (r/s)·Q`, of which SEC 1 §4.1.4 compares x with r, and which
/// §4.1.6 solves for Q.
fn known_id(known: &Point, digest: &[u8; 32], signature: &[u8; 64]) -> Option<u8> {
    parse(signature).ok()?;
    let [r, s] = *signature.as_chunks::<32>().0 else {
        return None;
    };
    let inverse = Residue::from_be_bytes(&s)?.inverse();
    let base = Residue::reduce(digest).times(&inverse);
    let factor = Residue::from_be_bytes(&r)?.times(&inverse);
    let nonce = known.sum(&base, &factor)?;
    // x below the order is itself.
    let is_beyond = nonce.x >= ORDER;
    let is_right = Residue::reduce(&nonce.x).to_be_bytes() == r;
    is_right.then(|| {
        KNOWN_POINTS.has_confirmed(known);
        u8::from(is_beyond) << 1 | u8::from(nonce.is_odd())
    })
}

/// The key that an id from 0 to 3 leads to, if any.
fn recover(digest: &[u8; 32], signature: &[u8; 64], id: u8) -> Option<PublicKey> {
    let id = RecoveryId::try_from(i32::from(id)).ok()?;
    let signature = RecoverableSignature::from_compact(signature, id).ok()?;
    signature.recover(Message::from_digest(*digest)).ok()
}

/// A positive DER INTEGER without needless zero bytes.
fn der_integer(scalar: &[u8; 32]) -> Vec<u8> {
    let mut digits: Vec<u8> = scalar
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    if digits.first().is_none_or(|first| first & 0x80 != 0) {
        digits.insert(0, 0);
    }
    der_element(0x02, &digits)
}

fn der_element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("two integers of 33 bytes need 70 bytes");
    let mut element = vec![tag, length];
    element.extend_from_slice(content);
    element
}

#[cfg(test)]
mod tests;
