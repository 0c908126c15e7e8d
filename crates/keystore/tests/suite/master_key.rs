use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use quorate_keystore::{
    Argon2Cost, Disk, MasterKey, MasterKeyError, Protection, WrapKey as _, open_secret, seal_secret,
};
use zeroize::Zeroizing;

/// Fast, for tests of everything but the cost.
const CHEAP: Argon2Cost = Argon2Cost {
    memory_kib: 64,
    iterations: 1,
    parallelism: 1,
};

fn passphrase(text: &str) -> Protection {
    Protection::Passphrase(Zeroizing::new(text.to_owned()))
}

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn key_file(&self, content: &str, mode: u32) -> Protection {
        let path = self.path("key");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Protection::KeyFile(path)
    }
    fn create(&self, protection: &Protection) -> Result<MasterKey, MasterKeyError> {
        MasterKey::create(&Disk, &self.path("master.json"), protection, CHEAP)
    }
    fn unlock(&self, protection: &Protection) -> Result<MasterKey, MasterKeyError> {
        MasterKey::unlock(&Disk, &self.path("master.json"), protection)
    }
}

fn same(a: &MasterKey, b: &MasterKey) -> bool {
    let blob = seal_secret(a, b"binding", b"secret").unwrap();
    a.key_id() == b.key_id() && open_secret(b, b"binding", &blob).is_ok()
}

#[test]
fn master_key__should_open_with_its_passphrase_only() {
    let bench = Bench::new();
    let master = bench.create(&passphrase("right")).unwrap();
    assert!(same(&master, &bench.unlock(&passphrase("right")).unwrap()));
    match bench.unlock(&passphrase("wrong")) {
        Err(error @ MasterKeyError::Wrong { .. }) => {
            let text = error.to_string();
            assert!(
                text.contains("wrong passphrase; the file itself is intact"),
                "{text}"
            );
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it opened"),
    }
    let refused = bench.create(&passphrase("right"));
    assert!(matches!(
        refused,
        Err(MasterKeyError::InvalidCreation { .. })
    ));
    let mode = std::fs::metadata(bench.path("master.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn master_key__should_cost_what_the_defaults_say() {
    let bench = Bench::new();
    let path = bench.path("master.json");
    MasterKey::create(&Disk, &path, &passphrase("x"), Argon2Cost::default()).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    for part in [
        "argon2id",
        "\"memory_kib\": 65536",
        "\"iterations\": 3",
        "\"parallelism\": 1",
    ] {
        assert!(text.contains(part), "{text}");
    }
    bench.unlock(&passphrase("x")).unwrap();
}

#[test]
fn b11_master_file__must_not_open_after_any_changed_byte() {
    let bench = Bench::new();
    bench.create(&passphrase("right")).unwrap();
    let path = bench.path("master.json");
    let good = std::fs::read(&path).unwrap();
    for place in 0..good.len() {
        let mut bad = good.clone();
        bad[place] ^= 1 << (place % 7);
        std::fs::write(&path, bad).unwrap();
        match bench.unlock(&passphrase("right")) {
            Err(MasterKeyError::Damaged { path: named, .. }) => assert_eq!(named, path),
            Err(other) => panic!("{place}: {other}"),
            Ok(_) => panic!("{place}: it opened"),
        }
    }
}

#[test]
fn key_file__must_be_the_owners_alone_and_well_formed() {
    let bench = Bench::new();
    let digits = "ab".repeat(32);
    let good = bench.key_file(&digits, 0o600);
    let master = bench.create(&good).unwrap();
    assert!(same(
        &master,
        &bench
            .unlock(&bench.key_file(&format!("{digits}\n"), 0o400))
            .unwrap()
    ));
    for mode in [0o640, 0o604, 0o660, 0o666, 0o700] {
        match bench.unlock(&bench.key_file(&digits, mode)) {
            Err(error @ MasterKeyError::KeyFileMode { .. }) => {
                assert!(error.to_string().contains("chmod 600"), "{error}");
            }
            Err(other) => panic!("{mode:o}: {other}"),
            Ok(_) => panic!("{mode:o}: it opened"),
        }
        std::fs::remove_file(bench.path("key")).unwrap();
    }
    for bad in ["", "ab", &"zz".repeat(32), &"ab".repeat(33)] {
        let refused = bench.unlock(&bench.key_file(bad, 0o600));
        assert!(
            matches!(refused, Err(MasterKeyError::KeyFileForm { .. })),
            "{bad}"
        );
    }
    let other = bench.unlock(&bench.key_file(&"cd".repeat(32), 0o600));
    assert!(matches!(
        other,
        Err(MasterKeyError::Wrong {
            kind: "key file",
            ..
        })
    ));
    let other = bench.unlock(&passphrase("x"));
    assert!(matches!(
        other,
        Err(MasterKeyError::OtherProtection {
            kind: "key file",
            ..
        })
    ));
}

#[test]
fn master_key__should_be_protected_anew_without_changing() {
    let bench = Bench::new();
    let master = bench.create(&passphrase("old")).unwrap();
    let path = bench.path("master.json");
    master
        .protect_by(&Disk, &path, &passphrase("new"), CHEAP)
        .unwrap();
    assert!(matches!(
        bench.unlock(&passphrase("old")),
        Err(MasterKeyError::Wrong { .. })
    ));
    assert!(same(&master, &bench.unlock(&passphrase("new")).unwrap()));
    let key_file = bench.key_file(&"01".repeat(32), 0o600);
    master.protect_by(&Disk, &path, &key_file, CHEAP).unwrap();
    assert!(same(&master, &bench.unlock(&key_file).unwrap()));
}

#[test]
fn master_key__must_refuse_a_cost_out_of_bounds() {
    let bench = Bench::new();
    let path = bench.path("master.json");
    for cost in [
        Argon2Cost {
            memory_kib: 8 << 20,
            ..CHEAP
        },
        Argon2Cost {
            iterations: 1_000,
            ..CHEAP
        },
        Argon2Cost {
            iterations: 0,
            ..CHEAP
        },
        Argon2Cost {
            parallelism: 0,
            ..CHEAP
        },
    ] {
        let refused = MasterKey::create(&Disk, &path, &passphrase("x"), cost);
        assert!(matches!(refused, Err(MasterKeyError::InvalidCost)));
        assert!(!Path::exists(&path));
    }
}

#[test]
fn secret__must_open_under_its_binding_and_master_key_only() {
    let (one, two) = (Bench::new(), Bench::new());
    let (one, two) = (
        one.create(&passphrase("x")).unwrap(),
        two.create(&passphrase("x")).unwrap(),
    );
    let blob = seal_secret(&one, b"identity of p1", b"the node's key").unwrap();
    assert_eq!(
        &open_secret(&one, b"identity of p1", &blob).unwrap()[..],
        b"the node's key"
    );
    assert!(open_secret(&one, b"identity of p2", &blob).is_err());
    assert!(open_secret(&two, b"identity of p1", &blob).is_err());
    assert!(!blob.windows(8).any(|part| part == b"the node"));
    for place in 0..blob.len() {
        let mut bad = blob.clone();
        bad[place] ^= 1;
        assert!(
            open_secret(&one, b"identity of p1", &bad).is_err(),
            "{place}"
        );
    }
}
