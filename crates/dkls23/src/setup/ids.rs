//! Ids of the set-up, all derived from the run's context. `docs/protocols/dkls23.md` §4.

use quorate_types::{Digest32, PartyIndex};

/// Engine session id of the multiplication in which `receiver` chooses the OT bits.
pub(crate) fn multiplication(
    context: &Digest32,
    receiver: PartyIndex,
    sender: PartyIndex,
) -> Digest32 {
    directed(
        b"quorate dkls23 multiplication v1",
        context,
        receiver,
        sender,
    )
}

/// What a zero-sharing seed of `sender` for `receiver` is committed under.
pub(crate) fn seed(context: &Digest32, sender: PartyIndex, receiver: PartyIndex) -> Digest32 {
    directed(b"quorate dkls23 zero seed v1", context, sender, receiver)
}

/// What one party of a pair sent to the other, without the secret seed.
pub(crate) struct Sent {
    pub(crate) party: PartyIndex,
    pub(crate) commitment: [u8; 32],
    pub(crate) multiplication: Digest32,
}

/// Step 1.4: the generation of a pair; the same whichever party computes it.
pub(crate) fn generation(context: &Digest32, ours: &Sent, theirs: &Sent) -> Digest32 {
    let (low, high) = if ours.party < theirs.party {
        (ours, theirs)
    } else {
        (theirs, ours)
    };
    Digest32::of(
        b"quorate dkls23 pair generation v1",
        &[
            context.as_bytes(),
            &[low.party.get(), high.party.get()],
            &low.commitment,
            &high.commitment,
            low.multiplication.as_bytes(),
            high.multiplication.as_bytes(),
        ],
    )
}

fn directed(tag: &[u8], context: &Digest32, from: PartyIndex, to: PartyIndex) -> Digest32 {
    Digest32::of(tag, &[context.as_bytes(), &[from.get(), to.get()]])
}
