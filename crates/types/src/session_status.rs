use std::fmt;
use std::str::FromStr;

use crate::canonical::DecodeError;

/// Where one attempt of one intent is. Changed only by the steps of [`SessionStatus::may_become`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionStatus {
    /// Accepted; the signers are being asked to join.
    Pending,
    /// People have to approve before anybody may join.
    AwaitingApproval,
    /// The rounds run.
    Signing,
    /// The verified result is recorded.
    Completed,
    /// The attempt was aborted; another attempt is another session.
    Failed,
    /// A caller ended it before a result.
    Cancelled,
    /// Its time ran out before a result.
    Expired,
}

impl SessionStatus {
    const ALL: [Self; 7] = [
        Self::Pending,
        Self::AwaitingApproval,
        Self::Signing,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// Name in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::AwaitingApproval => "AwaitingApproval",
            Self::Signing => "Signing",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::Expired => "Expired",
        }
    }

    /// Whether nothing can happen to the session any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Cancelled | Self::Expired
        )
    }

    /// Whether the life cycle allows this step.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use SessionStatus::{
            AwaitingApproval, Cancelled, Completed, Expired, Failed, Pending, Signing,
        };
        matches!(
            (self, next),
            (
                Pending,
                AwaitingApproval | Signing | Failed | Cancelled | Expired
            ) | (AwaitingApproval, Signing | Failed | Cancelled | Expired)
                | (Signing, Completed | Failed | Cancelled | Expired)
        )
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SessionStatus {
    type Err = DecodeError;
    fn from_str(text: &str) -> Result<Self, DecodeError> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(DecodeError::Unknown {
                what: "session status",
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_status__should_never_leave_a_final_state() {
        for status in SessionStatus::ALL {
            let leaves = SessionStatus::ALL.into_iter().any(|n| status.may_become(n));
            assert_ne!(status.is_final(), leaves, "{status}");
            assert_eq!(status.as_str().parse::<SessionStatus>(), Ok(status));
        }
    }

    #[test]
    fn session_status__must_not_complete_without_rounds() {
        assert!(!SessionStatus::Pending.may_become(SessionStatus::Completed));
        assert!(!SessionStatus::AwaitingApproval.may_become(SessionStatus::Completed));
    }
}
