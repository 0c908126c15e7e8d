use std::path::{Path, PathBuf};

use quorate_transport::tls::{ClientTls, ServerTls, TlsFiles};

use super::install::{Ask, install, install_in_steps};
use super::*;
use crate::args::{ApproveArgs, InstallArgs, RequestArgs, RevokeArgs};

/// Nobody sits there, or somebody who types this.
struct Somebody(Option<String>);

impl Ask for Somebody {
    fn fingerprint(&mut self) -> Result<Option<String>, CliError> {
        Ok(self.0.clone())
    }
}

fn run(action: EnrollAction) -> Result<Report, CliError> {
    super::run(action, &Console::quiet())
}

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        run(EnrollAction::Authority {
            dir: folder.path().join("ca"),
        })
        .unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn request(&self, node: &str, coordinator: bool, renew: bool) -> Result<Report, CliError> {
        run(EnrollAction::Request(RequestArgs {
            dir: self.path(node),
            node: node.to_owned(),
            coordinator,
            renew,
        }))
    }

    fn fingerprint(&self, node: &str) -> String {
        let path = self.path(node).join("request.json");
        files::Request::read(&path).unwrap().fingerprint()
    }

    fn approve(&self, node: &str, fingerprint: &str) -> Result<Report, CliError> {
        run(EnrollAction::Approve(ApproveArgs {
            request: self.path(node).join("request.json"),
            authority: self.path("ca"),
            fingerprint: fingerprint.to_owned(),
            days: 90,
            out: self.path(&format!("{node}.approval")),
        }))
    }

    fn authority_fingerprint(&self) -> String {
        files::authority_fingerprint(&secret_of(&self.path("ca/ca.crt")))
    }

    fn install_args(&self, node: &str, approval: &str) -> InstallArgs {
        InstallArgs {
            dir: self.path(node),
            approval: self.path(&format!("{approval}.approval")),
            authority_fingerprint: None,
        }
    }

    fn install(&self, node: &str, approval: &str) -> Result<Report, CliError> {
        run(EnrollAction::Install(InstallArgs {
            authority_fingerprint: Some(self.authority_fingerprint()),
            ..self.install_args(node, approval)
        }))
    }

    pub(crate) fn enroll(&self, node: &str, coordinator: bool) -> TlsFiles {
        self.request(node, coordinator, false).unwrap();
        self.approve(node, &self.fingerprint(node)).unwrap();
        self.install(node, node).unwrap();
        self.files(node)
    }

    pub(crate) fn files(&self, node: &str) -> TlsFiles {
        let dir = self.path(node);
        TlsFiles {
            certificate: dir.join("tls.crt"),
            key: dir.join("tls.key"),
            ca: dir.join("ca.crt"),
            crls: Vec::new(),
        }
    }

    pub(crate) fn revoke(&self, nodes: &[&str]) -> PathBuf {
        let list = self.path("revoked.pem");
        let certificate = |node: &&str| self.path(node).join("tls.crt");
        run(EnrollAction::Revoke(RevokeArgs {
            authority: self.path("ca"),
            certificate: nodes.iter().map(certificate).collect(),
            list: list.clone(),
            days: 7,
        }))
        .unwrap();
        list
    }
}

fn secret_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

#[test]
fn enrolment__should_give_a_machine_its_certificate_and_keep_its_keys_at_home() {
    let world = World::new();
    let files = world.enroll("p1", false);
    ServerTls::from_files(&files, |_| true).unwrap();
    ClientTls::from_files(&world.enroll("c1", true)).unwrap();
    // What was carried away holds no secret of the machine.
    let carried = ["p1/request.json", "p1.approval"].map(|name| secret_of(&world.path(name)));
    for key in ["identity.key", "noise.key", "master.key"] {
        let secret = secret_of(&world.path("p1").join(key));
        assert_eq!(secret.len(), 64);
        assert!(carried.iter().all(|text| !text.contains(&secret)));
    }
    assert!(carried.iter().all(|text| !text.contains("PRIVATE")));
    assert!(!world.path("p1").join("tls.key.next").exists());
}

#[test]
fn approval__must_refuse_changed_requests_and_wrong_fingerprints() {
    let world = World::new();
    world.request("p1", false, false).unwrap();
    world.request("p2", false, false).unwrap();
    let (one, two) = (world.fingerprint("p1"), world.fingerprint("p2"));
    assert_ne!(one, two);
    assert!(world.approve("p1", &two).is_err());
    // Another link key under the same identity: the fingerprint, and then the signature, object.
    let path = world.path("p1").join("request.json");
    let mut request: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    request["keys"]["noise"] = "11".repeat(32).into();
    std::fs::write(&path, request.to_string()).unwrap();
    assert!(world.approve("p1", &one).is_err());
    let refused = world.approve("p1", &world.fingerprint("p1")).unwrap_err();
    assert!(refused.to_string().contains("identity key"), "{refused}");
    assert!(!world.path("p1.approval").exists(), "nothing was signed");
}

#[test]
fn installation__must_refuse_the_certificate_of_another_machine_and_change_nothing() {
    let world = World::new();
    world.enroll("p1", false);
    let before = secret_of(&world.path("p1/tls.crt"));
    world.request("p2", false, false).unwrap();
    world.approve("p2", &world.fingerprint("p2")).unwrap();
    world.request("p1", false, true).unwrap();
    let refused = world.install("p1", "p2").unwrap_err();
    assert!(refused.to_string().contains("does not fit"), "{refused}");
    assert_eq!(secret_of(&world.path("p1/tls.crt")), before);
    // Another authority cannot take the machine over.
    let other = World::new();
    other.request("p1", false, false).unwrap();
    other.approve("p1", &other.fingerprint("p1")).unwrap();
    std::fs::copy(other.path("p1.approval"), world.path("foreign.approval")).unwrap();
    let refused = world.install("p1", "foreign").unwrap_err();
    assert!(
        refused.to_string().contains("another authority"),
        "{refused}"
    );
    ServerTls::from_files(&world.files("p1"), |_| true).unwrap();
}

#[test]
fn installation__must_trust_one_authority_and_leave_those_alone_that_were_trusted() {
    let (world, other) = (World::new(), World::new());
    let second = secret_of(&other.path("ca/ca.crt"));
    // Whoever carries the files adds an authority of his own.
    world.request("p1", false, false).unwrap();
    world.approve("p1", &world.fingerprint("p1")).unwrap();
    let text = secret_of(&world.path("p1.approval"));
    let mut approval: serde_json::Value = serde_json::from_str(&text).unwrap();
    let both = format!("{}\n{second}\n", approval["authority"].as_str().unwrap());
    approval["authority"] = both.into();
    std::fs::write(world.path("two.approval"), approval.to_string()).unwrap();
    let refused = world.install("p1", "two").unwrap_err();
    assert!(refused.to_string().contains("exactly one"), "{refused}");
    assert!(!world.path("p1/ca.crt").exists(), "nothing changed");
    let report = world.install("p1", "p1").unwrap();
    assert_eq!(report.json["authority_is_new"], true);
    let own = secret_of(&world.path("ca/ca.crt"));
    let fingerprint = files::authority_fingerprint(&own);
    assert_eq!(report.json["authority_fingerprint"], fingerprint);
    // In a change of authorities the file holds two: a renewal keeps both.
    std::fs::write(world.path("p1/ca.crt"), format!("{own}\n{second}\n")).unwrap();
    world.request("p1", false, true).unwrap();
    world.approve("p1", &world.fingerprint("p1")).unwrap();
    let report = world.install("p1", "p1").unwrap();
    assert_eq!(report.json["authority_is_new"], false);
    assert!(secret_of(&world.path("p1/ca.crt")).contains(second.trim()));
}

#[test]
fn first_authority__must_not_be_trusted_before_somebody_says_its_fingerprint() {
    let world = World::new();
    world.request("p1", false, false).unwrap();
    world.approve("p1", &world.fingerprint("p1")).unwrap();
    let args = world.install_args("p1", "p1");
    let attempt = |flag: Option<&str>, typed: Option<&str>| {
        let args = InstallArgs {
            authority_fingerprint: flag.map(str::to_owned),
            ..args.clone()
        };
        install(&args, &mut Somebody(typed.map(str::to_owned)))
    };
    let right = world.authority_fingerprint();
    let wrong = World::new().authority_fingerprint();
    let unsaid = attempt(None, None).unwrap_err();
    assert!(unsaid.remedy().contains("--authority-fingerprint"));
    for (flag, typed) in [
        (Some(wrong.as_str()), Some(right.as_str())),
        (None, Some(&wrong)),
        (None, Some("")),
        (None, Some("yes")),
        (Some(&right[..20]), None),
    ] {
        let refused = attempt(flag, typed).unwrap_err();
        assert!(refused.to_string().contains("fingerprint"), "{refused}");
    }
    for name in ["ca.crt", "tls.crt", "tls.key"] {
        let path = world.path("p1").join(name);
        assert!(path.symlink_metadata().is_err(), "{name}: nothing changed");
    }
    // As somebody types it.
    attempt(None, Some(&right.to_uppercase().replace('-', " "))).unwrap();
    // Who is trusted is not asked for again; a wrong answer is still one.
    world.request("p1", false, true).unwrap();
    world.approve("p1", &world.fingerprint("p1")).unwrap();
    assert!(attempt(Some(&wrong), None).is_err());
    attempt(None, None).unwrap();
}

/// Puts the pair where earlier versions had it: plain files.
fn as_before(dir: &Path) {
    for name in ["tls.key", "tls.crt"] {
        let path = dir.join(name);
        let real = path.canonicalize().unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(real, &path).unwrap();
    }
    std::fs::remove_file(dir.join("tls.pair")).unwrap();
    std::fs::remove_dir_all(dir.join("tls.pairs")).unwrap();
}

/// What a machine goes through before the installation that is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Enrolled,
    EnrolledByAnEarlierVersion,
}

/// Interrupts an installation before each of its steps in turn; how many there are.
fn interrupt_everywhere(before: Before) -> usize {
    for stop_at in 0.. {
        let world = World::new();
        let dir = world.path("p1");
        if before != Before::Nothing {
            world.enroll("p1", false);
        }
        if before == Before::EnrolledByAnEarlierVersion {
            as_before(&dir);
        }
        world
            .request("p1", false, before != Before::Nothing)
            .unwrap();
        world.approve("p1", &world.fingerprint("p1")).unwrap();
        let args = InstallArgs {
            authority_fingerprint: Some(world.authority_fingerprint()),
            ..world.install_args("p1", "p1")
        };
        let mut steps = 0;
        let done = install_in_steps(&args, &mut Somebody(None), &mut || {
            steps += 1;
            if steps > stop_at {
                return Err(CliError::failed("the power fails", "start again"));
            }
            Ok(())
        });
        let was_interrupted = done.is_err();
        let files = world.files("p1");
        let pair = ServerTls::from_files(&files, |_| true);
        let is_there = files.certificate.exists() || files.key.exists();
        let case = format!("{before:?}, before step {stop_at}");
        assert!(
            pair.is_ok() || (before == Before::Nothing && !is_there),
            "{case}: {:?}",
            pair.err()
        );
        // The machine is started again, and whoever installs does so again.
        let report = install(&args, &mut Somebody(None));
        let report = report.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert!(!report.json["identity"].as_str().unwrap().is_empty());
        ServerTls::from_files(&files, |_| true).unwrap();
        let approval: serde_json::Value =
            serde_json::from_str(&secret_of(&world.path("p1.approval"))).unwrap();
        let installed = std::fs::read_to_string(&files.certificate).unwrap();
        assert_eq!(approval["certificate"], installed, "{case}");
        let pairs = std::fs::read_dir(dir.join("tls.pairs")).unwrap().count();
        assert_eq!(pairs, 1, "{case}: no old key is left");
        assert!(!dir.join("tls.key.next").exists(), "{case}");
        if !was_interrupted {
            return steps;
        }
    }
    unreachable!("some installation is not interrupted");
}

#[test]
fn interrupted_installation__must_leave_a_pair_that_fits_and_be_finished_by_the_next() {
    assert!(interrupt_everywhere(Before::Nothing) >= 7);
    assert!(interrupt_everywhere(Before::Enrolled) >= 8);
    assert!(interrupt_everywhere(Before::EnrolledByAnEarlierVersion) >= 10);
}

#[test]
fn installation__should_finish_what_an_earlier_version_left_half_done() {
    let world = World::new();
    world.enroll("p1", false);
    let dir = world.path("p1");
    as_before(&dir);
    world.request("p1", false, true).unwrap();
    world.approve("p1", &world.fingerprint("p1")).unwrap();
    // It replaced the key first, then the certificate.
    std::fs::rename(dir.join("tls.key.next"), dir.join("tls.key")).unwrap();
    let files = world.files("p1");
    assert!(ServerTls::from_files(&files, |_| true).is_err());
    world.install("p1", "p1").unwrap();
    ServerTls::from_files(&files, |_| true).unwrap();
}

#[test]
fn renewal__should_change_the_tls_key_alone_under_a_running_process() {
    let world = World::new();
    let files = world.enroll("p1", false);
    let running = ServerTls::from_files(&files, |_| true).unwrap();
    let (identity, tls) = (
        secret_of(&world.path("p1/identity.key")),
        secret_of(&world.path("p1/tls.key")),
    );
    assert!(world.request("p1", false, false).is_err(), "it is enrolled");
    world.request("p1", false, true).unwrap();
    assert_eq!(secret_of(&world.path("p1/tls.key")), tls, "not yet");
    world.approve("p1", &world.fingerprint("p1")).unwrap();
    world.install("p1", "p1").unwrap();
    assert_ne!(secret_of(&world.path("p1/tls.key")), tls);
    assert_eq!(secret_of(&world.path("p1/identity.key")), identity);
    assert!(running.reload().unwrap());
}

#[test]
fn revocation_list__should_keep_what_was_revoked_and_be_usable() {
    let world = World::new();
    let mut files = world.enroll("p1", false);
    for node in ["c1", "c2"] {
        world.enroll(node, true);
    }
    let list = world.revoke(&["c1"]);
    files.crls = vec![list.clone()];
    ServerTls::from_files(&files, |_| true).unwrap();
    world.revoke(&["c2"]);
    let text = std::fs::read(&list).unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(&text).unwrap();
    use x509_parser::prelude::FromDer as _;
    let (_, parsed) =
        x509_parser::revocation_list::CertificateRevocationList::from_der(&pem.contents).unwrap();
    assert_eq!(parsed.iter_revoked_certificates().count(), 2);
    // A list of somebody else is not carried on.
    let other = World::new();
    other.revoke(&[]);
    std::fs::copy(other.path("revoked.pem"), &list).unwrap();
    let refused = run(EnrollAction::Revoke(RevokeArgs {
        authority: world.path("ca"),
        certificate: Vec::new(),
        list,
        days: 7,
    }));
    assert!(refused.is_err());
}
