//! Selective failure of the OT extension (row C12), as a dishonest receiver does it: one column is
//! made with another seed than the base OTs gave, so that the sender's check fails exactly if the
//! sender's secret bit of that column is 1. All else in the message is honest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quorate_dkls23::{PairState, Pairs};
use quorate_types::PartyIndex;

use crate::danger;

/// Base OTs of a pair. As receiver of the extension we have a seed of 16 bytes for each choice.
const COLUMNS: usize = 128;
const SEED: usize = 16;
/// Where the seeds for the choice 1 begin (docs/protocols/dkls23.md §1.3): behind version, generation,
/// place, zero-sharing seed and the seeds for the choice 0.
const ONES: usize = 1 + 32 + 1 + 32 + COLUMNS * SEED;

/// The column of the next session's guess: each session asks for another bit.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Our pair states with a guess about the victim's, where the script says `lie guess` and its index.
pub(crate) fn guessing(states: &Pairs) -> Option<Pairs> {
    let victim = danger::script().iter().find_map(|line| victim(line))?;
    let column = NEXT.fetch_add(1, Ordering::SeqCst) % COLUMNS;
    let mut bytes = states.get(&victim)?.to_secret_bytes();
    *bytes.get_mut(ONES + column * SEED)? ^= 1;
    let guess = PairState::from_secret_bytes(&bytes).ok()?;
    let mut guessing = states.clone();
    guessing.insert(victim, Arc::new(guess));
    Some(guessing)
}

fn victim(line: &[String]) -> Option<PartyIndex> {
    let words: Vec<&str> = line.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["lie", "guess", index] => PartyIndex::new(index.parse().ok()?),
        _ => None,
    }
}
