/// The query of a path, each value escaped.
#[derive(Debug, Clone, Default)]
pub struct Query(String);

impl Query {
    /// Adds a parameter if there is a value.
    #[must_use]
    pub fn with(mut self, name: &str, value: Option<&str>) -> Self {
        let Some(value) = value else { return self };
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0 += name;
        self.0.push('=');
        for byte in value.bytes() {
            // RFC 3986 §2.3: the characters that need no escape.
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                self.0.push(char::from(byte));
            } else {
                self.0 += &format!("%{byte:02X}");
            }
        }
        self
    }

    /// `path?…`, or `path` alone.
    #[must_use]
    pub fn after(&self, path: &str) -> String {
        format!("{path}{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query__should_escape_values() {
        let query = Query::default()
            .with("a", Some("x y&z"))
            .with("b", None)
            .with("c", Some("ü"));
        assert_eq!(query.after("/keys"), "/keys?a=x%20y%26z&c=%C3%BC");
        assert_eq!(Query::default().after("/keys"), "/keys");
    }
}
