use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `quorate node enroll …`
#[derive(Debug, Subcommand)]
pub enum EnrollAction {
    /// On the operator's offline machine, once: make the certificate authority
    Authority {
        /// New folder for ca.crt and ca.key
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// On the new machine: make its keys, which never leave it, and a request to carry away
    Request(RequestArgs),
    /// On the operator's machine: check a request, sign a certificate, show the manifest's entry
    Approve(ApproveArgs),
    /// On the new machine: check the approval and put the certificate in place
    Install(InstallArgs),
    /// On the operator's machine: write a new revocation list
    Revoke(RevokeArgs),
}

/// What a machine asks for.
#[derive(Debug, Args)]
pub struct RequestArgs {
    /// Folder for its keys, and for the request
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Name of the node: a-z, 0-9 and inner hyphens
    #[arg(long, value_name = "ID")]
    pub node: String,
    /// It is a coordinator: it gets a certificate, and no entry of the manifest
    #[arg(long)]
    pub coordinator: bool,
    /// Keep its identity, and ask for a certificate of a new TLS key
    #[arg(long)]
    pub renew: bool,
}

/// What a machine puts in place.
#[derive(Debug, Clone, Args)]
pub struct InstallArgs {
    /// Folder of the machine's keys
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// File that `approve` wrote
    #[arg(long, value_name = "FILE")]
    pub approval: PathBuf,
    /// Fingerprint of the authority that `approve` showed, told over another way; asked for on a
    /// terminal. Needed for the first authority that this machine trusts
    #[arg(long, value_name = "HEX")]
    pub authority_fingerprint: Option<String>,
}

/// What the operator signs.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// Request of the machine
    #[arg(long, value_name = "FILE")]
    pub request: PathBuf,
    /// Folder with ca.crt and ca.key
    #[arg(long, value_name = "DIR")]
    pub authority: PathBuf,
    /// Fingerprint that the machine showed, told by its operator over another way
    #[arg(long, value_name = "HEX")]
    pub fingerprint: String,
    /// Days that the certificate is valid
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=825))]
    pub days: u16,
    /// Where to write the approval
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// What the operator takes back.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Folder with ca.crt and ca.key
    #[arg(long, value_name = "DIR")]
    pub authority: PathBuf,
    /// Certificate to revoke; several, or none to renew the list
    #[arg(long, value_name = "FILE")]
    pub certificate: Vec<PathBuf>,
    /// The list: what it holds is kept
    #[arg(long, value_name = "FILE")]
    pub list: PathBuf,
    /// Days until the next list is due
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=366))]
    pub days: u16,
}
