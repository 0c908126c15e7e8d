//! The participants: how each is reached, and what is known of it.

mod cluster;
mod connector;
mod heartbeat;
mod node;
mod relay;
mod report;
mod routes;
mod state;
mod stream;
mod view;

pub use cluster::ClusterHealth;
pub(crate) use cluster::{Cluster, Shared};
pub use connector::NodeConnector;
pub(crate) use node::Node;
pub(crate) use relay::Switchboard;
pub(crate) use report::{Input, Report, ReportedRefusal, shown};
pub(crate) use routes::Routes;
pub(crate) use stream::describe;
