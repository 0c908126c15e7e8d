//! Sealed shares by epoch, sealed pair states, the record of what was signed, durable bans, the
//! node's audit log.
//!
//! Everything that a participant must still know after a crash is here. What is acknowledged is
//! durable; what is damaged is never used, and the error names the file, the check and the way to
//! recover. All calls block on the disk, except those that return a [`Durable`] or a [`Ticket`],
//! which can be awaited by any executor.
//!
//! Specification: `docs/protocols/share-files.md` and `docs/protocols/audit-log.md`.
//!
//! Architecture invariant: no clock (times are passed in), no network, no protocol. A payload is
//! opaque bytes.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod append_log;
mod audit_log;
mod ban_list;
mod damage;
mod error;
mod index;
mod intent_record;
mod journal;
mod keystore;
mod limits;
mod lock;
mod master_key;
mod metadata;
mod pair_states;
mod seal;
mod share_files;
mod signed_chain;
mod signed_head;
mod signer;
mod storage;

pub use append_log::{AppendLog, Durable, LogError, LogKind, Ticket, TornTail};
pub use audit_log::{AuditLog, AuditLogError, Begun};
pub use ban_list::{Ban, BanError, BanList, Merged, SignedBan};
pub use damage::{Check, Damage};
pub use error::KeystoreError;
pub use index::{ShareEntry, ShareState};
pub use intent_record::{Bound, IntentError, IntentRecord};
pub use keystore::{Keystore, OpenReport, OpenedShare, PendingShare, Recovered};
pub use limits::Limits;
pub use master_key::{Argon2Cost, MasterKey, MasterKeyError, Protection};
pub use metadata::{SHARE_FORMAT_VERSION, ShareMetadata};
pub use pair_states::{PairStateStatus, PairStates};
pub use seal::{DataKey, WrapError, WrapKey, open_secret, seal_secret};
pub use signer::NodeSigner;
pub use storage::{AppendFile, Disk, FileSystem, Storage, write_atomically};
