//! Which act a session belongs to.

use std::collections::HashMap;

use parking_lot::Mutex;
use quorate_types::{NodeId, SessionId};
use tokio::sync::mpsc;

use super::report::{Input, Report};

/// Where reports go. An act that does not keep up loses reports rather than holding up others; its
/// timeouts and a further attempt make up for it.
#[derive(Default)]
pub(crate) struct Routes {
    sessions: Mutex<HashMap<SessionId, Route>>,
}

struct Route {
    members: Vec<NodeId>,
    act: mpsc::Sender<Input>,
}

impl Routes {
    pub(crate) fn add(&self, session: SessionId, members: Vec<NodeId>, act: mpsc::Sender<Input>) {
        self.sessions.lock().insert(session, Route { members, act });
    }

    pub(crate) fn remove(&self, session: &SessionId) {
        self.sessions.lock().remove(session);
    }

    /// Hands on a report, unless the session is over or the node is not in it.
    pub(crate) fn report(&self, node: &NodeId, session: SessionId, report: Report) {
        let act = {
            let sessions = self.sessions.lock();
            let Some(route) = sessions.get(&session) else {
                return;
            };
            if !route.members.contains(node) {
                tracing::warn!(%node, %session, "a node reported on a session that it is not in");
                return;
            }
            route.act.clone()
        };
        let node = node.clone();
        send(
            &act,
            Input::Node {
                node,
                session,
                report,
            },
        );
    }

    /// Tells every act that has the node in an open session, and every act that waits for nodes.
    pub(crate) fn tell_members(&self, node: &NodeId, input: impl Fn() -> Input) {
        let acts: Vec<_> = {
            let sessions = self.sessions.lock();
            let with = sessions.values().filter(|r| r.members.contains(node));
            with.map(|route| route.act.clone()).collect()
        };
        for act in acts {
            send(&act, input());
        }
    }
}

pub(crate) fn send(act: &mpsc::Sender<Input>, input: Input) {
    if let Err(mpsc::error::TrySendError::Full(_)) = act.try_send(input) {
        metrics::counter!("mpc_act_reports_dropped_total").increment(1);
    }
}
