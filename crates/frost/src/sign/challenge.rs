//! What all signers compute from one list of commitments. RFC 9591 §4.4 to §4.6.

use frost_core::{
    BindingFactor, BindingFactorList, Challenge, Error, GroupCommitment, Identifier, Scalar,
    SigningPackage, compute_binding_factor_list, compute_group_commitment,
    derive_interpolating_value,
};

use super::attempt::Attempt;
use crate::scheme::Scheme;

/// Everything public of one signature but the shares.
pub(crate) struct Challenged<S: Scheme> {
    pub(crate) package: SigningPackage<S>,
    pub(crate) factors: BindingFactorList<S>,
    pub(crate) group_commitment: GroupCommitment<S>,
    pub(crate) challenge: Challenge<S>,
}

impl<S: Scheme> Challenged<S> {
    pub(crate) fn new(attempt: &Attempt<S>, package: SigningPackage<S>) -> Result<Self, Error<S>> {
        let key = attempt.key.own.verifying_key();
        let factors = compute_binding_factor_list(&package, key, &[])?;
        let group_commitment = compute_group_commitment(&package, &factors)?;
        let point = group_commitment.clone().to_element();
        let challenge = S::challenge(&point, key, package.message())?;
        Ok(Self {
            package,
            factors,
            group_commitment,
            challenge,
        })
    }

    pub(crate) fn factor(&self, signer: &Identifier<S>) -> Result<&BindingFactor<S>, Error<S>> {
        self.factors.get(signer).ok_or(Error::UnknownIdentifier)
    }

    /// The weight of a signer's share.
    pub(crate) fn weight(&self, signer: &Identifier<S>) -> Result<Scalar<S>, Error<S>> {
        derive_interpolating_value(signer, &self.package)
    }
}
