//! Two-party multiplication: random vector OLE over correlated OTs.
//!
//! The receiver gets a random `χ` and the sender has two inputs; they leave with additive shares of
//! both products: `c_k + d_k = χ · a_k`.
//! Source: eprint 2023/765, Protocol 5.2 (`Π_RVOLE`) with ℓ = 2 and, since |q| = κ, ρ = 1;
//! `docs/protocols/dkls23.md` §2.3, §2.4 and §5.

mod gadget;

use quorate_kernels::{Block, Residue, Row, Tccr, WideSum, mask};
use quorate_types::{DecodeError, Digest32, Reader, Writer};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::ids;
use crate::ot::extension::{self, OTS, Received, Sent};
pub(crate) use gadget::Gadget;

/// ℓ: the instance key and the share of the secret key.
pub(crate) const INPUTS: usize = 2;
/// ℓ + ρ: with one more number that masks the check.
const WIDTH: usize = INPUTS + 1;
/// Blocks of pad for one OT.
const BLOCKS: usize = 2 * WIDTH;
/// Bytes of the corrections `τ`.
pub(crate) const TAU: usize = OTS * WIDTH * 32;
/// Bytes of a [`Corrections`].
pub(crate) const MESSAGE: usize = TAU + 32 + 32;

/// Hash domain of pads; that of rows is in `ot::extension`.
const PADS_DOMAIN: u32 = 2;

/// The sender's message.
pub(crate) struct Corrections {
    /// `τ`, an OT after the other, 32 bytes each; every number is below the group order.
    tau: Box<[u8; TAU]>,
    /// `η`.
    combined: Residue,
    /// Digest of all `μ`.
    check: [u8; 32],
}

impl Corrections {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.fixed(self.tau.as_slice())
            .fixed(&self.combined.to_be_bytes())
            .fixed(&self.check);
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let tau = input.take("tau", TAU)?.to_vec().into_boxed_slice();
        let tau: Box<[u8; TAU]> = tau.try_into().expect("that many bytes were taken");
        let mut numbers = tau.as_chunks::<32>().0.iter();
        if !numbers.all(|number| Residue::from_be_bytes(number).is_some()) {
            return Err(not_below("tau"));
        }
        let combined = Residue::from_be_bytes(&input.array("eta")?);
        Ok(Self {
            tau,
            combined: combined.ok_or(not_below("eta"))?,
            check: input.array("mu")?,
        })
    }
}

const fn not_below(field: &'static str) -> DecodeError {
    DecodeError::Invalid {
        field,
        why: "not below the group order",
    }
}

/// Our shares of both products.
#[derive(Default)]
pub(crate) struct Shares(pub(crate) [Residue; INPUTS]);

impl Drop for Shares {
    fn drop(&mut self) {
        self.0.zeroize();
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
    delta: u128,
    id: &Digest32,
    gadget: &Gadget,
    inputs: &[Residue; INPUTS],
    blind: &Residue,
) -> (Corrections, Shares) {
    let other: Vec<Block> = sent.pads.iter().map(|pad| pad ^ delta).collect();
    let other = Zeroizing::new(other);
    let hash = Tccr::new(extension::key(id));
    let (zeros, ones) = (pads(&hash, &sent.pads), pads(&hash, &other));

    let [first, second] = inputs;
    let mut tau = Box::new([0; TAU]);
    let pairs = zeros.iter().zip(ones.iter());
    let places = tau.as_chunks_mut::<{ 32 * WIDTH }>().0;
    for (place, (zero, one)) in places.iter_mut().zip(pairs) {
        let values = zero.iter().zip(one).zip([first, second, blind]);
        for (out, ((zero, one), input)) in place.as_chunks_mut::<32>().0.iter_mut().zip(values) {
            *out = zero.minus(one).plus(input).to_be_bytes();
        }
    }

    let theta = Theta::new(id, &tau);
    let combined = theta.combine(&[*first, *second, *blind]);
    let check = Mu::of(zeros.iter().map(|zero| theta.combine(zero))).digest(id);
    let corrections = Corrections {
        tau,
        combined,
        check,
    };
    let zero = Residue::default();
    let shares = gadget.sums(&zeros).map(|sum| zero.minus(&sum));
    (corrections, Shares(shares))
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
    let mut own = pads(&hash, &received.pads);
    let theta = Theta::new(id, &corrections.tau);
    let places = corrections.tau.as_chunks::<{ 32 * WIDTH }>().0;
    let mu = Mu::of(
        own.iter_mut()
            .enumerate()
            .zip(places)
            .map(|((number, own), place)| {
                let choice = choice_mask(&received.choices, number);
                for (own, tau) in own.iter_mut().zip(place.as_chunks::<32>().0) {
                    let tau = Residue::from_be_bytes(tau).expect("checked when it was read");
                    *own = own.plus(&tau.masked(choice));
                }
                theta
                    .combine(own)
                    .minus(&corrections.combined.masked(choice))
            }),
    );
    if !bool::from(mu.digest(id).ct_eq(&corrections.check)) {
        return Err(Inconsistent);
    }
    Ok(Shares(gadget.sums(&own)))
}

/// All ones if that choice is one.
pub(crate) fn choice_mask(choices: &Row, number: usize) -> u64 {
    let word = choices.get(number / 128).copied().unwrap_or_default();
    let [low, ..] = (word >> (number % 128)).to_le_bytes();
    mask(u64::from(low & 1))
}

type Pads = [Residue; WIDTH];

fn pads(hash: &Tccr, inputs: &[Block]) -> Zeroizing<Vec<Pads>> {
    let mut blocks = Zeroizing::new(vec![[0; BLOCKS]; inputs.len()]);
    hash.hash(PADS_DOMAIN, 0, inputs, &mut blocks);
    let numbers = |blocks: &[Block; BLOCKS]| {
        let [a, b, c, d, e, f] = *blocks;
        [
            Residue::from_blocks(a, b),
            Residue::from_blocks(c, d),
            Residue::from_blocks(e, f),
        ]
    };
    Zeroizing::new(blocks.iter().map(numbers).collect())
}

/// The challenge of the consistency check: known only after all corrections are fixed (row A13).
struct Theta([Residue; INPUTS]);

impl Theta {
    fn new(id: &Digest32, tau: &[u8; TAU]) -> Self {
        let mut hasher = ids::oracle(b"theta", id);
        hasher.update(tau);
        let mut bytes = [0; 32 * INPUTS];
        hasher.finalize_xof().fill(&mut bytes);
        let mut theta = [Residue::default(); INPUTS];
        for (theta, bytes) in theta.iter_mut().zip(bytes.as_chunks::<32>().0) {
            *theta = Residue::reduce(bytes);
        }
        Self(theta)
    }

    /// `v₃ + θ₁·v₁ + θ₂·v₂`.
    fn combine(&self, [first, second, third]: &Pads) -> Residue {
        let Self([theta_first, theta_second]) = self;
        let mut sum = WideSum::new();
        sum.add_product(theta_first, first);
        sum.add_product(theta_second, second);
        sum.add(third);
        sum.reduce()
    }
}

/// All `μ`, hashed at once: BLAKE3 works on many kilobytes side by side.
struct Mu(Zeroizing<Vec<u8>>);

impl Mu {
    fn of(numbers: impl Iterator<Item = Residue>) -> Self {
        let mut bytes = Zeroizing::new(vec![0; 32 * OTS]);
        for (place, number) in bytes.as_chunks_mut::<32>().0.iter_mut().zip(numbers) {
            *place = number.to_be_bytes();
        }
        Self(bytes)
    }

    fn digest(mut self, id: &Digest32) -> [u8; 32] {
        let mut hasher = ids::oracle(b"mu", id);
        hasher.update(&self.0);
        // An empty vector is wiped as a whole, not byte by byte.
        self.0.clear();
        let digest = *hasher.finalize().as_bytes();
        hasher.zeroize();
        digest
    }
}

#[cfg(test)]
mod tests;
