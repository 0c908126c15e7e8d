//! Runs one protocol over the links, as part of its session's task: no thread waits for messages. Short
//! rounds compute on the thread that happens to run the task, long ones in the pool
//! (`docs/adr/0015-pool-for-long-computations.md`).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quorate_protocol::{Abort, Allowance, Driver, Effect, Outbox, Phases, Reason, Roster};
use quorate_types::{Digest32, NodeId, PartyIndex, SecretBytes, SessionId};
use tokio::time::timeout;

use crate::course::{Course, Part};
use crate::gate::{SessionGate, Verdict};
use crate::link_message;
use crate::mailbox::{Letter, Mailbox};
use crate::node::Node;
use crate::randomness::SystemRandomness;
use crate::report::Report;

/// Where a part of a session runs.
pub(crate) struct Port<'a> {
    pub(crate) node: &'a Node,
    /// The session that the part belongs to.
    pub(crate) owner: SessionId,
    /// Which part it is.
    pub(crate) part: &'a str,
    pub(crate) report: &'a Report,
    /// How long the session may stay where it is.
    pub(crate) round_timeout: Duration,
    /// What a signing session must pass before anything leaves it.
    pub(crate) gate: Option<&'a SessionGate<'a>>,
    /// How far the session is.
    pub(crate) course: &'a Course,
    /// Whether a round computes for half a millisecond and more: it does so in the pool.
    pub(crate) is_long: bool,
}

/// Runs `phase` to its end.
///
/// # Errors
/// The driver's [`Abort`]; a peer that cannot be reached counts as one that is awaited.
pub(crate) async fn drive<P>(
    port: &Port<'_>,
    roster: &Roster,
    context: Digest32,
    phase: P,
    outbox: Outbox,
) -> Result<P::Output, Abort>
where
    P: Phases + Send + 'static,
    P::Output: Send,
{
    let part = roster.session();
    let parties = roster.parties().filter_map(|index| roster.member(index));
    let members = parties.map(|member| member.node.clone());
    let allowance = Allowance::of::<P>();
    let mut mailbox = port
        .node
        .mailboxes
        .open(port.owner, part, members, allowance);
    let signer = Box::new(port.node.identity.clone());
    #[cfg(feature = "danger_byzantine")]
    let (phase, outbox) = crate::byzantine::Lying::new(port.part, roster, context, phase, outbox);
    let (driver, effects) = Driver::start(roster.clone(), context, signer, phase, outbox);
    let mut run = Run {
        port,
        roster,
        #[cfg(feature = "danger_byzantine")]
        context,
        driver: Arc::new(Mutex::new(driver)),
        course: port.course.begin(),
        round: None,
        round_since: Instant::now(),
    };
    let result = run.until_over(&mut mailbox, effects).await;
    if result.is_ok() {
        run.course.finish();
    }
    port.node.mailboxes.close(part);
    // A peer's abort may have come behind the last message that we needed.
    for letter in mailbox.take_waiting() {
        if let Letter::Round { from, envelope, .. } = letter {
            port.node.mailboxes.deliver(from, part, envelope);
        }
    }
    result
}

/// Nothing came before the end of the round.
struct RoundOver;

struct Run<'a, P: Phases> {
    port: &'a Port<'a>,
    roster: &'a Roster,
    #[cfg(feature = "danger_byzantine")]
    context: Digest32,
    /// Shared with the pool while that computes; nobody waits for it meanwhile.
    driver: Arc<Mutex<Driver<P>>>,
    course: Part<'a>,
    /// The round that runs, and its name.
    round: Option<(u8, &'static str)>,
    round_since: Instant,
}

impl<P> Run<'_, P>
where
    P: Phases + Send + 'static,
    P::Output: Send,
{
    async fn until_over(
        &mut self,
        mailbox: &mut Mailbox<'_>,
        mut effects: Vec<Effect<P::Output>>,
    ) -> Result<P::Output, Abort> {
        // A session that is over already says nothing of its own: a first message may have a share in it.
        if mailbox.cancelled.load(Ordering::SeqCst) {
            effects = self.driver.lock().give_up(Reason::Cancelled);
        } else if let Some(peer) = self.gone() {
            effects = self.peer_gave_up(peer);
        }
        loop {
            if let Some(result) = self.release(effects) {
                return result;
            }
            self.note_progress();
            let letter = self.next_letter(mailbox).await;
            if mailbox.cancelled.load(Ordering::Relaxed) {
                effects = self.driver.lock().give_up(Reason::Cancelled);
                continue;
            }
            effects = match letter {
                Ok(Letter::Round {
                    from,
                    envelope,
                    room,
                }) => {
                    drop(room); // it waits no more
                    let length = u64::try_from(envelope.len()).unwrap_or(u64::MAX);
                    self.port
                        .report
                        .bytes_received
                        .fetch_add(length, Ordering::Relaxed);
                    #[cfg(feature = "danger_byzantine")]
                    crate::byzantine::incoming(&self.place(), &envelope);
                    match self.index_of(&from) {
                        Some(from) => self.receive(mailbox, from, envelope).await?,
                        None => Vec::new(), // a node that is not in this run has no say in it
                    }
                }
                Ok(Letter::Flooded(peer)) => match self.index_of(&peer) {
                    Some(index) => self.driver.lock().flooded(index),
                    None => Vec::new(),
                },
                Ok(Letter::LinkLost(peer)) if self.index_of(&peer).is_none() => Vec::new(),
                Ok(Letter::PeerAborted(peer)) => match self.index_of(&peer) {
                    Some(index) => self.peer_gave_up(index),
                    None => Vec::new(),
                },
                Ok(Letter::LinkLost(_)) => self.driver.lock().give_up(Reason::TimedOut),
                Ok(Letter::Cancel) => self.driver.lock().give_up(Reason::Cancelled),
                Err(RoundOver) => self.driver.lock().give_up(Reason::TimedOut),
            };
        }
    }

    /// Takes a message. The one that completes a round makes it compute; where that takes long, it does
    /// so in the pool.
    ///
    /// # Errors
    /// The computation broke off, which is a defect of ours: [`Abort`].
    async fn receive(
        &self,
        mailbox: &Mailbox<'_>,
        from: PartyIndex,
        envelope: SecretBytes,
    ) -> Result<Vec<Effect<P::Output>>, Abort> {
        let driver = Arc::clone(&self.driver);
        let receive = move || {
            driver
                .lock()
                .receive(from, &envelope, &mut SystemRandomness)
        };
        if !self.port.is_long || !self.completes(from) {
            return Ok(receive());
        }
        let long = move || {
            crate::failpoint::pause("pool.before_round");
            receive()
        };
        let effects = self.port.node.crypto.run(long).await?;
        // That took its time. What was found out counts all the same, but a session that was cancelled
        // meanwhile sends nothing any more.
        let sends = |effect: &Effect<_>| matches!(effect, Effect::Send { .. });
        let is_cancelled = mailbox.cancelled.load(Ordering::SeqCst);
        if is_cancelled && !effects.is_empty() && effects.iter().all(sends) {
            return Ok(self.driver.lock().give_up(Reason::Cancelled));
        }
        Ok(effects)
    }

    /// Whether nobody but this party is waited for.
    fn completes(&self, from: PartyIndex) -> bool {
        let awaiting = self.driver.lock().progress().awaiting;
        awaiting.iter().all(|party| *party == from)
    }

    /// Who gave up an earlier part.
    fn gone(&self) -> Option<PartyIndex> {
        let peer = self.port.node.mailboxes.aborted_by(self.port.owner)?;
        self.index_of(&peer)
    }

    /// A peer gave up in an earlier part.
    fn peer_gave_up(&mut self, peer: PartyIndex) -> Vec<Effect<P::Output>> {
        let mut effects = self.driver.lock().give_up(Reason::PeerAborted);
        for effect in &mut effects {
            if let Effect::Aborted(abort) = effect {
                abort.reported_by = Some(peer);
            }
        }
        effects
    }

    /// Does what the driver says, if the gate lets it.
    fn release(&mut self, effects: Vec<Effect<P::Output>>) -> Option<Result<P::Output, Abort>> {
        let Some(gate) = self.port.gate.filter(|_| !effects.is_empty()) else {
            return self.perform(effects);
        };
        let abort = effects.iter().find_map(|effect| match effect {
            Effect::Aborted(abort) => Some(abort.clone()),
            _ => None,
        });
        gate.pass(abort.as_ref(), |verdict| match verdict {
            Verdict::Release => self.perform(effects),
            // No peer hears of this session again, and the coordinator, which may be in league
            // with one, hears the same whatever was computed.
            Verdict::Silence => {
                drop(self.driver.lock().give_up(Reason::Cancelled));
                Some(Err(Abort::new(Reason::Cancelled, [])))
            }
        })
    }

    /// Does what the driver says. `Some` when the run is over.
    fn perform(&mut self, effects: Vec<Effect<P::Output>>) -> Option<Result<P::Output, Abort>> {
        let mut unreachable = Vec::new();
        let mut result = None;
        for effect in effects {
            match effect {
                Effect::Send { to, message } => {
                    if !self.send(to, message) {
                        unreachable.push(to);
                    }
                }
                Effect::Finished(output) => result = Some(Ok(output)),
                Effect::Aborted(abort) => result = Some(Err(abort)),
            }
        }
        if result.is_none() && !unreachable.is_empty() {
            // What was sent is lost for somebody, so that nobody can finish: end it now.
            let told = self.driver.lock().give_up(Reason::Cancelled);
            let _ = self.perform(told);
            result = Some(Err(Abort::new(Reason::TimedOut, unreachable)));
        }
        result
    }

    fn send(&self, to: PartyIndex, message: SecretBytes) -> bool {
        let Some(member) = self.roster.member(to) else {
            return false;
        };
        #[cfg(feature = "danger_byzantine")]
        let Some(message) = crate::byzantine::outgoing(&self.place(), to, &message) else {
            return true;
        };
        #[cfg(feature = "danger_byzantine")]
        crate::failpoint::here(&format!(
            "send.{}",
            self.driver.lock().progress().name.replace(' ', "-")
        ));
        #[cfg(feature = "danger_byzantine")]
        crate::byzantine::flood(&self.place(), to, &message);
        let length = u64::try_from(message.len()).unwrap_or(u64::MAX);
        self.port
            .report
            .bytes_sent
            .fetch_add(length, Ordering::Relaxed);
        self.port
            .node
            .send(&member.node, link_message::round(message))
    }

    #[cfg(feature = "danger_byzantine")]
    fn place(&self) -> crate::byzantine::Place<'_> {
        crate::byzantine::Place {
            node: self.port.node,
            owner: self.port.owner,
            part: crate::byzantine::part_name(self.port.part),
            roster: self.roster,
            context: self.context,
        }
    }

    fn index_of(&self, node: &NodeId) -> Option<PartyIndex> {
        let named = |index: &PartyIndex| {
            self.roster
                .member(*index)
                .is_some_and(|member| member.node == *node)
        };
        self.roster.parties().find(named)
    }

    /// Waits for a letter, as long as the session may stay where it is.
    ///
    /// Only the first part that runs may find that a peer is late: every honest node has begun it, since
    /// all parts before it are over. Of a later one that awaits a peer, that peer may be waiting itself,
    /// in an earlier one, for somebody else.
    async fn next_letter(&mut self, mailbox: &mut Mailbox<'_>) -> Result<Letter, RoundOver> {
        loop {
            let Port {
                course,
                round_timeout,
                ..
            } = *self.port;
            let left = course.left(round_timeout, Instant::now());
            let ends = left.is_zero() && self.course.is_first();
            let pause = if left.is_zero() && !ends {
                round_timeout // the first ends the session now, or moves
            } else {
                left
            };
            if let Ok(letter) = timeout(pause, mailbox.letters.recv()).await {
                return letter.ok_or(RoundOver);
            }
            if ends {
                return Err(RoundOver);
            }
        }
    }

    fn note_progress(&mut self) {
        let progress = self.driver.lock().progress();
        let (round, name) = (progress.round, progress.name);
        if self.round.is_none_or(|(before, _)| before != round) {
            if let Some((_, before)) = self.round.replace((round, name)) {
                metrics::histogram!(
                    "mpc_session_round_duration_seconds",
                    "round" => before
                )
                .record(self.round_since.elapsed().as_secs_f64());
            }
            let (session, part) = (self.port.owner, self.port.part);
            tracing::trace!(%session, part, round, name, "round");
            self.round_since = Instant::now();
        }
        self.course.stands_at(progress);
    }
}
