//! Selective failure of the OT extension (row C12), as a dishonest receiver does it: one column is
//! made with another seed than the base OTs gave, so that the sender's check fails exactly if the
//! sender's secret bit of that column is 1. All else in the message is honest.

use std::sync::atomic::{AtomicUsize, Ordering};

use quorate_dkls23::{PairSetup, PairSetups};
use quorate_types::PartyIndex;

use crate::danger;

/// Base OTs of a pair, each with a seed of 32 bytes for the choice 1: what pair state ends with.
const COLUMNS: usize = 256;
const SEED: usize = 32;

/// The column of the next session's guess: each session asks for another bit.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Our pair state with a guess about the victim's, where the script says `lie guess` and its index.
pub(crate) fn guessing(setups: &PairSetups) -> Option<PairSetups> {
    let victim = danger::script().iter().find_map(|line| victim(line))?;
    let column = NEXT.fetch_add(1, Ordering::SeqCst) % COLUMNS;
    let pair = |(peer, _)| {
        let mut bytes = setups.get(peer)?.to_secret_bytes();
        if peer == victim {
            let seeds = bytes.len().checked_sub(COLUMNS * SEED)?;
            *bytes.get_mut(seeds + column * SEED)? ^= 1;
        }
        PairSetup::from_secret_bytes(&bytes).ok()
    };
    let pairs = setups.generations().map(pair).collect::<Option<Vec<_>>>()?;
    PairSetups::new(setups.me(), pairs).ok()
}

fn victim(line: &[String]) -> Option<PartyIndex> {
    let words: Vec<&str> = line.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["lie", "guess", index] => PartyIndex::new(index.parse().ok()?),
        _ => None,
    }
}
