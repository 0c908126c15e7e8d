//! The shares that the journal holds: after a crash their files are written again.
//! `docs/protocols/share-files.md`, section 6.

use std::collections::BTreeSet;

use quorate_types::{Digest32, Epoch, KeyId};

use super::OpenReport;
use crate::damage::{Check, Damage};
use crate::error::KeystoreError;
use crate::index::ShareState;
use crate::journal::{Found, Journaled};
use crate::keystore::Keystore;
use crate::metadata::metadata_digest;
use crate::share_files::{ShareFiles, is_certified, names, seal_digest};

impl Keystore {
    /// 6.1 Writes the files of every share in the journal again: a crash may have lost any of them.
    /// Where that fails, the share is unusable and the journal keeps all it has.
    pub(super) fn write_again(
        &self,
        journaled: Found,
        destroyed: &BTreeSet<Digest32>,
        report: &mut OpenReport,
    ) {
        for (key, journaled) in journaled {
            if let Err(error) = self.write_share_again(key, journaled, destroyed) {
                self.journal.not_written(&error);
                let damage = Damage {
                    key: Some(key),
                    path: self.layout.share(key),
                    check: Check::WrittenAgain,
                };
                tracing::error!(%damage, %error, "a stored share is unusable");
                self.damaged.lock().insert(key, damage.clone());
                report.damaged.push(damage);
            }
        }
        self.journal.written_again();
    }

    fn write_share_again(
        &self,
        key: KeyId,
        journaled: Journaled,
        destroyed: &BTreeSet<Digest32>,
    ) -> Result<(), KeystoreError> {
        let entry = self.index.get(key);
        let listed = entry.map(|entry| entry.files.metadata);
        let Journaled { stored, certified } = journaled;
        // Everything is checked before anything is overwritten.
        let certified = match certified {
            Some(parts) if self.is_own_certificate(key, stored.as_ref(), &parts)? => Some(parts),
            Some(_) => {
                tracing::error!(%key, "the journal holds a certificate that this node did not seal");
                None
            }
            None => None,
        };
        let certifies = certified.as_ref().map(|(of, ..)| *of);
        let mut metadata = listed;
        if let Some(files) = stored {
            let own = files.digests().metadata;
            let Some(epoch) = self.own_epoch(key, files.clone()) else {
                tracing::error!(%key, "the journal holds a share that this node did not seal");
                return Ok(());
            };
            // Destroyed, and its files may be gone already: they do not come back. What is left of
            // them is made whole, so that it is known, and is removed then (6.4).
            let archived = entry
                .is_some_and(|entry| entry.state == ShareState::Archived && epoch <= entry.epoch);
            let leaving = listed == Some(own) && self.has_folder(key)?;
            let gone = (archived || destroyed.contains(&own)) && !leaving;
            // Another share of the key is in use: this one was destroyed before it.
            let older = entry.is_some_and(|entry| entry.state.is_stored()) && listed != Some(own);
            // Its certificate came after everything in this journal: it is an old copy, and the
            // files are newer.
            let outdated = entry.is_some_and(|entry| entry.state == ShareState::Active)
                && certifies != Some(own);
            if gone || older || outdated {
                return Ok(());
            }
            self.write_folder(key, &files)?;
            metadata = Some(own);
        }
        match certified {
            Some((of, certificate, seal)) if metadata == Some(of) && self.has_folder(key)? => {
                self.write_certificate(key, &certificate, &seal)
            }
            _ => Ok(()),
        }
    }

    /// The epoch of a share in the journal; none unless it passes 4.4 to 4.9.
    fn own_epoch(&self, key: KeyId, files: ShareFiles) -> Option<Epoch> {
        let checked = files.check(None, &self.signer).ok()?;
        let share = checked.share();
        (share.key_id == key).then_some(share.epoch)
    }

    /// Whether this node sealed the certificate in the journal: by the index, or by its signature over
    /// the metadata in the journal or in the folder.
    fn is_own_certificate(
        &self,
        key: KeyId,
        stored: Option<&ShareFiles>,
        (of, certificate, seal): &(Digest32, Vec<u8>, Vec<u8>),
    ) -> Result<bool, KeystoreError> {
        let entry = self.index.get(key);
        if entry.is_some_and(|entry| entry.files.seal == seal_digest(seal)) {
            return Ok(names(seal, certificate));
        }
        let of_it = |metadata: &Vec<u8>| metadata_digest(metadata) == *of;
        let metadata = match stored.map(|files| files.metadata.clone()).filter(of_it) {
            Some(metadata) => Some(metadata),
            None => self.read_metadata(key)?.filter(of_it),
        };
        let signed = |metadata: Vec<u8>| is_certified(&metadata, certificate, seal, &self.signer);
        Ok(metadata.is_some_and(signed))
    }
}
