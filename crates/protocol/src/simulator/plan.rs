//! What goes wrong in one run.

use quorate_types::PartyIndex;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::byzantine::Strategy;

/// A run: who takes part, and which faults happen. Everything random in it comes from the seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Source of all randomness: keys, polynomials, delays, losses.
    pub seed: u64,
    /// `n`.
    pub parties: u8,
    /// `t`.
    pub min_signers: u8,
    /// Faults of the network and of machines.
    pub faults: Faults,
    /// A party that does not follow the protocol, what it does, and in which round.
    pub byzantine: Option<(PartyIndex, Strategy, u8)>,
    /// Virtual time at which a party gives up, in milliseconds.
    pub deadline_ms: u64,
}

/// Faults that are nobody's intention.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    /// Messages lost, per thousand.
    pub drop_permille: u16,
    /// Messages delivered twice, per thousand.
    pub duplicate_permille: u16,
    /// Longest delay of a message in milliseconds; delays are uniform below it.
    pub max_delay_ms: u64,
    /// Whether messages of one link may overtake each other.
    pub reorder: bool,
    /// A party that stops for good.
    pub crash: Option<Crash>,
}

/// A party that stops for good, without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// Who.
    pub party: PartyIndex,
    /// When, in virtual milliseconds.
    pub at_ms: u64,
}

/// Limits of random plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most parties.
    pub max_parties: u8,
    /// Rounds of the protocol.
    pub rounds: u8,
}

impl Plan {
    /// A run in which nothing goes wrong but small delays.
    #[must_use]
    pub fn honest(seed: u64, parties: u8, min_signers: u8) -> Self {
        Self {
            seed,
            parties,
            min_signers,
            faults: Faults {
                max_delay_ms: 20,
                ..Faults::default()
            },
            byzantine: None,
            deadline_ms: 60_000,
        }
    }

    /// The same run with a party that misbehaves in `round`.
    #[must_use]
    pub const fn with_byzantine(
        mut self,
        party: PartyIndex,
        strategy: Strategy,
        round: u8,
    ) -> Self {
        self.byzantine = Some((party, strategy, round));
        self
    }

    /// The run of a seed: parties, threshold and a mix of faults.
    ///
    /// Two of ten runs have harmless faults only; two lose messages, one has a crash, five have a
    /// byzantine party, half of these on a bad network too.
    #[must_use]
    pub fn from_seed(seed: u64, bounds: Bounds) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let parties = between(&mut rng, 2, bounds.max_parties);
        let min_signers = between(&mut rng, 2, parties);
        let mut plan = Self::honest(seed, parties, min_signers);
        plan.faults = Faults {
            duplicate_permille: pick(&mut rng, &[0, 50, 500]),
            max_delay_ms: pick(&mut rng, &[1, 20, 500]),
            reorder: pick(&mut rng, &[true, false]),
            ..Faults::default()
        };
        let lossy = pick(&mut rng, &[10, 100, 400]);
        let party = PartyIndex::new(between(&mut rng, 1, parties)).expect("1 to n is an index");
        match between(&mut rng, 0, 9) {
            0 | 1 => {}
            2 | 3 => plan.faults.drop_permille = lossy,
            4 => {
                let at_ms = u64::from(rng.next_u32()) % (1 + 6 * plan.faults.max_delay_ms);
                plan.faults.crash = Some(Crash { party, at_ms });
            }
            mix => {
                let strategy = pick(&mut rng, &Strategy::ALL);
                let round = between(&mut rng, 1, bounds.rounds);
                plan.byzantine = Some((party, strategy, round));
                if mix > 7 {
                    plan.faults.drop_permille = lossy;
                }
            }
        }
        plan
    }

    /// Whether everybody must come to a result.
    #[must_use]
    pub fn is_benign(&self) -> bool {
        let harmless = self
            .byzantine
            .is_none_or(|(_, strategy, _)| strategy.is_harmless());
        harmless && self.faults.drop_permille == 0 && self.faults.crash.is_none()
    }

    /// Whether a party follows the protocol, as far as it lives.
    #[must_use]
    pub fn is_honest(&self, party: PartyIndex) -> bool {
        self.byzantine
            .is_none_or(|(byzantine, _, _)| byzantine != party)
    }

    /// Indices of all parties.
    pub fn indices(&self) -> impl Iterator<Item = PartyIndex> + use<> {
        (1..=self.parties).map(|index| PartyIndex::new(index).expect("plans have 1 to 20 parties"))
    }
}

/// A number of `low..=high`.
fn between(rng: &mut impl Rng, low: u8, high: u8) -> u8 {
    let span = u32::from(high - low) + 1;
    low + u8::try_from(rng.next_u32() % span).expect("a remainder below 256 is a byte")
}

/// One of `choices`.
fn pick<T: Copy>(rng: &mut impl Rng, choices: &[T]) -> T {
    let count = u32::try_from(choices.len()).expect("choices are few");
    let position = usize::try_from(rng.next_u32() % count).expect("choices are few");
    *choices
        .get(position)
        .expect("a remainder is below the count")
}
