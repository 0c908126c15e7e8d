//! Building and signing of intents: what the caller asks for, in its own words, under its own key.

use std::path::Path;

use ed25519_dalek::SigningKey;
use quorate_intent::{Act, Intent, MAX_LIFETIME_SECONDS, Manifest, SignedIntent, SignedManifest};
use quorate_types::{ClusterId, InitiatorId, Tenant};

use crate::clock::now;
use crate::config::{Setting, Settings};
use crate::error::CliError;
use crate::secret_file;

/// How long an intent may be joined, unless the caller says otherwise.
pub const DEFAULT_LIFETIME_SECONDS: u64 = 600;

/// How an intent differs from the usual.
#[derive(Debug, Clone, Default)]
pub struct IntentOptions {
    /// The caller's own name for the act; random if absent.
    pub idempotency_key: Option<String>,
    /// Seconds until nobody may join it any more.
    pub lifetime_seconds: Option<u64>,
}

/// An intent with what names it.
#[derive(Debug, Clone)]
pub struct BuiltIntent {
    /// What is asked for.
    pub intent: Intent,
    /// Its bytes and the initiator's signature.
    pub signed: SignedIntent,
}

/// Signs intents for one initiator. The key is zeroized when dropped.
pub struct IntentSigner {
    cluster: ClusterId,
    tenant: Tenant,
    initiator: InitiatorId,
    key: SigningKey,
}

impl IntentSigner {
    /// A signer with the settings' key, which must be the one that the manifest names.
    ///
    /// # Errors
    /// [`CliError::Invalid`] if a setting is missing, or the manifest would refuse every intent.
    pub fn new(settings: &Settings, manifest: &Manifest) -> Result<Self, CliError> {
        let initiator: InitiatorId = parse(settings, Setting::Initiator)?;
        let tenant: Tenant = parse(settings, Setting::Tenant)?;
        let secret = secret_file::read_32(&settings.path(Setting::InitiatorKeyFile)?)?;
        let key = SigningKey::from_bytes(&secret);
        let known = manifest.initiator(&initiator).ok_or_else(|| {
            let what = format!("the manifest does not know the initiator `{initiator}`");
            CliError::invalid(what, "an owner adds it in a new manifest version")
        })?;
        if known.key != key.verifying_key().to_bytes() {
            let what = format!("the key file is not that of `{initiator}` in the manifest");
            return Err(CliError::invalid(
                what,
                "use the key whose public half is in the manifest",
            ));
        }
        let cluster = manifest.cluster.clone();
        Ok(Self {
            cluster,
            tenant,
            initiator,
            key,
        })
    }

    /// A signer with an owner's key, for acts of owners. The tenant of the settings goes with the
    /// credential; owners act for the whole cluster.
    ///
    /// # Errors
    /// [`CliError::Invalid`] if the manifest knows no such owner, or the key is another's.
    pub fn of_owner(
        settings: &Settings,
        manifest: &Manifest,
        owner: InitiatorId,
        key_file: &Path,
    ) -> Result<Self, CliError> {
        let known = manifest.owner(&owner).ok_or_else(|| {
            let what = format!("the manifest does not know the owner `{owner}`");
            CliError::invalid(what, "give --owner the name that the manifest gives")
        })?;
        let key = SigningKey::from_bytes(&*secret_file::read_32(key_file)?);
        if known.key != key.verifying_key().to_bytes() {
            let what = format!("the key file is not that of owner `{owner}` in the manifest");
            return Err(CliError::invalid(what, "give the owner's own key file"));
        }
        Ok(Self {
            cluster: manifest.cluster.clone(),
            tenant: parse(settings, Setting::Tenant)?,
            initiator: owner,
            key,
        })
    }

    /// Builds and signs an intent for one act.
    ///
    /// # Errors
    /// [`CliError::Invalid`] for options out of their limits.
    pub fn build(&self, act: Act, options: &IntentOptions) -> Result<BuiltIntent, CliError> {
        let lifetime = options.lifetime_seconds.unwrap_or(DEFAULT_LIFETIME_SECONDS);
        if lifetime == 0 || lifetime > MAX_LIFETIME_SECONDS {
            let what = format!("an intent cannot live for {lifetime} seconds");
            let remedy = format!("give 1 to {MAX_LIFETIME_SECONDS} seconds");
            return Err(CliError::invalid(what, remedy));
        }
        let mut nonce = [0; 16];
        secret_file::fill_random(&mut nonce)?;
        let created_at = now();
        let intent = Intent {
            cluster: self.cluster.clone(),
            tenant: self.tenant.clone(),
            initiator: self.initiator.clone(),
            idempotency_key: match &options.idempotency_key {
                Some(key) => checked_idempotency_key(key)?,
                None => hex::encode(nonce),
            },
            policy_version: 0,
            created_at,
            expires_at: created_at.plus(lifetime),
            nonce,
            act,
        };
        let signed = SignedIntent::sign(&intent, &self.key);
        Ok(BuiltIntent { intent, signed })
    }
}

/// Reads the manifest of the settings and checks its owners' signatures.
///
/// # Errors
/// [`CliError::Invalid`] if there is none or it is not valid.
pub fn read_manifest(settings: &Settings) -> Result<Manifest, CliError> {
    let path = settings.path(Setting::Manifest)?;
    let text = std::fs::read_to_string(&path).map_err(|e| CliError::file(&path, "read", &e))?;
    let signed = SignedManifest::from_json(&text);
    let checked = signed.and_then(|signed| signed.verify_first().cloned());
    checked.map_err(|error| {
        let what = format!("{}: {error}", path.display());
        CliError::invalid(
            what,
            "get the cluster's manifest, version 1, from its owner",
        )
    })
}

fn checked_idempotency_key(key: &str) -> Result<String, CliError> {
    let fits = (1..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return Ok(key.to_owned());
    }
    let remedy = "give 1 to 128 printable ASCII characters without spaces";
    Err(CliError::invalid(
        "the idempotency key is not usable",
        remedy,
    ))
}

fn parse<T: std::str::FromStr<Err: ToString>>(
    settings: &Settings,
    setting: Setting,
) -> Result<T, CliError> {
    settings
        .required(setting)?
        .parse()
        .map_err(|error: T::Err| {
            let what = format!("`{}`: {}", setting.name(), error.to_string());
            CliError::invalid(what, "use the name that the manifest gives")
        })
}
