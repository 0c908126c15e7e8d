//! What one set of files amounts to: own certificate, and how peers are checked (Spec 2, 3, 4).

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::error::TlsError;
use super::files::{Loaded, TlsFiles};
use super::identity::PeerIdentity;
use super::limits::REVOCATION_GRACE;
use super::revocation::{ListFile, Lists};
use super::verifier::Filter;

/// Certificate, key, authorities and lists that belong together. Replaced as a whole.
pub(super) struct Material {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) identity: PeerIdentity,
    pub(super) certified: Arc<SingleCertAndKey>,
    pub(super) clients: Arc<dyn ClientCertVerifier>,
    pub(super) servers: Arc<dyn ServerCertVerifier>,
    lists: Lists,
    public: Public,
}

/// Everything of the files that is no secret: what two sets are compared by.
#[derive(PartialEq, Eq)]
struct Public {
    chain: Vec<CertificateDer<'static>>,
    authorities: Vec<CertificateDer<'static>>,
    lists: Vec<ListFile>,
}

impl Material {
    /// Reads and checks all files.
    ///
    /// # Errors
    /// [`TlsError`]; nothing of the set may be used then.
    pub(super) fn read(files: &TlsFiles, now: UnixTime) -> Result<Self, TlsError> {
        let Loaded {
            identity,
            chain,
            key,
            authorities,
            roots,
            lists: list_files,
        } = files.load()?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        // Spec 6.2: an intermediate authority of the own chain may sign a list as well.
        let mut signers = authorities.clone();
        signers.extend(chain.iter().skip(1).cloned());
        let lists = Lists::check(&list_files, &signers, now)?;

        let roots = Arc::new(roots);
        let mut clients =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let mut servers = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
        if !list_files.is_empty() {
            // Spec 6.1: a certificate whose issuer has no list here is refused, not waved through.
            let lists = || list_files.iter().map(|file| file.der.clone());
            clients = clients
                .with_crls(lists())
                .only_check_end_entity_revocation();
            servers = servers
                .with_crls(lists())
                .only_check_end_entity_revocation();
        }
        let certified = CertifiedKey::from_der(chain.clone(), key, &provider)?;
        Ok(Self {
            identity,
            certified: Arc::new(SingleCertAndKey::from(certified)),
            clients: clients.build()?,
            servers: servers.build()?,
            provider,
            lists,
            public: Public {
                chain,
                authorities,
                lists: list_files,
            },
        })
    }

    /// Whether both sets have the same certificates and lists. A key cannot differ alone.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.public == other.public
    }

    /// Whether this set may take the place of `before` in a running process.
    ///
    /// # Errors
    /// [`TlsError::OtherIdentity`], [`TlsError::ListOlder`].
    pub(super) fn check_follows(&self, before: &Self) -> Result<(), TlsError> {
        if self.identity != before.identity {
            return Err(TlsError::OtherIdentity {
                was: before.identity.clone(),
                found: self.identity.clone(),
            });
        }
        self.lists.check_follows(&before.lists)
    }

    /// Spec 3.2, 3.3: chain, time and revocation by webpki, then identity and filter by us.
    ///
    /// # Errors
    /// What rustls tells the peer in its alert.
    pub(super) fn check_client(
        &self,
        chain: &[CertificateDer<'_>],
        accepts: &Filter,
        now: UnixTime,
    ) -> Result<PeerIdentity, Error> {
        let (own, others) = split(chain)?;
        self.check_lists(now)?;
        self.clients.verify_client_cert(own, others, now)?;
        let refused =
            || Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        match PeerIdentity::from_certificate(own) {
            Ok(peer) if accepts(&peer) => Ok(peer),
            _ => Err(refused()),
        }
    }

    /// Spec 4.1: chain, time, revocation and host name.
    ///
    /// # Errors
    /// What rustls tells the peer in its alert.
    pub(super) fn check_server(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let (own, others) = split(chain)?;
        self.check_lists(now)?;
        self.servers
            .verify_server_cert(own, others, name, &[], now)
            .map(drop)
    }

    fn check_lists(&self, now: UnixTime) -> Result<(), Error> {
        if self.lists.usable(now, REVOCATION_GRACE) {
            Ok(())
        } else {
            Err(Error::InvalidCertificate(
                CertificateError::ExpiredRevocationList,
            ))
        }
    }

    /// Shows operators when something here runs out.
    pub(super) fn export_dates(&self) {
        if let Some(not_after) = self.not_after() {
            metrics::gauge!("quorate_tls_certificate_not_after_seconds").set(not_after as f64);
        }
        if let Some(next) = self.lists.next_update() {
            metrics::gauge!("quorate_tls_revocation_next_update_seconds").set(next as f64);
        }
    }

    fn not_after(&self) -> Option<i64> {
        let own = self.public.chain.first()?;
        let (_, own) = X509Certificate::from_der(own).ok()?;
        Some(own.validity().not_after.timestamp())
    }
}

fn split<'a, 'b>(
    chain: &'a [CertificateDer<'b>],
) -> Result<(&'a CertificateDer<'b>, &'a [CertificateDer<'b>]), Error> {
    chain.split_first().ok_or(Error::NoCertificatesPresented)
}
