//! Threads for cryptography that takes long, as many as there is work and CPU for.
//!
//! A short step runs where its message arrives: handing over 0.1 ms costs a fifth of it. A step of
//! milliseconds would hold up what shares its thread, and a thread for each would leave the cores to
//! whoever has most of them (`docs/adr/0015-pool-for-long-computations.md`).
//!
//! Architecture invariant: work in here computes, and that is all. It never waits, for other work of
//! the pool, the network, the disk or a lock that is held over a wait: its few threads would wait
//! with it.

mod machine;
mod size;
mod threads;
mod watch;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use quorate_api::ErrorCode;
use quorate_protocol::Abort;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::config::SessionLimits;
use crate::refusal::Refusal;
use machine::{Machine, ThisMachine};
use threads::Shared;

/// How long a thread may be idle.
const IDLE: Duration = Duration::from_secs(5);

/// As much work waits as may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("too much cryptography waits on this node")]
pub(crate) struct Full;

impl From<Full> for Refusal {
    fn from(error: Full) -> Self {
        Self::retry(ErrorCode::RateLimited, error)
    }
}

/// Work has no result: it panicked, or the pool ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a computation broke off")]
pub(crate) struct BrokeOff;

impl From<BrokeOff> for Abort {
    fn from(_: BrokeOff) -> Self {
        Self::local("a computation broke off")
    }
}

/// How large a pool is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolLimits {
    threads_min: usize,
    threads_max: usize,
    queue: usize,
    idle: Duration,
}

impl PoolLimits {
    /// As they were configured.
    pub(crate) fn of(limits: &SessionLimits) -> Self {
        Self {
            threads_min: limits.crypto_threads_min,
            threads_max: limits.crypto_threads_max,
            queue: limits.crypto_queue_length,
            idle: IDLE,
        }
    }
}

/// The pool. When it is dropped, work that was not begun is dropped with it, and its threads end.
pub(crate) struct CryptoPool {
    shared: Arc<Shared>,
}

impl CryptoPool {
    /// Starts the threads that it always has.
    ///
    /// # Errors
    /// The system gives no threads.
    pub(crate) fn start(limits: PoolLimits) -> io::Result<Self> {
        Self::start_on(ThisMachine::default(), limits)
    }

    fn start_on(mut machine: impl Machine + 'static, limits: PoolLimits) -> io::Result<Self> {
        // From here on a failure drops it, and so ends the threads that were started.
        let pool = Self {
            shared: Arc::new(Shared::new(limits)),
        };
        for _ in 0..limits.threads_min {
            pool.shared.add_thread(&mut machine)?;
        }
        if limits.threads_min < limits.threads_max {
            let shared = Arc::clone(&pool.shared);
            let watch = std::thread::Builder::new().name(watch::NAME.to_owned());
            watch.spawn(move || shared.watch(&mut machine))?;
        }
        Ok(pool)
    }

    /// Computes in the pool; where that is full, here and now, as it would be without one. Work is
    /// queued at once, before the future is polled. If the future is dropped before the work was
    /// begun, the work is dropped with it; if it is dropped later, the result is, as soon as there is
    /// one.
    ///
    /// # Errors
    /// [`BrokeOff`]. What panics here and now unwinds to the caller.
    pub(crate) fn run<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, BrokeOff>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let queued = self.shared.put(Box::new(move || {
            // Who has gone since it was begun has the result dropped here, and so wiped.
            drop(answer.send(work()));
        }));
        let place = match queued {
            Ok(number) => Some(Place {
                shared: Arc::clone(&self.shared),
                number,
            }),
            Err(work) => {
                work();
                None
            }
        };
        async move {
            let _place = place;
            result.await.map_err(|_| BrokeOff)
        }
    }

    /// Computes something that nobody waits for. A panic is in the log alone.
    ///
    /// # Errors
    /// [`Full`]: it was dropped.
    pub(crate) fn spawn(&self, work: impl FnOnce() + Send + 'static) -> Result<(), Full> {
        let queued = self.shared.put(Box::new(work));
        queued.map(drop).map_err(|_| refused())
    }

    /// Whether more work may wait: others may take that place.
    ///
    /// # Errors
    /// [`Full`].
    pub(crate) fn has_room(&self) -> Result<(), Full> {
        let has_room = self.shared.has_room();
        has_room.then_some(()).ok_or_else(refused)
    }
}

fn refused() -> Full {
    metrics::counter!("quorate_crypto_refused_total").increment(1);
    Full
}

impl Drop for CryptoPool {
    fn drop(&mut self) {
        // Without waiting for the threads: this may be the last thing that one of them does.
        self.shared.close();
    }
}

/// A place in the queue, which is given up when its owner goes: what waits there may hold secrets, and
/// takes the place of something that is wanted.
struct Place {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.withdraw(self.number);
    }
}

#[cfg(test)]
mod tests;
