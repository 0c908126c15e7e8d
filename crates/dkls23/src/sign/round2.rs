//! Signing round 2: products and opened commitments. `docs/protocols/dkls23.md` §2.4.
//! Source: eprint 2023/765 Protocol 3.6 steps 8 and 9.

use std::collections::BTreeMap;

use k256::Scalar;
use quorate_protocol::{Abort, Inbox, Outbox, Reason, Sanction};
use quorate_types::{Digest32, PartyIndex};
use zeroize::Zeroizing;

use crate::curve::{self, Point};
use crate::ids;
use crate::product::{self, Shares};
use crate::sign::attempt::Attempt;
use crate::sign::inputs::Statement;
use crate::sign::message::{Product, SignatureShare};
use crate::sign::round1::{Nonces, Opened};
use crate::sign::round3::Round3;
use crate::verdict::unattributable;
use crate::wire::{reduced, scalar, scalar_of};

/// What we hold about one other signer.
pub(crate) struct Kept {
    /// Our extension, in which it multiplies.
    pub(crate) own: Opened,
    pub(crate) chi: Zeroizing<Scalar>,
    /// Our shares `cᵘ`, `cᵛ` of the products in which we multiplied.
    pub(crate) shares: Shares,
    pub(crate) commitment: Digest32,
    pub(crate) nonce: [u8; 32],
}

/// A product in which another signer multiplied.
struct Multiplied {
    id: Digest32,
    /// Our shares of it.
    shares: Shares,
}

/// Has sent its products; waits for those of the others.
pub(crate) struct Round2 {
    pub(crate) attempt: Attempt,
    pub(crate) nonces: Nonces,
    pub(crate) key_part: Zeroizing<Scalar>,
    pub(crate) nonce_point: Point,
    pub(crate) public_share: Point,
    pub(crate) kept: BTreeMap<PartyIndex, Kept>,
}

impl Round2 {
    /// Step 2.4: checks commitments and products, makes our share of the signature.
    ///
    /// - In: one [`Product`] of every other signer.
    /// - Out: one [`SignatureShare`] to all. The nonces are consumed here and zeroized.
    ///
    /// # Errors
    /// `session_binding`, `commitment` (retry); `multiplication`, `gamma` (ban): all who fail
    /// are named. `public_share_sum` (retry, named if there is one other).
    pub(crate) fn proceed(self, inbox: &Inbox<Product>) -> Result<(Round3, Outbox), Abort> {
        self.check_openings(inbox)?;
        let products = self.multiply(inbox)?;
        self.check_inputs(inbox, &products)?;

        let points = |own, of: fn(&Product) -> &Point| {
            let points: Vec<&Point> = inbox.iter().map(|(_, message)| of(message)).collect();
            curve::sum(&[&[own], points.as_slice()].concat())
        };
        let others = &self.attempt.others;
        let key = points(&self.public_share, |message| &message.public_share);
        if key.map(|key| key.serialize()) != Some(self.attempt.public_key) {
            return Err(unattributable("public_share_sum", others));
        }
        let nonce = points(&self.nonce_point, |message| &message.nonce_point)
            .ok_or_else(|| unattributable("nonce_point", others))?;
        let r = x_coordinate(&nonce)?;

        let own = self.signature_share(inbox, &products, &r);
        let outbox = Outbox::empty().broadcast(&own);
        let round = Round3 {
            others: self.attempt.others,
            public_key: self.attempt.public_key,
            digest: self.attempt.digest,
            r,
            nonce_is_odd: matches!(nonce.serialize(), [3, ..]),
            own,
        };
        Ok((round, outbox))
    }

    /// Nothing here can leak, so all of it comes before what bans.
    fn check_openings(&self, inbox: &Inbox<Product>) -> Result<(), Abort> {
        let attempt = &self.attempt;
        let passes = |check: &dyn Fn(&Kept, PartyIndex, &Product) -> bool| {
            let kept = |from| self.kept.get(&from);
            inbox.failing(|from, message| kept(from).is_some_and(|k| check(k, from, message)))
        };
        let is_bound = |kept: &Kept, from, message: &Product| {
            let nonces = [&kept.nonce, &kept.own.nonce];
            message.binding == attempt.binding(2, from, attempt.me, &nonces)
        };
        Abort::if_any(passes(&is_bound), Reason::check("session_binding"))?;
        let opens = |kept: &Kept, from, message: &Product| {
            let point = message.nonce_point.serialize_uncompressed();
            let salt = &message.commitment_salt;
            kept.commitment == ids::commitment(&attempt.session, from, &point, salt)
        };
        Abort::if_any(passes(&opens), Reason::check("commitment"))
    }

    /// Our shares `dᵘ`, `dᵛ` of the products in which others multiplied.
    fn multiply(&self, inbox: &Inbox<Product>) -> Result<BTreeMap<PartyIndex, Multiplied>, Abort> {
        let attempt = &self.attempt;
        let (mut products, mut culprits) = (BTreeMap::new(), Vec::new());
        for (from, message) in inbox.iter() {
            let (Some(pair), Some(kept)) = (attempt.pairs.get(&from), self.kept.get(&from)) else {
                return Err(Abort::local("there is no pair state with a signer"));
            };
            let own = &kept.own;
            let parties = (attempt.me, from);
            let generation = pair.generation();
            let extension = ids::extension(&attempt.session, &generation, parties, &own.nonce);
            let id = ids::product(&extension, &own.received.matrix, &message.salt);
            match product::receive(&own.received, &id, &pair.receiving, &message.corrections) {
                Ok(shares) => drop(products.insert(from, Multiplied { id, shares })),
                Err(product::Inconsistent) => culprits.push(from),
            }
        }
        Abort::if_any(culprits, ban("multiplication"))?;
        Ok(products)
    }

    /// The inputs of every product are the discrete logarithms of `R_j` and `P_j`.
    fn check_inputs(
        &self,
        inbox: &Inbox<Product>,
        products: &BTreeMap<PartyIndex, Multiplied>,
    ) -> Result<(), Abort> {
        let holds = |from, message: &Product| {
            let (kept, Multiplied { id, shares }) = (self.kept.get(&from)?, products.get(&from)?);
            let (nonce_point, public_share) = (&message.nonce_point, &message.public_share);
            let corrections = &message.corrections;
            let statement = Statement::new(id, shares, corrections, nonce_point, public_share);
            Some(statement.holds(&kept.chi, shares, &message.gamma))
        };
        let failing = inbox.failing(|from, message| holds(from, message).unwrap_or(false));
        Abort::if_any(failing, ban("gamma"))
    }

    /// `u_i = r_i·(φ_i + Σψ_ji) + Σ(cᵘ + dᵘ)`, `v_i` likewise, `w_i = m·φ_i + r·v_i`.
    fn signature_share(
        &self,
        inbox: &Inbox<Product>,
        products: &BTreeMap<PartyIndex, Multiplied>,
        r: &Scalar,
    ) -> SignatureShare {
        let mut mask = Zeroizing::new(*self.nonces.inversion_mask);
        for (_, message) in inbox.iter() {
            *mask += message.psi;
        }
        let mut u = Zeroizing::new(*self.nonces.instance_key * *mask);
        let mut v = Zeroizing::new(*self.key_part * *mask);
        let ours = self.kept.values().map(|kept| &kept.shares);
        let theirs = products.values().map(|product| &product.shares);
        for shares in ours.chain(theirs) {
            let [share_u, share_v] = &shares.numbers;
            *u += *scalar_of(share_u);
            *v += *scalar_of(share_v);
        }
        let message = reduced(&self.attempt.digest);
        let w = message * *self.nonces.inversion_mask + r * &*v;
        SignatureShare { u: *u, w }
    }
}

const fn ban(name: &'static str) -> Reason {
    Reason::Check {
        name,
        sanction: Sanction::Ban,
    }
}

/// x-coordinate of the nonce point modulo the group order.
fn x_coordinate(nonce: &Point) -> Result<Scalar, Abort> {
    let coordinates = curve::coordinates(nonce);
    let x: &[u8; 32] = coordinates.first_chunk().expect("64 bytes start with 32");
    let r = scalar(x).unwrap_or_else(|| reduced(x));
    if bool::from(r.is_zero()) {
        return Err(super::round1::zero());
    }
    Ok(r)
}
