//! A round in which one party speaks first: who is awaited, what is kept, who is blamed.

use rand_core::CryptoRng;

use super::*;
use crate::heard::Quote;
use crate::inbox::RoundInput;
use crate::phases::Traffic;

/// Party 1 says a number, the others repeat it with what they heard. Ends with all numbers.
enum Led {
    /// Party 1, or whoever has heard it.
    Spoken,
    /// Waits for party 1.
    Silent,
}

const UNLUCKY: Reason = Reason::check("unlucky");

/// A number of 4 bytes, and perhaps a quote of who said it first.
struct Words(Vec<u8>);

impl Canonical for Words {
    fn write(&self, out: &mut quorate_types::Writer) {
        out.fixed(&self.0);
    }
    fn read(input: &mut quorate_types::Reader<'_>) -> Result<Self, quorate_types::DecodeError> {
        let length = input.remaining();
        Ok(Self(input.take("words", length)?.to_vec()))
    }
}

impl Phases for Led {
    type Output = Vec<Vec<u8>>;
    const ROUNDS: u8 = 1;
    const SIGNED: bool = true;
    const MAX_BODY_BYTES: usize = 100;
    const HEARS: bool = true;

    fn round(&self) -> RoundSpec {
        RoundSpec {
            number: 1,
            name: "say",
            broadcast: Some(Traffic { max_bytes: 100 }),
            echo: false,
            direct: None,
        }
    }

    fn awaits(&self, from: PartyIndex) -> bool {
        matches!(self, Self::Spoken) || from == party(1)
    }

    fn hear(self, heard: &Heard<'_>, _: &mut dyn CryptoRng) -> Result<(Self, Outbox), Abort> {
        let Some(first) = heard.broadcast(party(1)) else {
            return Ok((self, Outbox::empty()));
        };
        for (from, body) in heard.broadcasts().filter(|(from, _)| *from != party(1)) {
            let quote = Quote::from_bytes(&body[4..]).unwrap();
            heard.compare(from, party(1), &quote)?;
        }
        if first == [13; 4] {
            return Err(Abort::new(UNLUCKY, [party(1)]));
        }
        if matches!(self, Self::Spoken) {
            return Ok((self, Outbox::empty()));
        }
        let quote = heard.quote(party(1)).unwrap();
        let words = Words([first, &quote.to_bytes()].concat());
        Ok((Self::Spoken, Outbox::empty().broadcast(&words)))
    }

    fn proceed(self, input: RoundInput, _: &mut dyn CryptoRng) -> Result<Next<Self>, Abort> {
        let words = input.other_broadcasts::<Words>(party(1))?;
        Ok(Next::Done(
            words.iter().map(|(_, words)| words.0.clone()).collect(),
        ))
    }
}

/// Three parties; we are party 3 and wait for party 1.
struct Stage {
    cast: Cast,
    us: Driver<Led>,
    sent: Vec<Envelope>,
    finished: bool,
}

impl Stage {
    fn new() -> Self {
        let cast = Cast::new(&Plan::honest(SEED, 3, 2), b"led", &mut rng());
        let (roster, signer) = (cast.roster(party(3)), cast.signer(party(3)));
        let context = cast.context();
        let (us, effects) = Driver::start(roster, context, signer, Led::Silent, Outbox::empty());
        assert!(effects.is_empty(), "it is silent");
        Self {
            cast,
            us,
            sent: Vec::new(),
            finished: false,
        }
    }

    fn says(&self, from: u8, body: &[u8]) -> Envelope {
        let mut envelope = Envelope {
            session: self.cast.session(),
            round: 1,
            slot: Slot::Broadcast,
            from: party(from),
            to: party(3),
            body: SecretBytes::new(body.to_vec()),
            signature: None,
        };
        let statement = envelope.statement(&self.cast.context());
        envelope.signature = Some(self.cast.signer(party(from)).sign(&statement));
        envelope
    }

    /// Party 2 repeats what it says it heard.
    fn repeats(&self, heard: &Envelope) -> Envelope {
        let mut out = quorate_types::Writer::new();
        out.fixed(&heard.body).value(&heard.body_digest());
        out.fixed(&heard.signature.unwrap());
        self.says(2, &out.finish())
    }

    fn take(&mut self, envelope: &Envelope) -> Option<Abort> {
        let (from, bytes) = (envelope.from, envelope.to_bytes());
        let mut abort = None;
        for effect in self.us.receive(from, &bytes, &mut rng()) {
            match effect {
                Effect::Send { message, .. } => {
                    self.sent.push(Envelope::from_bytes(&message).unwrap());
                }
                Effect::Finished(_) => self.finished = true,
                Effect::Aborted(reason) => abort = Some(reason),
            }
        }
        abort
    }
}

#[test]
fn led_round__should_answer_whoever_speaks_first_and_then_wait_for_all() {
    for early in [false, true] {
        let mut stage = Stage::new();
        let first = stage.says(1, &[7; 4]);
        let second = stage.repeats(&first);
        let order = if early {
            [&second, &first]
        } else {
            [&first, &second]
        };
        assert_eq!(stage.us.progress().awaiting, [party(1)]);
        assert_eq!(stage.take(order[0]), None);
        if early {
            assert!(stage.sent.is_empty(), "kept, and not answered");
            assert_eq!(stage.us.progress().awaiting, [party(1)]);
        } else {
            assert_eq!(stage.sent.len(), 2, "the answer goes to both others");
            assert_eq!(stage.us.progress().awaiting, [party(2)]);
        }
        assert_eq!(stage.take(order[1]), None);
        assert!(stage.finished && stage.sent.len() == 2);
    }
}

#[test]
fn led_round__must_name_only_whom_it_waits_for_when_time_is_up() {
    let culprits = |stage: &mut Stage| {
        let ended = stage.us.give_up(Reason::TimedOut).pop();
        let Some(Effect::Aborted(abort)) = ended else {
            panic!("it ends")
        };
        abort.culprits
    };
    assert_eq!(culprits(&mut Stage::new()), [party(1)]);
    let mut stage = Stage::new();
    let first = stage.says(1, &[7; 4]);
    stage.take(&first);
    assert_eq!(culprits(&mut stage), [party(2)]);
}

#[test]
fn led_round__must_end_at_once_by_what_it_hears() {
    let mut stage = Stage::new();
    let abort = stage.take(&stage.says(1, &[13; 4])).unwrap();
    assert_eq!((abort.reason, abort.culprits), (UNLUCKY, vec![party(1)]));
    assert!(stage.sent.iter().all(|message| message.slot == Slot::Abort));
}

#[test]
fn b5_quotes__must_convict_who_signed_two_and_blame_who_quotes_what_nobody_signed() {
    for early in [false, true] {
        let mut stage = Stage::new();
        let (told_us, told_them) = (stage.says(1, &[7; 4]), stage.says(1, &[8; 4]));
        let quoting = stage.repeats(&told_them);
        let mut order = [&told_us, &quoting];
        if early {
            order.reverse();
        }
        assert_eq!(stage.take(order[0]), None);
        let abort = stage.take(order[1]).unwrap();
        assert_eq!(abort.reason, Reason::Equivocation);
        assert_eq!(abort.culprits, [party(1)]);
        assert_eq!(abort.evidence.len(), 2);
        assert_ne!(abort.evidence[0].statement, abort.evidence[1].statement);
    }
    // A quote whose signature does not hold: of another digest, and of the very same.
    for body in [[8; 4], [7; 4]] {
        let mut stage = Stage::new();
        let (told_us, mut forged) = (stage.says(1, &[7; 4]), stage.says(1, &body));
        forged.signature.as_mut().unwrap()[0] ^= 1;
        let quoting = stage.repeats(&forged);
        assert_eq!(stage.take(&told_us), None);
        let abort = stage.take(&quoting).unwrap();
        assert_eq!(abort.reason, Reason::BadEcho);
        assert_eq!(abort.culprits, [party(2)]);
    }
}
