//! Values with a fixed list of names.

/// Writes and parses a type by its `as_str` and `ALL`.
macro_rules! named {
    ($type:ident, $what:literal) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl std::str::FromStr for $type {
            type Err = quorate_types::DecodeError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL
                    .into_iter()
                    .find(|known| known.as_str() == text)
                    .ok_or(quorate_types::DecodeError::Unknown { what: $what })
            }
        }
    };
}
pub(crate) use named;
