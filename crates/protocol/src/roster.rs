use std::collections::BTreeMap;

use quorate_types::{Digest32, NodeId, PartyIndex, SessionId, Writer};
use thiserror::Error;

/// One party of a run, as the manifest knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Network identity.
    pub node: NodeId,
    /// Ed25519 key that signs its messages.
    pub identity: [u8; 32],
}

/// Parties that cannot run a protocol together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidRoster {
    /// We are not among the members.
    #[error("party {0} is not a member")]
    NotMember(PartyIndex),
    /// Fewer members than needed, or a bad threshold.
    #[error("{members} members cannot serve a threshold of {min_signers}")]
    TooFew {
        /// Members given.
        members: usize,
        /// `t`.
        min_signers: u8,
    },
    /// Two members share a node or an identity key (rows B2, D12).
    #[error("parties {0} and {1} are the same node")]
    SameNode(PartyIndex, PartyIndex),
}

/// Who takes part in one run, and which one we are. Comes from the manifest, never from a peer.
#[derive(Debug, Clone)]
pub struct Roster {
    session: SessionId,
    me: PartyIndex,
    min_signers: u8,
    members: BTreeMap<PartyIndex, Member>,
}

impl Roster {
    /// Checks the parties of a run.
    ///
    /// # Errors
    /// [`InvalidRoster`].
    pub fn new(
        session: SessionId,
        me: PartyIndex,
        min_signers: u8,
        members: BTreeMap<PartyIndex, Member>,
    ) -> Result<Self, InvalidRoster> {
        if !members.contains_key(&me) {
            return Err(InvalidRoster::NotMember(me));
        }
        if min_signers < 2 || members.len() < usize::from(min_signers) {
            return Err(InvalidRoster::TooFew {
                members: members.len(),
                min_signers,
            });
        }
        for (a, first) in &members {
            for (b, second) in members.range(..a) {
                if first.node == second.node || first.identity == second.identity {
                    return Err(InvalidRoster::SameNode(*b, *a));
                }
            }
        }
        Ok(Self {
            session,
            me,
            min_signers,
            members,
        })
    }

    /// The run.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Our index.
    #[must_use]
    pub const fn me(&self) -> PartyIndex {
        self.me
    }

    /// `t`.
    #[must_use]
    pub const fn min_signers(&self) -> u8 {
        self.min_signers
    }

    /// Number of parties in this run.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// All parties, ascending.
    pub fn parties(&self) -> impl ExactSizeIterator<Item = PartyIndex> + Clone + '_ {
        self.members.keys().copied()
    }

    /// All parties but us, ascending.
    pub fn others(&self) -> impl Iterator<Item = PartyIndex> + Clone + '_ {
        let me = self.me;
        self.parties().filter(move |index| *index != me)
    }

    /// A party's identity, if it is in this run.
    #[must_use]
    pub fn member(&self, index: PartyIndex) -> Option<&Member> {
        self.members.get(&index)
    }

    /// Roster and context of one part of this session, for example one of its signatures.
    ///
    /// The part is named by the digest of everything agreed: this session, the parties and `purpose`
    /// (`docs/protocols/rounds.md` §1.4). So nodes whom a dishonest coordinator told different things
    /// in one session are in different parts and never see a message of each other.
    #[must_use]
    pub fn part(self, label: &str, purpose: &[u8]) -> (Self, Digest32) {
        let session = self.session.part(label, &self.context(purpose));
        let part = Self { session, ..self };
        let context = part.context(purpose);
        (part, context)
    }

    /// Digest of everything that the run depends on; proofs and signatures are bound to it.
    ///
    /// `purpose` is what the parties agreed to do (protocol, version, curve, intent…), already in
    /// canonical bytes. The digest covers the session id, `t`, and each index with node id and key.
    #[must_use]
    pub fn context(&self, purpose: &[u8]) -> Digest32 {
        let mut parties = Writer::new();
        for (index, member) in &self.members {
            parties
                .u8(index.get())
                .value(&member.node)
                .fixed(&member.identity);
        }
        Digest32::of(
            b"quorate session context v1",
            &[
                self.session.as_bytes(),
                &[self.min_signers],
                &parties.finish(),
                purpose,
            ],
        )
    }
}
