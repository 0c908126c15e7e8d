use quorate_types::{
    Canonical, ClusterId, DecodeError, Digest32, InitiatorId, Reader, Tenant, UnixSeconds, Writer,
};

use crate::act::{Act, MAX_PAYLOAD};

/// Longest encoding of an intent, in bytes.
pub const MAX_INTENT: usize = MAX_PAYLOAD + 8 * 1024;

/// Longest time between creation and expiry.
pub const MAX_LIFETIME_SECONDS: u64 = 7 * 24 * 60 * 60;

const MAGIC: &str = "quorate intent";
const VERSION: u16 = 1;
const MAX_IDEMPOTENCY_KEY: usize = 128;

/// One act that a client wants done, version 1.
///
/// `docs/protocols/intent.md` §2 gives the bytes; golden files are in `vectors/intent/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Cluster that shall do it.
    pub cluster: ClusterId,
    /// For whom.
    pub tenant: Tenant,
    /// Who asks; its key in the manifest must have signed these bytes.
    pub initiator: InitiatorId,
    /// The caller's own name for the act: 1 to 128 printable ASCII characters.
    pub idempotency_key: String,
    /// Policy version that the caller saw; 0 while there are no policies.
    pub policy_version: u64,
    /// When the client built it.
    pub created_at: UnixSeconds,
    /// From when on nobody may join it.
    pub expires_at: UnixSeconds,
    /// Random, so that two equal acts are two intents.
    pub nonce: [u8; 16],
    /// What to do.
    pub act: Act,
}

impl Intent {
    /// Digest of the canonical bytes: the name of this intent everywhere.
    #[must_use]
    pub fn digest(&self) -> Digest32 {
        digest_of(&self.to_bytes())
    }
}

pub(crate) fn digest_of(bytes: &[u8]) -> Digest32 {
    Digest32::of(b"quorate intent digest v1", &[bytes])
}

impl Canonical for Intent {
    fn write(&self, out: &mut Writer) {
        out.text(MAGIC).u16(VERSION);
        out.value(&self.cluster)
            .value(&self.tenant)
            .value(&self.initiator);
        out.text(&self.idempotency_key).u64(self.policy_version);
        out.value(&self.created_at)
            .value(&self.expires_at)
            .fixed(&self.nonce);
        out.value(&self.act);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if input.text("magic", MAGIC.len())? != MAGIC {
            return Err(DecodeError::Unknown {
                what: "kind of document: not an intent",
            });
        }
        if input.u16("version")? != VERSION {
            return Err(DecodeError::Unknown {
                what: "intent version",
            });
        }
        let intent = Self {
            cluster: ClusterId::read(input)?,
            tenant: Tenant::read(input)?,
            initiator: InitiatorId::read(input)?,
            idempotency_key: input
                .text("idempotency key", MAX_IDEMPOTENCY_KEY)?
                .to_owned(),
            policy_version: input.u64("policy version")?,
            created_at: UnixSeconds::read(input)?,
            expires_at: UnixSeconds::read(input)?,
            nonce: input.array("nonce")?,
            act: Act::read(input)?,
        };
        let key = intent.idempotency_key.as_bytes();
        if key.is_empty() || !key.iter().all(u8::is_ascii_graphic) {
            let why = "1 to 128 printable ASCII characters without spaces";
            return Err(DecodeError::Invalid {
                field: "idempotency key",
                why,
            });
        }
        Ok(intent)
    }
}
