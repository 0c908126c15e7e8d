//! Certificates for mutual TLS between coordinator and participants.

use std::path::Path;

use quorate_transport::tls::PeerIdentity;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::cluster::replace_file;
use crate::error::CliError;
use crate::secret_file;

/// An authority that lives as long as this value: its key is never written down.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    pub(super) fn new() -> Result<Self, CliError> {
        let key = KeyPair::generate().map_err(not_made)?;
        let mut params = params(Vec::new(), "quorate dev authority")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(not_made)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// Writes the authority's own certificate.
    pub(super) fn write_certificate(&self, path: &Path) -> Result<(), CliError> {
        replace_file(path, &self.certificate)
    }

    /// Makes a key and a certificate for one process: `tls.crt` and `tls.key` in its folder.
    pub(super) fn issue(&self, identity: &PeerIdentity, folder: &Path) -> Result<(), CliError> {
        let name = identity.dns_name().map_err(|error| {
            CliError::invalid(
                error.to_string(),
                "name nodes with a-z, 0-9 and inner hyphens",
            )
        })?;
        let key = KeyPair::generate().map_err(not_made)?;
        let mut params = params(vec![name], identity.id.as_str())?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &self.issuer).map_err(not_made)?;
        replace_file(&folder.join("tls.crt"), &certificate.pem())?;
        let secret = zeroize::Zeroizing::new(key.serialize_pem());
        secret_file::write_new(&folder.join("tls.key"), secret.as_bytes())
    }
}

fn params(names: Vec<String>, common_name: &str) -> Result<CertificateParams, CliError> {
    let mut params = CertificateParams::new(names).map_err(not_made)?;
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    // A dev cluster outlives no machine; there is no rotation in it.
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2074, 1, 1);
    Ok(params)
}

fn not_made(error: rcgen::Error) -> CliError {
    CliError::failed(
        format!("a certificate cannot be made: {error}"),
        "report this as a defect",
    )
}
