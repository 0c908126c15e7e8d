//! Files that hold the caller's own keys: read only if nobody else can read them.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::CliError;

/// Most bytes of a file with a key in hex.
const MAX_FILE_BYTES: u64 = 4_096;
/// Permission bits that a key file must not have.
const OPEN_TO_OTHERS: u32 = 0o077;

/// Reads a key in hex; a newline at the end is ignored.
///
/// # Errors
/// [`CliError::Invalid`] if others may read the file, or it does not hold hex. The text of the
/// file is never part of the error.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let text = read_text(path)?;
    let digits = text.trim_ascii();
    hex::decode(digits).map(Zeroizing::new).map_err(|_| {
        let what = format!("{}: does not hold a key in hex", path.display());
        CliError::invalid(what, "use the file that was handed out with the credential")
    })
}

/// As [`read`], for a key of 32 bytes.
pub(crate) fn read_32(path: &Path) -> Result<Zeroizing<[u8; 32]>, CliError> {
    let bytes = read(path)?;
    let array = <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new);
    array.map_err(|_| {
        let what = format!("{}: a key of 32 bytes in hex is needed", path.display());
        CliError::invalid(what, "use the file that was handed out with the credential")
    })
}

/// The text of a secret file.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_owned_text(path: &Path) -> Result<Zeroizing<String>, CliError> {
    let bytes = read_text(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        let what = format!("{}: does not hold text", path.display());
        CliError::invalid(what, "name a key file in PEM")
    })?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn read_text(path: &Path) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let unreadable = |error| CliError::file(path, "read", &error);
    let file = File::open(path).map_err(unreadable)?;
    // The permissions are those of the very file that is read.
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & OPEN_TO_OTHERS != 0 {
        let path = path.display();
        let what = format!("{path}: others than its owner may use this key file (mode {mode:03o})");
        return Err(CliError::invalid(what, format!("chmod 600 {path}")));
    }
    let mut text = Zeroizing::new(Vec::new());
    file.take(MAX_FILE_BYTES)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

/// Writes a new file that only its owner can use, durably. An existing file is never replaced.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> Result<(), CliError> {
    write_with_mode(path, content, 0o600)
}

/// Writes 32 fresh random bytes in hex to a new file, and returns them.
pub(crate) fn generate(path: &Path) -> Result<Zeroizing<[u8; 32]>, CliError> {
    let mut secret = Zeroizing::new([0; 32]);
    fill_random(secret.as_mut())?;
    write_new(
        path,
        Zeroizing::new(hex::encode(secret.as_slice())).as_bytes(),
    )?;
    Ok(secret)
}

/// Randomness of the operating system.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), CliError> {
    getrandom::fill(bytes).map_err(|error| {
        let what = format!("the operating system gives no randomness: {error}");
        CliError::failed(what, "nothing can be signed on this machine until it does")
    })
}

fn write_with_mode(path: &Path, content: &[u8], mode: u32) -> Result<(), CliError> {
    let unwritable = |error| CliError::file(path, "written", &error);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = options.open(path).map_err(unwritable)?;
    file.write_all(content).map_err(unwritable)?;
    file.sync_all().map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn key_file__should_be_read_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        let secret = generate(&path).unwrap();
        assert_eq!(*read_32(&path).unwrap(), *secret);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(
            generate(&path).is_err(),
            "an existing key is never replaced"
        );
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = read_32(&path).unwrap_err();
            assert!(error.remedy().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn key_file__must_not_show_its_text_in_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        write_new(&path, b"correct horse battery").unwrap();
        assert!(!read(&path).unwrap_err().to_string().contains("horse"));
        let short = folder.path().join("s");
        write_new(&short, b"abcd").unwrap();
        assert!(!read_32(&short).unwrap_err().to_string().contains("abcd"));
    }
}
