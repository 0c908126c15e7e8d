//! Threads for cryptography that takes long, as many as there is work and CPU for.
//!
//! A short step runs where its message arrives: handing over 0.1 ms costs a fifth of it. A step of
//! milliseconds would hold up what shares its thread, and a thread for each would leave the cores to
//! whoever has most of them (`docs/adr/0014-what-is-put-together.md`).
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

/// Why work has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum PoolError {
    /// As much work waits as may wait. This was not begun.
    #[error("too much cryptography waits on this node")]
    Full,
    /// It panicked, or the pool ended.
    #[error("a computation broke off")]
    BrokeOff,
}

impl From<PoolError> for Refusal {
    fn from(error: PoolError) -> Self {
        let code = match error {
            PoolError::Full => ErrorCode::RateLimited,
            PoolError::BrokeOff => ErrorCode::Internal,
        };
        Self::retry(code, error)
    }
}

impl From<PoolError> for Abort {
    fn from(error: PoolError) -> Self {
        Self::local(match error {
            PoolError::Full => "too much cryptography waits",
            PoolError::BrokeOff => "a computation broke off",
        })
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

    /// Computes in the pool. Work is queued at once, before the future is polled. If the future is
    /// dropped before the work was begun, the work is dropped with it; if it is dropped later, the
    /// result is, as soon as there is one.
    ///
    /// # Errors
    /// [`PoolError`].
    pub(crate) fn run<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, PoolError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let queued = self.queue(work);
        async move {
            let (result, _place) = queued?;
            result.await.map_err(|_| PoolError::BrokeOff)
        }
    }

    /// Computes something that nobody waits for.
    ///
    /// # Errors
    /// [`PoolError`]; a panic is in the log alone.
    pub(crate) fn spawn(&self, work: impl FnOnce() + Send + 'static) -> Result<(), PoolError> {
        self.shared.put(Box::new(work)).map(drop)
    }

    /// Whether more work may wait: others may take that place.
    ///
    /// # Errors
    /// [`PoolError::Full`].
    pub(crate) fn has_room(&self) -> Result<(), PoolError> {
        let has_room = self.shared.has_room();
        has_room.then_some(()).ok_or(PoolError::Full)
    }

    fn queue<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(oneshot::Receiver<T>, Place), PoolError> {
        let (answer, result) = oneshot::channel();
        let number = self.shared.put(Box::new(move || {
            // Who has gone since it was begun has the result dropped here, and so wiped.
            drop(answer.send(work()));
        }))?;
        let shared = Arc::clone(&self.shared);
        Ok((result, Place { shared, number }))
    }
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
