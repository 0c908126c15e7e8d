//! Messages of the set-up. `docs/protocols/dkls23.md` §1.

use k256::{AffinePoint, Scalar};
use quorate_types::{Canonical, DecodeError, Digest32, Reader, Writer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::engine::{DLogProof, EncProof, HASH, SALT};
use crate::wire::{read_scalar, write_scalar};

/// Bytes of a [`SeedCommitment`].
pub(crate) const SEED_COMMITMENT: usize = HASH;
/// Longest proof of discrete logarithm: 64 points, 64 challenges of 4 bytes and responses (4 644).
const MAX_DLOG_PROOF: usize = 5 * 1024;
/// Longest 256 encryption proofs of 12 points and 4 scalars (138 242).
const MAX_ENC_PROOFS: usize = 256 * 544;
/// Longest [`PairInit`] in bytes.
pub(crate) const MAX_PAIR_INIT: usize =
    MAX_DLOG_PROOF + MAX_ENC_PROOFS + SALT + 4 * HASH + 2 * size_of::<u32>();

/// Step 1.1: commitment to our half of the pair's zero-sharing seed.
pub(crate) struct SeedCommitment(pub(crate) [u8; HASH]);

impl Canonical for SeedCommitment {
    fn write(&self, out: &mut Writer) {
        out.fixed(&self.0);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array("commitment").map(Self)
    }
}

/// Step 1.2: our opened seed, and the first messages of both multiplications of the pair.
pub(crate) struct PairInit {
    pub(crate) seed: Zeroizing<[u8; HASH]>,
    pub(crate) salt: Vec<u8>,
    pub(crate) multiplication: MultiplicationInit,
}

impl Canonical for PairInit {
    fn write(&self, out: &mut Writer) {
        out.fixed(&*self.seed).fixed(&self.salt);
        out.value(&self.multiplication);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            seed: wiped(input.take("seed", HASH)?),
            salt: input.take("salt", SALT)?.to_vec(),
            multiplication: MultiplicationInit::read(input)?,
        })
    }

    // Reserved at once: a vector that grows leaves unwiped copies of the seed behind.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(MAX_PAIR_INIT);
        self.write(&mut out);
        out.finish()
    }

    // As the general check, but what it encodes again is wiped.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let message = Self::read(&mut input)?;
        input.finish()?;
        if Zeroizing::new(message.to_bytes()).as_slice() == bytes {
            Ok(message)
        } else {
            Err(DecodeError::NotCanonical)
        }
    }
}

/// Copies a secret straight to where it is wiped.
fn wiped(secret: &[u8]) -> Zeroizing<[u8; HASH]> {
    let mut copy = Zeroizing::new([0; HASH]);
    copy.copy_from_slice(secret);
    copy
}

/// The base OTs of a pair, in both directions. Holds nothing secret.
pub(crate) struct MultiplicationInit {
    /// As receiver of the multiplication: our base OT key, proved.
    pub(crate) dlog_proof: DLogProof,
    /// As receiver: seed of the public gadget.
    pub(crate) nonce: Scalar,
    /// As sender: our encrypted choices, proved.
    pub(crate) enc_proofs: Vec<EncProof>,
    /// As sender: seed of the points that the choices are encrypted to.
    pub(crate) seed: [u8; HASH],
}

impl MultiplicationInit {
    /// Names these messages in the pair's generation.
    pub(crate) fn digest(&self) -> Digest32 {
        Digest32::of(
            b"quorate dkls23 multiplication init v1",
            &[&self.to_bytes()],
        )
    }

    /// The engine's decoder takes the identity as a point; no honest message has it (row C10).
    fn has_identity(&self) -> bool {
        let proof = &self.dlog_proof;
        let dlog = std::iter::once(&proof.point).chain(&proof.rand_commitments);
        let enc = self.enc_proofs.iter().flat_map(points);
        dlog.chain(enc).any(|p| *p == AffinePoint::IDENTITY)
    }
}

fn points(proof: &EncProof) -> [&AffinePoint; 12] {
    let EncProof {
        proof0,
        proof1,
        commitments0,
        commitments1,
        ..
    } = proof;
    [
        &proof0.base_g,
        &proof0.base_h,
        &proof0.point_u,
        &proof0.point_v,
        &proof1.base_g,
        &proof1.base_h,
        &proof1.point_u,
        &proof1.point_v,
        &commitments0.rc_g,
        &commitments0.rc_h,
        &commitments1.rc_g,
        &commitments1.rc_h,
    ]
}

impl Canonical for MultiplicationInit {
    fn write(&self, out: &mut Writer) {
        out.fixed(&self.seed);
        write_scalar(out, &self.nonce);
        out.bytes(&encoded(&self.dlog_proof));
        out.bytes(&encoded(&self.enc_proofs));
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let message = Self {
            seed: input.array("OT seed")?,
            nonce: read_scalar(input, "gadget nonce")?,
            dlog_proof: decoded(input, "key proof", MAX_DLOG_PROOF)?,
            enc_proofs: decoded(input, "encryption proofs", MAX_ENC_PROOFS)?,
        };
        if message.has_identity() {
            return Err(DecodeError::Invalid {
                field: "proof",
                why: "holds the identity",
            });
        }
        Ok(message)
    }
}

/// The engine's own encoding: its proofs have private fields. One spelling each, because
/// [`Canonical::from_bytes`] compares with a second encoding.
fn encoded(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("a vector takes everything")
}

fn decoded<T: DeserializeOwned>(
    input: &mut Reader<'_>,
    field: &'static str,
    limit: usize,
) -> Result<T, DecodeError> {
    let why = "does not decode";
    let invalid = |_| DecodeError::Invalid { field, why };
    let (value, rest) = postcard::take_from_bytes(input.bytes(field, limit)?).map_err(invalid)?;
    match rest.len() {
        0 => Ok(value),
        count => Err(DecodeError::TrailingBytes { count }),
    }
}

#[cfg(test)]
mod tests {
    use quorate_types::PartyIndex;

    use super::*;
    use crate::setup::round1::initialise;

    #[test]
    fn pair_init__must_be_encoded_without_growing_and_decode_in_one_spelling() {
        let party = |n| PartyIndex::new(n).unwrap();
        let context = Digest32::from_array([1; 32]);
        let (_secrets, multiplication) = initialise(&context, party(1), party(2));
        let init = PairInit {
            seed: Zeroizing::new([7; HASH]),
            salt: vec![8; SALT],
            multiplication,
        };
        let mut bytes = init.to_bytes();
        assert_eq!(bytes.capacity(), MAX_PAIR_INIT, "a copy was left behind");
        let read = PairInit::from_bytes(&bytes).unwrap();
        assert_eq!(read.seed, init.seed);
        bytes.push(0);
        let trailing = PairInit::from_bytes(&bytes).map(drop);
        assert_eq!(trailing, Err(DecodeError::TrailingBytes { count: 1 }));
    }
}
