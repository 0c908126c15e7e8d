//! Messages of signing: fixed layouts, no lengths, no indices. `docs/protocols/dkls23.md` §2.

use k256::Scalar;
use quorate_types::{Canonical, DecodeError, Digest32, Reader, Writer};

use crate::curve::{self, POINT, Point};
use crate::ot::extension::{self, Matrix};
use crate::product::{self, Corrections};
use crate::wire::{read_scalar, write_scalar};

/// The larger of the two heads of long messages: that of a [`Product`].
const HEAD: usize = 3 * 32 + 3 * POINT + 32;
/// Bytes of an [`Extension`].
pub(crate) const EXTENSION: usize = 4 * 32 + extension::MESSAGE;
/// Bytes of a [`Product`].
pub(crate) const PRODUCT: usize = HEAD + product::MESSAGE;
/// Bytes of a [`SignatureShare`].
pub(crate) const SIGNATURE_SHARE: usize = 64;

/// An encoding whose length is known: growing would copy what is written again and again.
fn written(message: &impl Canonical, length: usize) -> Vec<u8> {
    let mut out = Writer::with_capacity(length);
    message.write(&mut out);
    out.finish()
}

/// Decodes a whole message, and checks that its head re-encodes to itself. What follows the head has
/// one spelling and is kept as it came: to write it again would compare 40 KB with their own copy.
fn whole<M: Canonical>(
    bytes: &[u8],
    write_head: impl FnOnce(&M, &mut Writer),
) -> Result<M, DecodeError> {
    let mut input = Reader::new(bytes);
    let message = M::read(&mut input)?;
    input.finish()?;
    let mut head = Writer::with_capacity(HEAD);
    write_head(&message, &mut head);
    if bytes.starts_with(&head.finish()) {
        Ok(message)
    } else {
        Err(DecodeError::NotCanonical)
    }
}

/// Step 2.2: our OT extension as receiver of the pair's multiplication, and our commitment.
pub(crate) struct Extension {
    /// Which pair state the sender uses.
    pub(crate) generation: Digest32,
    pub(crate) binding: Digest32,
    pub(crate) commitment: Digest32,
    pub(crate) nonce: [u8; 32],
    pub(crate) matrix: Matrix,
}

impl Extension {
    /// All but the matrix.
    fn write_head(&self, out: &mut Writer) {
        out.value(&self.generation)
            .value(&self.binding)
            .value(&self.commitment)
            .fixed(&self.nonce);
    }
}

impl Canonical for Extension {
    fn write(&self, out: &mut Writer) {
        self.write_head(out);
        self.matrix.write(out);
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        whole(bytes, Self::write_head)
    }

    fn to_bytes(&self) -> Vec<u8> {
        written(self, EXTENSION)
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            generation: Digest32::read(input)?,
            binding: Digest32::read(input)?,
            commitment: Digest32::read(input)?,
            nonce: input.array("nonce")?,
            matrix: Matrix::read(input)?,
        })
    }
}

/// Step 2.3: our product as sender of the pair's multiplication, and our opened commitment.
pub(crate) struct Product {
    pub(crate) binding: Digest32,
    /// Opens the commitment.
    pub(crate) commitment_salt: [u8; 32],
    /// Fresh bytes of this product.
    pub(crate) salt: [u8; 32],
    /// `R_i`.
    pub(crate) nonce_point: Point,
    /// `P_i`: our share of the public key, with our share of zero in it.
    pub(crate) public_share: Point,
    /// `Γ = (cᵘ + ρ·cᵛ)·G`.
    pub(crate) gamma: Point,
    /// `ψ = φ − χ`.
    pub(crate) psi: Scalar,
    pub(crate) corrections: Corrections,
}

impl Product {
    /// All but the corrections.
    fn write_head(&self, out: &mut Writer) {
        out.value(&self.binding)
            .fixed(&self.commitment_salt)
            .fixed(&self.salt);
        for point in [&self.nonce_point, &self.public_share, &self.gamma] {
            curve::write(out, point);
        }
        write_scalar(out, &self.psi);
    }
}

impl Canonical for Product {
    fn write(&self, out: &mut Writer) {
        self.write_head(out);
        self.corrections.write(out);
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        whole(bytes, Self::write_head)
    }

    fn to_bytes(&self) -> Vec<u8> {
        written(self, PRODUCT)
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            binding: Digest32::read(input)?,
            commitment_salt: input.array("commitment salt")?,
            salt: input.array("salt")?,
            nonce_point: curve::read(input, "nonce point")?,
            public_share: curve::read(input, "public share")?,
            gamma: curve::read(input, "gamma")?,
            psi: read_scalar(input, "psi")?,
            corrections: Corrections::read(input)?,
        })
    }
}

/// Step 2.4: our share of numerator and denominator of `s`.
pub(crate) struct SignatureShare {
    pub(crate) u: Scalar,
    pub(crate) w: Scalar,
}

impl Canonical for SignatureShare {
    fn write(&self, out: &mut Writer) {
        write_scalar(out, &self.u);
        write_scalar(out, &self.w);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let u = read_scalar(input, "u")?;
        let w = read_scalar(input, "w")?;
        Ok(Self { u, w })
    }
}
