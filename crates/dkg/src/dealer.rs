//! What one dealer showed, decoded and checked one step at a time.

use quorate_crypto::{
    CommitmentFault, FeldmanCommitment, Group, ProofOfPossession, SecretName, Statement,
};
use quorate_types::PartyIndex;

use crate::message::Opening;
use crate::run::Run;

/// The commitments of one dealer.
pub(crate) struct Dealer<G: Group> {
    pub(crate) x: FeldmanCommitment<G>,
    pub(crate) k: FeldmanCommitment<G>,
}

impl<G: Group> Dealer<G> {
    /// Steps 2.2 and 2.3.
    pub(crate) fn decode(opening: &Opening, min_signers: u8) -> Result<Self, CommitmentFault> {
        let [x, k] = SecretName::ALL.map(|secret| {
            FeldmanCommitment::decode(&opening.secret(secret).commitments, min_signers)
        });
        match (x, k) {
            (Ok(x), Ok(k)) => Ok(Self { x, k }),
            // The degree is the earlier step, whichever secret it is of.
            (Err(CommitmentFault::WrongDegree), _) | (_, Err(CommitmentFault::WrongDegree)) => {
                Err(CommitmentFault::WrongDegree)
            }
            (Err(fault), _) | (_, Err(fault)) => Err(fault),
        }
    }

    /// Step 2.4.
    pub(crate) fn is_proved(&self, run: &Run, dealer: PartyIndex, opening: &Opening) -> bool {
        SecretName::ALL.into_iter().all(|secret| {
            let statement = Statement {
                context: &run.context,
                dealer,
                secret,
            };
            let opening = opening.secret(secret);
            let (Some(encoded), Some(proof)) = (
                opening.commitments.first(),
                ProofOfPossession::<G>::decode(&opening.proof),
            ) else {
                return false;
            };
            // What was decoded from these bytes (2.3).
            let point = self.commitment(secret).constant_term();
            proof.verifies_encoded(statement, point, encoded)
        })
    }

    pub(crate) const fn commitment(&self, secret: SecretName) -> &FeldmanCommitment<G> {
        match secret {
            SecretName::SigningKey => &self.x,
            SecretName::DerivationKey => &self.k,
        }
    }
}
