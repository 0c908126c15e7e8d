use std::fmt;
use std::str::FromStr;

use crate::canonical::DecodeError;

/// Where a key is in its life. Changed only by the transitions of [`KeyStatus::may_become`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyStatus {
    /// The request was accepted; no node has started.
    Creating,
    /// The nodes run key generation.
    Generating,
    /// Key generation ended; the certificate is being collected.
    Distributing,
    /// All shares are being made durable.
    Storing,
    /// The key can sign.
    Active,
    /// A new epoch is being made; the current one still signs.
    Rotating,
    /// Signing is paused by a person.
    Suspended,
    /// Deletion was asked for.
    Deleting,
    /// The waiting period runs; deletion can be cancelled.
    PendingDeletion,
    /// Every share was destroyed; metadata and history stay.
    Deleted,
    /// Creation did not succeed; no share of it will ever be used.
    Failed,
}

impl KeyStatus {
    const ALL: [Self; 11] = [
        Self::Creating,
        Self::Generating,
        Self::Distributing,
        Self::Storing,
        Self::Active,
        Self::Rotating,
        Self::Suspended,
        Self::Deleting,
        Self::PendingDeletion,
        Self::Deleted,
        Self::Failed,
    ];

    /// Name in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Generating => "Generating",
            Self::Distributing => "Distributing",
            Self::Storing => "Storing",
            Self::Active => "Active",
            Self::Rotating => "Rotating",
            Self::Suspended => "Suspended",
            Self::Deleting => "Deleting",
            Self::PendingDeletion => "PendingDeletion",
            Self::Deleted => "Deleted",
            Self::Failed => "Failed",
        }
    }

    /// Whether the life cycle allows this step.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use KeyStatus::{
            Active, Creating, Deleted, Deleting, Distributing, Failed, Generating, PendingDeletion,
            Rotating, Storing, Suspended,
        };
        matches!(
            (self, next),
            (Creating, Generating | Failed)
                | (Generating, Distributing | Failed)
                | (Distributing, Storing | Failed)
                | (Storing, Active | Failed)
                | (Active, Rotating | Suspended | Deleting)
                | (Rotating | Suspended, Active)
                | (Deleting, PendingDeletion)
                | (PendingDeletion, Deleted | Active)
        )
    }
}

impl fmt::Display for KeyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyStatus {
    type Err = DecodeError;
    fn from_str(text: &str) -> Result<Self, DecodeError> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(DecodeError::Unknown { what: "key status" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_status__should_never_leave_deleted_or_failed() {
        for next in KeyStatus::ALL {
            assert!(!KeyStatus::Deleted.may_become(next));
            assert!(!KeyStatus::Failed.may_become(next));
            assert_eq!(next.as_str().parse::<KeyStatus>(), Ok(next));
        }
    }
}
