//! On the new machine: the certificate is for this machine and its key, or nothing changes.

use std::path::Path;

use quorate_transport::tls::{PeerIdentity, ServerTls, TlsFiles};
use serde_json::json;
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::parse_x509_pem;

use super::files::{Approval, authority_fingerprint};
use super::pair::{Interrupt, Pair, TLS_CERTIFICATE};
use super::request::TLS_KEY;
use crate::args::InstallArgs;
use crate::console::{Report, facts};
use crate::dev::replace_file;
use crate::error::CliError;

/// How the machine's operator says which authority is meant.
pub(super) trait Ask {
    /// The fingerprint that somebody types; `None` where nobody can be asked.
    ///
    /// # Errors
    /// [`CliError`] if the terminal cannot be read.
    fn fingerprint(&mut self) -> Result<Option<String>, CliError>;
}

/// Checks an approval and puts the certificate in place.
pub(super) fn install(args: &InstallArgs, ask: &mut dyn Ask) -> Result<Report, CliError> {
    install_in_steps(args, ask, &mut || Ok(()))
}

/// As [`install`], with a word before each step that changes something.
pub(super) fn install_in_steps(
    args: &InstallArgs,
    ask: &mut dyn Ask,
    interrupt: Interrupt<'_>,
) -> Result<Report, CliError> {
    let approval = Approval::read(&args.approval)?;
    let pair = Pair {
        dir: &args.dir,
        certificate: &approval.certificate,
    };
    let authority = args.dir.join("ca.crt");
    check_signature(&approval)?;
    let is_new = !check_same_authority(&authority, &approval)?;
    let identity = check_fit(&pair, &approval)?;
    let fingerprint = authority_fingerprint(&approval.authority);
    confirm(args, is_new, &fingerprint, ask)?;
    // Whom this machine trusts already stays as it is: there may be more than one. Trust comes
    // first: a pair without it would be of no use.
    interrupt()?;
    if is_new {
        replace_file(&authority, &approval.authority)?;
    }
    pair.install(interrupt)?;
    let (certificate, key) = (args.dir.join(TLS_CERTIFICATE), args.dir.join(TLS_KEY));
    let since = if is_new { "from now on" } else { "before" };
    let shown = facts(&[
        ("certificate", certificate.display().to_string()),
        ("key", key.display().to_string()),
        ("authority", authority.display().to_string()),
        ("fingerprint", format!("{fingerprint} (trusted {since})")),
        ("for", identity.to_string()),
    ]);
    let value = json!({
        "certificate": certificate, "key": key, "authority": authority,
        "authority_fingerprint": fingerprint, "authority_is_new": is_new,
        "identity": identity.to_string(),
    });
    Ok(Report::new(&value, shown))
}

/// Tries the pair with the very code that will use it, before anything is replaced.
fn check_fit(pair: &Pair<'_>, approval: &Approval) -> Result<PeerIdentity, CliError> {
    let trial = TlsFiles {
        certificate: pair.dir.join("tls.crt.next"),
        key: pair.key(),
        ca: pair.dir.join("ca.crt.next"),
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
    let identity = tried.identity().clone();
    if identity != approval.kind.identity(&approval.node) {
        return Err(CliError::invalid(
            format!("the certificate is for {identity}, not for this request"),
            "ask the operator for a new approval",
        ));
    }
    Ok(identity)
}

/// The first authority is trusted only if somebody says its fingerprint, who has it over another way
/// than the files.
fn confirm(
    args: &InstallArgs,
    is_new: bool,
    fingerprint: &str,
    ask: &mut dyn Ask,
) -> Result<(), CliError> {
    let said = match (&args.authority_fingerprint, is_new) {
        (Some(said), _) => said.clone(),
        (None, false) => return Ok(()),
        (None, true) => ask.fingerprint()?.ok_or_else(|| {
            CliError::invalid(
                "this machine trusts no authority yet, and nobody has said which one is meant",
                "add --authority-fingerprint with what `approve` showed the operator, told over \
                 another way than the files",
            )
        })?,
    };
    let plain = |text: &str| {
        let digits = text.chars().filter(|c| !c.is_whitespace() && *c != '-');
        digits.collect::<String>().to_ascii_lowercase()
    };
    if plain(&said) == plain(fingerprint) {
        return Ok(());
    }
    Err(CliError::invalid(
        "the authority of the approval has another fingerprint than the one that was told",
        "do not install it; ask the operator over another way which fingerprint `approve` shows",
    ))
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

/// An approval cannot change whom this machine trusts: that is a decision of its own. Whether its
/// authority is trusted already.
fn check_same_authority(path: &Path, approval: &Approval) -> Result<bool, CliError> {
    match std::fs::read_to_string(path) {
        Ok(known) if known.contains(approval.authority.trim()) => Ok(true),
        Ok(_) => Err(CliError::invalid(
            format!(
                "{}: the approval comes from another authority",
                path.display()
            ),
            "if the cluster changes its authority, add the new one to this file first",
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(CliError::file(path, "read", &error)),
    }
}
