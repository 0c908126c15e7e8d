//! The public gadget: random numbers that turn 416 choice bits into one number.
//! `docs/protocols/dkls23.md` §5.

use quorate_kernels::{Group, Residue, Row, SIDE_BY_SIDE, WideSum, mask};
use quorate_types::{Digest32, PartyIndex};

use crate::ids;
use crate::ot::extension::OTS;

/// One direction of one pair's gadget; public.
pub(crate) struct Gadget(Vec<Group<Residue>>);

impl Gadget {
    /// The gadget that a generation has where `receiver` (its place in the pair) receives.
    pub(crate) fn new(generation: &Digest32, receiver: PartyIndex) -> Self {
        let mut bytes = vec![0; 32 * OTS];
        ids::gadget(generation, receiver)
            .finalize_xof()
            .fill(&mut bytes);
        let groups = bytes.as_chunks::<32>().0.as_chunks::<SIDE_BY_SIDE>().0;
        let numbers = |group: &Group<[u8; 32]>| group.each_ref().map(Residue::reduce);
        Self(groups.iter().map(numbers).collect())
    }

    /// `g`, one number for each OT.
    pub(crate) fn groups(&self) -> &[Group<Residue>] {
        &self.0
    }

    /// `Σ g_m · β_m`.
    pub(crate) fn choose(&self, choices: &Row) -> Residue {
        let mut sum = WideSum::new();
        for (number, entry) in self.0.as_flattened().iter().enumerate() {
            sum.add(&entry.masked(choice_mask(choices, number)));
        }
        sum.reduce()
    }
}

/// All ones if that choice is one.
fn choice_mask(choices: &Row, number: usize) -> u64 {
    let word = choices.get(number / 128).copied().unwrap_or_default();
    let [low, ..] = (word >> (number % 128)).to_le_bytes();
    mask(u64::from(low & 1))
}
