//! Set-up round 1: base OTs in both directions. `docs/protocols/dkls23.md` §1.1 and §1.2.

use quorate_protocol::{Abort, Inbox, Outbox, Reason, Roster};
use quorate_types::{Digest32, PartyIndex};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::ids;
use crate::ot::base::{self, Chooser, Offerer};
use crate::pair::{PairState, other, places};
use crate::setup::message::{Confirmation, Offer};
use crate::setup::round2::Round2;

/// Has sent its offer; waits for the other's.
pub(crate) struct Round1 {
    me: PartyIndex,
    context: Digest32,
    zero_half: Zeroizing<[u8; 32]>,
    chooser: Chooser,
    offerer: Offerer,
    offer_digest: Digest32,
}

impl Round1 {
    /// Step 1.1: samples a half of the zero-sharing seed and starts both directions.
    pub(crate) fn start(
        roster: &Roster,
        context: Digest32,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Outbox), Abort> {
        let (first, second) = places();
        if !roster.parties().eq([first, second]) {
            return Err(Abort::local("the parties are not a pair"));
        }
        let me = roster.me();
        let mut zero_half = Zeroizing::new([0; 32]);
        rng.fill_bytes(zero_half.as_mut());
        let chooser = Chooser::start(ids::base_ots(&context, me), rng);
        let offerer = Offerer::start(ids::base_ots(&context, other(me)), rng);
        let offer = Offer {
            zero_half: zero_half.clone(),
            key: offerer.key(),
            points: chooser.offers().to_vec(),
        };
        let outbox = Outbox::empty().direct(other(me), &offer);
        let round = Self {
            me,
            context,
            zero_half,
            chooser,
            offerer,
            offer_digest: public_digest(&offer),
        };
        Ok((round, outbox))
    }

    /// Step 1.2: finishes both directions, names the generation, confirms.
    ///
    /// - In: the other's [`Offer`].
    /// - Out: a [`Confirmation`].
    ///
    /// # Errors
    /// `base_ot` (retry): a point that is none, or the identity as key.
    pub(crate) fn proceed(self, inbox: &Inbox<Offer>) -> Result<(Round2, Outbox), Abort> {
        let peer = other(self.me);
        let offer = inbox
            .get(peer)
            .ok_or_else(|| Abort::local("the other's offer is missing"))?;
        let theirs = public_digest(offer);
        let Self {
            me,
            context,
            zero_half,
            chooser,
            offerer,
            offer_digest: ours,
        } = self;
        let wrong = || Abort::new(Reason::check("base_ot"), [peer]);
        let key = base::read_key(&offer.key).ok_or_else(wrong)?;
        let receiver = offerer.finish(&offer.points).ok_or_else(wrong)?;
        let sender = chooser.finish(&key);

        let is_first = me == places().0;
        let generation = ids::generation(&context, ordered(is_first, &ours, &theirs));
        let halves = ordered(is_first, &*zero_half, &*offer.zero_half);
        let zero_seed = ids::zero_seed(&generation, halves);

        let confirmation = |from| *ids::confirmation(&generation, &zero_seed, from).as_bytes();
        let (own, expected) = (confirmation(me), confirmation(peer));
        let state = PairState::new(generation, me, zero_seed, receiver, sender);
        let outbox = Outbox::empty().direct(peer, &Confirmation(own));
        Ok((Round2 { state, expected }, outbox))
    }
}

/// Ours first if we are the first of the pair.
const fn ordered<'a, T>(is_first: bool, ours: &'a T, theirs: &'a T) -> [&'a T; 2] {
    if is_first {
        [ours, theirs]
    } else {
        [theirs, ours]
    }
}

fn public_digest(offer: &Offer) -> Digest32 {
    ids::offer(&offer.key, &offer.points)
}
