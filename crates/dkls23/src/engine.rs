//! Names of the `dkls23` crate that we use, for our one curve.

use k256::Secp256k1;
use quorate_types::PartyIndex;

pub(crate) use dkls23::protocols::derivation::DerivData;
pub(crate) use dkls23::protocols::signing::SignData;
pub(crate) use dkls23::protocols::{Abort, AbortKind, AbortReason, Parameters, PartiesMessage};
pub(crate) use dkls23::utilities::multiplication::{L, OT_WIDTH};
pub(crate) use dkls23::utilities::ot::extension::{BATCH_SIZE, KAPPA, OTEDataToSender};
pub(crate) use dkls23::utilities::zero_shares::{SeedPair, ZeroShare};

pub(crate) type Index = dkls23::protocols::PartyIndex;
pub(crate) type Party = dkls23::protocols::Party<Secp256k1>;
pub(crate) type MulSender = dkls23::utilities::multiplication::MulSender<Secp256k1>;
pub(crate) type MulReceiver = dkls23::utilities::multiplication::MulReceiver<Secp256k1>;
pub(crate) type MulDataToReceiver = dkls23::utilities::multiplication::MulDataToReceiver<Secp256k1>;
pub(crate) type DLogProof = dkls23::utilities::proofs::DLogProof<Secp256k1>;
pub(crate) type EncProof = dkls23::utilities::proofs::EncProof<Secp256k1>;
pub(crate) type OtSender = dkls23::utilities::ot::base::OTSender<Secp256k1>;
pub(crate) type OtReceiver = dkls23::utilities::ot::base::OTReceiver;

pub(crate) mod signing {
    use k256::Secp256k1;

    pub(crate) use dkls23::protocols::signing::TransmitPhase1to2;
    pub(crate) type TransmitPhase2to3 = dkls23::protocols::signing::TransmitPhase2to3<Secp256k1>;
    pub(crate) type Broadcast3to4 = dkls23::protocols::signing::Broadcast3to4<Secp256k1>;
    pub(crate) type UniqueKeep1to2 = dkls23::protocols::signing::UniqueKeep1to2<Secp256k1>;
    pub(crate) type UniqueKeep2to3 = dkls23::protocols::signing::UniqueKeep2to3<Secp256k1>;
    pub(crate) type KeepPhase1to2 = dkls23::protocols::signing::KeepPhase1to2<Secp256k1>;
    pub(crate) type KeepPhase2to3 = dkls23::protocols::signing::KeepPhase2to3<Secp256k1>;
}

/// Bytes of the crate's hash outputs, seeds and nonces.
pub(crate) const HASH: usize = 32;
/// Bytes of the salt of a commitment (2 λ_c bits).
pub(crate) const SALT: usize = 64;
/// Bytes of one row of the OT extension.
pub(crate) const ROW: usize = size_of::<dkls23::utilities::ot::extension::PRGOutput>();
/// Bytes of an element of GF(2^208), the field of the OT extension's check.
pub(crate) const CHECK: usize = size_of::<dkls23::utilities::ot::extension::FieldElement>();

/// Our index as the crate writes it.
pub(crate) fn index(party: PartyIndex) -> Index {
    Index::new(party.get()).expect("our indices are 1 to 20")
}

/// The crate's index as we write it; `None` for one that our protocols never use.
pub(crate) fn party(index: Index) -> Option<PartyIndex> {
    PartyIndex::new(index.as_u8())
}
