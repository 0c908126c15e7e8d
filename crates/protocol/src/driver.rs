//! Runs the rounds of any protocol: everything around the mathematics. `docs/protocols/rounds.md`.

use std::collections::{BTreeMap, BTreeSet};

use quorate_types::{Canonical, Digest32, PartyIndex, SecretBytes};
use rand_core::CryptoRng;

use crate::abort::{Abort, Evidence, Reason};
use crate::echo::{self, Echo};
use crate::envelope::{Envelope, Slot};
use crate::heard::Heard;
use crate::phases::{Next, Outbox, Phases, RoundSpec};
use crate::roster::Roster;
use crate::round_state::{Broadcast, RoundState};

/// Signs with our node identity. The key stays behind this.
pub trait SignBytes {
    /// Ed25519 signature over `statement`.
    fn sign(&self, statement: &[u8]) -> [u8; 64];
}

/// What the shell must do. Effects are data: the driver itself does nothing.
pub enum Effect<O> {
    /// Send these bytes to a party over its confidential link.
    Send {
        /// Recipient.
        to: PartyIndex,
        /// An encoded [`Envelope`]; may hold secrets.
        message: SecretBytes,
    },
    /// The run is over.
    Finished(O),
    /// The run is over without a result. Messages that tell the others come before this.
    Aborted(Abort),
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Current round, from 1.
    pub round: u8,
    /// Its name.
    pub name: &'static str,
    /// How many rounds there are.
    pub rounds: u8,
    /// Whose messages are missing.
    pub awaiting: Vec<PartyIndex>,
}

/// One party's side of one run.
///
/// - In: messages by [`Driver::receive`], each from an authenticated link.
/// - Out: [`Effect`]s, in order.
/// - State: one round's messages and at most one early message per place of the next round. All
///   secrets are zeroized when the driver is dropped.
pub struct Driver<P: Phases> {
    roster: Roster,
    context: Digest32,
    signer: Box<dyn SignBytes + Send>,
    phase: Option<P>,
    spec: RoundSpec,
    state: RoundState,
    early: RoundState,
    past: BTreeMap<(u8, Slot, PartyIndex), Digest32>,
    signed: Vec<Evidence>,
}

impl<P: Phases> Driver<P> {
    /// Starts a run in its first round and sends what it starts with.
    pub fn start(
        roster: Roster,
        context: Digest32,
        signer: Box<dyn SignBytes + Send>,
        phase: P,
        outbox: Outbox,
    ) -> (Self, Vec<Effect<P::Output>>) {
        let spec = phase.round();
        let mut driver = Self {
            roster,
            context,
            signer,
            phase: Some(phase),
            spec,
            state: RoundState::default(),
            early: RoundState::default(),
            past: BTreeMap::new(),
            signed: Vec::new(),
        };
        let mut effects = Vec::new();
        driver.send(outbox, &mut effects);
        (driver, effects)
    }

    /// Whether the run goes on.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.phase.is_some()
    }

    /// Where the run stands.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            round: self.spec.number,
            name: self.spec.name,
            rounds: P::ROUNDS,
            awaiting: self.awaiting(),
        }
    }

    /// Takes one message that came over the link of `from`.
    ///
    /// Identical copies are ignored; anything else that does not fit aborts the run and names
    /// `from`. After the end, everything is ignored.
    pub fn receive(
        &mut self,
        from: PartyIndex,
        bytes: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Vec<Effect<P::Output>> {
        if !self.is_running() {
            return Vec::new();
        }
        let mut effects = Vec::new();
        if let Err(abort) = self
            .admit(from, bytes)
            .and_then(|()| self.advance(rng, &mut effects))
        {
            self.end(abort, &mut effects);
        }
        effects
    }

    /// Ends the run from outside: a time-out (names whom we wait for) or a cancellation.
    pub fn give_up(&mut self, reason: Reason) -> Vec<Effect<P::Output>> {
        let mut effects = Vec::new();
        if self.is_running() {
            let awaited = self.awaiting();
            let culprits = if reason == Reason::TimedOut {
                awaited
            } else {
                Vec::new()
            };
            self.end(Abort::new(reason, culprits), &mut effects);
        }
        effects
    }

    /// Ends the run because a party sent more than an [`Allowance`](crate::Allowance): copies without
    /// end, which single messages do not show (step 3.8).
    pub fn flooded(&mut self, by: PartyIndex) -> Vec<Effect<P::Output>> {
        let mut effects = Vec::new();
        if self.is_running() {
            self.end(Abort::new(Reason::Flooded, [by]), &mut effects);
        }
        effects
    }

    /// Steps 3.1 to 3.7: all checks of one message before it is kept.
    fn admit(&mut self, from: PartyIndex, bytes: &[u8]) -> Result<(), Abort> {
        let blame = |reason| Abort::new(reason, [from]);
        // 3.1 It decodes, within limits.
        let envelope = Envelope::from_bytes(bytes).map_err(|_| blame(Reason::Malformed))?;
        // 3.2 It is for this run.
        if envelope.session != self.roster.session() {
            return Err(blame(Reason::WrongSession));
        }
        // 3.3 The link's owner is in the run, names itself as sender and us as recipient.
        let addressed = envelope.from == from && envelope.to == self.roster.me();
        if !addressed || from == self.roster.me() || self.roster.member(from).is_none() {
            return Err(blame(Reason::WrongSender));
        }
        if envelope.slot == Slot::Abort {
            // 3.4 A peer's abort ends the run; what it claims beyond that is not trusted.
            return Err(Abort {
                reported_by: Some(from),
                ..Abort::new(Reason::PeerAborted, [])
            });
        }
        // 3.5 An identical copy of what was taken before is ignored, another message is not.
        let key = (envelope.round, envelope.slot, from);
        let fingerprint = envelope.fingerprint();
        match self.past.get(&key) {
            Some(before) if *before == fingerprint => return Ok(()),
            Some(_) => return Err(blame(Reason::Duplicate)),
            None => {}
        }
        // 3.6 The round is this one or the next, and has such a message of such a size.
        self.check_round(&envelope).map_err(blame)?;
        // 3.7 The sender's node identity signed it.
        self.check_signature(&envelope)?;
        self.past.insert(key, fingerprint);
        self.keep(envelope).map_err(blame)
    }

    fn check_round(&self, envelope: &Envelope) -> Result<(), Reason> {
        let current = self.spec.number;
        if envelope.round != current && envelope.round != current.saturating_add(1) {
            return Err(Reason::WrongRound);
        }
        if envelope.round > P::ROUNDS {
            return Err(Reason::WrongRound);
        }
        let state = if envelope.round == current {
            &self.state
        } else {
            &self.early
        };
        if state.is_taken(envelope.slot, envelope.from) {
            return Err(Reason::Duplicate);
        }
        // The limits of the next round are not known yet; they are checked when it opens.
        if envelope.round == current {
            self.check_slot(envelope.slot, envelope.body.len())
        } else {
            Ok(())
        }
    }

    fn check_slot(&self, slot: Slot, length: usize) -> Result<(), Reason> {
        let limit = match slot {
            Slot::Broadcast => self.spec.broadcast.map(|traffic| traffic.max_bytes),
            Slot::Direct => self.spec.direct.map(|traffic| traffic.max_bytes),
            Slot::Echo => self.spec.echo.then_some(usize::MAX),
            Slot::Abort => Some(usize::MAX),
        };
        match limit {
            None => Err(Reason::WrongRound),
            Some(limit) if length > limit => Err(Reason::Malformed),
            Some(_) => Ok(()),
        }
    }

    fn check_signature(&mut self, envelope: &Envelope) -> Result<(), Abort> {
        let required = P::SIGNED && matches!(envelope.slot, Slot::Broadcast | Slot::Direct);
        let blame = || Abort::new(Reason::BadSignature, [envelope.from]);
        match (&envelope.signature, required) {
            (None, false) => Ok(()),
            (Some(signature), true) => {
                let statement = envelope.statement(&self.context);
                let member = self.roster.member(envelope.from).ok_or_else(blame)?;
                quorate_verify::verify_ed25519(&member.identity, &statement, signature)
                    .map_err(|_| blame())?;
                let culprit = envelope.from;
                self.signed.push(Evidence {
                    culprit,
                    statement,
                    signature: *signature,
                });
                Ok(())
            }
            // One message has one form: no stray or missing signatures.
            (Some(_), false) | (None, true) => Err(blame()),
        }
    }

    fn keep(&mut self, envelope: Envelope) -> Result<(), Reason> {
        let digest = (envelope.slot == Slot::Broadcast).then(|| envelope.body_digest());
        let Envelope {
            round,
            slot,
            from,
            body,
            signature,
            ..
        } = envelope;
        let state = if round == self.spec.number {
            &mut self.state
        } else {
            &mut self.early
        };
        match (slot, digest) {
            (Slot::Broadcast, Some(digest)) => {
                let mut body = body;
                state.broadcasts.insert(
                    from,
                    Broadcast {
                        body: std::mem::take(&mut *body),
                        digest,
                        signature,
                    },
                );
            }
            (Slot::Direct, _) => drop(state.directs.insert(from, body)),
            (Slot::Echo, _) => {
                let Echo(entries) = Echo::from_bytes(&body).map_err(|_| Reason::Malformed)?;
                state.echoes.insert(from, entries);
            }
            (Slot::Abort | Slot::Broadcast, _) => {}
        }
        Ok(())
    }

    /// Steps 4 and 5: echoes when the broadcasts are complete, proceeds when the round is.
    fn advance(
        &mut self,
        rng: &mut dyn CryptoRng,
        effects: &mut Vec<Effect<P::Output>>,
    ) -> Result<(), Abort> {
        loop {
            self.hear(rng, effects)?;
            let others = self.roster.size() - 1;
            if self.spec.echo && !self.state.echo_sent && self.state.broadcasts_complete(others) {
                self.send_echo(effects)?;
            }
            if !self.awaiting().is_empty() {
                return Ok(());
            }
            if self.spec.echo {
                echo::compare(&self.state, &self.roster, self.spec.number, &self.context)?;
            }
            let input = std::mem::take(&mut self.state).into_input();
            let Some(phase) = self.phase.take() else {
                return Ok(());
            };
            match phase.proceed(input, rng)? {
                Next::Done(output) => {
                    effects.push(Effect::Finished(output));
                    return Ok(());
                }
                Next::Round(phase, outbox) => self.open_round(phase, outbox, effects)?,
            }
        }
    }

    /// Whom the round waits for now; nobody once the run is over.
    fn awaiting(&self) -> Vec<PartyIndex> {
        let Some(phase) = &self.phase else {
            return Vec::new();
        };
        let others = self.roster.others();
        let awaited = others.filter(|party| phase.awaits(*party));
        self.state.awaiting(&self.spec, awaited)
    }

    /// Step 5.3: the round looks at what is there, and may speak because of it.
    fn hear(
        &mut self,
        rng: &mut dyn CryptoRng,
        effects: &mut Vec<Effect<P::Output>>,
    ) -> Result<(), Abort> {
        if !P::HEARS {
            return Ok(()); // a phase holds secrets, and is not moved about without need
        }
        let Some(phase) = self.phase.take() else {
            return Ok(());
        };
        let round = self.spec.number;
        let heard = Heard::new(&self.state, &self.roster, round, &self.context);
        let (phase, outbox) = phase.hear(&heard, rng)?;
        self.spec = phase.round();
        self.phase = Some(phase);
        self.send(outbox, effects);
        Ok(())
    }

    fn open_round(
        &mut self,
        phase: P,
        outbox: Outbox,
        effects: &mut Vec<Effect<P::Output>>,
    ) -> Result<(), Abort> {
        self.spec = phase.round();
        self.phase = Some(phase);
        self.state = std::mem::take(&mut self.early);
        self.check_early()?;
        self.send(outbox, effects);
        Ok(())
    }

    /// The limits of a round, for messages that came before it opened.
    fn check_early(&self) -> Result<(), Abort> {
        let (mut misplaced, mut oversized) = (BTreeSet::new(), BTreeSet::new());
        let mut check = |slot, from: PartyIndex, length| match self.check_slot(slot, length) {
            Ok(()) => {}
            Err(Reason::Malformed) => drop(oversized.insert(from)),
            Err(_) => drop(misplaced.insert(from)),
        };
        self.state
            .broadcasts
            .iter()
            .for_each(|(f, b)| check(Slot::Broadcast, *f, b.body.len()));
        self.state
            .directs
            .iter()
            .for_each(|(f, body)| check(Slot::Direct, *f, body.len()));
        self.state
            .echoes
            .keys()
            .for_each(|f| check(Slot::Echo, *f, 0));
        Abort::if_any(misplaced.into_iter().collect(), Reason::WrongRound)?;
        Abort::if_any(oversized.into_iter().collect(), Reason::Malformed)
    }

    fn send(&mut self, outbox: Outbox, effects: &mut Vec<Effect<P::Output>>) {
        let Outbox { broadcast, directs } = outbox;
        if let Some(body) = broadcast {
            let body = SecretBytes::new(body);
            let mut envelope = self.envelope(Slot::Broadcast, self.roster.me(), body);
            self.sign(&mut envelope);
            for to in self.roster.others() {
                envelope.to = to;
                effects.push(Effect::Send {
                    to,
                    message: SecretBytes::new(envelope.to_bytes()),
                });
            }
            self.state.own_broadcast = Some(Broadcast {
                digest: envelope.body_digest(),
                signature: envelope.signature,
                body: std::mem::take(&mut *envelope.body),
            });
        }
        for (to, body) in directs {
            let mut envelope = self.envelope(Slot::Direct, to, body);
            self.sign(&mut envelope);
            let message = SecretBytes::new(envelope.to_bytes());
            effects.push(Effect::Send { to, message });
        }
    }

    fn send_echo(&mut self, effects: &mut Vec<Effect<P::Output>>) -> Result<(), Abort> {
        let echo = echo::own_echo(&self.state, &self.roster)
            .ok_or_else(|| Abort::local("an echoed round needs a signed broadcast of our own"))?;
        self.state.echo_sent = true;
        let body = echo.to_bytes();
        for to in self.roster.others() {
            let envelope = self.envelope(Slot::Echo, to, SecretBytes::new(body.clone()));
            let message = SecretBytes::new(envelope.to_bytes());
            effects.push(Effect::Send { to, message });
        }
        Ok(())
    }

    /// Tells the others that we stop, but not why, and drops all secrets.
    fn end(&mut self, abort: Abort, effects: &mut Vec<Effect<P::Output>>) {
        let mut abort = self.convict(abort);
        self.phase = None;
        self.state = RoundState::default();
        self.early = RoundState::default();
        abort.context = Some(self.context);
        if abort.evidence.is_empty() {
            let blamed = |evidence: &&Evidence| abort.culprits.contains(&evidence.culprit);
            abort.evidence = self.signed.iter().filter(blamed).cloned().collect();
        }
        for to in self.roster.others() {
            let envelope = self.envelope(Slot::Abort, to, SecretBytes::default());
            let message = SecretBytes::new(envelope.to_bytes());
            effects.push(Effect::Send { to, message });
        }
        effects.push(Effect::Aborted(abort));
    }

    /// Step 4.5: where a run ends for want of messages, the echoes that did come may still convict
    /// somebody, who would otherwise hide by withholding the last one.
    fn convict(&self, abort: Abort) -> Abort {
        let others = self.roster.size() - 1;
        let wanting = matches!(abort.reason, Reason::PeerAborted | Reason::TimedOut);
        if !wanting || !self.spec.echo || !self.state.broadcasts_complete(others) {
            return abort;
        }
        match echo::compare(&self.state, &self.roster, self.spec.number, &self.context) {
            Err(conviction) if conviction.reason.is_attributable() => Abort {
                reported_by: abort.reported_by,
                ..conviction
            },
            _ => abort,
        }
    }

    fn envelope(&self, slot: Slot, to: PartyIndex, body: SecretBytes) -> Envelope {
        let session = self.roster.session();
        let (round, from) = (self.spec.number, self.roster.me());
        Envelope {
            session,
            round,
            slot,
            from,
            to,
            body,
            signature: None,
        }
    }

    fn sign(&self, envelope: &mut Envelope) {
        if P::SIGNED {
            envelope.signature = Some(self.signer.sign(&envelope.statement(&self.context)));
        }
    }
}

#[cfg(test)]
mod tests;
