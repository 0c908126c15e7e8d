//! What two nodes do next about the state that they share, decided from what each of them has. Pure.
//! Steps of `docs/protocols/pair-state.md` §3.

use quorate_types::Digest32;

/// What a node has with a peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Holding {
    /// The generation that it signs with.
    pub(crate) current: Option<Digest32>,
    /// A newer one that is durable, and not in use yet.
    pub(crate) stored: Option<Digest32>,
    /// Whether it proposes a set-up, or runs one: what it has may change, and says nothing yet.
    pub(crate) is_busy: bool,
}

/// Everything that the decision depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    pub(super) ours: Holding,
    /// What the peer said last; none if nothing since its link came up or a set-up began.
    pub(super) theirs: Option<Holding>,
    /// Whether our current generation is banned.
    pub(super) is_banned: bool,
    /// Whether a ban stands that no owner has lifted.
    pub(super) is_blocked: bool,
    /// Whether we lead: ours is the lower id.
    pub(super) leads: bool,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing before something happens.
    Wait,
    /// Ask the peer what it has.
    Ask,
    /// The peer has what we use already stored: tell it that we use it.
    Tell,
    /// Both have this generation: use it.
    Switch(Digest32),
    /// The peer does not have what is stored here: it can never be used.
    Drop(Digest32),
    /// Both use the same, unbanned generation.
    Agreed,
    /// New state is needed, and an owner must allow it first.
    Blocked,
    /// New state is needed, and it is for us to propose it.
    Propose,
    /// New state is needed, and the peer proposes it.
    AwaitProposal,
}

pub(super) fn next(situation: &Situation) -> Step {
    let Situation {
        ours,
        theirs,
        is_banned,
        is_blocked,
        leads,
    } = *situation;
    if ours.is_busy {
        return Step::Wait;
    }
    // 3.4 What was made before a ban is never used, whatever the peer says, or does not say until an
    // owner lifted the ban.
    if let (Some(stored), true) = (ours.stored, is_blocked) {
        return Step::Drop(stored);
    }
    let Some(theirs) = theirs else {
        return Step::Ask;
    };
    // 3.4 What the peer had before its end of a set-up convicts no state of ours.
    if theirs.is_busy
        && ours
            .stored
            .is_none_or(|stored| theirs.stored != Some(stored))
    {
        return Step::Ask;
    }
    // 3.4 A newer generation is at both nodes. Never one that was made before a ban.
    if let Some(stored) = ours.stored {
        let is_theirs = theirs.current == Some(stored) || theirs.stored == Some(stored);
        return match (is_theirs, is_blocked) {
            (true, false) => Step::Switch(stored),
            _ => Step::Drop(stored),
        };
    }
    // 3.2
    let same = ours.current.is_some() && ours.current == theirs.current;
    match () {
        () if same && !is_banned => Step::Agreed,
        () if ours.current.is_some() && ours.current == theirs.stored && !is_banned => Step::Tell,
        () if is_blocked => Step::Blocked,
        () if leads => Step::Propose,
        () => Step::AwaitProposal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u8) -> Digest32 {
        Digest32::from_array([n; 32])
    }

    fn holding(current: u8, stored: u8) -> Holding {
        let some = |n: u8| (n > 0).then(|| digest(n));
        Holding {
            current: some(current),
            stored: some(stored),
            is_busy: false,
        }
    }

    fn situation(ours: Holding, theirs: Holding) -> Situation {
        Situation {
            ours,
            theirs: Some(theirs),
            is_banned: false,
            is_blocked: false,
            leads: true,
        }
    }

    fn step(ours: (u8, u8), theirs: (u8, u8)) -> Step {
        next(&situation(
            holding(ours.0, ours.1),
            holding(theirs.0, theirs.1),
        ))
    }

    #[test]
    fn equal_generations__should_need_nothing() {
        assert_eq!(step((1, 0), (1, 0)), Step::Agreed);
        assert_eq!(step((1, 0), (1, 2)), Step::Agreed, "it drops what it has");
    }

    #[test]
    fn a_set_up_under_way__must_neither_lead_to_another_nor_to_the_loss_of_its_state() {
        let busy = |mut holding: Holding| {
            holding.is_busy = true;
            holding
        };
        assert_eq!(
            next(&situation(busy(holding(1, 0)), holding(2, 0))),
            Step::Wait
        );
        // We are done with it, and what we know of the peer is from before its own end.
        assert_eq!(
            next(&situation(holding(1, 2), busy(holding(1, 0)))),
            Step::Ask
        );
        assert_eq!(
            next(&situation(holding(1, 0), busy(holding(2, 0)))),
            Step::Ask
        );
        let stored = next(&situation(holding(1, 2), busy(holding(1, 2))));
        assert_eq!(stored, Step::Switch(digest(2)));
    }

    #[test]
    fn none_one_or_different_generations__should_lead_to_new_state() {
        for (ours, theirs) in [
            ((0, 0), (0, 0)),
            ((1, 0), (0, 0)),
            ((0, 0), (1, 0)),
            ((1, 0), (2, 0)),
        ] {
            assert_eq!(step(ours, theirs), Step::Propose);
            let mut follower = situation(holding(ours.0, 0), holding(theirs.0, 0));
            follower.leads = false;
            assert_eq!(next(&follower), Step::AwaitProposal);
            follower.theirs = None;
            assert_eq!(next(&follower), Step::Ask);
        }
    }

    #[test]
    fn stored_state__should_be_used_only_if_the_peer_has_it_too() {
        assert_eq!(step((1, 2), (1, 2)), Step::Switch(digest(2)));
        assert_eq!(
            step((1, 2), (2, 0)),
            Step::Switch(digest(2)),
            "it went ahead"
        );
        assert_eq!(step((0, 2), (0, 2)), Step::Switch(digest(2)));
        assert_eq!(
            step((1, 2), (1, 0)),
            Step::Drop(digest(2)),
            "it was lost there"
        );
        assert_eq!(step((1, 2), (1, 3)), Step::Drop(digest(2)));
        // We went ahead: the peer follows.
        assert_eq!(step((2, 0), (1, 2)), Step::Tell);
    }

    #[test]
    fn c12_ban__must_stop_every_step_towards_new_state_until_it_is_lifted() {
        for (ours, theirs) in [
            ((0, 0), (0, 0)),
            ((1, 0), (1, 0)),
            ((1, 0), (2, 0)),
            ((0, 0), (1, 0)),
        ] {
            for leads in [true, false] {
                let mut banned = situation(holding(ours.0, 0), holding(theirs.0, 0));
                (banned.is_banned, banned.is_blocked, banned.leads) = (true, true, leads);
                assert_eq!(next(&banned), Step::Blocked);
                // Lifted: the banned generation is replaced, not used again.
                banned.is_blocked = false;
                let expected = if leads {
                    Step::Propose
                } else {
                    Step::AwaitProposal
                };
                assert_eq!(next(&banned), expected);
            }
        }
        let mut made_before = situation(holding(1, 2), holding(1, 2));
        made_before.is_blocked = true;
        assert_eq!(next(&made_before), Step::Drop(digest(2)));
        made_before.theirs = None;
        assert_eq!(next(&made_before), Step::Drop(digest(2)), "a silent peer");
    }
}
