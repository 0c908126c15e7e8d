//! The other signers of a stocked run. `docs/protocols/frost.md` §7.4 to §7.6.

use std::collections::BTreeMap;

use quorate_protocol::{Abort, Heard, Inbox, Outbox, Reason};
use quorate_types::{Canonical, PartyIndex};
use quorate_verify::Signature;
use rand_core::CryptoRng;

use super::attempt::Attempt;
use super::challenge::List;
use super::given::{COMMITMENT_LIST, Given};
use super::message::{Answer, Kind, Opening, Share, commitment_length};
use super::nonces::{Announced, Commitments};
use super::round1::{OUT_OF_STEP, Round1};
use crate::scheme::Scheme;
use crate::stock::{TakeNonces, Untaken};

/// A signer does not have the entry that another holds of it: the link or the process was another,
/// or it expired. Nobody's fault, and nothing was signed.
pub(crate) const NO_STOCK: Reason = Reason::check("no_stock");
/// An entry was asked for twice.
pub(crate) const ENTRY_USED: Reason = Reason::check("stocked_nonces_used");
/// An entry was asked for that was announced for another key, epoch or set of signers, or that its
/// stock never had.
pub(crate) const ENTRY_MISPLACED: Reason = Reason::check("stocked_nonces_misplaced");
/// The list has other commitments in our place than those that we announced.
pub(crate) const OWN_COMMITMENT: Reason = Reason::check("own_commitment");

/// Has announced nonces to the leader, so lets it speak first.
pub(crate) struct Silent<S: Scheme> {
    attempt: Attempt<S>,
    stock: Box<dyn TakeNonces + Send>,
}

/// What a leader's first message leads to.
pub(crate) enum Spoken<S: Scheme> {
    /// It has said nothing yet.
    Nothing(Silent<S>),
    /// It goes without stock: so do we, with fresh nonces.
    Plain(Round1<S>, Outbox),
    /// It opened with an entry of ours.
    Answered(Answered<S>, Outbox),
}

/// Our answer is out; waiting for those of signers that do not lead.
pub(crate) struct Answered<S: Scheme> {
    given: Given<S>,
    /// The leader's share, as its opening has it.
    led: [u8; 32],
}

impl<S: Scheme> Silent<S> {
    pub(crate) const fn new(attempt: Attempt<S>, stock: Box<dyn TakeNonces + Send>) -> Self {
        Self { attempt, stock }
    }

    /// Whom we wait for.
    pub(crate) fn leader(&self) -> PartyIndex {
        self.attempt.leader()
    }

    /// How many signers there are.
    pub(crate) fn signers(&self) -> usize {
        self.attempt.signers.len()
    }

    /// Steps 7.4 and 7.6, once the leader has spoken.
    pub(crate) fn hear(
        self,
        heard: &Heard<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Spoken<S>, Abort> {
        let (leader, signers) = (self.leader(), self.signers());
        let Some(body) = heard.broadcast(leader) else {
            return Ok(Spoken::Nothing(self));
        };
        match Kind::of::<S>(body, signers) {
            Kind::Opening => self.answer(body, heard),
            Kind::Commitment if body.len() == commitment_length::<S>() => {
                let Self { attempt, stock } = self;
                stock.declined();
                let (round, outbox) = Round1::start(attempt, rng)?;
                Ok(Spoken::Plain(round, outbox))
            }
            _ => Err(Abort::new(Reason::Malformed, [leader])),
        }
    }

    /// Step 7.4.
    fn answer(self, body: &[u8], heard: &Heard<'_>) -> Result<Spoken<S>, Abort> {
        let Self { attempt, stock } = self;
        let leader = attempt.leader();
        let blame = |reason| Abort::new(reason, [leader]);
        let opening = Opening::<S>::from_bytes(body).map_err(|_| blame(Reason::Malformed))?;
        // 7.4.1 Our nonces leave the stock before anything else, and never go back (row C7).
        let place = attempt.others_place().ok_or_else(misfit)?;
        let name = opening.entries.get(place).ok_or_else(misfit)?;
        let taken = stock.take(name).map_err(|untaken| match untaken {
            Untaken::Unknown => Abort::new(NO_STOCK, []),
            Untaken::Used => blame(ENTRY_USED),
            Untaken::Misplaced => blame(ENTRY_MISPLACED),
        })?;
        let (nonces, own) = S::own(taken).ok_or_else(misfit)?;
        // 7.4.2 As 2.2: it means what we decided to sign.
        if opening.binding != attempt.binding {
            return Err(Abort::new(OUT_OF_STEP, []));
        }
        // 7.4.3 In our place are the commitments that we announced for this entry (row C7).
        let parts = opening.announced.chunks_exact(Announced::<S>::length());
        let parts: BTreeMap<_, _> = attempt.signers.iter().copied().zip(parts).collect();
        if parts.get(&attempt.me) != Some(&own.bytes.as_slice()) {
            return Err(blame(OWN_COMMITMENT));
        }
        // 7.4.4 All others are fit to be commitments (row C10). The leader vouches for them: whose
        // they are checks them as we do ours, and that all see the same list is step 7.5.
        let mut others: BTreeMap<PartyIndex, Commitments<S>> = BTreeMap::new();
        for (party, bytes) in parts.into_iter().filter(|(party, _)| *party != attempt.me) {
            let announced = Announced::read(bytes).map_err(|_| blame(Reason::Malformed))?;
            others.insert(party, announced.commitments);
        }
        let commitments = |party| {
            if party == attempt.me {
                Some(&own.commitments)
            } else {
                others.get(&party)
            }
        };
        let list = List::new(&attempt, commitments).ok_or_else(misfit)?;
        let quoted = if attempt.signers.len() > 2 {
            let quote = heard.quote(leader);
            Some(quote.ok_or_else(|| Abort::local("an opening without a signature"))?)
        } else {
            None
        };
        let given = Given::new(attempt, list, nonces)?;
        let answer = Answer::<S> {
            share: Share::new(given.list_digest, given.own),
            opening: quoted,
        };
        let led = opening.share;
        Ok(Spoken::Answered(
            Answered { given, led },
            Outbox::empty().broadcast(&answer),
        ))
    }
}

impl<S: Scheme> Answered<S> {
    /// Whose opening we answered.
    pub(crate) fn leader(&self) -> PartyIndex {
        self.given.attempt.leader()
    }

    /// How many signers there are.
    pub(crate) fn signers(&self) -> usize {
        self.given.attempt.signers.len()
    }

    /// Step 7.5: what is there answers the opening that we have, and no other.
    pub(crate) fn check(&self, heard: &Heard<'_>) -> Result<(), Abort> {
        must_be_answers(&self.given.attempt, heard)
    }

    /// Step 7.5, complete.
    ///
    /// - `received`: of all others but the leader.
    pub(crate) fn proceed(self, received: Inbox<Answer<S>>) -> Result<Signature, Abort> {
        let Self { given, led } = self;
        let mut shares = checked(&given, received)?;
        shares.insert(given.attempt.leader(), led);
        given.finish(&shares)
    }
}

fn misfit() -> Abort {
    Abort::local("the stocked nonces are of another scheme or set")
}

/// Step 7.5: nobody who answers goes another way than we, or has another opening.
pub(crate) fn must_be_answers<S: Scheme>(
    attempt: &Attempt<S>,
    heard: &Heard<'_>,
) -> Result<(), Abort> {
    let (leader, signers) = (attempt.leader(), attempt.signers.len());
    for (from, body) in heard.broadcasts().filter(|(from, _)| *from != leader) {
        if body.len() == commitment_length::<S>() {
            return Err(Abort::new(NO_STOCK, []));
        }
        let is_answer = Kind::of::<S>(body, signers) == Kind::Answer;
        if let Some(quote) = Answer::<S>::quoted(body).filter(|_| is_answer && signers > 2) {
            // A leader that told different signers different things signed both (row C14).
            heard.compare(from, leader, &quote)?;
        }
    }
    Ok(())
}

/// The shares of those who answered, if they were made for the list that we know.
pub(crate) fn checked<S: Scheme>(
    given: &Given<S>,
    received: Inbox<Answer<S>>,
) -> Result<BTreeMap<PartyIndex, [u8; 32]>, Abort> {
    // A quote is there among three and more, and only there: one form of each message.
    let quotes = given.attempt.signers.len() > 2;
    let odd = received.failing(|_, theirs| theirs.opening.is_some() == quotes);
    Abort::if_any(odd, Reason::Malformed)?;
    let differing = received.failing(|_, theirs| theirs.share.list == given.list_digest);
    Abort::if_any(differing, COMMITMENT_LIST)?;
    let shares = received.into_map().into_iter();
    Ok(shares
        .map(|(from, theirs)| (from, theirs.share.share))
        .collect())
}
