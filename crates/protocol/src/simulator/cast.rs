use std::collections::BTreeMap;

use ed25519_dalek::{Signer, SigningKey};
use quorate_types::{Digest32, NodeId, PartyIndex, SessionId};
use rand_core::Rng;

use super::plan::Plan;
use crate::driver::SignBytes;
use crate::roster::{Member, Roster};

/// The parties of one run: node identities, session and context, all from the seed.
pub struct Cast {
    min_signers: u8,
    session: SessionId,
    context: Digest32,
    members: BTreeMap<PartyIndex, Member>,
    keys: BTreeMap<PartyIndex, SigningKey>,
}

struct NodeKey(SigningKey);

impl SignBytes for NodeKey {
    fn sign(&self, statement: &[u8]) -> [u8; 64] {
        self.0.sign(statement).to_bytes()
    }
}

impl Cast {
    /// Draws identities and a session for the parties of a plan.
    ///
    /// # Panics
    /// If the plan's numbers make no roster.
    #[must_use]
    pub fn new(plan: &Plan, purpose: &[u8], rng: &mut impl Rng) -> Self {
        let keys: BTreeMap<_, _> = plan
            .indices()
            .map(|index| {
                let mut seed = [0; 32];
                rng.fill_bytes(&mut seed);
                (index, SigningKey::from_bytes(&seed))
            })
            .collect();
        let members = keys.iter().map(|(index, key)| {
            let node = NodeId::new(&format!("p{index}")).expect("p and a number is a node id");
            let identity = key.verifying_key().to_bytes();
            (*index, Member { node, identity })
        });
        let mut session = [0; 16];
        rng.fill_bytes(&mut session);
        let mut cast = Self {
            min_signers: plan.min_signers,
            session: SessionId::from_array(session),
            context: Digest32::from_array([0; 32]),
            members: members.collect(),
            keys,
        };
        let first = PartyIndex::new(1).expect("1 is an index");
        cast.context = cast.roster(first).context(purpose);
        cast
    }

    /// The run as one party sees it.
    ///
    /// # Panics
    /// If the plan's numbers make no roster.
    #[must_use]
    pub fn roster(&self, me: PartyIndex) -> Roster {
        Roster::new(self.session, me, self.min_signers, self.members.clone())
            .expect("plans have 2 <= t <= n different parties")
    }

    /// What a party signs with.
    ///
    /// # Panics
    /// If it is not in the run.
    #[must_use]
    pub fn signer(&self, me: PartyIndex) -> Box<dyn SignBytes + Send> {
        let key = self.keys.get(&me).expect("every party has a key");
        Box::new(NodeKey(key.clone()))
    }

    /// Digest that the run's signatures are bound to.
    #[must_use]
    pub const fn context(&self) -> Digest32 {
        self.context
    }

    /// The session.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// All parties, ascending.
    pub fn parties(&self) -> impl ExactSizeIterator<Item = PartyIndex> + '_ {
        self.members.keys().copied()
    }
}
