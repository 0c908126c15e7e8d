//! Blanks comments and literals, so that rules look at code only. Lines and columns stay.

/// `text` with every comment, string and character literal replaced by spaces.
pub(crate) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut kept = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match literal_end(bytes, at) {
            Some(end) => end,
            None => {
                at += word_length(bytes, at);
                continue;
            }
        };
        for byte in kept.iter_mut().take(end).skip(at) {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Identifiers are taken whole, so that the `r` of `for` starts no raw string.
fn word_length(bytes: &[u8], at: usize) -> usize {
    let length = bytes
        .iter()
        .skip(at)
        .take_while(|byte| is_word(**byte))
        .count();
    length.max(1)
}

/// The end of the comment or literal that starts at `at`.
fn literal_end(bytes: &[u8], at: usize) -> Option<usize> {
    match (byte(bytes, at), byte(bytes, at + 1)) {
        (b'/', b'/') => Some(find(bytes, at, b"\n").unwrap_or(bytes.len())),
        (b'/', b'*') => Some(block_comment_end(bytes, at)),
        (b'"', _) => Some(string_end(bytes, at + 1)),
        (b'b' | b'c', b'"') => Some(string_end(bytes, at + 2)),
        (b'r', b'"' | b'#') => raw_string_end(bytes, at + 1),
        (b'b' | b'c', b'r') => raw_string_end(bytes, at + 2),
        (b'\'', _) => char_end(bytes, at + 1),
        (b'b', b'\'') => char_end(bytes, at + 2),
        _ => None,
    }
}

fn find(bytes: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(needle.len())
        .position(|window| window == needle)
        .map(|offset| from + offset)
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        match (byte(bytes, at), byte(bytes, at + 1)) {
            (b'/', b'*') => {
                depth += 1;
                at += 2;
            }
            (b'*', b'/') => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match byte(bytes, at) {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes
        .iter()
        .skip(at)
        .take_while(|byte| **byte == b'#')
        .count();
    if byte(bytes, at + hashes) != b'"' {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let end = find(bytes, at + hashes + 1, &close).map(|found| found + close.len());
    Some(end.unwrap_or(bytes.len()))
}

/// Lifetimes are not literals.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    if byte(bytes, at) == b'\\' {
        return find(bytes, at + 2, b"'").map(|found| found + 1);
    }
    // One character of up to four bytes, then the quote.
    let length = match byte(bytes, at) {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
    };
    (byte(bytes, at + length) == b'\'').then_some(at + length + 1)
}

#[cfg(test)]
mod tests {
    use super::code_only;

    #[test]
    fn code_only__should_blank_comments_and_literals() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x\"y", 'z', '\'')"#, "f(      ,    ,     )"),
            (r##"r#"a"b"# c"##, "         c"),
            ("b\"x\" br\"y\" b'z'", "               "),
        ];
        for (text, code) in cases {
            assert_eq!(code_only(text).trim_end(), code.trim_end(), "{text}");
            assert_eq!(code_only(text).len(), text.len());
        }
    }

    #[test]
    fn code_only__should_keep_lifetimes_and_identifiers() {
        for text in [
            "fn f<'a>(x: &'a str)",
            "for r in br",
            "r#type",
            "'outer: loop {}",
        ] {
            assert_eq!(code_only(text), text);
        }
    }
}
