//! Who takes part: indices, committees, signer sets.

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

use crate::canonical::{Canonical, DecodeError, Reader, Writer};
use crate::id::NodeId;
use crate::threshold::MAX_PARTIES;

/// x-coordinate of a party's share, from 1. Not a network identity (that is [`NodeId`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartyIndex(u8);

impl PartyIndex {
    /// Checks an index: 1 to [`MAX_PARTIES`]. 0 would be the secret itself (row B2).
    #[must_use]
    pub fn new(index: u8) -> Option<Self> {
        (1..=MAX_PARTIES).contains(&index).then_some(Self(index))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for PartyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Canonical for PartyIndex {
    fn write(&self, out: &mut Writer) {
        out.u8(self.0);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let why = "a party index is 1 to 20";
        Self::new(input.u8("party index")?).ok_or(DecodeError::Invalid {
            field: "party index",
            why,
        })
    }
}

/// Which sharing of a key a share belongs to: 1 after key generation, one more after each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch that key generation makes.
    pub const FIRST: Self = Self(1);

    /// Checks an epoch: from 1.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Canonical for Epoch {
    fn write(&self, out: &mut Writer) {
        out.u64(self.0);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let why = "an epoch is 1 or more";
        Self::new(input.u64("epoch")?).ok_or(DecodeError::Invalid {
            field: "epoch",
            why,
        })
    }
}

/// Why a list of nodes is not a committee.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidCommittee {
    /// Fewer than 2 or more than [`MAX_PARTIES`] members.
    #[error("a committee has 2 to {MAX_PARTIES} members, not {0}")]
    Size(usize),
    /// A node is named twice (row B2).
    #[error("node `{0}` is named twice")]
    Duplicate(NodeId),
}

/// The nodes that hold shares of one key, in the order of their indices.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Committee(Vec<NodeId>);

impl Committee {
    /// Checks a list of members; the first gets index 1.
    ///
    /// # Errors
    /// [`InvalidCommittee`].
    pub fn new(members: Vec<NodeId>) -> Result<Self, InvalidCommittee> {
        if members.len() < 2 || members.len() > usize::from(MAX_PARTIES) {
            return Err(InvalidCommittee::Size(members.len()));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = members.iter().find(|node| !seen.insert(*node)) {
            return Err(InvalidCommittee::Duplicate(twice.clone()));
        }
        Ok(Self(members))
    }

    /// Number of members.
    #[must_use]
    pub fn size(&self) -> u8 {
        u8::try_from(self.0.len()).expect("a committee has at most 20 members")
    }

    /// Members with their indices, in order.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (PartyIndex, &NodeId)> {
        self.0.iter().enumerate().map(|(position, node)| {
            let index = u8::try_from(position + 1).expect("a committee has at most 20 members");
            (PartyIndex(index), node)
        })
    }

    /// Index of a node, if it is a member.
    #[must_use]
    pub fn index_of(&self, node: &NodeId) -> Option<PartyIndex> {
        self.members()
            .find(|(_, member)| *member == node)
            .map(|(index, _)| index)
    }

    /// Node at an index, if there is one.
    #[must_use]
    pub fn node(&self, index: PartyIndex) -> Option<&NodeId> {
        self.0.get(usize::from(index.0) - 1)
    }
}

impl Canonical for Committee {
    fn write(&self, out: &mut Writer) {
        out.list(self.0.iter());
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let members = input.list("committee", usize::from(MAX_PARTIES))?;
        let why = "a committee has 2 to 20 different members";
        Self::new(members).map_err(|_| DecodeError::Invalid {
            field: "committee",
            why,
        })
    }
}

/// The parties of one signing attempt, in ascending order, each once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SignerSet(Vec<PartyIndex>);

impl SignerSet {
    /// Sorts and checks; `None` if an index is repeated or there are fewer than two.
    #[must_use]
    pub fn new(mut signers: Vec<PartyIndex>) -> Option<Self> {
        signers.sort_unstable();
        let distinct = signers.windows(2).all(|pair| pair.first() != pair.last());
        (signers.len() >= 2 && distinct).then_some(Self(signers))
    }

    /// The indices, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = PartyIndex> + '_ {
        self.0.iter().copied()
    }

    /// Whether an index signs.
    #[must_use]
    pub fn contains(&self, index: PartyIndex) -> bool {
        self.0.binary_search(&index).is_ok()
    }

    /// Number of signers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true: a set has at least two signers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Canonical for SignerSet {
    fn write(&self, out: &mut Writer) {
        out.list(self.0.iter());
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let signers = input.list("signers", usize::from(MAX_PARTIES))?;
        let why = "signers are two or more different indices";
        Self::new(signers).ok_or(DecodeError::Invalid {
            field: "signers",
            why,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b2_party_index__must_refuse_zero_and_more_than_twenty() {
        assert_eq!(PartyIndex::new(0), None);
        assert_eq!(PartyIndex::new(21), None);
        assert_eq!(PartyIndex::new(20).map(PartyIndex::get), Some(20));
    }

    #[test]
    fn b2_committee__must_refuse_duplicates_and_wrong_sizes() {
        let node = |name: &str| NodeId::new(name).unwrap();
        assert_eq!(
            Committee::new(vec![node("a"), node("b"), node("a")]),
            Err(InvalidCommittee::Duplicate(node("a")))
        );
        assert_eq!(
            Committee::new(vec![node("a")]),
            Err(InvalidCommittee::Size(1))
        );
        let committee = Committee::new(vec![node("b"), node("a")]).unwrap();
        assert_eq!(committee.index_of(&node("a")).map(PartyIndex::get), Some(2));
        assert_eq!(
            Committee::from_bytes(&committee.to_bytes()).unwrap(),
            committee
        );
    }

    #[test]
    fn b2_signer_set__must_refuse_a_repeated_index() {
        let index = |n| PartyIndex::new(n).unwrap();
        assert!(SignerSet::new(vec![index(1), index(1)]).is_none());
        assert!(SignerSet::new(vec![index(1)]).is_none());
        let unsorted = [0, 0, 0, 2, 2, 1];
        assert_eq!(
            SignerSet::from_bytes(&unsorted),
            Err(DecodeError::NotCanonical)
        );
    }
}
