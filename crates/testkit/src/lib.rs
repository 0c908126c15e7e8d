//! Clusters of real participant processes, and a coordinator double that obeys nobody's rules.
//! For tests only; nothing of the product depends on it.

mod cluster;
mod coordinator_double;
mod credentials;
mod intents;

pub use cluster::{Cluster, Options};
pub use coordinator_double::{CoordinatorDouble, Outcome, Proposal};
pub use credentials::{Identity, NodeKeys};
pub use intents::{Client, eip1559_transfer};
