//! Waiting for everybody's signature share. `docs/protocols/frost.md` §2.4 to §2.6.

use quorate_protocol::{Abort, Inbox};
use quorate_verify::Signature;

use super::given::{COMMITMENT_LIST, Given};
use super::message::Share;
use crate::scheme::Scheme;

/// Our share is out.
pub(crate) struct Round2<S: Scheme>(pub(crate) Given<S>);

impl<S: Scheme> Round2<S> {
    /// Steps 2.4 to 2.6.
    pub(crate) fn proceed(self, received: Inbox<Share<S>>) -> Result<Signature, Abort> {
        let Self(given) = self;
        // 2.4 Everybody signed for the list that we know. All lists are the same: with two signers
        // because each knows both commitments, with more because they were echoed. So who names
        // another list contradicts itself.
        let differing = received.failing(|_, theirs| theirs.list == given.list_digest);
        Abort::if_any(differing, COMMITMENT_LIST)?;
        let shares = received.into_map().into_iter();
        given.finish(&shares.map(|(from, theirs)| (from, theirs.share)).collect())
    }
}
