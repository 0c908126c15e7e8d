//! Signing round 1: OT extensions and commitments. `docs/protocols/dkls23.md` §2.2 and §2.3.
//! Source: eprint 2023/765 Protocol 3.6 steps 4 to 7.

use std::collections::BTreeMap;

use k256::Scalar;
use quorate_kernels::Residue;
use quorate_protocol::{Abort, Inbox, Outbox, Reason, Sanction};
use quorate_types::PartyIndex;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::curve::{self, Point};
use crate::ids;
use crate::ot::extension::{self, Received, Sent};
use crate::pair::PairState;
use crate::product;
use crate::sign::attempt::Attempt;
use crate::sign::inputs::Statement;
use crate::sign::message::{Extension, Product};
use crate::sign::round2::{Kept, Round2};
use crate::wire::{random_scalar, residue, scalar_of};

/// Secrets of one attempt: the nonce share and the inversion mask. Wiped on drop, moved once.
pub(crate) struct Nonces {
    /// `r_i`.
    pub(crate) instance_key: Zeroizing<Scalar>,
    /// `φ_i`.
    pub(crate) inversion_mask: Zeroizing<Scalar>,
}

/// What we hold of the extension in which one other signer multiplies.
pub(crate) struct Opened {
    pub(crate) nonce: [u8; 32],
    pub(crate) received: Received,
}

/// Has sampled its nonces and sent its extensions; waits for those of the others.
pub(crate) struct Round1 {
    attempt: Attempt,
    nonces: Nonces,
    nonce_point: Point,
    commitment_salt: [u8; 32],
    opened: BTreeMap<PartyIndex, Opened>,
}

impl Round1 {
    /// Step 2.2: samples instance key and inversion mask, extends the OTs with every other signer.
    pub(crate) fn start(
        attempt: Attempt,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Outbox), Abort> {
        let nonces = Nonces {
            instance_key: random_scalar(rng),
            inversion_mask: random_scalar(rng),
        };
        let nonce_point = curve::base(&nonces.instance_key).ok_or_else(zero)?;
        let commitment_salt = random_bytes(rng);
        let point = nonce_point.serialize_uncompressed();
        let (session, me) = (&attempt.session, attempt.me);
        let commitment = ids::commitment(session, me, &point, &commitment_salt);
        let (mut opened, mut outbox) = (BTreeMap::new(), Outbox::empty());
        for (peer, pair) in &attempt.pairs {
            let generation = pair.generation();
            let nonce = random_bytes(rng);
            let id = ids::extension(session, &generation, (me, *peer), &nonce);
            let (matrix, received) = extension::receive(&pair.receiver, &id, &choices(rng));
            let message = Extension {
                generation,
                binding: attempt.binding(1, me, *peer, &[]),
                commitment,
                nonce,
                matrix,
            };
            opened.insert(*peer, Opened { nonce, received });
            outbox = outbox.direct(*peer, &message);
        }
        let round = Self {
            attempt,
            nonces,
            nonce_point,
            commitment_salt,
            opened,
        };
        Ok((round, outbox))
    }

    /// Step 2.3: checks every extension, multiplies as sender, opens our commitment.
    ///
    /// - In: one [`Extension`] of every other signer.
    /// - Out: one [`Product`] to each.
    ///
    /// # Errors
    /// `pair_generation` and `session_binding` (retry): the other signers do something else.
    /// `ot_extension` (ban): their matrices are not consistent. All who fail are named.
    pub(crate) fn proceed(
        self,
        inbox: &Inbox<Extension>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Round2, Outbox), Abort> {
        let sent = self.check(inbox)?;
        let Self {
            attempt,
            nonces,
            nonce_point,
            commitment_salt,
            opened,
        } = self;
        let key_part = attempt.zero_shared(&opened, inbox);
        let public_share = curve::base(&key_part).ok_or_else(zero)?;
        let inputs = Zeroizing::new([residue(&nonces.instance_key), residue(&key_part)]);
        let (mut kept, mut outbox) = (BTreeMap::new(), Outbox::empty());
        for (peer, own) in opened {
            let (Some(pair), Some(message), Some(sent)) =
                (attempt.pairs.get(&peer), inbox.get(peer), sent.get(&peer))
            else {
                return Err(Abort::local("there is no pair state with a signer"));
            };
            let salt = random_bytes(rng);
            let extension = attempt.extension_id(peer, pair, message);
            let id = ids::product(&extension, &sent.matrix, &salt);
            let mask = Zeroizing::new(residue(&random_scalar(rng)));
            let (corrections, shares) =
                product::send(sent, &pair.sender, &id, &pair.sending, &inputs, &mask);
            let statement = Statement::new(&id, &shares, &corrections, &nonce_point, &public_share);
            let gamma = statement.gamma(&shares).ok_or_else(zero)?;
            let chi = scalar_of(&product::chi(&own.received, &pair.receiving));
            let nonces_of_both = [&own.nonce, &message.nonce];
            let product = Product {
                binding: attempt.binding(2, attempt.me, peer, &nonces_of_both),
                commitment_salt,
                salt,
                nonce_point,
                public_share,
                gamma,
                psi: *nonces.inversion_mask - *chi,
                corrections,
            };
            outbox = outbox.direct(peer, &product);
            let kept_of_peer = Kept {
                own,
                chi,
                shares,
                commitment: message.commitment,
                nonce: message.nonce,
            };
            kept.insert(peer, kept_of_peer);
        }
        let round = Round2 {
            attempt,
            nonces,
            key_part,
            nonce_point,
            public_share,
            kept,
        };
        Ok((round, outbox))
    }

    fn check(&self, inbox: &Inbox<Extension>) -> Result<BTreeMap<PartyIndex, Sent>, Abort> {
        let attempt = &self.attempt;
        let generation = |peer| attempt.pairs.get(&peer).map(|pair| pair.generation());
        // Compared before any check that bans: a pair whose states differ is out of step.
        Abort::if_any(
            inbox.failing(|from, message| generation(from) == Some(message.generation)),
            Reason::check("pair_generation"),
        )?;
        let binding = |from| attempt.binding(1, from, attempt.me, &[]);
        Abort::if_any(
            inbox.failing(|from, message| binding(from) == message.binding),
            Reason::check("session_binding"),
        )?;
        let (mut sent, mut culprits) = (BTreeMap::new(), Vec::new());
        for (from, message) in inbox.iter() {
            let Some(pair) = attempt.pairs.get(&from) else {
                return Err(Abort::local("there is no pair state with a signer"));
            };
            let id = attempt.extension_id(from, pair, message);
            match extension::send(&pair.sender, &id, &message.matrix) {
                Ok(checked) => drop(sent.insert(from, checked)),
                Err(extension::Inconsistent) => culprits.push(from),
            }
        }
        let reason = Reason::Check {
            name: "ot_extension",
            sanction: Sanction::Ban,
        };
        Abort::if_any(culprits, reason)?;
        Ok(sent)
    }
}

impl Attempt {
    /// Id of the extension in which `receiver` sent `message` to us.
    fn extension_id(
        &self,
        receiver: PartyIndex,
        pair: &PairState,
        message: &Extension,
    ) -> quorate_types::Digest32 {
        let generation = pair.generation();
        ids::extension(
            &self.session,
            &generation,
            (receiver, self.me),
            &message.nonce,
        )
    }

    /// `λ_i·x_i + ζ_i`: summands of the pairs cancel over all signers. Source: Functionality 3.4.
    fn zero_shared(
        &self,
        opened: &BTreeMap<PartyIndex, Opened>,
        inbox: &Inbox<Extension>,
    ) -> Zeroizing<Scalar> {
        let mut sum = Zeroizing::new(*self.key_part);
        for (peer, pair) in &self.pairs {
            let (Some(own), Some(message)) = (opened.get(peer), inbox.get(*peer)) else {
                continue; // the driver delivers a message of each
            };
            let we_are_lower = self.me < *peer;
            let (parties, nonces) = if we_are_lower {
                ((self.me, *peer), (&own.nonce, &message.nonce))
            } else {
                ((*peer, self.me), (&message.nonce, &own.nonce))
            };
            let digest = ids::zero(&pair.zero_seed, &self.session, parties, nonces);
            let summand = scalar_of(&Residue::reduce(&digest));
            if we_are_lower {
                *sum += *summand;
            } else {
                *sum -= *summand;
            }
        }
        sum
    }
}

/// 416 choices and the bits that mask their check.
fn choices(rng: &mut dyn CryptoRng) -> Zeroizing<[u128; 5]> {
    let mut bytes = Zeroizing::new([0; 80]);
    rng.fill_bytes(bytes.as_mut());
    let mut choices = Zeroizing::new([0; 5]);
    for (choice, bytes) in choices.iter_mut().zip(bytes.as_chunks::<16>().0) {
        *choice = u128::from_le_bytes(*bytes);
    }
    choices
}

fn random_bytes(rng: &mut dyn CryptoRng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A number that is zero once in 2²⁵⁶ times.
pub(crate) fn zero() -> Abort {
    Abort::local("a random number is zero")
}
