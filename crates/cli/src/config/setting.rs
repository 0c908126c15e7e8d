/// A setting of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    /// Base address of the service.
    Endpoint,
    /// Name of the credential.
    CredentialId,
    /// `hmac` or `ed25519`.
    CredentialKind,
    /// File with the credential's secret, or the seed of its Ed25519 key.
    CredentialSecretFile,
    /// Name of the initiator in the manifest.
    Initiator,
    /// File with the Ed25519 key that signs intents.
    InitiatorKeyFile,
    /// For whom intents are made.
    Tenant,
    /// The signed manifest: what answers are checked with.
    Manifest,
    /// How long one HTTP call may take.
    TimeoutMs,
    /// How long the service may wait for a result before it answers with a session.
    WaitMs,
    /// Processes whose CPU time `bench` reports.
    Pids,
}

impl Setting {
    /// Every setting, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Endpoint,
        Self::CredentialId,
        Self::CredentialKind,
        Self::CredentialSecretFile,
        Self::Initiator,
        Self::InitiatorKeyFile,
        Self::Tenant,
        Self::Manifest,
        Self::TimeoutMs,
        Self::WaitMs,
        Self::Pids,
    ];

    /// Name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::CredentialId => "credential_id",
            Self::CredentialKind => "credential_kind",
            Self::CredentialSecretFile => "credential_secret_file",
            Self::Initiator => "initiator",
            Self::InitiatorKeyFile => "initiator_key_file",
            Self::Tenant => "tenant",
            Self::Manifest => "manifest",
            Self::TimeoutMs => "timeout_ms",
            Self::WaitMs => "wait_ms",
            Self::Pids => "pids",
        }
    }

    /// Name of the flag, without dashes in front.
    #[must_use]
    pub fn flag(self) -> String {
        self.name().replace('_', "-")
    }

    /// Environment variable.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Endpoint => "QUORATE_ENDPOINT",
            Self::CredentialId => "QUORATE_CREDENTIAL_ID",
            Self::CredentialKind => "QUORATE_CREDENTIAL_KIND",
            Self::CredentialSecretFile => "QUORATE_CREDENTIAL_SECRET_FILE",
            Self::Initiator => "QUORATE_INITIATOR",
            Self::InitiatorKeyFile => "QUORATE_INITIATOR_KEY_FILE",
            Self::Tenant => "QUORATE_TENANT",
            Self::Manifest => "QUORATE_MANIFEST",
            Self::TimeoutMs => "QUORATE_TIMEOUT_MS",
            Self::WaitMs => "QUORATE_WAIT_MS",
            Self::Pids => "QUORATE_PIDS",
        }
    }

    /// Value if nobody says anything.
    #[must_use]
    pub const fn default(self) -> Option<&'static str> {
        match self {
            Self::Endpoint => Some("http://127.0.0.1:8080"),
            Self::CredentialKind => Some("hmac"),
            Self::Tenant => Some("default"),
            Self::TimeoutMs => Some("90000"),
            Self::WaitMs => Some("30000"),
            _ => None,
        }
    }

    /// Whether a relative value starts at the folder of the file that it is written in.
    #[must_use]
    pub const fn is_path(self) -> bool {
        matches!(
            self,
            Self::CredentialSecretFile | Self::InitiatorKeyFile | Self::Manifest | Self::Pids
        )
    }

    /// The setting of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.name() == name)
    }
}
