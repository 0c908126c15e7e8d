//! Everything that an id or a random oracle covers. `docs/protocols/dkls23.md` §4.
//!
//! Short inputs go through SHA-256 with length prefixes ([`Digest32::of`]); long ones through BLAKE3
//! keyed by such a digest. Each use has its own tag (row A5).

use blake3::Hasher;
use quorate_types::{Digest32, PartyIndex};
use zeroize::Zeroizing;

/// A BLAKE3 hasher for one purpose and one id.
pub(crate) fn oracle(purpose: &[u8], id: &Digest32) -> Hasher {
    let key = Digest32::of(b"quorate dkls23 v2 oracle", &[purpose, id.as_bytes()]);
    Hasher::new_keyed(key.as_bytes())
}

/// One direction of one set-up: `chooser` is its place in the pair.
pub(crate) fn base_ots(context: &Digest32, chooser: PartyIndex) -> Digest32 {
    let parts: [&[u8]; 2] = [context.as_bytes(), &[chooser.get()]];
    Digest32::of(b"quorate dkls23 v2 base OT", &parts)
}

/// Everything that both sides of one direction sent; `offers` is a digest of the chooser's message.
pub(crate) fn base_ot_seeds(direction: &Digest32, offers: &[u8; 32], key: &[u8; 32]) -> Digest32 {
    let parts: [&[u8]; 3] = [direction.as_bytes(), offers, key];
    Digest32::of(b"quorate dkls23 v2 base OT seeds", &parts)
}

/// What the generation covers of an offer: all but the secret half of a seed.
pub(crate) fn offer(key: &[u8; 32], points: &[u8]) -> Digest32 {
    Digest32::of(b"quorate dkls23 v2 offer", &[key, points])
}

/// Names what a set-up makes. `offers`: of place 1 first.
pub(crate) fn generation(context: &Digest32, [first, second]: [&Digest32; 2]) -> Digest32 {
    let parts: [&[u8]; 3] = [context.as_bytes(), first.as_bytes(), second.as_bytes()];
    Digest32::of(b"quorate dkls23 v2 generation", &parts)
}

/// The zero-sharing seed of a generation; secret. `halves`: of place 1 first.
pub(crate) fn zero_seed(
    generation: &Digest32,
    [first, second]: [&[u8; 32]; 2],
) -> Zeroizing<[u8; 32]> {
    let parts: [&[u8]; 3] = [generation.as_bytes(), first, second];
    wiped(&Digest32::of(b"quorate dkls23 v2 zero seed", &parts))
}

/// What shows the other of a pair that the party at place `from` made the same.
pub(crate) fn confirmation(
    generation: &Digest32,
    zero_seed: &[u8; 32],
    from: PartyIndex,
) -> Digest32 {
    let parts: [&[u8]; 3] = [generation.as_bytes(), zero_seed, &[from.get()]];
    Digest32::of(b"quorate dkls23 v2 confirmation", &parts)
}

/// What one attempt is about; the same at all its signers. Every other id of signing covers it, so
/// its tag is the version of signing: peers of another version fail the session binding, before any
/// check that bans.
pub(crate) fn session(
    context: &Digest32,
    public_key: &[u8; 33],
    chain_code: &[u8; 32],
    digest: &[u8; 32],
    signers: &[u8],
) -> Digest32 {
    let parts: [&[u8]; 5] = [context.as_bytes(), public_key, chain_code, digest, signers];
    Digest32::of(b"quorate dkls23 v3 session", &parts)
}

/// What sender and recipient of a message must agree on before anything in it is checked.
pub(crate) fn binding(
    session: &Digest32,
    round: u8,
    (from, to): (PartyIndex, PartyIndex),
    nonces: &[&[u8; 32]],
) -> Digest32 {
    let places = [round, from.get(), to.get()];
    let mut parts: Vec<&[u8]> = vec![session.as_bytes(), &places];
    parts.extend(nonces.iter().map(|nonce| nonce.as_slice()));
    Digest32::of(b"quorate dkls23 v2 binding", &parts)
}

/// Commitment of a signer to its nonce point.
pub(crate) fn commitment(
    session: &Digest32,
    from: PartyIndex,
    nonce_point: &[u8; 65],
    salt: &[u8; 32],
) -> Digest32 {
    let parts: [&[u8]; 4] = [session.as_bytes(), &[from.get()], nonce_point, salt];
    Digest32::of(b"quorate dkls23 v2 commitment", &parts)
}

/// One OT extension: `receiver` and `sender` are key indices, `nonce` the receiver's fresh bytes.
pub(crate) fn extension(
    session: &Digest32,
    generation: &Digest32,
    (receiver, sender): (PartyIndex, PartyIndex),
    nonce: &[u8; 32],
) -> Digest32 {
    let places = [receiver.get(), sender.get()];
    let parts: [&[u8]; 4] = [session.as_bytes(), generation.as_bytes(), &places, nonce];
    Digest32::of(b"quorate dkls23 v2 extension", &parts)
}

/// The message of an extension. `transcript` stands for its rows, and for the extension.
pub(crate) fn matrix(transcript: &Digest32, choices: &[u8], rows: &[u8; 32]) -> Digest32 {
    let parts: [&[u8]; 3] = [transcript.as_bytes(), choices, rows];
    Digest32::of(b"quorate dkls23 v3 matrix", &parts)
}

/// The product made from an extension: adds the sender's fresh bytes, and the message of the
/// extension, which was fixed before they were known.
pub(crate) fn product(extension: &Digest32, matrix: &Digest32, salt: &[u8; 32]) -> Digest32 {
    let parts: [&[u8]; 3] = [extension.as_bytes(), matrix.as_bytes(), salt];
    Digest32::of(b"quorate dkls23 v2 product", &parts)
}

/// One pair's summand of a share of zero; secret. `nonces`: of the lower index first.
pub(crate) fn zero(
    seed: &[u8; 32],
    session: &Digest32,
    pair: (PartyIndex, PartyIndex),
    nonces: (&[u8; 32], &[u8; 32]),
) -> Zeroizing<[u8; 32]> {
    let places = [pair.0.get(), pair.1.get()];
    let parts: [&[u8]; 5] = [seed, session.as_bytes(), &places, nonces.0, nonces.1];
    wiped(&Digest32::of(b"quorate dkls23 v2 zero share", &parts))
}

/// The public gadget of one direction of a pair: `receiver` is its place in the pair, 1 or 2.
pub(crate) fn gadget(generation: &Digest32, receiver: PartyIndex) -> Hasher {
    let id = Digest32::of(
        b"quorate dkls23 v2 gadget id",
        &[generation.as_bytes(), &[receiver.get()]],
    );
    oracle(b"gadget", &id)
}

/// A digest that is secret: it does not outlive its name.
fn wiped(digest: &Digest32) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(*digest.as_bytes())
}

#[cfg(test)]
mod tests;
