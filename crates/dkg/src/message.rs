//! Messages of key generation. Encodings: `docs/protocols/dkg.md` §5.

use quorate_crypto::{Group, SecretName, SecretScalar};
use quorate_types::{Canonical, DecodeError, Digest32, PartyIndex, Reader, Writer};
use zeroize::Zeroizing;

/// Bytes of a [`Commitment`].
pub(crate) const COMMITMENT_BYTES: usize = 32;
/// Bytes of a [`Share`].
pub(crate) const SHARE_BYTES: usize = 2 * 32;
/// Longest [`Opening`] in bytes: 20 commitments of 33 bytes for each secret need about 1.7 KiB.
pub const MAX_OPENING_BYTES: usize = 4096;
/// Most commitments that decode. More than any t, so that t + 1 is blamed as a wrong degree.
const MAX_COMMITMENTS: usize = 40;
const MAX_POINT_BYTES: usize = 33;
const MAX_PROOF_BYTES: usize = 65;

/// Round 1: hash of the [`Opening`] that follows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Commitment(pub Digest32);

impl Canonical for Commitment {
    fn write(&self, out: &mut Writer) {
        out.value(&self.0);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Digest32::read(input).map(Self)
    }
}

/// What a dealer publishes for one secret: not decoded yet, so that each fault has its own check.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretOpening {
    /// Feldman commitments, constant term first.
    pub commitments: Vec<Vec<u8>>,
    /// Proof of possession of the constant term.
    pub proof: Vec<u8>,
}

impl Canonical for SecretOpening {
    fn write(&self, out: &mut Writer) {
        let count = u8::try_from(self.commitments.len()).expect("at most 40 commitments");
        out.u8(count);
        for point in &self.commitments {
            out.bytes(point);
        }
        out.bytes(&self.proof);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = usize::from(input.u8("number of commitments")?);
        if count > MAX_COMMITMENTS {
            return Err(DecodeError::TooLong {
                field: "commitments",
                length: count,
                limit: MAX_COMMITMENTS,
            });
        }
        let commitments = (0..count)
            .map(|_| {
                input
                    .bytes("commitment", MAX_POINT_BYTES)
                    .map(<[u8]>::to_vec)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            commitments,
            proof: input.bytes("proof", MAX_PROOF_BYTES)?.to_vec(),
        })
    }
}

/// Round 2: everything that the dealer committed to in round 1.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening {
    /// For x.
    pub x: SecretOpening,
    /// For k.
    pub k: SecretOpening,
    /// Contribution to the chain code.
    pub chain_code: [u8; 32],
    /// Hides the rest until it is opened.
    pub salt: [u8; 32],
}

impl Opening {
    /// Step 1.4: the hash that commits to this opening, bound to run and dealer.
    #[must_use]
    pub fn commitment(&self, context: &Digest32, dealer: PartyIndex) -> Commitment {
        Commitment(Digest32::of(
            b"quorate dkg commitment v1",
            &[context.as_bytes(), &[dealer.get()], &self.to_bytes()],
        ))
    }

    /// The part for one secret.
    #[must_use]
    pub const fn secret(&self, secret: SecretName) -> &SecretOpening {
        match secret {
            SecretName::SigningKey => &self.x,
            SecretName::DerivationKey => &self.k,
        }
    }
}

impl Canonical for Opening {
    fn write(&self, out: &mut Writer) {
        out.value(&self.x)
            .value(&self.k)
            .fixed(&self.chain_code)
            .fixed(&self.salt);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            x: SecretOpening::read(input)?,
            k: SecretOpening::read(input)?,
            chain_code: input.array("chain code contribution")?,
            salt: input.array("salt")?,
        })
    }
}

/// Round 3: the dealer's shares of x and k for one party. Secret; zeroized on drop.
pub struct Share {
    x: Zeroizing<[u8; 32]>,
    k: Zeroizing<[u8; 32]>,
}

impl Share {
    /// Encodes the shares.
    #[must_use]
    pub fn new<G: Group>(x: &SecretScalar<G>, k: &SecretScalar<G>) -> Self {
        Self {
            x: x.to_bytes(),
            k: k.to_bytes(),
        }
    }

    /// The share of one secret; `None` if it is not a canonical scalar.
    #[must_use]
    pub fn secret<G: Group>(&self, secret: SecretName) -> Option<SecretScalar<G>> {
        SecretScalar::from_bytes(match secret {
            SecretName::SigningKey => &self.x,
            SecretName::DerivationKey => &self.k,
        })
    }
}

impl Canonical for Share {
    fn write(&self, out: &mut Writer) {
        out.fixed(self.x.as_slice()).fixed(self.k.as_slice());
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            x: Zeroizing::new(input.array("share of x")?),
            k: Zeroizing::new(input.array("share of k")?),
        })
    }

    // Reserved at once: a vector that grows leaves unwiped copies of the shares behind.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SHARE_BYTES);
        bytes.extend_from_slice(self.x.as_slice());
        bytes.extend_from_slice(self.k.as_slice());
        bytes
    }

    // 64 bytes have one encoding; the general check would re-encode into memory that is not wiped.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let share = Self::read(&mut input)?;
        input.finish()?;
        Ok(share)
    }
}
