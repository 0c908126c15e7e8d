//! Client certificates: chain, time and revocation by webpki, then identity and filter by us.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::identity::PeerIdentity;

/// Which verified identities may connect.
pub(super) type Filter = Arc<dyn Fn(&PeerIdentity) -> bool + Send + Sync>;

/// Refuses inside the handshake, so that no byte of a wrong peer reaches HTTP.
pub(super) struct IdentityVerifier {
    chain: Arc<dyn ClientCertVerifier>,
    accepts: Filter,
}

impl IdentityVerifier {
    /// Adds the identity check to a chain verifier.
    pub(super) fn new(chain: Arc<dyn ClientCertVerifier>, accepts: Filter) -> Self {
        Self { chain, accepts }
    }
}

impl fmt::Debug for IdentityVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityVerifier").finish_non_exhaustive()
    }
}

impl ClientCertVerifier for IdentityVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // Spec 3.2: first the chain, so that nothing unauthenticated is parsed by us.
        let verified = self
            .chain
            .verify_client_cert(end_entity, intermediates, now)?;
        // Spec 3.3: then who it is and whether it may connect.
        let identity = PeerIdentity::from_certificate(end_entity);
        match identity {
            Ok(identity) if (self.accepts)(&identity) => Ok(verified),
            Ok(identity) => {
                tracing::warn!(peer = %identity, "TLS client has no business here");
                Err(Error::InvalidCertificate(
                    CertificateError::ApplicationVerificationFailure,
                ))
            }
            Err(error) => {
                tracing::warn!(%error, "TLS client certificate names no node");
                Err(Error::InvalidCertificate(
                    CertificateError::ApplicationVerificationFailure,
                ))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(
            rustls::PeerIncompatible::Tls12NotOffered,
        ))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
