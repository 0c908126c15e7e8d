//! Keys and certificates of a throwaway cluster.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ed25519_dalek::SigningKey;
use quorate_transport::tls::PeerIdentity;
use quorate_types::NodeId;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};

/// 32 bytes of the operating system.
pub(crate) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("randomness: {e}"))?;
    Ok(bytes)
}

/// The secret keys of one node.
pub struct NodeKeys {
    /// Name.
    pub id: NodeId,
    /// Ed25519 identity.
    pub identity: SigningKey,
    /// X25519 secret of the Noise links.
    pub noise: x25519_dalek::StaticSecret,
}

impl NodeKeys {
    /// Fresh keys.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn generate(id: &str) -> Result<Self> {
        Ok(Self {
            id: NodeId::new(id)?,
            identity: SigningKey::from_bytes(&random()?),
            noise: x25519_dalek::StaticSecret::from(random()?),
        })
    }
}

/// A certificate authority of the test.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Certificate, key and authority of one process, as files.
pub struct Identity {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM, mode 600.
    pub key: PathBuf,
    /// PEM.
    pub authority: PathBuf,
    /// Serial number of the certificate.
    pub serial: u64,
}

impl Authority {
    pub(crate) fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self(CertifiedIssuer::self_signed(
            params,
            KeyPair::generate()?,
        )?))
    }

    /// Writes a revocation list with the certificate of `revoked`, or an empty one.
    pub(crate) fn write_list(&self, path: &Path, revoked: Option<&Identity>) -> Result<()> {
        let revoked = revoked.map(|identity| RevokedCertParams {
            serial_number: SerialNumber::from(identity.serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            // A list that revokes follows one that does not.
            this_update: date_time_ymd(if revoked.is_some() { 2025 } else { 2024 }, 1, 1),
            next_update: date_time_ymd(2124, 1, 1),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.into_iter().collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(std::fs::write(path, list.signed_by(&self.0)?.pem()?)?)
    }

    /// Issues a certificate for a process and writes its files.
    pub(crate) fn issue(&self, folder: &Path, who: &PeerIdentity) -> Result<Identity> {
        std::fs::create_dir_all(folder)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![who.dns_name()?])?;
        let serial = u64::from_be_bytes(*random()?.first_chunk().context("32 bytes hold 8")?) >> 1;
        params.serial_number = Some(SerialNumber::from(serial));
        let certificate = params.signed_by(&key, &self.0)?;
        let files = Identity {
            certificate: folder.join("tls.crt"),
            key: folder.join("tls.key"),
            authority: folder.join("ca.crt"),
            serial,
        };
        std::fs::write(&files.certificate, certificate.pem())?;
        write_secret(&files.key, &key.serialize_pem())?;
        std::fs::write(&files.authority, self.0.pem())?;
        Ok(files)
    }
}

/// Writes a file that only its owner can read.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    file.context("creating a key file")?
        .write_all(text.as_bytes())?;
    Ok(())
}
