//! The accepting side (Spec 3).

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;

use super::ALPN_HTTP2;
use super::error::TlsError;
use super::files::TlsFiles;
use super::identity::PeerIdentity;
use super::verifier::IdentityVerifier;

/// TLS of a server: its certificate, and whom it accepts.
#[derive(Clone)]
pub struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
    identity: PeerIdentity,
}

impl ServerTls {
    /// Reads the files; `accepts` decides which verified identities may connect.
    ///
    /// A participant passes `|peer| peer.role == Role::Coordinator`.
    ///
    /// # Errors
    /// [`TlsError`]: a file is missing, open to others, broken, or does not fit the others.
    ///
    /// # Security
    /// Revocation lists are read once: a process must be restarted to learn of new ones.
    pub fn from_files(
        files: &TlsFiles,
        accepts: impl Fn(&PeerIdentity) -> bool + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let loaded = files.load()?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut chain = WebPkiClientVerifier::builder_with_provider(
            Arc::new(loaded.roots),
            Arc::clone(&provider),
        );
        if !loaded.crls.is_empty() {
            // A certificate whose issuer has no list here is refused, not waved through.
            chain = chain
                .with_crls(loaded.crls)
                .only_check_end_entity_revocation();
        }
        let verifier = IdentityVerifier::new(chain.build()?, Arc::new(accepts));
        // Spec 3.1: TLS 1.3 alone, client certificate required.
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(loaded.chain, loaded.key)?;
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
        // Spec 3.4: no resumption, so that each connection passes all checks.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self {
            config: Arc::new(config),
            identity: loaded.identity,
        })
    }

    /// The identity in the own certificate.
    #[must_use]
    pub fn identity(&self) -> &PeerIdentity {
        &self.identity
    }
}
