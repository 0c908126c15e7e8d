//! Runs n parties from one seed, in virtual time, over a network with faults.
//!
//! The code under test is the real one: [`Simulation`] only carries messages between [`Actor`]s
//! (a [`Driver`](crate::Driver) is one) and decides, from the seed, what is lost, late, doubled or
//! out of order, who crashes, and what a byzantine party sends instead of its messages. After
//! *every* event all [`invariant`]s are checked; at the end, that everybody came to an end. Any
//! failure prints its seed and its events, and runs again from the seed alone.
//!
//! For tests only, behind the feature `simulator`.

mod actor;
mod byzantine;
mod cast;
pub mod invariant;
mod log;
mod plan;
mod simulation;

pub use actor::Actor;
pub use byzantine::{Byzantine, Impostor, Sent, Strategy, Tamperer};
pub use cast::Cast;
pub use log::{Divergence, Event, Log, MessageLabel};
pub use plan::{Bounds, Crash, Faults, Plan};
pub use simulation::{Failure, Outcome, Record, Records, Simulation};

#[cfg(test)]
mod tests;
