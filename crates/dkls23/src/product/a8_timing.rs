//! Row A8: does the time of what is neither in `quorate-kernels` nor in a library depend on choices?
//! Measured as there, and ignored as there:
//!
//! `cargo test --release --locked -p quorate-dkls23 --lib -- --ignored --nocapture a8_`

#![allow(clippy::print_stdout, reason = "measurements are for reading")]

#[path = "../../../kernels/tests/a8_timing/statistics.rs"]
#[allow(dead_code, reason = "its own tests are in quorate-kernels")]
mod statistics;

use std::hint::black_box;

use quorate_kernels::Row;
use quorate_types::{Digest32, PartyIndex};

use super::gadget::Gadget;
use crate::ot::BASE_OTS;
use crate::ot::extension::bit_mask;
use statistics::{Comparison, Random, pick};

#[test]
#[ignore = "a measurement"]
fn a8_choices__must_take_the_same_time_whatever_their_bits() {
    let mut comparison = Comparison::begin("choices");
    let receiver = PartyIndex::new(2).unwrap();
    let gadget = Gadget::new(&Digest32::from_array([7; 32]), receiver);
    let choices = |f: bool, r: &mut Random| -> Row { std::array::from_fn(|_| pick(f, r.block())) };
    comparison.add("number of the choice bits", choices, |choices| {
        black_box(gadget.choose(black_box(choices)));
    });
    // As `extension::send` uses it: a row is kept where that bit of the sender's choices is one.
    let delta = |f: bool, r: &mut Random| (pick(f, r.block()), r.block());
    comparison.add(
        "rows kept by the sender's choices",
        delta,
        |(delta, row)| {
            for number in 0..BASE_OTS {
                black_box(row & bit_mask(black_box(*delta), number));
            }
        },
    );
    comparison.finish();
}
