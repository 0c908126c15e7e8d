//! What rustls asks during one handshake, answered by the files of that moment.
//!
//! A verifier lives for one handshake, so that it can say afterwards what it refused and about
//! whom: rustls itself keeps no certificate of a peer that it refused.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::identity::PeerIdentity;
use super::material::Material;
use crate::fault::LinkFault;

/// Which verified identities may connect.
pub(super) type Filter = Arc<dyn Fn(&PeerIdentity) -> bool + Send + Sync>;

/// What a verifier refused, for whoever ran the handshake.
#[derive(Clone, Default)]
pub(super) struct Witness(Arc<Mutex<Option<Refused>>>);

/// A certificate that was refused.
#[derive(Clone)]
pub(super) struct Refused {
    pub(super) fault: LinkFault,
    /// The name in it. Not proven: a refused certificate proves nothing.
    pub(super) claimed: Option<PeerIdentity>,
}

impl Witness {
    /// What was refused, if anything.
    pub(super) fn refused(&self) -> Option<Refused> {
        self.0.lock().clone()
    }

    fn note(&self, error: &Error, certificate: &CertificateDer<'_>) {
        *self.0.lock() = Some(Refused {
            fault: LinkFault::of_tls(error),
            claimed: PeerIdentity::from_certificate(certificate).ok(),
        });
    }
}

/// Checks a client inside the handshake, so that no byte of a wrong peer reaches HTTP.
pub(super) struct ClientVerifier {
    pub(super) material: Arc<Material>,
    pub(super) accepts: Filter,
    pub(super) witness: Witness,
}

/// Checks a server.
pub(super) struct ServerVerifier {
    pub(super) material: Arc<Material>,
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientVerifier").finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerVerifier").finish_non_exhaustive()
    }
}

fn chain<'a>(
    end_entity: &CertificateDer<'a>,
    intermediates: &[CertificateDer<'a>],
) -> Vec<CertificateDer<'a>> {
    let mut chain = vec![end_entity.clone()];
    chain.extend_from_slice(intermediates);
    chain
}

fn no_tls_1_2() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::PeerIncompatible(
        rustls::PeerIncompatible::Tls12NotOffered,
    ))
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.material.clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain = chain(end_entity, intermediates);
        match self.material.check_client(&chain, &self.accepts, now) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(error) => {
                self.witness.note(&error, end_entity);
                Err(error)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls_1_2()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.material
            .clients
            .verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.material.clients.supported_verify_schemes()
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = chain(end_entity, intermediates);
        self.material.check_server(&chain, server_name, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls_1_2()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.material
            .servers
            .verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.material.servers.supported_verify_schemes()
    }
}
