//! On the new machine: keys that never leave it, and what it asks for.

use std::path::Path;

use ed25519_dalek::{Signer as _, SigningKey};
use quorate_types::NodeId;
use rcgen::{CertificateParams, KeyPair};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::defect;
use super::files::{Kind, NodeKeys, Request};
use crate::args::RequestArgs;
use crate::console::{Report, facts};
use crate::dev::{own_folder, replace_file};
use crate::error::CliError;
use crate::secret_file;

/// The TLS key in use.
pub(super) const TLS_KEY: &str = "tls.key";
/// The TLS key of a request that is not installed yet.
pub(super) const NEXT_TLS_KEY: &str = "tls.key.next";
/// The request.
const REQUEST: &str = "request.json";

/// Makes the keys that are missing, and the request.
pub(super) fn make(args: &RequestArgs) -> Result<Report, CliError> {
    let node = args.node.parse::<NodeId>().map_err(|error| {
        CliError::invalid(
            format!("node `{}`: {error}", args.node),
            "use a-z, 0-9 and inner hyphens",
        )
    })?;
    let kind = if args.coordinator {
        Kind::Coordinator
    } else {
        Kind::Participant
    };
    let name = kind
        .identity(&node)
        .dns_name()
        .map_err(|error| CliError::invalid(error.to_string(), "use a-z, 0-9 and inner hyphens"))?;
    own_folder(&args.dir)?;
    refuse_wrong_state(args)?;

    let tls = KeyPair::generate().map_err(|e| defect("no TLS key was made", &e))?;
    let csr = CertificateParams::new(vec![name])
        .and_then(|params| params.serialize_request(&tls))
        .and_then(|csr| csr.pem())
        .map_err(|e| defect("no signing request was made", &e))?;
    let mut request = Request::new(node, kind, csr);
    if kind == Kind::Participant {
        request.keys = Some(node_keys(&args.dir, args.renew, &request)?);
    }
    let secret = Zeroizing::new(tls.serialize_pem());
    let next = args.dir.join(NEXT_TLS_KEY);
    // A request that was made before and never installed is forgotten, with its key.
    if next.exists() {
        std::fs::remove_file(&next).map_err(|e| CliError::file(&next, "removed", &e))?;
    }
    secret_file::write_new(&next, secret.as_bytes())?;
    let path = args.dir.join(REQUEST);
    let text = serde_json::to_string_pretty(&request).expect("texts only");
    replace_file(&path, &text)?;
    let fingerprint = request.fingerprint();
    let shown = facts(&[
        ("request", path.display().to_string()),
        ("node", request.node.to_string()),
        ("fingerprint", fingerprint.clone()),
        (
            "next",
            "carry the request to the operator; tell the fingerprint over another way".to_owned(),
        ),
    ]);
    let value = serde_json::json!({
        "request": path, "node": request.node, "fingerprint": fingerprint,
    });
    Ok(Report::new(&value, shown))
}

fn refuse_wrong_state(args: &RequestArgs) -> Result<(), CliError> {
    let enrolled = args.dir.join(TLS_KEY).exists();
    let folder = args.dir.display();
    match (enrolled, args.renew) {
        (true, false) => Err(CliError::invalid(
            format!("{folder}: this machine has a TLS key already"),
            "add --renew to ask for a new certificate, or use another --dir for another node",
        )),
        (false, true) => Err(CliError::invalid(
            format!("{folder}: there is nothing to renew"),
            "leave out --renew",
        )),
        _ => Ok(()),
    }
}

/// Identity and link key: made once, read again for a further request.
fn node_keys(dir: &Path, renew: bool, request: &Request) -> Result<NodeKeys, CliError> {
    let key = |name: &str| {
        let path = dir.join(name);
        if renew || path.exists() {
            secret_file::read_32(&path)
        } else {
            secret_file::generate(&path)
        }
    };
    let (identity, noise) = (key("identity.key")?, key("noise.key")?);
    if !renew {
        key("master.key")?;
    }
    let identity = SigningKey::from_bytes(&identity);
    let noise = PublicKey::from(&StaticSecret::from(*noise)).to_bytes();
    let signature = identity.sign(&request.statement(&noise)).to_bytes();
    Ok(NodeKeys {
        identity: identity.verifying_key().to_bytes(),
        noise,
        signature,
    })
}
