//! Signing round 3: the signature. `docs/protocols/dkls23.md` §2.5.
//! Source: eprint 2023/765 Protocol 3.6 step 10; EIP-2 (low s).

use k256::Scalar;
use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::scalar::IsHigh;
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
    /// Parity of its y-coordinate.
    pub(crate) nonce_is_odd: bool,
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
        #[expect(clippy::disallowed_methods, reason = "public: all signers know `u`")]
        let inverse = Option::<Scalar>::from(u.invert_vartime())?;
        let s = w * inverse;
        let is_high = bool::from(s.is_high());
        let s = if is_high { -s } else { s };
        let mut bytes = [0; 64];
        let (left, right) = bytes.split_at_mut(32);
        left.copy_from_slice(self.r.to_repr().as_slice());
        right.copy_from_slice(s.to_repr().as_slice());
        // The parity is only where the search for the recovery id begins: a signer who sees all
        // other shares can turn s into −s, and with it the parity.
        let parity = self.nonce_is_odd ^ is_high;
        EcdsaSignature::find_near(&self.public_key, &self.digest, bytes, parity).ok()
    }
}

#[cfg(test)]
mod tests;
