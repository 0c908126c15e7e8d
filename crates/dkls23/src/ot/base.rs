//! Base OTs on ristretto255: one message of each side, at the same time.
//!
//! Source: Masny, Rindal, *Endemic Oblivious Transfer* (eprint 2019/706), Fig. 8, secure against
//! malicious parties in the random oracle model. `docs/protocols/dkls23.md` §1.
//!
//! Endemic means that a dishonest party may choose its own outputs. Seeds are therefore used only
//! through hashes that cover their number ([`super::extension`]): equal seeds do not help whoever
//! chose them.

use blake3::Hasher;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_TABLE;
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use quorate_kernels::Block;
use quorate_types::Digest32;
use rand_core::CryptoRng;
use subtle::{Choice, ConditionallySelectable};
use zeroize::{Zeroize, Zeroizing};

use crate::ids;
use crate::ot::{BASE_OTS, ReceiverSeeds, SenderSeeds};

/// Bytes of the choosing side's message: two points for each OT.
pub(crate) const OFFERS: usize = BASE_OTS * 64;

/// The choosing side of one direction, until the other's key is there.
pub(crate) struct Chooser {
    id: Digest32,
    delta: u128,
    exponents: Vec<Scalar>,
    offers: Vec<u8>,
}

impl Drop for Chooser {
    fn drop(&mut self) {
        self.delta.zeroize();
        self.exponents.zeroize();
    }
}

impl Chooser {
    /// Step 1.1: for each bit `c` of a random Δ, a point `r_{1-c}` whose discrete logarithm nobody
    /// knows, and `r_c = a·B − H(r_{1-c})`.
    pub(crate) fn start(id: Digest32, rng: &mut dyn CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 16]);
        rng.fill_bytes(bytes.as_mut());
        let mut chooser = Self {
            id,
            delta: u128::from_le_bytes(*bytes),
            // Large enough from the start: growing would leave copies behind.
            exponents: Vec::with_capacity(BASE_OTS),
            offers: Vec::with_capacity(OFFERS),
        };
        for number in 0..BASE_OTS {
            let choice = bit(chooser.delta, number);
            let exponent = random_scalar(rng);
            // Both points are sent, but which is which is the choice.
            let blind = Zeroizing::new(random_point(rng).compress());
            let oracle = hashed(&id, number, choice, &blind);
            let open = &*exponent * RISTRETTO_BASEPOINT_TABLE - *oracle;
            let open = Zeroizing::new(open.compress());
            let [zero, one] = ordered(choice, &open, &blind);
            chooser.offers.extend_from_slice(&zero);
            chooser.offers.extend_from_slice(&one);
            chooser.exponents.push(*exponent);
        }
        chooser
    }

    /// The message.
    pub(crate) fn offers(&self) -> &[u8] {
        &self.offers
    }

    /// Step 1.2: the chosen seeds, from the other side's key.
    pub(crate) fn finish(self, key: &RistrettoPoint) -> SenderSeeds {
        let mut seeds = SenderSeeds {
            delta: self.delta,
            chosen: Box::new([0; BASE_OTS]),
        };
        let kdf = Kdf::new(&self.id, &self.offers, key);
        let places = seeds.chosen.iter_mut().zip(&self.exponents);
        for (number, (seed, exponent)) in places.enumerate() {
            let shared = Zeroizing::new(key * exponent);
            *seed = kdf.seed(number, bit(self.delta, number), &shared);
        }
        seeds
    }
}

/// The offering side of one direction: one key for all OTs.
pub(crate) struct Offerer {
    id: Digest32,
    secret: Scalar,
    key: RistrettoPoint,
}

impl Drop for Offerer {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Offerer {
    /// Step 1.1: a key `Y = y·B`.
    pub(crate) fn start(id: Digest32, rng: &mut dyn CryptoRng) -> Self {
        let secret = random_scalar(rng);
        Self {
            id,
            secret: *secret,
            key: &*secret * RISTRETTO_BASEPOINT_TABLE,
        }
    }

    /// The message.
    pub(crate) fn key(&self) -> [u8; 32] {
        self.key.compress().to_bytes()
    }

    /// Step 1.2: both seeds of each OT. `None` if an offer is not the encoding of a point.
    pub(crate) fn finish(self, offers: &[u8]) -> Option<ReceiverSeeds> {
        // Wiped too where a later offer is refused.
        let mut both = ReceiverSeeds {
            zeros: Box::new([0; BASE_OTS]),
            ones: Box::new([0; BASE_OTS]),
        };
        let kdf = Kdf::new(&self.id, offers, &self.key);
        let pairs = offers.as_chunks::<64>().0;
        if offers.len() != OFFERS {
            return None;
        }
        let seeds = both.zeros.iter_mut().zip(both.ones.iter_mut());
        for (number, (pair, (zero, one))) in pairs.iter().zip(seeds).enumerate() {
            let [a, b] = pair.as_chunks::<32>().0 else {
                return None;
            };
            let (a, b) = (CompressedRistretto(*a), CompressedRistretto(*b));
            let (first, second) = (a.decompress()?, b.decompress()?);
            let seed_of = |choice: u8, point: RistrettoPoint, other| {
                let shifted = point + *hashed(&self.id, number, Choice::from(choice), other);
                let shared = Zeroizing::new(shifted * self.secret);
                kdf.seed(number, Choice::from(choice), &shared)
            };
            *zero = seed_of(0, first, &b);
            *one = seed_of(1, second, &a);
        }
        Some(both)
    }
}

/// A key that an honest side could have sent.
pub(crate) fn read_key(bytes: &[u8; 32]) -> Option<RistrettoPoint> {
    use curve25519_dalek::traits::IsIdentity;
    let key = CompressedRistretto(*bytes).decompress()?;
    (!key.is_identity()).then_some(key)
}

/// Seeds from shared points, bound to everything that both sides sent.
struct Kdf(Digest32);

impl Kdf {
    fn new(id: &Digest32, offers: &[u8], key: &RistrettoPoint) -> Self {
        let (offers, key) = (blake3::hash(offers), key.compress());
        Self(ids::base_ot_seeds(id, offers.as_bytes(), key.as_bytes()))
    }

    fn seed(&self, number: usize, choice: Choice, point: &RistrettoPoint) -> Block {
        let mut hasher = tagged(b"base OT seed", &self.0, number, choice);
        hasher.update(&Zeroizing::new(point.compress().to_bytes())[..]);
        u128::from_le_bytes(*output(hasher))
    }
}

/// The random oracle onto the group, for one place of one OT; which place tells the choice.
fn hashed(
    id: &Digest32,
    number: usize,
    choice: Choice,
    point: &CompressedRistretto,
) -> Zeroizing<RistrettoPoint> {
    let mut hasher = tagged(b"base OT point", id, number, choice);
    hasher.update(point.as_bytes());
    Zeroizing::new(RistrettoPoint::from_uniform_bytes(&output(hasher)))
}

/// What the hasher makes of a secret; nothing else of it is left.
fn output<const LENGTH: usize>(mut hasher: Hasher) -> Zeroizing<[u8; LENGTH]> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    let mut reader = hasher.finalize_xof();
    reader.fill(bytes.as_mut());
    reader.zeroize();
    hasher.zeroize();
    bytes
}

fn tagged(purpose: &[u8], id: &Digest32, number: usize, choice: Choice) -> Hasher {
    let mut hasher = ids::oracle(purpose, id);
    let number = u8::try_from(number).expect("128 base OTs");
    hasher.update(&[number, choice.unwrap_u8()]);
    hasher
}

fn bit(delta: u128, number: usize) -> Choice {
    let shifted = (delta >> number).to_le_bytes();
    Choice::from(shifted.first().copied().unwrap_or_default() & 1)
}

/// `open` at the place of the choice, `blind` at the other.
fn ordered(
    choice: Choice,
    open: &CompressedRistretto,
    blind: &CompressedRistretto,
) -> [[u8; 32]; 2] {
    let select = |a: &CompressedRistretto, b: &CompressedRistretto, choice| {
        let pairs = a.as_bytes().iter().zip(b.as_bytes());
        let mut out = [0; 32];
        for (out, (a, b)) in out.iter_mut().zip(pairs) {
            *out = u8::conditional_select(a, b, choice);
        }
        out
    };
    [select(open, blind, choice), select(blind, open, choice)]
}

fn random_scalar(rng: &mut dyn CryptoRng) -> Zeroizing<Scalar> {
    let mut wide = Zeroizing::new([0; 64]);
    loop {
        rng.fill_bytes(wide.as_mut());
        let scalar = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&wide));
        if *scalar != Scalar::ZERO {
            return scalar;
        }
    }
}

fn random_point(rng: &mut dyn CryptoRng) -> RistrettoPoint {
    let mut wide = Zeroizing::new([0; 64]);
    rng.fill_bytes(wide.as_mut());
    RistrettoPoint::from_uniform_bytes(&wide)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    fn run(seed: u64) -> (SenderSeeds, ReceiverSeeds) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let id = Digest32::of(b"test", &[]);
        let (chooser, offerer) = (Chooser::start(id, &mut rng), Offerer::start(id, &mut rng));
        let key = read_key(&offerer.key()).unwrap();
        let both = offerer.finish(chooser.offers()).unwrap();
        (chooser.finish(&key), both)
    }

    #[test]
    fn base_ot__should_give_the_chosen_seed_and_only_that() {
        let (chosen, both) = run(1);
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..BASE_OTS {
            let (zero, one) = (both.zeros[number], both.ones[number]);
            let is_one = chosen.delta >> number & 1 == 1;
            assert_eq!(chosen.chosen[number], if is_one { one } else { zero });
            assert!(seen.insert(zero) && seen.insert(one));
        }
        assert!((20..108).contains(&chosen.delta.count_ones()));
        assert_ne!(run(2).0.delta, chosen.delta);
    }

    #[test]
    fn base_ot__must_give_other_seeds_when_anything_that_was_sent_differs() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let id = Digest32::of(b"test", &[]);
        let (chooser, offerer) = (Chooser::start(id, &mut rng), Offerer::start(id, &mut rng));
        let (a, b) = chooser.offers().split_at(64);
        let swapped = [&a[32..], &a[..32], b].concat();
        let key = read_key(&offerer.key()).unwrap();
        let both = offerer.finish(&swapped).unwrap();
        let chosen = chooser.finish(&key);
        let fits =
            (0..BASE_OTS).filter(|n| [both.zeros[*n], both.ones[*n]].contains(&chosen.chosen[*n]));
        assert_eq!(fits.count(), 0);
    }

    #[test]
    fn a5_base_ot_hashes__must_change_with_everything_they_cover() {
        let mut rng = ChaCha20Rng::seed_from_u64(6);
        let ids = [b"one", b"two"].map(|id| Digest32::of(id, &[]));
        let [first, second] = [(); 2].map(|()| random_point(&mut rng));
        let (mut points, mut seeds) = (Vec::new(), Vec::new());
        // Number and choice are a byte each, side by side: (0, 1) is not (1, 0).
        for (id, number, choice, point) in [
            (ids[0], 0, 0, first),
            (ids[1], 0, 0, first),
            (ids[0], 1, 0, first),
            (ids[0], 0, 1, first),
            (ids[0], 1, 1, first),
            (ids[0], 0, 0, second),
        ] {
            let choice = Choice::from(choice);
            let hash = *hashed(&id, number, choice, &point.compress());
            assert!(!points.contains(&hash));
            points.push(hash);
            let kdf = |offers: &[u8], key| Kdf::new(&id, offers, &key);
            for kdf in [
                kdf(b"offers", first),
                kdf(b"others", first),
                kdf(b"offers", second),
            ] {
                let seed = kdf.seed(number, choice, &point);
                assert!(!seeds.contains(&seed));
                seeds.push(seed);
            }
        }
    }

    #[test]
    fn c10_base_ot__must_refuse_what_is_no_point() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let id = Digest32::of(b"test", &[]);
        let chooser = Chooser::start(id, &mut rng);
        let refused = |offers: &[u8]| {
            let offerer = Offerer::start(id, &mut ChaCha20Rng::seed_from_u64(5));
            offerer.finish(offers).is_none()
        };
        assert!(!refused(chooser.offers()));
        assert!(refused(&chooser.offers()[64..]));
        for at in [0, 32, 64 * 77] {
            let mut offers = chooser.offers().to_vec();
            offers[at..at + 32].fill(0xff);
            assert!(refused(&offers), "{at}");
        }
        assert!(read_key(&[0; 32]).is_none(), "the identity");
        assert!(read_key(&[0xff; 32]).is_none());
    }
}
