//! The public gadget: random numbers that turn 416 choice bits into one number.
//! `docs/protocols/dkls23.md` §5.

use quorate_kernels::{Residue, Row, WideSum};
use quorate_types::{Digest32, PartyIndex};

use crate::ids;
use crate::ot::extension::OTS;
use crate::product::{INPUTS, Pads, choice_mask};

/// One direction of one pair's gadget; public.
pub(crate) struct Gadget(Vec<Residue>);

impl Gadget {
    /// The gadget that a generation has where `receiver` (its place in the pair) receives.
    pub(crate) fn new(generation: &Digest32, receiver: PartyIndex) -> Self {
        let mut bytes = vec![0; 32 * OTS];
        ids::gadget(generation, receiver)
            .finalize_xof()
            .fill(&mut bytes);
        Self(
            bytes
                .as_chunks::<32>()
                .0
                .iter()
                .map(Residue::reduce)
                .collect(),
        )
    }

    /// `Σ g_m · β_m`.
    pub(crate) fn choose(&self, choices: &Row) -> Residue {
        let mut sum = WideSum::new();
        for (number, entry) in self.0.iter().enumerate() {
            sum.add(&entry.masked(choice_mask(choices, number)));
        }
        sum.reduce()
    }

    /// `Σ g_m · v_m` of the first two numbers of each OT.
    pub(crate) fn sums(&self, values: &[Pads]) -> [Residue; INPUTS] {
        let (mut first_sum, mut second_sum) = (WideSum::new(), WideSum::new());
        for (entry, [first, second, _]) in self.0.iter().zip(values) {
            first_sum.add_product(entry, first);
            second_sum.add_product(entry, second);
        }
        [first_sum.reduce(), second_sum.reduce()]
    }
}
