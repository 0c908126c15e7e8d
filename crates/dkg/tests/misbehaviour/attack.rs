//! A dealer that makes its messages as it likes, and what every attack must come to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use quorate_crypto::{
    FeldmanCommitment, Group, Polynomial, ProofOfPossession, SecretName, SecretScalar, Statement,
};
use quorate_dkg::{Commitment, DkgOutput, Opening, SecretOpening, run_context};
use quorate_protocol::simulator::{
    Byzantine, Cast, Impostor, Outcome, Plan, Sent, Simulation, Strategy,
};
use quorate_protocol::{
    Abort, Driver, Effect, Envelope, Next, Outbox, Phases, Reason, Roster, RoundInput, RoundSpec,
    Slot,
};
use quorate_types::{Canonical, DecodeError, Digest32, PartyIndex, Reader, Writer};
use rand_chacha::ChaCha8Rng;
use rand_core::{CryptoRng, Rng};

use crate::stage::{DkgActor, describe, party, simulate, start};

/// The byzantine party of all attacks: the last of three, 2-of-3.
pub const EVIL: u8 = 3;

/// Everything that a dealer makes; an attack changes what it wants before the run starts.
pub struct EvilDealer<G: Group> {
    pub me: PartyIndex,
    pub context: Digest32,
    pub x: Polynomial<G>,
    /// What round 1 commits to.
    pub committed: Opening,
    /// What round 1 sends in place of the hash of `committed`.
    pub replayed: Option<Commitment>,
    /// What round 2 shows; by default the same.
    pub shown: Opening,
    /// The 64 bytes for each party in round 3.
    pub shares: BTreeMap<PartyIndex, Vec<u8>>,
    round: u8,
}

impl<G: Group> EvilDealer<G> {
    fn new(cast: &Cast, me: PartyIndex, rng: &mut ChaCha8Rng) -> Self {
        let t = cast.roster(me).min_signers();
        let (x, k) = (Polynomial::random(t, rng), Polynomial::<G>::random(t, rng));
        let context = run_context::<G>(cast.roster(me), &cast.context()).unwrap();
        let mut committed = Opening {
            x: secret_opening(&context, me, SecretName::SigningKey, &x, rng),
            k: secret_opening(&context, me, SecretName::DerivationKey, &k, rng),
            chain_code: [0; 32],
            salt: [0; 32],
        };
        rng.fill_bytes(&mut committed.chain_code);
        rng.fill_bytes(&mut committed.salt);
        let shares = cast.parties().filter(|p| *p != me).map(|to| {
            let parts = [x.evaluate(to).to_bytes(), k.evaluate(to).to_bytes()];
            (to, [parts[0].as_slice(), parts[1].as_slice()].concat())
        });
        Self {
            shares: shares.collect(),
            shown: committed.clone(),
            me,
            context,
            x,
            committed,
            replayed: None,
            round: 1,
        }
    }

    /// Changes what is committed to and what is shown alike.
    pub fn open(&mut self, change: impl Fn(&mut Opening)) {
        change(&mut self.committed);
        change(&mut self.shown);
    }

    pub fn statement(&self, secret: SecretName) -> Statement<'_> {
        Statement {
            context: &self.context,
            dealer: self.me,
            secret,
        }
    }
}

/// Commitments and an honest proof for one polynomial.
pub fn secret_opening<G: Group>(
    context: &Digest32,
    dealer: PartyIndex,
    secret: SecretName,
    polynomial: &Polynomial<G>,
    rng: &mut dyn CryptoRng,
) -> SecretOpening {
    let statement = Statement {
        context,
        dealer,
        secret,
    };
    let proof = ProofOfPossession::prove(statement, polynomial.contribution(), rng);
    SecretOpening {
        commitments: FeldmanCommitment::to(polynomial).encode(),
        proof: proof.encode(),
    }
}

/// Bytes that go out as they are.
struct Raw(Vec<u8>);

impl Canonical for Raw {
    fn write(&self, out: &mut Writer) {
        out.fixed(&self.0);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.take("raw", input.remaining())?.to_vec()))
    }
}

impl<G: Group> Phases for EvilDealer<G> {
    type Output = DkgOutput;
    const ROUNDS: u8 = 3;
    const SIGNED: bool = true;

    fn round(&self) -> RoundSpec {
        let traffic = Some(quorate_protocol::Traffic { max_bytes: 65_536 });
        let is_echoed = self.round < 3;
        RoundSpec {
            number: self.round,
            name: "evil",
            broadcast: traffic.filter(|_| is_echoed),
            echo: is_echoed,
            direct: traffic.filter(|_| !is_echoed),
        }
    }

    fn proceed(mut self, _: RoundInput, _: &mut dyn CryptoRng) -> Result<Next<Self>, Abort> {
        self.round += 1;
        let outbox = match self.round {
            2 => Outbox::empty().broadcast(&self.shown),
            3 => self
                .shares
                .iter()
                .fold(Outbox::empty(), |outbox, (to, share)| {
                    outbox.direct(*to, &Raw(share.clone()))
                }),
            _ => return Err(Abort::local("the evil dealer has what it wants")),
        };
        Ok(Next::Round(self, outbox))
    }
}

/// What came of an attack.
pub struct Aftermath {
    pub plan: Plan,
    pub outcome: Outcome<DkgOutput>,
    pub roster: Roster,
}

/// Three parties, no delays: everybody sees everything before anybody's abort.
pub fn plan(seed: u64) -> Plan {
    let mut plan = Plan::honest(seed, 3, 2).with_byzantine(party(EVIL), Strategy::Custom, 1);
    plan.faults.max_delay_ms = 0;
    plan
}

/// Runs an attack by the messages of one dealer.
pub fn attack<G: Group>(
    plan: Plan,
    corrupt: impl Fn(&mut EvilDealer<G>, &mut ChaCha8Rng),
) -> Aftermath {
    let make = |cast: &Cast, me, rng: &mut ChaCha8Rng| -> (DkgActor, Vec<Effect<DkgOutput>>) {
        if me != party(EVIL) {
            return start::<G>(cast, me, rng);
        }
        let mut dealer = EvilDealer::<G>::new(cast, me, rng);
        corrupt(&mut dealer, rng);
        let honest = dealer.committed.commitment(&dealer.context, me);
        let commitment = dealer.replayed.unwrap_or(honest);
        let outbox = Outbox::empty().broadcast(&commitment);
        let (roster, signer) = (cast.roster(me), cast.signer(me));
        let (driver, effects) = Driver::start(roster, cast.context(), signer, dealer, outbox);
        (Box::new(driver), effects)
    };
    let simulation = Simulation::new(plan.clone(), b"test", describe, make);
    let roster = simulation.cast().roster(party(1));
    let outcome = simulation.run().unwrap_or_else(|f| panic!("{f:?}"));
    Aftermath {
        plan,
        outcome,
        roster,
    }
}

/// Runs an attack by what happens on the links of an otherwise honest party.
pub fn attack_on_the_wire<G: Group>(plan: Plan, hook: Option<Box<dyn Byzantine>>) -> Aftermath {
    let mut simulation = Simulation::new(plan.clone(), b"test", describe, start::<G>);
    let roster = simulation.cast().roster(party(1));
    if let Some(hook) = hook {
        simulation = simulation.with_hook(Boxed(hook));
    }
    let outcome = simulation.run().unwrap_or_else(|f| panic!("{f:?}"));
    Aftermath {
        plan,
        outcome,
        roster,
    }
}

struct Boxed(Box<dyn Byzantine>);

impl Byzantine for Boxed {
    fn outgoing(&mut self, by: &mut Impostor<'_>, to: PartyIndex, bytes: &[u8]) -> Vec<Sent> {
        self.0.outgoing(by, to, bytes)
    }
    fn incoming(&mut self, by: &mut Impostor<'_>, from: PartyIndex, bytes: &[u8]) -> Vec<Sent> {
        self.0.incoming(by, from, bytes)
    }
}

/// What the honest parties of a seed will show in round 2: an adversary that sees the future, which
/// is more than one that speaks last.
pub fn foresee<G: Group>(seed: u64) -> BTreeMap<PartyIndex, Opening> {
    struct Spy(Rc<RefCell<BTreeMap<PartyIndex, Opening>>>);
    impl Byzantine for Spy {
        fn outgoing(&mut self, _: &mut Impostor<'_>, to: PartyIndex, bytes: &[u8]) -> Vec<Sent> {
            let bytes = bytes.to_vec();
            vec![Sent {
                to,
                bytes,
                tampered: false,
            }]
        }
        fn incoming(&mut self, _: &mut Impostor<'_>, from: PartyIndex, bytes: &[u8]) -> Vec<Sent> {
            let envelope = Envelope::from_bytes(bytes).unwrap();
            if (envelope.round, envelope.slot) == (2, Slot::Broadcast) {
                let opening = Opening::from_bytes(&envelope.body).unwrap();
                self.0.borrow_mut().insert(from, opening);
            }
            Vec::new()
        }
    }
    let seen = Rc::new(RefCell::new(BTreeMap::new()));
    attack_on_the_wire::<G>(plan(seed), Some(Box::new(Spy(Rc::clone(&seen)))));
    seen.take()
}

impl Aftermath {
    pub fn honest(&self) -> impl Iterator<Item = PartyIndex> {
        let plan = self.plan.clone();
        self.plan.indices().filter(move |p| plan.is_honest(*p))
    }

    pub fn abort_of(&self, index: PartyIndex) -> &Abort {
        let record = &self.outcome.records[&index];
        assert!(record.results.is_empty(), "party {index} has a key");
        record.aborts.first().expect("an honest party ends")
    }

    /// No honest party has a key, all name the evil one for `reason` with evidence that anybody can
    /// check, and an honest run of other parties at the same time completes.
    #[track_caller]
    pub fn must_blame_evil_everywhere<G: Group>(&self, reason: &Reason) {
        for index in self.honest() {
            self.must_blame_evil(index, reason);
        }
        assert!(self.outcome.outputs.is_empty(), "no key");
        must_complete::<G>(self.plan.seed + 1);
    }

    #[track_caller]
    pub fn must_blame_evil(&self, index: PartyIndex, reason: &Reason) {
        let abort = self.abort_of(index);
        assert_eq!(&abort.reason, reason, "{}", self.outcome.log);
        assert_eq!(abort.culprits, [party(EVIL)]);
        assert!(!abort.evidence.is_empty(), "blame comes with evidence");
        let identity = self.roster.member(party(EVIL)).unwrap().identity;
        for evidence in &abort.evidence {
            assert_eq!(evidence.culprit, party(EVIL));
            quorate_verify::verify_ed25519(&identity, &evidence.statement, &evidence.signature)
                .expect("the evidence is signed by the culprit");
        }
    }
}

/// An honest run beside the attack: another session, nobody lies.
#[track_caller]
pub fn must_complete<G: Group>(seed: u64) {
    let outcome = simulate::<G>(Plan::honest(seed, 3, 2)).unwrap();
    assert_eq!(outcome.outputs.len(), 3);
}

/// A secret that nobody knows a relation of.
pub fn random_scalar<G: Group>(rng: &mut ChaCha8Rng) -> SecretScalar<G> {
    SecretScalar::random(rng)
}
