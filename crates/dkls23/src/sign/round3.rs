//! Signing round 3: the signature. `docs/protocols/dkls23.md` §2.5.
//! Source: eprint 2023/765 Protocol 3.6 step 10; EIP-2 (low s).

use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::scalar::IsHigh;
use k256::{FieldBytes, Scalar};
use quorate_protocol::{Abort, Inbox};
use quorate_types::PartyIndex;
use quorate_verify::EcdsaSignature;

use crate::sign::message::SignatureShare;
use crate::verdict::unattributable;

/// Has sent its share of the signature; waits for those of the others. Holds no secret.
pub(crate) struct Round3 {
    pub(crate) others: Vec<PartyIndex>,
    pub(crate) public_key: [u8; 33],
    pub(crate) digest: [u8; 32],
    /// x-coordinate of the nonce point, reduced by the group order.
    pub(crate) r: Scalar,
    pub(crate) own: SignatureShare,
}

impl Round3 {
    /// Step 2.5: adds the shares up, takes the low `s`, verifies.
    ///
    /// - In: one [`SignatureShare`] of every other signer.
    /// - Out: a signature that verifies under our own public key, with the recovery id that leads
    ///   to it, or nothing.
    ///
    /// # Errors
    /// `final_signature` (retry): somebody's share is wrong; named if there is one other signer.
    pub(crate) fn proceed(self, inbox: &Inbox<SignatureShare>) -> Result<EcdsaSignature, Abort> {
        let (mut u, mut w) = (self.own.u, self.own.w);
        for (_, share) in inbox.iter() {
            u += share.u;
            w += share.w;
        }
        self.assemble(u, w)
            .ok_or_else(|| unattributable("final_signature", &self.others))
    }

    fn assemble(&self, u: Scalar, w: Scalar) -> Option<EcdsaSignature> {
        let s = w * Option::<Scalar>::from(u.invert())?;
        let s = if bool::from(s.is_high()) { -s } else { s };
        let mut bytes = [0; 64];
        let (left, right) = bytes.split_at_mut(32);
        left.copy_from_slice(self.r.to_repr().as_slice());
        right.copy_from_slice(s.to_repr().as_slice());
        // The recovery id comes from the verified signature, not from the nonce point: a signer who
        // sees all other shares can turn s into −s, and with it the parity.
        EcdsaSignature::find(&self.public_key, &self.digest, bytes).ok()
    }
}

/// The engine's hexadecimal x-coordinate as a scalar.
pub(crate) fn x_coordinate(hex: &str) -> Result<Scalar, Abort> {
    let wrong = || Abort::local("the signing engine made no nonce point");
    let digit = |character: char| character.to_digit(16).and_then(|d| u8::try_from(d).ok());
    let digits: Vec<u8> = hex.chars().map_while(digit).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    if digits.len() != hex.len() || !rest.is_empty() {
        return Err(wrong());
    }
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| wrong())?;
    let r = <Scalar as Reduce<FieldBytes>>::reduce(&FieldBytes::from(bytes));
    if bool::from(r.is_zero()) {
        return Err(wrong());
    }
    Ok(r)
}

#[cfg(test)]
mod tests;
