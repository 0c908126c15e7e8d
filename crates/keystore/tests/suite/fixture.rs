//! A node with a keystore on a simulated disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use quorate_keystore::{
    DataKey, Keystore, KeystoreError, Limits, NodeSigner, OpenReport, ShareMetadata, Storage,
    WrapError, WrapKey,
};
use quorate_types::{
    Algorithm, Digest32, Epoch, KeyId, NodeId, PartyIndex, SessionId, Tenant, Threshold,
    UnixSeconds,
};
use zeroize::Zeroizing;

use crate::simulated_disk::SimulatedDisk;

/// A master key in a sealed blob of its own, as an HSM would be.
pub(crate) struct TestMaster(pub(crate) u8);

impl WrapKey for TestMaster {
    fn key_id(&self) -> &str {
        "test-master"
    }
    fn wrap(&self, data_key: &DataKey, binding: &[u8]) -> Result<Vec<u8>, WrapError> {
        let mask = Digest32::of(b"test mask", &[&[self.0], binding]);
        let check = Digest32::of(b"test check", &[&[self.0], data_key.as_slice(), binding]);
        let masked = data_key.iter().zip(mask.as_bytes()).map(|(a, b)| a ^ b);
        Ok(masked.chain(*check.as_bytes()).collect())
    }
    fn unwrap_key(&self, wrapped: &[u8], binding: &[u8]) -> Result<DataKey, WrapError> {
        let (masked, _) = wrapped
            .split_first_chunk::<32>()
            .ok_or(WrapError::Refused)?;
        let mask = Digest32::of(b"test mask", &[&[self.0], binding]);
        let mut key = DataKey::default();
        for (place, byte) in key.iter_mut().enumerate() {
            *byte = masked[place] ^ mask.as_bytes()[place];
        }
        if self.wrap(&key, binding)? == wrapped {
            Ok(key)
        } else {
            Err(WrapError::Refused)
        }
    }
}

pub(crate) struct Node {
    pub(crate) disk: SimulatedDisk,
    /// Real, for the lock only; everything else is on the simulated disk.
    folder: Arc<tempfile::TempDir>,
    pub(crate) signer: Arc<NodeSigner>,
    pub(crate) master: Arc<dyn WrapKey>,
    pub(crate) limits: Limits,
}

pub(crate) fn node_id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

pub(crate) fn signer(name: &str, seed: u8) -> Arc<NodeSigner> {
    Arc::new(NodeSigner::new(
        node_id(name),
        SigningKey::from_bytes(&[seed; 32]),
    ))
}

impl Node {
    /// An empty keystore of node `p1`.
    pub(crate) fn new() -> Self {
        let node = Self::without_keystore();
        Keystore::create(&node.storage(), &node.root(), &node.signer).unwrap();
        node
    }

    pub(crate) fn without_keystore() -> Self {
        Self {
            disk: SimulatedDisk::new(),
            folder: Arc::new(tempfile::tempdir().unwrap()),
            signer: signer("p1", 1),
            master: Arc::new(TestMaster(1)),
            limits: Limits::default(),
        }
    }

    /// The same node on another disk.
    pub(crate) fn on(&self, disk: SimulatedDisk) -> Self {
        Self {
            disk,
            folder: Arc::clone(&self.folder),
            signer: Arc::clone(&self.signer),
            master: Arc::clone(&self.master),
            limits: self.limits,
        }
    }

    pub(crate) fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(self.disk.clone())
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(crate) fn share_file(&self, key: KeyId, name: &str) -> PathBuf {
        self.root()
            .join("key-shares")
            .join(key.to_string())
            .join(name)
    }

    pub(crate) fn try_open(&self) -> Result<(Keystore, OpenReport), KeystoreError> {
        let (keystore, mut report) = self.try_open_alone()?;
        let mut last = None;
        while let Some(key) = keystore.next_active(last) {
            last = Some(key);
            match keystore.check_share(key) {
                Ok(()) => {}
                Err(KeystoreError::Damaged(damage)) => {
                    // What was found by opening is known already.
                    if !report.damaged.contains(&damage) {
                        report.active -= 1;
                        report.damaged.push(damage);
                    }
                }
                Err(other) => return Err(other),
            }
        }
        Ok((keystore, report))
    }

    /// Without the checks of shares in use, which a node makes in the background.
    pub(crate) fn try_open_alone(&self) -> Result<(Keystore, OpenReport), KeystoreError> {
        let (master, signer) = (Arc::clone(&self.master), Arc::clone(&self.signer));
        Keystore::open(self.storage(), &self.root(), master, signer, self.limits)
    }

    pub(crate) fn open(&self) -> (Keystore, OpenReport) {
        self.try_open().unwrap_or_else(|e| panic!("{e}"))
    }

    /// The error of opening; panics if it opens.
    pub(crate) fn refusal(&self) -> String {
        match self.try_open() {
            Ok(_) => panic!("the keystore opened"),
            Err(error) => error.to_string(),
        }
    }

    /// With the active shares of two keys.
    pub(crate) fn with_two_keys() -> Self {
        let node = Self::new();
        let (keystore, _) = node.open();
        for key in [1, 2] {
            keystore.put_pending(&metadata(key), &payload(key)).unwrap();
            keystore.activate(key_id(key), &certificate(key)).unwrap();
        }
        drop(keystore);
        node
    }
}

pub(crate) fn key_id(number: u8) -> KeyId {
    KeyId::from_array([number; 16])
}

pub(crate) fn session(number: u8) -> SessionId {
    SessionId::from_array([number; 16])
}

pub(crate) fn digest(number: u8) -> Digest32 {
    Digest32::from_array([number; 32])
}

pub(crate) fn metadata(number: u8) -> ShareMetadata {
    ShareMetadata {
        tenant: Tenant::new("acme").unwrap(),
        key_id: key_id(number),
        node_id: node_id("p1"),
        share_index: PartyIndex::new(1).unwrap(),
        threshold: Threshold::new(2, 3).unwrap(),
        algorithm: Algorithm::Ecdsa,
        epoch: Epoch::FIRST,
        created_at: UnixSeconds(1_700_000_000),
    }
}

pub(crate) fn payload(number: u8) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(format!("the secret share number {number} of a test key").into_bytes())
}

pub(crate) fn certificate(number: u8) -> Vec<u8> {
    format!("certificate of key {number}").into_bytes()
}

/// Opens a share and compares it with what was stored.
pub(crate) fn assert_opens(keystore: &Keystore, number: u8) {
    let share = keystore
        .open_share(key_id(number))
        .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(share.metadata, metadata(number));
    assert!(share.payload == payload(number));
    assert_eq!(share.certificate, certificate(number));
}

/// The damage that makes a share unusable.
pub(crate) fn assert_damaged(keystore: &Keystore, number: u8) -> quorate_keystore::Damage {
    match keystore.open_share(key_id(number)) {
        Err(KeystoreError::Damaged(damage)) => {
            assert_eq!(damage.key, Some(key_id(number)));
            let folder = Path::new("key-shares").join(key_id(number).to_string());
            let names_it = damage
                .path
                .to_string_lossy()
                .contains(&*folder.to_string_lossy());
            assert!(names_it, "{damage}");
            damage
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the share opened"),
    }
}
