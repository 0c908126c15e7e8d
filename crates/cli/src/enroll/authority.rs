//! On the operator's machine: the authority's key, and what it signs.

use std::path::Path;
use std::time::Duration;

use ed25519_dalek::{Signature, VerifyingKey};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};
use serde_json::json;
use zeroize::Zeroizing;

use super::defect;
use super::files::{Approval, Kind, Request, authority_fingerprint};
use crate::args::ApproveArgs;
use crate::clock::now;
use crate::console::{Report, facts};
use crate::dev::{own_folder, replace_file};
use crate::error::CliError;
use crate::secret_file;

/// How long the authority's own certificate is valid: ten years.
const AUTHORITY_DAYS: u32 = 3_653;
/// Certificates count from so long before they were signed, for clocks that differ.
const BACKDATED: Duration = Duration::from_secs(3_600);

/// Makes an authority in a new folder.
pub(super) fn create(dir: &Path) -> Result<Report, CliError> {
    own_folder(dir)?;
    let key = KeyPair::generate().map_err(|e| defect("no key was made", &e))?;
    let mut params = validity(Vec::new(), AUTHORITY_DAYS)?;
    params.distinguished_name.push(
        DnType::CommonName,
        format!("quorate authority {}", hex::encode(random()?)),
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params
        .self_signed(&key)
        .map_err(|e| defect("no authority was made", &e))?;
    let secret = Zeroizing::new(key.serialize_pem());
    // First the key: it is never replaced, so that an authority is never overwritten.
    secret_file::write_new(&dir.join("ca.key"), secret.as_bytes())?;
    replace_file(&dir.join("ca.crt"), &certificate.pem())?;
    let shown = facts(&[
        ("authority", dir.join("ca.crt").display().to_string()),
        (
            "key",
            "keep ca.key offline: whoever has it can name machines".to_owned(),
        ),
    ]);
    Ok(Report::new(
        &json!({ "authority": dir.join("ca.crt") }),
        shown,
    ))
}

/// Certificate and key of an authority.
pub(super) struct Authority {
    pub(super) certificate: String,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn read(dir: &Path) -> Result<Self, CliError> {
        let path = dir.join("ca.crt");
        let certificate =
            std::fs::read_to_string(&path).map_err(|e| CliError::file(&path, "read", &e))?;
        let key = secret_file::read_owned_text(&dir.join("ca.key"))?;
        let unusable = |error: rcgen::Error| {
            CliError::invalid(
                format!("{}: no usable authority: {error}", dir.display()),
                "use the folder that `quorate node enroll authority` made",
            )
        };
        let key = KeyPair::from_pem(&key).map_err(unusable)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key).map_err(unusable)?;
        Ok(Self {
            certificate,
            issuer,
        })
    }
}

/// Checks a request and signs a certificate for exactly the name that it asks for.
pub(super) fn approve(args: &ApproveArgs) -> Result<Report, CliError> {
    let request = Request::read(&args.request)?;
    let csr = check(&request, &args.fingerprint)?;
    let authority = Authority::read(&args.authority)?;
    let name = request.kind.identity(&request.node).dns_name();
    let name = name.map_err(|e| CliError::invalid(e.to_string(), "the name cannot be used"))?;
    let mut params = validity(vec![name], u32::from(args.days))?;
    params
        .distinguished_name
        .push(DnType::CommonName, request.node.as_str());
    params.serial_number = Some(SerialNumber::from_slice(&random()?));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    let certificate = params
        .signed_by(&csr.public_key, &authority.issuer)
        .map_err(|e| defect("no certificate was signed", &e))?;
    let approval = Approval::new(&request, certificate.pem(), authority.certificate);
    let text = serde_json::to_string_pretty(&approval).expect("texts only");
    replace_file(&args.out, &text)?;
    Ok(report(&request, &args.out, &approval.authority))
}

/// The request is the one that the machine's operator means, and the machine has its keys.
fn check(
    request: &Request,
    fingerprint: &str,
) -> Result<CertificateSigningRequestParams, CliError> {
    let refuse = |what: &str| {
        CliError::invalid(
            format!("the request of `{}` {what}", request.node),
            "do not sign it; ask the machine's operator for a new request",
        )
    };
    if !fingerprint.eq_ignore_ascii_case(&request.fingerprint()) {
        return Err(refuse("has another fingerprint than the one that was told"));
    }
    match (&request.keys, request.kind) {
        (Some(keys), Kind::Participant) => {
            let statement = request.statement(&keys.noise);
            let signature = Signature::from_bytes(&keys.signature);
            VerifyingKey::from_bytes(&keys.identity)
                .and_then(|key| key.verify_strict(&statement, &signature))
                .map_err(|_| refuse("is not signed by its own identity key"))?;
        }
        (None, Kind::Coordinator) => {}
        _ => return Err(refuse("does not hold the keys of its kind")),
    }
    // This checks the signature of the TLS key as well.
    CertificateSigningRequestParams::from_pem(&request.csr)
        .map_err(|_| refuse("holds no valid signing request of its TLS key"))
}

fn report(request: &Request, out: &Path, authority: &str) -> Report {
    let fingerprint = authority_fingerprint(authority);
    let mut shown = vec![
        ("approval", out.display().to_string()),
        ("authority", fingerprint.clone()),
    ];
    let mut manifest_entry = None;
    if let Some(keys) = &request.keys {
        let entry = json!({
            "id": request.node,
            "identity": hex::encode(keys.identity),
            "noise": hex::encode(keys.noise),
        });
        shown.push(("manifest entry", entry.to_string()));
        manifest_entry = Some(entry);
    }
    shown.push((
        "next",
        "carry the approval back; have the owners sign a manifest with the entry".to_owned(),
    ));
    let value = json!({
        "approval": out, "manifest_entry": manifest_entry, "authority_fingerprint": fingerprint,
    });
    Report::new(&value, facts(&shown))
}

fn validity(names: Vec<String>, days: u32) -> Result<CertificateParams, CliError> {
    let mut params =
        CertificateParams::new(names).map_err(|e| defect("no certificate was made", &e))?;
    let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(now().0);
    params.not_before = now - BACKDATED;
    params.not_after = now + Duration::from_secs(u64::from(days) * 86_400);
    Ok(params)
}

/// 16 bytes that make a positive number.
fn random() -> Result<[u8; 16], CliError> {
    let mut bytes = [0; 16];
    secret_file::fill_random(&mut bytes)?;
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(bytes)
}
