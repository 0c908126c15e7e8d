//! Acts that run: one task for each intent, whoever and how often anybody asks for it.

mod arrival;
mod done;
mod handle;
mod journal;
mod pace;
mod reports;
mod task;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quorate_types::Digest32;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub use arrival::Arrival;
use arrival::Arriving;
pub(crate) use done::{Done, Signed};
pub(crate) use handle::{ActHandle, ActStatus};
use pace::Pace;
use task::ActTask;
pub(crate) use task::Origin;

use crate::admission::Plan;
use crate::audit::Subject;
use crate::coordinator::Core;
use crate::error::CoordinatorError;

/// An act that runs longer is stuck, and counts no more for the limit on acts in flight.
const PACED: Duration = Duration::from_secs(2);

/// The acts that run now, by intent.
pub(crate) struct Acts {
    limit: usize,
    stopped: CancellationToken,
    running: Mutex<HashMap<Digest32, Arc<ActHandle>>>,
    pace: Mutex<Pace>,
    arriving: Arc<Arriving>,
}

/// Takes an act off the list when its task ends, however it ends.
struct Entry {
    acts: Arc<Acts>,
    intent: Digest32,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut running = self.acts.running.lock();
        running.remove(&self.intent);
        metrics::gauge!("mpc_active_acts").set(count(running.len()));
    }
}

impl Acts {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            stopped: CancellationToken::new(),
            running: Mutex::default(),
            pace: Mutex::new(Pace::new(limit, Instant::now())),
            arriving: Arc::default(),
        }
    }

    /// Lets a request for a signature in, unless so many acts run that a further one would wait long:
    /// new requests are refused before anything is written for them. What was let in counts from here
    /// on, and runs to its end.
    pub(crate) fn arrive(&self) -> Option<Arrival> {
        let pace = self.pace.lock(); // held until it is counted: two never take the last place
        // In this order: one that becomes an act meanwhile is counted twice, and never not at all.
        let arriving = self.arriving.count();
        let running = self.paced(Instant::now());
        let admits = pace.admits(running.saturating_add(arriving));
        admits.then(|| self.arriving.enter())
    }

    /// What a signature takes without a queue, once some were made.
    pub(crate) fn signing_pace(&self) -> Option<Duration> {
        self.pace.lock().alone()
    }

    /// Acts that say something about a queue: those that make signatures and are not stuck. Keys are
    /// made for minutes, and acts that wait for dead nodes keep nobody else waiting.
    fn paced(&self, now: Instant) -> usize {
        let running = self.running.lock();
        let paced = running.values().filter(|act| act.signs_within(PACED, now));
        paced.count()
    }

    /// Takes note of the time of a signature that sessions made. A stored one takes no time, and
    /// the creation of a key takes its own whatever the load is.
    fn note_pace(&self, started: Instant, outcome: &Result<Done, CoordinatorError>) {
        if let Ok(Done::Signed(_)) = outcome {
            let now = Instant::now();
            // Itself was counted too, unless it took long.
            let running = self.paced(now).max(1);
            let took = now.duration_since(started);
            self.pace.lock().ended(took, running, now);
        }
    }

    /// Ends all tasks where they stand, as the end of the process would.
    pub(crate) fn stop(&self) {
        self.stopped.cancel();
    }

    /// The act of this intent, if it runs.
    pub(crate) fn get(&self, intent: &Digest32) -> Option<Arc<ActHandle>> {
        self.running.lock().get(intent).cloned()
    }

    /// Starts an act, or joins it: one intent never has two leads here.
    pub(crate) fn join_or_start(
        self: &Arc<Self>,
        core: &Arc<Core>,
        plan: Plan,
        subject: Subject,
        origin: Origin,
    ) -> Result<Arc<ActHandle>, CoordinatorError> {
        let intent = plan.digest();
        let (sender, input) = mpsc::channel(core.limits.act_queue_length.max(1));
        let (status, watched) = watch::channel(ActStatus::default());
        let handle = Arc::new(ActHandle::new(
            plan.tenant().clone(),
            plan.signs().then(Instant::now),
            sender.clone(),
            watched,
        ));
        {
            let mut running = self.running.lock();
            if let Some(known) = running.get(&intent) {
                return Ok(Arc::clone(known));
            }
            if running.len() >= self.limit {
                return Err(CoordinatorError::Busy { limit: self.limit });
            }
            running.insert(intent, Arc::clone(&handle));
            metrics::gauge!("mpc_active_acts").set(count(running.len()));
        }
        let entry = Entry {
            acts: Arc::clone(self),
            intent,
        };
        let (request_id, key) = (subject.request_id.as_deref(), plan.key_id());
        // What is logged during the act says whose it is.
        let span = tracing::info_span!("act", request_id, %intent, %key);
        let task = ActTask::new(
            Arc::clone(core),
            plan,
            subject,
            (sender, input),
            status.clone(),
        );
        let (acts, stopped) = (Arc::clone(self), self.stopped.clone());
        let started = Instant::now();
        let act = async move {
            let outcome = stopped.run_until_cancelled(task.run(origin)).await;
            let had_session = status.borrow().progress.is_some();
            if let Some(outcome) = outcome.as_ref().filter(|_| had_session) {
                acts.note_pace(started, outcome);
            }
            // Off the list before the outcome is seen: whoever has seen a failure and asks again
            // must start anew, not join what has ended.
            drop(entry);
            if let Some(outcome) = outcome {
                status.send_modify(|status| status.outcome = Some(outcome));
            }
        };
        tokio::spawn(act.instrument(span));
        Ok(handle)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a gauge of a few thousand")]
fn count(len: usize) -> f64 {
    len as f64
}
