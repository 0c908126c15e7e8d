//! Two-party multiplication: random vector OLE over correlated OTs.
//!
//! The receiver gets a random `χ` and the sender has two inputs; they leave with additive shares of
//! both products: `c_k + d_k = χ · a_k`.
//! Source: eprint 2023/765, Protocol 5.2 (`Π_RVOLE`) with ℓ = 2 and, since |q| = κ, ρ = 1;
//! `docs/protocols/dkls23.md` §2.3, §2.4 and §5.

mod gadget;

use blake3::Hasher;
use quorate_kernels::{
    Block, Corrections as Corrected, Group, Residue, Row, SIDE_BY_SIDE, Tccr, TripleBytes, WideSum,
    combine, correct,
};
use quorate_types::{DecodeError, Digest32, Reader, Writer};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::ids;
use crate::ot::SenderSeeds;
use crate::ot::extension::{self, OTS, Received, Sent};
pub(crate) use gadget::Gadget;

/// ℓ: the instance key and the share of the secret key.
pub(crate) const INPUTS: usize = 2;
/// ℓ + ρ: with one more number that masks the check.
const WIDTH: usize = INPUTS + 1;
/// Bytes of the corrections `τ`.
pub(crate) const TAU: usize = OTS * WIDTH * 32;
/// Bytes of a [`Corrections`].
pub(crate) const MESSAGE: usize = TAU + 32 + 32;

/// OTs come in groups that the kernels work on side by side.
const GROUPS: usize = OTS / SIDE_BY_SIDE;
// No OT is left over.
const _: () = assert!(OTS.is_multiple_of(SIDE_BY_SIDE));
/// Groups whose pads are made and used before the next: they stay in the nearest cache.
const AT_A_TIME: usize = 8;
/// OTs of these.
const OTS_AT_A_TIME: usize = AT_A_TIME * SIDE_BY_SIDE;

/// Hash domain of pads; that of rows is in `ot::extension`.
const PADS_DOMAIN: u32 = 2;

/// The sender's message.
pub(crate) struct Corrections {
    /// `τ`, an OT after the other; every number is below the group order.
    tau: Vec<Group<TripleBytes>>,
    /// `η`.
    combined: Residue,
    /// Digest of all `μ`.
    check: [u8; 32],
}

impl Corrections {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.fixed(self.tau.as_flattened().as_flattened())
            .fixed(&self.combined.to_be_bytes())
            .fixed(&self.check);
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let tau = input.take("tau", TAU)?;
        if !all_are_below_the_order(tau) {
            return Err(not_below("tau"));
        }
        let combined = Residue::from_be_bytes(&input.array("eta")?);
        Ok(Self {
            tau: tau.as_chunks().0.as_chunks().0.to_vec(),
            combined: combined.ok_or(not_below("eta"))?,
            check: input.array("mu")?,
        })
    }

    /// Hashes `η` and the digest of all `μ`; [`Shares::transcript`] stands for `τ`.
    pub(crate) fn hash_check(&self, hasher: &mut Hasher) {
        hasher
            .update(&self.combined.to_be_bytes())
            .update(&self.check);
    }
}

/// Every 32 bytes. Numbers whose first word has a zero bit are: those of an honest sender, but for
/// once in 2⁵⁴ messages. The sender knows all of them, so the time may tell which it sent.
fn all_are_below_the_order(numbers: &[u8]) -> bool {
    let numbers = numbers.as_chunks::<32>().0;
    let is_near = |number: &[u8; 32]| number.first_chunk() == Some(&[0xff; 8]);
    let mut near = numbers.iter().filter(|number| is_near(number));
    near.all(|number| Residue::from_be_bytes(number).is_some())
}

const fn not_below(field: &'static str) -> DecodeError {
    DecodeError::Invalid {
        field,
        why: "not below the group order",
    }
}

/// What a product leaves at each of its two sides.
pub(crate) struct Shares {
    /// Our shares of both products.
    pub(crate) numbers: [Residue; INPUTS],
    /// Digest of the product's id and all `τ`; both sides have the same.
    pub(crate) transcript: Digest32,
}

impl Drop for Shares {
    fn drop(&mut self) {
        self.numbers.zeroize();
    }
}

/// The sender used different inputs in different OTs. Tells one bit of our choices for each that it
/// guessed, so it may happen once (row C12).
pub(crate) struct Inconsistent;

/// Step 2.3: multiplies as sender.
///
/// - `id`: of this product; it covers 32 fresh bytes of ours and the receiver's whole matrix.
/// - `blind`: a random number, fresh for this product.
pub(crate) fn send(
    sent: &Sent,
    seeds: &SenderSeeds,
    id: &Digest32,
    gadget: &Gadget,
    inputs: &[Residue; INPUTS],
    blind: &Residue,
) -> (Corrections, Shares) {
    let hash = Tccr::new(extension::key(id));
    let mut all = Zeroizing::new([Residue::default(); WIDTH]);
    for (place, input) in all.iter_mut().zip(inputs.iter().chain([blind])) {
        *place = *input;
    }
    // Kept until the challenge is known, which covers all corrections.
    let mut zeros = Zeroizing::new(vec![[[0; 6]; SIDE_BY_SIDE]; GROUPS]);
    let mut tau = vec![[[0; 96]; SIDE_BY_SIDE]; GROUPS];
    let mut other = Zeroizing::new([0; OTS_AT_A_TIME]);
    let mut ones = Zeroizing::new([[[0; 6]; SIDE_BY_SIDE]; AT_A_TIME]);
    let places = zeros.chunks_mut(AT_A_TIME).zip(tau.chunks_mut(AT_A_TIME));
    for ((from, pads), (zeros, tau)) in at_a_time(&sent.pads).zip(places) {
        for (other, pad) in other.iter_mut().zip(pads) {
            *other = pad ^ seeds.delta;
        }
        // The last time there are fewer.
        let other = other.split_at(pads.len()).0;
        let ones = ones.split_at_mut(zeros.len()).0;
        hash.hash(PADS_DOMAIN, from, pads, zeros.as_flattened_mut());
        hash.hash(PADS_DOMAIN, from, other, ones.as_flattened_mut());
        correct(zeros, ones, &all, tau);
    }

    let challenge = Challenge::new(id, &tau);
    let (mut mu, mut sums) = (Mu::new(), Default::default());
    let (numbers, theta) = (gadget.groups(), &challenge.theta);
    combine(&zeros, None, numbers, theta, mu.places(), &mut sums);
    let corrections = Corrections {
        tau,
        combined: challenge.combine(&all),
        check: mu.digest(id),
    };
    // An empty vector is wiped as a whole, not number by number.
    zeros.clear();
    let zero = Residue::default();
    let shares = challenge.shares(&sums, |sum| zero.minus(&sum.reduce()));
    (corrections, shares)
}

/// Step 2.2: `χ`, the receiver's number: its choices under the gadget.
pub(crate) fn chi(received: &Received, gadget: &Gadget) -> Residue {
    gadget.choose(&received.choices)
}

/// Step 2.4: multiplies as receiver, and checks.
///
/// # Errors
/// [`Inconsistent`]: a ban.
pub(crate) fn receive(
    received: &Received,
    id: &Digest32,
    gadget: &Gadget,
    corrections: &Corrections,
) -> Result<Shares, Inconsistent> {
    let hash = Tccr::new(extension::key(id));
    let challenge = Challenge::new(id, &corrections.tau);
    let choices = choice_bytes(&received.choices);
    let (mut mu, mut sums) = (Mu::new(), Default::default());
    let mut own = Zeroizing::new([[[0; 6]; SIDE_BY_SIDE]; AT_A_TIME]);
    let inputs = choices
        .chunks(AT_A_TIME)
        .zip(corrections.tau.chunks(AT_A_TIME));
    let places = mu.places().chunks_mut(AT_A_TIME);
    let places = gadget.groups().chunks(AT_A_TIME).zip(places);
    for (((from, pads), (choices, tau)), (gadget, mu)) in
        at_a_time(&received.pads).zip(inputs).zip(places)
    {
        // The last time there are fewer.
        let own = own.split_at_mut(choices.len()).0;
        hash.hash(PADS_DOMAIN, from, pads, own.as_flattened_mut());
        let corrected = Corrected {
            choices,
            tau,
            eta: corrections.combined,
        };
        let theta = &challenge.theta;
        combine(own, Some(&corrected), gadget, theta, mu, &mut sums);
    }
    if !bool::from(mu.digest(id).ct_eq(&corrections.check)) {
        return Err(Inconsistent);
    }
    Ok(challenge.shares(&sums, WideSum::reduce))
}

/// Pads of the OTs that are worked on at a time, and the number of the first of them.
fn at_a_time(pads: &[Block]) -> impl Iterator<Item = (u32, &[Block])> {
    (0..).step_by(OTS_AT_A_TIME).zip(pads.chunks(OTS_AT_A_TIME))
}

/// The choices, eight to a byte.
fn choice_bytes(choices: &Row) -> Zeroizing<[u8; OTS.div_ceil(8)]> {
    let mut bytes = Zeroizing::new([0; OTS.div_ceil(8)]);
    for (bytes, word) in bytes.chunks_mut(16).zip(choices) {
        for (byte, choices) in bytes.iter_mut().zip(word.to_le_bytes()) {
            *byte = choices;
        }
    }
    bytes
}

/// The challenge of the consistency check: known only after all corrections are fixed (row A13).
struct Challenge {
    /// `θ`, 128 bits each.
    theta: [u128; INPUTS],
    /// Comes from the same hash, so it stands for product and corrections.
    transcript: Digest32,
}

impl Challenge {
    fn new(id: &Digest32, tau: &[Group<TripleBytes>]) -> Self {
        let mut hasher = ids::oracle(b"theta", id);
        hasher.update(tau.as_flattened().as_flattened());
        let mut output = hasher.finalize_xof();
        let mut theta = [[0; 16]; INPUTS];
        output.fill(theta.as_flattened_mut());
        let mut transcript = [0; 32];
        output.fill(&mut transcript);
        Self {
            theta: theta.map(u128::from_be_bytes),
            transcript: Digest32::from_array(transcript),
        }
    }

    /// `v₃ + θ₁·v₁ + θ₂·v₂`.
    fn combine(&self, [first, second, third]: &[Residue; WIDTH]) -> Residue {
        let [theta_first, theta_second] = self.theta.map(|theta| Residue::from_blocks(theta, 0));
        let mut sum = WideSum::new();
        sum.add_product(&theta_first, first);
        sum.add_product(&theta_second, second);
        sum.add(third);
        sum.reduce()
    }

    fn shares(&self, sums: &[WideSum; INPUTS], number: impl Fn(&WideSum) -> Residue) -> Shares {
        Shares {
            numbers: sums.each_ref().map(number),
            transcript: self.transcript,
        }
    }
}

/// All `μ`, hashed at once: BLAKE3 works on many kilobytes side by side.
struct Mu(Zeroizing<Vec<Group<[u8; 32]>>>);

impl Mu {
    fn new() -> Self {
        Self(Zeroizing::new(vec![[[0; 32]; SIDE_BY_SIDE]; GROUPS]))
    }

    fn places(&mut self) -> &mut [Group<[u8; 32]>] {
        &mut self.0
    }

    fn digest(mut self, id: &Digest32) -> [u8; 32] {
        let mut hasher = ids::oracle(b"mu", id);
        hasher.update(self.0.as_flattened().as_flattened());
        // An empty vector is wiped as a whole, not byte by byte.
        self.0.clear();
        let digest = *hasher.finalize().as_bytes();
        hasher.zeroize();
        digest
    }
}

#[cfg(test)]
mod a8_timing;
#[cfg(test)]
mod tests;
