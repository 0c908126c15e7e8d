//! The accepting side (Spec 3).

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio_util::task::AbortOnDropHandle;

use super::ALPN_HTTP2;
use super::error::TlsError;
use super::files::TlsFiles;
use super::identity::PeerIdentity;
use super::incoming::RefusedClient;
use super::live::{Live, Recheck, keep_fresh};
use super::verifier::{ClientVerifier, Filter, Witness};

/// Told of each client that is refused.
pub(super) type Observer = Arc<dyn Fn(&RefusedClient) + Send + Sync>;

/// TLS of a server: its certificate, and whom it accepts.
#[derive(Clone)]
pub struct ServerTls {
    pub(super) live: Arc<Live>,
    pub(super) observer: Observer,
    accepts: Filter,
    identity: PeerIdentity,
}

impl ServerTls {
    /// Reads the files; `accepts` decides which verified identities may connect.
    ///
    /// A participant passes `|peer| peer.role == Role::Coordinator`.
    ///
    /// # Errors
    /// [`TlsError`]: a file is missing, open to others, broken, or does not fit the others; or a
    /// revocation list is not signed or overdue.
    pub fn from_files(
        files: &TlsFiles,
        accepts: impl Fn(&PeerIdentity) -> bool + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let live = Live::read(files)?;
        Ok(Self {
            identity: live.material().identity.clone(),
            live,
            observer: Arc::new(|_| {}),
            accepts: Arc::new(accepts),
        })
    }

    /// Tells `observer` of each client that is refused. It must return at once.
    #[must_use]
    pub fn observed_by(
        mut self,
        observer: impl Fn(&RefusedClient) + Send + Sync + 'static,
    ) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// The identity in the own certificate.
    #[must_use]
    pub fn identity(&self) -> &PeerIdentity {
        &self.identity
    }

    /// Reads the files again now; whether something new came of it (Spec 7).
    ///
    /// # Errors
    /// [`TlsError`]; what was in use stays in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        self.live.reload()
    }

    /// Reads the files again whenever they change, and cuts connections whose certificate no
    /// longer counts, until the handle is dropped. Must be called inside a tokio runtime.
    pub fn keep_fresh(&self) -> AbortOnDropHandle<()> {
        let (open, accepts) = (self.live.open.clone(), Arc::clone(&self.accepts));
        let recheck: Arc<Recheck> = Arc::new(move |material, now| {
            open.recheck(|_, chain| material.check_client(chain, &accepts, now).map(drop));
        });
        keep_fresh(Arc::clone(&self.live), recheck)
    }

    /// Spec 7.4: checks a chain once more, with the files of now.
    pub(super) fn check_again(&self, chain: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let material = self.live.material();
        let now = UnixTime::now();
        material.check_client(chain, &self.accepts, now).map(drop)
    }

    /// The configuration of one handshake, with the files of now.
    pub(super) fn config(&self, witness: Witness) -> Result<ServerConfig, rustls::Error> {
        let material = self.live.material();
        let verifier = ClientVerifier {
            material: Arc::clone(&material),
            accepts: Arc::clone(&self.accepts),
            witness,
        };
        // Spec 3.1: TLS 1.3 alone, client certificate required.
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&material.provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::clone(&material.certified) as _);
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
        // Spec 3.4: no resumption, so that each connection passes all checks.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }
}
