//! What has arrived for one round.

use std::collections::BTreeMap;

use quorate_types::{Digest32, PartyIndex, SecretBytes};

use crate::echo::EchoEntry;
use crate::envelope::Slot;
use crate::inbox::RoundInput;
use crate::phases::RoundSpec;

/// A broadcast as received or as sent.
pub(crate) struct Broadcast {
    pub(crate) body: Vec<u8>,
    pub(crate) digest: Digest32,
    pub(crate) signature: Option<[u8; 64]>,
}

/// Messages of one round, at most one in each place.
#[derive(Default)]
pub(crate) struct RoundState {
    pub(crate) broadcasts: BTreeMap<PartyIndex, Broadcast>,
    pub(crate) own_broadcast: Option<Broadcast>,
    pub(crate) directs: BTreeMap<PartyIndex, SecretBytes>,
    pub(crate) echoes: BTreeMap<PartyIndex, Vec<EchoEntry>>,
    pub(crate) echo_sent: bool,
}

impl RoundState {
    /// Whom the round still waits for.
    ///
    /// A missing echo counts only once all broadcasts are here: until then an honest party may be
    /// unable to echo for want of the same broadcast.
    pub(crate) fn awaiting(
        &self,
        spec: &RoundSpec,
        others: impl Iterator<Item = PartyIndex> + Clone,
    ) -> Vec<PartyIndex> {
        let lacks_message = |from: &PartyIndex| {
            (spec.broadcast.is_some() && !self.broadcasts.contains_key(from))
                || (spec.direct.is_some() && !self.directs.contains_key(from))
        };
        let silent: Vec<_> = others.clone().filter(lacks_message).collect();
        if !silent.is_empty() || !spec.echo {
            return silent;
        }
        others
            .filter(|from| !self.echoes.contains_key(from))
            .collect()
    }

    /// Whether every broadcast is here, so that the echo can go out.
    pub(crate) fn broadcasts_complete(&self, others: usize) -> bool {
        self.broadcasts.len() == others
    }

    /// Whether the place of a message is taken.
    pub(crate) fn is_taken(&self, slot: Slot, from: PartyIndex) -> bool {
        match slot {
            Slot::Broadcast => self.broadcasts.contains_key(&from),
            Slot::Direct => self.directs.contains_key(&from),
            Slot::Echo => self.echoes.contains_key(&from),
            Slot::Abort => false,
        }
    }

    /// The messages for the round; called when nothing is awaited and the echoes agree.
    pub(crate) fn into_input(self) -> RoundInput {
        let broadcasts = self
            .broadcasts
            .into_iter()
            .map(|(from, broadcast)| (from, broadcast.body))
            .collect();
        RoundInput {
            broadcasts,
            directs: self.directs,
        }
    }
}
