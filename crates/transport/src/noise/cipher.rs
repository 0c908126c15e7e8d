//! ChaCha20-Poly1305 of the Noise pattern by `aws-lc-rs`, which TLS uses too, instead of the
//! portable code that `snow` brings: the same bytes on the wire for a fraction of the time.
//!
//! Everything else of the handshake (X25519, BLAKE2s, randomness) stays with `snow`'s own resolver.
//! Source: Noise Protocol Framework rev. 34, §12 ("ChaChaPoly functions").

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};

use super::record::TAG;

/// Bytes of a key.
const KEY: usize = 32;

/// `snow`'s own functions, but for the cipher.
#[derive(Default)]
pub(super) struct Resolver {
    others: DefaultResolver,
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        self.others.resolve_rng()
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        self.others.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        self.others.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        match choice {
            CipherChoice::ChaChaPoly => Some(Box::new(ChaChaPoly::new(&[0; KEY]))),
            _ => None, // the one pattern that is spoken has no other
        }
    }
}

/// The cipher with its key, which `aws-lc` wipes when it is dropped.
struct ChaChaPoly(LessSafeKey);

impl ChaChaPoly {
    fn new(key: &[u8; KEY]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key);
        Self(LessSafeKey::new(
            key.expect("a key of this cipher has 32 bytes"),
        ))
    }

    /// Noise §12: four zero bytes, then the counter, little-endian.
    fn nonce(counter: u64) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        if let Some(tail) = nonce.last_chunk_mut() {
            *tail = counter.to_le_bytes();
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Cipher for ChaChaPoly {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; KEY]) {
        *self = Self::new(key);
    }

    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let length = plaintext.len();
        // `snow` checks the room before it calls (its trait has no error to return).
        let (body, tag) = out
            .split_at_mut_checked(length)
            .expect("snow leaves room for the text");
        body.copy_from_slice(plaintext);
        let sealed = self
            .0
            .seal_in_place_separate_tag(Self::nonce(nonce), Aad::from(authtext), body)
            .expect("a record is far shorter than the cipher's limit");
        tag.first_chunk_mut::<TAG>()
            .expect("snow leaves room for the tag")
            .copy_from_slice(sealed.as_ref());
        length + TAG
    }

    fn decrypt(
        &self,
        nonce: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let length = ciphertext.len().checked_sub(TAG).ok_or(Error::Decrypt)?;
        let (body, tag) = ciphertext.split_at_checked(length).ok_or(Error::Decrypt)?;
        let plaintext = out.get_mut(..length).ok_or(Error::Decrypt)?;
        self.0
            .open_separate_gather(
                Self::nonce(nonce),
                Aad::from(authtext),
                body,
                tag,
                plaintext,
            )
            .map_err(|_| Error::Decrypt)?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(key: &[u8; KEY]) -> [Box<dyn Cipher>; 2] {
        let resolvers: [Box<dyn CryptoResolver>; 2] =
            [Box::new(Resolver::default()), Box::new(DefaultResolver)];
        resolvers.map(|resolver| {
            let mut cipher = resolver.resolve_cipher(&CipherChoice::ChaChaPoly).unwrap();
            cipher.set(key);
            cipher
        })
    }

    /// `snow`'s portable cipher is the reference.
    #[test]
    fn cipher__should_give_the_bytes_of_the_portable_one() {
        let text: Vec<u8> = (0..u8::MAX).cycle().take(66_000).collect();
        for (number, length) in [0, 1, 15, 16, 17, 63, 64, 65, 255, 1_024, 50_000, 65_519]
            .into_iter()
            .enumerate()
        {
            let key = [u8::try_from(number).unwrap() + 1; KEY];
            let [ours, reference] = both(&key);
            for nonce in [0, 1, u64::from(u32::MAX) + 7, u64::MAX] {
                for authtext in [&b""[..], b"associated"] {
                    let plaintext = &text[..length];
                    let (mut a, mut b) = (vec![0; length + TAG], vec![0; length + TAG]);
                    assert_eq!(ours.encrypt(nonce, authtext, plaintext, &mut a), a.len());
                    reference.encrypt(nonce, authtext, plaintext, &mut b);
                    assert_eq!(a, b, "{length} bytes, nonce {nonce}");
                    let mut opened = vec![0; length];
                    let read = ours.decrypt(nonce, authtext, &b, &mut opened);
                    assert_eq!(read.ok(), Some(length));
                    assert_eq!(opened, plaintext);
                }
            }
        }
    }

    #[test]
    fn cipher__must_refuse_what_is_not_authentic() {
        let [ours, _] = both(&[7; KEY]);
        let mut sealed = vec![0; 32 + TAG];
        ours.encrypt(5, b"a", &[9; 32], &mut sealed);
        let mut out = [0; 64];
        assert!(ours.decrypt(5, b"a", &sealed, &mut out).is_ok());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(ours.decrypt(5, b"a", &changed, &mut out).is_err(), "{at}");
        }
        assert!(ours.decrypt(6, b"a", &sealed, &mut out).is_err());
        assert!(ours.decrypt(5, b"b", &sealed, &mut out).is_err());
        for length in 0..sealed.len() {
            assert!(ours.decrypt(5, b"a", &sealed[..length], &mut out).is_err());
        }
        // No room for the text.
        assert!(ours.decrypt(5, b"a", &sealed, &mut [0; 31]).is_err());
    }

    /// Rekeying is not used, but `snow` offers it by this cipher: it must be the standard one.
    #[test]
    fn rekeyed_cipher__should_agree_with_the_portable_one() {
        let [mut ours, mut reference] = both(&[3; KEY]);
        ours.rekey();
        reference.rekey();
        let (mut a, mut b) = ([0; 20 + TAG], [0; 20 + TAG]);
        ours.encrypt(0, b"", &[1; 20], &mut a);
        reference.encrypt(0, b"", &[1; 20], &mut b);
        assert_eq!(a, b);
    }
}
