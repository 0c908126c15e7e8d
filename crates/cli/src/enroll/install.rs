//! On the new machine: the certificate is for this machine and its key, or nothing changes.

use std::path::Path;

use quorate_transport::tls::{ServerTls, TlsFiles};
use serde_json::json;
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::parse_x509_pem;

use super::files::{Approval, authority_fingerprint};
use super::request::{NEXT_TLS_KEY, TLS_KEY};
use crate::console::{Report, facts};
use crate::dev::replace_file;
use crate::error::CliError;

/// Checks an approval and puts the certificate in place.
pub(super) fn install(dir: &Path, approval: &Path) -> Result<Report, CliError> {
    let approval = Approval::read(approval)?;
    let (next_key, key) = (dir.join(NEXT_TLS_KEY), dir.join(TLS_KEY));
    let (certificate, authority) = (dir.join("tls.crt"), dir.join("ca.crt"));
    check_signature(&approval)?;
    check_same_authority(&authority, &approval)?;
    // Tried with the very code that will use it, before anything is replaced.
    let trial = TlsFiles {
        certificate: dir.join("tls.crt.next"),
        key: next_key.clone(),
        ca: dir.join("ca.crt.next"),
        crls: Vec::new(),
    };
    replace_file(&trial.certificate, &approval.certificate)?;
    replace_file(&trial.ca, &approval.authority)?;
    let tried = ServerTls::from_files(&trial, |_| false);
    let _ = std::fs::remove_file(&trial.certificate);
    let _ = std::fs::remove_file(&trial.ca);
    let tried = tried.map_err(|error| {
        let mut why = error.to_string();
        if let Some(cause) = std::error::Error::source(&error) {
            why += &format!(": {cause}");
        }
        CliError::invalid(
            format!("the certificate does not fit this machine: {why}"),
            "use the approval of this machine's newest request",
        )
    })?;
    if *tried.identity() != approval.kind.identity(&approval.node) {
        return Err(CliError::invalid(
            format!(
                "the certificate is for {}, not for this request",
                tried.identity()
            ),
            "ask the operator for a new approval",
        ));
    }
    // A process that runs sees key and certificate one after the other, and goes on with the old
    // ones until they fit.
    std::fs::rename(&next_key, &key).map_err(|e| CliError::file(&key, "written", &e))?;
    replace_file(&certificate, &approval.certificate)?;
    // Whom this machine trusts already stays as it is: there may be more than one.
    let is_new = !authority.exists();
    if is_new {
        replace_file(&authority, &approval.authority)?;
    }
    let fingerprint = authority_fingerprint(&approval.authority);
    let compare = match is_new {
        true => "trusted from now on: compare the fingerprint with the operator's over another way",
        false => "trusted before",
    };
    let shown = facts(&[
        ("certificate", certificate.display().to_string()),
        ("key", key.display().to_string()),
        ("authority", authority.display().to_string()),
        ("fingerprint", format!("{fingerprint} ({compare})")),
        ("for", tried.identity().to_string()),
    ]);
    let value = json!({
        "certificate": certificate, "key": key, "authority": authority,
        "authority_fingerprint": fingerprint, "authority_is_new": is_new,
        "identity": tried.identity().to_string(),
    });
    Ok(Report::new(&value, shown))
}

/// The certificate is signed by the authority that comes with it.
fn check_signature(approval: &Approval) -> Result<(), CliError> {
    // What follows the first certificate would be trusted without having signed anything.
    if approval.authority.matches("-----BEGIN").count() != 1 {
        return Err(CliError::invalid(
            "the approval does not hold exactly one authority",
            "ask the operator for a new approval",
        ));
    }
    let refuse = || {
        CliError::invalid(
            "the certificate is not signed by the authority of the approval",
            "ask the operator for a new approval",
        )
    };
    let (_, own) = parse_x509_pem(approval.certificate.as_bytes()).map_err(|_| refuse())?;
    let (_, authority) = parse_x509_pem(approval.authority.as_bytes()).map_err(|_| refuse())?;
    let (own, authority): (X509Certificate<'_>, X509Certificate<'_>) = (
        own.parse_x509().map_err(|_| refuse())?,
        authority.parse_x509().map_err(|_| refuse())?,
    );
    own.verify_signature(Some(authority.public_key()))
        .map_err(|_| refuse())
}

/// An approval cannot change whom this machine trusts: that is a decision of its own.
fn check_same_authority(path: &Path, approval: &Approval) -> Result<(), CliError> {
    match std::fs::read_to_string(path) {
        Ok(known) if known.contains(approval.authority.trim()) => Ok(()),
        Ok(_) => Err(CliError::invalid(
            format!(
                "{}: the approval comes from another authority",
                path.display()
            ),
            "if the cluster changes its authority, add the new one to this file first",
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(CliError::file(path, "read", &error)),
    }
}
