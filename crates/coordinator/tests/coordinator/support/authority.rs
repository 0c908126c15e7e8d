//! A certificate authority in a throwaway folder.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use quorate_transport::tls::{PeerIdentity, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap());
        Self(issuer.unwrap())
    }

    pub fn issue(&self, folder: &Path, who: &PeerIdentity) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![who.dns_name().unwrap()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let file = |end: &str| folder.join(format!("{}.{end}", who.id));
        std::fs::write(file("crt"), certificate.pem()).unwrap();
        std::fs::write(file("key"), key.serialize_pem()).unwrap();
        std::fs::set_permissions(file("key"), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(file("ca"), self.0.pem()).unwrap();
        TlsFiles {
            certificate: file("crt"),
            key: file("key"),
            ca: file("ca"),
            crls: Vec::new(),
        }
    }
}
