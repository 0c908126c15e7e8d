//! Revocation lists: whose they are, how long they count (Spec 6).

use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate_types::UnixSeconds;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::error::TlsError;

/// A revocation list and where it came from.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ListFile {
    pub(super) path: PathBuf,
    pub(super) der: CertificateRevocationListDer<'static>,
}

/// Lists that were checked.
#[derive(Default)]
pub(super) struct Lists {
    checked: Vec<Checked>,
}

struct Checked {
    path: PathBuf,
    issuer: Vec<u8>,
    this_update: i64,
    next_update: i64,
}

impl Lists {
    /// Spec 6.2: each list parses, is signed by one of `authorities`, is current, and is the only
    /// one of its authority: of several, webpki would look at the first alone.
    ///
    /// # Errors
    /// [`TlsError`], with the file.
    pub(super) fn check(
        files: &[ListFile],
        authorities: &[CertificateDer<'static>],
        now: UnixTime,
    ) -> Result<Self, TlsError> {
        let mut checked: Vec<Checked> = Vec::new();
        for file in files {
            let list = check_one(&file.path, &file.der, authorities)?;
            let now = seconds(now);
            if list.this_update > now {
                return Err(TlsError::ListNotYetValid {
                    path: list.path,
                    this_update: shown(list.this_update),
                });
            }
            if list.next_update <= now {
                return Err(TlsError::ListOverdue {
                    path: list.path,
                    next_update: shown(list.next_update),
                });
            }
            if let Some(other) = checked.iter().find(|other| other.issuer == list.issuer) {
                return Err(TlsError::TwoLists {
                    path: list.path,
                    other: other.path.clone(),
                });
            }
            checked.push(list);
        }
        Ok(Self { checked })
    }

    /// Spec 6.4: these lists may follow `before`: no authority's list is older, and none is gone.
    ///
    /// # Errors
    /// [`TlsError::ListOlder`].
    pub(super) fn check_follows(&self, before: &Self) -> Result<(), TlsError> {
        for old in &before.checked {
            // There is one of each authority, so this is the one that webpki looks at.
            let new = self.checked.iter().find(|new| new.issuer == old.issuer);
            if new.is_none_or(|new| new.this_update < old.this_update) {
                return Err(TlsError::ListOlder {
                    path: old.path.clone(),
                });
            }
        }
        Ok(())
    }

    /// Spec 6.5: whether every list still counts: `grace` after its next update it does not.
    pub(super) fn usable(&self, now: UnixTime, grace: Duration) -> bool {
        let grace = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        let now = seconds(now);
        self.checked
            .iter()
            .all(|list| now < list.next_update.saturating_add(grace))
    }

    /// When the first list wants to be replaced, in Unix seconds.
    pub(super) fn next_update(&self) -> Option<i64> {
        self.checked.iter().map(|list| list.next_update).min()
    }
}

fn check_one(
    path: &Path,
    der: &CertificateRevocationListDer<'_>,
    authorities: &[CertificateDer<'static>],
) -> Result<Checked, TlsError> {
    let bad = |why| TlsError::BadList {
        path: path.to_owned(),
        why,
    };
    let (rest, list) = CertificateRevocationList::from_der(der)
        .map_err(|_| bad("it is no certificate revocation list"))?;
    if !rest.is_empty() {
        return Err(bad("bytes follow the list"));
    }
    let next_update = list
        .next_update()
        .ok_or_else(|| bad("it does not say when the next list comes (nextUpdate)"))?;
    let signed = authorities.iter().any(|authority| {
        X509Certificate::from_der(authority).is_ok_and(|(_, authority)| {
            authority.subject().as_raw() == list.issuer().as_raw()
                && list.verify_signature(authority.public_key()).is_ok()
        })
    });
    if !signed {
        return Err(TlsError::ListNotSigned {
            path: path.to_owned(),
        });
    }
    Ok(Checked {
        path: path.to_owned(),
        issuer: list.issuer().as_raw().to_vec(),
        this_update: list.last_update().timestamp(),
        next_update: next_update.timestamp(),
    })
}

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

fn shown(seconds: i64) -> String {
    UnixSeconds(u64::try_from(seconds).unwrap_or(0)).to_rfc3339()
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use super::*;

    fn until(next_update: i64) -> Lists {
        Lists {
            checked: vec![Checked {
                path: PathBuf::new(),
                issuer: vec![1],
                this_update: 100,
                next_update,
            }],
        }
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn lists__must_count_no_longer_than_the_grace_after_their_next_update() {
        let grace = Duration::from_secs(60);
        assert!(until(1_000).usable(at(1_059), grace));
        assert!(!until(1_000).usable(at(1_060), grace));
        assert!(Lists::default().usable(at(u64::MAX), grace));
    }

    #[test]
    fn lists__must_not_be_followed_by_older_ones_or_none() {
        let newer = |this_update| {
            let mut lists = until(9_999);
            lists.checked[0].this_update = this_update;
            lists
        };
        let now = newer(500);
        newer(500).check_follows(&now).unwrap();
        newer(501).check_follows(&now).unwrap();
        for before in [newer(499), Lists::default()] {
            assert!(matches!(
                before.check_follows(&now),
                Err(TlsError::ListOlder { .. })
            ));
        }
    }
}
