//! What is to be signed, from the command line.

use std::io::Read as _;
use std::path::Path;

use quorate_chains::{MAX_PAYLOAD, MessageType};

use crate::args::PayloadArgs;
use crate::error::CliError;

/// Bytes and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) message_type: MessageType,
    pub(crate) bytes: Vec<u8>,
}

/// Reads what the arguments name.
pub(crate) fn read(args: &PayloadArgs) -> Result<Payload, CliError> {
    let transaction = MessageType::Transaction;
    let (message_type, bytes) = if let Some(text) = &args.tx {
        (transaction, unhex("--tx", text)?)
    } else if let Some(path) = &args.tx_file {
        (transaction, hex_or_bytes(read_file(path)?))
    } else if let Some(text) = &args.raw_hash {
        (MessageType::Hash, unhex("--raw-hash", text)?)
    } else if let Some(text) = &args.message {
        (MessageType::Raw, text.clone().into_bytes())
    } else if let Some(text) = &args.message_hex {
        (MessageType::Raw, unhex("--message-hex", text)?)
    } else if let Some(path) = &args.message_file {
        (MessageType::Raw, read_file(path)?)
    } else {
        let what = "nothing to sign was given";
        return Err(CliError::invalid(
            what,
            "give --tx, --tx-file, --raw-hash or --message",
        ));
    };
    Ok(Payload {
        message_type,
        bytes,
    })
}

/// Bytes in hex from the flag of this name.
pub(crate) fn unhex(flag: &str, text: &str) -> Result<Vec<u8>, CliError> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|_| {
        CliError::invalid(
            format!("{flag} is not in hex"),
            "give pairs of 0-9 a-f, 0x optional",
        )
    })
}

/// No transaction is valid text in hex: the first byte of one is 0x7f or less and not a digit, or
/// 0xc0 or more.
fn hex_or_bytes(content: Vec<u8>) -> Vec<u8> {
    let text = content.trim_ascii();
    hex::decode(text.strip_prefix(b"0x").unwrap_or(text)).unwrap_or(content)
}

/// Longest file with many transactions: what one call may carry.
const MAX_LIST_BYTES: u64 = 4 << 20;

/// The text of a file with one payload a line.
pub(super) fn read_text(path: &Path) -> Result<String, CliError> {
    let content = read_at_most(path, MAX_LIST_BYTES, "4 MiB")?;
    String::from_utf8(content).map_err(|_| {
        let what = format!("{}: not text", path.display());
        CliError::invalid(what, "give one transaction in hex a line")
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>, CliError> {
    // In hex, each byte is two characters; one more byte shows that there is too much.
    let limit = 2 * MAX_PAYLOAD as u64 + 16;
    read_at_most(path, limit, &format!("{MAX_PAYLOAD} bytes"))
}

fn read_at_most(path: &Path, limit: u64, shown: &str) -> Result<Vec<u8>, CliError> {
    let mut content = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(limit + 1)
            .read_to_end(&mut content)
    } else {
        let file = std::fs::File::open(path);
        file.and_then(|file| file.take(limit + 1).read_to_end(&mut content))
    };
    read.map_err(|error| CliError::file(path, "read", &error))?;
    if content.len() as u64 > limit {
        let what = format!("{}: longer than a payload may be", path.display());
        return Err(CliError::invalid(what, format!("the limit is {shown}")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tx_file__should_be_taken_in_hex_and_as_bytes() {
        assert_eq!(hex_or_bytes(b"0x02c0\n".to_vec()), [0x02, 0xc0]);
        assert_eq!(hex_or_bytes(b"02C0".to_vec()), [0x02, 0xc0]);
        assert_eq!(hex_or_bytes(vec![0x02, 0xc0]), [0x02, 0xc0]);
    }

    #[test]
    fn flag__must_be_hex() {
        assert!(
            unhex("--tx", "0x0g")
                .unwrap_err()
                .to_string()
                .contains("--tx")
        );
        assert_eq!(unhex("--tx", "0x0a").unwrap(), [10]);
    }
}
