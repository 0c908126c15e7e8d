//! PEM files of one process (Spec 2).

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use super::error::TlsError;
use super::identity::{IdentityError, PeerIdentity};
use super::revocation::ListFile;

/// Permission bits that a key file must not have.
const OPEN_TO_OTHERS: u32 = 0o077;

/// Longest certificate, key or list that is read, in bytes.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// How a PEM section begins.
const PEM_MARK: &[u8] = b"-----BEGIN";

/// Where certificate, key and trust anchors lie. PEM, but for revocation lists, which may be DER.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Own certificate, and intermediate ones after it.
    pub certificate: PathBuf,
    /// Own private key (PKCS#8, SEC1 or PKCS#1). Readable by its owner alone.
    pub key: PathBuf,
    /// Certificates of the authorities that may vouch for peers.
    pub ca: PathBuf,
    /// Revocation lists, PEM or DER; none: revocation is not checked.
    pub crls: Vec<PathBuf>,
}

/// What the own certificate says, for whoever looks for a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCertificate {
    /// Whom it names.
    pub identity: PeerIdentity,
    /// From when on it counts, in Unix seconds.
    pub not_before: i64,
    /// Until when it counts, in Unix seconds.
    pub not_after: i64,
}

/// What the files hold.
pub(super) struct Loaded {
    pub(super) identity: PeerIdentity,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) authorities: Vec<CertificateDer<'static>>,
    pub(super) roots: RootCertStore,
    pub(super) lists: Vec<ListFile>,
}

impl TlsFiles {
    /// Reads the own certificate alone.
    ///
    /// # Errors
    /// [`TlsError`]: it is missing or broken, or names no process.
    pub fn own_certificate(&self) -> Result<OwnCertificate, TlsError> {
        let own = certificates(&self.certificate)?;
        let own = own
            .first()
            .ok_or_else(|| bad_pem(&self.certificate, "certificate"))?;
        let unusable = |source| TlsError::OwnIdentity {
            path: self.certificate.clone(),
            source,
        };
        let identity = PeerIdentity::from_certificate(own).map_err(unusable)?;
        let (_, parsed) =
            X509Certificate::from_der(own).map_err(|_| unusable(IdentityError::Unparseable))?;
        Ok(OwnCertificate {
            identity,
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
        })
    }

    /// Reads and checks all files.
    pub(super) fn load(&self) -> Result<Loaded, TlsError> {
        let chain = certificates(&self.certificate)?;
        let own = chain
            .first()
            .ok_or_else(|| bad_pem(&self.certificate, "certificate"))?;
        let identity =
            PeerIdentity::from_certificate(own).map_err(|source| TlsError::OwnIdentity {
                path: self.certificate.clone(),
                source,
            })?;
        let mut roots = RootCertStore::empty();
        let authorities = certificates(&self.ca)?;
        for authority in &authorities {
            roots.add(authority.clone())?;
        }
        let mut lists = Vec::new();
        for path in &self.crls {
            let of_file = revocation_lists(path)?.into_iter();
            lists.extend(of_file.map(|der| ListFile {
                path: path.clone(),
                der,
            }));
        }
        Ok(Loaded {
            identity,
            chain,
            key: private_key(&self.key)?,
            authorities,
            roots,
            lists,
        })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(File::open(path), path)?;
    all(CertificateDer::pem_slice_iter(&bytes), path, "certificate")
}

/// Spec 6.1: PEM, or one list in DER.
fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let bytes = read(File::open(path), path)?;
    let is_der = !bytes
        .windows(PEM_MARK.len())
        .any(|window| window == PEM_MARK);
    if is_der && !bytes.is_empty() {
        return Ok(vec![CertificateRevocationListDer::from(bytes.to_vec())]);
    }
    let lists = CertificateRevocationListDer::pem_slice_iter(&bytes);
    all(lists, path, "revocation list")
}

/// All sections of a file; an empty file is an error, not an empty list.
fn all<T>(
    sections: impl Iterator<Item = Result<T, rustls_pki_types::pem::Error>>,
    path: &Path,
    what: &'static str,
) -> Result<Vec<T>, TlsError> {
    let sections: Vec<T> = sections
        .collect::<Result<_, _>>()
        .map_err(|_| bad_pem(path, what))?;
    if sections.is_empty() {
        Err(bad_pem(path, what))
    } else {
        Ok(sections)
    }
}

/// Spec 2.2: the permissions are those of the very file that is read.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let unreadable = |source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & OPEN_TO_OTHERS != 0 {
        return Err(TlsError::KeyPermissions {
            path: path.to_owned(),
            mode,
        });
    }
    let bytes = read(Ok(file), path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| bad_pem(path, "private key"))
}

fn read(file: std::io::Result<File>, path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let mut bytes = Zeroizing::new(Vec::new());
    file.and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes))
        .map_err(|source| TlsError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

fn bad_pem(path: &Path, what: &'static str) -> TlsError {
    TlsError::BadPem {
        path: path.to_owned(),
        what,
    }
}
