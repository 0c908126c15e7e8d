//! What a signature allocates: its messages and results, and nothing for each of its OTs.

use crate::committee::{THREE_OF_FIVE, TWO_OF_THREE, digest, index};
use crate::signing::{must_be_one_valid_signature, sign};

/// OTs of one signature with one counterparty (`docs/protocols/dkls23.md`).
const OTS: u64 = 416;

#[test]
fn inner_loops__must_not_allocate() {
    for (name, committee, signers) in [
        ("two", &*TWO_OF_THREE, vec![index(1), index(2)]),
        ("three", &*THREE_OF_FIVE, vec![index(1), index(2), index(3)]),
    ] {
        let message = digest(name);
        let mut signed = None;
        let run = || signed = Some(sign(committee, &signers, [7; 16], message));
        let used = allocation_counter::measure(run);
        must_be_one_valid_signature(committee, signed.unwrap(), message);
        // Drivers, rosters and messages of all signers count too: 158 and 319.
        assert!(used.count_total < OTS, "{name}: {used:?}");
    }
}
