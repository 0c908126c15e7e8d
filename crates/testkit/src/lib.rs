//! Clusters of real participant processes, and a coordinator double that obeys nobody's rules.
//! For tests only; nothing of the product depends on it.

mod cluster;
mod coordinator_double;
mod credentials;
mod intents;
mod relay_double;

pub use cluster::{BeforeStart, Cluster, Options};
pub use coordinator_double::{CoordinatorDouble, Outcome, Proposal};
pub use credentials::{Identity, NodeKeys};
pub use intents::{Client, eip1559_transfer};
pub use relay_double::RelayDouble;
