//! Waiting for durability, with or without an executor.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::error::LogError;
use super::writer::Command;

/// What appenders and the writer thread share.
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    /// Something to write, or closing.
    pub(super) work: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) queue: Vec<Command>,
    pub(super) queued_bytes: usize,
    /// Commands accepted so far.
    pub(super) accepted: u64,
    /// Commands that are durable, all those before them too.
    pub(super) durable: u64,
    pub(super) failed: Option<LogError>,
    pub(super) closing: bool,
    /// Waiting tasks by (position, ticket).
    pub(super) wakers: BTreeMap<(u64, u64), Waker>,
    pub(super) tickets: u64,
}

impl State {
    fn outcome(&self, position: u64) -> Option<Result<(), LogError>> {
        if self.durable >= position {
            return Some(Ok(()));
        }
        self.failed.clone().map(Err)
    }
}

impl Shared {
    /// Wakes everybody whose position is settled. Consumes the lock, to wake without it.
    pub(super) fn announce(&self, mut state: MutexGuard<'_, State>) {
        let rest = if state.failed.is_some() {
            BTreeMap::new()
        } else {
            let after = (state.durable + 1, 0);
            state.wakers.split_off(&after)
        };
        let settled = std::mem::replace(&mut state.wakers, rest);
        drop(state);
        settled.into_values().for_each(Waker::wake);
    }
}

/// Completes when everything up to its position is durable. Await it, or [`Ticket::wait`].
///
/// Dropping it does not undo the append.
#[must_use = "an append is not durable before its ticket completes"]
pub struct Ticket {
    shared: Arc<Shared>,
    position: u64,
    id: u64,
}

impl Ticket {
    pub(super) fn new(shared: &Arc<Shared>, state: &mut State, position: u64) -> Self {
        state.tickets += 1;
        Self {
            shared: Arc::clone(shared),
            position,
            id: state.tickets,
        }
    }

    /// Place in the log's order of appends since it was opened.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Blocks this thread until the append is durable.
    ///
    /// # Errors
    /// [`LogError::Failed`]: whether the record survives is then unknown.
    pub fn wait(mut self) -> Result<(), LogError> {
        // Woken by its own waker: where many wait, a condition variable would wake all of them
        // for each batch.
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut context) {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

/// Wakes a thread that waits without an executor.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Future for Ticket {
    type Output = Result<(), LogError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.shared.state.lock();
        if let Some(outcome) = state.outcome(self.position) {
            return Poll::Ready(outcome);
        }
        let place = (self.position, self.id);
        state.wakers.insert(place, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let place = (self.position, self.id);
        let waker = self.shared.state.lock().wakers.remove(&place);
        drop(waker);
    }
}

/// A value that may be used once what it says is durable. Await it, or [`Durable::wait`].
#[must_use = "the value is not durable before this completes"]
pub struct Durable<T> {
    value: Option<T>,
    ticket: Ticket,
}

impl<T> Durable<T> {
    pub(crate) const fn new(value: T, ticket: Ticket) -> Self {
        Self {
            value: Some(value),
            ticket,
        }
    }

    /// Blocks this thread until the value is durable.
    ///
    /// # Errors
    /// As [`Ticket::wait`].
    ///
    /// # Panics
    /// If it was polled to its end before.
    pub fn wait(mut self) -> Result<T, LogError> {
        self.ticket.wait()?;
        Ok(self
            .value
            .take()
            .expect("a future is not used after its end"))
    }
}

impl<T: Unpin> Future for Durable<T> {
    type Output = Result<T, LogError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match Pin::new(&mut self.ticket).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                let value = self.value.take();
                Poll::Ready(Ok(value.expect("a future is not polled after its end")))
            }
        }
    }
}
