//! What a round sees of its messages. Only the driver can make these.

use std::collections::BTreeMap;

use quorate_types::{Canonical, PartyIndex, SecretBytes};

use crate::abort::{Abort, Reason};

/// The checked messages of one round, still encoded: from every other party exactly one of each
/// kind that the round has, and for reliable broadcasts the same bytes at everyone.
pub struct RoundInput {
    pub(crate) broadcasts: BTreeMap<PartyIndex, Vec<u8>>,
    pub(crate) directs: BTreeMap<PartyIndex, SecretBytes>,
}

impl RoundInput {
    /// Decodes the broadcasts.
    ///
    /// # Errors
    /// [`Reason::Malformed`] naming everyone whose message does not decode.
    pub fn broadcasts<M: Canonical>(&self) -> Result<Inbox<M>, Abort> {
        Inbox::decode(
            self.broadcasts
                .iter()
                .map(|(from, body)| (*from, body.as_slice())),
        )
    }

    /// Decodes the broadcasts of all but `without`, whose message the round has heard before
    /// ([`Phases::hear`](crate::Phases::hear)).
    ///
    /// # Errors
    /// [`Reason::Malformed`] naming everyone else whose message does not decode.
    pub fn other_broadcasts<M: Canonical>(&self, without: PartyIndex) -> Result<Inbox<M>, Abort> {
        let others = self.broadcasts.iter().filter(|(from, _)| **from != without);
        Inbox::decode(others.map(|(from, body)| (*from, body.as_slice())))
    }

    /// Decodes the direct messages.
    ///
    /// # Errors
    /// [`Reason::Malformed`] naming everyone whose message does not decode.
    pub fn directs<M: Canonical>(&self) -> Result<Inbox<M>, Abort> {
        Inbox::decode(
            self.directs
                .iter()
                .map(|(from, body)| (*from, body.as_slice())),
        )
    }
}

/// One decoded message of each other party. Holding one proves that the driver's checks ran.
pub struct Inbox<M> {
    messages: BTreeMap<PartyIndex, M>,
}

impl<M: Canonical> Inbox<M> {
    fn decode<'a>(bodies: impl Iterator<Item = (PartyIndex, &'a [u8])>) -> Result<Self, Abort> {
        let (mut messages, mut culprits) = (BTreeMap::new(), Vec::new());
        for (from, body) in bodies {
            match M::from_bytes(body) {
                Ok(message) => drop(messages.insert(from, message)),
                Err(_) => culprits.push(from),
            }
        }
        Abort::if_any(culprits, Reason::Malformed)?;
        Ok(Self { messages })
    }
}

impl<M> Inbox<M> {
    /// Senders and messages, ascending by index.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (PartyIndex, &M)> {
        self.messages.iter().map(|(from, message)| (*from, message))
    }

    /// The message of one party; `None` for ourselves and for strangers.
    #[must_use]
    pub fn get(&self, from: PartyIndex) -> Option<&M> {
        self.messages.get(&from)
    }

    /// Everyone whose message fails `passes`: all of them, not only the first.
    pub fn failing(&self, passes: impl Fn(PartyIndex, &M) -> bool) -> Vec<PartyIndex> {
        self.iter()
            .filter(|(from, message)| !passes(*from, message))
            .map(|(from, _)| from)
            .collect()
    }

    /// The messages by sender.
    #[must_use]
    pub fn into_map(self) -> BTreeMap<PartyIndex, M> {
        self.messages
    }
}
