//! All parties agree on the generation of every pair before anybody signs a statement that names
//! them. `docs/protocols/key-certificate.md` §2.
//!
//! A party knows the generations of its own pairs only. It broadcasts them, with an echo, so that
//! all honest parties compare the same announcements; a pair whose two members announce different
//! generations ends the run.

use std::collections::{BTreeMap, BTreeSet};

use quorate_dkls23::PairSetups;
use quorate_intent::pairs_of;
use quorate_protocol::{
    Abort, Next, Outbox, Phases, Reason, Roster, RoundInput, RoundSpec, Traffic,
};
use quorate_types::{Canonical, DecodeError, Digest32, MAX_PARTIES, PartyIndex, Reader, Writer};
use rand_core::CryptoRng;

/// Somebody announced another generation for a pair than its partner. Nothing secret depends on a
/// generation, so the run may be tried again.
const MISMATCH: Reason = Reason::check("pair_generations");

/// Generations of a party's own pairs, by ascending index of the counterparty.
#[derive(Clone, PartialEq, Eq)]
struct Announcement(Vec<Digest32>);

impl Announcement {
    const MAX_BYTES: usize = 1 + 32 * (MAX_PARTIES as usize - 1);
}

impl Canonical for Announcement {
    fn write(&self, out: &mut Writer) {
        out.u8(u8::try_from(self.0.len()).expect("a party has at most 19 counterparties"));
        for generation in &self.0 {
            out.value(generation);
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = input.u8("number of generations")?;
        if count >= MAX_PARTIES {
            return Err(DecodeError::Invalid {
                field: "generations",
                why: "more than counterparties",
            });
        }
        let generations = (0..count).map(|_| Digest32::read(input));
        Ok(Self(generations.collect::<Result<_, _>>()?))
    }
}

/// The one round: what everybody announced is compared, pair by pair.
pub(crate) struct PairGenerations {
    me: PartyIndex,
    size: u8,
    own: Announcement,
}

impl PairGenerations {
    /// Announces the generations of `setups`, which are of the whole roster.
    pub(crate) fn start(roster: &Roster, setups: &PairSetups) -> (Self, Outbox) {
        let generations = setups.generations().map(|(_, generation)| generation);
        let own = Announcement(generations.collect());
        #[cfg(feature = "danger_byzantine")]
        let own = lie(own);
        let outbox = Outbox::empty().broadcast(&own);
        let size = u8::try_from(roster.size()).expect("a roster has at most 20 parties");
        let me = roster.me();
        (Self { me, size, own }, outbox)
    }
}

impl Phases for PairGenerations {
    /// Of all pairs, in the order of [`pairs_of`].
    type Output = Vec<Digest32>;
    const ROUNDS: u8 = 1;
    const SIGNED: bool = true;
    const MAX_BODY_BYTES: usize = Announcement::MAX_BYTES;

    fn round(&self) -> RoundSpec {
        RoundSpec {
            number: 1,
            name: "pair generations",
            broadcast: Some(Traffic {
                max_bytes: Announcement::MAX_BYTES,
            }),
            echo: true,
            direct: None,
        }
    }

    fn proceed(self, input: RoundInput, _rng: &mut dyn CryptoRng) -> Result<Next<Self>, Abort> {
        let mut announced = input.broadcasts::<Announcement>()?.into_map();
        announced.insert(self.me, self.own);
        compare(self.me, self.size, &announced).map(Next::Done)
    }
}

/// The generations of all pairs, if both members of each announced the same.
///
/// # Errors
/// `malformed`: whoever announced too few or too many. `pair_generations`: whoever contradicts us
/// about our own pair, and lies for certain. If nobody does, nobody is named: of two others that
/// disagree one may be honest, and only it can tell. Those pairs are logged.
fn compare(
    me: PartyIndex,
    size: u8,
    announced: &BTreeMap<PartyIndex, Announcement>,
) -> Result<Vec<Digest32>, Abort> {
    let odd = |generations: &Announcement| generations.0.len() + 1 != usize::from(size);
    let culprits = announced.iter().filter(|(_, generations)| odd(generations));
    Abort::if_any(
        culprits.map(|(party, _)| *party).collect(),
        Reason::Malformed,
    )?;

    let said = |by: PartyIndex, about: PartyIndex| announced.get(&by)?.0.get(place(by, about));
    let (mut agreed, mut liars, mut disagreeing) = (Vec::new(), BTreeSet::new(), Vec::new());
    for (low, high) in pairs_of(size) {
        match (said(low, high), said(high, low)) {
            (Some(one), Some(other)) if one == other => agreed.push(*one),
            _ if low == me => drop(liars.insert(high)),
            _ if high == me => drop(liars.insert(low)),
            _ => disagreeing.push((low.get(), high.get())),
        }
    }
    Abort::if_any(liars.into_iter().collect(), MISMATCH)?;
    if disagreeing.is_empty() {
        return Ok(agreed);
    }
    tracing::warn!(pairs = ?disagreeing, "one of each pair lies about its generation");
    Err(Abort::new(MISMATCH, []))
}

/// Where an announcement of `by` has the pair with `about`: `by` itself is left out.
fn place(by: PartyIndex, about: PartyIndex) -> usize {
    let position = usize::from(about.get()) - 1;
    if about > by { position - 1 } else { position }
}

/// Says another generation for the pair with the counterparty at that place, if the script wants.
#[cfg(feature = "danger_byzantine")]
fn lie(mut own: Announcement) -> Announcement {
    for line in crate::danger::script() {
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        let ["announce-generation", place] = words.as_slice() else {
            continue;
        };
        let told = place.parse().ok().and_then(|at: usize| own.0.get_mut(at));
        if let Some(generation) = told {
            *generation = Digest32::from_array([7; 32]);
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(n: u8) -> PartyIndex {
        PartyIndex::new(n).unwrap()
    }

    fn generation(one: u8, other: u8) -> Digest32 {
        Digest32::of(b"test", &[&[one.min(other), one.max(other)]])
    }

    /// What honest parties of a committee of `size` announce.
    fn honest(size: u8) -> BTreeMap<PartyIndex, Announcement> {
        let of = |by: u8| {
            let others = (1..=size).filter(move |other| *other != by);
            others.map(move |other| generation(by, other))
        };
        (1..=size)
            .map(|by| (index(by), Announcement(of(by).collect())))
            .collect()
    }

    fn culprits(me: u8, announced: &BTreeMap<PartyIndex, Announcement>) -> (&'static str, Vec<u8>) {
        let size = u8::try_from(announced.len()).unwrap();
        let abort = compare(index(me), size, announced).unwrap_err();
        let culprits = abort.culprits.iter().map(|party| party.get()).collect();
        (abort.reason.name(), culprits)
    }

    #[test]
    fn agreed_generations__should_be_in_the_order_of_the_pairs() {
        let agreed = compare(index(2), 3, &honest(3)).unwrap();
        let expected = [(1, 2), (1, 3), (2, 3)].map(|(low, high)| generation(low, high));
        assert_eq!(agreed, expected);
        assert_eq!(compare(index(1), 20, &honest(20)).unwrap().len(), 190);
    }

    #[test]
    fn another_generation_than_the_partner__must_name_who_announced_it() {
        let mut announced = honest(4);
        // 3 lies about its pair with 1.
        announced.get_mut(&index(3)).unwrap().0[0] = Digest32::from_array([7; 32]);
        assert_eq!(culprits(1, &announced), ("pair_generations", vec![3]));
        // Others cannot tell which of the two lies, and name nobody.
        for me in [2, 4] {
            assert_eq!(culprits(me, &announced), ("pair_generations", vec![]));
        }
        // Whoever contradicts us is named alone: it lies for certain.
        announced.get_mut(&index(3)).unwrap().0[1] = Digest32::from_array([8; 32]);
        assert_eq!(culprits(2, &announced), ("pair_generations", vec![3]));
        // With two parties there is nobody else.
        let mut two = honest(2);
        two.get_mut(&index(2)).unwrap().0[0] = Digest32::from_array([7; 32]);
        assert_eq!(culprits(1, &two), ("pair_generations", vec![2]));
    }

    #[test]
    fn generations_of_too_few_or_too_many_pairs__must_name_who_announced_them() {
        for count in [0, 1, 3] {
            let mut announced = honest(3);
            let generations = &mut announced.get_mut(&index(2)).unwrap().0;
            generations.resize(count, Digest32::from_array([7; 32]));
            assert_eq!(culprits(1, &announced), ("malformed", vec![2]), "{count}");
        }
        let mut bytes = Announcement(vec![Digest32::from_array([1; 32]); 19]).to_bytes();
        assert_eq!(bytes.len(), Announcement::MAX_BYTES);
        assert!(Announcement::from_bytes(&bytes).is_ok());
        bytes[0] = 20;
        bytes.extend([1; 32]);
        assert!(matches!(
            Announcement::from_bytes(&bytes),
            Err(DecodeError::Invalid { .. })
        ));
    }
}
