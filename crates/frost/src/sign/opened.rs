//! The leader, which knows everybody's commitments before it begins. `docs/protocols/frost.md` §7.3
//! and §7.5.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use quorate_protocol::{Abort, Heard, Inbox, Outbox};
use quorate_types::PartyIndex;
use quorate_verify::Signature;
use rand_core::CryptoRng;

use super::answered::{checked, must_be_answers};
use super::attempt::Attempt;
use super::challenge::List;
use super::given::Given;
use super::message::{Answer, Opening};
use super::nonces::{Announced, Nonces};
use crate::scheme::Scheme;
use crate::stock::{EntryName, HeldEntry};

/// Our opening is out, with our share in it; waiting for everybody's answer.
pub(crate) struct Opened<S: Scheme>(pub(crate) Given<S>);

impl<S: Scheme> Opened<S> {
    /// Step 7.3. Our own nonces are fresh, and never stocked.
    ///
    /// - `entries`: one of each other signer, which nothing else can use any more.
    pub(crate) fn start(
        attempt: Attempt<S>,
        entries: Vec<HeldEntry>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Outbox), Abort> {
        let misfit = || Abort::local("the stocked commitments are not those of the other signers");
        if attempt.me != attempt.leader() {
            return Err(misfit());
        }
        let mut held: BTreeMap<PartyIndex, (EntryName, Announced<S>)> = BTreeMap::new();
        for HeldEntry {
            party,
            name,
            announced,
        } in entries
        {
            held.insert(party, (name, S::held(announced).ok_or_else(misfit)?));
        }
        let (nonces, own) = Nonces::draw_ahead(&attempt.key, rng)?;
        let (mut names, mut announced) = (Vec::new(), own.bytes);
        for party in attempt.others() {
            let (name, theirs) = held.get(&party).ok_or_else(misfit)?;
            names.push(*name);
            announced.extend_from_slice(&theirs.bytes);
        }
        let commitments = |party| {
            if party == attempt.me {
                Some(&own.commitments)
            } else {
                held.get(&party).map(|(_, theirs)| &theirs.commitments)
            }
        };
        let list = List::new(&attempt, commitments).ok_or_else(misfit)?;
        let given = Given::new(attempt, list, nonces)?;
        let opening = Opening::<S> {
            binding: given.attempt.binding,
            entries: names,
            announced,
            share: given.own,
            scheme: PhantomData,
        };
        Ok((Self(given), Outbox::empty().broadcast(&opening)))
    }

    /// Step 7.5: what is there answers our opening, and no other.
    pub(crate) fn check(&self, heard: &Heard<'_>) -> Result<(), Abort> {
        must_be_answers(&self.0.attempt, heard)
    }

    /// Step 7.5, complete.
    pub(crate) fn proceed(self, received: Inbox<Answer<S>>) -> Result<Signature, Abort> {
        let Self(given) = self;
        let shares = checked(&given, received)?;
        given.finish(&shares)
    }
}
