//! On the operator's machine: the authority's list of certificates that no longer count.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber, date_time_ymd,
};
use serde_json::json;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::authority::Authority;
use super::defect;
use crate::args::RevokeArgs;
use crate::clock::now;
use crate::console::{Report, facts};
use crate::dev::replace_file;
use crate::error::CliError;

/// Adds certificates to the list, and signs it anew.
pub(super) fn revoke(args: &RevokeArgs) -> Result<Report, CliError> {
    let authority = Authority::read(&args.authority)?;
    let (_, own) = parse_x509_pem(authority.certificate.as_bytes())
        .map_err(|e| unreadable(&args.authority.join("ca.crt"), &e))?;
    let own = own
        .parse_x509()
        .map_err(|e| unreadable(&args.authority.join("ca.crt"), &e))?;
    let mut serials = match std::fs::read(&args.list) {
        Ok(bytes) => kept(&args.list, &bytes, &own)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeSet::new(),
        Err(error) => return Err(CliError::file(&args.list, "read", &error)),
    };
    for path in &args.certificate {
        serials.insert(serial(path, &own)?);
    }
    let at = date_time_ymd(1970, 1, 1) + Duration::from_secs(now().0);
    let revoked = |serial: &Vec<u8>| RevokedCertParams {
        serial_number: SerialNumber::from_slice(serial),
        revocation_time: at,
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: at,
        next_update: at + Duration::from_secs(u64::from(args.days) * 86_400),
        crl_number: SerialNumber::from(now().0),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let text = list
        .signed_by(&authority.issuer)
        .and_then(|list| list.pem())
        .map_err(|e| defect("no list was signed", &e))?;
    replace_file(&args.list, &text)?;
    let shown = facts(&[
        ("list", args.list.display().to_string()),
        ("revoked", serials.len().to_string()),
        (
            "next",
            "put it at `tls.crl_file` of every process: no restart is needed".to_owned(),
        ),
    ]);
    Ok(Report::new(
        &json!({ "list": args.list, "revoked": serials.len() }),
        shown,
    ))
}

/// What the list held: a certificate that was revoked stays so.
fn kept(
    path: &Path,
    bytes: &[u8],
    authority: &x509_parser::certificate::X509Certificate<'_>,
) -> Result<BTreeSet<Vec<u8>>, CliError> {
    let (_, pem) = parse_x509_pem(bytes).map_err(|e| unreadable(path, &e))?;
    let (_, list) =
        CertificateRevocationList::from_der(&pem.contents).map_err(|e| unreadable(path, &e))?;
    list.verify_signature(authority.public_key())
        .map_err(|e| unreadable(path, &e))?;
    let serials = list.iter_revoked_certificates();
    Ok(serials.map(|one| one.raw_serial().to_vec()).collect())
}

fn serial(
    path: &Path,
    authority: &x509_parser::certificate::X509Certificate<'_>,
) -> Result<Vec<u8>, CliError> {
    let bytes = std::fs::read(path).map_err(|e| CliError::file(path, "read", &e))?;
    let (_, pem) = parse_x509_pem(&bytes).map_err(|e| unreadable(path, &e))?;
    let certificate = pem.parse_x509().map_err(|e| unreadable(path, &e))?;
    certificate
        .verify_signature(Some(authority.public_key()))
        .map_err(|e| unreadable(path, &e))?;
    Ok(certificate.raw_serial().to_vec())
}

fn unreadable(path: &Path, error: &impl std::fmt::Display) -> CliError {
    CliError::invalid(
        format!("{}: not a file of this authority: {error}", path.display()),
        "name the certificates and the list of this authority, in PEM",
    )
}
