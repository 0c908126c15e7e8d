//! One run: a queue of events in time, and what each of them does.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write as _;

use quorate_lead::{ClusterView, Event, NodeView};
use quorate_protocol::Reason;
use quorate_types::{Digest32, SessionId, UnixMillis, UnixSeconds};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::broken::Broken;
use crate::history::{History, How};
use crate::hostile::{ASKS, HostileLead};
use crate::invariant::{self, Violation};
use crate::network::{Network, Place, below};
use crate::node::{Act, Ask, Crashed, Intent, Node, World, node_id};
use crate::plan::{FAULTS_END_MS, Fault, Plan};
use crate::shell::Shell;

const START_MS: u64 = 1_700_000_000_000;
const RESTART_MS: u64 = 300;
/// No run takes so many events; one that does is a bug.
const MAX_EVENTS: u64 = 200_000;

/// Something that will happen.
#[derive(Debug)]
pub enum Happening {
    ToNode {
        node: usize,
        ask: Ask,
    },
    Cancel {
        node: usize,
        session: SessionId,
    },
    ToLead {
        node: usize,
        intent: usize,
        event: Event,
    },
    Peer {
        from: usize,
        to: usize,
        session: SessionId,
        bytes: Vec<u8>,
    },
    Timer {
        node: usize,
        session: SessionId,
    },
    Wake {
        intent: usize,
    },
    Request {
        intent: usize,
    },
    Fault(Fault),
    Restart {
        node: usize,
    },
    Mend {
        a: Place,
        b: Place,
    },
    LeadRestart,
    Hostile,
    FaultsEnd,
}

struct Entry {
    at: UnixMillis,
    order: u64,
    happening: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// What a run went through.
#[derive(Debug, Default)]
pub struct Summary {
    pub completed: u64,
    pub already_signed: u64,
    pub failed: u64,
    pub attempts: u64,
    pub crashes_in_a_write: u64,
    pub replays_refused: u64,
    pub bans: u64,
    pub lead_crashes: u64,
}

/// What is going to happen, in order of time; equal times in order of scheduling.
#[derive(Default)]
pub struct Agenda {
    entries: BinaryHeap<Reverse<Entry>>,
    order: u64,
}

impl Agenda {
    pub fn put(&mut self, at: UnixMillis, happening: Happening) {
        self.order += 1;
        let order = self.order;
        let entry = Entry {
            at,
            order,
            happening,
        };
        self.entries.push(Reverse(entry));
    }
}

pub struct Simulation {
    pub plan: Plan,
    pub now: UnixMillis,
    pub agenda: Agenda,
    pub network: Network,
    pub view: ClusterView,
    pub history: History,
    pub chaos: ChaCha20Rng,
    pub broken: Option<Broken>,
    pub intents: Vec<Intent>,
    pub nodes: Vec<Node>,
    pub summary: Summary,
    pub hostile: HostileLead,
    shell: Shell,
    checked: u64,
    log: String,
}

impl Simulation {
    pub fn new(seed: u64, broken: Option<Broken>) -> Self {
        let mut chaos = ChaCha20Rng::seed_from_u64(seed);
        let plan = Plan::new(&mut chaos);
        let now = UnixMillis(START_MS);
        let intent = |(number, seconds): (usize, &u64)| Intent {
            number,
            id: Digest32::of(b"intent", &[&seed.to_be_bytes(), &number.to_be_bytes()]),
            creates: plan.creates[number],
            t: if plan.creates[number] { plan.n } else { plan.t },
            expires_at: UnixSeconds(START_MS / 1_000 + seconds),
        };
        let node = |number| {
            let seed = seed.wrapping_mul(64).wrapping_add(number as u64);
            Node::new(number, plan.liar == Some(number), seed)
        };
        Self {
            now,
            agenda: Agenda::default(),
            network: Network::new(plan.weather),
            view: ClusterView::new(),
            history: History::default(),
            broken,
            intents: plan
                .lifetime_seconds
                .iter()
                .enumerate()
                .map(intent)
                .collect(),
            nodes: (0..plan.n).map(node).collect(),
            summary: Summary::default(),
            hostile: HostileLead::default(),
            shell: Shell::new(seed, plan.intents),
            checked: u64::MAX,
            log: String::new(),
            plan,
            chaos,
        }
    }

    #[allow(clippy::unused_self, reason = "reads like a property of the run")]
    pub const fn start(&self) -> UnixMillis {
        UnixMillis(START_MS)
    }

    pub fn log(&self) -> String {
        self.log.clone()
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn run(&mut self) -> Result<Summary, Violation> {
        self.begin();
        for _ in 0..MAX_EVENTS {
            let Some(Reverse(entry)) = self.agenda.entries.pop() else {
                self.finish_summary();
                self.liveness()?;
                return Ok(std::mem::take(&mut self.summary));
            };
            self.now = self.now.max(entry.at);
            let ms = self.now.since(UnixMillis(START_MS));
            writeln!(self.log, "{ms:>6} {:?}", entry.happening).unwrap();
            self.happen(entry.happening);
            if self.checked != self.history.version {
                invariant::all(&self.history)?;
                self.checked = self.history.version;
            }
        }
        panic!("the run does not end");
    }

    fn begin(&mut self) {
        for number in 0..self.plan.n {
            self.start_node(number);
        }
        for intent in 0..self.plan.intents {
            let at = self.now.plus(below(&mut self.chaos, 1_000));
            self.agenda.put(at, Happening::Request { intent });
        }
        for (after_ms, fault) in self.plan.faults.clone() {
            self.agenda
                .put(self.now.plus(after_ms), Happening::Fault(fault));
        }
        if self.plan.hostile {
            for _ in 0..ASKS {
                let at = self.now.plus(below(&mut self.chaos, FAULTS_END_MS));
                self.agenda.put(at, Happening::Hostile);
            }
        }
        let end = self.now.plus(FAULTS_END_MS);
        self.agenda.put(end, Happening::FaultsEnd);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ToNode { node, ask } => {
                if self.network.is_up(Place::Lead, Place::Node(node)) {
                    self.hostile.see(node, &ask);
                    self.with_node(node, |node, world| node.ask(ask, world));
                }
            }
            Happening::Cancel { node, session } => {
                self.with_node(node, |n, world| {
                    n.give_up(session, Reason::Cancelled, world)
                });
            }
            Happening::Peer {
                from,
                to,
                session,
                bytes,
            } => {
                if self.network.is_up(Place::Node(from), Place::Node(to)) {
                    self.with_node(to, |n, world| n.receive(from, session, &bytes, world));
                }
            }
            Happening::Timer { node, session } => {
                self.with_node(node, |n, world| n.give_up(session, Reason::TimedOut, world));
            }
            Happening::ToLead {
                node,
                intent,
                event,
            } => {
                if self.network.is_up(Place::Lead, Place::Node(node)) {
                    self.with_shell(|shell, sim| shell.hear(intent, event, sim));
                }
            }
            Happening::Wake { intent } => {
                self.with_shell(|shell, sim| shell.feed(intent, Event::Tick, sim));
            }
            Happening::Request { intent } => {
                self.with_shell(|shell, sim| shell.request(intent, sim));
            }
            Happening::Fault(fault) => self.fault(fault),
            Happening::Restart { node } => self.start_node(node),
            Happening::Mend { a, b } => {
                self.network.mend(a, b);
                self.look_at_links();
            }
            Happening::LeadRestart => self.with_shell(Shell::restart),
            Happening::Hostile => {
                let n = self.plan.n;
                let (node, ask) = self.hostile.ask(&self.intents, n, &mut self.chaos);
                self.with_node(node, |node, world| node.ask(ask, world));
            }
            Happening::FaultsEnd => self.end_faults(),
        }
    }

    fn with_shell(&mut self, act: impl FnOnce(&mut Shell, &mut Self)) {
        let mut shell = std::mem::take(&mut self.shell);
        act(&mut shell, self);
        self.shell = shell;
    }

    fn with_node(
        &mut self,
        number: usize,
        act: impl FnOnce(&mut Node, &mut World<'_>) -> Result<Vec<Act>, Crashed>,
    ) {
        let node = &mut self.nodes[number];
        if !node.is_up() {
            return;
        }
        let mut world = World {
            now: self.now,
            history: &mut self.history,
            broken: self.broken,
        };
        match act(node, &mut world) {
            Ok(acts) => acts.into_iter().for_each(|act| self.perform(number, act)),
            Err(Crashed) => {
                self.summary.crashes_in_a_write += 1;
                self.crash_node(number, RESTART_MS);
            }
        }
    }

    fn perform(&mut self, number: usize, act: Act) {
        let here = Place::Node(number);
        match act {
            Act::Report { intent, event } => {
                for delay in self.network.copies(here, Place::Lead, &mut self.chaos) {
                    let event = event.clone();
                    let node = number;
                    let report = Happening::ToLead {
                        node,
                        intent,
                        event,
                    };
                    self.agenda.put(self.now.plus(delay), report);
                }
            }
            Act::Send { to, session, bytes } => {
                for delay in self.network.copies(here, Place::Node(to), &mut self.chaos) {
                    let message = Happening::Peer {
                        from: number,
                        to,
                        session,
                        bytes: bytes.clone(),
                    };
                    self.agenda.put(self.now.plus(delay), message);
                }
            }
            Act::Timer { session, at } => {
                let node = number;
                self.agenda.put(at, Happening::Timer { node, session });
            }
        }
    }

    fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Crash { node, for_ms } => self.crash_node(node, for_ms),
            Fault::CutPower { node, survives } => self.nodes[node].disk.cut_power(survives),
            Fault::Partition { a, b, for_ms } => {
                self.network.cut(a, b);
                self.look_at_links();
                self.agenda
                    .put(self.now.plus(for_ms), Happening::Mend { a, b });
            }
            Fault::LeadCrash { for_ms } => {
                self.summary.lead_crashes += 1;
                self.with_shell(|shell, _| shell.crash());
                self.agenda
                    .put(self.now.plus(for_ms), Happening::LeadRestart);
            }
            Fault::Die { node } => {
                self.nodes[node].crash();
                self.look_at_links();
            }
            Fault::OtherDecoder { node } => self.nodes[node].decoder += 1,
        }
    }

    fn crash_node(&mut self, node: usize, for_ms: u64) {
        self.nodes[node].crash();
        self.look_at_links();
        self.agenda
            .put(self.now.plus(for_ms), Happening::Restart { node });
    }

    fn is_dead(&self, number: usize) -> bool {
        let dies = |(after, fault): &(u64, Fault)| {
            let at = UnixMillis(START_MS + after);
            matches!(fault, Fault::Die { node } if *node == number) && self.now >= at
        };
        self.plan.faults.iter().any(dies)
    }

    fn start_node(&mut self, number: usize) {
        if self.nodes[number].is_up() || self.is_dead(number) {
            return;
        }
        self.nodes[number].start(self.now, self.broken);
        self.look_at_links();
    }

    /// Tells the leads whose link broke and whose is up.
    fn look_at_links(&mut self) {
        for number in 0..self.plan.n {
            let (id, connected) = (node_id(number), self.is_reachable(number));
            if self.view.is_connected(&id) == connected {
                continue;
            }
            if connected
                && self.broken == Some(Broken::ShellMissesReturns)
                && self.view.node(&id).is_some()
            {
                continue;
            }
            let view = NodeView {
                connected,
                ..NodeView::default()
            };
            self.view.set(id.clone(), view);
            let event = if connected {
                Event::NodeBack { node: id }
            } else {
                Event::NodeLost { node: id }
            };
            self.with_shell(|shell, sim| shell.feed_all(&event, sim));
        }
    }

    pub fn is_reachable(&self, number: usize) -> bool {
        self.nodes[number].is_up() && self.network.is_up(Place::Lead, Place::Node(number))
    }

    fn end_faults(&mut self) {
        self.network.heal();
        for number in 0..self.plan.n {
            if self.nodes[number].is_up() {
                self.nodes[number].disk.power_on();
            }
            self.start_node(number);
        }
        self.look_at_links();
    }

    fn finish_summary(&mut self) {
        for ended in &self.history.ended {
            match &ended.how {
                How::Completed { earlier, .. } => {
                    self.summary.completed += 1;
                    self.summary.already_signed += u64::from(*earlier);
                }
                _ => self.summary.failed += 1,
            }
        }
        self.summary.bans = self.history.bans.len() as u64;
        self.summary.replays_refused = self.history.replays_refused;
    }

    /// With enough healthy nodes every act is done once the faults are over; with too few, the
    /// failure says so. A hostile lead can spend intents and attempts, so it is promised nothing.
    fn liveness(&self) -> Result<(), Violation> {
        if self.plan.hostile {
            return Ok(());
        }
        for (intent, spec) in self.intents.iter().enumerate() {
            let last = self.history.last_end(intent);
            let too_few = self.plan.healthy() < spec.t;
            let is_good = match last {
                Some(How::Completed { .. }) => true,
                Some(How::NotEnough { .. }) => too_few,
                // A lying node among the last t can spend all attempts and the time.
                Some(_) => too_few && self.plan.liar.is_some(),
                None => false,
            };
            if !is_good {
                let detail = format!("intent {intent} ended with {last:?}");
                let invariant = "liveness";
                return Err(Violation { invariant, detail });
            }
        }
        Ok(())
    }
}
