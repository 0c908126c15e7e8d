//! A certificate authority in a throwaway folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate_transport::tls::{PeerIdentity, TlsFiles};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::client::WantsClientCert;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: tempfile::TempDir,
    issued: AtomicU64,
}

/// How a certificate differs from a good one.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) expired: bool,
    pub(crate) not_yet_valid: bool,
    pub(crate) extra_names: Vec<&'static str>,
    /// 0: any.
    pub(crate) serial: u64,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            folder,
            issued: AtomicU64::new(0),
        }
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn issue(&self, identity: &PeerIdentity, options: Options) -> TlsFiles {
        let mut names = vec![identity.dns_name().unwrap()];
        names.extend(options.extra_names.iter().map(|&name| name.to_owned()));
        let mut params = CertificateParams::new(names).unwrap();
        if options.expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        if options.not_yet_valid {
            params.not_before = date_time_ymd(2123, 1, 1);
            params.not_after = date_time_ymd(2124, 1, 1);
        }
        if options.serial != 0 {
            params.serial_number = Some(SerialNumber::from(options.serial));
        }
        self.write(params)
    }

    /// Puts the certificate and key of `new` in the place of those of `files`.
    #[allow(dead_code, reason = "not every test file needs it")]
    pub(crate) fn rotate(files: &TlsFiles, new: &TlsFiles) {
        fs::copy(&new.certificate, &files.certificate).unwrap();
        fs::copy(&new.key, &files.key).unwrap();
    }

    #[allow(dead_code, reason = "not every test file needs it")]
    pub(crate) fn issue_names(&self, names: &[&str]) -> TlsFiles {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        self.write(CertificateParams::new(names).unwrap())
    }

    fn write(&self, params: CertificateParams) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let file = |end: &str| self.folder.path().join(format!("{number}.{end}"));
        fs::write(file("crt"), certificate.pem()).unwrap();
        fs::write(file("key"), key.serialize_pem()).unwrap();
        fs::set_permissions(file("key"), fs::Permissions::from_mode(0o600)).unwrap();
        TlsFiles {
            certificate: file("crt"),
            key: file("key"),
            ca: self.ca_file(),
            crls: vec![],
        }
    }

    /// A revocation list with one serial number.
    #[allow(dead_code, reason = "not every test file needs it")]
    pub(crate) fn revoke(&self, serial: u64) -> PathBuf {
        let path = self.folder.path().join(format!("revoked-{serial}.pem"));
        fs::write(&path, self.list(&[serial], 2024, 2124).0).unwrap();
        path
    }

    /// A revocation list, PEM and DER, that counts from one year to another.
    pub(crate) fn list(&self, serials: &[u64], from: i32, to: i32) -> (String, Vec<u8>) {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(from, 1, 1),
            next_update: date_time_ymd(to, 1, 1),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).unwrap();
        (list.pem().unwrap(), list.der().to_vec())
    }

    /// A plain rustls client that trusts this authority.
    pub(crate) fn client_config(&self) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.ca_file())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
    }

    /// The same with a certificate that nobody has looked at.
    #[allow(dead_code, reason = "not every test file needs it")]
    pub(crate) fn client_config_of(&self, files: &TlsFiles) -> ClientConfig {
        let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let chain = vec![certificate(&files.certificate)];
        self.client_config()
            .with_client_auth_cert(chain, key)
            .unwrap()
    }

    /// A plain rustls server that completes handshakes with a certificate nobody has looked at.
    #[allow(dead_code, reason = "not every test file needs it")]
    pub(crate) async fn foreign_server(&self, files: &TlsFiles) -> String {
        let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate(&files.certificate)], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (stream, _) = socket.accept().await.unwrap();
            let stream = acceptor.accept(stream).await;
            std::future::pending::<()>().await;
            drop(stream);
        });
        address
    }
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}
